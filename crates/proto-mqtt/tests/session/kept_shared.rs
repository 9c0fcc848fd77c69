//! Shared subscriptions in sessions that outlive their connection.

use crate::kept::{keeping, kept, resumed, unsubscribe};
use crate::scripted_broker::{
    Driven, bytes_of, id, message, properties, puback, pubcomp, publish, pubrec, pubrel,
};
use broker_api::{Event, Refusal};
use model::{QueueName, SubscriptionId};
use proto_mqtt::{Packet, Property, PublishQos, Qos, SubscriptionIdentifier, Version};

const FILTER: &str = "$share/g/a/+";
const NOTED: &str = "Note(+s$share/g/a/+)";
const FORGOTTEN: &str = "Note(-s$share/g/a/+)";
const DECLARE: &str = "Declare(mqtt.share/g/a/+)";
const BIND: &str = "Bind(Queue(\"mqtt.share/g/a/+\"), amq.topic a.*)";
const KEEP: &str = "Keep(mqtt.share/g/a/+ by 1)";
const LET_GO: &str = "LetGo(mqtt.share/g/a/+ by 1)";

fn subscribe(id: u32) -> String {
    format!("Subscribe({id}, queue mqtt.share/g/a/+, Explicit, limit 1024, none retained)")
}

/// A member with this quality, by the broker's subscription 3.
fn member(version: Version, qos: Qos) -> Driven {
    let mut driven = kept(version);
    let said = driven.subscribe(&[FILTER], qos);
    let granted = qos.min(Qos::AtLeastOnce).bits();
    assert_eq!(said, [format!("SUBACK 9 [0{granted}]")]);
    let subscribe = subscribe(3);
    let steps = [NOTED, DECLARE, BIND, KEEP, &subscribe];
    assert_eq!(driven.take_log(), steps);
    driven
}

fn live(payload: &str, qos: Qos) -> model::Message {
    message(Version::V5, "a/b", payload, qos)
}

#[test]
fn a_group_is_kept_by_the_session_and_grants_qos_1_at_most() {
    for version in [Version::V311, Version::V5] {
        for qos in [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce] {
            member(version, qos);
        }
    }
}

#[test]
fn connack_does_not_say_that_there_are_none() {
    let mut driven = Driven::new(Version::V5);
    driven.feed(&keeping(Version::V5, false, None));
    driven.answer_all();
    let said = driven.take_wire();
    assert!(said[0].starts_with("CONNACK Success"), "{said:?}");
    assert!(!said[0].contains("SharedSubscription"), "{said:?}");
}

#[test]
fn the_session_goes_on_as_a_member() {
    let mut driven = kept(Version::V5);
    let five = SubscriptionIdentifier::new(5).unwrap();
    let identifier = properties(&[Property::SubscriptionIdentifier(five)]);
    let list = [(FILTER, crate::scripted_broker::with_qos(Qos::ExactlyOnce))];
    driven.subscribe_with(&list, identifier.as_properties());
    driven.take_wire();
    driven.deliver(3, 1, &live("x", Qos::ExactlyOnce));
    let sent = ["PUBLISH 1/65535 a/b: x [SubscriptionIdentifier(5)]"];
    assert_eq!(driven.take_wire(), sent);
    let (mut driven, said, log) = resumed(driven);
    assert!(said.is_empty(), "{said:?}");
    let subscribe = subscribe(3);
    let steps = ["Bequeath(Some(3600000))", DECLARE, BIND, KEEP, &subscribe];
    assert_eq!(log[log.len() - 5..], steps);
    driven.deliver(3, 1, &live("x", Qos::ExactlyOnce));
    assert_eq!(driven.take_wire(), sent);
    driven.talk(&[puback(65_535)]);
    assert_eq!(driven.take_log(), ["Accept 3/1"]);
}

#[test]
fn nothing_is_read_before_the_session_is_a_member_again() {
    let before = member(Version::V5, Qos::AtLeastOnce);
    let mut driven = Driven::new(Version::V5);
    driven.notes = before.notes;
    let mut bytes = keeping(Version::V5, false, None);
    let behind = publish("a/b", "x", PublishQos::AtMostOnce);
    bytes.extend(bytes_of(Version::V5, &[behind]));
    driven.input.extend_from_slice(&bytes);
    let (session, now) = (&mut driven.session, driven.now);
    broker_api::Session::handle_input(session, now, &mut driven.input, &mut driven.out);
    driven.collect();
    while driven.wire.is_empty() {
        driven.answer_once();
    }
    // CONNACK has come, and nobody is to offer what lies there.
    assert!(driven.out.is_held());
    driven.feed(&[]);
    driven.answer_all();
    let log = driven.take_log();
    assert_eq!(log[log.len() - 2], subscribe(3), "{log:?}");
    assert!(log[log.len() - 1].starts_with("Publish("), "{log:?}");
}

#[test]
fn a_session_that_cannot_be_a_member_again_is_told() {
    for step in ["Declare(mqtt.share", "Bind(Queue", "Keep", "Subscribe(3"] {
        let before = member(Version::V5, Qos::AtLeastOnce);
        let mut driven = Driven::new(Version::V5);
        driven.notes = before.notes;
        driven.refusals = vec![(step, Refusal::AccessRefused("no".to_owned()))];
        driven.feed(&keeping(Version::V5, false, None));
        driven.answer_all();
        let said = driven.take_wire();
        assert!(said[0].starts_with("CONNACK Success present"), "{said:?}");
        assert!(said[1].starts_with("DISCONNECT NotAuthorized"), "{said:?}");
        assert!(driven.out.is_closing());
        // It is a member all the same: of the next connection.
        let (_, _, log) = resumed(driven);
        assert_eq!(log.last(), Some(&subscribe(3)));
    }
}

#[test]
fn a_queue_that_has_ended_meanwhile_is_made_again() {
    let gone = || Refusal::QueueDeleted(QueueName::new(b"q").unwrap());
    let mut driven = kept(Version::V5);
    driven.refusals = vec![("Keep", gone()), ("Subscribe", gone())];
    let said = driven.subscribe(&[FILTER], Qos::AtLeastOnce);
    assert_eq!(said, ["SUBACK 9 [01]"]);
    let (first, second) = (subscribe(3), subscribe(4));
    let expected = [
        NOTED, DECLARE, BIND, KEEP, DECLARE, BIND, KEEP, &first, DECLARE, BIND, KEEP, &second,
    ];
    assert_eq!(driven.take_log(), expected);
}

#[test]
fn what_is_refused_is_neither_noted_nor_kept() {
    for step in ["Declare", "Bind", "Keep", "Subscribe"] {
        let mut driven = kept(Version::V5);
        driven.refusals = vec![(step, Refusal::AccessRefused("no".to_owned()))];
        let said = driven.subscribe(&[FILTER], Qos::AtLeastOnce);
        assert_eq!(said, ["SUBACK 9 [87]"], "{step}");
        let log = driven.take_log();
        assert_eq!(log[log.len() - 2..], [LET_GO, FORGOTTEN], "{step}");
        let (_, _, log) = resumed(driven);
        assert!(!log.contains(&DECLARE.to_owned()), "{log:?}");
    }
    // Nor is one that is the broker's and not shared.
    let mut driven = kept(Version::V5);
    driven.refusals = vec![("Subscribe", Refusal::AccessRefused("no".to_owned()))];
    let said = driven.subscribe(&["b"], Qos::AtMostOnce);
    assert_eq!(said, ["SUBACK 9 [87]"]);
    assert_eq!(driven.take_log().last().unwrap(), "Note(-sb)");
}

#[test]
fn a_member_leaves_with_unsubscribe() {
    let mut driven = member(Version::V5, Qos::AtLeastOnce);
    driven.deliver(3, 1, &live("x", Qos::AtLeastOnce));
    driven.take_wire();
    assert_eq!(unsubscribe(&mut driven, FILTER), ["UNSUBACK 9 [00]"]);
    assert_eq!(driven.take_log(), ["Cancel(3)", LET_GO, FORGOTTEN]);
    // The other members have it.
    assert!(driven.talk(&[puback(65_535)]).is_empty());
    assert!(driven.take_log().is_empty());
    let (_, _, log) = resumed(driven);
    assert!(!log.contains(&DECLARE.to_owned()), "{log:?}");
}

#[test]
fn identifiers_of_both_kinds_of_deliveries_differ() {
    let mut driven = member(Version::V5, Qos::ExactlyOnce);
    driven.subscribe(&["a/#"], Qos::ExactlyOnce);
    driven.take_log();
    let first = live("x", Qos::ExactlyOnce);
    driven.deliver(3, 7, &first);
    driven.deliver(1, 49_150, &first);
    driven.deliver(3, 8, &first);
    driven.deliver(1, 65_534, &first);
    let said = driven.take_wire();
    let ids = [(1, 65_535), (2, 49_151), (1, 65_534), (2, 16_384)];
    let expected = ids.map(|(qos, id)| format!("PUBLISH {qos}/{id} a/b: x"));
    assert_eq!(said, expected);
    // Each answer is for its own.
    let said = driven.talk(&[
        puback(65_534),
        pubrec(49_151),
        pubcomp(49_151),
        puback(65_535),
    ]);
    assert_eq!(said, ["PUBREL 49151 Success"]);
    let settled: Vec<_> = driven.take_log();
    for expected in ["Accept 3/8", "Accept 3/7", "Accept 1/49150"] {
        assert!(settled.contains(&expected.to_owned()), "{settled:?}");
    }
    assert_eq!(
        driven.talk(&[pubrec(65_535)]),
        ["PUBREL 65535 PacketIdentifierNotFound"]
    );
}

/// [MQTT-4.8.2-6], §4.8.2: what is not answered goes to the others, what is rejected does not.
#[test]
fn what_is_not_answered_is_not_settled() {
    let mut driven = member(Version::V5, Qos::ExactlyOnce);
    for sequence in 1..=3 {
        driven.deliver(3, sequence, &live("x", Qos::ExactlyOnce));
    }
    driven.talk(&[puback(65_534)]);
    driven.talk(&[Packet::Puback(proto_mqtt::Ack::new(
        id(65_533),
        proto_mqtt::PublishReason::QuotaExceeded,
    ))]);
    driven.close();
    assert_eq!(driven.take_log(), ["Accept 3/2", "Reject 3/3"]);
}

#[test]
fn the_end_of_the_group_ends_the_connection() {
    let mut driven = member(Version::V5, Qos::AtLeastOnce);
    let deleted = Refusal::QueueDeleted(QueueName::new(b"q").unwrap());
    driven.handle_event(Event::Ended(SubscriptionId(3), deleted));
    assert!(driven.out.is_closing());
    driven.talk(&[pubrel(1)]);
}
