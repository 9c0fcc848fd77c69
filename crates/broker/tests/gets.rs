//! Messages taken one by one, and subscriptions that have only to settle: neither counts as a subscription.

mod support;

use broker::Settings;
use broker_api::{
    Command, DeclareQueue, DeleteIf, Event, Get, IfExists, IfMissing, QueueStatus, Refusal, Reply,
    SettleMode, Sharing,
};
use model::{Lifetime, Outcome, QueueDefinition, QueueRules, SubscriptionId};
use support::calls::{
    delete_queue, delete_queue_if, exclusive, limited, name, number_of, settings, settle, sharing,
    subscribe, with_rules,
};
use support::{Client, Node, message, queue, topic};

/// A test on a queue `q`: shared in one run, the reader's own in the other.
fn on_both(
    change: impl Fn(&mut QueueDefinition),
    test: impl Fn(&mut Node, &mut Client, &mut Client),
) {
    for of in [with_rules, exclusive] {
        let mut definition = of(QueueRules::PLAIN);
        change(&mut definition);
        let mut node = Node::new(settings());
        let mut reader = node.connect();
        let mut publisher = node.connect();
        reader.declare_as(&mut node, "q", definition);
        test(&mut node, &mut reader, &mut publisher);
    }
}

fn publish(node: &mut Node, publisher: &mut Client, reader: &mut Client, numbers: &[u32]) {
    for number in numbers {
        let draft = message("q", *number).queued().persistent();
        publisher.publish_safely(node, draft).expect("it is taken");
        reader.run(node);
    }
}

fn get(id: u32, settle_mode: SettleMode) -> Command {
    Command::Get(Get {
        subscription: SubscriptionId(id),
        queue: name("q"),
        settle_mode,
    })
}

fn explicit(id: u32) -> Command {
    get(id, SettleMode::Explicit)
}

fn cancel(id: u32) -> Command {
    Command::Cancel(SubscriptionId(id))
}

fn step_aside(id: u32) -> Command {
    Command::StepAside(SubscriptionId(id))
}

/// The queue as it is, if it is there.
fn status(node: &mut Node, client: &mut Client) -> Option<Box<QueueStatus>> {
    let declare = DeclareQueue {
        name: Some(name("q")),
        definition: QueueDefinition::DURABLE,
        if_exists: IfExists::Use,
        if_missing: IfMissing::Refuse,
    };
    let declared = client.call(node, Command::DeclareQueue(Box::new(declare)));
    let Ok(Reply::Queue(status)) = declared else {
        return None;
    };
    Some(status)
}

fn counts(node: &mut Node, client: &mut Client) -> (u64, u64, u64) {
    let status = status(node, client).expect("it is there");
    (
        status.ready_count,
        status.unsettled_count,
        status.subscription_count,
    )
}

#[test]
fn one_message_is_delivered_with_the_count_of_the_others() {
    on_both(
        |_| {},
        |node, reader, publisher| {
            assert_eq!(reader.ok(node, explicit(1)), Reply::Got(None));
            publish(node, publisher, reader, &[1, 2, 3]);
            assert!(reader.numbers(node).is_empty(), "it came too late for it");
            assert_eq!(reader.ok(node, explicit(2)), Reply::Got(Some(2)));
            assert_eq!(reader.delivered(node), [(2, 1)]);
            assert_eq!(reader.ok(node, explicit(3)), Reply::Got(Some(1)));
            assert_eq!(reader.delivered(node), [(3, 2)]);
            assert_eq!(counts(node, reader), (1, 2, 0));
            reader.ok(node, Command::Settle(settle(2, &[1], Outcome::Accept)));
            reader.ok(node, Command::Settle(settle(3, &[2], Outcome::Release)));
            assert_eq!(counts(node, reader), (2, 0, 0));
            for id in 1..=3 {
                reader.ok(node, cancel(id));
            }
            assert_eq!(reader.ok(node, explicit(4)), Reply::Got(Some(1)));
            let deliveries = reader.deliveries(node);
            assert_eq!(number_of(&deliveries[0].message), 2);
            assert!(deliveries[0].redelivered);
            // It is released.
            reader.ok(node, cancel(4));
            assert_eq!(counts(node, reader), (2, 0, 0));
            let refused = reader.refused(node, explicit(4));
            assert_eq!(refused, Refusal::SubscriptionExists(SubscriptionId(4)));
        },
    );
}

#[test]
fn a_message_is_accepted_once_it_is_sent_if_nobody_settles() {
    on_both(
        |_| {},
        |node, reader, publisher| {
            publish(node, publisher, reader, &[1, 2]);
            let got = reader.ok(node, get(1, SettleMode::Presettled));
            assert_eq!(got, Reply::Got(Some(1)));
            assert_eq!(reader.numbers(node), [1]);
            reader.ok(node, cancel(1));
            assert_eq!(counts(node, reader), (1, 0, 0));
        },
    );
}

#[test]
fn subscriptions_come_behind() {
    on_both(
        |_| {},
        |node, reader, publisher| {
            publish(node, publisher, reader, &[1, 2]);
            reader.send(node, explicit(1));
            let subscribe = sharing(
                subscribe(2, queue("q")),
                Sharing::Competing { priority: 100 },
            );
            reader.submit(node, Command::Subscribe(Box::new(subscribe)));
            let mut delivered = reader.delivered(node);
            delivered.sort_unstable();
            assert_eq!(delivered, [(1, 1), (2, 2)]);
        },
    );
}

#[test]
fn who_is_to_be_alone_is() {
    let single_active = |definition: &mut QueueDefinition| definition.rules.single_active = true;
    let exclusive = |id| sharing(subscribe(id, queue("q")), Sharing::Exclusive);
    on_both(
        |_| {},
        |node, reader, _| {
            reader.ok(node, explicit(1));
            reader.subscribed(node, exclusive(2));
            let refused = reader.refused(node, explicit(3));
            assert_eq!(refused, Refusal::QueueInUse(name("q")));
            reader.ok(node, cancel(2));
            assert_eq!(reader.ok(node, explicit(4)), Reply::Got(None));
        },
    );
    on_both(single_active, |node, reader, publisher| {
        publish(node, publisher, reader, &[1]);
        assert_eq!(reader.ok(node, explicit(1)), Reply::Got(Some(0)));
        reader.subscribed(node, subscribe(2, queue("q")));
        let refused = reader.refused(node, explicit(3));
        assert_eq!(refused, Refusal::QueueInUse(name("q")));
    });
    on_both(
        |_| {},
        |node, reader, publisher| {
            let is_own = publisher.has_queue(node, "q");
            let refused = publisher.call(node, explicit(1));
            let locked = Err(Refusal::QueueLocked(name("q")));
            assert!(is_own || refused == locked, "{refused:?}");
            reader.ok(node, delete_queue("q"));
            let refused = reader.refused(node, explicit(1));
            assert_eq!(refused, Refusal::QueueNotFound(name("q")));
        },
    );
}

#[test]
fn no_queue_ends_or_lives_on_with_it() {
    let until_unused = |definition: &mut QueueDefinition| {
        definition.lifetime = Lifetime::UntilUnused;
    };
    on_both(until_unused, |node, reader, publisher| {
        publish(node, publisher, reader, &[1]);
        reader.ok(node, explicit(1));
        assert_eq!(reader.ok(node, cancel(1)), Reply::Nothing);
        assert_eq!(counts(node, reader), (1, 0, 0));
        // Nor does what it has in hand keep a queue.
        reader.ok(node, explicit(2));
        reader.subscribed(node, subscribe(3, queue("q")));
        reader.ok(node, cancel(3));
        assert!(status(node, reader).is_none());
        let others = reader.others();
        let ended = |id| move |event: &Event| matches!(event, Event::Ended(it, _) if it.0 == id);
        assert!(others.iter().any(ended(2)), "{others:?}");
        assert!(!others.iter().any(ended(3)), "{others:?}");
    });
    on_both(
        |_| {},
        |node, reader, publisher| {
            publish(node, publisher, reader, &[1]);
            reader.ok(node, explicit(1));
            let unused = DeleteIf {
                unused: true,
                empty: true,
            };
            reader.ok(node, delete_queue_if("q", unused));
        },
    );
}

#[test]
fn a_message_is_read_first_if_memory_has_it_not() {
    let mut node = Node::new(Settings {
        queued_bytes: 8 << 10,
        ..settings()
    });
    let mut client = node.connect();
    client.declare_as(&mut node, "q", QueueDefinition::DURABLE);
    for number in 1..=300 {
        let draft = message("q", number).queued().persistent();
        client
            .publish_safely(&mut node, draft)
            .expect("it is taken");
    }
    let mut node = node.crashed(|_, _| 0);
    assert!(node.page_count() > 0);
    let mut client = node.connect();
    for number in 1..=300 {
        let left = u64::from(300 - number);
        let got = client.ok(&mut node, explicit(number));
        assert_eq!(got, Reply::Got(Some(left)));
        let deliveries = client.deliveries(&mut node);
        assert_eq!(deliveries.len(), 1);
        assert_eq!(number_of(&deliveries[0].message), number);
        let sequence = deliveries[0].sequence.0;
        client.settle(&mut node, number, &[sequence]);
        client.ok(&mut node, cancel(number));
    }
    assert_eq!(client.ok(&mut node, explicit(301)), Reply::Got(None));
}

#[test]
fn what_a_lost_connection_got_goes_back() {
    let mut node = Node::new(settings());
    let mut reader = node.connect();
    let mut publisher = node.connect();
    reader.declare_as(&mut node, "q", QueueDefinition::DURABLE);
    publish(&mut node, &mut publisher, &mut reader, &[1, 2, 3]);
    reader.ok(&mut node, explicit(1));
    reader.subscribed(&mut node, limited(subscribe(2, queue("q")), 1));
    reader.ok(&mut node, step_aside(2));
    assert_eq!(counts(&mut node, &mut publisher), (1, 2, 0));
    reader.close(&node);
    node.settle_down();
    assert_eq!(counts(&mut node, &mut publisher), (3, 0, 0));
}

#[test]
fn every_get_is_answered_whatever_becomes_of_it() {
    on_both(
        |_| {},
        |node, client, _| {
            // Who asked is gone before the queue is looked at.
            for (id, end) in [(1, cancel(1)), (2, step_aside(2))] {
                let asked = client.send(node, explicit(id));
                let ended = client.send(node, end);
                assert_eq!(client.answer(node, asked), Some(Ok(Reply::Got(None))));
                assert_eq!(client.answer(node, ended), Some(Ok(Reply::Nothing)));
            }
            // So is the queue.
            let asked = client.send(node, explicit(3));
            client.submit(node, delete_queue("q"));
            let answer = client.answer(node, asked);
            assert_eq!(answer, Some(Err(Refusal::QueueDeleted(name("q")))));
        },
    );
}

#[test]
fn who_steps_aside_settles_what_it_has() {
    on_both(
        |_| {},
        |node, reader, publisher| {
            let exclusive = sharing(subscribe(1, queue("q")), Sharing::Exclusive);
            reader.subscribed(node, limited(exclusive, 3));
            publish(node, publisher, reader, &[1, 2, 3, 4]);
            assert_eq!(reader.numbers(node), [1, 2, 3]);
            reader.ok(node, step_aside(1));
            assert_eq!(counts(node, reader), (1, 3, 0));
            reader.grant(node, 1, 10);
            assert!(reader.numbers(node).is_empty(), "it takes nothing more");
            reader.ok(node, Command::Settle(settle(1, &[1], Outcome::Accept)));
            reader.ok(node, Command::Settle(settle(1, &[3], Outcome::Release)));
            assert_eq!(counts(node, reader), (2, 1, 0));
            let exclusive = sharing(subscribe(2, queue("q")), Sharing::Exclusive);
            reader.subscribed(node, exclusive);
            assert_eq!(reader.delivered(node), [(2, 3), (2, 4)]);
            // Twice is as good as once.
            reader.ok(node, step_aside(1));
            reader.ok(node, cancel(1));
            assert_eq!(reader.delivered(node), [(2, 2)]);
            let refused = reader.refused(node, step_aside(1));
            let not_found = Refusal::SubscriptionNotFound(SubscriptionId(1));
            assert_eq!(refused, not_found);
        },
    );
}

#[test]
fn the_queue_ends_with_the_last_that_steps_aside() {
    let until_unused = |definition: &mut QueueDefinition| {
        definition.lifetime = Lifetime::UntilUnused;
    };
    on_both(until_unused, |node, reader, publisher| {
        reader.subscribed(node, subscribe(1, queue("q")));
        reader.subscribed(node, subscribe(2, queue("q")));
        publish(node, publisher, reader, &[1, 2]);
        reader.ok(node, step_aside(1));
        assert_eq!(counts(node, reader), (0, 2, 1));
        reader.ok(node, cancel(1));
        assert_eq!(reader.numbers(node).len(), 3);
        reader.ok(node, step_aside(2));
        assert!(status(node, reader).is_none());
        let others = reader.others();
        let is_ended = |event: &Event| matches!(event, Event::Ended(it, _) if it.0 == 2);
        assert!(others.iter().any(is_ended), "{others:?}");
    });
}

#[test]
fn only_who_has_a_queue_steps_aside() {
    let mut node = Node::new(settings());
    let mut client = node.connect();
    client.subscribed(&mut node, subscribe(1, topic("a")));
    client.subscribed(&mut node, limited(subscribe(2, topic("a")), 1));
    for id in [1, 2] {
        let refused = client.refused(&mut node, step_aside(id));
        assert!(matches!(refused, Refusal::Invalid(_)), "{refused:?}");
    }
}
