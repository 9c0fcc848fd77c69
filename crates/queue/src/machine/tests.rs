use super::*;
use model::{Dialect, Envelope, Exchange, Parts, Persistence};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn message(text: &str) -> Message {
    let envelope = Envelope {
        dialect: Dialect::Stomp12,
        dialect_flags: 0,
        persistence: Persistence::Persistent,
        exchange: Exchange::Default,
    };
    Message::new(&Parts {
        envelope,
        key: b"q",
        head: &[],
        body: text.as_bytes(),
    })
}

fn subscriber(number: u32) -> SubscriberId {
    SubscriberId {
        connection: ConnectionId(1),
        subscription: SubscriptionId(number),
    }
}

/// A port that takes everything while it has room.
#[derive(Default)]
struct Taken {
    deliveries: Vec<(SubscriberId, Sequence, bool)>,
    full: Vec<SubscriberId>,
}

impl Port for Taken {
    fn has_room(&mut self, id: SubscriberId) -> bool {
        !self.full.contains(&id)
    }

    fn deliver(&mut self, id: SubscriberId, handover: Handover) {
        self.deliveries
            .push((id, handover.sequence, handover.redelivered));
    }
}

/// Where a message is, as a naive reader would keep it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    Ready,
    With(SubscriberId),
}

#[derive(Clone, Debug)]
enum Step {
    Enqueue { logged: bool },
    Subscribe { credit: u64 },
    Cancel(usize),
    Grant(usize, u64),
    Settle(usize, Outcome),
    Commit,
    Mark,
    LogUnlogged,
    Fill(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let outcome = prop_oneof![
        Just(Outcome::Accept),
        Just(Outcome::Reject),
        Just(Outcome::Release)
    ];
    prop_oneof![
        8 => any::<bool>().prop_map(|logged| Step::Enqueue { logged }),
        2 => (0u64..5).prop_map(|credit| Step::Subscribe { credit }),
        1 => any::<usize>().prop_map(Step::Cancel),
        2 => (any::<usize>(), 0u64..30).prop_map(|(who, total)| Step::Grant(who, total)),
        6 => (any::<usize>(), outcome).prop_map(|(which, outcome)| Step::Settle(which, outcome)),
        4 => Just(Step::Commit),
        4 => Just(Step::Mark),
        1 => Just(Step::LogUnlogged),
        1 => any::<usize>().prop_map(Step::Fill),
    ]
}

/// The queue beside a naive model of it.
#[derive(Default)]
struct Pair {
    queue: Queue,
    messages: BTreeMap<Sequence, (Place, Option<LogIndex>, bool)>,
    /// Granted and delivered, by subscription.
    credit: BTreeMap<SubscriberId, (u64, u64)>,
    full: Vec<SubscriberId>,
    subscribed_count: u32,
    log_end: LogIndex,
    committed: LogIndex,
    marks: Vec<(LogIndex, Sequence)>,
}

impl Pair {
    fn new() -> Self {
        Self {
            queue: Queue::new(),
            ..Self::default()
        }
    }

    fn log(&mut self) -> LogIndex {
        self.log_end = self.log_end.next();
        self.log_end
    }

    fn subscriber(&self, nth: usize) -> Option<SubscriberId> {
        self.credit
            .keys()
            .nth(nth % self.credit.len().max(1))
            .copied()
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Enqueue { logged } => {
                let index = logged.then(|| self.log());
                let sequence = self.queue.enqueue(message("x"), index);
                self.messages.insert(sequence, (Place::Ready, index, false));
            }
            Step::Subscribe { credit } => {
                self.subscribed_count += 1;
                let id = subscriber(self.subscribed_count);
                self.credit.insert(id, (*credit, 0));
                self.queue.subscribe(id, *credit);
            }
            Step::Cancel(nth) => {
                let Some(id) = self.subscriber(*nth) else {
                    return;
                };
                assert!(self.queue.cancel(id));
                self.credit.remove(&id);
                self.full.retain(|full| *full != id);
                for (place, _, redelivered) in self.messages.values_mut() {
                    if *place == Place::With(id) {
                        (*place, *redelivered) = (Place::Ready, true);
                    }
                }
            }
            Step::Grant(nth, total) => {
                let Some(id) = self.subscriber(*nth) else {
                    return;
                };
                assert!(self.queue.grant(id, *total));
                self.credit.entry(id).and_modify(|credit| credit.0 = *total);
            }
            Step::Settle(nth, outcome) => self.settle(*nth, *outcome),
            Step::Commit => self.committed = self.log_end,
            Step::Mark => {
                if let Some(mark) = self.queue.wanted_mark() {
                    let index = self.log();
                    self.queue.mark_logged(mark, index);
                    self.marks.push((index, mark));
                }
            }
            Step::LogUnlogged => {
                let mut end = self.log_end;
                let messages = &mut self.messages;
                self.queue.log_unlogged(Age::Any, |unlogged| {
                    end = end.next();
                    let known = messages
                        .get_mut(&unlogged.sequence)
                        .expect("it is in the queue");
                    assert_eq!((known.0, known.1), (Place::Ready, None));
                    known.1 = Some(end);
                    end
                });
                self.log_end = end;
                let unlogged = |(place, index, _): &&(Place, Option<LogIndex>, bool)| {
                    *place == Place::Ready && index.is_none()
                };
                assert_eq!(self.messages.values().filter(unlogged).count(), 0);
            }
            Step::Fill(nth) => {
                let Some(id) = self.subscriber(*nth) else {
                    return;
                };
                if self.full.contains(&id) {
                    self.full.retain(|full| *full != id);
                } else {
                    self.full.push(id);
                }
            }
        }
    }

    fn settle(&mut self, nth: usize, outcome: Outcome) {
        let out: Vec<_> = self
            .messages
            .iter()
            .filter_map(|(sequence, (place, ..))| match place {
                Place::With(id) => Some((*sequence, *id)),
                Place::Ready => None,
            })
            .collect();
        let Some((sequence, id)) = out.get(nth % out.len().max(1)).copied() else {
            return;
        };
        let logged = self.messages[&sequence].1;
        let mut settled = Vec::new();
        self.queue
            .settle(id, &[sequence, sequence], outcome, |ended| {
                settled.push(ended.is_logged);
            });
        self.queue.settle(id, &[sequence], outcome, |ended| {
            panic!("settled twice: {ended:?}")
        });
        if outcome == Outcome::Release {
            assert_eq!(settled, []);
            self.messages.insert(sequence, (Place::Ready, logged, true));
        } else {
            assert_eq!(settled, [logged.is_some()]);
            self.messages.remove(&sequence);
        }
    }

    fn pump(&mut self) {
        let mut port = Taken {
            full: self.full.clone(),
            ..Taken::default()
        };
        let stop = self.queue.pump(self.committed, &mut port);
        let durable_mark = self
            .marks
            .iter()
            .filter(|(index, _)| *index <= self.committed)
            .map(|(_, mark)| *mark)
            .max()
            .unwrap_or_default();
        for (id, sequence, redelivered) in port.deliveries {
            let first = self
                .messages
                .iter()
                .find(|(_, (place, ..))| *place == Place::Ready);
            let (first, (_, index, was_delivered)) = first.expect("something is ready");
            assert_eq!(
                (*first, *was_delivered),
                (sequence, redelivered),
                "out of order"
            );
            if let Some(index) = index {
                assert!(
                    *index <= self.committed,
                    "{sequence} delivered before it is durable"
                );
                assert!(
                    sequence <= durable_mark,
                    "{sequence} beyond the mark {durable_mark}"
                );
            }
            let credit = self.credit.get_mut(&id).expect("a subscriber");
            credit.1 += 1;
            assert!(credit.1 <= credit.0, "more than granted");
            assert!(!self.full.contains(&id));
            let entry = self.messages.get_mut(&sequence).expect("it is ready");
            entry.0 = Place::With(id);
        }
        let takers = self
            .credit
            .iter()
            .any(|(id, (granted, delivered))| granted > delivered && !self.full.contains(id));
        let ready = self
            .messages
            .values()
            .filter(|(place, ..)| *place == Place::Ready)
            .count();
        match stop {
            Stop::Empty => assert_eq!(ready, 0),
            Stop::NoTaker => assert!(!takers && ready > 0, "stopped before takers"),
            Stop::Uncommitted(index) => assert!(index > self.committed),
            Stop::Unmarked => assert!(self.queue.wanted_mark().is_some()),
        }
        assert_eq!(self.queue.len(), self.messages.len());
        let cost = message("x").cost_bytes();
        assert_eq!(self.queue.bytes(), self.messages.len() * cost);
    }
}

proptest! {
    #[test]
    fn behaves_as_a_naive_queue(steps in prop::collection::vec(step(), 1..200)) {
        let mut pair = Pair::new();
        for step in &steps {
            pair.step(step);
            pair.pump();
        }
    }
}

#[test]
fn takes_turns() {
    let mut queue = Queue::new();
    let mut port = Taken::default();
    queue.subscribe(subscriber(1), u64::MAX);
    queue.subscribe(subscriber(2), u64::MAX);
    for _ in 0..4 {
        queue.enqueue(message("x"), None);
    }
    queue.pump(LogIndex(0), &mut port);
    let who: Vec<_> = port
        .deliveries
        .iter()
        .map(|(id, ..)| id.subscription.0)
        .collect();
    assert_eq!(who, [1, 2, 1, 2]);
}

#[test]
fn marks_ahead_and_no_further() {
    let mut queue = Queue::new();
    for number in 1..=10_000 {
        queue.enqueue(message("x"), Some(LogIndex(number)));
    }
    assert_eq!(queue.wanted_mark(), None, "nobody to deliver to");
    queue.subscribe(subscriber(1), 10);
    let mark = queue.wanted_mark().expect("a taker came");
    assert_eq!(mark, Sequence(1 + MARK_AHEAD));
    queue.mark_logged(mark, LogIndex(10_001));
    let mut port = Taken::default();
    assert_eq!(
        queue.pump(LogIndex(10_000), &mut port),
        Stop::Uncommitted(LogIndex(10_001))
    );
    assert_eq!(queue.pump(LogIndex(10_001), &mut port), Stop::NoTaker);
    assert_eq!(port.deliveries.len(), 10);
    assert_eq!(queue.wanted_mark(), None, "enough is left");
}

#[test]
fn only_what_may_have_been_delivered_is_marked_after_a_restart() {
    let mut recovered = crate::RecoveredQueue::new();
    for sequence in 1..=5 {
        recovered.enqueued(Sequence(sequence), message("x"));
    }
    recovered.settled(Sequence(2), Sequence(2));
    recovered.marked(Sequence(3));
    let mut queue = recovered.into_queue();
    queue.subscribe(subscriber(1), u64::MAX);
    let mark = queue.wanted_mark().expect("deliveries go beyond the mark");
    queue.mark_logged(mark, LogIndex(9));
    let mut port = Taken::default();
    queue.pump(LogIndex(9), &mut port);
    let seen: Vec<_> = port
        .deliveries
        .iter()
        .map(|(_, s, redelivered)| (s.0, *redelivered))
        .collect();
    assert_eq!(seen, [(1, true), (3, true), (4, false), (5, false)]);
}
