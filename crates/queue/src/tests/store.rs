//! What a test keeps in place of a disk: pages, and the log that says what becomes of them.

use super::keys;
use crate::entry::Entry;
use crate::page::Member;
use crate::{
    Left, PageOut, PageRecord, PageState, Paged, Placement, Queue, RecoveredQueue, Returned,
};
use model::{Message, PageNumber, QueueRules, Sequence};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

#[derive(Clone, Debug)]
pub(super) enum Record {
    Enqueued(Placement, Message),
    Settled(Sequence),
    Returned(Returned),
    Marked(Sequence),
    Paged(PageRecord),
    Page(PageState),
    PageLeft(PageNumber, Vec<Sequence>),
}

#[derive(Default)]
pub(super) struct Store {
    pub(super) log: Vec<Record>,
    pub(super) saved: BTreeMap<PageNumber, Vec<Paged>>,
    /// Being written.
    pub(super) saving: Vec<PageOut>,
    /// Being read.
    pub(super) reading: Vec<PageNumber>,
    /// To be read and written anew.
    pub(super) chosen: Vec<PageNumber>,
    /// To be read and written as one.
    pub(super) to_merge: Vec<PageNumber>,
    /// Pages that are to take the place of others.
    pub(super) merged: BTreeSet<PageNumber>,
    /// How many have.
    pub(super) merged_count: usize,
    /// The page that each message stands in that has one.
    pub(super) homes: BTreeMap<Sequence, PageNumber>,
    freed: BTreeSet<PageNumber>,
    has_dead_letters: bool,
    /// Those that were ever asked for.
    pub(super) asked: BTreeSet<PageNumber>,
    last_page: u64,
    /// Whether what pages cost is known exactly: until one is recovered that is not whole.
    pub(super) is_exact: bool,
}

impl Store {
    pub(super) fn new(rules: &QueueRules) -> Self {
        Self {
            is_exact: true,
            has_dead_letters: rules.dead_letter.is_some(),
            ..Self::default()
        }
    }

    pub(super) fn next_page(&mut self) -> PageNumber {
        self.last_page += 1;
        PageNumber(self.last_page)
    }

    pub(super) fn note_left(&mut self, left: &[Left]) {
        let logged = left.iter().filter(|left| left.is_logged);
        self.log
            .extend(logged.map(|left| Record::Settled(left.sequence)));
        for left in left {
            let home = self.homes.remove(&left.sequence);
            let is_letter = self.has_dead_letters && left.reason.is_death();
            let may_be_away = home.is_some() && !is_letter;
            assert!(
                left.message.is_some() || may_be_away,
                "{} has no body",
                left.sequence
            );
        }
    }

    pub(super) fn write(&mut self, out: PageOut) {
        assert!(!self.freed.contains(&out.page), "it was freed");
        self.saved.insert(out.page, out.messages);
    }

    pub(super) fn free(&mut self, page: PageNumber) {
        assert!(self.freed.insert(page), "{page} is freed twice");
        assert!(self.saved.remove(&page).is_some(), "{page} is not there");
        assert!(
            !self.homes.values().any(|home| *home == page),
            "{page} is needed"
        );
    }

    pub(super) fn ask(&mut self, pages: Vec<PageNumber>) {
        for page in pages {
            assert!(self.saved.contains_key(&page), "{page} is not there");
            assert!(!self.reading.contains(&page), "{page} is asked for twice");
            self.reading.push(page);
            self.asked.insert(page);
        }
    }

    /// What the log and the pages make of it.
    pub(super) fn recover(&mut self, queue: &Queue, rules: &QueueRules) -> Queue {
        let mut recovered = RecoveredQueue::new();
        for record in self.log.clone() {
            match record {
                Record::Enqueued(placement, message) => recovered.enqueued(placement, message),
                Record::Settled(sequence) => recovered.settled(sequence, sequence),
                Record::Returned(one) => {
                    recovered.returned(one.sequence, one.delivery_count, one.available_at);
                }
                Record::Marked(mark) => recovered.marked(mark),
                Record::Paged(record) => recovered.paged(record),
                Record::Page(state) => recovered.page(state),
                Record::PageLeft(page, except) => recovered.page_left(page, &except),
            }
        }
        recovered.next_is(queue.next_sequence());
        let mut pages = Vec::new();
        recovered.page_numbers(&mut pages);
        assert!(pages.is_sorted());
        // What was being written may have been.
        for out in std::mem::take(&mut self.saving) {
            if out.page.0.is_multiple_of(2) && !self.freed.contains(&out.page) {
                self.saved.insert(out.page, out.messages);
            }
        }
        self.saved.retain(|page, _| pages.contains(page));
        assert_eq!(self.saved.len(), pages.len(), "pages are missing");
        self.reading.clear();
        self.chosen.clear();
        self.to_merge.clear();
        let count = recovered.len();
        let resident_bytes = recovered.resident_bytes();
        let recovered = recovered.into_queue(Arc::new(rules.clone()), 7, keys);
        assert_eq!(recovered.len(), count);
        assert_eq!(recovered.resident_bytes(), resident_bytes);
        let pages = recovered
            .holdings
            .pages
            .iter()
            .flat_map(|pages| pages.iter());
        self.is_exact &= pages.into_iter().all(|(_, page)| {
            let waiting =
                page.members_in(Member::Cold).len() + page.members_in(Member::Delayed).len();
            waiting == page.sequences().count()
        });
        self.homes.retain(|_, home| self.saved.contains_key(home));
        recovered
    }

    /// Writes down what the queue holds in place of the log.
    pub(super) fn snapshot(&mut self, queue: &Queue) {
        self.log.clear();
        self.log.push(Record::Marked(queue.delivery_mark()));
        for held in queue.messages().filter(|held| held.is_logged) {
            let placement = Placement {
                available_at: None,
                ..held.placement
            };
            self.log
                .push(Record::Enqueued(placement, held.message.clone()));
            if held.delivery_count > 0 || held.placement.available_at.is_some() {
                self.log.push(Record::Returned(Returned {
                    sequence: held.placement.sequence,
                    delivery_count: held.delivery_count,
                    available_at: held.placement.available_at,
                }));
            }
        }
        self.log.extend(queue.page_states().map(Record::Page));
    }
}

/// The messages that only pages have: all, and those that are delayed.
pub(super) fn cold(queue: &Queue) -> (BTreeSet<Sequence>, BTreeSet<Sequence>) {
    let (mut cold, mut delayed) = (BTreeSet::new(), BTreeSet::new());
    for (_, page) in queue.holdings.pages.iter().flat_map(|pages| pages.iter()) {
        cold.extend(page.members_in(Member::Cold));
        delayed.extend(page.members_in(Member::Delayed));
    }
    cold.extend(&delayed);
    (cold, delayed)
}

/// All that is in memory, with its body or without.
fn entries(queue: &Queue) -> impl Iterator<Item = &Entry> {
    let hands = queue.subscriptions.values().map(|one| &one.unsettled);
    let hands = hands.chain([&queue.prepared]).flat_map(|held| held.iter());
    queue.ready.iter().chain(hands.map(|(_, entry)| entry))
}

/// What is charged for the messages that are in memory.
pub(super) fn memory_bytes(queue: &Queue) -> usize {
    entries(queue)
        .filter_map(Entry::message_here)
        .map(Message::cost_bytes)
        .sum()
}

/// Those without bodies.
pub(super) fn away(queue: &Queue) -> BTreeSet<Sequence> {
    let away = entries(queue).filter(|entry| entry.message_here().is_none());
    away.map(|entry| entry.sequence).collect()
}
