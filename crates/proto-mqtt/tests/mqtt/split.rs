//! Any split of the input gives the same packets.

use crate::packets::{any_connect_packet, any_packet_of};
use crate::wire::{codec, encode};
use proptest::collection::vec;
use proptest::prelude::{Strategy, any, proptest};
use proptest::sample::Index;
use proto_mqtt::{Codec, Decoded, Limits, Packet, Side, Version};

/// Everything that is read of some input which comes in these pieces, as text.
pub(crate) fn read(mut codec: Codec, input: &[u8], cuts: &[usize]) -> Vec<String> {
    let mut texts = Vec::new();
    let mut at = 0;
    let mut cuts = cuts.to_vec();
    cuts.push(input.len());
    cuts.sort_unstable();
    for until in cuts {
        loop {
            match codec.decode(&input[at..until]) {
                Ok(Decoded::Packet(packet, len)) => {
                    texts.push(format!("{packet:?}"));
                    at += len;
                    if let Packet::Connect(connect) = packet {
                        codec.set_version(connect.version);
                    }
                }
                Ok(Decoded::Incomplete { missing_bytes }) => {
                    assert!(missing_bytes > 0);
                    break;
                }
                Err(error) => {
                    texts.push(format!("{error:?} {:?}", error.answer()));
                    return texts;
                }
            }
        }
    }
    texts.push(format!("{} left", input.len() - at));
    texts
}

fn places(cuts: &[Index], input: &[u8]) -> Vec<usize> {
    cuts.iter().map(|cut| cut.index(input.len() + 1)).collect()
}

/// The bytes of a client's connection: CONNECT and some packets behind it.
pub(crate) fn any_conversation() -> impl Strategy<Value = Vec<u8>> {
    any_connect_packet().prop_flat_map(|connect| {
        let version = connect.version;
        vec(any_packet_of(version, Side::Client), 0..8).prop_map(move |packets| {
            let mut bytes = encode(&connect.packet(), version);
            for packet in &packets {
                bytes.extend(encode(&packet.packet(), version));
            }
            bytes
        })
    })
}

/// Some bytes changed, inserted or removed.
pub(crate) fn damaged(mut input: Vec<u8>, damages: &[(Index, u8, u8)]) -> Vec<u8> {
    for (at, octet, kind) in damages {
        if input.is_empty() {
            break;
        }
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

#[test]
fn byte_by_byte_is_as_good_as_whole() {
    let codec = codec(Side::Client, Version::V5);
    let input = crate::wire::bytes(
        "32 0C :'a/b' 0001 03 230001 78 C000 8209 0002 02 0B07 :'#' 01 4002 0001 E000",
    );
    let whole = read(codec, &input, &[]);
    assert_eq!(whole.len(), 6, "{whole:?}");
    assert_eq!(whole[5], "0 left");
    let cuts: Vec<usize> = (0..input.len()).collect();
    assert_eq!(read(codec, &input, &cuts), whole);
}

proptest! {
    #[test]
    fn any_split_gives_the_same(
        input in any_conversation(),
        cuts in vec(any::<Index>(), 0..20),
    ) {
        let codec = Codec::of_server(Limits::default());
        let whole = read(codec, &input, &[]);
        assert_eq!(whole.last().unwrap(), "0 left");
        assert_eq!(read(codec, &input, &places(&cuts, &input)), whole);
    }

    /// Also where the client errs.
    #[test]
    fn any_split_of_a_damaged_conversation_gives_the_same(
        input in any_conversation(),
        damages in vec((any::<Index>(), any::<u8>(), 0_u8..3), 1..4),
        cuts in vec(any::<Index>(), 0..20),
    ) {
        let input = damaged(input, &damages);
        let codec = Codec::of_server(Limits::default());
        let cuts = places(&cuts, &input);
        assert_eq!(read(codec, &input, &cuts), read(codec, &input, &[]));
    }

    /// What is missing is missing: with less there is no packet, with as much there is.
    #[test]
    fn what_is_missing_makes_the_packet_whole(
        owned in any_packet_of(Version::V5, Side::Server),
        cut in any::<Index>(),
    ) {
        let bytes = encode(&owned.packet(), Version::V5);
        let codec = codec(Side::Server, Version::V5);
        let mut there = cut.index(bytes.len());
        loop {
            let Decoded::Incomplete { missing_bytes } = codec.decode(&bytes[..there]).unwrap() else {
                panic!("{there} of {} bytes are no packet", bytes.len());
            };
            there += missing_bytes;
            assert!(there <= bytes.len());
            if there == bytes.len() {
                break;
            }
        }
        assert!(matches!(codec.decode(&bytes), Ok(Decoded::Packet(_, len)) if len == bytes.len()));
    }
}
