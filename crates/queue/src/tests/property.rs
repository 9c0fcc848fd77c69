//! The queue beside the naive model: the same steps, the same deliveries, the same departures.

use super::naive::{Gone, Known, Naive, State, Subscriber};
use super::steps::{Step, hoarding_steps, rules, rules_with_letters, steps};
use super::store::{Record, Store, away, cold};
use super::{Draft, Taken, keys, options, subscriber};
use crate::{
    Age, CancelCause, Full, InUse, LeaveReason, Left, Queue, Returned, Sharing, Stop, SubscriberId,
};
use model::{LogIndex, Outcome, QueueRules, Sequence};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::sync::Arc;

pub(super) struct Pair {
    pub(super) queue: Queue,
    pub(super) naive: Naive,
    pub(super) store: Store,
    subscribed_count: u32,
    pub(super) log_end: LogIndex,
    /// Whether the queue stands in a log.
    pub(super) is_logged: bool,
    /// Whether the queue is to drop what must be read first.
    pub(super) owes_drops: bool,
}

/// What left, in the order of the sequences.
fn gone(left: &[Left]) -> Vec<Gone> {
    let mut gone: Vec<_> = left
        .iter()
        .map(|left| (left.sequence, left.is_logged, left.reason))
        .collect();
    gone.sort_by_key(|(sequence, ..)| *sequence);
    gone
}

fn assert_same(
    left: &[Left],
    returned: &mut [Returned],
    (mut naive_gone, mut naive_returned): (Vec<Gone>, Vec<Returned>),
) {
    naive_gone.sort_by_key(|(sequence, ..)| *sequence);
    assert_eq!(gone(left), naive_gone, "what left");
    returned.sort_by_key(|returned| returned.sequence);
    naive_returned.sort_by_key(|returned| returned.sequence);
    assert_eq!(returned, naive_returned, "what went back");
}

impl Pair {
    pub(super) fn new(rules: QueueRules, is_logged: bool) -> Self {
        Self {
            queue: Queue::new(Arc::new(rules.clone()), 7),
            store: Store::new(&rules),
            naive: Naive::new(rules),
            subscribed_count: 0,
            log_end: LogIndex(0),
            is_logged,
            owes_drops: false,
        }
    }

    /// Looks at what only pages have.
    pub(super) fn look(&mut self) {
        (self.naive.cold, self.naive.shut) = cold(&self.queue);
        self.naive.away = away(&self.queue);
    }

    pub(super) fn assert_same(
        &mut self,
        left: &[Left],
        returned: &mut [Returned],
        naive: (Vec<Gone>, Vec<Returned>),
    ) {
        assert_same(left, returned, naive);
        self.store.note_left(left);
        let returned = returned.iter().copied();
        self.store.log.extend(returned.map(Record::Returned));
    }

    pub(super) fn same(&mut self, left: &[Left], gone: Vec<Gone>) {
        self.assert_same(left, &mut [], (gone, Vec::new()));
    }

    pub(super) fn cancel(&mut self, id: SubscriberId) {
        self.look();
        let (mut left, mut returned) = (Vec::new(), Vec::new());
        let (now, cause) = (self.naive.now, CancelCause::Asked);
        self.queue.cancel(now, id, cause, &mut left, &mut returned);
        let ended = self.naive.cancel(id, false);
        self.assert_same(&left, &mut returned, ended);
    }

    pub(super) fn end_prepared(&mut self, sequences: &[Sequence]) {
        let (mut left, mut returned) = (Vec::new(), Vec::new());
        let outcome = Outcome::Accept;
        let ended = self.naive.end(sequences, outcome);
        let now = self.naive.now;
        self.queue
            .settle_prepared(now, sequences, outcome, &mut left, &mut returned);
        self.assert_same(&left, &mut returned, ended);
    }

    pub(super) fn settle_all(&mut self, outcome: Outcome) {
        while let Some((id, sequences)) = self.unsettled(0, usize::MAX) {
            let (mut left, mut returned) = (Vec::new(), Vec::new());
            let ended = self.naive.end(&sequences, outcome);
            let now = self.naive.now;
            self.queue
                .settle(now, id, &sequences, outcome, &mut left, &mut returned);
            self.assert_same(&left, &mut returned, ended);
        }
    }

    pub(super) fn log(&mut self) -> LogIndex {
        self.log_end = self.log_end.next();
        self.log_end
    }

    fn subscriber(&self, nth: usize) -> Option<SubscriberId> {
        let subscribers = &self.naive.subscribers;
        subscribers
            .keys()
            .nth(nth % subscribers.len().max(1))
            .copied()
    }

    /// A subscription and some of what it has.
    fn unsettled(&self, nth: usize, count: usize) -> Option<(SubscriberId, Vec<Sequence>)> {
        let out = self
            .naive
            .messages
            .iter()
            .filter_map(|known| match known.state {
                State::With(id) => Some((id, known.sequence)),
                State::Waiting | State::Prepared | State::Leaving(_) => None,
            });
        let out: Vec<_> = out.collect();
        let (id, _) = out.get(nth % out.len().max(1)).copied()?;
        let own = out[nth % out.len()..]
            .iter()
            .filter(|(other, _)| *other == id);
        let sequences = own.map(|(_, sequence)| *sequence).take(count);
        Some((id, sequences.collect()))
    }

    pub(super) fn prepared(&self, count: usize) -> Vec<Sequence> {
        let prepared = |known: &&Known| known.state == State::Prepared;
        let prepared = self.naive.messages.iter().filter(prepared);
        prepared.map(|known| known.sequence).take(count).collect()
    }

    pub(super) fn step(&mut self, step: &Step) {
        let now = self.naive.now;
        self.look();
        let (mut left, mut returned) = (Vec::new(), Vec::new());
        match step {
            Step::Enqueue { draft, is_logged } => self.enqueue(draft, *is_logged),
            Step::Subscribe {
                credit,
                filter,
                sharing,
            } => self.subscribe(*credit, *filter, *sharing),
            Step::Cancel(nth, cause) => {
                let Some(id) = self.subscriber(*nth) else {
                    return;
                };
                assert!(self.queue.cancel(now, id, *cause, &mut left, &mut returned));
                let ended = self.naive.cancel(id, *cause == CancelCause::ConnectionLost);
                self.assert_same(&left, &mut returned, ended);
                assert!(!self.queue.cancel(now, id, *cause, &mut left, &mut returned));
            }
            Step::Retire(nth) => {
                let Some(id) = self.subscriber(*nth) else {
                    return;
                };
                let is_browser = self.naive.subscribers[&id].is_browser();
                assert_eq!(self.queue.step_aside(id), !is_browser);
                if !is_browser {
                    self.naive.step_aside(id);
                }
            }
            Step::Grant(nth, total) => {
                let Some(id) = self.subscriber(*nth) else {
                    return;
                };
                assert!(self.queue.grant(id, *total));
                self.naive
                    .subscribers
                    .entry(id)
                    .and_modify(|one| one.grant(*total));
            }
            Step::UseUp(nth) => {
                let Some(id) = self.subscriber(*nth) else {
                    return;
                };
                self.queue.use_up_grant(id);
                self.naive
                    .subscribers
                    .entry(id)
                    .and_modify(|one| one.grant(one.granted.min(one.delivered)));
            }
            Step::Settle(nth, count, outcome) => {
                let Some((id, mut sequences)) = self.unsettled(*nth, *count) else {
                    return;
                };
                let ended = self.naive.end(&sequences, *outcome);
                sequences.push(sequences[0]);
                self.queue
                    .settle(now, id, &sequences, *outcome, &mut left, &mut returned);
                self.assert_same(&left, &mut returned, ended);
            }
            Step::Prepare(nth, count) => {
                let Some((id, sequences)) = self.unsettled(*nth, *count) else {
                    return;
                };
                assert_eq!(self.queue.prepare(id, &sequences), sequences);
                assert_eq!(self.queue.prepare(id, &sequences), []);
                for known in &mut self.naive.messages {
                    if sequences.contains(&known.sequence) {
                        known.state = State::Prepared;
                    }
                }
            }
            Step::SettlePrepared(count, outcome) => {
                let sequences = self.prepared(*count);
                let ended = self.naive.end(&sequences, *outcome);
                self.queue
                    .settle_prepared(now, &sequences, *outcome, &mut left, &mut returned);
                self.assert_same(&left, &mut returned, ended);
            }
            Step::ReleasePrepared(count) => {
                let sequences = self.prepared(*count);
                self.queue.release_prepared(&sequences);
                for known in &mut self.naive.messages {
                    if sequences.contains(&known.sequence) {
                        (known.state, known.redelivered) = (State::Waiting, true);
                        known.acquired_count += 1;
                    }
                }
            }
            Step::Purge => {
                self.purge();
            }
            Step::DropOldest => {
                self.drop_oldest();
            }
            Step::Wait(millis) => self.naive.now = now.plus_millis(*millis),
            Step::Tick(count_max) => {
                self.tick(*count_max);
            }
            Step::Commit(count) => {
                let committed = self.naive.committed.0.saturating_add(*count);
                self.naive.committed = LogIndex(committed).min(self.log_end);
            }
            Step::Mark => {
                if let Some(mark) = self.queue.wanted_mark() {
                    self.mark(mark);
                }
            }
            Step::LogUnlogged(age) if self.is_logged => self.log_unlogged(*age),
            Step::LogUnlogged(_) => {}
            Step::Fill(nth) => {
                let Some(id) = self.subscriber(*nth) else {
                    return;
                };
                match self.naive.full.iter().position(|full| *full == id) {
                    Some(at) => drop(self.naive.full.remove(at)),
                    None => self.naive.full.push(id),
                }
            }
            Step::Restart if self.is_logged => self.restart(),
            Step::Snapshot if self.is_logged => self.store.snapshot(&self.queue),
            Step::Restart | Step::Snapshot => {}
            Step::PageOut { bytes, reach } => self.page_out(*bytes, *reach),
            Step::Saved(nth, is_saved) => self.save(*nth, *is_saved),
            Step::Shed(keep_bytes) => self.shed(*keep_bytes),
            Step::Strip => self.strip(),
            Step::Await(count, outcome) => self.await_bodies(*count, *outcome),
            Step::Want(read_ahead_bytes) => self.want(*read_ahead_bytes),
            Step::Read(nth) => self.read(*nth),
            Step::Compact => self.compact(),
            Step::ChooseMerge(pages_min, bytes_max) => self.choose_merge(*pages_min, *bytes_max),
            Step::Merge(is_read) => self.merge(*is_read),
            Step::Rewrite(is_read) => self.rewrite(*is_read),
            Step::Free => self.free(),
        }
    }

    fn enqueue(&mut self, draft: &Draft, is_logged: bool) {
        let message = draft.message();
        let is_logged = is_logged && self.is_logged;
        let room = self.queue.check_room(&message);
        assert!(self.is_estimated() || (room == Err(Full)) == self.naive.is_full_for(draft));
        if room == Err(Full) {
            return;
        }
        let index = is_logged.then(|| self.log());
        let placement = self.queue.placement(self.naive.now, &message);
        let keys = keys(&message);
        let mut left = Vec::new();
        self.queue
            .enqueue(message.clone(), placement, index, keys, &mut left);
        if is_logged {
            self.store.log.push(Record::Enqueued(placement, message));
        }
        let gone = self.naive.enqueue(draft, index);
        let (dropped, others): (Vec<_>, Vec<_>) = left
            .into_iter()
            .partition(|left| left.reason == LeaveReason::MaxLength);
        self.assert_same(&others, &mut [], (gone, Vec::new()));
        let others = self.drop_heads(dropped);
        assert!(others.is_empty());
        let is_too_long = self.naive.is_too_long();
        assert!(self.is_estimated() || self.owes_drops == is_too_long);
    }

    pub(super) fn subscribe(&mut self, credit: u64, filter: Option<u8>, sharing: Sharing) {
        let id = subscriber(self.subscribed_count + 1);
        let (credit, filter) = match sharing {
            Sharing::Get => (1, None),
            Sharing::Competing { .. } | Sharing::Exclusive | Sharing::Browse => (credit, filter),
        };
        let subscribed = self.queue.subscribe(id, options(credit, filter, sharing));
        assert_eq!(subscribed == Err(InUse), !self.naive.may_subscribe(sharing));
        if subscribed == Err(InUse) {
            return;
        }
        self.subscribed_count += 1;
        let mut one = Subscriber {
            granted: credit,
            delivered: 0,
            filter,
            sharing,
            nth: self.subscribed_count as usize,
            is_aside: false,
            owed: BTreeSet::new(),
            end: self.naive.next,
            last: None,
        };
        let owed = self
            .naive
            .ready()
            .into_iter()
            .filter(|known| one.is_for(known));
        one.owed = owed.map(|known| known.sequence).collect();
        self.naive.subscribers.insert(id, one);
    }

    pub(super) fn mark(&mut self, mark: Sequence) {
        self.store.log.push(Record::Marked(mark));
        let index = self.log();
        self.queue.mark_logged(mark, index);
        self.naive.reserved = (mark, index);
    }

    fn log_unlogged(&mut self, age: Age) {
        let until = match age {
            Age::Known => self.naive.young_from,
            Age::Any => self.naive.next,
        };
        let is_due = |known: &Known| {
            known.state == State::Waiting && known.logged.is_none() && known.sequence < until
        };
        let due = self.naive.messages.iter().filter(|known| is_due(known));
        let redelivered = due.filter(|known| known.redelivered);
        let mark = redelivered.map(|known| known.sequence).max();
        let mark = mark.filter(|mark| *mark > self.naive.reserved.0);
        assert_eq!(self.queue.mark_for_unlogged(age), mark);
        if let Some(mark) = mark {
            self.mark(mark);
        }
        let mut end = self.log_end;
        let messages = &mut self.naive.messages;
        let log = &mut self.store.log;
        self.queue.log_unlogged(age, |unlogged| {
            end = end.next();
            let mut all = messages.iter_mut();
            let known = all.find(|known| known.sequence == unlogged.sequence);
            let known = known.expect("it is in the queue");
            assert!(is_due(known), "{known:?} is not to be logged");
            assert_eq!(unlogged.placement.sequence, known.sequence);
            assert_eq!(unlogged.placement.expires_at, known.expires_at);
            assert_eq!(unlogged.placement.available_at, known.available_at);
            assert_eq!(unlogged.delivery_count, known.delivery_count);
            known.logged = Some(end);
            log.push(Record::Enqueued(
                unlogged.placement,
                unlogged.message.clone(),
            ));
            if unlogged.delivery_count > 0 {
                log.push(Record::Returned(Returned {
                    sequence: unlogged.sequence,
                    delivery_count: unlogged.delivery_count,
                    available_at: unlogged.placement.available_at,
                }));
            }
            end
        });
        self.log_end = end;
        assert!(!self.naive.messages.iter().any(is_due));
        self.naive.young_from = self.naive.next;
    }

    pub(super) fn pump(&mut self) {
        self.look();
        let mut port = Taken {
            full: self.naive.full.clone(),
            ..Taken::default()
        };
        let mut left = Vec::new();
        let stop = self
            .queue
            .pump(self.naive.now, self.naive.committed, &mut port, &mut left);
        for (sequence, body) in &port.bodies {
            let known = self.naive.known(*sequence).expect("it is in the queue");
            assert_eq!(*body, known.draft.message());
        }
        if self.owes_drops {
            left = self.drop_heads(left);
        }
        let (browsed, taken): (Vec<_>, Vec<_>) = port
            .deliveries
            .iter()
            .partition(|(id, ..)| self.naive.subscribers[id].is_browser());
        for (id, sequence, redelivered, counts) in browsed {
            self.check_browsed(id, sequence, (redelivered, counts));
        }
        self.store.note_left(&left);
        for gone in left {
            assert_eq!(gone.reason, LeaveReason::Expired);
            let mut ready = self.naive.ready().into_iter();
            let known = ready.find(|known| known.sequence == gone.sequence);
            assert!(self.naive.is_over(known.expect("it is ready")));
            self.naive.leave(gone.sequence, LeaveReason::Expired);
        }
        if self.naive.cold.is_empty() || self.naive.is_first_come() {
            let expected = self.naive.pump();
            assert_eq!(taken, expected, "deliveries");
        } else {
            self.naive.note_mark();
            taken.iter().for_each(|seen| self.naive.take(seen));
            for id in self.naive.takers() {
                let next = self.naive.next_for(id, |known| self.naive.passes(known));
                assert_eq!(next, None, "left for {id:?}");
            }
        }
        self.check_browsers(&port.browsed);
        self.check_got(&port.got);
        match stop {
            Stop::Empty => assert!(self.naive.ready().is_empty()),
            Stop::NoTaker => assert!(!self.naive.ready().is_empty()),
            Stop::Cold => assert!(!self.naive.cold.is_empty()),
            Stop::Uncommitted(index) => assert!(index > self.naive.committed),
            Stop::Unmarked => assert!(self.queue.wanted_mark().is_some()),
            Stop::Busy => panic!("there is not that much to look at"),
        }
    }

    /// When all is durable and the marks that are wanted are logged, nothing that could go is left.
    fn come_to_rest(&mut self) {
        for _ in 0..200 {
            self.naive.committed = self.log_end;
            self.pump();
            self.check();
            self.want(100);
            let is_reading = !self.store.reading.is_empty();
            if is_reading {
                self.read(0);
            }
            match self.queue.wanted_mark() {
                Some(mark) => self.mark(mark),
                None if is_reading => {}
                None => break,
            }
        }
        assert_eq!(self.queue.wanted_mark(), None, "marks without end");
        assert_eq!(self.store.reading, [], "reading without end");
        self.look();
        self.naive.cold.clear();
        for id in self.naive.takers() {
            assert_eq!(self.naive.next_for(id, |_| true), None, "left for {id:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn behaves_as_a_naive_queue(rules in rules(), steps in steps(), is_logged in prop::bool::weighted(0.8)) {
        let mut pair = Pair::new(rules, is_logged);
        for step in &steps {
            pair.step(step);
            pair.check();
            pair.pump();
            pair.check();
        }
        pair.come_to_rest();
        pair.drain();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn dead_letters_behave_as_those_of_a_naive_queue(
        rules in rules_with_letters(),
        steps in hoarding_steps(),
        is_logged in prop::bool::weighted(0.8),
    ) {
        let mut pair = Pair::new(rules, is_logged);
        for step in &steps {
            pair.step(step);
            pair.check();
            pair.pump();
            pair.check();
        }
        pair.come_to_rest();
        pair.drain();
    }
}

/// All that is unsettled can be rejected.
#[test]
fn outcomes_are_told_apart() {
    let mut pair = Pair::new(QueueRules::PLAIN, true);
    pair.subscribe(9, None, Sharing::Competing { priority: 0 });
    for _ in 0..4 {
        pair.enqueue(&Draft::default(), false);
    }
    pair.pump();
    let outcomes = [
        Outcome::Accept,
        Outcome::Reject,
        Outcome::Release,
        Outcome::Fail,
    ];
    for outcome in outcomes {
        pair.step(&Step::Settle(0, 1, outcome));
        pair.check();
    }
}
