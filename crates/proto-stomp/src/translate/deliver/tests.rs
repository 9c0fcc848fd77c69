use super::*;
use crate::StompHeads;
use broker_api::{Field, HeadReader};
use model::{
    Death, DeathReason, Deaths, Dialect, Envelope, Message, Parts, Persistence, Property, Sequence,
    Value,
};
use proptest::collection::vec;
use proptest::prelude::{Just, any, prop_oneof, proptest};
use proptest::strategy::Strategy;
use std::borrow::Cow;

fn message(dialect: Dialect, dialect_flags: u8, head: &[u8], body: &[u8]) -> Message {
    annotated(dialect, dialect_flags, &[], head, body)
}

fn annotated(
    dialect: Dialect,
    dialect_flags: u8,
    annotations: &[u8],
    head: &[u8],
    body: &[u8],
) -> Message {
    let envelope = Envelope {
        dialect_flags,
        ..Envelope::new(dialect, Persistence::Transient)
    };
    Message::new(&Parts {
        envelope,
        exchange: b"amq.topic",
        key: b"k",
        annotations,
        head: &[head],
        body,
    })
}

fn render(version: Version, id: Option<&str>, has_ack: bool, message: &Message) -> String {
    let opening = Opening::new(
        id.map(str::as_bytes),
        ConnectionId(7),
        SubscriptionId(3),
        has_ack,
    );
    let mut wire = Wire::new();
    let delivery = Delivery {
        subscription: SubscriptionId(3),
        sequence: Sequence(5),
        redelivered: has_ack,
        delivery_count: if has_ack { 4 } else { 0 },
        acquired_count: 0,
        expires_at: None,
        message: message.clone(),
    };
    put_message(&mut wire, version, heads, &opening, 12, &delivery);
    String::from_utf8(wire.take()).unwrap()
}

fn heads(dialect: Dialect) -> &'static dyn HeadReader {
    match dialect {
        Dialect::Stomp10 | Dialect::Stomp11 | Dialect::Stomp12 => &StompHeads,
        Dialect::Mqtt3 | Dialect::Mqtt5 | Dialect::Amqp091 | Dialect::Zmq => &Foreign,
    }
}

/// The heads of another protocol, which say the same always.
struct Foreign;

impl HeadReader for Foreign {
    fn header<'m>(&self, _: &'m Message, _: &[u8]) -> Option<Value<'m>> {
        None
    }

    fn property<'m>(&self, _: &'m Message, _: Property) -> Option<Value<'m>> {
        None
    }

    fn fields<'m>(&self, message: &'m Message, each: &mut dyn FnMut(Field<'m>)) {
        let name = |name: &'static str| Cow::Borrowed(name.as_bytes());
        let reply_to = Value::text(match message.head() {
            head if head.starts_with(b"/") => head,
            _ => b"/exchanges/x/k",
        });
        for field in [
            Field::Header(name("subscription"), Value::text("forged")),
            Field::Property(Property::ReplyTo, reply_to),
            Field::Header(name("a:b"), Value::Integer(5)),
            Field::Property(Property::GroupSequence, Value::Integer(2)),
            Field::Property(Property::CorrelationId, Value::text(b"\xff")),
            Field::Header(name("c"), Value::Bool(true)),
            Field::Header(name("c"), Value::Opaque(b"\0"[..].into())),
        ] {
            each(field);
        }
    }
}

#[test]
fn renders_every_form() {
    let plain = message(
        Dialect::Stomp10,
        FLAG_PLAIN,
        b"destination:/topic/k\n",
        b"a\0b",
    );
    assert_eq!(
        render(Version::V12, Some("s"), true, &plain),
        "MESSAGE\nsubscription:s\nmessage-id:7-3-12\nack:7-3-12\nredelivered:true\n\
         x-delivery-count:4\ncontent-length:3\ndestination:/topic/k\n\na\0b\0"
    );
    assert_eq!(
        render(Version::V10, None, false, &plain),
        "MESSAGE\nmessage-id:7-3-12\ncontent-length:3\ndestination:/topic/k\n\na\0b\0"
    );
}

#[test]
fn messages_of_other_protocols_have_headers() {
    // The flags are that protocol's, whatever STOMP's mean.
    let foreign = message(Dialect::Mqtt5, FLAG_PLAIN, b"a:no line\n", b"body");
    assert_eq!(
        render(Version::V12, Some("s"), false, &foreign),
        "MESSAGE\nsubscription:s\nmessage-id:7-3-12\ncontent-length:4\ndestination:/topic/k\n\
         reply-to:/exchange/x/k\nx-header-subscription:forged\nx-typed-a\\cb:integer\na\\cb:5\n\
         JMSXGroupSeq:2\nx-base64-correlation-id:/w==\nx-typed-c:boolean\nc:true\n\
         x-typed-c:opaque\nc:AA==\n\nbody\0"
    );
}

#[test]
fn a_queue_is_answered_to_as_one_that_is_there() {
    for (said, told) in [
        ("/queues/amq.gen-1%25", "/reply-queue/amq.gen-1%25"),
        ("/queues/q", "/reply-queue/q"),
        ("/exchanges/amq.direct/k", "/exchange/amq.direct/k"),
    ] {
        let text = render(
            Version::V12,
            None,
            false,
            &message(Dialect::Amqp091, 0, said.as_bytes(), b""),
        );
        assert!(text.contains(&format!("\nreply-to:{told}\n")), "{text}");
    }
}

#[test]
fn a_dead_letter_tells_its_deaths() {
    let mut deaths = Deaths::default();
    let death = |queue: &str, reason| Death {
        queue: queue.into(),
        reason,
        count: 1,
        time_ms: 1_700_000_000_000,
        exchange: b"".to_vec(),
        key: b"k\x01".to_vec(),
        further_keys: Vec::new(),
    };
    deaths.add(death("a:\"q\"\\\n", DeathReason::Expired));
    deaths.add(death("b", DeathReason::Rejected));
    deaths.add(death("b", DeathReason::Rejected));
    let dead = |version: Version| {
        let message = annotated(version.dialect(), 0, &deaths.encode(), b"f:1\n", b"");
        render(version, None, false, &message)
    };
    let newer = r#"x-death:[{"queue"\c"b","reason"\c"rejected","count"\c2,"exchange"\c"","routing-keys"\c["k\\u0001"],"time"\c1700000000000},{"queue"\c"a\c\\"q\\"\\\\\\n","reason"\c"expired","count"\c1,"exchange"\c"","routing-keys"\c["k\\u0001"],"time"\c1700000000000}]"#;
    assert_eq!(
        dead(Version::V12),
        format!(
            "MESSAGE\nmessage-id:7-3-12\ncontent-length:0\nx-first-death-queue:a\\c\"q\"\\\\\\n\n\
             x-first-death-reason:expired\nx-first-death-exchange:\n{newer}\nf:1\n\n\0"
        )
    );
    let older = r#"{"queue":"b","reason":"rejected","count":2,"exchange":"","routing-keys":["k\u0001"],"time":1700000000000}"#;
    assert!(dead(Version::V10).contains(older), "{}", dead(Version::V10));
    let garbage = annotated(Dialect::Stomp12, 0, b"?", b"f:1\n", b"");
    let text = render(Version::V12, None, false, &garbage);
    assert!(text.ends_with("content-length:0\nf:1\n\n\0"), "{text}");
}

#[test]
fn the_end_of_browsing_is_a_message() {
    let end = BrowserEnd::new(Some(b"s"), b"/queue/a");
    assert_eq!(
        String::from_utf8_lossy(end.as_bytes()),
        "MESSAGE\nsubscription:s\nbrowser:end\nmessage-id:0\ndestination:/queue/a\ncontent-length:0\n\n\0"
    );
}

#[test]
fn converts_between_versions() {
    let check = |from: Dialect, head: &str, to: Version, expected: &str| {
        let text = render(to, None, false, &message(from, 0, head.as_bytes(), b""));
        let head = text
            .strip_prefix("MESSAGE\nmessage-id:7-3-12\ncontent-length:0\n")
            .unwrap();
        assert_eq!(head, format!("{expected}\n\0"));
    };
    check(
        Dialect::Stomp12,
        "a:1\\r\\n2\n",
        Version::V11,
        "a:1\r\\n2\n",
    );
    check(
        Dialect::Stomp12,
        "a\\cb:1\\n2\\c3\\\\n\n",
        Version::V10,
        "a\\cb:1\\n2:3\\n\n",
    );
    check(Dialect::Stomp10, "a:x:\\n\n", Version::V11, "a:x\\c\\\\n\n");
    check(Dialect::Stomp10, "a:1\na:2\n", Version::V12, "a:1\na:2\n");
    check(Dialect::Stomp11, "a:1\rb\n", Version::V12, "a:1\\rb\n");
    check(
        Dialect::Stomp11,
        "a:raw:colon\n",
        Version::V11,
        "a:raw:colon\n",
    );
}

fn spelled(version: Version, headers: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let mut head = BytesMut::new();
    for (name, value) in headers {
        put_escaped(version, Part::Name, name, &mut head);
        head.put_u8(b':');
        put_escaped(version, Part::Value, value, &mut head);
        head.put_u8(b'\n');
    }
    head.to_vec()
}

fn octet() -> impl Strategy<Value = u8> {
    prop_oneof![
        Just(b'\\'),
        Just(b'n'),
        Just(b'c'),
        Just(b'r'),
        Just(b'\r'),
        any::<u8>()
    ]
}

fn convert(from: Version, to: Version, head: &[u8]) -> Vec<u8> {
    let mut buffer = BytesMut::new();
    put_converted(&mut buffer, from, to, head);
    buffer.to_vec()
}

proptest! {
    /// What 1.0 can spell comes back from a walk through all versions.
    #[test]
    fn a_walk_through_the_versions_is_the_identity(
        headers in vec((vec(octet(), 1..8), vec(prop_oneof![octet(), Just(b':')], 0..8)), 0..5)
    ) {
        let headers: Vec<(Vec<u8>, Vec<u8>)> = headers
            .into_iter()
            .map(|(mut name, mut value)| {
                name.retain(|octet| *octet != b'\n' && *octet != b':');
                value.retain(|octet| *octet != b'\n');
                (name, value)
            })
            .collect();
        let first = spelled(Version::V10, &headers);
        let second = convert(Version::V10, Version::V11, &first);
        assert_eq!(second, spelled(Version::V11, &headers));
        let third = convert(Version::V11, Version::V12, &second);
        assert_eq!(third, spelled(Version::V12, &headers));
        assert_eq!(convert(Version::V12, Version::V10, &third), first);
    }
}
