//! Any split of the input gives the same output.

use crate::scripted_broker::{
    Driven, bytes_of, connect, filters, id, message, puback, pubcomp, publish, pubrec, pubrel,
    with_qos,
};
use model::SubscriptionId;
use proptest::collection::vec;
use proptest::prelude::{Strategy, any, proptest};
use proptest::sample::{Index, select};
use proto_mqtt::{
    Binary, Connect, Disconnect, DisconnectReason, FilterList, Packet, Properties, PublishQos, Qos,
    SessionLimits, Subscribe, Text, TopicFilter, Unsubscribe, Version, Will,
};
use std::collections::BTreeMap;
use std::num::NonZeroU16;

/// What came of some input. Settlements are apart: they may be gathered over several packets.
type Outcome = (
    Vec<u8>,
    Vec<String>,
    Vec<String>,
    BTreeMap<SubscriptionId, u64>,
    bool,
);

/// One client's connection with everything that it may send.
pub(crate) fn conversation(version: Version) -> Vec<u8> {
    let list = filters(&[
        ("a/+", with_qos(Qos::AtLeastOnce)),
        ("#", with_qos(Qos::ExactlyOnce)),
        ("c", with_qos(Qos::AtMostOnce)),
        ("$share/g/c", with_qos(Qos::AtMostOnce)),
    ]);
    let mut gone = FilterList::new();
    for filter in ["a/+", "nothing"] {
        gone.push(TopicFilter::new(Text::new(filter).unwrap()).unwrap());
    }
    let will = Will {
        qos: Qos::AtLeastOnce,
        retain: false,
        properties: Properties::NONE,
        topic: crate::scripted_broker::name("will"),
        payload: Binary::new(b"gone").unwrap(),
    };
    bytes_of(
        version,
        &[
            Packet::Connect(Connect {
                keep_alive: 60,
                will: Some(will),
                ..connect(version)
            }),
            publish("a/b", "one", PublishQos::AtMostOnce),
            publish("a/b", "two", PublishQos::AtLeastOnce(id(1))),
            Packet::Subscribe(Subscribe {
                packet_id: id(2),
                properties: Properties::NONE,
                subscriptions: list.as_subscriptions(),
            }),
            publish("a/b", "three", PublishQos::ExactlyOnce(id(3))),
            puback(1),
            Packet::Pingreq,
            puback(1),
            publish("a/b", "three", PublishQos::ExactlyOnce(id(3))),
            pubrec(1),
            pubcomp(1),
            Packet::Pingreq,
            pubrel(3),
            pubrel(3),
            Packet::Unsubscribe(Unsubscribe {
                packet_id: id(5),
                properties: Properties::NONE,
                filters: gone.as_filters(),
            }),
            puback(2),
            pubrec(5),
            Packet::Disconnect(Disconnect {
                reason: DisconnectReason::NormalDisconnection,
                properties: Properties::NONE,
            }),
            Packet::Pingreq,
        ],
    )
}

fn outcome(version: Version, input: &[u8], mut cuts: Vec<usize>) -> Outcome {
    // So few that most deliveries have to wait.
    let limits = SessionLimits {
        send_max: NonZeroU16::MIN,
        ..SessionLimits::default()
    };
    let mut driven = Driven::with_limits(version, limits);
    let qualities = [Qos::AtLeastOnce, Qos::ExactlyOnce, Qos::AtMostOnce];
    driven.ready = qualities
        .map(|qos| message(version, "a/b", "ready", qos))
        .to_vec();
    cuts.push(input.len());
    cuts.sort_unstable();
    let mut at = 0;
    for cut in cuts {
        driven.feed(&input[at..cut]);
        at = cut;
    }
    driven.answer_all();
    let log = driven.log.into_iter();
    let (settled, log) = log.partition(|it| it.starts_with("Accept") || it.starts_with("Reject"));
    (
        driven.wire,
        log,
        settled,
        driven.granted,
        driven.out.is_closing(),
    )
}

#[test]
fn byte_by_byte_is_as_good_as_whole() {
    for version in Version::ALL {
        let input = conversation(version);
        let whole = outcome(version, &input, Vec::new());
        assert!(
            whole.4 && !whole.1.iter().any(|it| it.contains("gone")),
            "{whole:?}"
        );
        assert_eq!(whole, outcome(version, &input, (0..input.len()).collect()));
    }
}

/// A session that is kept, with deliveries in the client's hands; and the rest of the conversation.
pub(crate) fn kept(version: Version) -> (Driven, Vec<u8>) {
    let mut driven = crate::kept::kept(version);
    driven.subscribe(&["#"], Qos::ExactlyOnce);
    for (sequence, qos) in (65_535..).zip([Qos::ExactlyOnce, Qos::AtLeastOnce, Qos::ExactlyOnce]) {
        driven.deliver(1, sequence, &message(version, "a/b", "ready", qos));
    }
    driven.take_log();
    let whole = conversation(version);
    let connect_len = 2 + usize::from(whole[1]);
    (driven, whole[connect_len..].to_vec())
}

/// The same outcome, where what is published, noted and settled may be gathered over several packets: each of these
/// keeps its order, and so does each kind of answer.
fn outcome_kept(version: Version, cuts: Vec<usize>, damages: &[(Index, u8, u8)]) -> Vec<String> {
    let (mut driven, input) = kept(version);
    let input = damaged(&input, damages);
    let mut cuts: Vec<_> = cuts
        .into_iter()
        .map(|cut| cut % (input.len() + 1))
        .collect();
    cuts.push(input.len());
    cuts.sort_unstable();
    let mut at = 0;
    for cut in cuts {
        driven.feed(&input[at..cut]);
        at = cut;
    }
    driven.answer_all();
    let mut outcome = driven.take_wire();
    if !damages.is_empty() {
        // Some publishes wait for others to be answered: those are, where what ends the connection comes in another read.
        outcome.retain(|line| !line.starts_with("PUBREC ") && !line.starts_with("PUBACK "));
    }
    outcome.push(format!("closing: {}", driven.out.is_closing()));
    outcome.extend(driven.take_log());
    outcome.extend(driven.granted.iter().map(|granted| format!("{granted:?}")));
    let kind = |line: &String| line.split([' ', '(']).next().map(str::to_owned);
    // What a note settles and what is settled by itself go different ways.
    let settled = |line: &String| line.starts_with("Accept ").then(|| line.clone());
    outcome.sort_by_key(|line| (kind(line), settled(line)));
    outcome
}

#[test]
fn byte_by_byte_is_as_good_as_whole_in_a_session_that_is_kept() {
    for version in Version::ALL {
        let whole = outcome_kept(version, Vec::new(), &[]);
        assert_eq!(whole, outcome_kept(version, (0..10_000).collect(), &[]));
    }
}

pub(crate) fn versions() -> impl Strategy<Value = Version> {
    select(&Version::ALL)
}

proptest! {
    #[test]
    fn any_split_gives_the_same(version in versions(), cuts in vec(any::<Index>(), 0..20)) {
        let input = conversation(version);
        let cuts = cuts.iter().map(|cut| cut.index(input.len() + 1)).collect();
        assert_eq!(outcome(version, &input, Vec::new()), outcome(version, &input, cuts));
    }

    #[test]
    fn any_split_gives_the_same_in_a_session_that_is_kept(
        version in versions(),
        damages in vec((any::<Index>(), any::<u8>(), 0_u8..3), 0..3),
        cuts in vec(any::<usize>(), 0..20),
    ) {
        let whole = outcome_kept(version, Vec::new(), &damages);
        assert_eq!(whole, outcome_kept(version, cuts, &damages));
    }

    /// Also where the client errs.
    #[test]
    fn any_split_of_a_damaged_conversation_gives_the_same(
        version in versions(),
        damages in vec((any::<Index>(), any::<u8>(), 0_u8..3), 1..4),
        cuts in vec(any::<Index>(), 0..20),
    ) {
        let input = damaged(&conversation(version), &damages);
        let cuts = cuts.iter().map(|cut| cut.index(input.len() + 1)).collect();
        assert_eq!(outcome(version, &input, Vec::new()), outcome(version, &input, cuts));
    }
}

/// Some bytes changed, inserted or removed.
pub(crate) fn damaged(input: &[u8], damages: &[(Index, u8, u8)]) -> Vec<u8> {
    let mut input = input.to_vec();
    for (at, octet, kind) in damages {
        let at = at.index(input.len());
        match kind {
            0 => input[at] = *octet,
            1 => input.insert(at, *octet),
            _ => {
                input.remove(at);
            }
        }
    }
    input
}
