//! Publishers of one key, by themselves and by transactions: what everybody sees last is what is retained.

mod support;

use broker::Step;
use broker_api::{Command, Confirm, Event, Publishing};
use model::{Outcome, QueueDefinition};
use support::calls::{bind, presettled, settings, settle, subscribe, with_retained};
use support::{Client, Draft, Node, message, topic};

const KEY: &str = "k";
/// One in each shard.
const QUEUES: [&str; 4] = ["q0", "q1", "q2", "q3"];
const SEEDS: u64 = 400;
const STEPS: u32 = 80;
/// What each of two publishes.
const NUMBERS: [u32; 2] = [1, 2];

fn kept(number: u32) -> Draft {
    message(KEY, number).persistent().retained()
}

/// How a message is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Alone,
    /// With another message for a queue, which may be in another shard.
    InTransaction,
}

/// One who publishes a message, and who is told what of it.
struct Publisher {
    client: Client,
    events: Vec<Event>,
}

impl Publisher {
    fn new(node: &mut Node) -> Self {
        Self {
            client: node.connect(),
            events: Vec::new(),
        }
    }

    fn publish(&mut self, node: &Node, how: How, number: u32) {
        match how {
            How::Alone => {
                let publish =
                    Command::Publish(kept(number).build(), Publishing::new(Confirm::Wanted));
                self.client.submit(node, publish);
            }
            How::InTransaction => {
                let beside = message("beside", 100 + number).queued().persistent();
                self.client
                    .commit(node, vec![kept(number), beside], Vec::new());
            }
        }
        // Its own next message stands behind.
        self.client.publish(node, message("own", number));
    }

    fn run(&mut self, node: &mut Node) {
        self.events.extend(self.client.take(node));
    }

    fn was_told(&self) -> bool {
        let mut events = self.events.iter();
        events.any(|event| matches!(event, Event::Confirmed(_) | Event::Done(_, Ok(_))))
    }
}

/// Draws what happens next.
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % bound
    }
}

/// The last of what a reader has been handed of the key.
fn last_of(reader: &mut Client, node: &mut Node) -> Option<u32> {
    reader.numbers(node).last().copied()
}

/// Two publish, as drawn; returns what was seen last, directly, through a queue of the reader's own, and in a shared
/// queue, and what is retained.
fn run(seed: u64, how: [How; 2]) -> [Option<u32>; 4] {
    let mut node = Node::new(settings());
    let mut draw = Draw(seed);
    let mut client = node.connect();
    client.declare_as(&mut node, "q", QueueDefinition::DURABLE);
    client.declare_as(&mut node, "beside", QueueDefinition::DURABLE);
    client.bind(&mut node, bind("amq.topic", "q", KEY));
    let mut readers = [node.connect(), node.connect()];
    readers[0].subscribed(&mut node, presettled(subscribe(1, topic(KEY))));
    readers[1].subscribed(&mut node, subscribe(1, topic(KEY)));
    let mut publishers = [Publisher::new(&mut node), Publisher::new(&mut node)];
    let mut left = vec![0, 1];
    for _ in 0..STEPS {
        match draw.below(24) {
            0 if !left.is_empty() => {
                let at = usize::try_from(draw.below(left.len() as u64)).expect("it is small");
                let who = left.swap_remove(at);
                publishers[who].publish(&node, how[who], NUMBERS[who]);
            }
            0..=5 => drop(node.store.round()),
            6..=9 => publishers[0].run(&mut node),
            10..=13 => publishers[1].run(&mut node),
            14..=18 => drop(node.step_executor(0) == Step::Worked),
            _ => drop(node.step_executor(1) == Step::Worked),
        }
    }
    for who in left {
        publishers[who].publish(&node, how[who], NUMBERS[who]);
    }
    for _ in 0..8 {
        node.settle_down();
        publishers.iter_mut().for_each(|it| it.run(&mut node));
    }
    assert!(publishers.iter().all(Publisher::was_told), "seed {seed}");
    let [direct, private] = readers.map(|mut reader| last_of(&mut reader, &mut node));
    let shared = node.contents("q").last().copied();
    let mut fresh = node.connect();
    fresh.subscribed(
        &mut node,
        with_retained(presettled(subscribe(1, topic(KEY)))),
    );
    let retained = last_of(&mut fresh, &mut node);
    [direct, private, shared, retained]
}

fn check(how: [How; 2]) {
    let mut winners = [0; 3];
    for seed in 0..SEEDS {
        let [direct, private, shared, retained] = run(seed, how);
        assert!(retained.is_some(), "seed {seed}");
        let seen = [direct, private, shared];
        assert_eq!(seen, [retained; 3], "{how:?}, seed {seed}");
        let winner = retained.unwrap_or_default() as usize;
        winners[winner] += 1;
    }
    assert!(winners[1] > 20 && winners[2] > 20, "{winners:?}");
}

#[test]
fn beside_another_transaction() {
    check([How::InTransaction, How::InTransaction]);
}

#[test]
fn beside_a_publisher_without_one() {
    check([How::InTransaction, How::Alone]);
    check([How::Alone, How::Alone]);
}

/// What was published alone is in the mailbox of a queue, wherever that is and the log of the key, when another commits; as
/// many more behind it.
fn run_behind_a_mailbox(key: &str, queue: &str, more: u32) {
    let mut node = Node::new(settings());
    let mut client = node.connect();
    for name in QUEUES {
        client.declare_as(&mut node, name, QueueDefinition::DURABLE);
    }
    client.bind(&mut node, bind("amq.topic", queue, "#"));
    let kept = |number| message(key, number).persistent().retained();
    let mut committing = Vec::new();
    for number in 0..=more {
        client.publish(&node, kept(2 * number + 1));
        let mut other = node.connect();
        let id = other.commit(&node, vec![kept(2 * number + 2)], Vec::new());
        committing.push((other, id));
    }
    for _ in 0..4 {
        node.settle_down();
        client.run(&mut node);
    }
    for (mut other, id) in committing {
        let done = other.answer(&mut node, id);
        assert_eq!(done.map(|it| it.is_ok()), Some(true), "{key}");
    }
    let asked = with_retained(presettled(subscribe(1, topic("#"))));
    let mut fresh = node.connect();
    fresh.subscribed(&mut node, asked);
    let retained = last_of(&mut fresh, &mut node);
    let contents = node.contents(queue);
    assert_eq!(contents.len(), 2 * more as usize + 2, "{contents:?}");
    assert_eq!(contents.last().copied(), retained, "{key}, {queue}");
}

#[test]
fn none_overtakes_what_is_in_a_mailbox() {
    for key in ["a", "b", "c", "d", "e", "f"] {
        for queue in QUEUES {
            for more in [0, 1, 4] {
                run_behind_a_mailbox(key, queue, more);
            }
        }
    }
}

#[test]
fn who_ends_is_not_held_up_and_leaves_no_key_held() {
    let mut node = Node::new(settings());
    let mut committing = Publisher::new(&mut node);
    committing.publish(&node, How::InTransaction, 1);
    // What has been sent is decided without it; what stands behind is published all the same.
    let mut ending = Publisher::new(&mut node);
    ending.publish(&node, How::Alone, 2);
    ending.client.close(&node);
    committing.client.close(&node);
    node.settle_down();
    let mut reader = node.connect();
    let asked = with_retained(presettled(subscribe(1, topic(KEY))));
    reader.subscribed(&mut node, asked);
    assert!(last_of(&mut reader, &mut node).is_some());
    let mut next = node.connect();
    let published = next.publish_safely(&mut node, kept(3));
    assert_eq!(published, Ok(()));
    assert_eq!(last_of(&mut reader, &mut node), Some(3));
    // Neither does one that is refused, or that waits for it.
    let id = next.commit(&node, vec![kept(4)], vec![settle(9, &[1], Outcome::Accept)]);
    assert!(next.answer(&mut node, id).expect("it is decided").is_err());
    let first = next.commit(&node, vec![kept(5)], Vec::new());
    let mut waiting = node.connect();
    waiting.commit(&node, vec![kept(6)], Vec::new());
    waiting.close(&node);
    assert_eq!(
        next.answer(&mut node, first).map(|it| it.is_ok()),
        Some(true)
    );
    assert_eq!(next.publish_safely(&mut node, kept(7)), Ok(()));
    assert_eq!(reader.numbers(&mut node), [5, 7]);
}

#[test]
fn who_waits_for_one_key_holds_no_other() {
    let mut node = Node::new(settings());
    let kept_at = |key: &str| message(key, 1).persistent().retained();
    let mut first = node.connect();
    first.commit(&node, vec![kept_at("b")], Vec::new());
    // It takes nothing from its socket, and does not hear that it may go on.
    let mut waiting = node.connect();
    let id = waiting.commit(&node, vec![kept_at("a"), kept_at("b")], Vec::new());
    first.run(&mut node);
    let mut other = node.connect();
    for key in ["a", "b"] {
        assert_eq!(other.publish_safely(&mut node, kept_at(key)), Ok(()));
    }
    assert_eq!(
        waiting.answer(&mut node, id).map(|it| it.is_ok()),
        Some(true)
    );
}
