//! What the client publishes.

use crate::scripted_broker::{Driven, id, properties, publish, publish_of, pubrel};
use broker_api::Refusal;
use model::QueueName;
use proto_mqtt::{
    Packet, PayloadFormat, Property, Publish, PublishQos, SessionLimits, Text, Version,
};

const AT_MOST_ONCE: PublishQos = PublishQos::AtMostOnce;

fn at_least_once(number: u16) -> PublishQos {
    PublishQos::AtLeastOnce(id(number))
}

fn exactly_once(number: u16) -> PublishQos {
    PublishQos::ExactlyOnce(id(number))
}

#[test]
fn topics_become_keys_and_qos_becomes_persistence() {
    for (version, dialect) in [
        (Version::V31, "Mqtt3"),
        (Version::V311, "Mqtt3"),
        (Version::V5, "Mqtt5"),
    ] {
        let mut driven = Driven::connected(version);
        let said = driven.talk(&[
            publish("plant/7/temp", "a", AT_MOST_ONCE),
            publish("a.b/c", "b", at_least_once(5)),
            publish("/", "c", exactly_once(6)),
        ]);
        assert_eq!(said, ["PUBACK 5 Success", "PUBREC 6 Success"]);
        let expected = [
            format!("Publish(amq.topic plant.7.temp: a {dialect} Transient 0)"),
            format!("Publish(amq.topic a/b.c: b {dialect} Persistent 1 confirmed)"),
            format!("Publish(amq.topic .: c {dialect} Persistent 2 confirmed)"),
        ];
        assert_eq!(driven.take_log(), expected);
    }
}

#[test]
fn properties_are_kept_but_those_of_the_hop() {
    let list = properties(&[
        Property::PayloadFormatIndicator(PayloadFormat::Text),
        Property::MessageExpiryInterval(5),
        Property::UserProperty(Text::new("n").unwrap(), Text::new("v").unwrap()),
        Property::TopicAlias(2.try_into().unwrap()),
        Property::ContentType(Text::new("t").unwrap()),
    ]);
    let mut driven = Driven::connected(Version::V5);
    driven.talk(&[Packet::Publish(Publish {
        properties: list.as_properties(),
        ..publish_of("t", "x", AT_MOST_ONCE)
    })]);
    let head = "[PayloadFormatIndicator(Text), UserProperty(\"n\", \"v\"), ContentType(\"t\")]";
    let expected = format!("Publish(amq.topic t: x {head} Mqtt5 Transient 0 ttl 5000)");
    assert_eq!(driven.take_log(), [expected]);
}

#[test]
fn answers_come_in_the_order_of_the_publishes() {
    let mut driven = Driven::connected(Version::V5);
    let said = driven.say(&[
        publish("t", "a", at_least_once(1)),
        publish("t", "b", exactly_once(2)),
        publish("t", "c", at_least_once(3)),
    ]);
    assert!(said.is_empty());
    driven.answer_last();
    driven.answer_last();
    assert!(driven.take_wire().is_empty());
    driven.answer_last();
    let said = ["PUBACK 1 Success", "PUBREC 2 Success", "PUBACK 3 Success"];
    assert_eq!(driven.take_wire(), said);
}

#[test]
fn nobody_there_is_told_in_5_0() {
    for (version, reason) in [
        (Version::V311, "Success"),
        (Version::V5, "NoMatchingSubscribers"),
    ] {
        let mut driven = Driven::connected(version);
        driven.has_nobody = true;
        let said = driven.talk(&[
            publish("t", "a", at_least_once(1)),
            publish("t", "b", exactly_once(2)),
        ]);
        let expected = [format!("PUBACK 1 {reason}"), format!("PUBREC 2 {reason}")];
        assert_eq!(said, expected);
        assert_eq!(driven.talk(&[pubrel(2)]), ["PUBCOMP 2 Success"]);
    }
}

#[test]
fn a_repeated_publish_with_qos_2_is_published_once() {
    for version in Version::ALL {
        let mut driven = Driven::connected(version);
        let again = Packet::Publish(Publish {
            dup: true,
            ..publish_of("t", "a", exactly_once(1))
        });
        // The PUBREC is still to come, and comes once.
        let said = driven.talk(&[publish("t", "a", exactly_once(1)), again]);
        assert_eq!(said, ["PUBREC 1 Success"]);
        // It may have been lost.
        assert_eq!(driven.talk(&[again]), ["PUBREC 1 Success"]);
        assert_eq!(driven.published.len(), 1);
        assert_eq!(driven.talk(&[pubrel(1)]), ["PUBCOMP 1 Success"]);
        // The identifier is free again.
        driven.talk(&[publish("t", "b", exactly_once(1))]);
        assert_eq!(driven.published.len(), 2);
    }
}

#[test]
fn a_pubrel_for_nothing_is_answered() {
    let mut driven = Driven::connected(Version::V5);
    assert_eq!(
        driven.talk(&[pubrel(4)]),
        ["PUBCOMP 4 PacketIdentifierNotFound"]
    );
    let mut driven = Driven::connected(Version::V311);
    assert_eq!(driven.talk(&[pubrel(4)]), ["PUBCOMP 4 Success"]);
}

#[test]
fn what_the_broker_refuses_is_told_or_ends_the_connection() {
    let full = || Refusal::QueueFull(QueueName::new(b"q").unwrap());
    let mut driven = Driven::connected(Version::V5);
    driven.refusals = vec![("Publish", full()), ("Publish", full())];
    let said = driven.talk(&[
        publish("t", "a", at_least_once(1)),
        publish("t", "b", exactly_once(2)),
    ]);
    assert_eq!(said, ["PUBACK 1 QuotaExceeded", "PUBREC 2 QuotaExceeded"]);
    // It is over with that.
    assert_eq!(
        driven.talk(&[pubrel(2)]),
        ["PUBCOMP 2 PacketIdentifierNotFound"]
    );
    // 3.x cannot say it, and does not say the opposite.
    for version in [Version::V31, Version::V311] {
        for qos in [at_least_once(1), exactly_once(1)] {
            let mut driven = Driven::connected(version);
            driven.refusals = vec![("Publish", full())];
            let said = driven.talk(&[publish("t", "a", qos)]);
            assert!(said.is_empty() && driven.out.is_closing(), "{said:?}");
        }
    }
    // Nobody waits for an answer to QoS 0.
    let mut driven = Driven::connected(Version::V5);
    driven.refusals = vec![("Publish", full())];
    assert!(driven.talk(&[publish("t", "a", AT_MOST_ONCE)]).is_empty());
    assert!(!driven.out.is_closing());
}

fn retained(topic: &'static str, payload: &'static str, qos: PublishQos) -> Packet<'static> {
    Packet::Publish(Publish {
        retain: true,
        ..publish_of(topic, payload, qos)
    })
}

#[test]
fn what_is_to_be_retained_is_published_so() {
    for (version, dialect) in [(Version::V311, "Mqtt3"), (Version::V5, "Mqtt5")] {
        let mut driven = Driven::connected(version);
        let said = driven.talk(&[
            retained("t/u", "x", AT_MOST_ONCE),
            retained("t/u", "", at_least_once(1)),
            publish("t/u", "y", AT_MOST_ONCE),
        ]);
        assert_eq!(said, ["PUBACK 1 Success"]);
        let expected = [
            format!("Publish(amq.topic t.u: x {dialect} Transient 4 retain)"),
            format!("Publish(amq.topic t.u:  {dialect} Persistent 5 confirmed retain)"),
            format!("Publish(amq.topic t.u: y {dialect} Transient 0)"),
        ];
        assert_eq!(driven.take_log(), expected);
    }
}

#[test]
fn what_cannot_be_retained_is_told() {
    let full = || Refusal::LimitReached {
        what: "retained messages",
        limit: 1,
    };
    let mut driven = Driven::connected(Version::V5);
    driven.refusals = vec![("Publish", full()), ("Publish", full())];
    let said = driven.talk(&[
        retained("t", "x", at_least_once(1)),
        retained("t", "x", exactly_once(2)),
    ]);
    assert_eq!(said, ["PUBACK 1 QuotaExceeded", "PUBREC 2 QuotaExceeded"]);
    let mut driven = Driven::connected(Version::V311);
    driven.refusals = vec![("Publish", full())];
    assert!(
        driven
            .talk(&[retained("t", "x", at_least_once(1))])
            .is_empty()
    );
    assert!(driven.out.is_closing());
}

#[test]
fn no_more_may_be_unanswered_than_was_told() {
    let limits = SessionLimits {
        receive_max: 2.try_into().unwrap(),
        ..SessionLimits::default()
    };
    let mut driven = Driven::connected_with(Version::V5, limits);
    for round in 0..3 {
        let said = driven.talk(&[
            publish("t", "a", exactly_once(1)),
            publish("t", "b", at_least_once(2)),
            publish("t", "c", AT_MOST_ONCE),
        ]);
        assert_eq!(said, ["PUBREC 1 Success", "PUBACK 2 Success"], "{round}");
        // The exchange of the first is not over.
        driven.talk(&[publish("t", "b", at_least_once(2)), pubrel(1)]);
    }
    driven.say(&[
        publish("t", "a", exactly_once(1)),
        publish("t", "a", at_least_once(2)),
    ]);
    let said = driven.say(&[publish("t", "b", at_least_once(3))]);
    assert!(
        said[0].starts_with("DISCONNECT ReceiveMaximumExceeded"),
        "{said:?}"
    );
    // Nobody told 3.1.1.
    let mut driven = Driven::connected_with(Version::V311, limits);
    let all: Vec<_> = (1..10)
        .map(|number| publish("t", "a", at_least_once(number)))
        .collect();
    assert!(driven.say(&all).is_empty());
    assert!(!driven.out.is_closing());
    assert!(broker_api::Session::unanswered_bytes(&driven.session) > 0);
    driven.answer_all();
    assert_eq!(driven.take_wire().len(), 9);
    assert_eq!(broker_api::Session::unanswered_bytes(&driven.session), 0);
}

#[test]
fn aliases_stand_for_topics() {
    fn aliased(driven: &mut Driven, topic: &str, alias: u16) -> Vec<String> {
        let list = properties(&[Property::TopicAlias(alias.try_into().unwrap())]);
        driven.talk(&[Packet::Publish(Publish {
            properties: list.as_properties(),
            ..publish_of(topic, "x", AT_MOST_ONCE)
        })])
    }
    let mut driven = Driven::connected(Version::V5);
    for (topic, alias) in [
        ("a/b", 16),
        ("", 16),
        ("c", 1),
        ("d", 16),
        ("", 16),
        ("", 1),
    ] {
        assert!(aliased(&mut driven, topic, alias).is_empty());
    }
    let keys: Vec<_> = driven
        .published
        .iter()
        .map(|it| it.key().to_vec())
        .collect();
    assert_eq!(keys, [&b"a.b"[..], b"a.b", b"c", b"d", b"d", b"c"]);
    let said = aliased(&mut driven, "", 2);
    assert!(said[0].starts_with("DISCONNECT ProtocolError"), "{said:?}");
    let mut driven = Driven::connected(Version::V5);
    let said = aliased(&mut driven, "a", 17);
    assert!(
        said[0].starts_with("DISCONNECT TopicAliasInvalid"),
        "{said:?}"
    );
}
