//! Whatever a peer sends and whenever the broker answers: no panic, and every PUBLISH of a client is
//! answered once.

use crate::scripted_broker::{Driven, message};
use crate::split::{conversation, damaged, kept, versions};
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy};
use proptest::prelude::{any, prop_oneof, proptest};
use proptest::sample::Index;
use proto_mqtt::{Qos, Version};
use std::time::Duration;

/// What may happen to a session.
#[derive(Clone, Debug)]
enum Happening {
    Bytes(Vec<u8>),
    Answer,
    Deliver(u32, u64, Qos),
    Wait,
}

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    let words: Vec<&[u8]> = vec![
        b"\x30\x03\x00\x01a",
        b"\x32\x05\x00\x01a\x00\x01",
        b"\x32\x06\x00\x01a\x00\x01\x00",
        b"\x34\x05\x00\x01a\x00\x02",
        b"\x34\x06\x00\x01a\x00\x02\x00",
        b"\x40\x02\x00\x01",
        b"\x40\x02\x00\x02",
        b"\x50\x02\x00\x01",
        b"\x62\x02\x00\x02",
        b"\x70\x02\x00\x01",
        b"\x82\x06\x00\x01\x00\x01#\x00",
        b"\x82\x06\x00\x01\x00\x01#\x02",
        b"\x82\x07\x00\x01\x00\x00\x01a\x06",
        b"\x82\x07\x00\x01\x00\x00\x01a\x01",
        b"\xa2\x05\x00\x01\x00\x01a",
        b"\xa2\x06\x00\x01\x00\x00\x01a",
        b"\xc0\x00",
    ];
    let word = proptest::sample::select(words).prop_map(|word| Happening::Bytes(word.to_vec()));
    let qos = prop_oneof![
        Just(Qos::AtMostOnce),
        Just(Qos::AtLeastOnce),
        Just(Qos::ExactlyOnce)
    ];
    let delivery =
        (1_u32..6, 0_u64..50, qos).prop_map(|(id, at, qos)| Happening::Deliver(id, at, qos));
    vec(
        prop_oneof![
            8 => word,
            4 => Just(Happening::Answer),
            4 => delivery,
            1 => Just(Happening::Wait),
        ],
        0..60,
    )
}

proptest! {
    #[test]
    fn whatever_happens_on_an_open_connection(version in versions(), happenings in happenings()) {
        let mut driven = Driven::connected(version);
        for happening in happenings {
            if driven.out.is_closing() {
                break;
            }
            match happening {
                Happening::Bytes(bytes) => driven.feed(&bytes),
                Happening::Answer => driven.answer_all(),
                Happening::Deliver(id, sequence, qos) => {
                    driven.deliver(id, sequence, &message(version, "a", "x", qos));
                }
                Happening::Wait => driven.wait(Duration::from_secs(1)),
            }
        }
        driven.close();
    }

    #[test]
    fn whatever_happens_in_a_session_that_is_kept(
        version in versions(),
        happenings in happenings(),
    ) {
        let (mut driven, _) = kept(version);
        for happening in happenings {
            if driven.out.is_closing() {
                break;
            }
            match happening {
                Happening::Bytes(bytes) => driven.feed(&bytes),
                Happening::Answer => driven.answer_all(),
                Happening::Deliver(id, sequence, qos) => {
                    // Each place in the queue once.
                    let sequence = sequence + 70_000 + u64::from(id) * 65_535;
                    driven.deliver(1, sequence, &message(version, "a", "x", qos));
                }
                Happening::Wait => driven.wait(Duration::from_secs(1)),
            }
        }
        driven.close();
    }

    #[test]
    fn a_damaged_conversation(
        damages in vec((any::<Index>(), any::<u8>(), 0_u8..3), 1..8),
        is_5 in any::<bool>(),
    ) {
        let version = if is_5 { Version::V5 } else { Version::V311 };
        let mut driven = Driven::new(version);
        driven.ready = vec![message(version, "a/b", "ready", Qos::ExactlyOnce)];
        driven.feed(&damaged(&conversation(version), &damages));
        driven.answer_all();
        driven.close();
    }
}
