//! `queue.declare`, `bind`, `unbind`, `purge`, `delete`.

use super::{Driven, short};
use broker_api::Refusal;
use model::QueueName;
use proto_amqp091::{FieldValue, Method, Table, TableBuf, queue};

fn declare<'a>(name: &'a str, arguments: Table<'a>) -> queue::Declare<'a> {
    queue::Declare {
        queue: short(name),
        passive: false,
        durable: false,
        exclusive: false,
        auto_delete: false,
        no_wait: false,
        arguments,
    }
}

/// What a declaration is answered by, and what it asks of the broker.
fn declared(declare: queue::Declare<'_>) -> (String, String) {
    let mut driven = Driven::with_channel();
    let answers = driven.send(1, &Method::QueueDeclare(declare));
    (answers.join(" "), driven.take_log().join(" "))
}

#[test]
fn are_declared() {
    let (answer, log) = declared(queue::Declare {
        durable: true,
        ..declare("q", Table::EMPTY)
    });
    let expected =
        "1 QueueDeclareOk(DeclareOk { queue: \"q\", message_count: 3, consumer_count: 2 })";
    assert_eq!(answer, expected);
    let expected = "1 DeclareQueue(DeclareQueue { name: Some(\"q\"), definition: QueueDefinition { \
                    durability: Durable, ownership: Shared, lifetime: Permanent, expires_ms: None,";
    assert!(log.starts_with(expected), "{log}");
    assert!(
        log.ends_with("if_exists: MustEqual, if_missing: Create })"),
        "{log}"
    );
    let (answer, log) = declared(queue::Declare {
        durable: true,
        exclusive: true,
        auto_delete: true,
        ..declare("", Table::EMPTY)
    });
    assert!(answer.contains("queue: \"amq.gen-1\""), "{answer}");
    let expected = "{ name: None, definition: QueueDefinition { durability: Transient, ownership: \
                    Exclusive, lifetime: UntilUnused,";
    assert!(log.contains(expected), "{log}");
    let (answer, log) = declared(queue::Declare {
        passive: true,
        no_wait: true,
        ..declare("q", Table::EMPTY)
    });
    assert_eq!(answer, "");
    assert!(
        log.ends_with("if_exists: Use, if_missing: Refuse })"),
        "{log}"
    );
}

#[test]
fn arguments_say_how_they_keep_messages() {
    let check = |arguments: &[(&str, FieldValue<'_>)], expected: &str| {
        let mut table = TableBuf::new();
        for (name, value) in arguments {
            table.push(short(name), value);
        }
        let (answer, log) = declared(declare("q", table.as_table().unwrap()));
        let found = format!("{answer} {log}");
        assert!(found.contains(expected), "{found}");
    };
    let text = |text: &'static str| FieldValue::LongString(text.as_bytes());
    check(
        &[("x-message-ttl", FieldValue::SignedInt(60))],
        "message_ttl_ms: Some(60)",
    );
    check(
        &[("x-message-ttl", FieldValue::SignedLong(0))],
        "message_ttl_ms: Some(0)",
    );
    check(
        &[("x-expires", FieldValue::UnsignedInt(5))],
        "expires_ms: Some(5)",
    );
    check(
        &[("x-max-length", FieldValue::UnsignedByte(9))],
        "length_max: Some(9)",
    );
    check(
        &[("x-max-length-bytes", FieldValue::SignedShort(8))],
        "bytes_max: Some(8)",
    );
    check(
        &[("x-overflow", text("reject-publish"))],
        "overflow: Some(RejectPublish),",
    );
    let expected = "overflow: Some(RejectPublishDeadLetter),";
    check(&[("x-overflow", text("reject-publish-dlx"))], expected);
    check(
        &[("x-max-priority", FieldValue::SignedByte(10))],
        "priority_max: 10",
    );
    check(
        &[("x-delivery-limit", FieldValue::SignedInt(20))],
        "delivery_limit: Some(20)",
    );
    check(
        &[("x-delivery-limit", FieldValue::SignedInt(-1))],
        "delivery_limit: Some(4294967295)",
    );
    check(
        &[("x-consumer-timeout", FieldValue::SignedLong(9))],
        "settle_ms: Some(9)",
    );
    let active = [("x-single-active-consumer", FieldValue::Boolean(true))];
    check(&active, "single_active: true");
    let dead = [
        ("x-dead-letter-exchange", text("dlx")),
        ("x-dead-letter-routing-key", text("k")),
    ];
    check(
        &dead,
        "dead_letter: Some(DeadLetter { exchange: \"dlx\", key: Some([107]) })",
    );
    check(
        &[("x-last-value-key", text("h"))],
        "last_value_header: Some([104])",
    );
    let redelivery = [
        ("x-redelivery-delay", FieldValue::SignedInt(100)),
        ("x-redelivery-multiplier", FieldValue::Double(1.5)),
        ("x-redelivery-jitter", FieldValue::SignedInt(10)),
    ];
    check(
        &redelivery,
        "multiplier_percent: 150, delay_ms_max: 18446744073709551615, jitter_percent: 10",
    );
    check(&[], "kind: Some(Classic)");
    check(&[("x-queue-type", text("classic"))], "kind: Some(Classic)");
    for (name, value) in [
        ("mine", FieldValue::Void),
        ("x-queue-mode", text("lazy")),
        ("x-queue-version", FieldValue::SignedInt(2)),
        ("x-queue-leader-locator", text("balanced")),
        ("x-queue-master-locator", text("min-masters")),
        ("x-dead-letter-strategy", text("at-least-once")),
        ("x-max-in-memory-length", FieldValue::SignedInt(0)),
        ("x-quorum-initial-group-size", FieldValue::SignedInt(3)),
    ] {
        check(&[(name, value)], "QueueDeclareOk");
    }
    let expected = "406, reply_text: \"PRECONDITION_FAILED - invalid arg 'x-message-ttl' for queue 'q' in \
                    vhost '/': it is 'soon', but must be a number of milliseconds, 0 to 315360000000\", \
                    class_id: 50, method_id: 10";
    check(&[("x-message-ttl", text("soon"))], expected);
    check(
        &[("x-message-ttl", FieldValue::SignedInt(-1))],
        "it is -1, but must be",
    );
    for name in ["x-message-ttl", "x-expires"] {
        let too_long = FieldValue::SignedLong(315_360_000_001);
        check(&[(name, too_long)], "it is 315360000001, but must be");
    }
    check(
        &[("x-single-active-consumer", text("true"))],
        "it is 'true', but must be true or false",
    );
    check(&[("x-queue-mode", text("eager"))], "default or lazy");
    check(
        &[("x-queue-version", FieldValue::SignedInt(3))],
        "it is 3, but must be 1 or 2",
    );
    check(&[("x-queue-leader-locator", text("me"))], "client-local");
    check(
        &[("x-max-in-memory-bytes", FieldValue::SignedInt(-1))],
        "it is -1",
    );
    check(
        &[("x-expires", FieldValue::SignedInt(0))],
        "it is 0, but must be",
    );
    check(
        &[("x-max-priority", FieldValue::SignedInt(256))],
        "it is 256, but must be",
    );
    check(
        &[("x-overflow", FieldValue::Boolean(true))],
        "it is true, but must be",
    );
    let expected = "'x-dead-letter-routing-key' for queue 'q' in vhost '/': it needs \
                    'x-dead-letter-exchange'";
    check(&[("x-dead-letter-routing-key", text("k"))], expected);
    check(&[("x-queue-type", text("other"))], "406");
    check(
        &[("x-queue-type", text("stream"))],
        "0 ConnectionClose(Close { reply_code: 540",
    );
}

#[test]
fn their_types_have_arguments_of_their_own() {
    let asked = |kind: Option<&'static str>, name: &str, value: FieldValue<'_>| {
        let mut table = TableBuf::new();
        if let Some(kind) = kind {
            let kind = FieldValue::LongString(kind.as_bytes());
            table.push(short("x-queue-type"), &kind);
        }
        table.push(short(name), &value);
        let (answer, log) = declared(queue::Declare {
            durable: true,
            ..declare("q", table.as_table().unwrap())
        });
        format!("{answer} {log}")
    };
    let number = FieldValue::SignedInt(5);
    let quorum = asked(Some("quorum"), "x-delivery-limit", number);
    let expected = "kind: Some(Quorum), rules: QueueRules {";
    assert!(quorum.contains(expected) && quorum.contains("delivery_limit: Some(5)"));
    let unfit = |kind: Option<&'static str>, name: &str, value, of: &str| {
        let found = asked(kind, name, value);
        let expected = format!(
            "406, reply_text: \"PRECONDITION_FAILED - invalid arg '{name}' for queue 'q' in vhost \
             '/' of queue type {of}\""
        );
        assert!(found.contains(&expected), "{found}");
    };
    unfit(Some("classic"), "x-delivery-limit", number, "classic");
    unfit(Some("quorum"), "x-max-priority", number, "quorum");
    let lazy = FieldValue::LongString(b"lazy");
    unfit(Some("quorum"), "x-queue-mode", lazy, "quorum");
    let age = FieldValue::LongString(b"1D");
    unfit(None, "x-max-age", age, "classic");
    unfit(Some("quorum"), "x-max-age", age, "quorum");
    // Who says no type has what there is of both.
    assert!(asked(None, "x-delivery-limit", number).contains("kind: Some(Classic)"));
    assert!(asked(None, "x-max-priority", number).contains("priority_max: 5"));
}

#[test]
fn quorum_queues_are_for_what_is_kept() {
    let mut table = TableBuf::new();
    table.push(short("x-queue-type"), &FieldValue::LongString(b"quorum"));
    let durable = queue::Declare {
        durable: true,
        ..declare("q", table.as_table().unwrap())
    };
    let check = |declare, expected: &str| {
        let (answer, log) = declared(declare);
        let found = format!("{answer} {log}");
        assert!(found.contains(expected), "{found}");
    };
    check(durable, "kind: Some(Quorum)");
    let transient = queue::Declare {
        durable: false,
        ..durable
    };
    check(
        transient,
        "406, reply_text: \"PRECONDITION_FAILED - invalid property 'non-durable' for queue 'q'",
    );
    let exclusive = queue::Declare {
        exclusive: true,
        ..durable
    };
    check(
        exclusive,
        "invalid property 'exclusive-owner' for queue 'q'",
    );
    let auto_delete = queue::Declare {
        auto_delete: true,
        ..durable
    };
    check(auto_delete, "invalid property 'auto-delete' for queue 'q'");
    let nameless = queue::Declare {
        queue: short(""),
        ..durable
    };
    check(
        nameless,
        "406, reply_text: \"PRECONDITION_FAILED - cannot declare a server-named queue",
    );
    // Who only asks for it need not know what it is.
    let passive = queue::Declare {
        passive: true,
        ..transient
    };
    check(passive, "QueueDeclareOk");
}

#[test]
fn no_name_means_the_one_declared_last_on_the_channel() {
    let mut driven = Driven::with_channel();
    driven.send(1, &Method::QueueDeclare(declare("", Table::EMPTY)));
    driven.take_log();
    let bind = queue::Bind {
        queue: short(""),
        exchange: short("x"),
        routing_key: short(""),
        no_wait: false,
        arguments: Table::EMPTY,
    };
    let answers = driven.send(1, &Method::QueueBind(bind));
    assert_eq!(answers, ["1 QueueBindOk(BindOk)"]);
    let log = driven.take_log();
    let key = b"amq.gen-1".map(|it| it.to_string()).join(", ");
    let expected = format!("destination: Queue(\"amq.gen-1\"), key: Exact([{key}])");
    assert!(log[0].contains(&expected), "{log:?}");
    let named = queue::Bind {
        queue: short("q"),
        ..bind
    };
    driven.send(1, &Method::QueueBind(named));
    let log = driven.take_log();
    assert!(
        log[0].contains("destination: Queue(\"q\"), key: Exact([])"),
        "{log:?}"
    );
    let mut driven = Driven::with_channel();
    let answers = driven.send(1, &Method::QueueBind(bind));
    let expected = "404, reply_text: \"NOT_FOUND - no previously declared queue\"";
    assert!(answers[0].contains(expected), "{answers:?}");
}

#[test]
fn are_unbound_purged_and_deleted() {
    let mut driven = Driven::with_channel();
    let unbind = queue::Unbind {
        queue: short("q"),
        exchange: short("x"),
        routing_key: short("k"),
        arguments: Table::EMPTY,
    };
    let answers = driven.send(1, &Method::QueueUnbind(unbind));
    assert_eq!(answers, ["1 QueueUnbindOk(UnbindOk)"]);
    let purge = queue::Purge {
        queue: short("q"),
        no_wait: false,
    };
    let answers = driven.send(1, &Method::QueuePurge(purge));
    assert_eq!(answers, ["1 QueuePurgeOk(PurgeOk { message_count: 7 })"]);
    let delete = queue::Delete {
        queue: short("q"),
        if_unused: true,
        if_empty: true,
        no_wait: false,
    };
    let answers = driven.send(1, &Method::QueueDelete(delete));
    assert_eq!(answers, ["1 QueueDeleteOk(DeleteOk { message_count: 7 })"]);
    let log = driven.take_log();
    assert!(log[0].starts_with("1 Unbind(Bind { source: \"x\", destination: Queue(\"q\")"));
    assert_eq!(log[1], "1 PurgeQueue(\"q\")");
    let expected = "1 DeleteQueue(DeleteQueue { name: \"q\", condition: DeleteIf { unused: true, \
                    empty: true } })";
    assert_eq!(log[2], expected);
    let quiet = queue::Delete {
        no_wait: true,
        ..delete
    };
    assert_eq!(driven.send(1, &Method::QueueDelete(quiet)), [""; 0]);
}

#[test]
fn what_the_broker_refuses_closes_the_channel() {
    let check = |refusal: Refusal, expected: &str| {
        let mut driven = Driven::with_channel();
        driven.refusals = vec![("DeclareQueue", refusal)];
        let answers = driven.send(1, &Method::QueueDeclare(declare("q", Table::EMPTY)));
        assert!(answers[0].starts_with("1 ChannelClose("), "{answers:?}");
        assert!(answers[0].contains(expected), "{answers:?}");
    };
    let name = || QueueName::new(b"q").unwrap();
    check(
        Refusal::QueueNotFound(name()),
        "404, reply_text: \"NOT_FOUND - no queue 'q' in vhost '/'\"",
    );
    check(
        Refusal::QueueLocked(name()),
        "405, reply_text: \"RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'q' in vhost '/'\"",
    );
    check(
        Refusal::QueueNotEmpty(name()),
        "406, reply_text: \"PRECONDITION_FAILED - queue 'q' in vhost '/' not empty\"",
    );
    check(
        Refusal::LimitReached {
            what: "queues",
            limit: 5,
        },
        "406, reply_text: \"PRECONDITION_FAILED - too many queues, the limit is 5\"",
    );
}
