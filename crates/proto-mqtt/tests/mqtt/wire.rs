//! Bytes for tests: packets written by hand, and what is made of them.

use bytes::BytesMut;
use proto_mqtt::{Codec, DecodeError, Decoded, Limits, Packet, Side, Version};

/// The bytes that hexadecimal digits spell; what is between apostrophes stands for itself, as text
/// with its length before it if a `:` goes before.
pub(crate) fn bytes(spelled: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (index, part) in spelled.split('\'').enumerate() {
        if index % 2 == 1 {
            bytes.extend_from_slice(part.as_bytes());
            continue;
        }
        let digits: Vec<u8> = part.bytes().filter(|it| it.is_ascii_hexdigit()).collect();
        for pair in digits.chunks(2) {
            let pair = std::str::from_utf8(pair).unwrap();
            bytes.push(u8::from_str_radix(pair, 16).unwrap());
        }
        if part.trim_end().ends_with(':') {
            let text = spelled.split('\'').nth(index + 1).unwrap();
            let len = u16::try_from(text.len()).unwrap();
            bytes.extend_from_slice(&len.to_be_bytes());
        }
    }
    bytes
}

/// The packet with this first byte and, behind the remaining length, these bytes.
pub(crate) fn packet(first: u8, body: &str) -> Vec<u8> {
    let body = bytes(body);
    assert!(body.len() < 128, "the remaining length has one byte");
    let mut packet = vec![first, u8::try_from(body.len()).unwrap()];
    packet.extend_from_slice(&body);
    packet
}

/// A codec for what that side sends on an open connection.
pub(crate) fn codec(from: Side, version: Version) -> Codec {
    match from {
        Side::Client => {
            let mut codec = Codec::of_server(Limits::default());
            codec.set_version(version);
            codec
        }
        Side::Server => Codec::of_client(Limits::default(), version),
    }
}

/// The packet that all of the input is.
pub(crate) fn decode<'a>(codec: &Codec, input: &'a [u8]) -> Result<Packet<'a>, DecodeError> {
    match codec.decode(input)? {
        Decoded::Packet(packet, len) => {
            assert_eq!(len, input.len(), "something is left");
            Ok(packet)
        }
        Decoded::Incomplete { missing_bytes } => panic!("{missing_bytes} bytes are missing"),
    }
}

/// The packet's bytes.
pub(crate) fn encode(packet: &Packet<'_>, version: Version) -> Vec<u8> {
    let mut buffer = BytesMut::new();
    packet.put(version, &mut buffer).unwrap();
    assert_eq!(buffer.len(), packet.packet_len(version));
    buffer.to_vec()
}

/// Asserts that the input is refused on an open connection, with a text that contains this, and
/// this reason code.
pub(crate) fn refused(from: Side, version: Version, input: &[u8], reason: u8, part: &str) {
    match codec(from, version).decode(input) {
        Ok(decoded) => panic!("{version:?} {input:02x?}: {decoded:?}"),
        Err(error) => {
            let text = error.to_string();
            assert!(text.contains(part), "{version:?} {input:02x?}: {text}");
            assert_eq!(error.reason().code(), reason, "{version:?} {text}");
        }
    }
}

/// Asserts that the input is taken on an open connection, and written again as the same bytes.
pub(crate) fn taken(from: Side, version: Version, input: &[u8]) {
    let codec = codec(from, version);
    let packet = decode(&codec, input).unwrap_or_else(|error| {
        panic!("{version:?} {input:02x?}: {error}");
    });
    assert_eq!(encode(&packet, version), input, "{packet:?}");
}
