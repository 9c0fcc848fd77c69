//! Generated messages, and heads of any bytes.

use super::bridge::{
    Said, VERSIONS, amqp_properties, heads, known_names, message, properties, published, sent,
    spelled, through_amqp, through_mqtt, through_stomp,
};
use bytes::BytesMut;
use model::{Dialect, Envelope, Message, Persistence};
use proptest::collection::vec;
use proptest::prelude::{Just, any, prop_oneof, proptest};
use proptest::sample::select;
use proptest::strategy::{BoxedStrategy, Strategy};
use proto_amqp091::{FieldValue, ShortStr, TableBuf};
use proto_mqtt::{Binary, PayloadFormat, Property, PropertyList, Text, TopicName};
use proto_stomp::{HeaderName, Version};

const KEY: &[u8] = b"a.b/c";

/// Names that mean something, that would in some form, and others.
fn name() -> BoxedStrategy<String> {
    let known = known_names()
        .into_iter()
        .map(|name| String::from_utf8(name).unwrap());
    let mut names: Vec<_> = known.collect();
    names.extend(
        [
            "a",
            "b",
            "A",
            "a b",
            "a:b",
            "a\nb",
            "a\\c",
            "\u{e9}",
            "x-base64",
            "destination",
            "reply-to",
            "message-id",
            "content-length",
            "x-death",
            "expires",
            "JMSType",
            "x-message-ttl",
            "browser",
            "x-omitted",
            "CC",
            "BCC",
            "correlation-id",
            "",
        ]
        .map(str::to_owned),
    );
    let prefix = prop_oneof![6 => Just(""), 1 => Just("x-header-"), 1 => Just("x-base64-"), 1 => Just("x-typed-"), 1 => Just("x-header-x-header-")];
    (prefix, select(names))
        .prop_map(|(prefix, name)| format!("{prefix}{name}"))
        .boxed()
}

fn value() -> BoxedStrategy<String> {
    let known = [
        "",
        "0",
        "4",
        "04",
        "256",
        "1500",
        "2000",
        "true",
        "false",
        "2",
        "text",
        "bytes",
        "end",
        " a ",
        "a\nb",
        "a:b",
        "a\rb",
        "a\\nb",
        "\\",
        "\u{fffd}",
        "YQ==",
        "IA==",
        "AA==",
        "CgA=",
        "YQ==.YQ==",
        "IA==.YQ==",
        ".",
        "integer",
        "float",
        "opaque",
        "void",
        "0.5",
        "/topic/a.b/c",
        "topic://a.b/c",
        "/topic/x.y",
        "/queue/q",
        "queue://q",
        "/exchange/amq.topic/x",
        "/amq/queue/q",
        "/queues/q",
        "/exchanges/amq.topic/a%2Fb",
        "/exchanges/amq.topic/",
        "/exchanges/x/k",
        "/temp-queue/x",
        "a,b",
        "a?b=c",
    ];
    prop_oneof![4 => select(known.to_vec()).prop_map(str::to_owned), 1 => ".{0,4}".prop_map(|text| text.replace('\0', ""))].boxed()
}

/// Headers of a SEND as the session takes them: no name that only the server writes; numbers where it reads
/// numbers.
fn headers(version: Version) -> impl Strategy<Value = Vec<(Vec<u8>, Vec<u8>)>> {
    let raw = prop_oneof![
        8 => value().prop_map(String::into_bytes),
        1 => vec(any::<u8>(), 0..4),
    ];
    vec((name(), raw), 0..8).prop_map(move |headers| {
        let mut kept: Vec<(Vec<u8>, Vec<u8>)> =
            vec![(b"destination".to_vec(), b"/topic/a.b/c".to_vec())];
        for (name, value) in headers {
            let name = name.into_bytes();
            let is_known = |known: &[u8]| kept.iter().any(|(name, _)| name == known);
            let is_number = std::str::from_utf8(&value).is_ok_and(|text| {
                text.bytes().all(|it| it.is_ascii_digit()) && text.parse::<u8>().is_ok()
            });
            let is_read = match &name[..] {
                b"priority" | b"expiration" => is_number || is_known(&name),
                // 1.0 writes a colon in a name, and a line feed, as escapes that it does not read.
                _ => version != Version::V10 || !name.contains(&b':') && !name.contains(&b'\n'),
            };
            let is_spelled = match version {
                Version::V10 => !value.contains(&b'\n') && !value.ends_with(b"\r"),
                Version::V11 | Version::V12 => std::str::from_utf8(&value).is_ok(),
            };
            let is_sent = !name.is_empty() && !HeaderName::from_bytes(&name).is_servers();
            if is_sent && is_read && is_spelled {
                kept.push((name, value));
            }
        }
        kept
    })
}

/// The properties of a PUBLISH.
fn list() -> impl Strategy<Value = Vec<u8>> {
    let topics = ["t", "a/b.c", "/", "a b/%/\u{e9}"].map(str::to_owned);
    let long = format!("a/{}", "x".repeat(300));
    let topic = select([&topics[..], &[long]].concat());
    let natives = (
        proptest::option::of(any::<bool>()),
        proptest::option::of(value()),
        proptest::option::of(topic),
        proptest::option::of(vec(any::<u8>(), 0..4)),
    );
    (natives, vec((name(), value()), 0..8)).prop_map(
        |((format, content_type, topic, data), user)| {
            let text = |text| Text::new(text).unwrap();
            let mut list = PropertyList::new();
            if let Some(is_text) = format {
                let format = if is_text {
                    PayloadFormat::Text
                } else {
                    PayloadFormat::Bytes
                };
                list.push(Property::PayloadFormatIndicator(format));
            }
            if let Some(content_type) = &content_type {
                list.push(Property::ContentType(text(content_type)));
            }
            if let Some(topic) = &topic {
                list.push(Property::ResponseTopic(
                    TopicName::new(text(topic)).unwrap(),
                ));
            }
            if let Some(data) = &data {
                list.push(Property::CorrelationData(Binary::new(data).unwrap()));
            }
            for (name, value) in &user {
                list.push(Property::UserProperty(text(name), text(value)));
            }
            list.as_properties().as_bytes().to_vec()
        },
    )
}

/// A value of a table of any type.
fn field() -> BoxedStrategy<FieldOf> {
    let numbers = vec![0, 2, 5, -5, 5_123, 5_000, i64::MIN, i64::MAX];
    prop_oneof![
        6 => value().prop_map(|text| FieldOf::Text(text.into_bytes())),
        1 => vec(any::<u8>(), 0..4).prop_map(FieldOf::Text),
        2 => select(numbers).prop_map(FieldOf::Number),
        1 => any::<f64>().prop_filter("NaNs are many", |it| !it.is_nan()).prop_map(FieldOf::Float),
        1 => any::<bool>().prop_map(FieldOf::Truth),
        1 => Just(FieldOf::Void),
        1 => Just(FieldOf::Table),
        1 => Just(FieldOf::Array),
        1 => any::<i32>().prop_map(FieldOf::Decimal),
    ]
    .boxed()
}

#[derive(Clone, Debug)]
enum FieldOf {
    Text(Vec<u8>),
    Number(i64),
    Float(f64),
    Truth(bool),
    Void,
    Table,
    Array,
    Decimal(i32),
}

impl FieldOf {
    fn push(&self, name: &[u8], table: &mut TableBuf) {
        let mut within = TableBuf::new();
        within.push(ShortStr::cut("a"), &FieldValue::SignedInt(1));
        let mut values = TableBuf::new();
        values.push_value(&FieldValue::LongString(b"b"));
        let value = match self {
            Self::Text(text) => FieldValue::LongString(text),
            Self::Number(number) => FieldValue::SignedLong(*number),
            Self::Float(number) => FieldValue::Double(*number),
            Self::Truth(it) => FieldValue::Boolean(*it),
            Self::Void => FieldValue::Void,
            Self::Table => FieldValue::Table(within.as_table().unwrap()),
            Self::Array => FieldValue::Array(values.as_array().unwrap()),
            Self::Decimal(value) => FieldValue::Decimal {
                scale: 2,
                value: *value,
            },
        };
        table.push(ShortStr::new(name).unwrap(), &value);
    }
}

fn short(text: Option<&String>) -> Option<ShortStr<'_>> {
    text.map(|text| ShortStr::new(text.as_bytes()).unwrap())
}

/// The properties of a content, as a client publishes it.
fn amqp_list() -> impl Strategy<Value = Vec<u8>> {
    let long = "\u{e9}".repeat(127);
    let text = || proptest::option::of(prop_oneof![4 => value(), 1 => Just(long.clone())]);
    let texts = (text(), text(), text(), text(), text(), text(), text());
    let numbers = (
        proptest::option::of(1_u8..3),
        proptest::option::of(any::<u8>()),
        proptest::option::of(select(vec![0_u64, 5, 1_700_000_000])),
        proptest::option::of(select(vec!["0", "5", "05", "1500"])),
    );
    let headers = vec((name(), field()), 0..8);
    (texts, numbers, headers).prop_map(
        |(texts, (delivery_mode, priority, timestamp, expiration), headers)| {
            let mut table = TableBuf::new();
            for (name, value) in &headers {
                value.push(name.as_bytes(), &mut table);
            }
            let list = proto_amqp091::PropertyList {
                content_type: short(texts.0.as_ref()),
                content_encoding: short(texts.1.as_ref()),
                headers: (!headers.is_empty()).then(|| table.as_table().unwrap()),
                delivery_mode,
                priority,
                correlation_id: short(texts.2.as_ref()),
                reply_to: short(texts.3.as_ref()),
                expiration: expiration.map(ShortStr::cut),
                message_id: short(texts.4.as_ref()),
                timestamp,
                r#type: short(texts.5.as_ref()),
                user_id: short(texts.6.as_ref()),
                app_id: None,
                cluster_id: None,
            };
            let mut properties = BytesMut::new();
            list.put(&mut properties);
            properties.to_vec()
        },
    )
}

fn check_amqp(between: &Message, first: &Message, last: &Message) {
    let said = Said::but_expiry(first);
    assert_eq!(Said::but_expiry(between), said, "{first:?}, {between:?}");
    assert_eq!(
        Said::but_expiry(last),
        said,
        "{first:?}, {between:?}, {last:?}"
    );
    assert_eq!(last.envelope().persistence, first.envelope().persistence);
    assert_eq!(last.envelope().priority, first.envelope().priority);
}

fn check_stomp(version: Version, headers: &[(Vec<u8>, Vec<u8>)]) {
    let first = sent(version, KEY, &spelled(version, headers));
    let between = through_mqtt(&first);
    let last = through_stomp(version, &between);
    assert_eq!(
        Said::but_expiry(&between),
        Said::but_expiry(&first),
        "{version:?}"
    );
    assert_eq!(
        Said::by(&last),
        Said::by(&first),
        "{version:?}, {first:?}, {between:?}, {last:?}"
    );
    let envelope = |of: Envelope| (of.dialect, of.persistence, of.priority, of.ttl_ms);
    assert_eq!(
        envelope(last.envelope()),
        envelope(first.envelope()),
        "{first:?}, {last:?}"
    );
    let between = through_amqp(&first);
    check_amqp(&between, &first, &through_stomp(version, &between));
}

proptest! {
    #[test]
    fn from_stomp_10_and_back(headers in headers(Version::V10)) {
        check_stomp(Version::V10, &headers);
    }

    #[test]
    fn from_stomp_11_and_back(headers in headers(Version::V11)) {
        check_stomp(Version::V11, &headers);
    }

    #[test]
    fn from_stomp_12_and_back(headers in headers(Version::V12)) {
        check_stomp(Version::V12, &headers);
    }

    #[test]
    fn from_mqtt_and_back(
        list in list(),
        qos in 0_u8..3,
        is_retained in any::<bool>(),
        seconds in proptest::option::of(0_u64..4),
        version in select(VERSIONS.to_vec()),
    ) {
        let persistence = if qos > 0 { Persistence::Persistent } else { Persistence::Transient };
        let mut envelope = Envelope::new(Dialect::Mqtt5, persistence);
        envelope.dialect_flags = qos | u8::from(is_retained) << 2;
        envelope.ttl_ms = seconds.map(|seconds| seconds * 1000);
        let first = message(envelope, KEY, &list);
        let between = through_stomp(version, &first);
        let last = through_mqtt(&between);
        assert_eq!(Said::but_expiry(&between), Said::but_expiry(&first), "{first:?}, {between:?}");
        assert_eq!(Said::but_expiry(&last), Said::but_expiry(&first), "{first:?}, {between:?}, {last:?}");
        let envelope = |of: Envelope| (of.dialect, of.dialect_flags, of.persistence, of.ttl_ms);
        assert_eq!(envelope(last.envelope()), envelope(first.envelope()));
        let between = through_amqp(&first);
        let last = through_mqtt(&between);
        assert_eq!(Said::but_expiry(&between), Said::but_expiry(&first), "{first:?}, {between:?}");
        assert_eq!(Said::but_expiry(&last), Said::but_expiry(&first), "{first:?}, {between:?}, {last:?}");
        assert_eq!(envelope(last.envelope()), envelope(first.envelope()));
    }

    #[test]
    fn from_amqp_and_back(list in amqp_list(), version in select(VERSIONS.to_vec())) {
        let first = published(KEY, &list);
        let between = through_stomp(version, &first);
        check_amqp(&between, &first, &through_amqp(&between));
        let between = through_mqtt(&first);
        let last = through_amqp(&between);
        assert_eq!(Said::but_expiry(&between), Said::but_expiry(&first), "{first:?}, {between:?}");
        assert_eq!(Said::but_expiry(&last), Said::but_expiry(&first), "{first:?}, {between:?}, {last:?}");
    }

    #[test]
    fn a_head_of_any_bytes_does_no_harm(
        head in prop_oneof![vec(any::<u8>(), 0..64), "[a-z:\\\\\n\u{1}\u{3}\u{8}\t&-]{0,64}".prop_map(String::into_bytes)],
        key in vec(any::<u8>(), 0..4),
        flags in any::<u8>(),
    ) {
        for number in 1..=6 {
            let dialect = Dialect::from_number(number).unwrap();
            let mut envelope = Envelope::new(dialect, Persistence::Persistent);
            envelope.dialect_flags = flags;
            envelope.ttl_ms = Some(u64::MAX);
            let message = message(envelope, &key, &head);
            let _said = Said::by(&message);
            properties(&message);
            amqp_properties(&message);
            for version in VERSIONS {
                super::bridge::lines(version, &message);
            }
            for row in conversion::TABLE {
                let _value = heads(dialect).property(&message, row.property);
            }
        }
    }
}
