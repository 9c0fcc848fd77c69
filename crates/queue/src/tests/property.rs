//! The queue beside the naive model: the same steps, the same deliveries, the same departures.

use super::naive::{Gone, Known, Naive, State, Subscriber};
use super::steps::{Step, rules, steps};
use super::{Draft, Taken, keys, options, subscriber};
use crate::{
    Age, CancelCause, Full, InUse, LeaveReason, Left, Placement, Queue, RecoveredQueue, Returned,
    Sharing, Stop, SubscriberId,
};
use model::{LogIndex, Outcome, QueueRules, Sequence};
use proptest::prelude::*;
use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Arc;

struct Pair {
    queue: Queue,
    naive: Naive,
    subscribed_count: u32,
    log_end: LogIndex,
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
    fn new(rules: QueueRules) -> Self {
        Self {
            queue: Queue::new(Arc::new(rules.clone()), 7),
            naive: Naive::new(rules),
            subscribed_count: 0,
            log_end: LogIndex(0),
        }
    }

    fn log(&mut self) -> LogIndex {
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
                State::Waiting | State::Prepared => None,
            });
        let out: Vec<_> = out.collect();
        let (id, _) = out.get(nth % out.len().max(1)).copied()?;
        let own = out[nth % out.len()..]
            .iter()
            .filter(|(other, _)| *other == id);
        let sequences = own.map(|(_, sequence)| *sequence).take(count);
        Some((id, sequences.collect()))
    }

    fn prepared(&self, count: usize) -> Vec<Sequence> {
        let prepared = |known: &&Known| known.state == State::Prepared;
        let prepared = self.naive.messages.iter().filter(prepared);
        prepared.map(|known| known.sequence).take(count).collect()
    }

    fn step(&mut self, step: &Step) {
        let now = self.naive.now;
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
                assert_same(&left, &mut returned, ended);
                assert!(!self.queue.cancel(now, id, *cause, &mut left, &mut returned));
            }
            Step::Grant(nth, total) => {
                let Some(id) = self.subscriber(*nth) else {
                    return;
                };
                assert!(self.queue.grant(id, *total));
                self.naive
                    .subscribers
                    .entry(id)
                    .and_modify(|one| one.granted = *total);
            }
            Step::UseUp(nth) => {
                let Some(id) = self.subscriber(*nth) else {
                    return;
                };
                self.queue.use_up_grant(id);
                self.naive
                    .subscribers
                    .entry(id)
                    .and_modify(|one| one.granted = one.granted.min(one.delivered));
            }
            Step::Settle(nth, count, outcome) => {
                let Some((id, mut sequences)) = self.unsettled(*nth, *count) else {
                    return;
                };
                let ended = self.naive.end(&sequences, *outcome);
                sequences.push(sequences[0]);
                self.queue
                    .settle(now, id, &sequences, *outcome, &mut left, &mut returned);
                assert_same(&left, &mut returned, ended);
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
                assert_same(&left, &mut returned, ended);
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
                self.queue.purge(&mut left);
                let waiting: Vec<_> = self.naive.waiting().map(|k| k.sequence).collect();
                let purged = waiting.into_iter();
                let purged = purged.map(|sequence| self.naive.leave(sequence, LeaveReason::Purged));
                assert_same(&left, &mut returned, (purged.collect(), Vec::new()));
            }
            Step::DropOldest => {
                let least = self.naive.least();
                let dropped = self.queue.drop_oldest();
                assert_eq!(dropped.is_some(), least.is_some());
                least.map(|least| self.naive.leave(least, LeaveReason::MaxLength));
            }
            Step::Wait(millis) => self.naive.now = now.plus_millis(*millis),
            Step::Tick(count_max) => {
                while self.queue.tick(now, *count_max, &mut left) {}
                let expired = self.naive.tick();
                assert_same(&left, &mut returned, (expired, Vec::new()));
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
            Step::LogUnlogged(age) => self.log_unlogged(*age),
            Step::Fill(nth) => {
                let Some(id) = self.subscriber(*nth) else {
                    return;
                };
                match self.naive.full.iter().position(|full| *full == id) {
                    Some(at) => drop(self.naive.full.remove(at)),
                    None => self.naive.full.push(id),
                }
            }
            Step::Restart => self.restart(),
        }
    }

    fn enqueue(&mut self, draft: &Draft, is_logged: bool) {
        let message = draft.message();
        let room = self.queue.check_room(&message);
        assert_eq!(room == Err(Full), self.naive.is_full_for(draft));
        if room == Err(Full) {
            return;
        }
        let index = is_logged.then(|| self.log());
        let placement = self.queue.placement(self.naive.now, &message);
        let keys = keys(&message);
        let mut left = Vec::new();
        self.queue
            .enqueue(message, placement, index, keys, &mut left);
        let gone = self.naive.enqueue(draft, index);
        assert_same(&left, &mut [], (gone, Vec::new()));
    }

    fn subscribe(&mut self, credit: u64, filter: Option<u8>, sharing: Sharing) {
        let id = subscriber(self.subscribed_count + 1);
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

    fn mark(&mut self, mark: Sequence) {
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
            end
        });
        self.log_end = end;
        assert!(!self.naive.messages.iter().any(is_due));
        self.naive.young_from = self.naive.next;
    }

    /// The queue is written down and read back, as if all of it were logged.
    fn restart(&mut self) {
        let mut recovered = RecoveredQueue::new();
        for held in self.queue.messages() {
            let (expires_at, sequence) = (held.placement.expires_at, held.placement.sequence);
            let placement = Placement {
                expires_at,
                ..Placement::at(sequence)
            };
            recovered.enqueued(placement, held.message.clone());
            if held.delivery_count > 0 || held.placement.available_at.is_some() {
                let available_at = held.placement.available_at;
                recovered.returned(sequence, held.delivery_count, available_at);
            }
        }
        assert_eq!(recovered.len(), self.queue.len());
        let mark = self.queue.delivery_mark();
        recovered.marked(mark);
        recovered.next_is(self.queue.next_sequence());
        self.queue = recovered.into_queue(Arc::new(self.naive.rules.clone()), 7, keys);
        self.queue.prepare_ready(&self.prepared(usize::MAX));
        self.naive.restart(mark);
    }

    fn pump(&mut self) {
        let mut port = Taken {
            full: self.naive.full.clone(),
            ..Taken::default()
        };
        let mut left = Vec::new();
        let stop = self
            .queue
            .pump(self.naive.now, self.naive.committed, &mut port, &mut left);
        let (browsed, taken): (Vec<_>, Vec<_>) = port
            .deliveries
            .iter()
            .partition(|(id, ..)| self.naive.subscribers[id].is_browser());
        for (id, sequence, redelivered, counts) in browsed {
            self.check_browsed(id, sequence, (redelivered, counts));
        }
        for gone in left {
            assert_eq!(gone.reason, LeaveReason::Expired);
            let mut ready = self.naive.ready().into_iter();
            let known = ready.find(|known| known.sequence == gone.sequence);
            assert!(self.naive.is_over(known.expect("it is ready")));
            self.naive.leave(gone.sequence, LeaveReason::Expired);
        }
        let expected = self.naive.pump();
        assert_eq!(taken, expected, "deliveries");
        self.check_browsers(&port.browsed);
        match stop {
            Stop::Empty => assert!(self.naive.ready().is_empty()),
            Stop::NoTaker => assert!(!self.naive.ready().is_empty()),
            Stop::Uncommitted(index) => assert!(index > self.naive.committed),
            Stop::Unmarked => assert!(self.queue.wanted_mark().is_some()),
            Stop::Busy => panic!("there is not that much to look at"),
        }
    }

    fn check_browsed(&mut self, id: SubscriberId, sequence: Sequence, marks: (bool, (u32, u32))) {
        let ready = self.naive.ready().into_iter();
        let known = ready.clone().find(|known| known.sequence == sequence);
        let known = known.expect("it is ready");
        let place = (Reverse(self.naive.lane(known)), sequence);
        let is_durable = known.logged.is_none_or(|at| at <= self.naive.committed);
        assert!(is_durable && !self.naive.is_over(known));
        let counts = (known.delivery_count, known.acquired_count);
        assert_eq!((known.redelivered, counts), marks);
        let one = &self.naive.subscribers[&id];
        assert!(one.is_for(known) && sequence < one.end && one.has_credit());
        assert!(one.last.is_none_or(|last| last < place), "out of order");
        let one = self.naive.subscribers.get_mut(&id).expect("it is there");
        one.last = Some(place);
        one.owed.remove(&sequence);
        one.delivered += 1;
    }

    /// Nobody ended who was owed something; who has not ended waits for something.
    fn check_browsers(&mut self, browsed: &[SubscriberId]) {
        self.keep_owed();
        let naive = &self.naive;
        let ready = naive.ready().into_iter();
        let ready: Vec<_> = ready.filter(|known| !naive.is_over(known)).collect();
        let is_durable = |known: &&Known| known.logged.is_none_or(|at| at <= naive.committed);
        let all_durable = ready.iter().all(is_durable);
        for (id, one) in naive.subscribers.iter().filter(|(_, one)| one.is_browser()) {
            let is_owed = |known: &&Known| one.owed.contains(&known.sequence);
            let owed = ready.iter().copied().find(is_owed);
            if browsed.contains(id) {
                assert!(owed.is_none(), "ended, but was owed {owed:?}");
                continue;
            }
            let any = |known: &&Known| known.sequence < one.end && one.is_for(known);
            assert!(
                ready.iter().copied().any(|known| any(&known)),
                "waits for nothing"
            );
            let is_served = one.has_credit() && !naive.full.contains(id) && all_durable;
            assert!(!is_served, "it could be served");
        }
        for id in browsed {
            self.naive.subscribers.remove(id);
            self.naive.full.retain(|full| full != id);
        }
    }

    /// What is not ready is not owed any more.
    fn keep_owed(&mut self) {
        let ready = self.naive.ready().into_iter();
        let ready = ready.filter(|known| !self.naive.is_over(known));
        let ready: BTreeSet<_> = ready.map(|known| known.sequence).collect();
        for one in self.naive.subscribers.values_mut() {
            one.owed.retain(|sequence| ready.contains(sequence));
        }
    }

    /// The books are right.
    fn check(&mut self) {
        self.keep_owed();
        let (queue, naive) = (&self.queue, &self.naive);
        let waiting = naive.waiting().count();
        assert_eq!(queue.len(), naive.messages.len());
        assert_eq!(queue.is_empty(), naive.messages.is_empty());
        assert_eq!(queue.ready_count(), waiting);
        assert_eq!(queue.unsettled_count(), naive.messages.len() - waiting);
        assert_eq!(queue.next_sequence(), naive.next);
        assert_eq!(queue.delivery_mark(), naive.reserved.0);
        assert_eq!(queue.deadline(), naive.deadline());
        let competing = naive.subscribers.values().filter(|one| !one.is_browser());
        assert_eq!(queue.subscription_count(), competing.count());
        let any_taker = naive.takers_with_room_or_not().next().is_some();
        assert!(
            any_taker || queue.wanted_mark().is_none(),
            "nobody to mark for"
        );
        let unlogged = naive.waiting().any(|known| known.logged.is_none());
        assert!(queue.has_unlogged() || !unlogged);
        let mut held: Vec<_> = queue.messages().collect();
        held.sort_by_key(|held| held.placement.sequence);
        let bytes: usize = held.iter().map(|held| held.message.cost_bytes()).sum();
        assert_eq!(queue.bytes(), bytes);
        for (held, known) in held.iter().zip(&naive.messages) {
            let placement = Placement {
                sequence: known.sequence,
                expires_at: known.expires_at,
                available_at: known.available_at,
            };
            assert_eq!(held.placement, placement);
            assert_eq!(held.is_logged, known.logged.is_some());
            assert_eq!(held.delivery_count, known.delivery_count);
            assert_eq!(held.message, &known.draft.message());
        }
    }

    /// When all is durable and the marks that are wanted are logged, nothing that could go is left.
    fn come_to_rest(&mut self) {
        for _ in 0..4 {
            self.naive.committed = self.log_end;
            self.pump();
            let Some(mark) = self.queue.wanted_mark() else {
                break;
            };
            self.mark(mark);
        }
        assert_eq!(self.queue.wanted_mark(), None, "marks without end");
        for id in self.naive.takers() {
            assert_eq!(self.naive.next_for(id, |_| true), None, "left for {id:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn behaves_as_a_naive_queue(rules in rules(), steps in steps()) {
        let mut pair = Pair::new(rules);
        for step in &steps {
            pair.step(step);
            pair.check();
            pair.pump();
            pair.check();
        }
        pair.come_to_rest();
    }
}

/// All that is unsettled can be rejected.
#[test]
fn outcomes_are_told_apart() {
    let mut pair = Pair::new(QueueRules::PLAIN);
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
