//! Where memory is short: what waits, comes back or goes while pages are on their way is neither lost nor forgotten.

mod support;

use broker::Settings;
use broker_api::{Command, Confirm, DeleteIf, Event, Publishing, Settle};
use model::{Durability, Outcome, QueueDefinition, QueueRules, ShardId, SubscriptionId};
use std::time::Duration;
use support::calls::{
    dead_letters_to, delete_queue, delete_queue_if, limited, settings, settle, subscribe,
    with_rules,
};
use support::{Client, Draft, Node, message, queue};

/// So little memory that a hundred messages are too many.
const MEMORY_BYTES: usize = 8 << 10;

fn with_memory(bytes: usize) -> Settings {
    Settings {
        queued_bytes: bytes,
        ..settings()
    }
}

fn persistent(queue: &str, number: u32) -> Draft {
    message(queue, number).queued().persistent()
}

/// Publishes; says whether that was confirmed once nothing moves any more.
fn is_taken(node: &mut Node, client: &mut Client, draft: Draft) -> bool {
    let publish = Command::Publish(draft.build(), Publishing::new(Confirm::Wanted));
    let id = client.send(node, publish);
    client.answer(node, id).is_some()
}

fn fill(node: &mut Node, client: &mut Client, queue: &str, count: u32) {
    for number in 0..count {
        assert!(is_taken(node, client, persistent(queue, number)));
    }
}

fn accept(client: &mut Client, node: &Node, id: u32, sequences: &[u64]) {
    let settle = Settle {
        confirm: Confirm::Unwanted,
        ..settle(id, sequences, Outcome::Accept)
    };
    client.submit(node, Command::Settle(settle));
}

/// Fills a queue, takes all of it, and accepts what is not to be kept. Returns the sequences that are left.
fn wear(
    node: &mut Node,
    client: &mut Client,
    (name, id, count): (&str, u32, u32),
    is_kept: fn(u64) -> bool,
) -> Vec<u64> {
    client.declare_as(node, name, QueueDefinition::DURABLE);
    fill(node, client, name, count);
    client.subscribed(node, subscribe(id, queue(name)));
    let deliveries = client.deliveries(node);
    assert_eq!(deliveries.len(), count as usize);
    let sequences = deliveries.iter().map(|it| it.sequence.0);
    let (kept, done): (Vec<_>, Vec<_>) = sequences.partition(|sequence| is_kept(*sequence));
    accept(client, node, id, &done);
    kept
}

/// What all saved pages hold, in bytes.
fn stored_bytes(node: &Node) -> usize {
    (0..4)
        .flat_map(|shard| node.store.saved_pages(ShardId(shard)))
        .map(|(_, payload)| payload.len())
        .sum()
}

/// Each executor does one step, and what shards have asked of pages is done; nothing becomes durable in the log.
fn step_pages(node: &mut Node) {
    for index in 0..node.executors.len() {
        node.step_executor(index);
    }
    for shard in 0..4 {
        node.store.pages_of(ShardId(shard));
    }
}

/// Of a queue that stays in memory as long as its messages differ in the header `of`.
fn kept() -> QueueDefinition {
    with_rules(QueueRules {
        last_value_header: Some(Box::from(*b"of")),
        ..QueueRules::PLAIN
    })
}

/// A node of which a queue that cannot be moved out has three quarters of the memory.
fn short_of_memory() -> (Node, Client) {
    let mut node = Node::new(with_memory(MEMORY_BYTES));
    let mut client = node.connect();
    client.declare_as(&mut node, "d", QueueDefinition::DURABLE);
    client.declare_as(&mut node, "kept", kept());
    for number in 0.. {
        if node.broker.queued_bytes() >= MEMORY_BYTES / 8 * 6 + 100 {
            break;
        }
        let draft = persistent("kept", 0).header("of", &number.to_string());
        assert!(is_taken(&mut node, &mut client, draft));
    }
    (node, client)
}

#[test]
fn what_a_consumer_gives_back_is_moved_out() {
    let mut node = Node::new(with_memory(MEMORY_BYTES));
    let (mut client, mut publisher) = (node.connect(), node.connect());
    client.declare_as(&mut node, "q", QueueDefinition::DURABLE);
    client.subscribed(&mut node, subscribe(1, queue("q")));
    // What is not persistent is delivered before it is logged, and cannot be moved out before.
    while is_taken(&mut node, &mut publisher, message("q", 0).queued()) {
        let _in_hands = client.deliveries(&mut node);
    }
    let _in_hands = client.deliveries(&mut node);
    node.advance_ms(5000);
    assert!(node.broker.queued_bytes() >= MEMORY_BYTES);
    client.ok(&mut node, Command::Cancel(SubscriptionId(1)));
    node.advance_ms(5000);
    assert!(node.broker.queued_bytes() < MEMORY_BYTES, "publishers wait");
}

#[test]
fn what_stands_in_no_log_is_moved_out_at_once() {
    let mut node = Node::new(with_memory(MEMORY_BYTES));
    let (mut client, mut other) = (node.connect(), node.connect());
    let definition = QueueDefinition {
        durability: Durability::Transient,
        ..QueueDefinition::DURABLE
    };
    client.declare_as(&mut node, "q", definition);
    // All in one step, of which nothing becomes of in the log.
    (0..200).for_each(|number| client.publish(&node, message("q", number).queued()));
    client.run(&mut node);
    assert!(node.broker.queued_bytes() < MEMORY_BYTES);
    assert!(is_taken(&mut node, &mut other, message("q", 200).queued()));
    assert!(node.contents("q").into_iter().eq(0..=200));
}

#[test]
fn who_has_nothing_to_do_moves_out_for_others() {
    let mut node = Node::new(with_memory(MEMORY_BYTES));
    let mut client = node.connect();
    client.declare_as(&mut node, "idle", QueueDefinition::DURABLE);
    client.declare_as(&mut node, "kept", kept());
    // Their shards belong to different executors.
    while node.broker.queued_bytes() < MEMORY_BYTES / 8 * 3 {
        assert!(is_taken(&mut node, &mut client, persistent("idle", 0)));
    }
    for number in 0..40_u32 {
        let draft = persistent("kept", 0).header("of", &number.to_string());
        assert!(is_taken(&mut node, &mut client, draft));
    }
}

#[test]
fn what_is_due_comes() {
    let (mut node, mut client) = short_of_memory();
    for number in 0..20 {
        let draft = persistent("d", number).delay(1000);
        assert!(is_taken(&mut node, &mut client, draft));
    }
    node.advance_ms(500);
    assert!(node.page_count() > 0);
    client.subscribed(&mut node, subscribe(1, queue("d")));
    node.now = node.now + Duration::from_secs(2);
    let mut numbers = Vec::new();
    // So many steps at most: it might go on for ever.
    for _ in 0..400 {
        step_pages(&mut node);
        node.store.round();
        numbers.extend(client.take_numbers(&mut node));
    }
    // Those that are in memory do not wait for others that are due at the same time.
    numbers.sort_unstable();
    assert!(numbers.iter().copied().eq(0..20), "{numbers:?}");
}

#[test]
fn what_expires_leaves() {
    let (mut node, mut client) = short_of_memory();
    for number in 0..20 {
        let draft = persistent("d", number).ttl(1000);
        assert!(is_taken(&mut node, &mut client, draft));
    }
    node.advance_ms(500);
    assert!(node.page_count() > 0);
    node.advance_ms(40_000);
    assert_eq!(client.counts(&mut node, "d"), (0, 0));
}

#[test]
fn pages_of_many_queues_do_not_come_all_at_once() {
    const MANY_BYTES: usize = 128 << 10;
    let mut node = Node::new(with_memory(MANY_BYTES));
    let mut client = node.connect();
    let names: Vec<_> = (0..200).map(|at| format!("q{at}")).collect();
    for name in &names {
        client.declare_as(&mut node, name, QueueDefinition::DURABLE);
        for number in 0..40 {
            let draft = persistent(name, number).of_bytes(200);
            assert!(is_taken(&mut node, &mut client, draft));
        }
    }
    let mut node = node.restarted();
    let mut client = node.connect();
    for (id, name) in (1..).zip(&names) {
        let subscribe = limited(subscribe(id, queue(name)), 1);
        client.submit(&node, Command::Subscribe(Box::new(subscribe)));
    }
    let mut delivered = 0;
    for _ in 0..1000 {
        step_pages(&mut node);
        node.store.round();
        let bytes = node.broker.queued_bytes();
        assert!(bytes < MANY_BYTES, "{bytes} bytes are in memory");
        let events = client.take(&mut node);
        let deliveries = events.iter().filter(|it| matches!(it, Event::Delivery(_)));
        delivered += deliveries.count();
    }
    assert_eq!(delivered, names.len());
}

#[test]
fn a_queue_with_a_damaged_page_is_unused_and_can_be_made_again() {
    let mut node = Node::new(with_memory(MEMORY_BYTES));
    let (mut client, mut admin) = (node.connect(), node.connect());
    client.declare_as(&mut node, "q", QueueDefinition::DURABLE);
    fill(&mut node, &mut client, "q", 200);
    let shard = (0..4)
        .map(ShardId)
        .find(|shard| !node.store.saved_pages(*shard).is_empty())
        .expect("it has pages");
    let pages = node.store.saved_pages(shard);
    node.store.damage_page(shard, pages[pages.len() / 2].0);
    client.subscribed(&mut node, subscribe(1, queue("q")));
    client.run(&mut node);
    let events = std::mem::take(&mut client.inbox);
    assert!(matches!(events.last(), Some(Event::Ended(..))));
    client.close(&node);
    assert_eq!(
        admin.counts(&mut node, "q"),
        (200, 0),
        "all that it had in its hands is back"
    );
    let condition = DeleteIf {
        unused: true,
        empty: false,
    };
    admin.ok(&mut node, delete_queue_if("q", condition));
    admin.declare_as(&mut node, "q", QueueDefinition::DURABLE);
    fill(&mut node, &mut admin, "q", 1);
    assert_eq!(node.contents("q"), [0]);
}

#[test]
fn a_page_that_is_being_rewritten_goes_only_when_its_end_is_durable() {
    for steps in 0..60 {
        let mut node = Node::new(with_memory(MEMORY_BYTES));
        let mut client = node.connect();
        let kept = wear(&mut node, &mut client, ("q", 1, 300), |it| it % 4 == 0);
        for step in 0..steps {
            match step % 3 {
                0 => (0..node.executors.len()).for_each(|index| {
                    node.step_executor(index);
                }),
                1 => {
                    node.now = node.now + Duration::from_millis(30);
                    node.store.round();
                }
                _ => {}
            }
        }
        accept(&mut client, &node, 1, &kept);
        (0..10).for_each(|_| step_pages(&mut node));
        let mut node = node.crashed(|_, _| 0);
        let mut client = node.connect();
        let published = client.publish_safely(&mut node, persistent("q", 1));
        assert_eq!(published, Ok(()), "after {steps} steps");
    }
}

#[test]
fn a_queue_that_goes_while_its_pages_are_rewritten_does_not_keep_others_from_it() {
    for steps in 0..12 {
        let mut node = Node::new(with_memory(MEMORY_BYTES));
        let mut client = node.connect();
        // Each third queue is in the same shard.
        for (id, name) in (1..).zip(["a", "b", "c", "d", "e", "f"]) {
            if !["a", "d"].contains(&name) {
                client.declare_as(&mut node, name, QueueDefinition::DURABLE);
                continue;
            }
            wear(&mut node, &mut client, (name, id, 300), |it| it % 4 == 0);
            (0..steps).for_each(|_| step_pages(&mut node));
            client.ok(&mut node, delete_queue(name));
        }
        let all_bytes = {
            let kept = wear(&mut node, &mut client, ("g", 7, 300), |it| it % 4 == 0);
            assert_eq!(kept.len(), 75);
            stored_bytes(&node)
        };
        client.run(&mut node);
        node.advance_ms(3000);
        let bytes = stored_bytes(&node);
        assert!(
            bytes * 2 < all_bytes,
            "after {steps} steps: {bytes} of {all_bytes} bytes"
        );
    }
}

#[test]
fn a_queue_that_is_a_little_worn_does_not_keep_others_from_being_rewritten() {
    let mut node = Node::new(with_memory(MEMORY_BYTES));
    let mut client = node.connect();
    wear(&mut node, &mut client, ("a", 1, 1000), |it| it % 5 != 0);
    client.run(&mut node);
    node.advance_ms(3000);
    for (id, name) in (2..).zip(["b", "c"]) {
        client.declare_as(&mut node, name, QueueDefinition::DURABLE);
        assert!(id < 4);
    }
    let before = stored_bytes(&node);
    wear(&mut node, &mut client, ("d", 4, 200), |it| it % 8 == 0);
    let between = stored_bytes(&node);
    client.run(&mut node);
    node.advance_ms(3000);
    let (grown, shrunk) = (between - before, between - stored_bytes(&node));
    assert!(shrunk * 2 > grown, "{shrunk} of {grown} bytes went");
}

#[test]
fn a_dead_letter_in_doubt_is_not_lost() {
    for steps in 0..60u16 {
        let mut node = Node::new(with_memory(MEMORY_BYTES));
        let mut client = node.connect();
        for name in ["a", "b", "dead"] {
            client.declare_as(&mut node, name, QueueDefinition::DURABLE);
        }
        let rules = dead_letters_to("", Some("dead"));
        client.declare_as(&mut node, "q", with_rules(rules));
        fill(&mut node, &mut client, "q", 200);
        let mut reader = node.connect();
        reader.subscribed(&mut node, limited(subscribe(1, queue("q")), 5));
        let deliveries = reader.deliveries(&mut node);
        let sequences: Vec<_> = deliveries.iter().map(|it| it.sequence.0).collect();
        let rejected = vec![settle(1, &sequences, Outcome::Reject)];
        reader.commit(&node, vec![persistent("b", 7)], rejected);
        for step in 0..steps {
            match step % 6 {
                index @ 0..2 => {
                    node.step_executor(usize::from(index));
                }
                shard => {
                    node.store.round_of(ShardId(shard - 2));
                }
            }
            let _answers = reader.take(&mut node);
        }
        let mut node = node.crashed(|_, _| 0);
        node.settle_down();
        node.advance_ms(1000);
        let is_done = !node.contents("b").is_empty();
        let (in_queue, dead) = (node.contents("q").len(), node.contents("dead").len());
        let expected = if is_done { (195, 5) } else { (200, 0) };
        assert_eq!((in_queue, dead), expected, "after {steps} steps");
    }
}
