//! Shared subscriptions.

use crate::scripted_broker::{Driven, id, message, properties, puback, pubcomp, pubrec, with_qos};
use broker_api::Refusal;
use model::QueueName;
use proto_mqtt::{
    Ack, FilterList, Packet, Properties, Property, PublishReason, Qos, SubscriptionIdentifier,
    Text, TopicFilter, Unsubscribe, Version,
};

const DECLARE: &str = "Declare(mqtt.share/g/a/+)";
const BIND: &str = "Bind(Queue(\"mqtt.share/g/a/+\"), amq.topic a.*)";

fn subscribe(id: u32) -> String {
    format!("Subscribe({id}, queue mqtt.share/g/a/+, Explicit, limit 1024, none retained)")
}

/// A member with this quality, by the broker's subscription 2.
fn member(version: Version, qos: Qos) -> Driven {
    let mut driven = Driven::connected(version);
    let said = driven.subscribe(&["$share/g/a/+"], qos);
    assert_eq!(said, [format!("SUBACK 9 [0{}]", qos.bits())]);
    assert_eq!(driven.take_log(), [DECLARE, BIND, &subscribe(2)]);
    driven
}

#[test]
fn a_group_has_a_queue_that_its_members_compete_for() {
    for version in Version::ALL {
        for qos in [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce] {
            member(version, qos);
        }
    }
}

#[test]
fn others_may_be_asked_for_beside_it() {
    let mut driven = Driven::connected(Version::V5);
    let said = driven.subscribe(&["$share/g/a/+", "b", "$share/g/a/+"], Qos::AtLeastOnce);
    assert_eq!(said, ["SUBACK 9 [01, 01, 01]"]);
    let other = "Subscribe(2, amq.topic b, Explicit, limit 1024)";
    assert_eq!(driven.take_log(), [DECLARE, other, BIND, &subscribe(3)]);
}

#[test]
fn a_queue_that_has_ended_meanwhile_is_made_again() {
    let gone = || Refusal::QueueDeleted(QueueName::new(b"q").unwrap());
    let mut driven = Driven::connected(Version::V5);
    driven.refusals = vec![("Bind", gone()), ("Subscribe", gone())];
    let said = driven.subscribe(&["$share/g/a/+"], Qos::AtLeastOnce);
    assert_eq!(said, ["SUBACK 9 [01]"]);
    let (first, second) = (subscribe(2), subscribe(3));
    let expected = [DECLARE, BIND, DECLARE, BIND, &first, DECLARE, BIND, &second];
    assert_eq!(driven.take_log(), expected);
    let live = message(Version::V5, "a/b", "x", Qos::AtLeastOnce);
    driven.deliver(3, 1, &live);
    assert_eq!(driven.take_wire(), ["PUBLISH 1/1 a/b: x"]);
    // Not for ever.
    let mut driven = Driven::connected(Version::V5);
    driven.refusals = (0..99).map(|_| ("Subscribe", gone())).collect();
    let said = driven.subscribe(&["$share/g/a/+"], Qos::AtLeastOnce);
    assert_eq!(said, ["SUBACK 9 [83]"]);
}

#[test]
fn refusals_stand_in_suback() {
    for step in ["Declare", "Bind", "Subscribe"] {
        let mut driven = Driven::connected(Version::V5);
        let refusal = Refusal::AccessRefused("no".to_owned());
        driven.refusals = vec![(step, refusal)];
        let said = driven.subscribe(&["$share/g/a/+"], Qos::AtLeastOnce);
        assert_eq!(said, ["SUBACK 9 [87]"], "{step}");
        driven.take_log();
        let said = driven.subscribe(&["$share/g/a/+"], Qos::AtLeastOnce);
        assert_eq!(said, ["SUBACK 9 [01]"], "it can be asked for again");
    }
    let mut driven = Driven::connected(Version::V5);
    let long = format!("$share/g/{}", "x".repeat(255 - "mqtt.share/g/".len()));
    assert_eq!(
        driven.subscribe(&[&long], Qos::AtMostOnce),
        ["SUBACK 9 [00]"]
    );
    let longer = format!("{long}x");
    assert_eq!(
        driven.subscribe(&[&longer], Qos::AtMostOnce),
        ["SUBACK 9 [97]"]
    );
}

#[test]
fn an_equal_filter_changes_it_in_place() {
    let mut driven = member(Version::V5, Qos::AtMostOnce);
    let identifier = properties(&[Property::SubscriptionIdentifier(
        SubscriptionIdentifier::new(5).unwrap(),
    )]);
    let list = [("$share/g/a/+", with_qos(Qos::ExactlyOnce))];
    let said = driven.subscribe_with(&list, identifier.as_properties());
    assert_eq!(said, ["SUBACK 9 [02]"]);
    assert!(driven.take_log().is_empty());
    let live = message(Version::V5, "a/b", "x", Qos::ExactlyOnce);
    driven.deliver(2, 1, &live);
    let said = driven.take_wire();
    assert_eq!(said, ["PUBLISH 2/1 a/b: x [SubscriptionIdentifier(5)]"]);
}

#[test]
fn deliveries_are_settled_as_they_are_answered() {
    let mut driven = member(Version::V5, Qos::ExactlyOnce);
    let live = |qos| message(Version::V5, "a/b", "x", qos);
    for (sequence, qos) in [
        (1, Qos::AtMostOnce),
        (2, Qos::AtLeastOnce),
        (3, Qos::ExactlyOnce),
    ] {
        driven.deliver(2, sequence, &live(qos));
    }
    driven.talk(&[puback(1), pubrec(2), pubcomp(2)]);
    let log = driven.take_log();
    assert_eq!(log, ["Accept 2/1", "Accept 2/2", "Accept 2/3"]);
    // [MQTT-4.8.2-6]: rejected, not released.
    driven.deliver(2, 4, &live(Qos::AtLeastOnce));
    driven.talk(&[Packet::Puback(Ack::new(
        id(1),
        PublishReason::QuotaExceeded,
    ))]);
    assert_eq!(driven.take_log(), ["Reject 2/4"]);
}

/// [MQTT-4.3.1-1]
#[test]
fn what_is_published_with_qos_0_is_not_sent_again() {
    let mut driven = member(Version::V5, Qos::AtLeastOnce);
    let [zero, one] =
        [Qos::AtMostOnce, Qos::AtLeastOnce].map(|qos| message(Version::V5, "a/b", "x", qos));
    driven.deliver_again(2, 1, &zero, true);
    driven.deliver_again(2, 2, &one, true);
    driven.deliver(2, 3, &zero);
    assert_eq!(
        driven.take_wire(),
        ["PUBLISH 1/1 a/b: x", "PUBLISH 0 a/b: x"]
    );
}

/// [MQTT-4.8.2-5]
#[test]
fn what_was_sent_with_qos_2_is_not_for_others() {
    let mut driven = member(Version::V5, Qos::ExactlyOnce);
    driven.subscribe(&["own"], Qos::ExactlyOnce);
    driven.take_log();
    let live = |qos| message(Version::V5, "a/b", "x", qos);
    driven.deliver(2, 1, &live(Qos::AtLeastOnce));
    driven.deliver(2, 2, &live(Qos::ExactlyOnce));
    driven.deliver(2, 3, &live(Qos::ExactlyOnce));
    driven.deliver(3, 1, &live(Qos::ExactlyOnce));
    driven.talk(&[pubrec(3)]);
    driven.close();
    // The first goes to another member.
    assert_eq!(driven.take_log(), ["Accept 2/2", "Accept 2/3"]);
}

#[test]
fn hidden_topics_are_not_for_wildcards_at_the_front_of_what_is_shared() {
    let mut driven = Driven::connected(Version::V5);
    driven.subscribe(&["$share/g/#"], Qos::AtLeastOnce);
    driven.take_log();
    let hidden = message(Version::V5, "$a/x", "y", Qos::AtLeastOnce);
    driven.deliver(2, 1, &hidden);
    assert!(driven.take_wire().is_empty());
    driven.talk(&[Packet::Pingreq]);
    assert_eq!(driven.take_log(), ["Accept 2/1"]);
}

#[test]
fn a_member_leaves_with_unsubscribe() {
    let mut driven = member(Version::V5, Qos::AtLeastOnce);
    let mut filters = FilterList::new();
    filters.push(TopicFilter::new(Text::new("$share/g/a/+").unwrap()).unwrap());
    let said = driven.talk(&[Packet::Unsubscribe(Unsubscribe {
        packet_id: id(8),
        properties: Properties::NONE,
        filters: filters.as_filters(),
    })]);
    assert_eq!(said, ["UNSUBACK 8 [00]"]);
    assert_eq!(driven.take_log(), ["Cancel(2)"]);
}
