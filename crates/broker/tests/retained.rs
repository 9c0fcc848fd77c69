//! The last message of each key, kept for who subscribes later.

mod support;

use broker::Settings;
use broker_api::{
    Attachment, Command, Confirm, Connect, Event, OwnMessages, Peer, Publishing, QueueRetained,
    Refusal, Reply, SettleMode, ShowRetained, Submission, Subscribe,
};
use model::{
    CommandId, ConnectionId, ConversationId, Outcome, Pattern, QueueDefinition, Retain, ShardId,
    SubscriptionId,
};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Barrier;
use std::task::{Context, Waker};
use support::calls::{
    bind, limited, name, not_own, presettled, selecting, settings, settle, subscribe, with_retained,
};
use support::crashes::crash_at_every_step;
use support::{Client, Draft, Node, message, topic};

/// A message to be retained.
fn kept(key: &str, number: u32) -> Draft {
    message(key, number).persistent().retained()
}

/// What takes it away.
fn cleared(key: &str) -> Draft {
    kept(key, 0).of_bytes(0)
}

fn number_of(message: &model::Message) -> u32 {
    let number = message.body().get(..4).and_then(|it| it.try_into().ok());
    number.map_or(0, u32::from_le_bytes)
}

/// Number (0 for no body) and flag of each delivery.
fn seen(client: &mut Client, node: &mut Node) -> Vec<(u32, Retain)> {
    let deliveries = client.deliveries(node);
    let seen = deliveries.iter();
    seen.map(|it| (number_of(&it.message), it.message.envelope().retain))
        .collect()
}

/// The numbers that a new subscription is shown, all as retained.
fn shown(node: &mut Node, pattern: &str) -> Vec<u32> {
    let mut reader = node.connect();
    reader.subscribed(
        node,
        with_retained(presettled(subscribe(1, topic(pattern)))),
    );
    let seen = seen(&mut reader, node);
    assert!(seen.iter().all(|it| it.1 == Retain::Shown), "{seen:?}");
    reader.close(node);
    node.settle_down();
    seen.into_iter().map(|it| it.0).collect()
}

fn both_ways(pattern: &str) -> [Subscribe; 2] {
    let direct = presettled(subscribe(1, topic(pattern)));
    let private = subscribe(1, topic(pattern));
    [with_retained(direct), with_retained(private)]
}

#[test]
fn a_later_subscription_is_shown_the_last_of_each_key() {
    let mut node = Node::new(settings());
    let mut publisher = node.connect();
    for (number, key) in (1..).zip(["a.x", "a.y", "b.x", "a.x", "a"]) {
        publisher.publish(&node, kept(key, number));
    }
    publisher.publish(&node, message("a.z", 9));
    node.settle_down();
    for asked in both_ways("a.#") {
        let mut reader = node.connect();
        reader.subscribed(&mut node, asked);
        let shown = [5, 4, 2].map(|number| (number, Retain::Shown));
        assert_eq!(seen(&mut reader, &mut node), shown);
        // What comes from now on is live, also if it is to be retained.
        publisher.publish(&node, message("a.x", 6));
        publisher.publish(&node, kept("a.y", 2));
        let live = [(6, Retain::No), (2, Retain::Keep)];
        assert_eq!(seen(&mut reader, &mut node), live);
    }
    let mut reader = node.connect();
    reader.subscribed(&mut node, presettled(subscribe(1, topic("#"))));
    assert!(seen(&mut reader, &mut node).is_empty(), "it did not ask");
    assert_eq!(shown(&mut node, "*.x"), [4, 3]);
    assert_eq!(shown(&mut node, "#.x"), [4, 3]);
}

#[test]
fn other_exchanges_retain_nothing() {
    let mut node = Node::new(settings());
    let mut publisher = node.connect();
    publisher.publish(&node, kept("a", 1).to("amq.fanout"));
    publisher
        .publish_safely(&mut node, kept("a", 1).to("amq.direct"))
        .expect("it is taken");
    assert!(shown(&mut node, "#").is_empty());
}

#[test]
fn one_without_a_body_takes_it_away_and_goes_out_live() {
    let mut node = Node::new(settings());
    let mut publisher = node.connect();
    let mut reader = node.connect();
    reader.subscribed(&mut node, presettled(subscribe(1, topic("a"))));
    publisher.publish(&node, kept("a", 1));
    publisher.publish(&node, cleared("a"));
    let live = [(1, Retain::Keep), (0, Retain::Keep)];
    assert_eq!(seen(&mut reader, &mut node), live);
    assert!(shown(&mut node, "a").is_empty());
    let mut node = node.restarted();
    assert!(shown(&mut node, "a").is_empty());
}

#[test]
fn a_subscription_can_be_shown_it_again() {
    let mut node = Node::new(settings());
    let mut publisher = node.connect();
    publisher.publish(&node, kept("a", 1));
    for asked in both_ways("a") {
        let mut reader = node.connect();
        reader.subscribed(&mut node, asked);
        let once = [(1, Retain::Shown)];
        assert_eq!(seen(&mut reader, &mut node), once);
        let show = || {
            Command::ShowRetained(ShowRetained {
                subscription: SubscriptionId(1),
                pattern: Pattern::dotted(b"a"),
                own_messages: OwnMessages::Deliver,
            })
        };
        reader.ok(&mut node, show());
        assert_eq!(seen(&mut reader, &mut node), once);
        reader.ok(&mut node, Command::Cancel(SubscriptionId(1)));
        let refusal = reader.refused(&mut node, show());
        assert_eq!(refusal, Refusal::SubscriptionNotFound(SubscriptionId(1)));
    }
}

#[test]
fn selectors_and_own_messages_count() {
    let mut node = Node::new(settings());
    let mut publisher = node.connect();
    for number in 1..=4 {
        let draft = kept(&format!("a.{number}"), number);
        publisher.publish(&node, draft.header("n", &number.to_string()));
    }
    let mut other = node.connect();
    other.publish(&node, kept("a.5", 5).header("n", "5"));
    node.settle_down();
    let asked = with_retained(presettled(subscribe(1, topic("a.*"))));
    publisher.subscribed(&mut node, selecting(asked, "n > 2"));
    let asked = with_retained(presettled(subscribe(2, topic("a.*"))));
    publisher.subscribed(&mut node, not_own(asked));
    let mut delivered = publisher.delivered(&mut node);
    delivered.sort_unstable();
    assert_eq!(delivered, [(1, 3), (1, 4), (1, 5), (2, 5)]);
}

/// More messages than one look finds.
fn many(node: &Node, publisher: &mut Client) {
    for number in 0..3000 {
        let draft = kept(&format!("k.{number:04}"), number);
        publisher.publish(node, draft.of_bytes(200));
    }
}

#[test]
fn much_is_shown_in_pieces_with_what_is_live_behind_it() {
    let mut node = Node::new(settings());
    let mut publisher = node.connect();
    many(&node, &mut publisher);
    node.settle_down();
    for asked in both_ways("k.#") {
        let mut reader = node.connect();
        reader.submit(&node, Command::Subscribe(Box::new(asked)));
        publisher.publish(&node, kept("k.0000", 7000));
        publisher.publish(&node, message("k.0001", 7001));
        let numbers = reader.numbers(&mut node);
        let mut expected = vec![7000];
        expected.extend(1..3000);
        expected.extend([7000, 7001]);
        assert_eq!(numbers, expected);
        publisher.publish(&node, kept("k.0000", 0));
        node.settle_down();
    }
}

#[test]
fn nothing_is_dropped_for_want_of_grant_or_room() {
    let mut node = Node::new(Settings {
        outbox_bytes: 64 << 10,
        ..settings()
    });
    let mut publisher = node.connect();
    many(&node, &mut publisher);
    node.settle_down();
    let mut reader = node.connect();
    let asked = with_retained(subscribe(1, topic("k.#")));
    reader.subscribed(&mut node, limited(asked, 10));
    let (mut numbers, mut delivered) = (Vec::new(), 0);
    loop {
        let deliveries = reader.deliveries(&mut node);
        if deliveries.is_empty() {
            break;
        }
        delivered += deliveries.len() as u64;
        numbers.extend(deliveries.iter().map(|it| number_of(&it.message)));
        let sequences: Vec<_> = deliveries.iter().map(|it| it.sequence.0).collect();
        reader.grant(&mut node, 1, delivered + 10);
        reader.settle(&mut node, 1, &sequences);
    }
    assert_eq!(numbers, (0..3000).collect::<Vec<_>>());
    assert_eq!(node.broker.counters().totals().dropped, 0);
}

#[test]
fn a_subscription_that_ends_meanwhile_leaves_nothing_behind() {
    let mut node = Node::new(settings());
    let mut publisher = node.connect();
    many(&node, &mut publisher);
    node.settle_down();
    for asked in both_ways("k.#") {
        let mut reader = node.connect();
        reader.submit(&node, Command::Subscribe(Box::new(asked)));
        publisher.publish(&node, kept("k.0000", 0));
        reader.ok(&mut node, Command::Cancel(SubscriptionId(1)));
        reader.run(&mut node);
        reader.inbox.clear();
        publisher.publish(&node, kept("k.0000", 0));
        assert!(seen(&mut reader, &mut node).is_empty());
    }
}

#[test]
fn it_survives_a_restart_whoever_published_it() {
    for by_snapshot in [false, true] {
        let mut node = Node::new(settings());
        let mut publisher = node.connect();
        for number in 0..40 {
            let key = format!("a.{number:02}");
            publisher.publish(&node, kept(&key, 100 + number));
            publisher.publish(&node, message(&key, number).retained());
        }
        publisher.publish(&node, cleared("a.07"));
        node.settle_down();
        if by_snapshot {
            node.snapshot();
            publisher.publish(&node, cleared("a.08"));
            publisher.publish(&node, kept("a.09", 109));
            node.settle_down();
        }
        let mut expected: Vec<_> = (0..40).filter(|number| *number != 7).collect();
        if by_snapshot {
            expected.retain(|number| *number != 8);
            expected[7] = 109;
        }
        assert_eq!(shown(&mut node, "a.#"), expected);
        let mut node = node.crashed(|_, _| 0);
        assert_eq!(shown(&mut node, "a.#"), expected, "{by_snapshot}");
        // What comes after the restart is later than what came before it.
        let mut publisher = node.connect();
        publisher.publish(&node, kept("a.00", 77));
        node.settle_down();
        expected[0] = 77;
        let mut node = node.crashed(|_, _| 0);
        node.snapshot();
        let mut node = node.crashed(|_, _| 0);
        assert_eq!(shown(&mut node, "a.#"), expected, "{by_snapshot}");
    }
}

fn told(heard: &[Event]) -> bool {
    heard
        .iter()
        .any(|event| matches!(event, Event::Confirmed(_)))
}

#[test]
fn a_crash_anywhere_keeps_what_was_confirmed() {
    // Keys that lead to different shards, with a queue and without.
    for (key, is_bound) in [("a", false), ("b", true), ("c", true), ("d", true)] {
        let start = || {
            let mut node = Node::new(settings());
            let mut client = node.connect();
            client.declare_as(&mut node, "q", QueueDefinition::DURABLE);
            if is_bound {
                client.bind(&mut node, bind("amq.topic", "q", "#"));
            }
            client.publish(&node, kept(key, 1));
            client.close(&node);
            node.settle_down();
            node
        };
        let act = |node: &mut Node| {
            let mut client = node.connect();
            client.publish_returnable(node, kept(key, 2));
            client
        };
        let check = |node: &mut Node, what: &str, heard: &[Event]| {
            let found = shown(node, key);
            let last = if told(heard) { &[2][..] } else { &[1, 2] };
            assert!(
                matches!(found[..], [number] if last.contains(&number)),
                "{what}: {found:?}"
            );
            let is_queued = node.contents("q").contains(&2);
            assert!(is_queued || !is_bound || !told(heard), "{what}");
            assert!(!heard.iter().any(|it| matches!(it, Event::Returned(..))));
        };
        crash_at_every_step(start, act, check);
    }
}

#[test]
fn a_confirm_waits_for_the_log_of_the_key_and_that_of_the_queue() {
    // These keys lead to all shards, the queue's among them.
    for key in ["a", "b", "c", "d"] {
        for is_bound in [false, true] {
            for order in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 0, 3, 2]] {
                let mut node = Node::new(settings());
                let mut client = node.connect();
                client.declare_as(&mut node, "q", QueueDefinition::DURABLE);
                if is_bound {
                    client.bind(&mut node, bind("amq.topic", "q", "#"));
                }
                client.publish_returnable(&node, kept(key, 1));
                node.step_executors();
                let mut rounds = order.map(|shard| {
                    let has_synced = node.store.round_of(ShardId(shard)) > 0;
                    node.step_executors();
                    (has_synced, client.confirmed(&mut node))
                });
                rounds.reverse();
                let last = rounds.iter().position(|(has_synced, _)| *has_synced);
                let confirmed = rounds.iter().position(|(_, count)| *count > 0);
                assert!(last.is_some());
                assert_eq!(confirmed, last, "{key}, {is_bound}, {order:?}");
                let count: usize = rounds.iter().map(|(_, count)| count).sum();
                assert_eq!(count, 1);
            }
        }
    }
}

#[test]
fn a_crash_anywhere_keeps_away_what_was_taken_away() {
    let start = || {
        let mut node = Node::new(settings());
        let mut client = node.connect();
        client.publish(&node, kept("a", 1));
        client.close(&node);
        node.settle_down();
        node
    };
    let act = |node: &mut Node| {
        let mut client = node.connect();
        client.publish(node, kept("a", 2));
        client.publish_returnable(node, cleared("a"));
        for shard in 0..4 {
            node.store.want_snapshot(ShardId(shard));
        }
        client
    };
    let check = |node: &mut Node, what: &str, heard: &[Event]| {
        let found = shown(node, "a");
        assert!(found.is_empty() || !told(heard), "{what}: {found:?}");
    };
    crash_at_every_step(start, act, check);
}

#[test]
fn records_that_come_in_another_order_do_not_bring_back_what_is_older() {
    for (last, by_snapshot) in [(2, false), (2, true), (0, false), (0, true)] {
        let mut node = Node::new(Settings {
            parked_bytes: 1 << 20,
            ..settings()
        });
        // Fills the mailboxes, so that the next publish waits at its connection.
        let mut fillers = Vec::new();
        for number in 0..4 {
            let mut filler = node.connect();
            filler.declare(&mut node, &format!("q{number}"));
            fillers.push(filler);
        }
        let mut parking = node.connect();
        for (number, filler) in fillers.iter_mut().enumerate() {
            for _ in 0..6 {
                let draft = message(&format!("q{number}"), 0).queued();
                filler.publish(&node, draft.of_bytes(1 << 20));
            }
        }
        parking.publish(&node, kept("a", 1));
        node.step_executors();
        let mut other = node.connect();
        other.publish(
            &node,
            if last == 0 {
                cleared("a")
            } else {
                kept("a", last)
            },
        );
        for _ in 0..8 {
            node.settle_down();
            for filler in &mut fillers {
                filler.is_admitted(&node);
            }
        }
        if by_snapshot {
            node.snapshot();
        }
        // Only now does the older one go to its log.
        parking.is_admitted(&node);
        node.settle_down();
        if by_snapshot {
            // Each log has gone on, so that there is a new one of each.
            for key in ["b", "c", "d", "e"] {
                other.publish(&node, kept(key, 9));
            }
            node.snapshot();
        }
        let expected: &[u32] = if last == 0 { &[] } else { &[last] };
        assert_eq!(shown(&mut node, "a"), expected);
        let mut node = node.crashed(|_, _| 0);
        assert_eq!(shown(&mut node, "a"), expected, "{last}, {by_snapshot}");
    }
}

#[test]
fn there_is_a_limit_and_it_is_told() {
    let bytes = 300 + 4096;
    for (count, bytes) in [(2, 1 << 20), (100, 2 * bytes)] {
        let mut node = Node::new(Settings {
            retained_count: count,
            retained_bytes: bytes,
            ..settings()
        });
        let mut publisher = node.connect();
        let mut reader = node.connect();
        reader.subscribed(&mut node, presettled(subscribe(1, topic("#"))));
        let big = |key: &str, number| kept(key, number).of_bytes(3600);
        for (number, key) in (1..).zip(["a", "b"]) {
            let published = publisher.publish_safely(&mut node, big(key, number));
            assert_eq!(published, Ok(()));
        }
        reader.numbers(&mut node);
        let refused = publisher.publish_safely(&mut node, big("c", 3));
        assert!(
            matches!(refused, Err(Refusal::LimitReached { .. })),
            "{refused:?}"
        );
        assert!(
            reader.numbers(&mut node).is_empty(),
            "it is refused as a whole"
        );
        // Who does not ask is not told; the live copy goes out.
        publisher.publish(&node, big("c", 4));
        assert_eq!(reader.numbers(&mut node), [4]);
        assert_eq!(node.broker.counters().totals().not_retained, 1);
        let id = publisher.commit(&node, vec![big("c", 5)], Vec::new());
        let refused = publisher.answer(&mut node, id).expect("it is decided");
        assert!(matches!(refused, Err(Refusal::LimitReached { .. })));
        assert_eq!(shown(&mut node, "#"), [1, 2]);
        // What replaces another takes no more room; what is taken away leaves its own.
        let published = publisher.publish_safely(&mut node, big("b", 6));
        assert_eq!(published, Ok(()));
        publisher.publish(&node, cleared("a"));
        node.settle_down();
        let published = publisher.publish_safely(&mut node, big("c", 7));
        assert_eq!(published, Ok(()));
        assert_eq!(shown(&mut node, "#"), [6, 7]);
    }
}

#[test]
fn what_has_expired_is_gone() {
    for by_restart in [false, true] {
        let mut node = Node::new(Settings {
            retained_count: 2,
            ..settings()
        });
        let mut publisher = node.connect();
        publisher.publish(&node, kept("a", 1));
        publisher.publish(&node, kept("a", 2).ttl(1000));
        publisher.publish(&node, kept("b", 3).ttl(5000));
        node.settle_down();
        node.advance_ms(900);
        let mut reader = node.connect();
        for (id, asked) in (1..).zip(both_ways("a")) {
            let subscription = SubscriptionId(id);
            let asked = Subscribe {
                subscription,
                ..asked
            };
            reader.subscribed(&mut node, asked);
        }
        let deliveries = reader.deliveries(&mut node);
        assert_eq!(deliveries.len(), 2);
        for delivery in deliveries {
            assert_eq!(delivery.message.envelope().ttl_ms, Some(100));
        }
        if by_restart {
            let now = node.now.plus_millis(200);
            node = Node::open_at(node.settings.clone(), node.store.clone(), now);
        } else {
            node.now = node.now.plus_millis(100);
            let mut reader = node.connect();
            let asked = with_retained(presettled(subscribe(1, topic("#"))));
            reader.submit(&node, Command::Subscribe(Box::new(asked)));
            // Before its shard has noticed.
            assert_eq!(reader.take_numbers(&mut node), [3]);
            reader.close(&node);
            node.advance_ms(100);
        }
        assert_eq!(shown(&mut node, "#"), [3]);
        // It takes no room any more.
        let mut publisher = node.connect();
        let published = publisher.publish_safely(&mut node, kept("c", 4));
        assert_eq!(published, Ok(()));
        node.advance_ms(5000);
        assert_eq!(shown(&mut node, "#"), [4]);
        let mut node = node.crashed(|_, _| 0);
        assert_eq!(shown(&mut node, "#"), [4], "{by_restart}");
    }
}

#[test]
fn a_transaction_retains_once_it_is_carried_out() {
    let mut node = Node::new(settings());
    let mut publisher = node.connect();
    publisher.declare_as(&mut node, "q", QueueDefinition::DURABLE);
    publisher.bind(&mut node, bind("amq.topic", "q", "#"));
    let mut reader = node.connect();
    reader.subscribed(&mut node, presettled(subscribe(1, topic("#"))));
    let publishes = || vec![kept("a", 1), kept("a", 2), kept("b", 3), message("b", 4)];
    let id = publisher.commit(&node, publishes(), Vec::new());
    let mut early = node.connect();
    let asked = with_retained(presettled(subscribe(1, topic("#"))));
    early.submit(&node, Command::Subscribe(Box::new(asked)));
    assert!(early.take_numbers(&mut node).is_empty(), "not before that");
    let done = publisher.answer(&mut node, id).expect("it is decided");
    assert_eq!(done, Ok(Reply::Nothing));
    assert_eq!(reader.numbers(&mut node), [1, 2, 3, 4]);
    // Who came meanwhile misses nothing that is retained.
    assert_eq!(early.numbers(&mut node)[..3], [1, 2, 3]);
    let mut node = node.crashed(|_, _| 0);
    assert_eq!(shown(&mut node, "#"), [2, 3]);
    // Nothing of one that is refused.
    let mut publisher = node.connect();
    let bad = settle(1, &[1], Outcome::Accept);
    let id = publisher.commit(&node, vec![kept("a", 9)], vec![bad]);
    assert!(publisher.answer(&mut node, id).expect("decided").is_err());
    assert_eq!(shown(&mut node, "#"), [2, 3]);
}

#[test]
fn a_crash_anywhere_in_a_transaction_retains_all_of_it_or_nothing() {
    // Keys in the shard of the queue, and in others.
    for keys in [vec!["a"], vec!["a", "b"], vec!["a", "b", "c", "d"]] {
        let start = || {
            let mut node = Node::new(settings());
            let mut client = node.connect();
            client.declare_as(&mut node, "q", QueueDefinition::DURABLE);
            client.close(&node);
            node.settle_down();
            node
        };
        let act = |node: &mut Node| {
            let mut client = node.connect();
            let mut publishes: Vec<_> = keys.iter().map(|key| kept(key, 7)).collect();
            publishes.push(message("q", 8).queued().persistent());
            client.commit(node, publishes, Vec::new());
            client
        };
        let check = |node: &mut Node, what: &str, heard: &[Event]| {
            let found = shown(node, "#");
            let is_queued = !node.contents("q").is_empty();
            let was_told = heard
                .iter()
                .any(|event| matches!(event, Event::Done(_, Ok(_))));
            let all = found.len() == keys.len() && is_queued;
            let nothing = found.is_empty() && !is_queued && !was_told;
            assert!(all || nothing, "{what}: {found:?}, {is_queued}, {was_told}");
        };
        crash_at_every_step(start, act, check);
    }
}

#[test]
fn it_can_be_put_into_a_queue() {
    let mut node = Node::new(settings());
    let mut client = node.connect();
    many(&node, &mut client);
    client.declare_as(&mut node, "q", QueueDefinition::DURABLE);
    client.bind(&mut node, bind("amq.topic", "q", "k.*"));
    let ask = |queue: &str| {
        Command::QueueRetained(Box::new(QueueRetained {
            queue: name(queue),
            pattern: Pattern::dotted(b"k.*"),
        }))
    };
    let id = client.send(&node, ask("q"));
    // What is set now is live, and nothing older of its key stands behind it.
    client.publish(&node, kept("k.0000", 7000));
    assert_eq!(client.answer(&mut node, id), Some(Ok(Reply::Nothing)));
    let mut node = node.crashed(|_, _| 0);
    let mut contents = node.contents("q");
    let older = contents.iter().rposition(|number| *number == 0);
    let live = contents.iter().rposition(|number| *number == 7000);
    assert!(older < live, "{older:?} {live:?}");
    contents.retain(|number| (1..3000).contains(number));
    assert_eq!(contents, Vec::from_iter(1..3000));
    let mut client = node.connect();
    let refused = client.refused(&mut node, ask("none"));
    assert_eq!(refused, Refusal::QueueNotFound(name("none")));
}

#[test]
fn it_is_put_into_a_queue_a_piece_at_a_time() {
    let mut node = Node::new(settings());
    let mut client = node.connect();
    many(&node, &mut client);
    client.declare_as(&mut node, "q", QueueDefinition::DURABLE);
    client.declare_as(&mut node, "other", QueueDefinition::DURABLE);
    client.bind(&mut node, bind("amq.topic", "q", "k.*"));
    let ask = Command::QueueRetained(Box::new(QueueRetained {
        queue: name("q"),
        pattern: Pattern::dotted(b"#"),
    }));
    let asked = client.send(&node, ask);
    // Others have their turn between the pieces, also with the same keys.
    let mut other = node.connect();
    let mut turns = 0;
    let is_done = |events: &[Event]| {
        let mut events = events.iter();
        events.any(|event| matches!(event, Event::Done(id, Ok(_)) if *id == asked))
    };
    while !is_done(&client.drain(&mut node)) {
        turns += 1;
        assert!(turns < 100, "it ends");
        other.publish(&node, kept("k.2900", 8000 + turns));
        other.publish(&node, kept("k.0100", 9000 + turns));
        for index in 0..node.executors.len() {
            node.step_executor(index);
        }
        node.store.round();
    }
    assert!(turns >= 3, "{turns}");
    let contents = node.contents("q");
    let last = |range: std::ops::Range<u32>| {
        let mut contents = contents.iter().copied();
        contents.rfind(|number| range.contains(number))
    };
    assert_eq!(last(8000..9000), Some(8000 + turns));
    assert_eq!(last(9000..10000), Some(9000 + turns));
    let is_there = |number: &u32| contents.contains(number);
    assert!((0..2900).all(|number| number == 100 || is_there(&number)));
}

#[test]
fn who_comes_back_and_asks_again_is_not_served_for_all_times_before() {
    let mut node = Node::new(settings());
    let mut client = node.connect();
    many(&node, &mut client);
    client.declare_as(&mut node, "q", QueueDefinition::DURABLE);
    client.declare_as(&mut node, "other", QueueDefinition::DURABLE);
    node.settle_down();
    let ask = |queue: &str| {
        Command::QueueRetained(Box::new(QueueRetained {
            queue: name(queue),
            pattern: Pattern::dotted(b"k.*"),
        }))
    };
    // Nobody comes back for this one: it is done to its end.
    let mut gone = node.connect();
    gone.send(&node, ask("other"));
    gone.close(&node);
    for _ in 0..20 {
        let mut client = node.connect();
        client.send(&node, ask("q"));
        for index in 0..node.executors.len() {
            node.step_executor(index);
        }
        client.close(&node);
    }
    // Those who are there are all served.
    let asked = client.send(&node, ask("q"));
    let mut other = node.connect();
    let asked_too = other.send(&node, ask("q"));
    assert_eq!(client.answer(&mut node, asked), Some(Ok(Reply::Nothing)));
    assert_eq!(other.answer(&mut node, asked_too), Some(Ok(Reply::Nothing)));
    node.settle_down();
    let times = |node: &mut Node, queue: &str| {
        let contents = node.contents(queue);
        contents.iter().filter(|number| **number == 2999).count()
    };
    assert_eq!((times(&mut node, "q"), times(&mut node, "other")), (2, 1));
}

#[test]
fn a_settle_mode_does_not_matter_to_a_queue_of_ones_own() {
    let mut node = Node::new(settings());
    let mut publisher = node.connect();
    publisher.publish(&node, kept("a", 1));
    let mut reader = node.connect();
    let asked = with_retained(limited(subscribe(1, topic("a")), 1));
    let asked = Subscribe {
        settle_mode: SettleMode::Presettled,
        ..asked
    };
    reader.subscribed(&mut node, asked);
    assert_eq!(seen(&mut reader, &mut node), [(1, Retain::Shown)]);
}

/// What a connection is handed until nothing comes any more; the last number.
fn last_seen(connection: &mut broker::Connection, last: &mut Option<u32>) {
    let mut cx = Context::from_waker(Waker::noop());
    let mut handle = |event| {
        if let Event::Delivery(delivery) = event {
            *last = Some(number_of(&delivery.message));
        }
    };
    let now = model::Instant::default();
    while connection
        .poll_events(now, &mut cx, 1 << 20, &mut handle)
        .is_ready()
    {}
    connection.handle_sent(now);
}

fn attached(broker: &broker::Broker, number: u64, commands: Vec<Command>) -> broker::Connection {
    let peer = Peer {
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
    };
    let mut connection = broker.attach(ConnectionId(number), peer);
    let connect = Command::Connect(Box::new(Connect {
        login: None,
        vhost: Vec::new(),
        identity: None,
    }));
    let commands = std::iter::once(connect).chain(commands);
    let submission = |(id, command)| Submission {
        id: CommandId(id),
        conversation: ConversationId(0),
        command,
    };
    let mut submissions = (1..).zip(commands).map(submission).collect();
    connection.submit(model::Instant::default(), &mut submissions);
    connection
}

#[test]
fn nobody_ends_with_an_older_value_whoever_runs_when() {
    const ROUNDS: u32 = 300;
    let node = Node::new(settings());
    for round in 0..ROUNDS {
        let start = Barrier::new(3);
        let (node, start) = (&node.broker, &start);
        let key = format!("r.{round}");
        let (mut reader, mut last) = std::thread::scope(|scope| {
            for number in [1, 2] {
                let key = &key;
                scope.spawn(move || {
                    let publish = Command::Publish(
                        kept(key, number).build(),
                        Publishing::new(Confirm::Unwanted),
                    );
                    // What it publishes before in the same batch takes its time.
                    let before = (0..50).map(|_| {
                        let draft = message("nowhere", 0).build();
                        Command::Publish(draft, Publishing::new(Confirm::Unwanted))
                    });
                    let batch = before.chain([publish]).collect();
                    start.wait();
                    let id = 10 * u64::from(round) + u64::from(number);
                    attached(node, id, batch);
                });
            }
            let reader = scope.spawn(|| {
                let asked = with_retained(presettled(subscribe(1, topic(&key))));
                start.wait();
                let command = Command::Subscribe(Box::new(asked));
                let mut reader = attached(node, 10 * u64::from(round) + 3, vec![command]);
                let mut last = None;
                last_seen(&mut reader, &mut last);
                (reader, last)
            });
            reader.join().expect("it does not panic")
        });
        let mut shown = None;
        last_seen(&mut reader, &mut last);
        let asked = with_retained(presettled(subscribe(1, topic(&key))));
        let command = Command::Subscribe(Box::new(asked));
        let mut fresh = attached(node, 10 * u64::from(round) + 4, vec![command]);
        last_seen(&mut fresh, &mut shown);
        assert!(shown.is_some());
        assert_eq!(last, shown, "round {round}");
    }
}

#[test]
fn a_transaction_keeps_to_the_limit() {
    let mut node = Node::new(Settings {
        retained_count: 2,
        retained_bytes: 8 << 10,
        ..settings()
    });
    let mut client = node.connect();
    let mut commit = |publishes: Vec<Draft>| {
        let id = client.commit(&node, publishes, Vec::new());
        client.answer(&mut node, id).expect("it is decided")
    };
    let three = ["a", "b", "c"].map(|key| kept(key, 1));
    let long = ["a", "b"].map(|key| kept(key, 1).of_bytes(4 << 10));
    for over in [Vec::from(three), Vec::from(long)] {
        let refusal = commit(over).expect_err("it is too much");
        let is_limit = matches!(refusal, Refusal::LimitReached { .. });
        assert!(is_limit, "{refusal:?}");
    }
    let publishes = ["a", "b", "a"].map(|key| kept(key, 2)).into();
    assert_eq!(commit(publishes), Ok(Reply::Nothing));
    assert_eq!(shown(&mut node, "#"), [2, 2]);
}

#[test]
fn a_queue_bound_while_a_transaction_is_under_way_misses_nothing() {
    for reversed in [false, true] {
        let mut node = Node::new(settings());
        let mut client = node.connect();
        client.declare_as(&mut node, "q", QueueDefinition::DURABLE);
        let keys = ["a", "b", "c", "d", "e"];
        for key in keys {
            client.publish(&node, kept(key, 1));
        }
        node.settle_down();
        let mut committing = node.connect();
        let id = client.send(&node, Command::Bind(Box::new(bind("amq.topic", "q", "#"))));
        let publishes = keys.iter().map(|key| kept(key, 2)).collect();
        committing.commit(&node, publishes, Vec::new());
        let is_bound = |events: &[Event]| {
            let mut events = events.iter();
            events.any(|event| matches!(event, Event::Done(done, Ok(_)) if *done == id))
        };
        while !is_bound(&client.drain(&mut node)) {
            let mut any = node.store.round() > 0;
            for index in 0..node.executors.len() {
                let index = if reversed {
                    node.executors.len() - 1 - index
                } else {
                    index
                };
                any |= node.step_executor(index) == broker::Step::Worked;
            }
            assert!(any, "it moves");
        }
        let ask = Command::QueueRetained(Box::new(QueueRetained {
            queue: name("q"),
            pattern: Pattern::dotted(b"#"),
        }));
        client.send(&node, ask);
        node.settle_down();
        committing.drain(&mut node);
        node.settle_down();
        let contents = node.contents("q");
        assert_eq!(
            contents.iter().filter(|it| **it == 2).count(),
            5,
            "{contents:?}"
        );
    }
}
