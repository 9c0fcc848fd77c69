//! Generated messages, and heads of any bytes.

use super::bridge::{
    Said, VERSIONS, heads, known_names, message, properties, sent, spelled, through_mqtt,
    through_stomp,
};
use model::{Dialect, Envelope, Persistence};
use proptest::collection::vec;
use proptest::prelude::{Just, any, prop_oneof, proptest};
use proptest::sample::select;
use proptest::strategy::{BoxedStrategy, Strategy};
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
}

proptest! {
    #[test]
    fn from_stomp_10_to_mqtt_and_back(headers in headers(Version::V10)) {
        check_stomp(Version::V10, &headers);
    }

    #[test]
    fn from_stomp_11_to_mqtt_and_back(headers in headers(Version::V11)) {
        check_stomp(Version::V11, &headers);
    }

    #[test]
    fn from_stomp_12_to_mqtt_and_back(headers in headers(Version::V12)) {
        check_stomp(Version::V12, &headers);
    }

    #[test]
    fn from_mqtt_to_stomp_and_back(
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
    }

    #[test]
    fn a_head_of_any_bytes_does_no_harm(
        head in prop_oneof![vec(any::<u8>(), 0..64), "[a-z:\\\\\n\u{1}\u{3}\u{8}\t&-]{0,64}".prop_map(String::into_bytes)],
        key in vec(any::<u8>(), 0..4),
        flags in any::<u8>(),
    ) {
        for number in 1..=5 {
            let dialect = Dialect::from_number(number).unwrap();
            let mut envelope = Envelope::new(dialect, Persistence::Persistent);
            envelope.dialect_flags = flags;
            envelope.ttl_ms = Some(u64::MAX);
            let message = message(envelope, &key, &head);
            let _said = Said::by(&message);
            properties(&message);
            for version in VERSIONS {
                super::bridge::lines(version, &message);
            }
            for row in conversion::TABLE {
                let _value = heads(dialect).property(&message, row.property);
            }
        }
    }
}
