//! Consumers, deliveries, and how these end.

use super::{Driven, TUNE_OK, open, short, start_ok};
use broker_api::{Delivery, Event, Field, HeadReader, Refusal};
use model::{
    Dialect, Envelope, Message, Parts, Persistence, Property, QueueName, Sequence, SubscriptionId,
    Value,
};
use proto_amqp091::{
    FieldValue, Method, PROTOCOL_HEADER, Table, TableBuf, basic, channel, connection,
};

pub(super) fn consume(tag: &str) -> basic::Consume<'_> {
    basic::Consume {
        queue: short("q"),
        consumer_tag: short(tag),
        no_local: false,
        no_ack: false,
        exclusive: false,
        no_wait: false,
        arguments: Table::EMPTY,
    }
}

pub(super) fn start(driven: &mut Driven, consume: basic::Consume<'_>) -> Vec<String> {
    driven.send(1, &Method::BasicConsume(consume))
}

pub(super) fn message(body: &[u8]) -> Message {
    Message::new(&Parts {
        envelope: Envelope {
            ttl_ms: Some(5),
            ..Envelope::new(Dialect::Mqtt3, Persistence::Persistent)
        },
        exchange: b"amq.topic",
        key: b"a.b",
        annotations: &[],
        head: &[],
        body,
    })
}

pub(super) fn message_of(envelope: Envelope, annotations: &[u8], head: &[u8]) -> Message {
    Message::new(&Parts {
        envelope,
        exchange: b"dlx",
        key: b"k",
        annotations,
        head: &[head],
        body: b"m",
    })
}

pub(super) fn deliver(
    driven: &mut Driven,
    subscription: u32,
    sequence: u64,
    body: &[u8],
) -> Vec<String> {
    driven.handle_event(Event::Delivery(Delivery {
        subscription: SubscriptionId(subscription),
        sequence: Sequence(sequence),
        redelivered: sequence == 2,
        delivery_count: 0,
        acquired_count: 0,
        expires_at: None,
        message: message(body),
    }));
    driven.read()
}

pub(super) fn ack(delivery_tag: u64, multiple: bool) -> Method<'static> {
    Method::BasicAck(basic::Ack {
        delivery_tag,
        multiple,
    })
}

pub(super) fn nack(delivery_tag: u64, requeue: bool) -> Method<'static> {
    Method::BasicNack(basic::Nack {
        delivery_tag,
        multiple: false,
        requeue,
    })
}

pub(super) fn qos(prefetch_count: u16) -> Method<'static> {
    Method::BasicQos(basic::Qos {
        prefetch_size: 0,
        prefetch_count,
        global: false,
    })
}

pub(super) fn cancel(tag: &str, no_wait: bool) -> Method<'_> {
    Method::BasicCancel(basic::Cancel {
        consumer_tag: short(tag),
        no_wait,
    })
}

/// One with a consumer `t`, which has been delivered so many messages.
fn consuming(deliveries: u64) -> Driven {
    let mut driven = Driven::with_channel();
    start(&mut driven, consume("t"));
    for sequence in 1..=deliveries {
        deliver(&mut driven, 1, sequence, b"m");
    }
    driven.take_log();
    driven
}

#[test]
fn begin_with_a_tag() {
    let mut driven = Driven::with_channel();
    let answers = start(&mut driven, consume("t"));
    assert_eq!(
        answers,
        ["1 BasicConsumeOk(ConsumeOk { consumer_tag: \"t\" })"]
    );
    let log = driven.take_log();
    let expected = "1 Subscribe(Subscribe { subscription: SubscriptionId(1), source: Queue(\"q\"), \
                    settle_mode: Explicit, grant: Grant { count: 0, limit: 18446744073709551615, drain: \
                    false }, selector: None, sharing: Competing { priority: 0 }";
    assert!(log[0].starts_with(expected), "{log:?}");
    let answers = start(&mut driven, consume(""));
    let expected = "1 BasicConsumeOk(ConsumeOk { consumer_tag: \"amq.ctag-2\" })";
    assert_eq!(answers, [expected]);
    let quiet = basic::Consume {
        no_wait: true,
        no_ack: true,
        exclusive: true,
        ..consume("u")
    };
    assert_eq!(start(&mut driven, quiet), [""; 0]);
    let log = driven.take_log();
    assert!(log[1].contains("settle_mode: Presettled"), "{log:?}");
    assert!(log[1].contains("sharing: Exclusive"), "{log:?}");
    let answers = start(&mut driven, consume("t"));
    let expected =
        "reply_code: 530, reply_text: \"NOT_ALLOWED - attempt to reuse consumer tag 't'\"";
    assert!(answers[0].contains(expected), "{answers:?}");
}

#[test]
fn have_a_priority() {
    let with = |value: FieldValue<'_>| {
        let mut table = TableBuf::new();
        table.push(short("x-priority"), &value);
        let mut driven = Driven::with_channel();
        let arguments = table.as_table().unwrap();
        let answers = start(
            &mut driven,
            basic::Consume {
                arguments,
                ..consume("t")
            },
        );
        format!("{answers:?} {:?}", driven.take_log())
    };
    assert!(with(FieldValue::SignedInt(-7)).contains("Competing { priority: -7 }"));
    assert!(with(FieldValue::SignedLong(1 << 40)).contains("reply_code: 406"));
    assert!(with(FieldValue::LongString(b"1")).contains("reply_code: 406"));
}

#[test]
fn that_are_refused_close_the_channel() {
    let check = |refusal: Refusal, expected: &str| {
        let mut driven = Driven::with_channel();
        driven.refusals = vec![("Subscribe", refusal)];
        let answers = start(&mut driven, consume("t"));
        assert!(answers[0].starts_with("1 ChannelClose("), "{answers:?}");
        assert!(answers[0].contains(expected), "{answers:?}");
        driven.send(1, &Method::ChannelCloseOk(channel::CloseOk));
        driven.send(1, &Method::ChannelOpen(channel::Open));
        assert_eq!(start(&mut driven, consume("t")).len(), 1);
        assert!(!driven.is_closed());
    };
    let name = || QueueName::new(b"q").unwrap();
    check(
        Refusal::QueueNotFound(name()),
        "404, reply_text: \"NOT_FOUND - no queue 'q' in vhost '/'\"",
    );
    let text = "403, reply_text: \"ACCESS_REFUSED - queue 'q' in vhost '/' in exclusive use\"";
    check(Refusal::QueueInUse(name()), text);
}

#[test]
fn deliveries_are_numbered_on_their_channel() {
    let mut driven = Driven::with_channel();
    driven.send(2, &Method::ChannelOpen(channel::Open));
    start(&mut driven, consume("t"));
    driven.send(2, &Method::BasicConsume(consume("t")));
    let found = deliver(&mut driven, 1, 9, b"hello");
    let head = |channel, tag, redelivered| {
        format!(
            "{channel} BasicDeliver(Deliver {{ consumer_tag: \"t\", delivery_tag: {tag}, redelivered: \
             {redelivered}, exchange: \"amq.topic\", routing_key: \"a.b\" }})"
        )
    };
    assert_eq!(found[0], head(1, 1, false));
    assert!(
        found[1].starts_with("1 ContentHeader { body_len: 5, properties: "),
        "{found:?}"
    );
    assert!(
        found[1].contains("delivery_mode: Some(2), priority: None"),
        "{found:?}"
    );
    assert_eq!(found[2], "1 \"hello\"");
    let found = deliver(&mut driven, 1, 2, b"");
    assert_eq!((found.len(), &found[0]), (2, &head(1, 2, true)));
    assert_eq!(deliver(&mut driven, 2, 7, b"")[0], head(2, 1, false));
    assert_eq!(deliver(&mut driven, 3, 7, b""), [""; 0]);
}

#[test]
fn bodies_are_split_to_what_was_agreed_on() {
    let mut driven = Driven::new();
    driven.feed(&PROTOCOL_HEADER);
    driven.send(0, &start_ok(Table::EMPTY, "PLAIN", b"\0a\0b"));
    let Method::ConnectionTuneOk(tune_ok) = TUNE_OK else {
        panic!("it is one");
    };
    let frame_max = 10_000;
    let tune_ok = connection::TuneOk {
        frame_max,
        ..tune_ok
    };
    driven.send(0, &Method::ConnectionTuneOk(tune_ok));
    driven.send(0, &open("/"));
    driven.send(1, &Method::ChannelOpen(channel::Open));
    start(&mut driven, consume("t"));
    let mut check = |len: usize, expected: &[usize]| {
        let body: Vec<u8> = (b'a'..=b'z').cycle().take(len).collect();
        let found = deliver(&mut driven, 1, 1, &body);
        let pieces: Vec<&str> = found[2..].iter().map(|it| &it[3..it.len() - 1]).collect();
        let lens: Vec<usize> = pieces.iter().map(|it| it.len()).collect();
        assert_eq!(lens, expected);
        assert_eq!(pieces.concat().as_bytes(), body);
    };
    check(9_000, &[9_000]);
    check(9_992, &[9_992]);
    check(9_993, &[9_992, 1]);
    check(25_000, &[9_992, 9_992, 5_016]);
}

#[test]
fn deliveries_are_settled() {
    let settled = |method: &Method<'_>| {
        let mut driven = consuming(4);
        assert_eq!(driven.send(1, method), [""; 0]);
        driven.take_log().join(" ")
    };
    let settle = |sequences: &str, outcome: &str| {
        let part = |it: &str| format!("Sequence({it})");
        let sequences: Vec<String> = sequences.split_whitespace().map(part).collect();
        format!(
            "0 Settle(Settle {{ subscription: SubscriptionId(1), sequences: [{}], outcome: {outcome}, \
             confirm: Unwanted }})",
            sequences.join(", ")
        )
    };
    assert_eq!(settled(&ack(2, false)), settle("2", "Accept"));
    assert_eq!(settled(&ack(3, true)), settle("1 2 3", "Accept"));
    assert_eq!(settled(&ack(0, true)), settle("1 2 3 4", "Accept"));
    assert_eq!(settled(&nack(1, true)), settle("1", "Fail"));
    assert_eq!(settled(&nack(1, false)), settle("1", "Reject"));
    let reject = |requeue| {
        Method::BasicReject(basic::Reject {
            delivery_tag: 4,
            requeue,
        })
    };
    assert_eq!(settled(&reject(true)), settle("4", "Fail"));
    assert_eq!(settled(&reject(false)), settle("4", "Reject"));
    // What comes in one piece goes in one command.
    let mut driven = consuming(4);
    let both = [ack(1, false), ack(2, false), nack(3, true)];
    let bytes: Vec<u8> = both.iter().flat_map(|it| super::bytes_of(1, it)).collect();
    driven.feed(&bytes);
    let expected = [settle("1 2", "Accept"), settle("3", "Fail")];
    assert_eq!(driven.take_log(), expected);
}

#[test]
fn a_tag_that_is_not_to_be_settled_closes_the_channel() {
    for method in [ack(3, false), ack(3, true), nack(9, true), ack(0, false)] {
        let mut driven = consuming(2);
        let answers = driven.send(1, &method);
        let text = "reply_code: 406, reply_text: \"PRECONDITION_FAILED - unknown delivery tag ";
        assert!(answers[0].contains(text), "{answers:?}");
        assert_eq!(driven.take_log(), ["0 Cancel(SubscriptionId(1))"]);
    }
    let mut driven = consuming(2);
    driven.send(1, &ack(1, false));
    assert!(driven.send(1, &ack(1, false))[0].contains("unknown delivery tag 1"));
    // With nothing to settle, all of it is settled.
    let mut driven = Driven::with_channel();
    assert_eq!(driven.send(1, &ack(0, true)), [""; 0]);
}

#[test]
fn have_no_more_in_hand_than_their_prefetch() {
    let mut driven = Driven::with_channel();
    assert_eq!(driven.send(1, &qos(2)), ["1 BasicQosOk(QosOk)"]);
    start(&mut driven, consume("t"));
    assert!(driven.take_log()[0].contains("grant: Grant { count: 0, limit: 2, drain: false }"));
    deliver(&mut driven, 1, 1, b"");
    deliver(&mut driven, 1, 2, b"");
    assert!(driven.take_log().is_empty());
    driven.send(1, &ack(1, false));
    let log = driven.take_log();
    let grant = |count, limit| {
        format!(
            "0 Grant(SubscriptionId(1), Grant {{ count: {count}, limit: {limit}, drain: false }})"
        )
    };
    assert!(log.len() == 2 && log[1] == grant(2, 1), "{log:?}");
    driven.send(1, &ack(2, false));
    assert_eq!(driven.take_log()[1], grant(2, 2));
    // It counts for consumers that begin afterwards, and not where nothing is to be settled.
    driven.send(1, &qos(0));
    start(&mut driven, consume("u"));
    assert!(driven.take_log()[0].contains("limit: 18446744073709551615"));
    driven.send(1, &qos(5));
    let no_ack = basic::Consume {
        no_ack: true,
        ..consume("v")
    };
    start(&mut driven, no_ack);
    assert!(driven.take_log()[0].contains("limit: 18446744073709551615"));
    let sized = basic::Qos {
        prefetch_size: 9,
        prefetch_count: 0,
        global: false,
    };
    let answers = driven.send(1, &Method::BasicQos(sized));
    assert!(answers[0].contains("540, reply_text: \"NOT_IMPLEMENTED - prefetch_size!=0 (9)\""));
}

#[test]
fn are_canceled() {
    let cancel_ok = "1 BasicCancelOk(CancelOk { consumer_tag: \"t\" })";
    let mut driven = consuming(0);
    assert_eq!(driven.send(1, &cancel("t", false)), [cancel_ok]);
    assert_eq!(driven.take_log(), ["1 Cancel(SubscriptionId(1))"]);
    assert_eq!(driven.send(1, &cancel("t", false)), [cancel_ok]);
    assert_eq!(driven.send(1, &cancel("t", true)), [""; 0]);
    // What it has in hand may still be settled.
    let mut driven = consuming(2);
    assert_eq!(driven.send(1, &cancel("t", false)), [cancel_ok]);
    assert_eq!(driven.take_log(), ["1 StepAside(SubscriptionId(1))"]);
    driven.send(1, &ack(1, false));
    assert_eq!(driven.take_log().len(), 1);
    driven.send(1, &ack(2, false));
    let log = driven.take_log();
    assert!(
        log.len() == 2 && log[1] == "0 Cancel(SubscriptionId(1))",
        "{log:?}"
    );
    // What comes before the answer goes back; but what nobody is to settle is gone.
    let mut driven = consuming(1);
    driven.send_unanswered(1, &cancel("t", false));
    assert_eq!(deliver(&mut driven, 1, 2, b"crossed").len(), 0);
    let mut driven = Driven::with_channel();
    let no_ack = basic::Consume {
        no_ack: true,
        ..consume("t")
    };
    start(&mut driven, no_ack);
    driven.send_unanswered(1, &cancel("t", false));
    assert_eq!(deliver(&mut driven, 1, 2, b"crossed").len(), 3);
    // What is settled in the same piece is settled before.
    let mut driven = Driven::with_channel();
    driven.send(1, &qos(1));
    start(&mut driven, consume("t"));
    deliver(&mut driven, 1, 1, b"m");
    driven.take_log();
    let both = [ack(1, false), cancel("t", false)];
    let bytes: Vec<u8> = both.iter().flat_map(|it| super::bytes_of(1, it)).collect();
    driven.feed(&bytes);
    assert_eq!(driven.read(), [cancel_ok]);
    let log = driven.take_log();
    assert_eq!(log.len(), 3, "{log:?}");
    assert_eq!(log[2], "1 Cancel(SubscriptionId(1))");
    // The tag is free, also before.
    let mut driven = consuming(1);
    driven.send(1, &cancel("t", true));
    assert_eq!(start(&mut driven, consume("t")).len(), 1);
}

#[test]
fn end_with_their_channel() {
    let mut driven = consuming(1);
    let close = channel::Close {
        reply_code: 200,
        reply_text: short(""),
        class_id: 0,
        method_id: 0,
    };
    let answers = driven.send(1, &Method::ChannelClose(close));
    assert_eq!(answers, ["1 ChannelCloseOk(CloseOk)"]);
    assert_eq!(driven.take_log(), ["0 Cancel(SubscriptionId(1))"]);
    assert_eq!(deliver(&mut driven, 1, 2, b""), [""; 0]);
}

#[test]
fn end_with_their_queue() {
    let ended = |capabilities: &[&str]| {
        let mut driven = Driven::opened(capabilities);
        driven.send(1, &Method::ChannelOpen(channel::Open));
        start(&mut driven, consume("t"));
        deliver(&mut driven, 1, 1, b"");
        driven.take_log();
        let name = QueueName::new(b"q").unwrap();
        driven.handle_event(Event::Ended(SubscriptionId(1), Refusal::QueueDeleted(name)));
        let told = driven.read();
        // What it had in hand is gone; its tag is not unknown for that.
        assert_eq!(driven.send(1, &ack(1, false)), [""; 0]);
        assert!(driven.take_log().is_empty());
        assert_eq!(start(&mut driven, consume("t")).len(), 1);
        told
    };
    assert_eq!(ended(&[]), [""; 0]);
    let expected = "1 BasicCancel(Cancel { consumer_tag: \"t\", no_wait: true })";
    assert_eq!(ended(&["consumer_cancel_notify"]), [expected]);
    // One that the client has canceled is answered all the same.
    let mut driven = consuming(1);
    driven.send_unanswered(1, &cancel("t", false));
    let name = QueueName::new(b"q").unwrap();
    driven.handle_event(Event::Ended(SubscriptionId(1), Refusal::QueueDeleted(name)));
    let cancel_ok = "1 BasicCancelOk(CancelOk { consumer_tag: \"t\" })";
    assert_eq!(driven.read(), [cancel_ok]);
}

#[test]
fn what_is_not_settled_is_recovered() {
    let mut driven = consuming(2);
    let recover = Method::BasicRecover(basic::Recover { requeue: true });
    assert_eq!(driven.send(1, &recover), ["1 BasicRecoverOk(RecoverOk)"]);
    let log = driven.take_log();
    assert!(
        log[0].contains("sequences: [Sequence(1), Sequence(2)], outcome: Release"),
        "{log:?}"
    );
    assert!(driven.send(1, &ack(1, false))[0].contains("unknown delivery tag 1"));
    let mut driven = consuming(1);
    let recover = Method::BasicRecoverAsync(basic::RecoverAsync { requeue: true });
    assert_eq!(driven.send(1, &recover), [""; 0]);
    let mut driven = consuming(1);
    let recover = Method::BasicRecover(basic::Recover { requeue: false });
    assert!(driven.send(1, &recover)[0].contains("reply_code: 540"));
}

#[test]
fn are_no_more_than_the_limit() {
    let limits = proto_amqp091::Limits {
        consumers_max: 1,
        ..proto_amqp091::Limits::default()
    };
    let mut driven = Driven::with_limits(limits);
    driven.feed(&PROTOCOL_HEADER);
    driven.send(0, &start_ok(Table::EMPTY, "PLAIN", b"\0a\0b"));
    driven.send(0, &TUNE_OK);
    driven.send(0, &open("/"));
    driven.send(1, &Method::ChannelOpen(channel::Open));
    start(&mut driven, consume("t"));
    let answers = start(&mut driven, consume("u"));
    let expected = "506, reply_text: \"RESOURCE_ERROR - too many consumers, the limit is 1\"";
    assert!(answers[0].contains(expected), "{answers:?}");
}

/// A head that says all there is to say.
pub(super) struct Talkative;

impl HeadReader for Talkative {
    fn header<'m>(&self, _: &'m Message, _: &[u8]) -> Option<Value<'m>> {
        None
    }

    fn property<'m>(&self, _: &'m Message, _: Property) -> Option<Value<'m>> {
        None
    }

    fn fields<'m>(&self, _: &'m Message, each: &mut dyn FnMut(Field<'m>)) {
        let texts = [
            (Property::ContentType, "text/plain"),
            (Property::ContentEncoding, "gzip"),
            (Property::CorrelationId, "c"),
            (Property::MessageId, "m"),
            (Property::Type, "t"),
            (Property::UserId, "u"),
            (Property::AppId, "a"),
            (Property::ReplyTo, "/queues/answers"),
            (Property::GroupId, "g"),
        ];
        for (property, text) in texts {
            each(Field::Property(property, Value::text(text)));
        }
        let timestamp = Value::Integer(1_700_000_000_123);
        each(Field::Property(Property::Timestamp, timestamp));
        each(Field::Property(Property::Priority, Value::Integer(3)));
        each(Field::Property(Property::Expiration, Value::Integer(5)));
        let mut header = |name: &'static str, value| {
            each(Field::Header(name.as_bytes().into(), value));
        };
        header("text", Value::text("v"));
        header("number", Value::Integer(-1));
        header("large", Value::Integer(1 << 70));
        header("half", Value::float(0.5));
        header("yes", Value::Bool(true));
        header("nothing", Value::Void);
    }
}

#[test]
fn deliveries_that_failed_are_counted() {
    let mut driven = Driven::with_channel();
    start(&mut driven, consume("t"));
    let mut told = |dialect, delivery_count| {
        // Of AMQP's, one that says nothing.
        let head: &[u8] = if dialect == Dialect::Amqp091 {
            &[0, 0]
        } else {
            &[]
        };
        let envelope = Envelope::new(dialect, Persistence::Transient);
        driven.handle_event(Event::Delivery(Delivery {
            subscription: SubscriptionId(1),
            sequence: Sequence(1),
            redelivered: delivery_count > 0,
            delivery_count,
            acquired_count: delivery_count,
            expires_at: None,
            message: message_of(envelope, &[], head),
        }));
        driven.read()[1].clone()
    };
    for dialect in [Dialect::Amqp091, Dialect::Mqtt3] {
        let found = told(dialect, 0);
        assert!(found.contains("headers: None,"), "{found}");
        let found = told(dialect, 3);
        let expected = "headers: Some({\"x-delivery-count\": SignedLong(3)}),";
        assert!(found.contains(expected), "{found}");
    }
}

#[test]
fn messages_of_other_protocols_say_what_they_said() {
    let mut driven = Driven::with_channel();
    driven.use_heads(|_| &Talkative);
    start(&mut driven, consume("t"));
    let found = deliver(&mut driven, 1, 1, b"x");
    let value = |text: &str| {
        let bytes: Vec<String> = text.bytes().map(|it| it.to_string()).collect();
        format!("LongString([{}])", bytes.join(", "))
    };
    let headers = [
        // It is for clients to say who they are, not for other protocols.
        ("user-id", value("u")),
        ("JMSXGroupID", value("g")),
        ("timestamp_in_ms", "SignedLong(1700000000123)".to_owned()),
        ("text", value("v")),
        ("number", "SignedLong(-1)".to_owned()),
        ("x-typed-large", value("integer")),
        ("large", value("1180591620717411303424")),
        ("half", "Double(0.5)".to_owned()),
        ("yes", "Boolean(true)".to_owned()),
        ("nothing", "Void".to_owned()),
    ]
    .map(|(name, value)| format!("\"{name}\": {value}"))
    .join(", ");
    let expected = format!(
        "1 ContentHeader {{ body_len: 1, properties: PropertyList {{ content_type: Some(\"text/plain\"), \
         content_encoding: Some(\"gzip\"), headers: Some({{{headers}}}), delivery_mode: Some(2), priority: \
         Some(3), correlation_id: Some(\"c\"), reply_to: Some(\"answers\"), expiration: Some(\"5\"), \
         message_id: Some(\"m\"), timestamp: Some(1700000000), type: Some(\"t\"), user_id: None, \
         app_id: Some(\"a\"), cluster_id: None }} }}"
    );
    assert_eq!(found[1], expected);
}
