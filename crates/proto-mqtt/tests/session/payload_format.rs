//! Payloads that say that they are UTF-8.

use crate::kept::kept_with;
use crate::scripted_broker::{Driven, connect, id, name, properties, publish, publish_of};
use proto_mqtt::{
    Binary, Connect, Packet, PayloadFormat, Property, PropertyList, Publish, PublishQos, Qos,
    SessionLimits, Version, Will,
};

const BAD: &[u8] = b"\xff";

fn connected(validate_payload_utf8: bool) -> Driven {
    let limits = SessionLimits {
        validate_payload_utf8,
        ..SessionLimits::default()
    };
    Driven::connected_with(Version::V5, limits)
}

fn format(format: PayloadFormat) -> PropertyList {
    properties(&[Property::PayloadFormatIndicator(format)])
}

fn labeled<'a>(list: &'a PropertyList, payload: &'a [u8], qos: PublishQos) -> Packet<'a> {
    Packet::Publish(Publish {
        properties: list.as_properties(),
        payload,
        ..publish_of("t", "", qos)
    })
}

#[test]
fn what_is_not_what_it_says_is_refused_where_that_is_wished() {
    let (text, bytes) = (format(PayloadFormat::Text), format(PayloadFormat::Bytes));
    let one = PublishQos::AtLeastOnce(id(1));
    let two = PublishQos::ExactlyOnce(id(2));
    let check = |list: &PropertyList, payload: &[u8], qos, validates, said: &[&str]| {
        let mut driven = connected(validates);
        assert_eq!(driven.talk(&[labeled(list, payload, qos)]), said);
        let is_published = !driven.published.is_empty();
        assert_eq!(is_published, !said.concat().contains("Invalid"));
    };
    check(&text, BAD, one, true, &["PUBACK 1 PayloadFormatInvalid"]);
    check(&text, BAD, two, true, &["PUBREC 2 PayloadFormatInvalid"]);
    check(&text, "ü".as_bytes(), one, true, &["PUBACK 1 Success"]);
    check(&text, BAD, one, false, &["PUBACK 1 Success"]);
    check(&bytes, BAD, one, true, &["PUBACK 1 Success"]);
    check(&PropertyList::new(), BAD, two, true, &["PUBREC 2 Success"]);
    // QoS 0 has no answer.
    let mut driven = connected(true);
    let said = driven.talk(&[labeled(&text, BAD, PublishQos::AtMostOnce)]);
    let expected = "DISCONNECT PayloadFormatInvalid";
    assert!(
        said[0].starts_with(expected) && driven.out.is_closing(),
        "{said:?}"
    );
    assert!(driven.published.is_empty());
}

#[test]
fn a_refusal_comes_in_its_turn_and_ends_its_exchange() {
    let text = format(PayloadFormat::Text);
    let mut driven = connected(true);
    let two = PublishQos::ExactlyOnce(id(2));
    let packets = [
        publish("t", "x", PublishQos::AtLeastOnce(id(1))),
        labeled(&text, BAD, two),
        publish("t", "y", PublishQos::AtLeastOnce(id(3))),
    ];
    assert!(
        driven.say(&packets).is_empty(),
        "nothing overtakes the first"
    );
    driven.answer_all();
    let expected = [
        "PUBACK 1 Success",
        "PUBREC 2 PayloadFormatInvalid",
        "PUBACK 3 Success",
    ];
    assert_eq!(driven.take_wire(), expected);
    // The identifier is free again, as often as it likes.
    for _ in 0..2000 {
        let said = driven.talk(&[labeled(&text, BAD, two)]);
        assert_eq!(said, ["PUBREC 2 PayloadFormatInvalid"]);
    }
    assert_eq!(driven.talk(&[publish("t", "z", two)]), ["PUBREC 2 Success"]);
    // What has come before with QoS 2 is answered as it was.
    assert_eq!(
        driven.talk(&[labeled(&text, BAD, two)]),
        ["PUBREC 2 Success"]
    );
    assert_eq!(driven.published.len(), 3);
}

/// [MQTT-4.6.0-3]
#[test]
fn a_refusal_does_not_overtake_what_is_gathered() {
    let text = format(PayloadFormat::Text);
    let two = |number| PublishQos::ExactlyOnce(id(number));
    let limits = SessionLimits {
        validate_payload_utf8: true,
        ..SessionLimits::default()
    };
    let mut driven = kept_with(Version::V5, limits);
    let said = driven.talk(&[
        publish("t", "x", two(1)),
        labeled(&text, BAD, two(2)),
        publish("t", "y", two(3)),
    ]);
    let expected = [
        "PUBREC 1 Success",
        "PUBREC 2 PayloadFormatInvalid",
        "PUBREC 3 Success",
    ];
    assert_eq!(said, expected);
}

#[test]
fn a_will_that_is_not_what_it_says_is_refused() {
    let text = format(PayloadFormat::Text);
    for (validates, payload, start) in [
        (true, BAD, "CONNACK PayloadFormatInvalid"),
        (true, b"x", "CONNACK Success"),
        (false, BAD, "CONNACK Success"),
    ] {
        let limits = SessionLimits {
            validate_payload_utf8: validates,
            ..SessionLimits::default()
        };
        let mut driven = Driven::with_limits(Version::V5, limits);
        let said = driven.talk(&[Packet::Connect(Connect {
            will: Some(Will {
                qos: Qos::AtMostOnce,
                retain: false,
                properties: text.as_properties(),
                topic: name("w"),
                payload: Binary::new(payload).unwrap(),
            }),
            ..connect(Version::V5)
        })]);
        assert!(said[0].starts_with(start), "{said:?}");
    }
}
