//! Whatever a peer sends: no panic, bounded memory.

use crate::split::{any_conversation, damaged, read};
use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_oneof, proptest};
use proptest::sample::{Index, select};
use proto_mqtt::{Codec, Decoded, Limits, Packet, Version};

const LIMITS: Limits = Limits {
    packet_bytes_max: 300,
    control_bytes_max: 200,
    connect_bytes_max: 250,
    property_bytes_max: 60,
    filters_max: 3,
};

fn pieces() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let words: Vec<&[u8]> = vec![
        b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x00\x00\x00",
        b"\x10\x0d\x00\x04MQTT\x05\x02\x00\x00\x00\x00\x00",
        b"\x10\x0f\x00\x06MQIsdp\x03\x02\x00\x00\x00\x01a",
        b"\x30\x03\x00\x01a",
        b"\x32\x06\x00\x01a\x00\x01\x00",
        b"\x3d",
        b"\x40\x02\x00\x01",
        b"\x62\x04\x00\x01\x92\x00",
        b"\x82\x06\x00\x01\x00\x01#\x00",
        b"\x82\x07\x00\x01\x00\x00\x01a\x2c",
        b"\xa2\x05\x00\x01\x00\x01a",
        b"\xc0\x00",
        b"\xe0\x00",
        b"\xf0\x06\x18\x04\x15\x00\x01m",
        b"\x80\x80\x80\x01",
        b"\x23\x00\x01",
        b"\x26\x00\x01n\x00\x01v",
        b"\x0b\xff\x7f",
        b"\x00\x00",
    ];
    let word = select(words).prop_map(<[u8]>::to_vec);
    vec(prop_oneof![8 => word, 1 => vec(any::<u8>(), 0..50)], 0..40)
}

/// Reads as a driver does: what is whole is taken out, the rest waits for more.
fn survive(mut codec: Codec, pieces: &[Vec<u8>]) {
    let mut held: Vec<u8> = Vec::new();
    for piece in pieces {
        held.extend_from_slice(piece);
        let mut at = 0;
        loop {
            match codec.decode(&held[at..]) {
                Ok(Decoded::Packet(packet, len)) => {
                    assert!(len <= LIMITS.packet_bytes_max && at + len <= held.len());
                    // Whatever was checked can be read and shown.
                    assert!(!format!("{packet:?}").is_empty());
                    if let Packet::Connect(connect) = packet {
                        codec.set_version(connect.version);
                    }
                    at += len;
                }
                Ok(Decoded::Incomplete { missing_bytes }) => {
                    let whole = held.len() - at + missing_bytes;
                    assert!(whole <= LIMITS.packet_bytes_max);
                    break;
                }
                Err(error) => {
                    assert!(!error.to_string().is_empty());
                    std::hint::black_box(error.answer());
                    return;
                }
            }
        }
        held.drain(..at);
        assert!(held.len() < LIMITS.packet_bytes_max);
    }
}

proptest! {
    #[test]
    fn bytes_before_connect(pieces in vec(vec(any::<u8>(), 0..300), 0..8)) {
        survive(Codec::of_server(LIMITS), &pieces);
    }

    #[test]
    fn bytes_on_an_open_connection(
        version in select(Version::ALL.to_vec()),
        is_client in any::<bool>(),
        pieces in pieces(),
    ) {
        let mut codec = Codec::of_server(LIMITS);
        codec.set_version(version);
        let of_client = Codec::of_client(LIMITS, version);
        survive(if is_client { of_client } else { codec }, &pieces);
    }

    #[test]
    fn words_of_a_conversation(pieces in pieces()) {
        survive(Codec::of_server(LIMITS), &pieces);
    }

    #[test]
    fn a_damaged_conversation(
        input in any_conversation(),
        damages in vec((any::<Index>(), any::<u8>(), 0_u8..3), 1..20),
    ) {
        let input = damaged(input, &damages);
        survive(Codec::of_server(LIMITS), std::slice::from_ref(&input));
        read(Codec::of_server(Limits::default()), &input, &[]);
    }

    /// Bytes that were kept and have become others do no harm, whatever they are.
    #[test]
    fn bytes_that_are_no_properties(bytes in vec(any::<u8>(), 0..60)) {
        let kept = proto_mqtt::Properties::kept(&bytes);
        assert!(kept.iter().count() <= bytes.len());
        let forwarded: usize = kept.forwarded().map(<[u8]>::len).sum();
        assert!(forwarded <= bytes.len());
        for kind in proto_mqtt::PropertyKind::ALL {
            std::hint::black_box(kept.get(*kind));
        }
    }
}
