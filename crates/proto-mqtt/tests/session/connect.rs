//! CONNECT and CONNACK.

use crate::scripted_broker::{Driven, connect, name, properties};
use broker_api::Refusal;
use proto_mqtt::{
    Binary, Connect, Packet, Properties, Property, Qos, Secret, SessionLimits, Text, Version, Will,
};
use std::num::NonZeroU32;
use std::time::Duration;

fn text(text: &str) -> Text<'_> {
    Text::new(text).unwrap()
}

/// What a CONNECT is answered with, whether the connection is over then, and what the broker was asked.
#[track_caller]
fn check(connect: Connect<'_>, said: &str, is_over: bool) -> Vec<String> {
    check_with(SessionLimits::default(), None, connect, said, is_over)
}

#[track_caller]
fn check_with(
    limits: SessionLimits,
    refusal: Option<Refusal>,
    connect: Connect<'_>,
    said: &str,
    is_over: bool,
) -> Vec<String> {
    let mut driven = Driven::with_limits(connect.version, limits);
    driven.refusals.extend(refusal.map(|it| ("Connect", it)));
    let found = driven.talk(&[Packet::Connect(connect)]);
    assert_eq!(found.join("\n"), said);
    assert_eq!(driven.out.is_closing(), is_over);
    driven.take_log()
}

const ACCEPTED_5: &str = "CONNACK Success [ReceiveMaximum(1024), \
    MaximumPacketSize(16777216), TopicAliasMaximum(16)]";

#[test]
fn the_broker_is_asked_and_connack_answers() {
    for version in [Version::V31, Version::V311] {
        let log = check(connect(version), "CONNACK Success", false);
        let identity = format!("{:?}", b"mqtt:c");
        let asked =
            format!("Connect(Connect {{ login: None, vhost: [], identity: Some({identity}) }})");
        // A session that was kept ends with it.
        assert_eq!(log, [&asked, "Delete(mqtt.session.c)"]);
    }
    check(connect(Version::V5), ACCEPTED_5, false);
}

#[test]
fn a_login_goes_to_the_broker() {
    let with_login = Connect {
        user_name: Some(text("guest")),
        password: Some(Secret(Binary::new(b"guest").unwrap())),
        ..connect(Version::V5)
    };
    let log = check(with_login, ACCEPTED_5, false);
    let login = "login: Some(Login { user: \"guest\", password: \"(hidden)\" })";
    assert!(log[0].contains(login), "{log:?}");
}

#[test]
fn refusals_have_a_reason_or_a_return_code() {
    let failed = || {
        Some(Refusal::LoginFailed {
            user: "x".to_owned(),
        })
    };
    let limits = SessionLimits::default();
    let said = "CONNACK BadUserNameOrPassword";
    check_with(limits, failed(), connect(Version::V31), said, true);
    check_with(limits, failed(), connect(Version::V311), said, true);
    // The text is left out where the client takes no packet of that length.
    let small = properties(&[Property::MaximumPacketSize(NonZeroU32::new(20).unwrap())]);
    let of_little = Connect {
        properties: small.as_properties(),
        ..connect(Version::V5)
    };
    check_with(limits, failed(), of_little, said, true);
    let said = format!("{said} [ReasonString(\"access refused for user 'x'\")]");
    check_with(limits, failed(), connect(Version::V5), &said, true);
    let stopping = Some(Refusal::ShuttingDown);
    let said = "CONNACK ServerUnavailable";
    check_with(limits, stopping, connect(Version::V311), said, true);
}

#[test]
fn an_empty_client_identifier_is_replaced() {
    let nameless = |version| Connect {
        client_id: Text::default(),
        ..connect(version)
    };
    let made_up = "barid-0000000000000abc-7";
    let said = ACCEPTED_5.replace(
        "TopicAlias",
        &format!("AssignedClientIdentifier(\"{made_up}\"), TopicAlias"),
    );
    check(nameless(Version::V5), &said, false);
    let log = check(nameless(Version::V311), "CONNACK Success", false);
    let identity = format!("{:?}", format!("mqtt:{made_up}").as_bytes());
    assert!(log[0].contains(&identity), "{log:?}");
}

#[test]
fn a_will_to_a_topic_of_the_broker_is_refused() {
    let to = |version, topic: &'static str| Connect {
        will: Some(Will {
            qos: Qos::AtMostOnce,
            retain: false,
            properties: Properties::NONE,
            topic: name(topic),
            payload: Binary::default(),
        }),
        ..connect(version)
    };
    for topic in ["$SYS", "$SYS/broker/x"] {
        check(to(Version::V311, topic), "CONNACK NotAuthorized", true);
        let said = "CONNACK NotAuthorized \
            [ReasonString(\"only the broker itself publishes to $SYS\")]";
        let log = check(to(Version::V5, topic), said, true);
        assert!(log.is_empty());
    }
    for topic in ["$SYSTEM", "a/$SYS", "$"] {
        check(to(Version::V311, topic), "CONNACK Success", false);
    }
}

#[test]
fn a_connack_that_is_too_long_is_not_sent() {
    let least = properties(&[Property::MaximumPacketSize(8.try_into().unwrap())]);
    let asking = Connect {
        properties: least.as_properties(),
        ..connect(Version::V5)
    };
    let mut driven = Driven::new(Version::V5);
    driven.talk(&[Packet::Connect(asking)]);
    assert!(driven.out.is_closing());
}

#[test]
fn keep_alive_is_the_clients_or_ours() {
    let limits = SessionLimits {
        keep_alive_seconds_max: 20,
        ..SessionLimits::default()
    };
    let rows = [
        (Version::V5, 10, 15, false),
        (Version::V5, 0, 30, true),
        (Version::V5, 21, 30, true),
        // 3.x cannot be told.
        (Version::V311, 40, 60, false),
    ];
    for (version, keep_alive, silence, is_told) in rows {
        let asking = Connect {
            keep_alive,
            ..connect(version)
        };
        let mut driven = Driven::with_limits(version, limits);
        let said = driven.talk(&[Packet::Connect(asking)]);
        assert_eq!(said[0].contains("ServerKeepAlive(20)"), is_told, "{said:?}");
        driven.wait(Duration::from_secs(1));
        driven.talk(&[Packet::Pingreq]);
        let waited = driven.wait_for_deadline();
        assert_eq!(waited, Some(Duration::from_secs(silence)));
        assert!(driven.out.is_closing());
        let said = driven.take_wire();
        let is_told = said
            .first()
            .is_some_and(|it| it.starts_with("DISCONNECT KeepAliveTimeout"));
        assert_eq!(is_told, version == Version::V5, "{said:?}");
    }
    let driven = Driven::connected(Version::V311);
    assert!(broker_api::Session::deadline(&driven.session).is_none());
}

#[test]
fn connect_has_a_time_to_come() {
    let mut driven = Driven::new(Version::V5);
    driven.feed(b"\x10");
    assert_eq!(driven.wait_for_deadline(), Some(Duration::from_secs(10)));
    assert!(driven.out.is_closing() && driven.take_wire().is_empty());
}

#[test]
fn other_input_is_answered_as_the_codec_says() {
    let mut driven = Driven::new(Version::V5);
    driven.feed(b"\x30\x03\x00\x01a");
    assert!(driven.out.is_closing() && driven.wire.is_empty());
    let mut driven = Driven::new(Version::V5);
    driven.feed(b"\x10\x0d\x00\x04MQTT\x05\x03\x00\x00\x00\x00\x00");
    let said = driven.take_wire();
    assert!(said[0].starts_with("CONNACK MalformedPacket"), "{said:?}");
    let mut driven = Driven::connected(Version::V5);
    let said = driven.talk(&[Packet::Connect(connect(Version::V5))]);
    assert!(said[0].starts_with("DISCONNECT ProtocolError"), "{said:?}");
    let mut driven = Driven::connected(Version::V311);
    assert!(
        driven
            .talk(&[Packet::Connect(connect(Version::V311))])
            .is_empty()
    );
    assert!(driven.out.is_closing());
}

#[test]
fn pings_are_answered() {
    for version in Version::ALL {
        let mut driven = Driven::connected(version);
        assert_eq!(driven.talk(&[Packet::Pingreq]), ["PINGRESP"]);
    }
}
