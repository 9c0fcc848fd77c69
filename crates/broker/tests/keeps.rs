//! Queues that keep others from ending for want of use: as long as they are there, whatever crashes.

mod support;

use broker_api::{Command, DeleteIf, Event, Keep, Refusal, Sharing};
use model::{Durability, Lifetime, QueueDefinition, SubscriptionId};
use std::cell::Cell;
use support::calls::{bind, delete_queue, delete_queue_if, name, settings, sharing, subscribe};
use support::crashes::crash_at_every_step;
use support::{Client, Node, message, queue};

const DAY_MS: u64 = 86_400_000;
const MINUTE_MS: u64 = 60_000;

/// A queue that ends with its last use, and a minute after nobody came.
const GROUP: QueueDefinition = QueueDefinition {
    lifetime: Lifetime::UntilUnused,
    expires_ms: Some(MINUTE_MS),
    ..QueueDefinition::DURABLE
};

fn keep(queue: &str, keeper: &str) -> Command {
    Command::Keep(Box::new(pair(queue, keeper)))
}

fn let_go(queue: &str, keeper: &str) -> Command {
    Command::LetGo(Box::new(pair(queue, keeper)))
}

fn pair(queue: &str, keeper: &str) -> Keep {
    Keep {
        queue: name(queue),
        keeper: SubscriptionId(id_of(keeper)),
    }
}

/// The subscription that takes a queue over.
fn id_of(keeper: &str) -> u32 {
    u32::from(keeper.as_bytes()[0])
}

fn takeover(keeper: &str) -> Command {
    let subscribe = subscribe(id_of(keeper), queue(keeper));
    Command::Subscribe(Box::new(sharing(subscribe, Sharing::Takeover)))
}

/// A node with the queue `group`, and the owner of the durable queues `a` and `b`.
fn node() -> (Node, Client) {
    let mut node = Node::new(settings());
    let mut client = node.connect();
    for name in ["a", "b"] {
        client.declare_as(&mut node, name, QueueDefinition::DURABLE);
        client.ok(&mut node, takeover(name));
    }
    client.declare_as(&mut node, "group", GROUP);
    client.bind(&mut node, bind("amq.direct", "group", "k"));
    (node, client)
}

fn publish(node: &mut Node, client: &mut Client, number: u32) {
    let draft = message("k", number).to("amq.direct").persistent();
    client.publish_safely(node, draft).expect("it is taken");
}

#[test]
fn a_queue_that_is_kept_outlives_its_readers_and_has_what_comes_meanwhile() {
    let (mut node, mut client) = node();
    client.ok(&mut node, keep("group", "a"));
    let mut reader = node.connect();
    reader.subscribed(&mut node, subscribe(1, queue("group")));
    publish(&mut node, &mut client, 1);
    assert_eq!(reader.numbers(&mut node), [1]);
    reader.close(&node);
    publish(&mut node, &mut client, 2);
    node.advance_ms(DAY_MS);
    let mut reader = node.connect();
    reader.subscribed(&mut node, subscribe(1, queue("group")));
    assert_eq!(reader.numbers(&mut node), [1, 2]);
    // With its reader there, it outlives its keeper.
    client.ok(&mut node, let_go("group", "a"));
    node.advance_ms(DAY_MS);
    assert!(client.has_queue(&mut node, "group"));
    reader.close(&node);
    node.advance_ms(0);
    assert!(
        !client.has_queue(&mut node, "group"),
        "with its last reader"
    );
}

#[test]
fn it_ends_with_its_last_keeper() {
    for ends in [
        |client: &mut Client, node: &mut Node, keeper: &str| {
            client.ok(node, let_go("group", keeper));
        },
        |client: &mut Client, node: &mut Node, keeper: &str| {
            client.ok(node, delete_queue(keeper));
        },
    ] {
        let (mut node, mut client) = node();
        for keeper in ["a", "b", "a"] {
            client.ok(&mut node, keep("group", keeper));
        }
        node.advance_ms(DAY_MS);
        ends(&mut client, &mut node, "a");
        node.advance_ms(DAY_MS);
        assert!(client.has_queue(&mut node, "group"), "there is another");
        ends(&mut client, &mut node, "b");
        node.settle_down();
        assert!(!client.has_queue(&mut node, "group"));
    }
}

#[test]
fn one_that_does_not_end_with_its_last_use_has_its_time() {
    let (mut node, mut client) = node();
    let expiring = QueueDefinition {
        lifetime: Lifetime::Permanent,
        ..GROUP
    };
    client.declare_as(&mut node, "other", expiring);
    client.ok(&mut node, keep("other", "a"));
    node.advance_ms(DAY_MS);
    client.ok(&mut node, let_go("other", "a"));
    node.advance_ms(MINUTE_MS - 1);
    assert!(client.has_queue(&mut node, "other"));
    node.advance_ms(1);
    assert!(!client.has_queue(&mut node, "other"));
}

#[test]
fn it_is_in_use_and_ends_if_it_is_to() {
    let (mut node, mut client) = node();
    client.ok(&mut node, keep("group", "a"));
    let unused = DeleteIf {
        unused: true,
        empty: false,
    };
    let refusal = client.refused(&mut node, delete_queue_if("group", unused));
    assert!(matches!(refusal, Refusal::QueueInUse(_)), "{refusal:?}");
    client.ok(&mut node, delete_queue("group"));
    // Another one of its name is not kept.
    client.declare_as(&mut node, "group", GROUP);
    node.advance_ms(MINUTE_MS);
    assert!(!client.has_queue(&mut node, "group"));
    client.ok(&mut node, let_go("group", "a"));
}

#[test]
fn only_durable_queues_that_are_there_keep_others() {
    let (mut node, mut client) = node();
    let transient = QueueDefinition {
        durability: Durability::Transient,
        ..QueueDefinition::DURABLE
    };
    client.declare_as(&mut node, "t", transient);
    client.ok(&mut node, takeover("t"));
    let refusal = client.refused(&mut node, keep("group", "z"));
    assert!(
        matches!(refusal, Refusal::SubscriptionNotFound(_)),
        "{refusal:?}"
    );
    let refusal = client.refused(&mut node, keep("none", "a"));
    assert!(matches!(refusal, Refusal::QueueNotFound(_)), "{refusal:?}");
    for (queue, keeper) in [("group", "t"), ("t", "a"), ("a", "a")] {
        let refusal = client.refused(&mut node, keep(queue, keeper));
        assert!(matches!(refusal, Refusal::Invalid(_)), "{refusal:?}");
    }
}

#[test]
fn what_an_earlier_owner_asks_is_passed_over() {
    let (mut node, mut old) = node();
    old.ok(&mut node, keep("group", "a"));
    // Asked before it knows, and carried out behind the takeover.
    let mut new = node.connect();
    let took = new.send(&node, takeover("a"));
    let let_go = old.send(&node, let_go("group", "a"));
    let kept = old.send(&node, keep("b", "a"));
    assert!(matches!(new.answer(&mut node, took), Some(Ok(_))));
    for id in [let_go, kept] {
        let answer = old.answer(&mut node, id);
        assert_eq!(answer, Some(Err(Refusal::TakenOver)));
    }
    node.advance_ms(DAY_MS);
    assert!(new.has_queue(&mut node, "group"));
}

#[test]
fn it_survives_snapshots_and_restarts() {
    let (mut node, mut client) = node();
    for keeper in ["a", "b"] {
        client.ok(&mut node, keep("group", keeper));
    }
    publish(&mut node, &mut client, 1);
    node.snapshot();
    client.ok(&mut node, let_go("group", "a"));
    let mut node = node.restarted();
    node.advance_ms(DAY_MS);
    assert_eq!(node.contents("group"), [1]);
    node.snapshot();
    let mut node = node.restarted();
    node.advance_ms(DAY_MS);
    assert_eq!(node.contents("group"), [1]);
    let mut client = node.connect();
    client.ok(&mut node, delete_queue("b"));
    assert!(!client.has_queue(&mut node, "group"));
    let mut node = node.restarted();
    let mut client = node.connect();
    assert!(!client.has_queue(&mut node, "group"));
}

/// Whether a crash leaves the queue, a day later.
fn is_there(node: &mut Node, name: &str) -> bool {
    node.advance_ms(DAY_MS);
    node.connect().has_queue(node, name)
}

#[test]
fn what_was_said_to_be_kept_is_whatever_crashes() {
    let found = Cell::new([0; 2]);
    crash_at_every_step(
        || node().0,
        |node| {
            let mut client = node.connect();
            client.ok(node, takeover("a"));
            client.send(node, keep("group", "a"));
            client
        },
        |node, what, told| {
            let is_kept = is_there(node, "group");
            assert!(is_kept || told.is_empty(), "{what}: {told:?}");
            let mut counts = found.get();
            counts[usize::from(is_kept)] += 1;
            found.set(counts);
        },
    );
    assert!(found.get().iter().all(|count| *count > 0), "{found:?}");
}

#[test]
fn what_is_kept_no_more_ends_whatever_crashes() {
    for ends in [|| let_go("group", "a"), || delete_queue("a")] {
        crash_at_every_step(
            || {
                let (mut node, mut client) = node();
                client.ok(&mut node, keep("group", "a"));
                client.close(&node);
                node.settle_down();
                node
            },
            |node| {
                let mut client = node.connect();
                client.ok(node, takeover("a"));
                client.send(node, ends());
                client
            },
            |node, what, told| {
                let is_kept = is_there(node, "group");
                let is_answered = told.iter().any(|it| matches!(it, Event::Done(..)));
                assert!(!is_kept || !is_answered, "{what}: {told:?}");
                assert!(!is_kept || is_there(node, "a"), "{what}: nobody keeps it");
            },
        );
    }
}
