//! Nothing is told before what it rests on is durable.

mod support;

use broker_api::{Command, Confirm, Event, Settle};
use model::{Durability, Outcome, QueueDefinition, QueueRules, ShardId};
use support::calls::{
    bind, declare_queue, delete_queue, name, settings, settle, subscribe, with_rules,
};
use support::{Node, message, queue};

#[test]
fn a_settlement_that_changes_nothing_is_confirmed_behind_the_one_that_did() {
    let mut node = Node::new(settings());
    let mut client = node.connect();
    let mut publisher = node.connect();
    client.declare_as(&mut node, "q", QueueDefinition::DURABLE);
    client
        .publish_safely(&mut node, message("q", 1).queued().persistent())
        .expect("it is taken");
    client.subscribed(&mut node, subscribe(1, queue("q")));
    assert_eq!(client.numbers(&mut node), [1]);
    let unwanted = Settle {
        confirm: Confirm::Unwanted,
        ..settle(1, &[1], Outcome::Accept)
    };
    client.submit(&node, Command::Settle(unwanted));
    // It rides along with a publish, which is not durable.
    publisher.publish(&node, message("q", 2).queued().persistent());
    node.step_executors();
    let again = client.send(&node, Command::Settle(settle(1, &[1], Outcome::Accept)));
    let purge = publisher.send(&node, Command::PurgeQueue(name("q")));
    node.step_executors();
    assert!(
        client.take(&mut node).is_empty(),
        "the first is not durable"
    );
    assert!(publisher.take(&mut node).is_empty());
    assert!(client.answer(&mut node, again).is_some());
    assert!(publisher.answer(&mut node, purge).is_some());
    let mut node = node.crashed(|_, _| 0);
    assert!(node.contents("q").is_empty());
}

#[test]
fn a_change_of_what_there_is_waits_for_shard_0_alone() {
    let mut node = Node::new(settings());
    let mut client = node.connect();
    client.declare_as(&mut node, "q", QueueDefinition::DURABLE);
    let commands = [
        Command::Bind(Box::new(bind("amq.topic", "q", "k"))),
        declare_queue("r", QueueDefinition::DURABLE),
        delete_queue("q"),
    ];
    for command in commands {
        let text = format!("{command:?}");
        let id = client.send(&node, command);
        node.step_executors();
        for shard in 1..4 {
            node.store.round_of(ShardId(shard));
        }
        node.step_executors();
        assert!(client.take(&mut node).is_empty(), "{text}");
        node.store.round_of(ShardId(0));
        node.step_executors();
        let events = client.take(&mut node);
        assert!(
            matches!(&events[..], [Event::Done(done, Ok(_))] if *done == id),
            "{text}: {events:?}"
        );
    }
}

#[test]
fn a_confirm_says_what_its_destination_says() {
    let transient = QueueDefinition {
        durability: Durability::Transient,
        ..with_rules(QueueRules::PLAIN)
    };
    // Durable queue and persistent message: only after the round; any other pair: at once.
    for (definition, persistent, at_once) in [
        (QueueDefinition::DURABLE, true, false),
        (QueueDefinition::DURABLE, false, true),
        (transient.clone(), true, true),
        (transient, false, true),
    ] {
        let mut node = Node::new(settings());
        let mut client = node.connect();
        client.declare_as(&mut node, "q", definition);
        let draft = message("q", 1).queued();
        let draft = if persistent {
            draft.persistent()
        } else {
            draft
        };
        client.publish_returnable(&node, draft);
        node.step_executors();
        assert_eq!(
            client.confirmed(&mut node),
            usize::from(at_once),
            "{persistent}"
        );
        node.settle_down();
        assert_eq!(
            client.confirmed(&mut node),
            usize::from(!at_once),
            "{persistent}"
        );
    }
}
