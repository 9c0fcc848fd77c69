//! How policies are found, and what becomes of their rules.

use super::*;

fn definition(pairs: &[(&str, PolicyValue)]) -> PolicyDefinition {
    let mut definition = PolicyDefinition::default();
    for (name, value) in pairs {
        let key = PolicyKey::named(name).expect("a key");
        definition.set(key, value.clone()).expect("a value for it");
    }
    definition
}

fn policy(name: &str, pattern: &str, apply_to: ApplyTo, priority: i64) -> Policy {
    Policy {
        name: name.into(),
        pattern: PolicyPattern::new(pattern).expect("a pattern"),
        apply_to,
        priority,
        definition: definition(&[("max-length", 10.into())]),
    }
}

/// What a user's and an operator's policy say, for everything.
fn applied(user: &[(&str, PolicyValue)], operator: &[(&str, PolicyValue)]) -> Applied {
    let of = |pairs: &[_]| {
        let is_there = !pairs.is_empty();
        is_there.then(|| {
            Arc::new(Policy {
                definition: definition(pairs),
                ..policy("p", "", ApplyTo::All, 0)
            })
        })
    };
    Applied {
        user: of(user),
        operator: of(operator),
    }
}

fn declared(kind: Option<QueueKind>, rules: QueueRules) -> QueueDefinition {
    QueueDefinition {
        kind,
        rules,
        ..QueueDefinition::DURABLE
    }
}

#[test]
fn keys_are_in_the_order_of_their_names() {
    let names = PolicyKey::ALL.map(PolicyKey::name);
    assert!(names.is_sorted(), "{names:?}");
    assert!(PolicyKey::ALL.is_sorted());
    for key in PolicyKey::ALL {
        assert_eq!(PolicyKey::named(key.name()), Some(key));
    }
    assert_eq!(PolicyKey::named("max-priority"), None);
    let operators = |key: &PolicyKey| key.is_of(PolicyClass::Operator);
    let operators: Vec<_> = PolicyKey::ALL.into_iter().filter(operators).collect();
    let expected = [
        "delivery-limit",
        "expires",
        "max-in-memory-bytes",
        "max-in-memory-length",
        "max-length",
        "max-length-bytes",
        "message-ttl",
        "overflow",
        "queue-version",
        "target-group-size",
    ];
    assert!(operators.iter().map(|key| key.name()).eq(expected));
}

#[test]
fn keys_take_their_values_only() {
    let long: &str = &"x".repeat(256);
    for (name, good, bad) in [
        (
            "message-ttl",
            vec![0.into(), i64::MAX.into()],
            vec![(-1).into(), "1".into()],
        ),
        ("expires", vec![1.into()], vec![0.into()]),
        (
            "delivery-limit",
            vec![(-1).into(), 0.into()],
            vec![(-2).into()],
        ),
        (
            "overflow",
            vec!["drop-head".into()],
            vec!["drop".into(), 1.into()],
        ),
        (
            "queue-mode",
            vec!["lazy".into(), "default".into()],
            vec!["".into()],
        ),
        (
            "queue-version",
            vec![1.into(), 2.into()],
            vec![0.into(), 3.into()],
        ),
        (
            "dead-letter-exchange",
            vec!["".into(), "x".into()],
            vec![long.into(), 5.into()],
        ),
        (
            "dead-letter-routing-key",
            vec!["".into()],
            vec![long.into()],
        ),
        (
            "dead-letter-strategy",
            vec!["at-least-once".into()],
            vec!["never".into()],
        ),
    ] {
        let key = PolicyKey::named(name).expect("a key");
        for value in good {
            assert!(key.takes(&value), "{name} {value}");
        }
        for value in bad {
            assert!(!key.takes(&value), "{name} {value}");
            assert_eq!(
                PolicyDefinition::default().set(key, value.clone()),
                Err(value)
            );
        }
    }
}

#[test]
fn the_highest_priority_applies_and_of_equal_ones_the_first_by_name() {
    let policies = Policies::new(
        vec![
            policy("b", "^orders", ApplyTo::All, 5),
            policy("low", "", ApplyTo::All, -1),
            policy("a", "orders$", ApplyTo::Queues, 5),
            policy("x", "exchange", ApplyTo::Exchanges, 9),
            policy("quorum", "kind", ApplyTo::QuorumQueues, 9),
            policy("classic", "kind", ApplyTo::ClassicQueues, 9),
        ],
        vec![policy("op", "orders", ApplyTo::Queues, 0)],
    );
    let check = |name: &str, kind, user: &str, operator: Option<&str>| {
        let definition = declared(kind, QueueRules::PLAIN);
        let applied = policies.for_queue(name.as_bytes(), &definition);
        let name_of = |policy: &Option<Arc<Policy>>| policy.as_ref().map(|it| it.name.to_string());
        assert_eq!(name_of(&applied.user).as_deref(), Some(user), "{name}");
        assert_eq!(name_of(&applied.operator).as_deref(), operator, "{name}");
    };
    check("orders", None, "a", Some("op"));
    check("orders.eu", None, "b", Some("op"));
    check("eu.orders", None, "a", Some("op"));
    check("exchange", None, "low", None);
    check("kind", None, "classic", None);
    check("kind", Some(QueueKind::Classic), "classic", None);
    check("kind", Some(QueueKind::Quorum), "quorum", None);
    let exchange = |name: &[u8]| {
        let name = ExchangeName::new(name).expect("a name");
        let user = policies.for_exchange(&name).user;
        user.map(|policy| policy.name.to_string())
    };
    assert_eq!(exchange(b"exchange").as_deref(), Some("x"));
    assert_eq!(exchange(b"orders").as_deref(), Some("b"));
    assert_eq!(exchange(b""), None);
}

#[test]
fn what_a_queue_does_not_know_keeps_the_policy_from_it() {
    let mut quorum = policy("quorum", "", ApplyTo::All, 2);
    quorum.definition = definition(&[("delivery-limit", 3.into()), ("max-length", 1.into())]);
    let mut classic = policy("classic", "", ApplyTo::All, 1);
    classic.definition = definition(&[("queue-mode", "lazy".into())]);
    let policies = Policies::new(vec![quorum, classic], Vec::new());
    let user = |kind| {
        let definition = declared(kind, QueueRules::PLAIN);
        let user = policies.for_queue(b"q", &definition).user;
        user.map(|policy| policy.name.to_string())
    };
    assert_eq!(user(Some(QueueKind::Quorum)).as_deref(), Some("quorum"));
    assert_eq!(user(Some(QueueKind::Classic)).as_deref(), Some("classic"));
    assert_eq!(user(None).as_deref(), Some("classic"));
}

#[test]
fn operators_bound_what_users_say() {
    let check = |key: &str, user: PolicyValue, operator: PolicyValue, expected: PolicyValue| {
        let both = applied(&[(key, user)], &[(key, operator)]).definition();
        assert_eq!(both, definition(&[(key, expected)]), "{key}");
    };
    for key in [
        "message-ttl",
        "max-length",
        "max-length-bytes",
        "expires",
        "delivery-limit",
    ] {
        check(key, 5.into(), 3.into(), 3.into());
        check(key, 3.into(), 5.into(), 3.into());
    }
    check("delivery-limit", (-1).into(), 3.into(), 3.into());
    check("delivery-limit", 3.into(), (-1).into(), 3.into());
    check("delivery-limit", (-1).into(), (-1).into(), (-1).into());
    check("target-group-size", 5.into(), 3.into(), 5.into());
    check("queue-version", 1.into(), 2.into(), 2.into());
    let (drop, reject) = ("drop-head", "reject-publish");
    check("overflow", drop.into(), reject.into(), reject.into());
    check("overflow", reject.into(), drop.into(), drop.into());
    let both = applied(&[("max-length", 1.into())], &[("message-ttl", 2.into())]);
    let expected = definition(&[("max-length", 1.into()), ("message-ttl", 2.into())]);
    assert_eq!(both.definition(), expected);
    assert!(Applied::default().definition().is_empty());
}

#[test]
fn declared_arguments_win_but_for_higher_limits() {
    let applied = applied(
        &[
            ("message-ttl", 10.into()),
            ("max-length", 10.into()),
            ("max-length-bytes", 10.into()),
            ("consumer-timeout", 10.into()),
            ("overflow", "reject-publish".into()),
            ("dead-letter-exchange", "policy".into()),
            ("dead-letter-routing-key", "policy-key".into()),
        ],
        &[],
    );
    let exchange = |name: &[u8]| ExchangeName::new(name).expect("a name");
    let said = applied.rules(&QueueDefinition::DURABLE);
    let expected = QueueRules {
        message_ttl_ms: Some(10),
        length_max: Some(10),
        bytes_max: Some(10),
        overflow: Some(Overflow::RejectPublish),
        dead_letter: Some(DeadLetter {
            exchange: exchange(b"policy"),
            key: Some((*b"policy-key").into()),
        }),
        settle_ms: Some(10),
        ..QueueRules::PLAIN
    };
    assert_eq!(said, expected);
    let own = QueueRules {
        message_ttl_ms: Some(20),
        length_max: Some(5),
        bytes_max: None,
        overflow: Some(Overflow::DropHead),
        dead_letter: Some(DeadLetter {
            exchange: exchange(b"own"),
            key: None,
        }),
        priority_max: 7,
        settle_ms: Some(20),
        ..QueueRules::PLAIN
    };
    let both = applied.rules(&declared(None, own.clone()));
    let expected = QueueRules {
        message_ttl_ms: Some(10),
        length_max: Some(5),
        bytes_max: Some(10),
        // Each by itself: the exchange is declared, the key is not.
        dead_letter: Some(DeadLetter {
            exchange: exchange(b"own"),
            key: Some((*b"policy-key").into()),
        }),
        settle_ms: Some(10),
        ..own
    };
    assert_eq!(both, expected);
}

#[test]
fn overflow_is_the_operators_and_of_quorum_queues_the_policys() {
    let (user, operator) = ("reject-publish", "reject-publish-dlx");
    let own = QueueRules {
        overflow: Some(Overflow::DropHead),
        ..QueueRules::PLAIN
    };
    let check = |applied: &Applied, kind, expected| {
        let rules = applied.rules(&declared(Some(kind), own.clone()));
        assert_eq!(rules.overflow, Some(expected), "{kind:?}");
    };
    let users = applied(&[("overflow", user.into())], &[]);
    check(&users, QueueKind::Classic, Overflow::DropHead);
    check(&users, QueueKind::Quorum, Overflow::RejectPublish);
    let both = applied(
        &[("overflow", user.into())],
        &[("overflow", operator.into())],
    );
    check(&both, QueueKind::Classic, Overflow::RejectPublishDeadLetter);
    check(&both, QueueKind::Quorum, Overflow::RejectPublishDeadLetter);
    let neither = applied(&[("max-length", 1.into())], &[]);
    check(&neither, QueueKind::Quorum, Overflow::DropHead);
}

#[test]
fn quorum_queues_have_a_delivery_limit_unless_it_is_said() {
    let limit = |applied: &Applied, kind, own| {
        let rules = QueueRules {
            delivery_limit: own,
            ..QueueRules::PLAIN
        };
        applied.rules(&declared(kind, rules)).delivery_limit
    };
    let nothing = Applied::default();
    let none = Some(QueueRules::NO_DELIVERY_LIMIT);
    assert_eq!(limit(&nothing, None, None), None);
    assert_eq!(limit(&nothing, Some(QueueKind::Classic), None), None);
    assert_eq!(limit(&nothing, Some(QueueKind::Quorum), None), Some(20));
    assert_eq!(limit(&nothing, Some(QueueKind::Quorum), Some(3)), Some(3));
    assert_eq!(limit(&nothing, Some(QueueKind::Quorum), none), none);
    let five = applied(&[("delivery-limit", 5.into())], &[]);
    assert_eq!(limit(&five, Some(QueueKind::Quorum), None), Some(5));
    assert_eq!(limit(&five, Some(QueueKind::Quorum), Some(3)), Some(3));
    assert_eq!(limit(&five, Some(QueueKind::Quorum), none), Some(5));
    let any = applied(&[("delivery-limit", (-1).into())], &[]);
    assert_eq!(limit(&any, Some(QueueKind::Quorum), None), none);
    assert_eq!(limit(&any, Some(QueueKind::Quorum), Some(3)), Some(3));
}

#[test]
fn a_queue_ends_after_the_shortest_time_that_is_said() {
    let both = applied(&[("expires", 5.into())], &[("expires", 3.into())]);
    assert_eq!(both.expires_ms(None), Some(3));
    assert_eq!(both.expires_ms(Some(2)), Some(2));
    assert_eq!(Applied::default().expires_ms(None), None);
    assert_eq!(Applied::default().expires_ms(Some(7)), Some(7));
}

#[test]
fn an_exchange_has_its_own_alternate_before_that_of_a_policy() {
    let applied = applied(&[("alternate-exchange", "policy".into())], &[]);
    let mut declared = ExchangeDefinition::new(ExchangeKind::Fanout);
    let name = |name: &[u8]| ExchangeName::new(name).expect("a name");
    assert_eq!(
        applied.exchange(declared.clone()).alternate,
        Some(name(b"policy"))
    );
    declared.alternate = Some(name(b"own"));
    assert_eq!(applied.exchange(declared).alternate, Some(name(b"own")));
    let default = ExchangeDefinition::new(ExchangeKind::Default);
    assert_eq!(applied.exchange(default).alternate, None);
}

#[test]
fn bad_patterns_are_refused_in_a_line() {
    for bad in ["(", "[a", "(?=look)", "(a)\\1", "x{1000}{1000}{1000}"] {
        let error = PolicyPattern::new(bad).expect_err("it is refused");
        assert!(!error.to_string().contains('\n'), "{error}");
    }
    assert!(PolicyPattern::new("^a").is_ok_and(|it| it.matches(b"ab") && !it.matches(b"ba")));
    assert!(PolicyPattern::new("").is_ok_and(|it| it.matches(b"\xff")));
}
