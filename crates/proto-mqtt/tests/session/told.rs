//! What an operator has clients told: Response Information, Server Reference.

use crate::scripted_broker::{Driven, SEED, connect, properties};
use broker_api::{Event, Refusal};
use model::ConnectionId;
use proto_mqtt::{Connect, Mqtt, Packet, Property, SessionLimits, Text, Told, Version};
use std::sync::Arc;

fn told_so(version: Version, told: Told) -> Driven {
    let mut driven = Driven::new(version);
    let session = Mqtt::new(driven.now, ConnectionId(7), SessionLimits::default(), SEED);
    driven.session = session.with_told(Arc::new(told));
    driven
}

fn responding(text: &str) -> Driven {
    told_so(
        Version::V5,
        Told {
            response_information: text.into(),
            ..Told::default()
        },
    )
}

fn referring(version: Version, has_moved: bool) -> Driven {
    told_so(
        version,
        Told {
            server_reference: "other.example:1883".into(),
            has_moved,
            ..Told::default()
        },
    )
}

#[test]
fn response_information_is_for_who_asks() {
    let check = |text: &str, asked: Option<bool>, client_id: &str, expected: Option<&str>| {
        let mut driven = responding(text);
        let asked: Vec<_> = asked
            .into_iter()
            .map(Property::RequestResponseInformation)
            .collect();
        let asked = properties(&asked);
        let said = driven.talk(&[Packet::Connect(Connect {
            client_id: Text::new(client_id).unwrap(),
            properties: asked.as_properties(),
            ..connect(Version::V5)
        })]);
        let told = said[0].split("ResponseInformation(\"").nth(1);
        let told = told.map(|rest| rest.split('"').next().unwrap());
        assert_eq!(told, expected, "{said:?}");
    };
    check("responses", Some(true), "c", Some("responses"));
    check("r/%c/%c", Some(true), "c", Some("r/c/c"));
    let made_up = format!("r/barid-{SEED:016x}-7");
    check("r/%c", Some(true), "", Some(&made_up));
    check("responses", Some(false), "c", None);
    check("responses", None, "c", None);
    check("", Some(true), "c", None);
}

#[test]
fn clients_are_sent_elsewhere_when_the_broker_stops() {
    for (has_moved, reason) in [(false, "UseAnotherServer"), (true, "ServerMoved")] {
        let reference = "[ServerReference(\"other.example:1883\"), \
            ReasonString(\"the broker is stopping\")]";
        let mut driven = referring(Version::V5, has_moved);
        driven.talk(&[Packet::Connect(connect(Version::V5))]);
        driven.handle_event(Event::Disconnect(Refusal::ShuttingDown));
        let expected = format!("DISCONNECT {reason} {reference}");
        assert_eq!(driven.take_wire(), [expected]);
        let mut driven = referring(Version::V5, has_moved);
        driven.refusals.push(("Connect", Refusal::ShuttingDown));
        let said = driven.talk(&[Packet::Connect(connect(Version::V5))]);
        assert_eq!(said, [format!("CONNACK {reason} {reference}")]);
        // 3.x has one word for both.
        let mut driven = referring(Version::V311, has_moved);
        driven.refusals.push(("Connect", Refusal::ShuttingDown));
        let said = driven.talk(&[Packet::Connect(connect(Version::V311))]);
        assert_eq!(said, ["CONNACK ServerUnavailable"]);
    }
}

#[test]
fn clients_are_sent_nowhere_for_other_reasons_or_without_a_place() {
    let mut driven = referring(Version::V5, false);
    driven.talk(&[Packet::Connect(connect(Version::V5))]);
    driven.handle_event(Event::Disconnect(Refusal::TakenOver));
    let said = driven.take_wire();
    let expected = "DISCONNECT SessionTakenOver [ReasonString(";
    assert!(said[0].starts_with(expected), "{said:?}");
    let mut driven = responding("");
    driven.talk(&[Packet::Connect(connect(Version::V5))]);
    driven.handle_event(Event::Disconnect(Refusal::ShuttingDown));
    let said = driven.take_wire();
    let expected = "DISCONNECT ServerShuttingDown [ReasonString(";
    assert!(said[0].starts_with(expected), "{said:?}");
}
