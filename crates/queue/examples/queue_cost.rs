//! What a message costs in a plain queue: enqueued, delivered, settled.

#![expect(clippy::print_stdout, reason = "it tells what it measured")]
#![expect(
    clippy::disallowed_methods,
    reason = "it measures, so it reads the clock"
)]

use model::{
    ConnectionId, Dialect, Envelope, Instant, LogIndex, Message, Outcome, Parts, Persistence,
    QueueRules, Sequence, SubscriptionId,
};
use queue::{Handover, Keys, Port, Queue, SubscriberId, SubscriptionOptions};
use std::sync::Arc;

const MESSAGES: usize = 1_000_000;
const ROUNDS: usize = 7;
const LOGGED: LogIndex = LogIndex(1);
const NOW: Instant = Instant::from_millis(0);

#[derive(Default)]
struct Taken(Vec<Sequence>);

impl Port for Taken {
    fn has_room(&mut self, _: SubscriberId) -> bool {
        true
    }

    fn deliver(&mut self, _: SubscriberId, handover: Handover) {
        self.0.push(handover.sequence);
    }

    fn browsed(&mut self, _: SubscriberId) {}

    fn got(&mut self, _: SubscriberId, _: Option<usize>) {}
}

struct Case {
    name: &'static str,
    subscribers: u32,
    batch: usize,
    backlog: usize,
}

fn main() {
    let case = |name, subscribers, batch, backlog| Case {
        name,
        subscribers,
        batch,
        backlog,
    };
    for case in [
        case("one subscriber, batches of 100", 1, 100, 0),
        case("eight subscribers, batches of 100", 8, 100, 0),
        case("one subscriber, 100,000 behind", 1, 100, 100_000),
        case("one subscriber, one by one", 1, 1, 0),
    ] {
        let best = (0..ROUNDS).map(|_| cost_ns(&case)).min().unwrap_or(0);
        println!("{}: {}.{} ns", case.name, best / 10, best % 10);
    }
}

/// Tenths of a nanosecond per message.
fn cost_ns(case: &Case) -> u128 {
    let message = Message::new(&Parts {
        envelope: Envelope::new(Dialect::Stomp12, Persistence::Persistent),
        exchange: b"",
        key: b"q",
        annotations: b"",
        head: &[],
        body: b"0123456789",
    });
    let ids: Vec<_> = (0..case.subscribers)
        .map(|number| SubscriberId {
            connection: ConnectionId(1),
            subscription: SubscriptionId(number),
        })
        .collect();
    let mut queue = Queue::new(Arc::new(QueueRules::PLAIN), 1);
    let (mut left, mut returned) = (Vec::new(), Vec::new());
    for _ in 0..case.backlog {
        enqueue(&mut queue, &message, &mut left);
    }
    for id in &ids {
        let subscribed = queue.subscribe(*id, SubscriptionOptions::competing(0));
        assert_eq!(subscribed, Ok(()));
    }
    let mut granted = 0;
    let mut port = Taken::default();
    let start = std::time::Instant::now();
    for _ in 0..MESSAGES / case.batch {
        for _ in 0..case.batch {
            enqueue(&mut queue, &message, &mut left);
        }
        granted += case.batch as u64;
        let others = u64::from(case.subscribers);
        for id in &ids {
            let odd = u64::from(u64::from(id.subscription.0) < granted % others);
            queue.grant(*id, granted / others + odd);
        }
        if let Some(mark) = queue.wanted_mark() {
            queue.mark_logged(mark, LOGGED);
        }
        queue.pump(NOW, LOGGED, &mut port, &mut left);
        let taken = std::mem::take(&mut port.0);
        assert_eq!(taken.len(), case.batch);
        for id in &ids {
            queue.settle(NOW, *id, &taken, Outcome::Accept, &mut left, &mut returned);
        }
        left.clear();
    }
    start.elapsed().as_nanos() * 10 / MESSAGES as u128
}

fn enqueue(queue: &mut Queue, message: &Message, left: &mut Vec<queue::Left>) {
    let placement = queue.placement(NOW, message);
    queue.enqueue(
        message.clone(),
        placement,
        Some(LOGGED),
        Keys::default(),
        left,
    );
}
