//! Rule by rule: what the other protocol's client sees.

use super::bridge::{
    Said, VERSIONS, heads, lines, message, sent, spelled, through_mqtt, through_stomp,
};
use super::seen::{
    V12, check_to_mqtt, check_to_stomp, from_mqtt, from_stomp, headers, shown, user,
};
use broker_api::Field;
use model::{Dialect, Envelope, Message, Parts, Persistence, Property, Value};
use proto_mqtt::Text;
use proto_stomp::Version;

#[test]
fn headers_of_stomp_are_user_properties() {
    check_to_mqtt(
        "a:1\nb:x\\cy\\nz\na:2\nc:\n",
        &[
            r#"UserProperty("a", "1")"#,
            r#"UserProperty("b", "x:y\nz")"#,
            r#"UserProperty("a", "2")"#,
            r#"UserProperty("c", "")"#,
        ],
    );
    // These mean something to STOMP alone.
    check_to_mqtt(
        "JMSType:t\nexpires:0\nx-delay:1\n",
        &[
            r#"UserProperty("JMSType", "t")"#,
            r#"UserProperty("expires", "0")"#,
            r#"UserProperty("x-delay", "1")"#,
        ],
    );
}

#[test]
fn user_properties_are_headers_of_stomp() {
    let list = [
        user("a", "1"),
        user("", "x"),
        user("a:b", "c\r\nd"),
        user("a", " 2 "),
    ];
    check_to_stomp(
        V12,
        &list,
        &["a:1", "x-base64:.eA==", "a\\cb:c\\r\\nd", "a: 2 "],
    );
    check_to_stomp(
        Version::V11,
        &list,
        &["a:1", "x-base64:.eA==", "x-base64-a\\cb:Yw0KZA==", "a: 2 "],
    );
    check_to_stomp(
        Version::V10,
        &list,
        &[
            "a:1",
            "x-base64:.eA==",
            "x-base64:YTpi.Yw0KZA==",
            "x-base64-a:IDIg",
        ],
    );
}

#[test]
fn nobody_forges_what_the_server_says() {
    let list = [
        user("message-id", "m"),
        user("subscription", "s"),
        user("content-length", "9"),
        user("destination", "/queue/x"),
        user("receipt", "r"),
        user("browser", "end"),
        user("persistent", "true"),
        user("reply-to", "/queue/x"),
        user("x-death", "d"),
        user("priority", "high"),
        user("expires", "soon"),
    ];
    check_to_stomp(
        V12,
        &list,
        &[
            // A carrier in MQTT.
            "amqp-message-id:m",
            "x-header-subscription:s",
            "x-header-content-length:9",
            "x-header-destination:/queue/x",
            "x-header-receipt:r",
            "x-header-browser:end",
            "x-header-persistent:true",
            "x-header-reply-to:/queue/x",
            "x-header-x-death:d",
            "x-header-priority:high",
            "x-header-expires:soon",
        ],
    );
}

#[test]
fn binary_correlation_data_has_a_spelling() {
    use proto_mqtt::{Binary, Property::CorrelationData};
    let data = |bytes| [CorrelationData(Binary::new(bytes).unwrap())];
    check_to_stomp(V12, &data(b"c-1"), &["correlation-id:c-1"]);
    check_to_stomp(V12, &data(b""), &["correlation-id:"]);
    check_to_stomp(V12, &data(b"\0\x01"), &["x-base64-correlation-id:AAE="]);
    check_to_stomp(V12, &data(b"\xff"), &["x-base64-correlation-id:/w=="]);
    check_to_mqtt(
        "x-base64-correlation-id:/w==\n",
        &[r#"CorrelationData("\xff")"#],
    );
    // Said natively, it is not overridden.
    check_to_mqtt(
        "x-base64-correlation-id:/w==\ncorrelation-id:c\n",
        &[
            r#"CorrelationData("c")"#,
            r#"UserProperty("x-base64-correlation-id", "/w==")"#,
        ],
    );
}

#[test]
fn answers_go_to_topics_or_queues() {
    check_to_mqtt("reply-to:/topic/a.b/c\n", &[r#"ResponseTopic("a/b.c")"#]);
    check_to_mqtt(
        "reply-to:topic://a.b\n",
        &[
            r#"ResponseTopic("a/b")"#,
            r#"UserProperty("x-spelled-reply-to", "topic://a.b")"#,
        ],
    );
    check_to_mqtt(
        "reply-to:/reply-queue/q/1\n",
        &[r#"UserProperty("reply-to", "/queues/q%2F1")"#],
    );
    check_to_mqtt(
        "reply-to:/queue/q\n",
        &[
            r#"UserProperty("reply-to", "/queues/q")"#,
            r#"UserProperty("x-spelled-reply-to", "/queue/q")"#,
        ],
    );
    // Who answers by STOMP makes no queue by it.
    check_to_stomp(
        V12,
        &[user("reply-to", "/queues/q%2F1")],
        &["reply-to:/reply-queue/q/1"],
    );
    // No topic has such a name, and nobody knows what the other is.
    check_to_mqtt(
        "reply-to:/topic/a+\n",
        &[r#"UserProperty("reply-to", "/exchanges/amq.topic/a%2B")"#],
    );
    check_to_mqtt(
        "reply-to:somewhere,else\n",
        &[r#"UserProperty("reply-to", "somewhere,else")"#],
    );
    let topic = |name| {
        [proto_mqtt::Property::ResponseTopic(
            proto_mqtt::TopicName::new(Text::new(name).unwrap()).unwrap(),
        )]
    };
    check_to_stomp(V12, &topic("a/b.c"), &["reply-to:/topic/a.b/c"]);
    check_to_stomp(V12, &topic("gr\u{fc}n"), &["reply-to:/topic/gr%C3%BCn"]);
    let long = "x".repeat(256);
    let carried = format!("x-reply-to:/exchanges/amq.topic/{long}");
    check_to_stomp(V12, &topic(&long), &[&carried]);
}

#[test]
fn a_destination_leads_to_where_the_message_is() {
    let check = |destination: &str, carrier: Option<&str>, after: &[&str]| {
        let line = format!("destination:{destination}\n");
        let first = sent(V12, b"a.b/c", line.as_bytes());
        let expected =
            carrier.map(|it| format!("UserProperty(\"x-spelled-destination\", {it:?})\n"));
        assert_eq!(shown(&first), expected.unwrap_or_default());
        let back = headers(V12, &through_mqtt(&first));
        assert_eq!(back.lines().collect::<Vec<_>>(), after);
        let back = through_stomp(V12, &through_mqtt(&first));
        assert_eq!(Said::by(&back), Said::by(&first));
    };
    check("/topic/a.b/c", None, &["destination:/topic/a.b/c"]);
    check(
        "topic://a.b/c",
        Some("topic://a.b/c"),
        &["destination:topic\\c//a.b/c"],
    );
    check(
        "/topic/%61.b/c",
        Some("/topic/%61.b/c"),
        &["destination:/topic/%61.b/c"],
    );
    // As a dead letter has it, or one of a list.
    check(
        "/queue/before",
        Some("/queue/before"),
        &[
            "destination:/topic/a.b/c",
            "x-spelled-destination:/queue/before",
        ],
    );
}

#[test]
fn the_envelope_is_said_as_each_protocol_does() {
    let envelope = |dialect, flags| Envelope {
        dialect_flags: flags,
        priority: 7,
        ttl_ms: Some(1500),
        ..Envelope::new(dialect, Persistence::Persistent)
    };
    let start = "destination:/topic/a\npersistent:true\npriority:7\nexpiration:1500\n";
    for version in VERSIONS {
        let check = |dialect, flags, more: &str| {
            let found = headers(version, &message(envelope(dialect, flags), b"a", b""));
            assert_eq!(found, format!("{start}{more}"));
        };
        check(Dialect::Mqtt3, 1, "");
        check(Dialect::Mqtt5, 2, "x-mqtt-publish-qos:2\n");
        check(
            Dialect::Mqtt3,
            6,
            "x-mqtt-publish-qos:2\nx-mqtt-retain:true\n",
        );
    }
    // Carriers that do not agree are headers.
    let first = from_stomp(V12, "x-mqtt-publish-qos:2\n");
    assert_eq!(
        shown(&first),
        "UserProperty(\"x-mqtt-publish-qos\", \"2\")\n"
    );
    let first = from_mqtt(&[user("expiration", "10")]);
    assert_eq!(
        headers(V12, &first),
        "destination:/topic/a.b/c\nx-header-expiration:10\n"
    );
}

#[test]
fn an_exchange_that_is_no_topic_is_told() {
    let of = |exchange: &[u8]| {
        Message::new(&Parts {
            envelope: Envelope::new(Dialect::Stomp12, Persistence::Transient),
            exchange,
            key: b"k",
            annotations: &[],
            head: &[b"destination:/exchange/x/k\n"],
            body: b"",
        })
    };
    assert_eq!(shown(&of(b"x")), "UserProperty(\"x-exchange\", \"x\")\n");
    let found = headers(
        V12,
        &Message::new(&Parts {
            envelope: Envelope::new(Dialect::Mqtt5, Persistence::Transient),
            exchange: b"x/y",
            key: b"k/l",
            annotations: &[],
            head: &[],
            body: b"",
        }),
    );
    assert_eq!(found, "destination:/exchange/x%2Fy/k/l\n");
}

#[test]
fn what_has_no_room_is_left_out_and_told() {
    let longest = "x".repeat(65_535);
    let longer = "x".repeat(65_536);
    let check = |headers: &[(&str, &str)], expected: &str| {
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()))
            .collect();
        let first = sent(V12, b"a", &spelled(V12, &headers));
        assert!(shown(&first) == expected, "{}", shown(&first).len());
    };
    check(
        &[("a", &longest)],
        &format!("UserProperty(\"a\", {longest:?})\n"),
    );
    check(
        &[("a", &longer), ("b", "1")],
        "UserProperty(\"x-omitted\", \"a\")\nUserProperty(\"b\", \"1\")\n",
    );
    check(&[(&longer, "1")], "UserProperty(\"x-omitted\", \"\")\n");
    check(
        &[("content-type", &longer)],
        "UserProperty(\"x-omitted\", \"content-type\")\n",
    );
    check(
        &[("correlation-id", &longer)],
        "UserProperty(\"x-omitted\", \"correlation-id\")\n",
    );
    check(
        &[("type", &longer)],
        "UserProperty(\"x-omitted\", \"type\")\n",
    );
}

#[test]
fn the_first_version_has_any_bytes() {
    let first = sent(
        Version::V10,
        b"a",
        b"destination:/topic/a\na: \xff \ncontent-type:\xfe\n\xfd:1\n",
    );
    assert_eq!(
        shown(&first),
        "UserProperty(\"x-base64-a\", \"/w==\")\n\
         UserProperty(\"x-base64-content-type\", \"/g==\")\n\
         UserProperty(\"x-base64\", \"/Q==.MQ==\")\n"
    );
    let back = lines(Version::V10, &through_mqtt(&first));
    assert_eq!(
        back,
        b"destination:/topic/a\na:\xff\n\xfd:1\ncontent-type:\xfe\n"
    );
}

#[test]
fn a_message_without_properties_says_nothing_else() {
    let envelope = Envelope::new(Dialect::Mqtt3, Persistence::Transient);
    let first = message(envelope, b"a", b"\x03\0\x01x");
    let mut fields = 0;
    heads(Dialect::Mqtt3).fields(&first, &mut |_: Field<'_>| fields += 1);
    assert_eq!(fields, 0);
    assert_eq!(headers(V12, &first), "destination:/topic/a\n");
}

#[test]
fn selectors_see_user_properties() {
    let first = from_mqtt(&[
        user("a", "1"),
        user("a", "2"),
        user("group-id", "g"),
        user("JMSType", "t"),
    ]);
    let reader = heads(Dialect::Mqtt5);
    assert_eq!(reader.header(&first, b"a"), Some(Value::text("1")));
    assert_eq!(reader.header(&first, b"b"), None);
    assert_eq!(
        reader.property(&first, Property::GroupId),
        Some(Value::text("g"))
    );
    assert_eq!(
        reader.property(&first, Property::Type),
        Some(Value::text("t"))
    );
    assert_eq!(
        reader.property(&first, Property::Destination),
        Some(Value::text("a/b.c"))
    );
}
