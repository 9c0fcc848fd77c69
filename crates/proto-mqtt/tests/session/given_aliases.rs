//! Topic aliases that clients are given.

use crate::scripted_broker::{Driven, connect, foreign, message, properties};
use model::Persistence;
use proto_mqtt::{Connect, Packet, Property, Qos, SessionLimits, Version};

/// A client that takes so many, and subscribes to everything.
fn taking(limits: SessionLimits, asked: &[Property<'_>], qos: Qos) -> Driven {
    let list = properties(asked);
    let mut driven = Driven::with_limits(Version::V5, limits);
    driven.talk(&[Packet::Connect(Connect {
        properties: list.as_properties(),
        ..connect(Version::V5)
    })]);
    driven.subscribe(&["#"], qos);
    driven
}

/// What the client is sent for messages with these topics, in short.
fn sent(driven: &mut Driven, topics: &[&str], qos: Qos) -> Vec<String> {
    for (sequence, topic) in (1..).zip(topics) {
        driven.deliver(1, sequence, &message(Version::V5, topic, "x", qos));
    }
    driven.take_wire()
}

#[test]
fn topics_that_come_first_get_aliases() {
    let two = [Property::TopicAliasMaximum(2)];
    let mut driven = taking(SessionLimits::default(), &two, Qos::AtMostOnce);
    let topics = [
        "plant/1", "plant/2", "plant/1", "plant/3", "plant/2", "plant/3",
    ];
    let expected = [
        "PUBLISH 0 plant/1: x [TopicAlias(1)]",
        "PUBLISH 0 plant/2: x [TopicAlias(2)]",
        "PUBLISH 0 : x [TopicAlias(1)]",
        "PUBLISH 0 plant/3: x",
        "PUBLISH 0 : x [TopicAlias(2)]",
        "PUBLISH 0 plant/3: x",
    ];
    assert_eq!(sent(&mut driven, &topics, Qos::AtMostOnce), expected);
    // With any quality of service, but not where a name is as short.
    let mut driven = taking(SessionLimits::default(), &two, Qos::ExactlyOnce);
    let expected = [
        "PUBLISH 1/1 a/b: x",
        "PUBLISH 1/2 a/bc: x [TopicAlias(1)]",
        "PUBLISH 1/3 : x [TopicAlias(1)]",
    ];
    let topics = ["a/b", "a/bc", "a/bc"];
    assert_eq!(sent(&mut driven, &topics, Qos::AtLeastOnce), expected);
}

#[test]
fn nobody_gets_aliases_that_does_not_take_them() {
    let few = SessionLimits {
        topic_alias_send_max: 1,
        ..SessionLimits::default()
    };
    let none = SessionLimits {
        topic_alias_send_max: 0,
        ..few
    };
    let many = [Property::TopicAliasMaximum(u16::MAX)];
    let rows = [
        (few, &many[..], 1),
        (none, &many[..], 0),
        (few, &[Property::TopicAliasMaximum(0)], 0),
        (few, &[], 0),
    ];
    for (limits, asked, count) in rows {
        let mut driven = taking(limits, asked, Qos::AtMostOnce);
        let said = sent(&mut driven, &["plant/1", "plant/2"], Qos::AtMostOnce);
        let aliased = said.iter().filter(|it| it.contains("TopicAlias")).count();
        assert_eq!(aliased, count, "{said:?}");
    }
    for version in [Version::V31, Version::V311] {
        let mut driven = Driven::connected(version);
        driven.subscribe(&["#"], Qos::AtMostOnce);
        let said = sent(&mut driven, &["plant/1", "plant/1"], Qos::AtMostOnce);
        assert_eq!(said, ["PUBLISH 0 plant/1: x"; 2]);
    }
}

#[test]
fn an_alias_is_set_only_by_what_is_sent() {
    let asked = [
        Property::TopicAliasMaximum(2),
        Property::MaximumPacketSize(40.try_into().unwrap()),
    ];
    let mut driven = taking(SessionLimits::default(), &asked, Qos::AtMostOnce);
    let mut deliver = |payload_len: usize| {
        let payload = "x".repeat(payload_len);
        driven.deliver(
            1,
            0,
            &message(Version::V5, "plant/1", &payload, Qos::AtMostOnce),
        );
        let said = driven.take_wire();
        said.first().map(|it| it.replace('x', ""))
    };
    let bare = Some("PUBLISH 0 plant/1: ".to_owned());
    // Lengths and topic take 12 bytes, an alias 3.
    assert_eq!(deliver(29), None, "too long in any case");
    assert_eq!(deliver(28), bare, "too long with an alias");
    let set = Some("PUBLISH 0 plant/1:  [TopicAlias(1)]".to_owned());
    assert_eq!(deliver(25), set);
    let known = Some("PUBLISH 0 :  [TopicAlias(1)]".to_owned());
    assert_eq!(deliver(32), known, "only the alias leaves room for it");
}

#[test]
fn a_name_that_stands_for_a_key_has_no_alias() {
    let two = [Property::TopicAliasMaximum(2)];
    let mut driven = taking(SessionLimits::default(), &two, Qos::AtMostOnce);
    for _ in 0..2 {
        driven.deliver(1, 0, &foreign(b"plant.#", Persistence::Transient));
    }
    let said = driven.take_wire();
    assert!(said.iter().all(|it| !it.contains("TopicAlias")), "{said:?}");
    assert_eq!(said[0], said[1]);
}
