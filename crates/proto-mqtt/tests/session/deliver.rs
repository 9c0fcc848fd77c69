//! What the client is sent.

use crate::scripted_broker::{
    Driven, connect, filters, foreign, id, message, properties, puback, pubcomp, publish_of,
    pubrec, with_qos,
};
use model::{Message, Persistence, Retain};
use proto_mqtt::{
    Ack, Connect, Packet, Properties, Property, Publish, PublishQos, PublishReason, Qos, Subscribe,
    SubscriptionIdentifier, SubscriptionOptions, Text, Version,
};
use std::time::Duration;

/// A client of 5.0 that takes only so much.
fn connected_with(properties: &[Property<'_>]) -> Driven {
    let list = crate::scripted_broker::properties(properties);
    let mut driven = Driven::new(Version::V5);
    driven.talk(&[Packet::Connect(Connect {
        properties: list.as_properties(),
        ..connect(Version::V5)
    })]);
    driven.take_log();
    driven
}

const ALL: [Qos; 3] = [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce];

#[test]
fn the_lower_quality_counts() {
    for version in Version::ALL {
        for subscribed in ALL {
            let mut driven = Driven::connected(version);
            driven.subscribe(&["a/b"], subscribed);
            for published in ALL {
                driven.deliver(1, 1, &message(version, "a/b", "x", published));
                let said = driven.take_wire();
                let qos = published.min(subscribed).bits();
                assert!(said[0].starts_with(&format!("PUBLISH {qos}")), "{said:?}");
                assert!(said[0].ends_with(" a/b: x"), "{said:?}");
            }
        }
    }
}

#[test]
fn answers_settle() {
    for version in Version::ALL {
        let mut driven = Driven::connected(version);
        driven.subscribe(&["#"], Qos::ExactlyOnce);
        driven.take_log();
        driven.deliver(1, 1, &message(version, "a", "x", Qos::AtLeastOnce));
        driven.deliver(1, 2, &message(version, "a", "y", Qos::ExactlyOnce));
        assert_eq!(driven.take_wire(), ["PUBLISH 1/1 a: x", "PUBLISH 2/2 a: y"]);
        assert!(driven.talk(&[puback(1)]).is_empty());
        assert_eq!(driven.take_log(), ["Accept 1/1"]);
        assert_eq!(driven.talk(&[pubrec(2)]), ["PUBREL 2 Success"]);
        assert!(driven.take_log().is_empty());
        // PUBREL may have been lost.
        assert_eq!(driven.talk(&[pubrec(2)]), ["PUBREL 2 Success"]);
        assert!(driven.talk(&[pubcomp(2)]).is_empty());
        assert_eq!(driven.take_log(), ["Accept 1/2"]);
        assert_eq!(driven.granted.values().copied().max(), Some(2 + 1024));
    }
}

#[test]
fn answers_to_nothing_do_nothing() {
    let mut driven = Driven::connected(Version::V5);
    driven.subscribe(&["#"], Qos::ExactlyOnce);
    driven.take_log();
    assert_eq!(
        driven.talk(&[pubrec(1)]),
        ["PUBREL 1 PacketIdentifierNotFound"]
    );
    assert!(
        driven
            .talk(&[puback(1), pubcomp(9), puback(65_535)])
            .is_empty()
    );
    // A PUBACK does not answer QoS 2, nor a PUBCOMP what was not released.
    driven.deliver(1, 1, &message(Version::V5, "a", "y", Qos::ExactlyOnce));
    driven.take_wire();
    assert!(driven.talk(&[puback(1), pubcomp(1)]).is_empty());
    assert!(driven.take_log().is_empty());
}

#[test]
fn errors_in_answers_reject() {
    let mut driven = Driven::connected(Version::V5);
    driven.subscribe(&["#"], Qos::ExactlyOnce);
    driven.deliver(1, 1, &message(Version::V5, "a", "x", Qos::AtLeastOnce));
    driven.deliver(1, 2, &message(Version::V5, "a", "y", Qos::ExactlyOnce));
    driven.take_log();
    driven.take_wire();
    let reason = PublishReason::QuotaExceeded;
    let said = driven.talk(&[
        Packet::Puback(Ack::new(id(1), reason)),
        Packet::Pubrec(Ack::new(id(2), reason)),
    ]);
    assert!(said.is_empty());
    assert_eq!(driven.take_log(), ["Reject 1/1", "Reject 1/2"]);
}

#[test]
fn the_client_has_no_more_in_hand_than_it_takes() {
    let mut driven = connected_with(&[Property::ReceiveMaximum(2.try_into().unwrap())]);
    driven.subscribe(&["#", "a"], Qos::AtLeastOnce);
    let log = driven.take_log();
    assert!(log.iter().all(|it| it.ends_with("limit 2)")), "{log:?}");
    // Each subscription may bring as much; the client takes it in all.
    let message = |payload: &str| message(Version::V5, "a", payload, Qos::AtLeastOnce);
    driven.deliver(1, 1, &message("p"));
    driven.deliver(2, 1, &message("q"));
    driven.deliver(1, 2, &message("r"));
    driven.deliver(2, 2, &message("s"));
    assert_eq!(driven.take_wire(), ["PUBLISH 1/1 a: p", "PUBLISH 1/2 a: q"]);
    assert_eq!(driven.talk(&[puback(2)]), ["PUBLISH 1/2 a: r"]);
    assert_eq!(driven.talk(&[puback(1), puback(2)]), ["PUBLISH 1/1 a: s"]);
    assert_eq!(
        driven.take_log(),
        ["Accept 2/1", "Accept 1/1", "Accept 1/2"]
    );
    let granted: Vec<_> = driven.granted.values().copied().collect();
    assert_eq!(granted, [2 + 2, 2 + 1]);
}

#[test]
fn what_need_not_be_answered_is_settled_here() {
    let mut driven = Driven::connected(Version::V311);
    driven.subscribe(&["#"], Qos::AtLeastOnce);
    driven.take_log();
    let message = message(Version::V311, "a", "x", Qos::AtMostOnce);
    // Gathered, and sent with the next input at the latest.
    for sequence in 1..=3 {
        driven.deliver(1, sequence, &message);
    }
    assert_eq!(driven.take_wire().len(), 3);
    assert!(driven.take_log().is_empty());
    driven.talk(&[Packet::Pingreq]);
    assert_eq!(
        driven.take_log(),
        ["Accept 1/1", "Accept 1/2", "Accept 1/3"]
    );
    for sequence in 4..4 + 64 {
        driven.deliver(1, sequence, &message);
    }
    assert_eq!(driven.take_log().len(), 64);
    assert_eq!(driven.granted.values().copied().max(), Some(67 + 1024));
}

#[test]
fn heads_go_out_as_they_came_in() {
    let list = properties(&[
        Property::MessageExpiryInterval(10),
        Property::ContentType(Text::new("t").unwrap()),
        Property::UserProperty(Text::new("n").unwrap(), Text::new("v").unwrap()),
        Property::UserProperty(Text::new("n").unwrap(), Text::new("w").unwrap()),
    ]);
    let mut publisher = Driven::connected(Version::V5);
    publisher.talk(&[Packet::Publish(Publish {
        properties: list.as_properties(),
        ..publish_of("t", "x", PublishQos::AtMostOnce)
    })]);
    let message = publisher.published.pop().unwrap();
    let mut driven = Driven::connected(Version::V5);
    let identifier = properties(&[Property::SubscriptionIdentifier(
        SubscriptionIdentifier::new(5).unwrap(),
    )]);
    let asked = filters(&[("t", with_qos(Qos::AtMostOnce))]);
    driven.talk(&[Packet::Subscribe(Subscribe {
        packet_id: id(1),
        properties: identifier.as_properties(),
        subscriptions: asked.as_subscriptions(),
    })]);
    driven.deliver(1, 0, &message);
    let said = "PUBLISH 0 t: x [MessageExpiryInterval(10), SubscriptionIdentifier(5), \
        ContentType(\"t\"), UserProperty(\"n\", \"v\"), UserProperty(\"n\", \"w\")]";
    assert_eq!(driven.take_wire(), [said]);
    let mut driven = Driven::connected(Version::V311);
    driven.subscribe(&["t"], Qos::AtMostOnce);
    driven.deliver(1, 0, &message);
    assert_eq!(driven.take_wire(), ["PUBLISH 0 t: x"]);
}

#[test]
fn the_life_of_a_message_is_counted_down() {
    let list = properties(&[Property::MessageExpiryInterval(10)]);
    let mut publisher = Driven::connected(Version::V5);
    publisher.talk(&[Packet::Publish(Publish {
        properties: list.as_properties(),
        ..publish_of("t", "x", PublishQos::AtLeastOnce(id(1)))
    })]);
    let message = publisher.published.pop().unwrap();
    let mut driven = connected_with(&[Property::ReceiveMaximum(1.try_into().unwrap())]);
    driven.subscribe(&["t"], Qos::AtLeastOnce);
    driven.deliver(1, 1, &message);
    driven.deliver(1, 2, &message);
    driven.deliver(1, 3, &message);
    assert_eq!(
        driven.take_wire(),
        ["PUBLISH 1/1 t: x [MessageExpiryInterval(10)]"]
    );
    driven.wait(Duration::from_millis(3_500));
    let said = driven.talk(&[puback(1)]);
    assert_eq!(said, ["PUBLISH 1/1 t: x [MessageExpiryInterval(7)]"]);
    // One that has waited until its end is not sent.
    driven.wait(Duration::from_millis(6_500));
    driven.take_log();
    assert!(driven.talk(&[puback(1)]).is_empty());
    assert_eq!(driven.take_log(), ["Accept 1/2", "Accept 1/3"]);
}

#[test]
fn hidden_topics_are_not_for_wildcards_at_the_front() {
    let mut driven = Driven::connected(Version::V5);
    driven.subscribe(&["#", "+/x", "$a/#"], Qos::AtLeastOnce);
    driven.take_log();
    let message = message(Version::V5, "$a/x", "y", Qos::AtLeastOnce);
    for subscription in 1..=3 {
        driven.deliver(subscription, 1, &message);
    }
    assert_eq!(driven.take_wire(), ["PUBLISH 1/1 $a/x: y"]);
    driven.talk(&[Packet::Pingreq]);
    assert_eq!(driven.take_log(), ["Accept 1/1", "Accept 2/1"]);
}

#[test]
fn what_is_too_long_for_the_client_is_not_sent() {
    let mut driven = connected_with(&[Property::MaximumPacketSize(100.try_into().unwrap())]);
    driven.subscribe(&["#"], Qos::AtLeastOnce);
    driven.take_log();
    // Topic, packet identifier and lengths take eight bytes.
    for (sequence, len) in [(1, 92), (2, 93)] {
        let message = message(Version::V5, "a", &"x".repeat(len), Qos::AtLeastOnce);
        driven.deliver(1, sequence, &message);
    }
    assert_eq!(driven.take_wire().len(), 1);
    driven.talk(&[puback(1)]);
    assert_eq!(driven.take_log(), ["Accept 1/2", "Accept 1/1"]);
    let many: Vec<_> = (0..100).map(|number| number.to_string()).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    let said = driven.subscribe(&many, Qos::AtMostOnce);
    assert!(said[0].starts_with("DISCONNECT PacketTooLarge"), "{said:?}");
}

#[test]
fn messages_of_other_protocols_are_delivered() {
    let mut driven = Driven::connected(Version::V5);
    driven.subscribe(&["#"], Qos::ExactlyOnce);
    driven.deliver(1, 1, &foreign(b"plant.7/a.temp", Persistence::Transient));
    driven.deliver(1, 2, &foreign(b"a", Persistence::Persistent));
    // A key that is no topic name travels beside one that is.
    driven.deliver(1, 3, &foreign(b"a.#+\xff", Persistence::Transient));
    let said = driven.take_wire();
    assert!(
        said[0].starts_with("PUBLISH 0 plant/7.a/temp: x"),
        "{said:?}"
    );
    assert!(said[1].starts_with("PUBLISH 1/1 a: x"), "{said:?}");
    let substituted = "PUBLISH 0 a/\u{fffd}\u{fffd}\u{fffd}: x";
    assert!(said[2].starts_with(substituted), "{said:?}");
    let carrier = "UserProperty(\"x-routing-key\", \"a.%23%2B%FF\")";
    assert!(said[2].contains(carrier), "{said:?}");
}

/// A copy of a message that says so of being retained.
fn with_retain(version: Version, retain: Retain) -> Message {
    let message = message(version, "a", "x", Qos::AtLeastOnce);
    let mut envelope = message.envelope();
    envelope.retain = retain;
    if retain != Retain::No {
        envelope.dialect_flags |= 4;
    }
    message.with_envelope(envelope)
}

#[test]
fn retain_is_what_was_retained_or_as_published() {
    for version in Version::ALL {
        for as_published in [false, true] {
            let mut driven = Driven::connected(version);
            let options = SubscriptionOptions {
                retain_as_published: as_published && version == Version::V5,
                ..with_qos(Qos::AtLeastOnce)
            };
            driven.subscribe_with(&[("a", options)], Properties::NONE);
            let mut flags = Vec::new();
            for (sequence, retain) in (1..).zip([Retain::No, Retain::Keep, Retain::Shown]) {
                driven.deliver(1, sequence, &with_retain(version, retain));
                let said = driven.take_wire();
                flags.push(said[0].ends_with(" retain"));
            }
            let kept = options.retain_as_published;
            assert_eq!(flags, [false, kept, true], "{version:?}, {as_published}");
        }
    }
}

#[test]
fn retain_as_published_shows_what_other_protocols_say() {
    let mut driven = Driven::connected(Version::V5);
    let options = SubscriptionOptions {
        retain_as_published: true,
        ..SubscriptionOptions::default()
    };
    driven.subscribe_with(&[("a", options)], Properties::NONE);
    let foreign = foreign(b"a", Persistence::Transient);
    driven.deliver(1, 0, &foreign);
    let mut envelope = foreign.envelope();
    envelope.retain = Retain::Shown;
    driven.deliver(1, 0, &foreign.with_envelope(envelope));
    let said = driven.take_wire();
    assert!(!said[0].contains(" retain"), "{said:?}");
    assert!(said[1].contains(" retain"), "{said:?}");
}
