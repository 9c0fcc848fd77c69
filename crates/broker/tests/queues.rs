//! How queues keep and hand out messages: shared ones and private ones alike.

mod support;

use broker_api::{Command, DeleteIf, Event, Grant, Refusal, Reply, Sharing};
use model::{Outcome, QueueDefinition, QueueRules, Redelivery, SubscriptionId};
use support::calls::{
    declare_queue, delete_queue, delete_queue_if, exclusive, limited, name, not_own, presettled,
    selecting, settings, settle, sharing, subscribe, with_rules,
};
use support::{Client, Draft, Node, message, queue, topic};

/// A test on a queue `q`: shared in one run, the reader's own in the other.
fn on_both(rules: &QueueRules, test: impl Fn(&mut Node, &mut Client, &mut Client)) {
    for definition in [with_rules(rules.clone()), exclusive(rules.clone())] {
        let mut node = Node::new(settings());
        let mut reader = node.connect();
        let mut publisher = node.connect();
        reader.declare_as(&mut node, "q", definition);
        test(&mut node, &mut reader, &mut publisher);
        reader.run(&mut node);
        reader.close(&node);
        publisher.ok(&mut node, delete_queue("q"));
        assert_eq!(node.broker.queued_bytes(), 0, "all memory is given back");
    }
}

fn draft(number: u32) -> Draft {
    message("q", number).queued().persistent()
}

fn publish(node: &mut Node, publisher: &mut Client, reader: &mut Client, drafts: Vec<Draft>) {
    for draft in drafts {
        publisher.publish_safely(node, draft).expect("it is taken");
        reader.run(node);
    }
}

fn pass(node: &mut Node, reader: &mut Client, ms: u64) {
    let end = node.now.plus_millis(ms);
    while let Some(next) = reader.deadline().filter(|next| *next <= end) {
        node.advance(next.since(node.now));
        reader.run(node);
        assert!(
            reader.deadline().is_none_or(|after| after > next),
            "it is done"
        );
    }
    node.advance(end.since(node.now));
    reader.run(node);
}

fn end(node: &mut Node, reader: &mut Client, id: u32, sequences: &[u64], outcome: Outcome) {
    reader.ok(node, Command::Settle(settle(id, sequences, outcome)));
}

#[test]
fn higher_priorities_go_first() {
    let rules = QueueRules {
        priority_max: 5,
        ..QueueRules::PLAIN
    };
    on_both(&rules, |node, reader, publisher| {
        let drafts =
            [(1, 0), (2, 5), (3, 9), (4, 1)].map(|(n, priority)| draft(n).priority(priority));
        publish(node, publisher, reader, drafts.into());
        reader.subscribed(node, subscribe(1, queue("q")));
        assert_eq!(reader.numbers(node), [2, 3, 4, 1]);
    });
}

#[test]
fn messages_expire_and_wait_as_they_ask() {
    let rules = QueueRules {
        message_ttl_ms: Some(100),
        ..QueueRules::PLAIN
    };
    on_both(&rules, |node, reader, publisher| {
        let drafts = vec![
            draft(1),
            draft(2).ttl(10),
            draft(3).delay(50),
            draft(4).delay(5).ttl(200),
        ];
        publish(node, publisher, reader, drafts);
        pass(node, reader, 20);
        reader.subscribed(node, limited(subscribe(1, queue("q")), 2));
        assert_eq!(reader.numbers(node), [1, 4]);
        end(node, reader, 1, &[1, 4], Outcome::Accept);
        reader.grant(node, 1, 10);
        assert!(reader.numbers(node).is_empty());
        pass(node, reader, 40);
        assert_eq!(reader.numbers(node), [3]);
        end(node, reader, 1, &[3], Outcome::Release);
        assert_eq!(reader.numbers(node), [3]);
        reader.ok(node, Command::Cancel(SubscriptionId(1)));
        pass(node, reader, 100);
        reader.subscribed(node, subscribe(2, queue("q")));
        assert!(reader.numbers(node).is_empty(), "its time was over");
    });
}

#[test]
fn a_full_queue_drops_its_head() {
    for rules in [
        QueueRules {
            length_max: Some(2),
            ..QueueRules::PLAIN
        },
        QueueRules {
            bytes_max: Some(8),
            ..QueueRules::PLAIN
        },
    ] {
        on_both(&rules, |node, reader, publisher| {
            publish(node, publisher, reader, (1..=4).map(draft).collect());
            reader.subscribed(node, subscribe(1, queue("q")));
            assert_eq!(reader.numbers(node), [3, 4]);
        });
    }
}

#[test]
fn a_group_stays_with_one_subscription() {
    on_both(&QueueRules::PLAIN, |node, reader, publisher| {
        reader.subscribed(node, limited(subscribe(1, queue("q")), 2));
        reader.subscribed(node, limited(subscribe(2, queue("q")), 10));
        let groups = ["a", "b", "a", "b", "a"];
        let drafts = (1..).zip(groups).map(|(n, group)| draft(n).grouped(group));
        publish(node, publisher, reader, drafts.collect());
        let delivered = reader.delivered(node);
        let to = |number: u32| {
            delivered
                .iter()
                .find(|(_, n)| *n == number)
                .map(|(id, _)| *id)
        };
        assert_eq!(to(1), to(3));
        assert_eq!(to(2), to(4));
        assert_ne!(to(1), to(2));
        let first = to(1).expect("it was delivered");
        if first == 1 {
            assert_eq!(to(5), None, "its owner has no credit");
            reader.ok(node, Command::Cancel(SubscriptionId(1)));
            assert_eq!(reader.delivered(node), [(2, 1), (2, 3), (2, 5)]);
        }
    });
}

#[test]
fn one_subscription_is_active_at_a_time() {
    let rules = QueueRules {
        single_active: true,
        ..QueueRules::PLAIN
    };
    on_both(&rules, |node, reader, publisher| {
        reader.subscribed(node, subscribe(1, queue("q")));
        reader.subscribed(node, subscribe(2, queue("q")));
        publish(node, publisher, reader, (1..=3).map(draft).collect());
        assert_eq!(reader.delivered(node), [(1, 1), (1, 2), (1, 3)]);
        end(node, reader, 1, &[2], Outcome::Accept);
        reader.ok(node, Command::Cancel(SubscriptionId(1)));
        assert_eq!(reader.delivered(node), [(2, 1), (2, 3)]);
    });
}

#[test]
fn an_exclusive_subscription_is_the_only_one() {
    on_both(&QueueRules::PLAIN, |node, reader, _| {
        let exclusive = |id| sharing(subscribe(id, queue("q")), Sharing::Exclusive);
        let try_it = |reader: &mut Client, node: &mut Node, subscribe| {
            reader.call(node, Command::Subscribe(Box::new(subscribe)))
        };
        let in_use = Err(Refusal::QueueInUse(name("q")));
        assert!(try_it(reader, node, exclusive(1)).is_ok());
        assert_eq!(try_it(reader, node, exclusive(2)), in_use);
        assert_eq!(try_it(reader, node, subscribe(3, queue("q"))), in_use);
        reader.ok(node, Command::Cancel(SubscriptionId(1)));
        assert!(try_it(reader, node, subscribe(4, queue("q"))).is_ok());
        assert_eq!(try_it(reader, node, exclusive(5)), in_use);
        reader.ok(node, Command::Cancel(SubscriptionId(4)));
        assert!(
            try_it(reader, node, exclusive(6)).is_ok(),
            "the refused ones are not there"
        );
    });
}

#[test]
fn a_higher_subscription_goes_first_while_it_takes() {
    on_both(&QueueRules::PLAIN, |node, reader, publisher| {
        let high = Sharing::Competing { priority: 5 };
        reader.subscribed(node, subscribe(1, queue("q")));
        reader.subscribed(node, sharing(limited(subscribe(2, queue("q")), 2), high));
        publish(node, publisher, reader, (1..=3).map(draft).collect());
        let mut delivered = reader.delivered(node);
        delivered.sort_unstable();
        assert_eq!(delivered, [(1, 3), (2, 1), (2, 2)]);
    });
}

#[test]
fn a_selector_chooses() {
    on_both(&QueueRules::PLAIN, |node, reader, publisher| {
        let drafts = (1..=4).map(|n| draft(n).header("n", &n.to_string()));
        publish(node, publisher, reader, drafts.collect());
        reader.subscribed(node, selecting(subscribe(1, queue("q")), "n > 2"));
        assert_eq!(reader.numbers(node), [3, 4]);
        reader.subscribed(node, subscribe(2, queue("q")));
        assert_eq!(reader.delivered(node), [(2, 1), (2, 2)]);
        let bad = selecting(subscribe(3, queue("q")), "n >");
        let refusal = reader.refused(node, Command::Subscribe(Box::new(bad)));
        assert!(matches!(refusal, Refusal::Invalid(_)));
    });
}

#[test]
fn a_subscription_to_a_topic_chooses_too() {
    let mut node = Node::new(settings());
    let mut reader = node.connect();
    let mut publisher = node.connect();
    let chosen = |id| selecting(subscribe(id, topic("t")), "color = 'red'");
    reader.subscribed(&mut node, presettled(chosen(1)));
    reader.subscribed(&mut node, chosen(2));
    for (number, color) in [(1, "red"), (2, "blue"), (3, "red")] {
        let draft = message("t", number).header("color", color);
        publisher
            .publish_safely(&mut node, draft)
            .expect("it is taken");
    }
    let mut delivered = reader.delivered(&mut node);
    delivered.sort_unstable();
    assert_eq!(delivered, [(1, 1), (1, 3), (2, 1), (2, 3)]);
}

#[test]
fn own_messages_are_skipped_on_request() {
    let mut node = Node::new(settings());
    let mut client = node.connect();
    let mut other = node.connect();
    client.subscribed(&mut node, not_own(presettled(subscribe(1, topic("t")))));
    client.subscribed(&mut node, not_own(subscribe(2, topic("t"))));
    client
        .publish_safely(&mut node, message("t", 1))
        .expect("it is taken");
    let id = client.commit(&node, vec![message("t", 2)], Vec::new());
    assert!(matches!(client.answer(&mut node, id), Some(Ok(_))));
    other
        .publish_safely(&mut node, message("t", 3))
        .expect("it is taken");
    let mut delivered = client.delivered(&mut node);
    delivered.sort_unstable();
    assert_eq!(delivered, [(1, 3), (2, 3)]);
}

#[test]
fn a_browser_sees_all_and_takes_nothing() {
    on_both(&QueueRules::PLAIN, |node, reader, publisher| {
        publish(node, publisher, reader, (1..=5).map(draft).collect());
        let browse =
            |id, limit| sharing(limited(subscribe(id, queue("q")), limit), Sharing::Browse);
        reader.subscribed(node, browse(1, 3));
        assert_eq!(reader.numbers(node), [1, 2, 3]);
        assert!(reader.others().is_empty(), "it has not seen all");
        reader.grant(node, 1, 10);
        assert_eq!(reader.numbers(node), [4, 5]);
        let events = reader.others();
        assert!(
            matches!(events[..], [Event::Drained(SubscriptionId(1))]),
            "{events:?}"
        );
        reader.ok(node, Command::Cancel(SubscriptionId(1)));
        reader.subscribed(node, selecting(browse(2, 10), "missing IS NULL"));
        assert_eq!(reader.numbers(node), [1, 2, 3, 4, 5]);
        reader.subscribed(node, subscribe(3, queue("q")));
        assert_eq!(reader.numbers(node), [1, 2, 3, 4, 5]);
    });
}

#[test]
fn a_browser_is_told_when_its_queue_ends() {
    on_both(&QueueRules::PLAIN, |node, reader, publisher| {
        publish(node, publisher, reader, (1..=2).map(draft).collect());
        let browse = sharing(limited(subscribe(1, queue("q")), 1), Sharing::Browse);
        reader.subscribed(node, browse);
        assert_eq!(reader.numbers(node), [1]);
        let unused = DeleteIf {
            unused: true,
            empty: false,
        };
        reader.ok(node, delete_queue_if("q", unused));
        reader.run(node);
        let events = reader.others();
        assert!(
            matches!(&events[..], [Event::Ended(id, Refusal::QueueDeleted(_))] if id.0 == 1),
            "{events:?}"
        );
    });
}

#[test]
fn browsers_of_queues_in_several_shards_all_end() {
    let mut node = Node::new(settings());
    let mut client = node.connect();
    for (id, name) in (1..).zip(["a", "b", "c"]) {
        client.declare_as(&mut node, name, QueueDefinition::DURABLE);
        let draft = message(name, id).queued().persistent();
        client
            .publish_safely(&mut node, draft)
            .expect("it is taken");
    }
    for (id, name) in (1..).zip(["a", "b", "c"]) {
        let mut browse = sharing(subscribe(id, queue(name)), Sharing::Browse);
        browse.grant.drain = true;
        client.send(&node, Command::Subscribe(Box::new(browse)));
    }
    let mut numbers = client.numbers(&mut node);
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2, 3]);
    let expires = |name| {
        delete_queue_if(
            name,
            DeleteIf {
                unused: true,
                empty: false,
            },
        )
    };
    for name in ["a", "b", "c"] {
        client.ok(&mut node, expires(name));
    }
    client.run(&mut node);
    let ended = client.others();
    assert!(
        !ended.iter().any(|event| matches!(event, Event::Ended(..))),
        "{ended:?}"
    );
}

#[test]
fn a_purge_takes_what_is_ready() {
    on_both(&QueueRules::PLAIN, |node, reader, publisher| {
        reader.subscribed(node, limited(subscribe(1, queue("q")), 1));
        publish(
            node,
            publisher,
            reader,
            vec![draft(1), draft(2), draft(3).delay(1000)],
        );
        assert_eq!(reader.numbers(node), [1]);
        let purged = reader.ok(node, Command::PurgeQueue(name("q")));
        assert_eq!(purged, Reply::Count(2));
        end(node, reader, 1, &[1], Outcome::Release);
        reader.grant(node, 1, 10);
        assert_eq!(reader.numbers(node), [1]);
    });
}

#[test]
fn a_newer_message_about_the_same_replaces_the_older() {
    let rules = QueueRules {
        last_value_header: Some((*b"about").into()),
        ..QueueRules::PLAIN
    };
    on_both(&rules, |node, reader, publisher| {
        let about = |number, what| draft(number).header("about", what);
        publish(
            node,
            publisher,
            reader,
            vec![about(1, "x"), about(2, "y"), about(3, "x"), draft(4)],
        );
        reader.subscribed(node, limited(subscribe(1, queue("q")), 2));
        assert_eq!(reader.numbers(node), [2, 3]);
        publish(node, publisher, reader, vec![about(5, "x")]);
        end(node, reader, 1, &[2, 3], Outcome::Release);
        reader.grant(node, 1, 10);
        assert_eq!(
            reader.numbers(node),
            [2, 4, 5],
            "what came back was out of date"
        );
    });
}

#[test]
fn redelivery_waits_longer_each_time() {
    let rules = QueueRules {
        redelivery: Some(Redelivery {
            delay_ms: 100,
            multiplier_percent: 200,
            delay_ms_max: 300,
            jitter_percent: 0,
        }),
        delivery_limit: Some(3),
        ..QueueRules::PLAIN
    };
    on_both(&rules, |node, reader, publisher| {
        publish(node, publisher, reader, vec![draft(1)]);
        reader.subscribed(node, subscribe(1, queue("q")));
        for delay in [100, 200, 300] {
            assert_eq!(reader.numbers(node), [1]);
            end(node, reader, 1, &[1], Outcome::Fail);
            pass(node, reader, delay - 1);
            assert!(reader.numbers(node).is_empty(), "{delay}");
            pass(node, reader, 1);
        }
        let deliveries = reader.deliveries(node);
        assert_eq!(deliveries[0].delivery_count, 3);
        assert!(deliveries[0].redelivered);
        end(node, reader, 1, &[1], Outcome::Fail);
        pass(node, reader, 1000);
        assert!(reader.numbers(node).is_empty());
    });
}

#[test]
fn a_failed_delivery_waits_and_counts_after_a_restart_too() {
    for by_snapshot in [false, true] {
        let mut node = Node::new(settings());
        let mut client = node.connect();
        let redelivery = Some(Redelivery {
            delay_ms: 1000,
            multiplier_percent: 100,
            delay_ms_max: 1000,
            jitter_percent: 0,
        });
        client.declare_as(
            &mut node,
            "q",
            with_rules(QueueRules {
                redelivery,
                delivery_limit: Some(1),
                ..QueueRules::PLAIN
            }),
        );
        client
            .publish_safely(&mut node, draft(1))
            .expect("it is taken");
        client.subscribed(&mut node, subscribe(1, queue("q")));
        assert_eq!(client.numbers(&mut node), [1]);
        end(&mut node, &mut client, 1, &[1], Outcome::Fail);
        if by_snapshot {
            node.snapshot();
        }
        node.advance_ms(500);
        let mut node = node.crashed(|_, _| 0);
        let mut client = node.connect();
        client.subscribed(&mut node, subscribe(1, queue("q")));
        node.advance_ms(499);
        assert!(client.numbers(&mut node).is_empty());
        node.advance_ms(1);
        assert_eq!(client.numbers(&mut node), [1]);
        end(&mut node, &mut client, 1, &[1], Outcome::Fail);
        node.advance_ms(2000);
        assert_eq!(
            client.counts(&mut node, "q"),
            (0, 0),
            "that was once too often"
        );
    }
}

#[test]
fn a_drained_grant_is_told_behind_what_is_ready() {
    on_both(&QueueRules::PLAIN, |node, reader, publisher| {
        reader.subscribed(node, limited(subscribe(1, queue("q")), 0));
        // More than is looked at in one go, and only the last is for it.
        reader.subscribed(
            node,
            selecting(limited(subscribe(2, queue("q")), 0), "n = 1"),
        );
        for number in 0..4_200 {
            publisher.publish(node, message("q", number).queued());
        }
        reader.run(node);
        let last = message("q", 7).queued().header("n", "1");
        publish(node, publisher, reader, vec![last]);
        let drain = |limit| Grant {
            count: 0,
            limit,
            drain: true,
        };
        reader.send(node, Command::Grant(SubscriptionId(2), drain(5)));
        assert_eq!(reader.delivered(node), [(2, 7)]);
        let events = reader.others();
        assert!(
            matches!(events[..], [Event::Drained(SubscriptionId(2))]),
            "{events:?}"
        );
        reader.send(node, Command::Grant(SubscriptionId(1), drain(2)));
        assert_eq!(reader.delivered(node), [(1, 0), (1, 1)]);
        let events = reader.others();
        assert!(
            matches!(events[..], [Event::Drained(SubscriptionId(1))]),
            "{events:?}"
        );
    });
}

#[test]
fn the_listing_tells_what_queues_hold() {
    let mut node = Node::new(settings());
    let mut client = node.connect();
    client.declare_as(&mut node, "q", QueueDefinition::DURABLE);
    client.subscribed(&mut node, limited(subscribe(1, queue("q")), 2));
    for number in 1..=3 {
        client
            .publish_safely(&mut node, draft(number))
            .expect("it is taken");
    }
    client.run(&mut node);
    let status = |client: &mut Client, node: &mut Node| {
        let listed = client.queues(node).remove(0).status;
        let (ready, unsettled) = (listed.ready_count, listed.unsettled_count);
        assert_eq!(listed.bytes, node.broker.queued_bytes() as u64);
        (ready, unsettled, listed.subscription_count)
    };
    assert_eq!(status(&mut client, &mut node), (1, 2, 1));
    end(&mut node, &mut client, 1, &[1], Outcome::Accept);
    assert_eq!(status(&mut client, &mut node), (1, 1, 1));
    client.ok(&mut node, Command::Cancel(SubscriptionId(1)));
    assert_eq!(status(&mut client, &mut node), (2, 0, 0));
    let mut node = node.crashed(|_, _| 0);
    let mut client = node.connect();
    assert_eq!(status(&mut client, &mut node), (2, 0, 0));
    client.ok(&mut node, Command::PurgeQueue(name("q")));
    assert_eq!(status(&mut client, &mut node), (0, 0, 0));
}

#[test]
fn a_refused_deletion_keeps_account_of_what_expired_with_it() {
    let mut node = Node::new(broker::Settings {
        outbox_bytes: 10 * support::cost(),
        ..settings()
    });
    let mut reader = node.connect();
    let mut publisher = node.connect();
    reader.declare_as(&mut node, "q", exclusive(QueueRules::PLAIN));
    reader.subscribed(&mut node, limited(subscribe(1, queue("q")), 0));
    for round in 0..20 {
        let drafts = (0..4)
            .map(|n| message("q", round * 10 + n).queued().ttl(5))
            .collect();
        publish(&mut node, &mut publisher, &mut reader, drafts);
        node.pass(std::time::Duration::from_millis(10));
        let unused = DeleteIf {
            unused: true,
            empty: false,
        };
        reader.refused(&mut node, delete_queue_if("q", unused));
    }
    assert_eq!(
        node.broker.counters().totals().dropped,
        0,
        "there was always room"
    );
}

#[test]
fn a_delayed_message_reaches_a_topic_subscriber_when_it_is_due() {
    let mut node = Node::new(settings());
    let mut reader = node.connect();
    let mut publisher = node.connect();
    reader.subscribed(&mut node, presettled(subscribe(1, topic("t"))));
    publisher.publish(&node, message("t", 1).delay(100));
    publisher.publish(&node, message("t", 2));
    assert_eq!(reader.numbers(&mut node), [2]);
    assert_eq!(reader.deadline(), Some(node.now.plus_millis(100)));
    pass(&mut node, &mut reader, 99);
    assert!(reader.numbers(&mut node).is_empty());
    pass(&mut node, &mut reader, 1);
    assert_eq!(reader.numbers(&mut node), [1]);
}

/// What a client asks of a queue right behind publishes that nobody confirmed yet finds them.
#[test]
fn what_was_published_before_counts() {
    for of in [with_rules, exclusive] {
        let mut node = Node::new(settings());
        let mut client = node.connect();
        client.declare_as(&mut node, "q", of(QueueRules::PLAIN));
        let publish = |client: &mut Client, node: &Node| {
            for number in 0..3 {
                client.publish(node, message("q", number).queued());
            }
        };
        let mut all_at_once = |command: Command| {
            publish(&mut client, &node);
            client.call(&mut node, command)
        };
        let if_empty = DeleteIf {
            unused: false,
            empty: true,
        };

        let declared = all_at_once(declare_queue("q", of(QueueRules::PLAIN)));
        assert!(
            matches!(&declared, Ok(Reply::Queue(status)) if status.ready_count == 3),
            "{declared:?}"
        );
        let purged = all_at_once(Command::PurgeQueue(name("q")));
        assert_eq!(purged, Ok(Reply::Count(6)));
        let refused = all_at_once(delete_queue_if("q", if_empty));
        assert_eq!(refused, Err(Refusal::QueueNotEmpty(name("q"))));
        let deleted = all_at_once(delete_queue("q"));
        assert_eq!(deleted, Ok(Reply::Count(6)));
    }
}

/// The same where the executor's mailbox is full when the last publishes come.
#[test]
fn what_waits_for_its_host_counts() {
    let mut node = Node::new(settings());
    let mut client = node.connect();
    let definition = || with_rules(QueueRules::PLAIN);
    client.declare_as(&mut node, "q", definition());
    for command in [
        declare_queue("q", definition()),
        Command::PurgeQueue(name("q")),
    ] {
        for number in 0..6 {
            client.publish(&node, message("q", number).queued().of_bytes(1 << 20));
        }
        let done = client.call(&mut node, command);
        match &done {
            Ok(Reply::Queue(status)) => assert_eq!(status.ready_count, 6),
            other => assert_eq!(other, &Ok(Reply::Count(12))),
        }
    }
}

/// But who asks is not to wait until somebody consumes what fills memory: that may be up to itself.
#[test]
fn what_is_asked_while_memory_is_full_does_not_wait() {
    for asks_first in [false, true] {
        let mut node = Node::new(broker::Settings {
            queued_bytes: 1 << 20,
            parked_bytes: 16 << 20,
            ..settings()
        });
        let mut client = node.connect();
        // One that stays in memory.
        let rules = || QueueRules {
            last_value_header: Some((*b"of").into()),
            ..QueueRules::PLAIN
        };
        client.declare_as(&mut node, "q", with_rules(rules()));
        client.subscribed(&mut node, limited(subscribe(1, queue("q")), 1));
        let publish = |client: &mut Client, node: &Node, count| {
            for number in 0..count {
                client.publish(node, message("q", number).queued().of_bytes(1 << 20));
            }
        };
        publish(&mut client, &node, 2);
        if !asks_first {
            node.settle_down();
        }
        publish(&mut client, &node, 8);
        client.send(&node, declare_queue("q", with_rules(rules())));
        let mut told = Vec::new();
        for _ in 0..10 {
            node.settle_down();
            client.is_admitted(&node);
            told.extend(client.take(&mut node));
        }
        let is_answer = |event: &Event| matches!(event, Event::Done(_, Ok(Reply::Queue(_))));
        assert!(told.iter().any(is_answer), "{told:?}");
        client.inbox.extend(told);
        // It consumes them, and all come.
        let mut count = 0;
        while count < 10 {
            let taken = client.numbers(&mut node);
            assert!(!taken.is_empty(), "{count}");
            for _ in taken {
                count += 1;
                end(&mut node, &mut client, 1, &[count], Outcome::Accept);
                client.grant(&mut node, 1, 1 + count);
            }
        }
    }
}
