//! Policies in the file.

use super::{check_refused, config};
use model::{
    ApplyTo, ExchangeName, Policies, Policy, PolicyDefinition, PolicyKey, PolicyPattern,
    QueueDefinition,
};

#[test]
fn policies_are_read_from_the_file() {
    let file = r#"
        [[policy]]
        name = "orders"
        pattern = "^orders\\."
        apply-to = "quorum_queues"
        priority = -1
        definition = { "message-ttl" = 60000, "dead-letter-exchange" = "late" }

        [[policy]]
        name = "rest"
        pattern = ""
        [policy.definition]
        overflow = "reject-publish"

        [[operator-policy]]
        name = "rest"
        pattern = ""
        definition = { max-length = 10, delivery-limit = -1 }
    "#;
    let policy = |name: &str, pattern: &str, pairs: Vec<_>| {
        let mut definition = PolicyDefinition::default();
        for (key, value) in pairs {
            definition.set(key, value).unwrap();
        }
        Policy {
            name: name.into(),
            pattern: PolicyPattern::new(pattern).unwrap(),
            apply_to: ApplyTo::All,
            priority: 0,
            definition,
        }
    };
    let orders = vec![
        (PolicyKey::MessageTtl, 60_000.into()),
        (PolicyKey::DeadLetterExchange, "late".into()),
    ];
    let orders = Policy {
        apply_to: ApplyTo::QuorumQueues,
        priority: -1,
        ..policy("orders", r"^orders\.", orders)
    };
    let overflow = vec![(PolicyKey::Overflow, "reject-publish".into())];
    let rest = policy("rest", "", overflow);
    let limits = vec![
        (PolicyKey::MaxLength, 10.into()),
        (PolicyKey::DeliveryLimit, (-1).into()),
    ];
    let operators = policy("rest", "", limits);
    let expected = Policies::new(vec![orders, rest], vec![operators]);
    assert_eq!(config("--config barid.toml", &[], file).policies, expected);
    let none = config("", &[], "").policies;
    assert_eq!(none, Policies::default());
    let name = ExchangeName::new(b"x").unwrap();
    assert!(none.for_exchange(&name).user.is_none());
    assert!(
        none.for_queue(b"x", &QueueDefinition::DURABLE)
            .operator
            .is_none()
    );
}

/// Expects that a policy, behind a good one, is refused with all of these parts.
fn check(table: &str, lines: &str, parts: &[&str]) {
    let good =
        format!("[[{table}]]\nname = \"good\"\npattern = \"\"\ndefinition = {{ expires = 1 }}\n");
    let file = format!("{good}[[{table}]]\n{lines}");
    let parts: Vec<_> = parts.iter().copied().chain(["file barid.toml"]).collect();
    check_refused("--config barid.toml", &[], &file, &parts);
}

#[test]
fn what_is_wrong_with_a_policy_is_named_with_its_place() {
    let rest = "pattern = \"p\"\ndefinition = { expires = 1 }\n";
    check("policy", rest, &["policy[1].name = \"\"", "1 to 255 bytes"]);
    let good = format!("name = \"good\"\n{rest}");
    check(
        "policy",
        &good,
        &[
            "policy[1] (good).name = \"good\"",
            "no policy before it has",
        ],
    );
    let named = |lines: &str| format!("name = \"p\"\n{lines}");
    let check_line = |lines: &str, parts: &[&str]| check("policy", &named(lines), parts);
    let definition = "definition = { expires = 1 }\n";
    check_line(
        &format!("pattern = \"(\"\n{definition}"),
        &[
            "policy[1] (p).pattern = \"(\"",
            "a regular expression",
            "unclosed group",
        ],
    );
    check_line(
        &format!("pattern = \"(?!a)b\"\n{definition}"),
        &[
            "policy[1] (p).pattern",
            "without look-around",
            "not supported",
        ],
    );
    check_line(definition, &["policy[1] (p).pattern = \"\""]);
    check_line(
        &format!("apply-to = \"streams\"\n{rest}"),
        &[
            "policy[1] (p).apply-to = \"streams\"",
            "all, queues, classic_queues, quorum_queues, exchanges",
        ],
    );
    check_line(
        &format!("priority = \"high\"\n{rest}"),
        &["policy[1] (p).priority = \"high\"", "a whole number"],
    );
    check_line(
        &format!("applyto = \"all\"\n{rest}"),
        &[
            "unknown key policy[1] (p).applyto",
            "did you mean policy[1] (p).apply-to?",
        ],
    );
    check_line(
        "pattern = \"p\"",
        &["policy[1] (p).definition = \"\"", "at least one key"],
    );
    check_line(
        "pattern = \"p\"\ndefinition = {}",
        &["policy[1] (p).definition = \"{}\""],
    );
    check("policy", "name = 5", &["policy[1].name = \"5\""]);
    check_refused(
        "--config barid.toml",
        &[],
        "policy = 1",
        &["policy = \"1\"", "below [[policy]]"],
    );
    check_refused(
        "--config barid.toml",
        &[],
        "policy = [1]",
        &["policy[0] = \"1\"", "a table with name"],
    );
}

#[test]
fn what_a_policy_cannot_say_is_named_with_what_it_can() {
    let check_definition = |table: &str, definition: &str, parts: &[&str]| {
        let lines = format!("name = \"p\"\npattern = \"\"\ndefinition = {{ {definition} }}");
        check(table, &lines, parts);
    };
    check_definition(
        "policy",
        "max-priority = 5",
        &[
            "policy[1] (p).definition = \"max-priority = 5\"",
            "alternate-exchange, ",
            ", message-ttl,",
        ],
    );
    check_definition(
        "policy",
        "message-ttl = -1",
        &[
            "policy[1] (p).definition.message-ttl = \"-1\"",
            "milliseconds, at least 0",
        ],
    );
    check_definition(
        "policy",
        "max-length = \"ten\", overflow = \"drop\"",
        &[
            "(p).definition.max-length = \"ten\"",
            "(p).definition.overflow = \"drop\"",
            "reject-publish",
        ],
    );
    check_definition(
        "policy",
        "expires = 1.5",
        &["(p).definition.expires = \"1.5\""],
    );
    check_definition(
        "operator-policy",
        "dead-letter-exchange = \"x\"",
        &[
            "operator-policy[1] (p).definition",
            "dead-letter-exchange",
            "of these keys only: delivery-limit, expires",
        ],
    );
}
