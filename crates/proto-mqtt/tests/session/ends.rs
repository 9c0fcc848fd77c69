//! How a connection ends, and what becomes of the will.

use crate::scripted_broker::{Driven, connect, message, name, properties, puback};
use broker_api::{Event, Refusal};
use model::SubscriptionId;
use proto_mqtt::{
    Binary, Connect, Disconnect, DisconnectReason, Packet, Properties, Property, Qos, Text,
    Version, Will,
};

/// A connection with a will.
fn with_will(version: Version, qos: Qos, keep_alive: u16) -> Driven {
    let list = properties(&[
        Property::WillDelayInterval(30),
        Property::MessageExpiryInterval(9),
        Property::ContentType(Text::new("t").unwrap()),
    ]);
    let mut driven = Driven::new(version);
    driven.talk(&[Packet::Connect(Connect {
        keep_alive,
        will: Some(Will {
            qos,
            retain: false,
            properties: match version.has_properties() {
                true => list.as_properties(),
                false => Properties::NONE,
            },
            topic: name("w/x"),
            payload: Binary::new(b"gone").unwrap(),
        }),
        ..connect(version)
    })]);
    driven.take_log();
    driven
}

/// [MQTT-3.1.2-14], [MQTT-3.1.2-15]
#[test]
fn a_will_is_retained_if_wished() {
    for (version, dialect) in [(Version::V5, "Mqtt5"), (Version::V311, "Mqtt3")] {
        let mut driven = Driven::new(version);
        let will = Will {
            qos: Qos::AtMostOnce,
            retain: true,
            properties: Properties::NONE,
            topic: name("w"),
            payload: Binary::new(b"x").unwrap(),
        };
        driven.talk(&[Packet::Connect(Connect {
            will: Some(will),
            ..connect(version)
        })]);
        driven.take_log();
        driven.close();
        let published = format!("Publish(amq.topic w: x {dialect} Transient 4 retain)");
        assert_eq!(driven.take_log(), [published]);
    }
}

fn disconnect(reason: DisconnectReason) -> Packet<'static> {
    Packet::Disconnect(Disconnect {
        reason,
        properties: Properties::NONE,
    })
}

const WILL_5: &str =
    "Publish(amq.topic w.x: gone [ContentType(\"t\")] Mqtt5 Persistent 1 ttl 9000)";
const WILL_3: &str = "Publish(amq.topic w.x: gone Mqtt3 Transient 0)";

/// What is published when the connection has ended so, once.
#[track_caller]
fn check(end: impl Fn(&mut Driven), will: bool) {
    let rows = [
        (Version::V5, Qos::AtLeastOnce, WILL_5),
        (Version::V311, Qos::AtMostOnce, WILL_3),
    ];
    for (version, qos, expected) in rows {
        let mut driven = with_will(version, qos, 10);
        end(&mut driven);
        let expected: &[&str] = if will { &[expected] } else { &[] };
        assert_eq!(driven.take_log(), expected);
        driven.close();
        assert!(driven.take_log().is_empty());
    }
}

#[test]
fn the_will_is_published_unless_the_client_says_good_bye() {
    check(
        |driven| drop(driven.talk(&[disconnect(DisconnectReason::NormalDisconnection)])),
        false,
    );
    check(Driven::close, true);
    check(|driven| assert!(driven.wait_for_deadline().is_some()), true);
    check(|driven| driven.feed(b"\xff\xff"), true);
    check(
        |driven| driven.handle_event(Event::Disconnect(Refusal::ShuttingDown)),
        true,
    );
    check(
        |driven| driven.handle_event(Event::Disconnect(Refusal::TakenOver)),
        true,
    );
}

#[test]
fn a_client_may_end_with_its_will() {
    for reason in [
        DisconnectReason::DisconnectWithWillMessage,
        DisconnectReason::UnspecifiedError,
    ] {
        let mut driven = with_will(Version::V5, Qos::AtLeastOnce, 0);
        assert!(driven.talk(&[disconnect(reason)]).is_empty());
        assert!(driven.out.is_closing());
        assert_eq!(driven.take_log(), [WILL_5]);
    }
}

#[test]
fn nothing_is_said_to_a_client_that_has_said_its_last() {
    for version in Version::ALL {
        let mut driven = Driven::connected(version);
        let last = disconnect(DisconnectReason::NormalDisconnection);
        assert!(driven.talk(&[last, Packet::Pingreq]).is_empty());
        assert!(driven.out.is_closing() && driven.input.is_empty());
    }
}

#[test]
fn the_broker_ends_a_connection_with_a_reason() {
    let rows = [
        (Refusal::ShuttingDown, "ServerShuttingDown"),
        (Refusal::TakenOver, "SessionTakenOver"),
        (
            Refusal::UserDeleted { user: "ada".into() },
            "AdministrativeAction",
        ),
        (Refusal::Stalled, "QuotaExceeded"),
        (Refusal::StoreFailed, "ImplementationSpecificError"),
    ];
    for (refusal, reason) in rows {
        let mut driven = Driven::connected(Version::V5);
        driven.handle_event(Event::Disconnect(refusal.clone()));
        let said = driven.take_wire();
        assert!(
            said[0].starts_with(&format!("DISCONNECT {reason}")),
            "{said:?}"
        );
        assert!(driven.out.is_closing());
        let mut driven = Driven::connected(Version::V311);
        driven.handle_event(Event::Disconnect(refusal));
        assert!(driven.take_wire().is_empty() && driven.out.is_closing());
    }
}

#[test]
fn a_subscription_that_has_ended_ends_the_connection() {
    let mut driven = Driven::connected(Version::V5);
    driven.subscribe(&["a"], Qos::AtMostOnce);
    driven.handle_event(Event::Ended(SubscriptionId(2), Refusal::Stalled));
    assert!(!driven.out.is_closing());
    driven.handle_event(Event::Ended(SubscriptionId(1), Refusal::Stalled));
    assert!(driven.out.is_closing());
}

#[test]
fn a_session_is_not_prolonged_at_its_end() {
    let list = properties(&[Property::SessionExpiryInterval(1)]);
    let last = Packet::Disconnect(Disconnect {
        reason: DisconnectReason::NormalDisconnection,
        properties: list.as_properties(),
    });
    let mut driven = Driven::connected(Version::V5);
    let said = driven.talk(&[last]);
    assert!(said[0].starts_with("DISCONNECT ProtocolError"), "{said:?}");
    // Who asked for a session may ask again.
    let mut driven = Driven::new(Version::V5);
    let first = Packet::Connect(Connect {
        properties: list.as_properties(),
        ..connect(Version::V5)
    });
    driven.talk(&[first]);
    assert!(driven.talk(&[last]).is_empty() && driven.out.is_closing());
}

#[test]
fn what_was_answered_before_the_end_counts() {
    let mut driven = Driven::connected(Version::V311);
    driven.subscribe(&["a"], Qos::AtLeastOnce);
    driven.take_log();
    driven.deliver(1, 1, &message(Version::V311, "a", "x", Qos::AtLeastOnce));
    driven.talk(&[puback(1), disconnect(DisconnectReason::NormalDisconnection)]);
    assert_eq!(driven.take_log(), ["Accept 1/1"]);
}

#[test]
fn reasons_are_left_out_where_they_are_too_long() {
    let list = properties(&[Property::MaximumPacketSize(60.try_into().unwrap())]);
    let mut driven = Driven::new(Version::V5);
    driven.talk(&[Packet::Connect(Connect {
        properties: list.as_properties(),
        ..connect(Version::V5)
    })]);
    driven.feed(b"\x32\x12\x00\x0da/b/c/d/e/f/#\x00\x01\x00");
    assert_eq!(driven.take_wire(), ["DISCONNECT TopicNameInvalid"]);
}
