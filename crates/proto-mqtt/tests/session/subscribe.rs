//! SUBSCRIBE and UNSUBSCRIBE.

use crate::scripted_broker::{Driven, id, message, properties, with_qos};
use broker_api::Refusal;
use proto_mqtt::{
    FilterList, Packet, Properties, Property, Qos, RetainHandling, SessionLimits,
    SubscriptionIdentifier, SubscriptionOptions, Text, TopicFilter, Unsubscribe, Version,
};

fn unsubscribe(driven: &mut Driven, list: &[&str]) -> Vec<String> {
    let mut filters = FilterList::new();
    for filter in list {
        filters.push(TopicFilter::new(Text::new(filter).unwrap()).unwrap());
    }
    driven.talk(&[Packet::Unsubscribe(Unsubscribe {
        packet_id: id(8),
        properties: Properties::NONE,
        filters: filters.as_filters(),
    })])
}

#[test]
fn each_filter_is_a_subscription_of_its_own() {
    for version in Version::ALL {
        let mut driven = Driven::connected(version);
        let said = driven.subscribe_with(
            &[
                ("a.b/+/c", with_qos(Qos::AtMostOnce)),
                ("a/#", with_qos(Qos::AtLeastOnce)),
                ("#", with_qos(Qos::ExactlyOnce)),
            ],
            Properties::NONE,
        );
        assert_eq!(said, ["SUBACK 9 [00, 01, 02]"]);
        let expected = [
            "Subscribe(1, amq.topic a/b.*.c, Presettled)",
            "Subscribe(2, amq.topic a.#, Explicit, limit 1024)",
            "Subscribe(3, amq.topic #, Explicit, limit 1024)",
        ];
        assert_eq!(driven.take_log(), expected);
    }
}

fn handling(retain_handling: RetainHandling, qos: Qos) -> SubscriptionOptions {
    SubscriptionOptions {
        retain_handling,
        ..with_qos(qos)
    }
}

#[test]
fn retained_messages_are_asked_for_as_wished() {
    use RetainHandling::{DoNotSend, Send, SendIfNew};
    let mut driven = Driven::connected(Version::V5);
    let mut check = |handling_of, qos, expected: &[&str]| {
        let asked = [("a/+", handling(handling_of, qos))];
        let said = driven.subscribe_with(&asked, Properties::NONE);
        assert_eq!(said, [format!("SUBACK 9 [0{}]", qos.bits())]);
        let log = driven.take_log();
        assert_eq!(log, expected);
    };
    let at_most_once = Qos::AtMostOnce;
    check(
        SendIfNew,
        at_most_once,
        &["Subscribe(1, amq.topic a.*, Presettled)"],
    );
    check(SendIfNew, at_most_once, &[]);
    check(DoNotSend, at_most_once, &[]);
    check(Send, at_most_once, &["Show(1, a.*)"]);
    // What has to be made anew is not new to the client.
    check(
        SendIfNew,
        Qos::AtLeastOnce,
        &["Subscribe(2, amq.topic a.*, Explicit, limit 1024, none retained)"],
    );
    check(Send, Qos::ExactlyOnce, &["Show(2, a.*)"]);
    let mut driven = Driven::connected(Version::V5);
    driven.subscribe_with(
        &[("a", handling(DoNotSend, at_most_once))],
        Properties::NONE,
    );
    let asked = "Subscribe(1, amq.topic a, Presettled, none retained)";
    assert_eq!(driven.take_log(), [asked]);
    // 3.x has no say in it.
    let mut driven = Driven::connected(Version::V311);
    driven.subscribe(&["a"], at_most_once);
    driven.subscribe(&["a"], at_most_once);
    let asked = ["Subscribe(1, amq.topic a, Presettled)", "Show(1, a)"];
    assert_eq!(driven.take_log(), asked);
}

#[test]
fn what_is_retained_does_not_end_an_earlier_subscription() {
    let mut driven = Driven::connected(Version::V5);
    driven.subscribe(&["a"], Qos::AtMostOnce);
    driven.subscribe(&["a"], Qos::AtLeastOnce);
    driven.take_log();
    let live = message(Version::V5, "a", "x", Qos::AtMostOnce);
    let mut envelope = live.envelope();
    envelope.retain = model::Retain::Shown;
    driven.deliver(2, 1, &live.with_envelope(envelope));
    assert!(!driven.take_log().contains(&"Cancel(1)".to_owned()));
    driven.deliver(1, 0, &live);
    driven.deliver(2, 2, &live);
    assert!(driven.take_log().contains(&"Cancel(1)".to_owned()));
    let expected = ["PUBLISH 0 a: x retain", "PUBLISH 0 a: x", "PUBLISH 0 a: x"];
    assert_eq!(driven.take_wire(), expected);
}

#[test]
fn own_messages_are_skipped_if_wished() {
    let mut driven = Driven::connected(Version::V5);
    let options = SubscriptionOptions {
        no_local: true,
        ..SubscriptionOptions::default()
    };
    driven.subscribe_with(&[("a", options)], Properties::NONE);
    assert_eq!(
        driven.take_log(),
        ["Subscribe(1, amq.topic a, Presettled, not own)"]
    );
}

#[test]
fn refusals_stand_in_suback() {
    for (version, codes) in [(Version::V311, "80, 01"), (Version::V5, "97, 01")] {
        let mut driven = Driven::connected(version);
        let refusal = Refusal::LimitReached {
            what: "bindings",
            limit: 1,
        };
        driven.refusals = vec![("Subscribe(1", refusal)];
        let said = driven.subscribe(&["a", "c"], Qos::AtLeastOnce);
        assert_eq!(said, [format!("SUBACK 9 [{codes}]")]);
        // The one that was refused is not there: it is asked for anew.
        driven.take_log();
        assert_eq!(driven.subscribe(&["a"], Qos::AtMostOnce), ["SUBACK 9 [00]"]);
        assert_eq!(driven.take_log(), ["Subscribe(3, amq.topic a, Presettled)"]);
    }
}

#[test]
fn subscriptions_are_limited() {
    let limits = SessionLimits {
        subscriptions_max: 2,
        filter_bytes_max: 10,
        filter_levels_max: 3,
        ..SessionLimits::default()
    };
    let of_connection = Driven::connected_with(Version::V5, limits);
    let of_queue = crate::kept::kept_with(Version::V5, limits);
    for mut driven in [of_connection, of_queue] {
        let said = driven.subscribe(
            &["a/b/c", "a/b/c/d", "123456", "12345", "a", "a/b/c"],
            Qos::AtMostOnce,
        );
        assert_eq!(said, ["SUBACK 9 [00, 97, 97, 00, 97, 00]"]);
        assert_eq!(unsubscribe(&mut driven, &["12345"]), ["UNSUBACK 8 [00]"]);
        assert_eq!(driven.subscribe(&["a"], Qos::AtMostOnce), ["SUBACK 9 [00]"]);
    }
}

#[test]
fn levels_of_all_filters_are_limited() {
    let limits = SessionLimits {
        filter_levels_all_max: 6,
        ..SessionLimits::default()
    };
    let of_connection = Driven::connected_with(Version::V5, limits);
    let of_queue = crate::kept::kept_with(Version::V5, limits);
    for mut driven in [of_connection, of_queue] {
        let said = driven.subscribe(
            &["a/b/c", "a/b/c", "d/e/f/g", "d/e", "d/f"],
            Qos::AtLeastOnce,
        );
        assert_eq!(said, ["SUBACK 9 [01, 01, 97, 01, 97]"]);
        assert_eq!(unsubscribe(&mut driven, &["d/e"]), ["UNSUBACK 8 [00]"]);
        let said = driven.subscribe(&["d/e/f", "g"], Qos::AtLeastOnce);
        assert_eq!(said, ["SUBACK 9 [01, 97]"]);
    }
}

#[test]
fn nothing_is_read_before_the_answer() {
    let mut driven = Driven::connected(Version::V5);
    driven
        .input
        .extend_from_slice(b"\x82\x07\x00\x09\x00\x00\x01a\x00\xc0\x00");
    let now = driven.now;
    broker_api::Session::handle_input(&mut driven.session, now, &mut driven.input, &mut driven.out);
    driven.collect();
    assert!(driven.take_wire().is_empty() && driven.out.is_held());
    driven.answer_all();
    assert_eq!(driven.take_wire(), ["SUBACK 9 [00]"]);
    driven.feed(b"");
    assert_eq!(driven.take_wire(), ["PINGRESP"]);
}

#[test]
fn unsubscribing_ends_a_subscription() {
    for (version, codes) in [(Version::V311, ""), (Version::V5, "00, 11")] {
        let mut driven = Driven::connected(version);
        driven.subscribe(&["a", "b"], Qos::AtLeastOnce);
        driven.take_log();
        let said = unsubscribe(&mut driven, &["a", "x"]);
        assert_eq!(said, [format!("UNSUBACK 8 [{codes}]")]);
        assert_eq!(driven.take_log(), ["Cancel(1)"]);
        // What crossed it is not sent.
        driven.deliver(1, 1, &message(version, "a", "x", Qos::AtLeastOnce));
        assert!(driven.take_wire().is_empty());
        driven.deliver(2, 1, &message(version, "b", "x", Qos::AtLeastOnce));
        assert_eq!(driven.take_wire(), ["PUBLISH 1/1 b: x"]);
    }
}

#[test]
fn an_equal_filter_replaces_options() {
    let mut driven = Driven::connected(Version::V5);
    let identifier = |number| {
        properties(&[Property::SubscriptionIdentifier(
            SubscriptionIdentifier::new(number).unwrap(),
        )])
    };
    let (one, two) = (identifier(1), identifier(2));
    let list = [("a", with_qos(Qos::ExactlyOnce))];
    driven.subscribe_with(&list, one.as_properties());
    let message = message(Version::V5, "a", "x", Qos::ExactlyOnce);
    driven.deliver(1, 1, &message);
    let said = "PUBLISH 2/1 a: x [SubscriptionIdentifier(1)]";
    assert_eq!(driven.take_wire(), [said]);
    driven.take_log();
    // What is settled here goes on, whatever quality is asked for.
    let list = [("a", with_qos(Qos::AtMostOnce))];
    assert_eq!(
        driven.subscribe_with(&list, two.as_properties()),
        ["SUBACK 9 [00]"]
    );
    assert_eq!(driven.take_log(), ["Show(1, a)"]);
    driven.deliver(1, 2, &message);
    let said = "PUBLISH 0 a: x [SubscriptionIdentifier(2)]";
    assert_eq!(driven.take_wire(), [said]);
}

#[test]
fn an_equal_filter_with_more_quality_replaces_the_subscription() {
    let mut driven = Driven::connected(Version::V5);
    driven.subscribe(&["a"], Qos::AtMostOnce);
    driven.take_log();
    assert_eq!(
        driven.subscribe(&["a"], Qos::AtLeastOnce),
        ["SUBACK 9 [01]"]
    );
    let log = driven.take_log();
    assert_eq!(log, ["Subscribe(2, amq.topic a, Explicit, limit 1024)"]);
    // What was published before comes by the old one.
    let message = message(Version::V5, "a", "x", Qos::AtLeastOnce);
    driven.deliver(1, 0, &message);
    assert_eq!(driven.take_wire(), ["PUBLISH 0 a: x"]);
    assert!(driven.take_log().is_empty());
    driven.deliver(2, 1, &message);
    assert_eq!(driven.take_wire(), ["PUBLISH 1/1 a: x"]);
    assert_eq!(driven.take_log(), ["Cancel(1)"]);
    driven.deliver(1, 0, &message);
    assert!(driven.take_wire().is_empty());
    // Both end with the filter.
    driven.subscribe(&["b"], Qos::AtMostOnce);
    driven.subscribe(&["b"], Qos::AtLeastOnce);
    driven.take_log();
    assert_eq!(unsubscribe(&mut driven, &["b"]), ["UNSUBACK 8 [00]"]);
    assert_eq!(driven.take_log(), ["Cancel(3)", "Cancel(4)"]);
}
