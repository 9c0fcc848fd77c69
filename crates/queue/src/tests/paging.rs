//! Pages beside the naive model: they change nothing but when it is known.

use super::naive::State;
use super::property::Pair;
use super::store::Record;
use super::{COMPETING, keys};
use crate::{LeaveReason, Logging, MergeLimits, PageLimits, PageReach, PageSaved, Paged};
use model::{LogIndex, Outcome, PageNumber, Sequence};

impl Pair {
    pub(super) fn page_out(&mut self, bytes: (usize, usize, usize), reach: PageReach) {
        let page = self.store.next_page();
        let limits = PageLimits {
            bytes_max: bytes.0,
            bytes_min: bytes.1,
            keep_bytes: bytes.2,
            reach,
            logging: if self.is_logged {
                let committed = self.naive.committed;
                Logging::Logged { committed }
            } else {
                Logging::Unlogged
            },
        };
        let Some(out) = self.queue.page_out(page, limits) else {
            return;
        };
        let sequences: Vec<_> = out.messages.iter().map(sequence).collect();
        assert!(sequences.is_sorted_by(|one, next| one < next) && !sequences.is_empty());
        let cost: usize = out
            .messages
            .iter()
            .map(|one| one.message.cost_bytes())
            .sum();
        assert!(cost <= bytes.0 || sequences.len() == 1);
        assert!(cost >= bytes.1);
        for one in &out.messages {
            let known = self.naive.known(sequence(one)).expect("it is in the queue");
            assert_eq!(one.message, known.draft.message());
            assert_eq!(one.placement.available_at, known.available_at);
            assert_eq!(one.placement.expires_at, known.expires_at);
            assert_eq!(one.redelivered, known.redelivered);
            assert_eq!(one.delivery_count, known.delivery_count);
            assert!(known.state == State::Waiting || reach == PageReach::InHands);
            let is_due = known.logged.is_none_or(|at| at <= self.naive.committed);
            assert_eq!(known.logged.is_some(), self.is_logged);
            assert!(is_due && !self.store.homes.contains_key(&known.sequence));
        }
        self.store.saving.push(out);
    }

    /// A page that is being written is saved, or not.
    pub(super) fn save(&mut self, nth: usize, is_saved: bool) {
        if self.store.saving.is_empty() {
            return;
        }
        let nth = nth % self.store.saving.len();
        let out = self.store.saving.remove(nth);
        let page = out.page;
        if !is_saved {
            self.queue.page_not_saved(page);
            return;
        }
        let bytes: usize = out
            .messages
            .iter()
            .map(|one| one.message.cost_bytes())
            .sum();
        let sequences: Vec<_> = out.messages.iter().map(sequence).collect();
        self.store.write(out);
        match self.queue.page_saved(page, bytes as u64) {
            PageSaved::Log(record) => {
                let is_merged = self.store.merged.contains(&page);
                let members: Vec<_> = record.members.iter().collect();
                if is_merged {
                    self.store.merged_count += 1;
                    assert!(members.iter().all(|member| sequences.contains(member)));
                } else {
                    assert_eq!(members, sequences);
                }
                let mut encoded = Vec::new();
                record.members.encode(&mut encoded);
                assert_eq!(
                    crate::Members::decode(&encoded),
                    Some(record.members.clone())
                );
                for sequence in members {
                    if self.naive.known(sequence).is_some() {
                        let previous = self.store.homes.insert(sequence, page);
                        assert_eq!(previous.is_some(), is_merged, "it stands in one page");
                    }
                }
                self.store.log.push(Record::Paged(record));
            }
            PageSaved::Unneeded => self.store.free(page),
            PageSaved::Rewritten => {}
        }
    }

    pub(super) fn shed(&mut self, keep_bytes: usize) {
        let before = self.queue.resident_bytes();
        let freed = self.queue.shed(keep_bytes);
        assert_eq!(before - freed, self.queue.resident_bytes());
        // Where nothing is kept, a look at everything finds no more. Else it would hide what was forgotten.
        if keep_bytes == 0 {
            if let Some(pages) = &mut self.queue.holdings.pages {
                pages.shed_keep = None;
            }
            assert_eq!(self.queue.shed(0), 0);
        }
    }

    /// After that, no message in somebody's hands has a body that a page has.
    pub(super) fn strip(&mut self) {
        let before = self.queue.resident_bytes();
        let freed = self.queue.strip_hands();
        assert_eq!(before - freed, self.queue.resident_bytes());
        self.look();
        for known in &self.naive.messages {
            let is_in_hands = matches!(known.state, State::With(_));
            if is_in_hands && self.store.homes.contains_key(&known.sequence) {
                assert!(self.naive.away.contains(&known.sequence), "{known:?}");
            }
        }
    }

    /// What is prepared is to have the bodies that it needs.
    pub(super) fn await_bodies(&mut self, count: usize, outcome: Outcome) {
        let prepared = self.prepared(count);
        let mut awaited = Vec::new();
        self.queue.await_bodies(&prepared, outcome, &mut awaited);
        let rules = &self.naive.rules;
        let is_last = |count: u32| rules.delivery_limit.is_some_and(|limit| count >= limit);
        let is_needed = |sequence: &Sequence| {
            let known = self.naive.known(*sequence).expect("it is in the queue");
            let dies = match outcome {
                Outcome::Reject => true,
                Outcome::Fail => is_last(known.delivery_count),
                Outcome::Accept | Outcome::Release => false,
            };
            dies && rules.dead_letter.is_some() && self.naive.away.contains(sequence)
        };
        let needed: Vec<_> = prepared.iter().copied().filter(is_needed).collect();
        assert_eq!(awaited, needed);
        // They may be awaited for another reason.
        let known = self.queue.awaited(&prepared);
        assert!(awaited.iter().all(|one| known.contains(one)));
    }

    pub(super) fn want(&mut self, read_ahead_bytes: usize) {
        let mut wanted = Vec::new();
        let now = self.naive.now;
        self.queue.wanted_pages(now, read_ahead_bytes, &mut wanted);
        wanted.extend(self.queue.next_body_page());
        self.store.ask(wanted);
    }

    pub(super) fn read(&mut self, nth: usize) {
        if self.store.reading.is_empty() {
            return;
        }
        let nth = nth % self.store.reading.len();
        let page = self.store.reading.remove(nth);
        // It may have been freed meanwhile.
        let messages = self.store.saved.get(&page).cloned().unwrap_or_default();
        let mut left = Vec::new();
        let read = self.queue.page_read(page, messages, &mut keys, &mut left);
        let embodied = read.expect("it holds what it should");
        assert_eq!(self.queue.awaited(&embodied), []);
        let mut gone = Vec::new();
        for sequence in embodied {
            assert_eq!(self.store.homes.get(&sequence), Some(&page));
            let known = self.naive.known(sequence).expect("it is in the queue");
            let State::Leaving(reason) = known.state else {
                continue;
            };
            let letter = left.iter().find(|left| left.sequence == sequence);
            let body = letter.and_then(|letter| letter.message.clone());
            assert_eq!(body, Some(known.draft.message()));
            gone.push(self.naive.leave(sequence, reason));
        }
        self.same(&left, gone);
    }

    pub(super) fn compact(&mut self) {
        let (stored, dead) = (self.queue.stored_bytes(), self.queue.dead_bytes());
        assert!(dead <= stored);
        if let Some(page) = self.queue.emptiest_page() {
            assert!(dead > 0 && self.store.saved.contains_key(&page));
            self.store.chosen.push(page);
        }
    }

    pub(super) fn rewrite(&mut self, is_read: bool) {
        let Some(page) = self.store.chosen.pop() else {
            return;
        };
        if !is_read {
            // It is asked for again later.
            self.store.chosen.insert(0, page);
            return;
        }
        let messages = self.store.saved.get(&page).cloned().unwrap_or_default();
        let before = messages.len();
        let is_there = self.queue.page_numbers().any(|known| known == page);
        let out = self.queue.rewrite(page, messages);
        assert_eq!(out.is_some(), is_there);
        if let Some(out) = out {
            // A crash may have left it written anew already.
            assert!(out.page == page && out.messages.len() <= before);
            let live = |one: &Paged| self.store.homes.get(&sequence(one)) == Some(&page);
            assert!(out.messages.iter().all(live));
            self.store.saving.push(out);
        }
    }

    pub(super) fn choose_merge(&mut self, pages_min: usize, bytes_max: u64) {
        let limits = MergeLimits {
            pages_min,
            bytes_max,
        };
        let is_merging = !self.store.to_merge.is_empty();
        let is_writing = |out: &&crate::PageOut| self.store.merged.contains(&out.page);
        let is_writing = self.store.saving.iter().any(|out| is_writing(&out));
        if let Some(pages) = self.queue.pages_to_merge(limits) {
            assert!(!is_writing && pages.len() >= pages_min);
            let saved = |page| self.store.saved.get(page);
            let messages = pages
                .iter()
                .flat_map(|page| saved(page).expect("it is there"));
            let messages: Vec<_> = messages.collect();
            let cost = messages.iter().map(|one| one.message.cost_bytes() as u64);
            assert!(!self.store.is_exact || cost.sum::<u64>() <= bytes_max);
            // What was to be merged before has been emptied, or was.
            assert!(!is_merging || pages != self.store.to_merge);
            self.store.to_merge = pages;
        }
    }

    pub(super) fn merge(&mut self, is_read: bool) {
        let pages = std::mem::take(&mut self.store.to_merge);
        if pages.is_empty() {
            return;
        }
        if !is_read {
            // As if it had been given up: it is chosen again later.
            self.store.to_merge = pages;
            return;
        }
        let read = |page: PageNumber| self.store.saved.get(&page).cloned().unwrap_or_default();
        let parts = pages.iter().map(|page| (*page, read(*page))).collect();
        let page = self.store.next_page();
        if let Some(out) = self.queue.merge(page, parts) {
            assert_eq!(out.page, page);
            let live = |one: &Paged| self.store.homes.contains_key(&sequence(one));
            assert!(out.messages.iter().all(live));
            self.store.merged.insert(page);
            self.store.saving.push(out);
        }
    }

    pub(super) fn free(&mut self) {
        let mut freed = Vec::new();
        self.queue.take_freed_pages(&mut freed);
        freed.into_iter().for_each(|page| self.store.free(page));
        let mut pages: Vec<_> = self.store.saved.keys().copied().collect();
        pages.extend(self.store.saving.iter().map(|out| out.page));
        pages.sort_unstable();
        pages.dedup();
        assert_eq!(self.queue.page_numbers().collect::<Vec<_>>(), pages);
    }

    pub(super) fn purge(&mut self) {
        let (mut left, mut purged) = (Vec::new(), Vec::new());
        self.queue.purge(&mut left, &mut purged);
        let in_hands = |known: &&super::naive::Known| known.state != State::Waiting;
        let mut count = 0;
        for told in purged {
            count += told.count;
            let home = |sequence: Sequence| self.store.homes.get(&sequence) == Some(&told.page);
            let held = self.naive.messages.iter().filter(in_hands);
            let held = held.map(|known| known.sequence);
            let held: Vec<_> = held.filter(|sequence| home(*sequence)).collect();
            assert_eq!(told.except, held, "what stays");
            if self.is_logged {
                self.store
                    .log
                    .push(Record::PageLeft(told.page, told.except));
            }
        }
        assert_eq!(count, self.naive.cold.len() as u64, "what leaves unread");
        let waiting: Vec<_> = self.naive.waiting().map(|k| k.sequence).collect();
        let mut gone = Vec::new();
        for sequence in waiting {
            let one = self.naive.leave(sequence, LeaveReason::Purged);
            if self.naive.cold.contains(&sequence) {
                self.store.homes.remove(&sequence);
            } else {
                gone.push(one);
            }
        }
        self.same(&left, gone);
    }

    /// Reads what delayed messages stand in that are due, until none is.
    pub(super) fn read_what_is_due(&mut self) {
        loop {
            self.look();
            self.tick(10);
            self.want(usize::MAX);
            if self.store.reading.is_empty() {
                break;
            }
            self.read(0);
        }
    }

    pub(super) fn check_deadline(&self) {
        let (deadline, naive) = (self.queue.deadline(), self.naive.deadline());
        if self.naive.cold.is_empty() {
            assert_eq!(deadline, naive);
        }
        assert!(naive.is_none_or(|naive| deadline.is_some_and(|at| at <= naive)));
        let shut = self.naive.shut.iter();
        let shut = shut.filter_map(|sequence| self.naive.known(*sequence)?.available_at);
        if self.store.reading.is_empty()
            && let Some(first) = shut.min()
        {
            assert!(deadline.is_some_and(|at| at <= first));
        }
        // A page that was read for what expires is not soon read again for that.
        let store = &self.store;
        let is_fresh = |sequence: &&Sequence| {
            let home = store.homes.get(sequence);
            home.is_some_and(|home| !store.asked.contains(home))
        };
        let cold = self.naive.cold.iter().filter(is_fresh);
        let expires = cold.filter_map(|sequence| self.naive.known(*sequence)?.expires_at);
        if store.reading.is_empty()
            && let Some(first) = expires.min()
        {
            assert!(deadline.is_some_and(|at| at <= first));
        }
    }

    /// Everything is delivered and accepted; then nothing is left, in memory or elsewhere.
    pub(super) fn drain(&mut self) {
        let ids: Vec<_> = self.naive.subscribers.keys().copied().collect();
        for id in ids {
            self.cancel(id);
        }
        let prepared: Vec<_> = self.prepared(usize::MAX);
        self.end_prepared(&prepared);
        while !self.store.saving.is_empty() {
            self.save(0, true);
        }
        self.subscribe(u64::MAX, None, COMPETING);
        let mut rounds = 0;
        while !self.queue.is_empty() {
            rounds += 1;
            assert!(rounds < 1000, "it does not end");
            self.naive.now = self.naive.now.plus_millis(10);
            self.look();
            self.tick(3);
            self.want(1);
            self.read(rounds);
            self.naive.committed = LogIndex(u64::MAX).min(self.log_end);
            if let Some(mark) = self.queue.wanted_mark() {
                self.mark(mark);
            }
            self.pump();
            self.check();
            self.settle_all(Outcome::Accept);
            self.check();
        }
        self.free();
        assert_eq!(
            self.store.saved.keys().collect::<Vec<_>>(),
            [] as [&PageNumber; 0]
        );
        assert_eq!((self.queue.bytes(), self.queue.resident_bytes()), (0, 0));
        assert_eq!((self.queue.stored_bytes(), self.queue.dead_bytes()), (0, 0));
    }
}

fn sequence(one: &Paged) -> Sequence {
    one.placement.sequence
}
