//! The machine against a naive model of it, and feature by feature.

mod bodies;
mod books;
mod browsing;
mod getting;
mod leaving;
mod logged;
mod naive;
mod pages;
mod paging;
mod passing;
mod property;
mod settling;
mod steps;
mod store;
mod taking;
mod waiting;

use crate::{
    Answer, CancelCause, Filter, Handover, Keys, LeaveReason, Placement, Port, Queue, Sharing,
    Stop, SubscriberId, SubscriptionOptions,
};
use model::{
    ConnectionId, Dialect, Envelope, Instant, LogIndex, Message, Outcome, Parts, Persistence,
    QueueRules, Sequence, SubscriptionId,
};
use std::sync::Arc;

/// What a message is made of. The head says group, value and tag, one byte each.
#[derive(Clone, Debug, Default)]
struct Draft {
    priority: u8,
    ttl_ms: Option<u64>,
    delay_ms: u64,
    group: Option<u8>,
    value: Option<u8>,
    tag: u8,
    body_len: usize,
}

impl Draft {
    fn message(&self) -> Message {
        let mut envelope = Envelope::new(Dialect::Stomp12, Persistence::Persistent);
        envelope.priority = self.priority;
        envelope.ttl_ms = self.ttl_ms;
        envelope.delay_ms = self.delay_ms;
        envelope.is_grouped = self.group.is_some();
        let head = [
            self.group.unwrap_or(u8::MAX),
            self.value.unwrap_or(u8::MAX),
            self.tag,
        ];
        Message::new(&Parts {
            envelope,
            exchange: b"",
            key: b"q",
            annotations: b"",
            head: &[&head],
            body: &vec![b'x'; self.body_len],
        })
    }
}

fn keys(message: &Message) -> Keys {
    let key = |at: usize| {
        let byte = message.head()[at];
        (byte != u8::MAX).then(|| Box::from([byte]))
    };
    Keys {
        group: key(0),
        value: key(1),
    }
}

/// Matches the tags whose bit is set.
struct Tags(u8);

impl Filter for Tags {
    fn ask(&self, message: &Message) -> Answer {
        Answer {
            is_match: self.0 & (1 << message.head()[2]) != 0,
            work: 0,
        }
    }
}

fn subscriber(number: u32) -> SubscriberId {
    SubscriberId {
        connection: ConnectionId(1),
        subscription: SubscriptionId(number),
    }
}

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

/// A delivery as a test looks at it.
type Seen = (SubscriberId, Sequence, bool, (u32, u32));

/// A port that takes everything while it has room.
#[derive(Default)]
struct Taken {
    deliveries: Vec<Seen>,
    bodies: Vec<(Sequence, Message)>,
    browsed: Vec<SubscriberId>,
    got: Vec<(SubscriberId, Option<usize>)>,
    full: Vec<SubscriberId>,
}

impl Taken {
    /// Who got what, by their numbers.
    fn drain(&mut self) -> Vec<(u32, u64)> {
        let deliveries = self.deliveries.drain(..);
        deliveries
            .map(|(id, sequence, ..)| (id.subscription.0, sequence.0))
            .collect()
    }
}

impl Port for Taken {
    fn has_room(&mut self, id: SubscriberId) -> bool {
        !self.full.contains(&id)
    }

    fn deliver(&mut self, id: SubscriberId, handover: Handover) {
        self.deliveries.push((
            id,
            handover.sequence,
            handover.redelivered,
            (handover.delivery_count, handover.acquired_count),
        ));
        self.bodies.push((handover.sequence, handover.message));
    }

    fn browsed(&mut self, id: SubscriberId) {
        self.browsed.push(id);
    }

    fn got(&mut self, id: SubscriberId, ready_count: Option<usize>) {
        self.got.push((id, ready_count));
    }
}

fn queue(change: impl FnOnce(&mut QueueRules)) -> Queue {
    let mut rules = QueueRules::PLAIN;
    change(&mut rules);
    Queue::new(Arc::new(rules), 7)
}

/// Enqueues a message without a record; returns the numbers of those that left.
fn enqueue(queue: &mut Queue, now: Instant, draft: &Draft) -> Vec<u64> {
    let message = draft.message();
    let placement = queue.placement(now, &message);
    let keys = keys(&message);
    let mut left = Vec::new();
    queue.enqueue(message, placement, None, keys, &mut left);
    left.iter().map(|left| left.sequence.0).collect()
}

fn pump(queue: &mut Queue, now: Instant, port: &mut Taken) -> (Stop, Vec<u64>) {
    let mut left = Vec::new();
    let stop = queue.pump(now, LogIndex(0), port, &mut left);
    (stop, left.iter().map(|left| left.sequence.0).collect())
}

fn options(granted_total: u64, filter: Option<u8>, sharing: Sharing) -> SubscriptionOptions {
    SubscriptionOptions {
        granted_total,
        filter: filter.map(|tags| Arc::new(Tags(tags)) as Arc<dyn Filter>),
        sharing,
    }
}

const COMPETING: Sharing = Sharing::Competing { priority: 0 };

fn subscribe(queue: &mut Queue, number: u32, options: SubscriptionOptions) {
    assert_eq!(queue.subscribe(subscriber(number), options), Ok(()));
}

/// A queue with one subscription that takes everything.
fn taken_queue(change: impl FnOnce(&mut QueueRules)) -> Queue {
    let mut queue = queue(change);
    subscribe(&mut queue, 1, SubscriptionOptions::competing(u64::MAX));
    queue
}

fn plain(queue: &mut Queue, count: usize) {
    for _ in 0..count {
        enqueue(queue, at(0), &Draft::default());
    }
}

/// Enqueues a message with a record.
fn enqueue_logged(queue: &mut Queue, sequence: u64, index: u64, draft: &Draft) {
    let placement = Placement::at(Sequence(sequence));
    let mut left = Vec::new();
    let index = Some(LogIndex(index));
    queue.enqueue(
        draft.message(),
        placement,
        index,
        Keys::default(),
        &mut left,
    );
    assert!(left.is_empty());
}

/// What a pump delivers: who gets what.
fn pumped(queue: &mut Queue, now: Instant) -> Vec<(u32, u64)> {
    let mut port = Taken::default();
    pump(queue, now, &mut port);
    port.drain()
}

/// Ends one delivery of a message without a record; returns what left.
fn settle(
    queue: &mut Queue,
    now: Instant,
    number: u32,
    sequence: u64,
    outcome: Outcome,
) -> Vec<(u64, LeaveReason)> {
    let (mut left, mut returned) = (Vec::new(), Vec::new());
    let sequences = [Sequence(sequence)];
    let id = subscriber(number);
    queue.settle(now, id, &sequences, outcome, &mut left, &mut returned);
    assert!(returned.is_empty(), "it does not stand in the log");
    let left = left.iter();
    left.map(|left| (left.sequence.0, left.reason)).collect()
}

fn cancel(queue: &mut Queue, number: u32) {
    let (mut left, mut returned) = (Vec::new(), Vec::new());
    let id = subscriber(number);
    assert!(queue.cancel(at(0), id, CancelCause::Asked, &mut left, &mut returned));
    assert!(left.is_empty() && returned.is_empty());
}

/// What expires.
fn ticked(queue: &mut Queue, now: Instant) -> Vec<u64> {
    let mut left = Vec::new();
    assert!(!queue.tick(now, 100, &mut left));
    assert!(left.iter().all(|left| left.reason == LeaveReason::Expired));
    left.iter().map(|left| left.sequence.0).collect()
}
