//! Where messages go that leave a queue unconsumed, whatever crashes on their way.

mod support;

use broker_api::{Command, Event, Refusal};
use model::{
    ExchangeKind, Outcome, Overflow, QueueDefinition, QueueRules, ShardId, SubscriptionId,
};
use support::calls::{
    bind, dead_letters_to, deaths_of, exchange, exclusive, internal, limited, presettled, settings,
    settle, subscribe, with_rules,
};
use support::crashes::crash_at_every_step;
use support::{Client, Draft, Node, message, queue, topic};

/// A node with a queue `dead`, and a queue `q` with these rules whose dead letters go there.
fn with_rule(rules: QueueRules) -> (Node, Client) {
    let mut node = Node::new(settings());
    let mut client = node.connect();
    client.declare_as(&mut node, "dead", QueueDefinition::DURABLE);
    let rules = QueueRules {
        dead_letter: dead_letters_to("", Some("dead")).dead_letter,
        ..rules
    };
    client.declare_as(&mut node, "q", with_rules(rules));
    (node, client)
}

fn persistent(number: u32) -> Draft {
    message("q", number).queued().persistent()
}

fn publish(client: &mut Client, node: &mut Node, draft: Draft) {
    client.publish_safely(node, draft).expect("it is taken");
}

/// Numbers, and how the first of them died, of all that is in a queue.
fn dead(node: &mut Node, name: &str) -> (Vec<u32>, Vec<(String, &'static str, u64)>) {
    let mut reader = node.connect();
    reader.subscribed(node, subscribe(1, queue(name)));
    let deliveries = reader.deliveries(node);
    let numbers = deliveries
        .iter()
        .map(|one| support::calls::number_of(&one.message));
    let numbers = numbers.collect();
    let deaths = deliveries.first().map(|first| deaths_of(&first.message));
    reader.ok(node, Command::Cancel(SubscriptionId(1)));
    (numbers, deaths.unwrap_or_default())
}

fn died(reason: &'static str) -> Vec<(String, &'static str, u64)> {
    vec![("q".to_owned(), reason, 1)]
}

#[test]
fn a_rejected_message_says_where_it_came_from() {
    let (mut node, mut client) = with_rule(QueueRules::PLAIN);
    client.bind(&mut node, bind("amq.topic", "q", "x.y"));
    publish(&mut client, &mut node, message("x.y", 1).persistent());
    client.subscribed(&mut node, subscribe(1, queue("q")));
    assert_eq!(client.numbers(&mut node), [1]);
    client.ok(&mut node, Command::Settle(settle(1, &[1], Outcome::Reject)));
    let mut reader = node.connect();
    reader.subscribed(&mut node, subscribe(1, queue("dead")));
    let deliveries = reader.deliveries(&mut node);
    let deaths = model::Deaths::decode(deliveries[0].message.annotations()).expect("deaths");
    let death = deaths.iter().next().expect("one");
    assert_eq!(
        (&*death.exchange, &*death.key),
        (&b"amq.topic"[..], &b"x.y"[..])
    );
    assert_eq!(deaths_of(&deliveries[0].message), died("rejected"));
    assert_eq!(client.counts(&mut node, "q"), (0, 0));
}

#[test]
fn an_expired_message_leaves_wherever_it_stands() {
    let (mut node, mut client) = with_rule(QueueRules::PLAIN);
    publish(&mut client, &mut node, persistent(1));
    publish(&mut client, &mut node, persistent(2).ttl(10));
    publish(&mut client, &mut node, persistent(3));
    publish(&mut client, &mut node, message("q", 4).queued().ttl(20));
    node.advance_ms(15);
    assert_eq!(dead(&mut node, "dead"), (vec![2], died("expired")));
    node.advance_ms(15);
    assert_eq!(dead(&mut node, "dead").0, [2, 4]);
    assert_eq!(node.contents("q"), [1, 3]);
    node.advance_ms(100);
    assert_eq!(
        dead(&mut node, "dead").0,
        [2, 4],
        "a dead letter does not expire again"
    );
}

#[test]
fn a_dead_letter_says_how_long_it_might_have_lived_at_first() {
    let (mut node, mut client) = with_rule(QueueRules::PLAIN);
    client.declare_as(&mut node, "again", dead_letters_of_q());
    publish(&mut client, &mut node, message("again", 1).queued().ttl(10));
    publish(&mut client, &mut node, message("again", 2).queued());
    client.subscribed(&mut node, subscribe(1, queue("again")));
    assert_eq!(client.numbers(&mut node), [1, 2]);
    client.ok(
        &mut node,
        Command::Settle(settle(1, &[1, 2], Outcome::Reject)),
    );
    client.subscribed(&mut node, subscribe(2, queue("q")));
    assert_eq!(client.numbers(&mut node), [1, 2]);
    client.ok(
        &mut node,
        Command::Settle(settle(2, &[1, 2], Outcome::Reject)),
    );
    let mut reader = node.connect();
    reader.subscribed(&mut node, subscribe(1, queue("dead")));
    let told: Vec<_> = reader
        .deliveries(&mut node)
        .iter()
        .map(|it| model::Deaths::decode(it.message.annotations()).expect("deaths"))
        .map(|deaths| {
            let first = deaths.first().expect("one").queue.clone();
            (
                deaths.original_ttl_ms(),
                first,
                deaths.last_exchange().to_vec(),
            )
        })
        .collect();
    let of = |ttl| (ttl, b"again".to_vec(), Vec::new());
    assert_eq!(told, [of(Some(10)), of(None)]);
}

/// Of a queue whose dead letters go to `q`.
fn dead_letters_of_q() -> QueueDefinition {
    with_rules(QueueRules {
        dead_letter: dead_letters_to("", Some("q")).dead_letter,
        ..QueueRules::PLAIN
    })
}

#[test]
fn the_head_of_a_full_queue_is_dead_lettered() {
    let (mut node, mut client) = with_rule(QueueRules {
        length_max: Some(1),
        ..QueueRules::PLAIN
    });
    (1..=3).for_each(|number| publish(&mut client, &mut node, persistent(number)));
    assert_eq!(dead(&mut node, "dead"), (vec![1, 2], died("maxlen")));
    assert_eq!(node.contents("q"), [3]);
}

#[test]
fn what_fails_too_often_is_dead_lettered() {
    let (mut node, mut client) = with_rule(QueueRules {
        delivery_limit: Some(1),
        ..QueueRules::PLAIN
    });
    publish(&mut client, &mut node, persistent(1));
    client.subscribed(&mut node, subscribe(1, queue("q")));
    for _ in 0..2 {
        assert_eq!(client.numbers(&mut node), [1]);
        client.ok(&mut node, Command::Settle(settle(1, &[1], Outcome::Fail)));
    }
    assert_eq!(dead(&mut node, "dead"), (vec![1], died("delivery_limit")));
}

#[test]
fn what_is_refused_is_dead_lettered_only_by_that_rule() {
    for (overflow, expected) in [
        (Overflow::RejectPublish, vec![]),
        (Overflow::RejectPublishDeadLetter, vec![2]),
    ] {
        let rules = QueueRules {
            length_max: Some(1),
            overflow: Some(overflow),
            ..QueueRules::PLAIN
        };
        let (mut node, mut client) = with_rule(rules.clone());
        publish(&mut client, &mut node, persistent(1));
        let refused = client.publish_safely(&mut node, persistent(2));
        assert!(matches!(refused, Err(Refusal::QueueFull(_))));
        assert_eq!(dead(&mut node, "dead").0, expected);
        // A private queue does the same; its publishers are not told.
        let rules = QueueRules {
            dead_letter: dead_letters_to("", Some("dead")).dead_letter,
            ..rules
        };
        let mut owner = node.connect();
        owner.declare_as(&mut node, "own", exclusive(rules));
        for number in [1, 2] {
            publish(
                &mut client,
                &mut node,
                message("own", number).queued().persistent(),
            );
            owner.run(&mut node);
        }
        let twice = [expected.clone(), expected].concat();
        assert_eq!(dead(&mut node, "dead").0, twice);
    }
}

#[test]
fn circles_are_cut_unless_somebody_rejects() {
    let mut node = Node::new(settings());
    let mut client = node.connect();
    let ring = |to: &str| QueueRules {
        message_ttl_ms: Some(10),
        ..dead_letters_to("", Some(to))
    };
    client.declare_as(&mut node, "q", with_rules(ring("r")));
    client.declare_as(&mut node, "r", with_rules(ring("q")));
    publish(&mut client, &mut node, persistent(1));
    node.advance_ms(100);
    assert_eq!(client.counts(&mut node, "q"), (0, 0));
    assert_eq!(client.counts(&mut node, "r"), (0, 0));
    assert_eq!(node.broker.queued_bytes(), 0);
    client.declare_as(&mut node, "s", with_rules(dead_letters_to("", Some("s"))));
    publish(
        &mut client,
        &mut node,
        message("s", 2).queued().persistent(),
    );
    client.subscribed(&mut node, limited(subscribe(1, queue("s")), 3));
    for (sequence, count) in [(1, 1), (2, 2)] {
        assert_eq!(client.numbers(&mut node), [2]);
        client.ok(
            &mut node,
            Command::Settle(settle(1, &[sequence], Outcome::Reject)),
        );
        let deliveries = client.deliveries(&mut node);
        assert_eq!(
            deaths_of(&deliveries[0].message),
            [("s".to_owned(), "rejected", count)]
        );
        let id = support::calls::number_of(&deliveries[0].message);
        client
            .inbox
            .extend(deliveries.into_iter().map(Event::Delivery));
        assert_eq!(id, 2);
    }
}

#[test]
fn a_dead_letter_goes_wherever_its_exchange_says() {
    let mut node = Node::new(settings());
    let mut client = node.connect();
    client.declare_exchange(&mut node, internal(exchange("dlx", ExchangeKind::Topic)));
    for name in ["a", "b", "c"] {
        client.declare_as(&mut node, name, QueueDefinition::DURABLE);
        client.bind(&mut node, bind("dlx", name, "#"));
    }
    client.bind(
        &mut node,
        support::calls::bind_exchange("dlx", "amq.topic", "#"),
    );
    client.declare_as(&mut node, "q", with_rules(dead_letters_to("dlx", None)));
    client.declare_as(
        &mut node,
        "own",
        exclusive(dead_letters_to("dlx", Some("k"))),
    );
    let mut reader = node.connect();
    reader.subscribed(&mut node, presettled(subscribe(1, topic("#"))));
    publish(&mut client, &mut node, persistent(1).ttl(5));
    publish(
        &mut client,
        &mut node,
        message("own", 2).queued().persistent().ttl(5),
    );
    client.run(&mut node);
    node.advance_ms(10);
    client.run(&mut node);
    for name in ["a", "b", "c"] {
        let mut numbers = node.contents(name);
        numbers.sort_unstable();
        assert_eq!(numbers, [1, 2], "{name}");
    }
    assert_eq!(reader.numbers(&mut node).len(), 2);
}

fn start(targets: &[&str]) -> impl Fn() -> Node {
    let targets: Vec<String> = targets.iter().map(|name| (*name).to_owned()).collect();
    move || {
        let mut node = Node::new(settings());
        let mut client = node.connect();
        client.declare_as(
            &mut node,
            "q",
            with_rules(dead_letters_to("amq.fanout", None)),
        );
        for name in &targets {
            client.declare_as(&mut node, name, QueueDefinition::DURABLE);
            client.bind(&mut node, bind("amq.fanout", name, ""));
        }
        for number in 1..=3 {
            publish(&mut client, &mut node, persistent(number));
        }
        client.close(&node);
        node.settle_down();
        node
    }
}

/// Each message is in its queue, or once in all of the others.
fn each_is_in_one_place(node: &mut Node, targets: &[&str], what: &str) {
    let source = node.contents("q");
    for name in targets {
        let mut all = [source.clone(), node.contents(name)].concat();
        all.sort_unstable();
        assert_eq!(all, [1, 2, 3], "{what}: {source:?} are left, {name}");
    }
}

fn reject(node: &mut Node) -> Client {
    let mut client = node.connect();
    client.subscribed(node, subscribe(1, queue("q")));
    client.run(node);
    for sequence in [1, 2] {
        client.send(
            node,
            Command::Settle(settle(1, &[sequence], Outcome::Reject)),
        );
    }
    client
}

#[test]
fn a_crash_anywhere_loses_and_doubles_no_dead_letter() {
    let targets = ["b", "c"];
    let check = |node: &mut Node, what: &str, _: &[Event]| {
        each_is_in_one_place(node, &targets, what);
    };
    crash_at_every_step(start(&targets), reject, check);
}

#[test]
fn nor_with_a_snapshot_on_the_way() {
    let targets = ["b", "c"];
    let act = |node: &mut Node| {
        let client = reject(node);
        for shard in 0..4 {
            node.store.want_snapshot(ShardId(shard));
        }
        client
    };
    let check = |node: &mut Node, what: &str, _: &[Event]| {
        each_is_in_one_place(node, &targets, what);
    };
    crash_at_every_step(start(&targets), act, check);
}

#[test]
fn nor_when_the_queue_overflows() {
    let targets = ["b", "c"];
    let start = || {
        let mut node = Node::new(settings());
        let mut client = node.connect();
        let rules = QueueRules {
            length_max: Some(1),
            ..dead_letters_to("amq.fanout", None)
        };
        client.declare_as(&mut node, "q", with_rules(rules));
        for name in targets {
            client.declare_as(&mut node, name, QueueDefinition::DURABLE);
            client.bind(&mut node, bind("amq.fanout", name, ""));
        }
        publish(&mut client, &mut node, persistent(1));
        node
    };
    let act = |node: &mut Node| {
        let mut client = node.connect();
        client.publish_returnable(node, persistent(2));
        client
    };
    let check = |node: &mut Node, what: &str, _: &[Event]| {
        let source = node.contents("q");
        for name in targets {
            let all = [source.clone(), node.contents(name)].concat();
            let count = all.iter().filter(|number| **number == 1).count();
            assert_eq!(count, 1, "{what}: {source:?}, {name}: {all:?}");
            assert!(
                all.iter().filter(|number| **number == 2).count() <= 1,
                "{what}"
            );
        }
    };
    crash_at_every_step(start, act, check);
}
