//! A backlog beyond memory: it goes to pages and comes back, and nothing of it is lost on the way.

mod support;

use broker::Settings;
use broker_api::{Command, Confirm, Publishing, Settle};
use model::{Durability, Outcome, QueueDefinition, QueueRules, ShardId};
use std::time::Duration;
use support::calls::{delete_queue, name, number_of, settings, settle, subscribe, with_rules};
use support::{Client, Node, message, queue};

/// So little memory that a hundred messages are too many.
const MEMORY_BYTES: usize = 8 << 10;

fn small() -> Settings {
    Settings {
        queued_bytes: MEMORY_BYTES,
        ..settings()
    }
}

/// Publishes messages `from..=to`, each confirmed before the next.
fn fill(node: &mut Node, client: &mut Client, queue: &str, from: u32, to: u32) {
    for number in from..=to {
        client
            .publish_safely(node, message(queue, number).queued().persistent())
            .expect("it is taken");
    }
}

/// Takes all there is, in steps, and settles it.
fn drain(node: &mut Node, client: &mut Client, count: usize) -> Vec<u32> {
    let mut numbers = Vec::new();
    while numbers.len() < count {
        let before = numbers.len();
        node.settle_down();
        let deliveries = client.deliveries(node);
        let sequences: Vec<u64> = deliveries.iter().map(|it| it.sequence.0).collect();
        numbers.extend(deliveries.iter().map(|it| number_of(&it.message)));
        let settle = Settle {
            confirm: Confirm::Unwanted,
            ..settle(1, &sequences, Outcome::Accept)
        };
        client.submit(node, Command::Settle(settle));
        assert!(numbers.len() > before, "{} of {count} came", numbers.len());
    }
    numbers
}

#[test]
fn a_backlog_beyond_memory_comes_in_order() {
    let mut node = Node::new(small());
    let mut client = node.connect();
    client.declare_as(&mut node, "q", QueueDefinition::DURABLE);
    fill(&mut node, &mut client, "q", 1, 500);
    assert!(
        node.broker.queued_bytes() < MEMORY_BYTES,
        "{} bytes are in memory",
        node.broker.queued_bytes()
    );
    client.subscribed(&mut node, subscribe(1, queue("q")));
    let numbers = drain(&mut node, &mut client, 500);
    assert!(numbers.into_iter().eq(1..=500));
    node.settle_down();
    node.pass(Duration::from_secs(1));
    node.settle_down();
    assert_eq!(node.broker.queued_bytes(), 0);
    assert_eq!(node.page_count(), 0, "nobody needs its pages");
}

#[test]
fn a_backlog_beyond_memory_survives_a_crash() {
    let mut node = Node::new(small());
    let mut client = node.connect();
    client.declare_as(&mut node, "q", QueueDefinition::DURABLE);
    fill(&mut node, &mut client, "q", 1, 300);
    for crash in 0..3 {
        node = node.crashed(|_, _| 0);
        assert!(
            node.broker.queued_bytes() < MEMORY_BYTES,
            "{} bytes are in memory after crash {crash}",
            node.broker.queued_bytes()
        );
    }
    let mut client = node.connect();
    fill(&mut node, &mut client, "q", 301, 400);
    client.subscribed(&mut node, subscribe(1, queue("q")));
    let numbers = drain(&mut node, &mut client, 400);
    assert!(numbers.into_iter().eq(1..=400));
    let mut node = node.crashed(|_, _| 0);
    node.settle_down();
    assert!(node.contents("q").len() <= 400);
}

#[test]
fn the_pages_of_a_deleted_queue_go() {
    for durability in [Durability::Durable, Durability::Transient] {
        let mut node = Node::new(small());
        let mut client = node.connect();
        let definition = QueueDefinition {
            durability,
            ..with_rules(QueueRules::PLAIN)
        };
        client.declare_as(&mut node, "q", definition);
        fill(&mut node, &mut client, "q", 1, 300);
        assert!(node.page_count() > 0, "{durability:?}");
        let deleted = client.send(&node, delete_queue("q"));
        assert!(client.answer(&mut node, deleted).is_some());
        node.settle_down();
        assert_eq!(node.page_count(), 0, "{durability:?}");
        assert_eq!(node.broker.queued_bytes(), 0);
    }
}

#[test]
fn a_purge_reaches_what_is_not_in_memory() {
    let mut node = Node::new(small());
    let mut client = node.connect();
    client.declare_as(&mut node, "q", QueueDefinition::DURABLE);
    fill(&mut node, &mut client, "q", 1, 300);
    let purged = client.send(&node, Command::PurgeQueue(name("q")));
    assert!(client.answer(&mut node, purged).is_some());
    let mut node = node.crashed(|_, _| 0);
    assert!(node.contents("q").is_empty());
    assert_eq!(node.page_count(), 0);
}

/// How many pages are saved.
fn page_count(node: &Node) -> usize {
    let shards = (0..4).map(ShardId);
    shards
        .map(|shard| node.store.saved_pages(shard).len())
        .sum()
}

/// Fills queues in turn, so that each page gets a message or two.
fn fill_in_turn(node: &mut Node, client: &mut Client, queues: &[String], each: u32) {
    for name in queues {
        client.declare_as(node, name, QueueDefinition::DURABLE);
    }
    for number in 1..=each {
        for name in queues {
            fill(node, client, name, number, number);
        }
    }
    node.settle_down();
}

fn names(count: u32) -> Vec<String> {
    (0..count).map(|nth| format!("q{nth}")).collect()
}

#[test]
fn small_pages_become_few_and_nothing_is_lost_of_them() {
    let (queues, each) = (names(30), 40);
    let settings = Settings {
        merged_pages_min: 4,
        ..small()
    };
    let mut node = Node::new(settings);
    let mut client = node.connect();
    fill_in_turn(&mut node, &mut client, &queues, each);
    let count = page_count(&node);
    assert!(count < 30 * 10, "{count} pages for {} messages", 30 * each);
    let mut node = node.crashed(|_, _| 0);
    node.settle_down();
    assert!(page_count(&node) <= count);
    for name in &queues {
        let mut client = node.connect();
        client.subscribed(&mut node, subscribe(1, queue(name)));
        let numbers = drain(&mut node, &mut client, each as usize);
        assert_eq!(numbers, (1..=each).collect::<Vec<_>>());
    }
    node.advance_ms(1000);
    node.settle_down();
    assert_eq!(page_count(&node), 0);
}

#[test]
fn a_crash_in_the_midst_of_merging_loses_nothing() {
    let (queues, each) = (names(12), 12);
    for steps in 0..80_u16 {
        let settings = Settings {
            merged_pages_min: 3,
            queued_bytes: 3 << 10,
            ..small()
        };
        let mut node = Node::new(settings);
        let mut client = node.connect();
        fill_in_turn(&mut node, &mut client, &queues, each);
        for name in &queues {
            let publishing = message(name, each + 1).queued().persistent();
            client.submit(
                &node,
                Command::Publish(publishing.build(), Publishing::new(Confirm::Unwanted)),
            );
        }
        for step in 0..steps {
            match step % 10 {
                index @ 0..2 => {
                    node.step_executor(usize::from(index));
                }
                shard @ 2..6 => {
                    node.store.round_of(ShardId(shard - 2));
                }
                shard => {
                    node.store.pages_of(ShardId(shard - 6));
                }
            }
        }
        let mut node = node.crashed(|_, _| 0);
        for name in &queues {
            let count = node.contents(name).len();
            let expected = each as usize;
            assert!(
                count == expected || count == expected + 1,
                "{count} in {name} after {steps}"
            );
        }
    }
}
