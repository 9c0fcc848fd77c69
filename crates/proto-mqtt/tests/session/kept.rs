//! Sessions that outlive their connection.

use crate::scripted_broker::{
    Driven, bytes_of, connect, filters, id, message, name, properties, puback, pubcomp, publish,
    pubrec, pubrel, with_qos,
};
use broker_api::{Event, Refusal, Session};
use model::SubscriptionId;
use proto_mqtt::{
    Binary, Connect, Disconnect, DisconnectReason, FilterList, Packet, Properties, Property,
    PublishQos, Qos, RetainHandling, SessionLimits, Subscribe, SubscriptionIdentifier,
    SubscriptionOptions, Text, TopicFilter, Unsubscribe, Version, Will,
};
use std::num::NonZeroU16;

const AT_LEAST: PublishQos = PublishQos::AtLeastOnce(proto_mqtt::PacketId(NonZeroU16::MIN));
const HOUR: u32 = 3600;

/// A CONNECT of a session that is kept for an hour; in 3.x for ever.
pub(crate) fn keeping(version: Version, clean_start: bool, will: Option<Will<'_>>) -> Vec<u8> {
    let expiry = properties(&[Property::SessionExpiryInterval(HOUR)]);
    let properties = match version {
        Version::V5 => expiry.as_properties(),
        Version::V31 | Version::V311 => Properties::NONE,
    };
    let connect = Connect {
        clean_start,
        properties,
        will,
        ..connect(version)
    };
    bytes_of(version, &[Packet::Connect(connect)])
}

fn will(payload: &str) -> Will<'_> {
    Will {
        qos: Qos::AtLeastOnce,
        retain: false,
        properties: Properties::NONE,
        topic: name("will"),
        payload: Binary::new(payload.as_bytes()).unwrap(),
    }
}

/// A session that is kept, its CONNACK read.
pub(crate) fn kept(version: Version) -> Driven {
    kept_with(version, SessionLimits::default())
}

pub(crate) fn kept_with(version: Version, limits: SessionLimits) -> Driven {
    let mut driven = Driven::with_limits(version, limits);
    driven.feed(&keeping(version, false, None));
    driven.answer_all();
    let said = driven.take_wire();
    assert!(said[0].starts_with("CONNACK Success"), "{said:?}");
    driven.take_log();
    driven
}

/// The same session with its next connection, what it is sent, and what the broker is asked.
pub(crate) fn resumed(before: Driven) -> (Driven, Vec<String>, Vec<String>) {
    let mut driven = Driven::new(before.version);
    driven.notes = before.notes;
    driven.feed(&keeping(before.version, false, None));
    driven.answer_all();
    let (mut said, log) = (driven.take_wire(), driven.take_log());
    assert!(said[0].starts_with("CONNACK Success present"), "{said:?}");
    said.remove(0);
    (driven, said, log)
}

pub(crate) fn unsubscribe(driven: &mut Driven, filter: &str) -> Vec<String> {
    let mut list = FilterList::new();
    list.push(TopicFilter::new(Text::new(filter).unwrap()).unwrap());
    driven.talk(&[Packet::Unsubscribe(Unsubscribe {
        packet_id: id(9),
        properties: Properties::NONE,
        filters: list.as_filters(),
    })])
}

fn without_connect(mut log: Vec<String>) -> Vec<String> {
    log.retain(|line| !line.starts_with("Connect("));
    log
}

#[test]
fn a_session_is_begun_and_gone_on_with() {
    for version in [Version::V311, Version::V5] {
        let expiry = match version {
            Version::V5 => "Some(3600000)",
            Version::V31 | Version::V311 => "None",
        };
        let mut driven = Driven::new(version);
        driven.feed(&keeping(version, false, None));
        driven.answer_all();
        let said = driven.take_wire();
        let accepted = said[0].starts_with("CONNACK Success") && !said[0].contains("present");
        assert!(accepted, "{said:?}");
        let log = without_connect(driven.take_log());
        let begun = [
            "Declare(mqtt.session.c)",
            "Subscribe(1, queue mqtt.session.c, Explicit, limit 0, Takeover, none retained)",
            "Recall",
            "Note(+v)",
            &format!("Bequeath({expiry})"),
        ];
        assert_eq!(log, begun);
        assert_eq!(driven.granted[&SubscriptionId(1)], 1024);
        driven.subscribe(&["a/+"], Qos::AtLeastOnce);
        driven.subscribe(&["b"], Qos::AtMostOnce);
        let (_, said, log) = resumed(driven);
        assert!(said.is_empty(), "{said:?}");
        let gone_on_with = [
            "Declare(mqtt.session.c)",
            "Subscribe(1, queue mqtt.session.c, Explicit, limit 0, Takeover, none retained)",
            "Recall",
            "Bind(a.*)",
            &format!("Bequeath({expiry})"),
            // What was retained is not sent again.
            "Subscribe(3, amq.topic b, Presettled, none retained)",
        ];
        assert_eq!(without_connect(log), gone_on_with);
    }
}

#[test]
fn a_clean_start_ends_what_there_was() {
    let mut before = kept(Version::V5);
    before.subscribe(&["a"], Qos::AtLeastOnce);
    // With a session that is to be kept.
    let mut driven = Driven::new(Version::V5);
    driven.notes = before.notes.clone();
    driven.feed(&keeping(Version::V5, true, None));
    driven.answer_all();
    let said = driven.take_wire();
    assert!(!said[0].contains("present"), "{said:?}");
    let log = without_connect(driven.take_log());
    assert_eq!(
        log[..2],
        ["Delete(mqtt.session.c)", "Declare(mqtt.session.c)"]
    );
    assert!(!log.contains(&"Bind(a)".to_owned()), "{log:?}");
    // With one that ends with its connection.
    for version in Version::ALL {
        let mut driven = Driven::new(version);
        driven.notes = before.notes.clone();
        let said = driven.talk(&[Packet::Connect(connect(version))]);
        assert!(!said[0].contains("present"), "{said:?}");
        assert_eq!(
            without_connect(driven.take_log()),
            ["Delete(mqtt.session.c)"]
        );
    }
}

#[test]
fn a_session_may_be_gone_on_with_for_the_last_time() {
    let going_on = Connect {
        clean_start: false,
        ..connect(Version::V5)
    };
    let mut driven = Driven::new(Version::V5);
    let said = driven.talk(&[Packet::Connect(going_on)]);
    assert!(!said[0].contains("present"), "{said:?}");
    let log = without_connect(driven.take_log());
    assert_eq!(log, ["Declare(mqtt.session.c, if there)"]);
    driven.talk(&[publish("t", "x", AT_LEAST)]);
    let log = driven.take_log();
    assert!(log[0].starts_with("Publish("), "{log:?}");
    let mut driven = Driven::new(Version::V5);
    driven.notes = kept(Version::V5).notes;
    let said = driven.talk(&[Packet::Connect(going_on)]);
    assert!(said[0].contains("present"), "{said:?}");
    let log = driven.take_log();
    assert_eq!(log.last().unwrap(), "Bequeath(Some(0))");
}

#[test]
fn a_session_is_kept_as_long_as_was_told() {
    let limits = SessionLimits {
        session_expiry_seconds_max: 60,
        ..SessionLimits::default()
    };
    let mut driven = Driven::with_limits(Version::V5, limits);
    driven.feed(&keeping(Version::V5, false, None));
    driven.answer_all();
    let said = driven.take_wire();
    assert!(said[0].contains("SessionExpiryInterval(60)"), "{said:?}");
    let log = driven.take_log();
    assert_eq!(log.last().unwrap(), "Bequeath(Some(60000))");
    // DISCONNECT may say otherwise, up to the same.
    for (seconds, expected) in [(0, "Bequeath(Some(0))"), (10, "Bequeath(Some(10000))")] {
        let mut driven = Driven::with_limits(Version::V5, limits);
        driven.feed(&keeping(Version::V5, false, None));
        driven.answer_all();
        driven.take_log();
        let changed = properties(&[Property::SessionExpiryInterval(seconds)]);
        driven.talk(&[Packet::Disconnect(Disconnect {
            reason: DisconnectReason::NormalDisconnection,
            properties: changed.as_properties(),
        })]);
        assert_eq!(driven.take_log(), [expected]);
        assert!(driven.out.is_closing());
    }
    // None is kept at all.
    let limits = SessionLimits {
        session_expiry_seconds_max: 0,
        ..limits
    };
    let mut driven = Driven::with_limits(Version::V5, limits);
    driven.feed(&keeping(Version::V5, true, None));
    driven.answer_all();
    let said = driven.take_wire();
    assert!(said[0].contains("SessionExpiryInterval(0)"), "{said:?}");
    assert_eq!(
        without_connect(driven.take_log()),
        ["Delete(mqtt.session.c)"]
    );
}

#[test]
fn a_session_too_many_is_refused() {
    for (version, expected) in [
        (Version::V5, "CONNACK QuotaExceeded"),
        (Version::V311, "CONNACK ServerUnavailable"),
    ] {
        let mut driven = Driven::new(version);
        let limit = Refusal::LimitReached {
            what: "queues that are kept for one user",
            limit: 1,
        };
        driven.refusals.push(("Subscribe(1", limit));
        driven.feed(&keeping(version, false, None));
        driven.answer_all();
        let said = driven.take_wire();
        assert!(said[0].starts_with(expected), "{said:?}");
        assert!(driven.out.is_closing());
    }
}

#[test]
fn a_client_identifier_may_be_too_long_for_a_session() {
    let long = "c".repeat(243);
    let text = Text::new(&long).unwrap();
    for (version, said) in [
        (Version::V311, "CONNACK ClientIdentifierNotValid"),
        (Version::V5, "CONNACK ClientIdentifierNotValid"),
    ] {
        let expiry = properties(&[Property::SessionExpiryInterval(1)]);
        let mut driven = Driven::new(version);
        let found = driven.talk(&[Packet::Connect(Connect {
            clean_start: false,
            client_id: text,
            properties: match version {
                Version::V5 => expiry.as_properties(),
                Version::V31 | Version::V311 => Properties::NONE,
            },
            ..connect(version)
        })]);
        assert!(found[0].starts_with(said), "{found:?}");
        assert!(driven.take_log().is_empty());
    }
    let mut driven = Driven::new(Version::V5);
    let found = driven.talk(&[Packet::Connect(Connect {
        client_id: text,
        ..connect(Version::V5)
    })]);
    assert!(found[0].starts_with("CONNACK Success"), "{found:?}");
}

#[test]
fn a_queue_that_is_just_ending_is_made_again() {
    let mut driven = Driven::new(Version::V5);
    let deleted = Refusal::QueueDeleted(model::QueueName::new(b"q").unwrap());
    driven.refusals.push(("Subscribe(1", deleted));
    driven.feed(&keeping(Version::V5, false, None));
    driven.answer_all();
    let said = driven.take_wire();
    assert!(said[0].starts_with("CONNACK Success ["), "{said:?}");
    let log = without_connect(driven.take_log());
    assert_eq!(
        log[3..6],
        [
            "Delete(mqtt.session.c)",
            "Declare(mqtt.session.c)",
            "Subscribe(2, queue mqtt.session.c, Explicit, limit 0, Takeover, none retained)"
        ]
    );
    // Whichever of both answers comes first.
    let mut driven = Driven::new(Version::V5);
    let deleted = Refusal::QueueDeleted(model::QueueName::new(b"q").unwrap());
    driven.refusals = vec![("Subscribe(1", deleted), ("Recall", Refusal::TakenOver)];
    let connect = keeping(Version::V5, false, None);
    driven.input.extend_from_slice(&connect);
    let (session, now) = (&mut driven.session, driven.now);
    Session::handle_input(session, now, &mut driven.input, &mut driven.out);
    driven.collect();
    while driven.has_unanswered() {
        driven.answer_last();
    }
    let said = driven.take_wire();
    assert!(said[0].starts_with("CONNACK Success ["), "{said:?}");
    // Not for ever.
    let mut driven = Driven::new(Version::V5);
    for subscribe in ["Subscribe(1", "Subscribe(2", "Subscribe(3", "Subscribe(4"] {
        let deleted = Refusal::QueueDeleted(model::QueueName::new(b"q").unwrap());
        driven.refusals.push((subscribe, deleted));
    }
    driven.feed(&keeping(Version::V5, false, None));
    driven.answer_all();
    assert!(driven.out.is_closing());
}

#[test]
fn a_session_that_is_taken_over_is_told() {
    let mut driven = kept(Version::V5);
    let ended = Event::Ended(SubscriptionId(1), Refusal::TakenOver);
    driven.handle_event(ended);
    let said = driven.take_wire();
    assert!(
        said[0].starts_with("DISCONNECT SessionTakenOver"),
        "{said:?}"
    );
    assert!(driven.out.is_closing());
}

#[test]
fn the_broker_publishes_the_will() {
    for (reason, expected) in [
        (
            Some(DisconnectReason::NormalDisconnection),
            vec!["Bequeath(Some(3600000))"],
        ),
        (Some(DisconnectReason::DisconnectWithWillMessage), vec![]),
        (None, vec![]),
    ] {
        let delay = properties(&[Property::WillDelayInterval(5)]);
        let will = Will {
            properties: delay.as_properties(),
            ..will("gone")
        };
        let mut driven = Driven::new(Version::V5);
        driven.feed(&keeping(Version::V5, true, Some(will)));
        driven.answer_all();
        let log = driven.take_log();
        let bequeathed = "Bequeath(Some(3600000), gone after 5000)";
        assert_eq!(log.last().unwrap(), bequeathed);
        match reason {
            Some(reason) => drop(driven.talk(&[Packet::Disconnect(Disconnect {
                reason,
                properties: Properties::NONE,
            })])),
            None => driven.close(),
        }
        assert_eq!(driven.take_log(), expected, "{reason:?}");
    }
    // It goes with the new expiry.
    let mut driven = Driven::new(Version::V5);
    driven.feed(&keeping(Version::V5, true, Some(will("gone"))));
    driven.answer_all();
    driven.take_log();
    let changed = properties(&[Property::SessionExpiryInterval(1)]);
    driven.talk(&[Packet::Disconnect(Disconnect {
        reason: DisconnectReason::DisconnectWithWillMessage,
        properties: changed.as_properties(),
    })]);
    assert_eq!(driven.take_log(), ["Bequeath(Some(1000), gone after 0)"]);
}

#[test]
fn subscriptions_are_noted_first_and_forgotten_last() {
    let mut driven = kept(Version::V5);
    let said = driven.subscribe(&["a/+", "b"], Qos::ExactlyOnce);
    assert_eq!(said, ["SUBACK 9 [02, 02]"]);
    let expected = [
        "Note(+sa/+)",
        "Note(+sb)",
        "Bind(a.*)",
        "Bind(b)",
        "QueueRetained(mqtt.session.c, a.*)",
        "QueueRetained(mqtt.session.c, b)",
    ];
    assert_eq!(driven.take_log(), expected);
    // In place: bound as before.
    let said = driven.subscribe(&["b"], Qos::AtMostOnce);
    assert_eq!(said, ["SUBACK 9 [00]"]);
    let expected = ["Note(+sb)", "QueueRetained(mqtt.session.c, b)"];
    assert_eq!(driven.take_log(), expected);
    let said = unsubscribe(&mut driven, "a/+");
    assert_eq!(said, ["UNSUBACK 9 [00]"]);
    assert_eq!(driven.take_log(), ["Unbind(a.*)", "Note(-sa/+)"]);
    let said = unsubscribe(&mut driven, "a/+");
    assert_eq!(said, ["UNSUBACK 9 [11]"]);
    assert!(driven.take_log().is_empty());
    let (_, _, log) = resumed(driven);
    assert!(log.contains(&"Bind(b)".to_owned()), "{log:?}");
    assert!(!log.contains(&"Bind(a.*)".to_owned()), "{log:?}");
}

#[test]
fn each_step_of_a_subscription_waits_for_the_one_before() {
    let mut driven = kept(Version::V5);
    let list = filters(&[("a", with_qos(Qos::AtLeastOnce))]);
    let subscribe = Packet::Subscribe(Subscribe {
        packet_id: id(9),
        properties: Properties::NONE,
        subscriptions: list.as_subscriptions(),
    });
    let bytes = bytes_of(Version::V5, &[subscribe]);
    driven.input.extend_from_slice(&bytes);
    let mut steps = Vec::new();
    let (session, now) = (&mut driven.session, driven.now);
    Session::handle_input(session, now, &mut driven.input, &mut driven.out);
    driven.collect();
    while !driven.take_log().is_empty() {
        steps.push(driven.take_wire().len());
        driven.answer_last();
    }
    assert_eq!(steps, [0, 0, 0], "note, binding, retained messages");
    assert_eq!(driven.take_wire(), ["SUBACK 9 [01]"]);
}

#[test]
fn what_is_retained_is_put_into_the_queue_for_one_filter_at_a_time() {
    let mut driven = kept(Version::V5);
    let list = ["a", "b/#", "c"].map(|filter| (filter, with_qos(Qos::AtLeastOnce)));
    let list = filters(&list);
    let subscribe = Packet::Subscribe(Subscribe {
        packet_id: id(9),
        properties: Properties::NONE,
        subscriptions: list.as_subscriptions(),
    });
    let bytes = bytes_of(Version::V5, &[subscribe]);
    driven.input.extend_from_slice(&bytes);
    let (session, now) = (&mut driven.session, driven.now);
    Session::handle_input(session, now, &mut driven.input, &mut driven.out);
    driven.collect();
    let mut steps = Vec::new();
    while driven.has_unanswered() {
        steps.push(driven.take_log().len());
        driven.answer_once();
    }
    assert_eq!(steps, [3, 3, 1, 1, 1], "notes, bindings, retained messages");
    assert_eq!(driven.take_wire(), ["SUBACK 9 [01, 01, 01]"]);
}

#[test]
fn a_subscription_that_is_refused_is_forgotten() {
    let refusal = || Refusal::LimitReached {
        what: "things",
        limit: 1,
    };
    let mut driven = kept(Version::V5);
    driven.refusals.push(("Note", refusal()));
    let said = driven.subscribe(&["a"], Qos::AtLeastOnce);
    assert_eq!(said, ["SUBACK 9 [97]"]);
    driven.take_log();
    driven.refusals.push(("Bind", refusal()));
    let said = driven.subscribe(&["a"], Qos::AtLeastOnce);
    assert_eq!(said, ["SUBACK 9 [97]"]);
    assert_eq!(driven.take_log(), ["Note(+sa)", "Bind(a)", "Note(-sa)"]);
    assert_eq!(unsubscribe(&mut driven, "a"), ["UNSUBACK 9 [11]"]);
    // One that was there goes on.
    driven.subscribe(&["a"], Qos::AtMostOnce);
    driven.refusals.push(("Bind", refusal()));
    driven.take_log();
    let said = driven.subscribe(&["a"], Qos::AtLeastOnce);
    assert_eq!(said, ["SUBACK 9 [97]"]);
    assert_eq!(driven.take_log(), ["Note(+sa)", "Bind(a)", "Note(+sa)"]);
    let (_, _, log) = resumed(driven);
    assert!(log.last().unwrap().contains("amq.topic a"), "{log:?}");
}

#[test]
fn a_subscription_that_rises_from_qos_0_is_bound_before_the_other_ends() {
    let mut driven = kept(Version::V5);
    driven.subscribe(&["a"], Qos::AtMostOnce);
    driven.take_log();
    driven.subscribe(&["a"], Qos::AtLeastOnce);
    let expected = [
        "Note(+sa)",
        "Bind(a)",
        "QueueRetained(mqtt.session.c, a)",
        "Cancel(2)",
    ];
    let mut log = driven.take_log();
    log.sort_unstable_by_key(|line| expected.iter().position(|it| it == line));
    assert_eq!(log, expected);
    assert_eq!(unsubscribe(&mut driven, "a"), ["UNSUBACK 9 [00]"]);
    assert_eq!(driven.take_log(), ["Unbind(a)", "Note(-sa)"]);
}

#[test]
fn identifiers_are_those_of_the_places_in_the_queue() {
    for version in [Version::V311, Version::V5] {
        let mut driven = kept(version);
        driven.subscribe(&["t"], Qos::ExactlyOnce);
        let one = message(version, "t", "x", Qos::AtLeastOnce);
        driven.deliver(1, 7, &one);
        driven.deliver(1, 49_150, &one);
        let said = driven.take_wire();
        assert_eq!(said, ["PUBLISH 1/8 t: x", "PUBLISH 1/49151 t: x"]);
        driven.take_log();
        driven.talk(&[puback(8)]);
        assert_eq!(driven.take_log(), ["Accept 1/7"]);
        let (mut driven, _, _) = resumed(driven);
        driven.deliver_again(1, 49_150, &one, true);
        assert_eq!(driven.take_wire(), ["PUBLISH 1/49151 t: x dup"]);
        // Another that would have the same waits, and what comes behind it, too.
        driven.deliver(1, 2 * 49_151 - 1, &one);
        driven.deliver(1, 2 * 49_151, &one);
        assert!(driven.take_wire().is_empty());
        let said = driven.talk(&[puback(49_151)]);
        assert_eq!(said, ["PUBLISH 1/49151 t: x", "PUBLISH 1/1 t: x"]);
    }
}

#[test]
fn a_delivery_with_qos_2_is_released_once_that_is_noted() {
    let mut driven = kept(Version::V5);
    driven.subscribe(&["t"], Qos::ExactlyOnce);
    let two = message(Version::V5, "t", "x", Qos::ExactlyOnce);
    driven.deliver(1, 1, &two);
    assert_eq!(driven.take_wire(), ["PUBLISH 2/2 t: x"]);
    driven.take_log();
    assert!(driven.say(&[pubrec(2), pubrec(2)]).is_empty(), "not yet");
    let together = ["Accept 1/1", "Note(+o2)"];
    assert_eq!(driven.take_log(), together, "with one command");
    driven.answer_all();
    assert_eq!(driven.take_wire(), ["PUBREL 2 Success"]);
    assert!(driven.take_log().is_empty());
    assert_eq!(driven.talk(&[pubrec(2)]), ["PUBREL 2 Success"]);
    assert!(driven.say(&[pubcomp(2)]).is_empty());
    assert_eq!(driven.take_log(), ["Note(-o2)"]);
    // The identifier is free when that is durable.
    driven.deliver(1, 49_152, &two);
    assert!(driven.take_wire().is_empty());
    driven.answer_all();
    assert_eq!(driven.take_wire(), ["PUBLISH 2/2 t: x"]);
}

#[test]
fn what_is_being_released_goes_on_with_the_next_connection() {
    let mut driven = kept(Version::V5);
    driven.subscribe(&["t"], Qos::ExactlyOnce);
    let two = message(Version::V5, "t", "x", Qos::ExactlyOnce);
    driven.deliver(1, 1, &two);
    driven.talk(&[pubrec(2)]);
    let (mut driven, said, _) = resumed(driven);
    assert_eq!(said, ["PUBREL 2 Success"]);
    driven.deliver(1, 49_152, &two);
    assert!(driven.take_wire().is_empty(), "the identifier is in use");
    assert_eq!(driven.talk(&[pubcomp(2)]), ["PUBLISH 2/2 t: x"]);
    let (_, said, _) = resumed(driven);
    assert!(said.is_empty(), "{said:?}");
}

#[test]
fn a_refused_note_releases_nothing() {
    let mut driven = kept(Version::V5);
    driven.subscribe(&["t"], Qos::ExactlyOnce);
    let two = message(Version::V5, "t", "x", Qos::ExactlyOnce);
    driven.deliver(1, 1, &two);
    driven.refusals.push(("Note", Refusal::TakenOver));
    driven.take_log();
    driven.take_wire();
    let said = driven.talk(&[pubrec(2)]);
    assert!(
        said[0].starts_with("DISCONNECT SessionTakenOver"),
        "{said:?}"
    );
    assert_eq!(driven.take_log(), ["Accept 1/1", "Note(+o2)"], "or neither");
}

#[test]
fn publishes_with_qos_2_are_noted_as_they_are_published() {
    let mut driven = kept(Version::V5);
    let two = |number| PublishQos::ExactlyOnce(id(number));
    let packets = [
        publish("t", "a", two(1)),
        publish("t", "b", two(2)),
        publish("t", "a", two(1)),
        publish("t", "c", PublishQos::AtLeastOnce(id(3))),
        publish("t", "d", two(4)),
    ];
    let said = driven.talk(&packets);
    let log = driven.take_log();
    let short: Vec<_> = log
        .iter()
        .map(|line| {
            let payload = line.split(": ").nth(1).unwrap();
            let noted = line.split(" with ").nth(1).unwrap_or_default();
            format!("{} {noted}", &payload[..1])
        })
        .collect();
    assert_eq!(short, ["a Note(+i1)", "b Note(+i2)", "c ", "d Note(+i4)"]);
    let expected = [
        "PUBREC 1 Success",
        "PUBREC 2 Success",
        "PUBACK 3 Success",
        "PUBREC 4 Success",
    ];
    assert_eq!(said, expected);
    // The next connection knows them.
    let (mut driven, _, _) = resumed(driven);
    driven.take_log();
    let said = driven.talk(&[publish("t", "a", two(1))]);
    assert_eq!(said, ["PUBREC 1 Success"]);
    assert!(driven.take_log().is_empty());
    // PUBCOMP comes when the identifier may be used again, whatever happens.
    assert!(driven.say(&[pubrel(1), pubrel(2)]).is_empty());
    assert_eq!(driven.take_log(), ["Note(-i1)", "Note(-i2)"]);
    driven.answer_all();
    let said = driven.take_wire();
    assert_eq!(said, ["PUBCOMP 1 Success", "PUBCOMP 2 Success"]);
    let said = driven.talk(&[pubrel(1)]);
    assert_eq!(said, ["PUBCOMP 1 PacketIdentifierNotFound"]);
    let (mut driven, _, _) = resumed(driven);
    driven.take_log();
    driven.talk(&[publish("t", "new", two(1))]);
    assert_eq!(driven.take_log().len(), 1, "it is another message");
}

#[test]
fn a_publish_that_is_refused_takes_no_other_with_it() {
    let full = || Refusal::QueueFull(model::QueueName::new(b"q").unwrap());
    let mut driven = kept(Version::V5);
    let two = |number| PublishQos::ExactlyOnce(id(number));
    // All together, and then the first of them.
    driven.refusals.push(("Commit", full()));
    driven.refusals.push(("Commit", full()));
    let packets = [
        publish("t", "a", two(1)),
        publish("t", "b", two(2)),
        publish("t", "c", PublishQos::AtLeastOnce(id(3))),
    ];
    let said = driven.talk(&packets);
    let expected = [
        "PUBREC 1 QuotaExceeded",
        "PUBREC 2 Success",
        "PUBACK 3 Success",
    ];
    assert_eq!(said, expected);
    // Its identifier is free, and no message.
    let said = driven.talk(&[publish("t", "d", two(1))]);
    assert_eq!(said, ["PUBREC 1 Success"]);
    // 3.x cannot be told, and is told nothing.
    let mut driven = kept(Version::V311);
    driven.refusals.push(("Commit", full()));
    assert!(driven.talk(&[publish("t", "a", two(1))]).is_empty());
    assert!(driven.out.is_closing());
}

#[test]
fn what_is_tried_again_is_not_overtaken() {
    // So many that they are several transactions, whatever is read at once.
    const COUNT: u16 = 1500;
    let limits = SessionLimits {
        receive_max: NonZeroU16::new(COUNT + 2).unwrap(),
        ..SessionLimits::default()
    };
    for first in [2, COUNT] {
        let mut driven = kept_with(Version::V5, limits);
        let publishes = |from: u16, to: u16| {
            let packets: Vec<_> = (from..=to)
                .map(|number| publish("t", "m", PublishQos::ExactlyOnce(id(number))))
                .collect();
            bytes_of(Version::V5, &packets)
        };
        let full = Refusal::QueueFull(model::QueueName::new(b"q").unwrap());
        driven.refusals.push(("Commit", full));
        // The second read comes before the first is answered.
        driven.input.extend_from_slice(&publishes(1, first));
        for behind in [publishes(first + 1, first + 2), Vec::new()] {
            let mut input = std::mem::take(&mut driven.input);
            driven
                .session
                .handle_input(driven.now, &mut input, &mut driven.out);
            driven.input = input;
            driven.input.extend_from_slice(&behind);
            driven.collect();
        }
        while driven.has_unanswered() {
            driven.answer_once();
            driven.feed(&[]);
        }
        let noted: Vec<_> = driven
            .take_log()
            .iter()
            .map(|line| line.split(" with ").nth(1).unwrap().to_owned())
            .collect();
        // As it was published last.
        let mut last: Vec<_> = (1..=first + 2)
            .map(|number| {
                let note = format!("Note(+i{number})");
                noted.iter().rposition(|it| *it == note).unwrap()
            })
            .collect();
        assert!(last.is_sorted(), "{first}");
        last.dedup();
        assert_eq!(last.len(), usize::from(first) + 2);
        assert!(noted.len() > last.len(), "some were tried again");
    }
}

#[test]
fn what_is_read_while_others_wait_is_one_transaction() {
    let two = |number| publish("t", "m", PublishQos::ExactlyOnce(id(number)));
    let mut driven = kept(Version::V5);
    let feed = |driven: &mut Driven, packets: &[Packet<'_>]| {
        let mut input = bytes::BytesMut::from(&*bytes_of(Version::V5, packets));
        let (session, now) = (&mut driven.session, driven.now);
        session.handle_input(now, &mut input, &mut driven.out);
        driven.collect();
        input
    };
    assert!(feed(&mut driven, &[two(1)]).is_empty());
    // They are gathered, up to what is no such thing; then nothing is read.
    let behind = publish("t", "x", PublishQos::AtLeastOnce(id(9)));
    let left = feed(&mut driven, &[two(2), two(3), two(4), behind]);
    assert_eq!(left, bytes_of(Version::V5, &[behind]));
    assert!(driven.out.is_held());
    driven.answer_once();
    assert!(!driven.out.is_held());
    driven.input = left;
    driven.feed(&[]);
    let noted: Vec<_> = driven.take_log();
    let count = noted.iter().filter(|line| line.contains("Note(")).count();
    assert_eq!((noted.len(), count), (5, 4), "{noted:?}");
    // One answer is for three.
    driven.answer_once();
    let said = driven.take_wire();
    assert_eq!(said.len(), 5, "{said:?}");
    assert!(said[4].starts_with("PUBACK 9"), "{said:?}");
}

#[test]
fn a_message_is_sent_once_with_all_that_its_subscriptions_ask() {
    let mut driven = kept(Version::V5);
    let identified = |number| {
        let identifier = SubscriptionIdentifier::new(number).unwrap();
        properties(&[Property::SubscriptionIdentifier(identifier)])
    };
    for (number, filter, qos) in [
        (1, "t/#", Qos::AtLeastOnce),
        (2, "t/x", Qos::ExactlyOnce),
        (3, "+/y", Qos::ExactlyOnce),
    ] {
        let list = [(filter, with_qos(qos))];
        driven.subscribe_with(&list, identified(number).as_properties());
    }
    driven.deliver(1, 1, &message(Version::V5, "t/x", "m", Qos::ExactlyOnce));
    driven.deliver(1, 2, &message(Version::V5, "t/z", "m", Qos::ExactlyOnce));
    driven.deliver(1, 3, &message(Version::V5, "t/x", "m", Qos::AtMostOnce));
    let said = driven.take_wire();
    assert_eq!(said.len(), 3, "{said:?}");
    assert!(said[0].starts_with("PUBLISH 2/2 t/x: m"), "{said:?}");
    for number in [1, 2] {
        let identifier = format!("SubscriptionIdentifier({number})");
        assert!(said[0].contains(&identifier), "{said:?}");
    }
    assert!(!said[0].contains("SubscriptionIdentifier(3)"), "{said:?}");
    assert!(said[1].starts_with("PUBLISH 1/3 t/z: m"), "{said:?}");
    assert!(said[2].starts_with("PUBLISH 0 t/x: m"), "{said:?}");
}

#[test]
fn what_nobody_asks_for_any_more_is_not_sent_unless_it_may_have_been() {
    let mut driven = kept(Version::V5);
    driven.subscribe(&["t"], Qos::AtLeastOnce);
    driven.deliver(1, 1, &message(Version::V5, "t", "x", Qos::AtLeastOnce));
    driven.take_wire();
    unsubscribe(&mut driven, "t");
    let (mut driven, _, _) = resumed(driven);
    driven.take_log();
    let one = message(Version::V5, "t", "x", Qos::AtLeastOnce);
    driven.deliver_again(1, 1, &one, true);
    driven.deliver(1, 2, &one);
    driven.talk(&[Packet::Pingreq]);
    driven.deliver(1, 3, &one);
    assert!(driven.take_wire().is_empty());
    assert_eq!(driven.take_log(), ["Accept 1/2"]);
    driven.talk(&[puback(2)]);
    let mut log = driven.take_log();
    log.sort_unstable();
    assert_eq!(log, ["Accept 1/1", "Accept 1/3"]);
}

#[test]
fn what_the_client_publishes_itself_may_be_left_out() {
    let not_own = SubscriptionOptions {
        no_local: true,
        ..with_qos(Qos::ExactlyOnce)
    };
    let mut driven = kept(Version::V5);
    driven.subscribe_with(&[("t/#", not_own)], Properties::NONE);
    driven.subscribe(&["t/both"], Qos::AtLeastOnce);
    driven.take_log();
    let (mut driven, _, _) = resumed(driven);
    driven.take_log();
    driven.talk(&[
        publish("t/x", "a", PublishQos::ExactlyOnce(id(1))),
        publish("t/both", "b", PublishQos::ExactlyOnce(id(2))),
        publish("other", "c", PublishQos::ExactlyOnce(id(3))),
    ]);
    let log = driven.take_log();
    let skips: Vec<_> = log.iter().map(|line| line.contains(", not own")).collect();
    assert_eq!(skips, [true, false, false], "{log:?}");
}

#[test]
fn retained_messages_come_by_the_queue_of_the_session() {
    let handling = |retain_handling| SubscriptionOptions {
        retain_handling,
        ..with_qos(Qos::AtLeastOnce)
    };
    let mut driven = kept(Version::V5);
    let is_shown = |driven: &mut Driven, retain_handling| {
        driven.take_log();
        let list = [("t", handling(retain_handling))];
        driven.subscribe_with(&list, Properties::NONE);
        let log = driven.take_log();
        log.iter().any(|line| line.starts_with("QueueRetained"))
    };
    assert!(!is_shown(&mut driven, RetainHandling::DoNotSend));
    assert!(!is_shown(&mut driven, RetainHandling::SendIfNew));
    assert!(is_shown(&mut driven, RetainHandling::Send));
    unsubscribe(&mut driven, "t");
    assert!(is_shown(&mut driven, RetainHandling::SendIfNew));
}

#[test]
fn no_more_is_in_the_clients_hands_than_it_takes() {
    let most = properties(&[
        Property::SessionExpiryInterval(HOUR),
        Property::ReceiveMaximum(NonZeroU16::new(2).unwrap()),
    ]);
    let mut driven = Driven::new(Version::V5);
    driven.talk(&[Packet::Connect(Connect {
        properties: most.as_properties(),
        ..connect(Version::V5)
    })]);
    assert_eq!(driven.granted[&SubscriptionId(1)], 2);
    driven.subscribe(&["t"], Qos::ExactlyOnce);
    let two = message(Version::V5, "t", "x", Qos::ExactlyOnce);
    driven.deliver(1, 1, &two);
    driven.deliver(1, 2, &two);
    driven.talk(&[pubrec(2), pubrec(3)]);
    assert_eq!(driven.granted[&SubscriptionId(1)], 4, "they are settled");
    driven.deliver(1, 3, &two);
    driven.take_wire();
    assert!(
        driven.talk(&[Packet::Pingreq]).len() == 1,
        "and not complete"
    );
    assert_eq!(driven.talk(&[pubcomp(2)]), ["PUBLISH 2/4 t: x"]);
}
