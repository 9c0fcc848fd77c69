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
        "overflow: RejectPublish,",
    );
    let expected = "overflow: RejectPublishDeadLetter,";
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
        "delivery_limit: None",
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
    check(&[("x-queue-type", text("quorum"))], "QueueDeclareOk");
    check(
        &[("x-queue-mode", text("lazy")), ("mine", FieldValue::Void)],
        "QueueDeclareOk",
    );
    let expected = "406, reply_text: \"PRECONDITION_FAILED - invalid arg 'x-message-ttl': it is 'soon', \
                    but must be a number of milliseconds for queue 'q' in vhost '/'\", class_id: 50, \
                    method_id: 10";
    check(&[("x-message-ttl", text("soon"))], expected);
    check(
        &[("x-message-ttl", FieldValue::SignedInt(-1))],
        "it is -1, but must be",
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
    let expected = "'x-dead-letter-routing-key': it needs 'x-dead-letter-exchange'";
    check(&[("x-dead-letter-routing-key", text("k"))], expected);
    check(&[("x-queue-type", text("other"))], "406");
    check(
        &[("x-queue-type", text("stream"))],
        "0 ConnectionClose(Close { reply_code: 540",
    );
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
