//! What policies make of queues and exchanges: each key by a policy alone, beside what is declared, under an operator's,
//! and when the policies are others after a restart.

mod support;

use broker::Settings;
use broker_api::{Bequest, Command, Event, Grant, Listing, Refusal, Reply, Sharing};
use model::{
    ApplyTo, ExchangeKind, Outcome, Overflow, Policies, Policy, PolicyDefinition, PolicyKey,
    PolicyPattern, PolicyValue, QueueDefinition, QueueKind, QueueRules, SubscriptionId,
};
use support::calls::{
    alternate, bind, dead_letters_to, deaths_of, declare_queue, exchange, exclusive, limited,
    number_of, settings, settle, sharing, subscribe, with_rules,
};
use support::{Client, Draft, Node, message, queue};

type Pairs<'a> = &'a [(&'a str, PolicyValue)];

fn policy(name: &str, pattern: &str, pairs: Pairs<'_>) -> Policy {
    let mut definition = PolicyDefinition::default();
    for (name, value) in pairs {
        let key = PolicyKey::named(name).expect("a key");
        definition.set(key, value.clone()).expect("a value of it");
    }
    Policy {
        name: name.into(),
        pattern: PolicyPattern::new(pattern).expect("a pattern"),
        apply_to: ApplyTo::All,
        priority: 0,
        definition,
    }
}

/// One policy of a user's, and perhaps one of an operator's, for what is called `q`.
fn policies(user: Pairs<'_>, operator: Pairs<'_>) -> Policies {
    let one = |name: &str, pairs: Pairs<'_>| {
        let is_there = !pairs.is_empty();
        is_there.then(|| policy(name, "^q$", pairs)).into_iter()
    };
    Policies::new(
        one("user", user).collect(),
        one("operator", operator).collect(),
    )
}

fn under(policies: Policies) -> Settings {
    Settings {
        policies,
        ..settings()
    }
}

/// A node under these policies with a queue `dead` and a queue `q` of this definition.
fn with(policies: Policies, definition: QueueDefinition) -> (Node, Client) {
    let mut node = Node::new(under(policies));
    let mut client = node.connect();
    client.declare_as(&mut node, "dead", QueueDefinition::DURABLE);
    client.declare_as(&mut node, "q", definition);
    (node, client)
}

/// The same node under other policies, after an orderly stop or the loss of all that was not durable.
fn under_others(node: &mut Node, policies: Policies) -> (Node, Client) {
    node.settle_down();
    node.settings.policies = policies;
    let mut node = node.crashed(|_, _| 0);
    node.settle_down();
    let client = node.connect();
    (node, client)
}

fn persistent(number: u32) -> Draft {
    message("q", number).queued().persistent()
}

fn publish(node: &mut Node, client: &mut Client, numbers: std::ops::RangeInclusive<u32>) {
    for number in numbers {
        client
            .publish_safely(node, persistent(number))
            .expect("it is taken");
    }
}

fn quorum(rules: QueueRules) -> QueueDefinition {
    QueueDefinition {
        kind: Some(QueueKind::Quorum),
        ..with_rules(rules)
    }
}

/// Numbers and reasons of what has died.
fn died(node: &mut Node) -> Vec<(u32, &'static str)> {
    let mut reader = node.connect();
    reader.subscribed(node, subscribe(1, queue("dead")));
    let deliveries = reader.deliveries(node);
    let died = deliveries.iter().map(|one| {
        let (_, reason, _) = deaths_of(&one.message)[0];
        (number_of(&one.message), reason)
    });
    let died = died.collect();
    reader.ok(node, Command::Cancel(SubscriptionId(1)));
    died
}

fn dead_letters() -> [(&'static str, PolicyValue); 2] {
    [
        ("dead-letter-exchange", "".into()),
        ("dead-letter-routing-key", "dead".into()),
    ]
}

#[test]
fn a_time_to_live_and_dead_letters_come_from_a_policy_alone() {
    let [exchange, key] = dead_letters();
    let said = policies(&[("message-ttl", 100.into()), exchange, key], &[]);
    for definition in [
        QueueDefinition::DURABLE,
        exclusive(QueueRules::PLAIN),
        quorum(QueueRules::PLAIN),
    ] {
        let (mut node, mut client) = with(said.clone(), definition);
        publish(&mut node, &mut client, 1..=1);
        node.advance_ms(99);
        client.run(&mut node);
        assert_eq!(died(&mut node), []);
        node.advance_ms(1);
        client.run(&mut node);
        assert_eq!(died(&mut node), [(1, "expired")]);
    }
}

#[test]
fn the_length_is_bound_by_a_policy_alone() {
    for (pairs, is_bytes) in [
        ([("max-length", 2.into())], false),
        ([("max-length-bytes", 8.into())], true),
    ] {
        for definition in [QueueDefinition::DURABLE, exclusive(QueueRules::PLAIN)] {
            let (mut node, mut client) = with(policies(&pairs, &[]), definition);
            publish(&mut node, &mut client, 1..=5);
            client.subscribed(&mut node, subscribe(1, queue("q")));
            assert_eq!(client.numbers(&mut node), [4, 5], "{is_bytes}");
        }
    }
    // Another queue is not concerned.
    let (mut node, mut client) = with(
        policies(&[("max-length", 1.into())], &[]),
        QueueDefinition::DURABLE,
    );
    for number in 1..=3 {
        let draft = message("dead", number).queued().persistent();
        client
            .publish_safely(&mut node, draft)
            .expect("it is taken");
    }
    assert_eq!(client.counts(&mut node, "dead"), (3, 0));
}

#[test]
fn what_is_too_much_is_refused_by_a_policy_alone() {
    let bound = ("max-length", PolicyValue::from(1));
    let [exchange, key] = dead_letters();
    let reject = policies(&[bound.clone(), ("overflow", "reject-publish".into())], &[]);
    let (mut node, mut client) = with(reject, QueueDefinition::DURABLE);
    publish(&mut node, &mut client, 1..=1);
    let refused = client.publish_safely(&mut node, persistent(2));
    assert!(matches!(refused, Err(Refusal::QueueFull(_))), "{refused:?}");
    let letters = ("overflow", "reject-publish-dlx".into());
    let reject = policies(&[bound, letters, exchange, key], &[]);
    let (mut node, mut client) = with(reject, QueueDefinition::DURABLE);
    publish(&mut node, &mut client, 1..=1);
    assert!(client.publish_safely(&mut node, persistent(2)).is_err());
    assert_eq!(died(&mut node), [(2, "maxlen")]);
}

#[test]
fn a_queue_ends_unused_by_a_policy_alone() {
    let said = policies(&[("expires", 100.into())], &[]);
    for definition in [QueueDefinition::DURABLE, exclusive(QueueRules::PLAIN)] {
        let (mut node, mut client) = with(said.clone(), definition.clone());
        node.advance_ms(60);
        // A declaration of the same is a use, and the policy counts for nothing in what is the same.
        client.declare_as(&mut node, "q", definition);
        node.advance_ms(60);
        client.run(&mut node);
        client
            .publish_safely(&mut node, persistent(1))
            .expect("it is there");
        client.subscribed(&mut node, subscribe(1, queue("q")));
        assert_eq!(client.numbers(&mut node), [1]);
        node.advance_ms(500);
        client.ok(&mut node, Command::Cancel(SubscriptionId(1)));
        node.advance_ms(100);
        client.run(&mut node);
        let again = subscribe(2, queue("q"));
        let refused = client.refused(&mut node, Command::Subscribe(Box::new(again)));
        assert!(matches!(refused, Refusal::QueueNotFound(_)), "{refused:?}");
    }
}

#[test]
fn a_queue_that_was_taken_over_ends_as_soon_as_a_policy_says() {
    for (wished, lives_ms) in [(None, 100), (Some(1_000), 100), (Some(50), 50)] {
        let said = policies(&[("expires", 100.into())], &[]);
        let (mut node, mut client) = with(said, QueueDefinition::DURABLE);
        let mut owner = node.connect();
        owner.subscribed(
            &mut node,
            sharing(subscribe(1, queue("q")), Sharing::Takeover),
        );
        owner.ok(
            &mut node,
            Command::Bequeath(Box::new(Bequest {
                subscription: SubscriptionId(1),
                expires_ms: wished,
                will: None,
            })),
        );
        node.advance_ms(10_000);
        assert!(client.has_queue(&mut node, "q"), "it is in use");
        owner.close(&node);
        node.advance_ms(lives_ms - 1);
        assert!(client.has_queue(&mut node, "q"), "{wished:?}");
        node.advance_ms(1);
        assert!(!client.has_queue(&mut node, "q"), "{wished:?}");
    }
}

/// How often a message comes that is never settled well.
fn tries(node: &mut Node, client: &mut Client) -> usize {
    publish(node, client, 1..=1);
    client.subscribed(node, limited(subscribe(1, queue("q")), u64::MAX));
    let mut count = 0;
    loop {
        let deliveries = client.deliveries(node);
        let Some(delivery) = deliveries.first() else {
            return count;
        };
        count += 1;
        let sequence = delivery.sequence.0;
        client.ok(node, Command::Settle(settle(1, &[sequence], Outcome::Fail)));
        assert!(count < 100);
    }
}

#[test]
fn deliveries_are_limited_in_quorum_queues() {
    let [exchange, key] = dead_letters();
    let check = |user: Pairs<'_>, operator: Pairs<'_>, own, expected| {
        let rules = QueueRules {
            delivery_limit: own,
            ..dead_letters_to("", Some("dead"))
        };
        let (mut node, mut client) = with(policies(user, operator), quorum(rules));
        assert_eq!(tries(&mut node, &mut client), expected);
        assert_eq!(died(&mut node), [(1, "delivery_limit")]);
    };
    check(&[], &[], None, 21);
    check(&[], &[], Some(3), 4);
    check(&[("delivery-limit", 2.into())], &[], None, 3);
    check(&[("delivery-limit", 5.into())], &[], Some(3), 4);
    check(
        &[("delivery-limit", (-1).into())],
        &[("delivery-limit", 1.into())],
        None,
        2,
    );
    check(
        &[exchange, key],
        &[("delivery-limit", 0.into())],
        Some(7),
        1,
    );
}

#[test]
fn an_alternate_exchange_comes_from_a_policy_alone() {
    let definition = [("alternate-exchange", "other".into())];
    let said = Policies::new(
        vec![policy("p", "^(x|own|amq.direct)$", &definition)],
        vec![],
    );
    let mut node = Node::new(under(said));
    let mut client = node.connect();
    for name in ["here", "there"] {
        client.declare_as(&mut node, name, QueueDefinition::DURABLE);
    }
    client.declare_exchange(&mut node, exchange("other", ExchangeKind::Fanout));
    client.declare_exchange(&mut node, exchange("third", ExchangeKind::Fanout));
    client.declare_exchange(&mut node, exchange("x", ExchangeKind::Direct));
    let own = || alternate(exchange("own", ExchangeKind::Direct), "third");
    client.declare_exchange(&mut node, own());
    client.bind(&mut node, bind("other", "here", ""));
    client.bind(&mut node, bind("third", "there", ""));
    let check = |node: &mut Node, client: &mut Client| {
        for (number, to) in [(1, "x"), (2, "own"), (3, "amq.direct"), (4, "amq.fanout")] {
            let draft = message("nobody", number).to(to).persistent();
            client.publish_safely(node, draft).expect("it is taken");
        }
        assert_eq!(node.contents("here"), [1, 3]);
        assert_eq!(node.contents("there"), [2]);
        for name in ["here", "there"] {
            client.ok(node, Command::PurgeQueue(support::calls::name(name)));
        }
    };
    check(&mut node, &mut client);
    // Declared again as before, they are the same.
    client.declare_exchange(&mut node, exchange("x", ExchangeKind::Direct));
    client.declare_exchange(&mut node, own());
    for by_snapshot in [false, true] {
        if by_snapshot {
            node.snapshot();
        }
        let mut again = node.crashed(|_, _| 0);
        let mut client = again.connect();
        check(&mut again, &mut client);
        client.declare_exchange(&mut again, exchange("x", ExchangeKind::Direct));
        node = again;
    }
    let (mut node, mut client) = under_others(&mut node, Policies::default());
    let draft = message("nobody", 1).to("x").persistent();
    client
        .publish_safely(&mut node, draft)
        .expect("it is taken");
    assert_eq!(node.contents("here"), []);
}

#[test]
fn declarations_are_compared_with_what_was_declared() {
    let said = policies(&[("max-length", 2.into())], &[("message-ttl", 7.into())]);
    let (mut node, mut client) = with(said, QueueDefinition::DURABLE);
    client.declare_as(&mut node, "q", QueueDefinition::DURABLE);
    let other = with_rules(QueueRules {
        length_max: Some(2),
        ..QueueRules::PLAIN
    });
    let refused = client.refused(&mut node, declare_queue("q", other));
    let is_field = matches!(
        refused,
        Refusal::Inequivalent {
            field: "x-max-length",
            ..
        }
    );
    assert!(is_field, "{refused:?}");
    let listed = client.queues(&mut node);
    let listed = listed.iter().find(|it| it.status.name.as_bytes() == b"q");
    let listed = listed.expect("it is listed");
    assert_eq!(listed.definition, QueueDefinition::DURABLE);
    let names = [&listed.applied.user, &listed.applied.operator];
    let names = names.map(|policy| policy.as_ref().map(|it| it.name.to_string()));
    assert_eq!(
        names,
        [Some("user".to_owned()), Some("operator".to_owned())]
    );
    let definition = listed.applied.definition();
    let keys: Vec<_> = definition.iter().map(|(key, _)| key.name()).collect();
    assert_eq!(keys, ["max-length", "message-ttl"]);
}

#[test]
fn operators_bound_what_is_declared_and_what_users_say() {
    let own = with_rules(QueueRules {
        length_max: Some(5),
        ..QueueRules::PLAIN
    });
    let user = [("max-length", PolicyValue::from(3))];
    for (operator, expected) in [(2, vec![5, 6]), (4, vec![4, 5, 6])] {
        let said = policies(&user, &[("max-length", operator.into())]);
        let (mut node, mut client) = with(said, own.clone());
        publish(&mut node, &mut client, 1..=6);
        assert_eq!(node.contents("q"), expected);
    }
}

#[test]
fn other_policies_hold_from_the_next_start_on() {
    let [exchange, key] = dead_letters();
    let (mut node, mut client) = with(Policies::default(), QueueDefinition::DURABLE);
    publish(&mut node, &mut client, 1..=6);
    // What is too much by the new policy leaves at once, as a dead letter.
    let shorter = policies(&[("max-length", 4.into()), exchange, key], &[]);
    let (mut node, _) = under_others(&mut node, shorter);
    assert_eq!(died(&mut node), [(1, "maxlen"), (2, "maxlen")]);
    assert_eq!(node.contents("q"), [3, 4, 5, 6]);
    // And it has left, whatever holds then.
    let (mut node, mut client) = under_others(&mut node, Policies::default());
    assert_eq!(node.contents("q"), [3, 4, 5, 6]);
    assert_eq!(node.contents("dead"), [1, 2]);
    publish(&mut node, &mut client, 7..=9);
    assert_eq!(node.contents("q"), [3, 4, 5, 6, 7, 8, 9]);
    // A queue that refuses keeps what it has.
    let refusing = [
        ("max-length", 1.into()),
        ("overflow", "reject-publish".into()),
    ];
    let (mut node, mut client) = under_others(&mut node, policies(&refusing, &[]));
    assert_eq!(node.contents("q"), [3, 4, 5, 6, 7, 8, 9]);
    assert!(client.publish_safely(&mut node, persistent(10)).is_err());
}

/// What a store written under one policy amounts to under others.
fn replayed_under(others: &[Policies], by_snapshot: bool, memory: usize) {
    let [exchange, key] = dead_letters();
    let first = policies(
        &[
            ("message-ttl", 1000.into()),
            ("max-length", 40.into()),
            ("delivery-limit", 1.into()),
            exchange,
            key,
        ],
        &[],
    );
    for other in others {
        let settings = Settings {
            queued_bytes: memory,
            ..under(first.clone())
        };
        let mut node = Node::new(settings);
        let mut client = node.connect();
        client.declare_as(&mut node, "dead", QueueDefinition::DURABLE);
        client.declare_as(&mut node, "q", quorum(QueueRules::PLAIN));
        publish(&mut node, &mut client, 1..=42);
        client.subscribed(&mut node, limited(subscribe(1, queue("q")), 2));
        let delivered = client.deliveries(&mut node);
        let sequences: Vec<_> = delivered.iter().map(|one| one.sequence.0).collect();
        client.ok(
            &mut node,
            Command::Settle(settle(1, &sequences[..1], Outcome::Fail)),
        );
        client.ok(
            &mut node,
            Command::Settle(settle(1, &sequences[1..], Outcome::Accept)),
        );
        client.ok(&mut node, Command::Cancel(SubscriptionId(1)));
        if by_snapshot {
            node.snapshot();
        }
        if memory < 1 << 20 {
            assert!(node.page_count() > 0, "the backlog is in pages");
        }
        let (mut node, mut client) = under_others(&mut node, other.clone());
        // Overflow was decided, and stays: the two that were dropped, and the one that was accepted.
        let expected: Vec<u32> = [3].into_iter().chain(5..=42).collect();
        assert_eq!(node.contents("q"), expected);
        assert_eq!(died(&mut node), [(1, "maxlen"), (2, "maxlen")]);
        // The failure was counted, and stays.
        client.subscribed(&mut node, limited(subscribe(1, queue("q")), 1));
        let delivered = client.deliveries(&mut node);
        assert_eq!(number_of(&delivered[0].message), 3);
        assert_eq!(delivered[0].delivery_count, 1);
        client.ok(&mut node, Command::Cancel(SubscriptionId(1)));
        // The moment of expiry was decided, and stays.
        node.advance_ms(999);
        assert_eq!(node.contents("q"), expected);
        node.advance_ms(1);
        assert_eq!(node.contents("q"), []);
    }
}

#[test]
fn what_was_decided_under_one_policy_stays_under_others() {
    let longer = policies(
        &[
            ("message-ttl", 1_000_000.into()),
            ("max-length", 1000.into()),
        ],
        &[],
    );
    let refusing = policies(
        &[
            ("max-length", 1.into()),
            ("overflow", "reject-publish".into()),
        ],
        &[("delivery-limit", 9.into())],
    );
    let others = [Policies::default(), longer, refusing];
    for by_snapshot in [false, true] {
        replayed_under(&others, by_snapshot, 1 << 30);
        replayed_under(&others, by_snapshot, 40 * support::queued_cost());
    }
}

#[test]
fn a_bound_of_bytes_counts_what_came_before_it() {
    let cost = support::queued_cost();
    for memory in [1 << 30, 20 * cost] {
        let mut node = Node::new(Settings {
            queued_bytes: memory,
            ..under(Policies::default())
        });
        let mut client = node.connect();
        client.declare_as(&mut node, "q", QueueDefinition::DURABLE);
        publish(&mut node, &mut client, 1..=18);
        node.settle_down();
        // Bodies of four bytes.
        let bytes = policies(&[("max-length-bytes", 40.into())], &[]);
        let (mut node, mut client) = under_others(&mut node, bytes);
        node.advance_ms(1000);
        let expected: Vec<u32> = (9..=18).collect();
        assert_eq!(node.contents("q"), expected, "{memory}");
        publish(&mut node, &mut client, 19..=19);
        let expected: Vec<u32> = (10..=19).collect();
        assert_eq!(node.contents("q"), expected, "{memory}");
    }
}

#[test]
fn no_delivery_limit_is_not_that_of_a_quorum_queue() {
    let with_limit = |limit| QueueRules {
        delivery_limit: limit,
        ..QueueRules::PLAIN
    };
    let unlimited = with_limit(Some(QueueRules::NO_DELIVERY_LIMIT));
    let limited = with_limit(Some(QueueRules::QUORUM_DELIVERY_LIMIT));
    let differs = Some("x-delivery-limit");
    let check =
        |of: fn(QueueRules) -> QueueDefinition, rules: &QueueRules, expected: Option<&str>| {
            let plain = of(QueueRules::PLAIN);
            for (present, asked) in [(&plain, &of(rules.clone())), (&of(rules.clone()), &plain)] {
                let (mut node, mut client) = with(Policies::default(), present.clone());
                let declared = client.call(&mut node, declare_queue("q", asked.clone()));
                assert_eq!(inequivalent(declared), expected, "{present:?} {asked:?}");
            }
        };
    check(quorum, &unlimited, differs);
    check(quorum, &limited, None);
    check(with_rules, &unlimited, None);
    check(with_rules, &limited, differs);
    // Who does not say what it is for is told no less.
    let (mut node, mut client) = with(Policies::default(), quorum(QueueRules::PLAIN));
    let declared = client.call(&mut node, declare_queue("q", with_rules(unlimited)));
    assert_eq!(inequivalent(declared), differs);
}

#[test]
fn an_overflow_that_is_asked_for_is_not_one_that_a_policy_may_change() {
    let said = || {
        let reject = ("overflow", "reject-publish".into());
        policies(&[("max-length", 1.into()), reject], &[])
    };
    let dropping = QueueRules {
        overflow: Some(Overflow::DropHead),
        ..QueueRules::PLAIN
    };
    let check = |present: QueueDefinition, asked: QueueDefinition, expected| {
        let (mut node, mut client) = with(said(), present);
        let declared = client.call(&mut node, declare_queue("q", asked));
        assert_eq!(inequivalent(declared), expected);
    };
    let differs = Some("x-overflow");
    let plain = QueueRules::PLAIN;
    check(
        with_rules(plain.clone()),
        with_rules(dropping.clone()),
        differs,
    );
    check(
        with_rules(dropping.clone()),
        with_rules(plain.clone()),
        differs,
    );
    // The policy's holds in either.
    check(quorum(plain.clone()), quorum(dropping.clone()), None);
    check(quorum(dropping), quorum(plain), None);
}

/// In what a declaration differs from what is there, if it was refused.
fn inequivalent(declared: Result<Reply, Refusal>) -> Option<&'static str> {
    match declared {
        Ok(_) => None,
        Err(Refusal::Inequivalent { field, .. }) => Some(field),
        Err(refusal) => panic!("{refusal}"),
    }
}

/// A queue that a policy has made shorter, as the node starts, by so many messages of so many bytes.
fn shrinking(memory: usize, count: u32, bytes: usize) -> Node {
    let mut node = Node::new(Settings {
        queued_bytes: memory,
        ..under(Policies::default())
    });
    let mut client = node.connect();
    // The dead letters go to another shard, and another executor.
    for name in ["x", "dead", "q"] {
        client.declare_as(&mut node, name, QueueDefinition::DURABLE);
    }
    for number in 1..=count {
        let draft = persistent(number).of_bytes(bytes);
        client
            .publish_safely(&mut node, draft)
            .expect("it is taken");
    }
    node.settle_down();
    let [exchange, key] = dead_letters();
    node.settings.policies = policies(&[("max-length", 4.into()), exchange, key], &[]);
    node.crashed(|_, _| 0)
}

/// How many messages `q` holds while nothing moves.
fn ready_count(node: &mut Node, client: &mut Client) -> u64 {
    client.send(node, Command::List(Listing::Queues));
    let told = client.take(node);
    let queues = told.into_iter().find_map(|event| {
        if let Event::Done(_, Ok(Reply::Queues(queues))) = event {
            Some(queues)
        } else {
            None
        }
    });
    let mut statuses = queues.into_iter().flatten().map(|listed| listed.status);
    let q = statuses.find(|status| status.name.as_bytes() == b"q");
    q.expect("it is told at once").ready_count
}

fn is_drained(told: &[Event]) -> bool {
    let mut told = told.iter();
    told.any(|event| matches!(event, Event::Drained(SubscriptionId(1))))
}

#[test]
fn what_is_too_much_at_a_start_leaves_piece_by_piece() {
    for memory in [64 << 20, 4 << 20] {
        let mut node = shrinking(memory, 600, 10_000);
        // While the disk stands still, dead letters are on their way as four pages hold, and a piece.
        node.step_executors();
        let mut client = node.connect();
        let ready = ready_count(&mut node, &mut client);
        let page_bytes = memory / 128;
        let dropped_max = (4 * page_bytes + (256 << 10)) / 10_000 + 1;
        let least = 600 - dropped_max as u64;
        assert!((least..600).contains(&ready), "{memory}: {ready}, {least}");
        // Nobody gets what is to be dropped, and who has asked is told when that is over.
        let limited = limited(subscribe(1, queue("q")), 10);
        client.send(&node, Command::Subscribe(Box::new(limited)));
        let grant = Grant {
            count: 0,
            limit: 10,
            drain: true,
        };
        client.send(&node, Command::Grant(SubscriptionId(1), grant));
        node.step_executors();
        let told = client.take(&mut node);
        assert!(!is_drained(&told));
        assert_eq!(support::numbers(&told), []);
        for _ in 0..100 {
            client.run(&mut node);
            node.advance_ms(100);
        }
        assert_eq!(client.numbers(&mut node), [597, 598, 599, 600], "{memory}");
        let told = client.others();
        assert!(is_drained(&told));
        let mut dead = node.contents("dead");
        dead.sort_unstable();
        assert!(dead.into_iter().eq(1..=596), "{memory}");
    }
}

#[test]
fn a_crash_while_a_queue_shrinks_loses_nothing() {
    let mut halves = 0;
    for memory in [1 << 30, 1 << 20] {
        for steps in 0..12 {
            for kept in [0, 1, 3] {
                let mut node = shrinking(memory, 40, 40_000);
                for step in 0..steps {
                    for index in 0..node.executors.len() {
                        node.step_executor(index);
                    }
                    if step % 2 == 1 {
                        node.store.round();
                    }
                }
                let mut node = node.crashed(|_, count| count.min(kept));
                let mut client = node.connect();
                let ready = ready_count(&mut node, &mut client);
                halves += usize::from((5..40).contains(&ready));
                for _ in 0..30 {
                    node.settle_down();
                    node.advance_ms(1000);
                }
                let case = format!("{memory} {steps} {kept}");
                assert_eq!(node.contents("q"), [37, 38, 39, 40], "{case}");
                let mut dead = node.contents("dead");
                dead.sort_unstable();
                assert!(dead.into_iter().eq(1..=36), "{case}");
            }
        }
    }
    assert!(halves > 4, "{halves}");
}

/// What who subscribes is told of the time within which deliveries are to be settled.
#[test]
fn consumer_timeout_is_told_to_who_subscribes() {
    let policies = policies(&[("consumer-timeout", 500.into())], &[]);
    for (own, expected) in [(None, 500), (Some(400), 400), (Some(600), 500)] {
        let rules = QueueRules {
            settle_ms: own,
            ..QueueRules::PLAIN
        };
        for definition in [with_rules(rules.clone()), exclusive(rules)] {
            let (mut node, mut client) = with(policies.clone(), definition);
            let asked = Command::Subscribe(Box::new(subscribe(1, queue("q"))));
            assert_eq!(client.ok(&mut node, asked), Reply::SettleWithin(expected));
            // Without a word of it there is nothing to tell.
            let asked = Command::Subscribe(Box::new(subscribe(2, queue("dead"))));
            assert_eq!(client.ok(&mut node, asked), Reply::Nothing);
        }
    }
}
