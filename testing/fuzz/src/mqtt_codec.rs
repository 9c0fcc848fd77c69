//! Any bytes, cut anywhere, through MQTT's codec.

use crate::input::{Input, pieces};
use bytes::BytesMut;
use proto_mqtt::{Codec, Decoded, EncodeError, Limits, Packet, Version};

/// Small, so that short inputs reach them.
const SMALL: Limits = Limits {
    packet_bytes_max: 400,
    control_bytes_max: 300,
    connect_bytes_max: 200,
    property_bytes_max: 80,
    filters_max: 4,
};

/// What was read of a stream.
#[derive(Debug, PartialEq, Eq)]
struct Read {
    /// As text.
    packets: Vec<String>,
    /// With what is answered to it.
    error: Option<String>,
    /// Bytes that wait for more.
    left: usize,
}

/// Reads the stream whole and cut into pieces: both give the same packets and the same error, no
/// more is held than the limits allow, and what was read is the same when it is written again.
///
/// Bytes: 1, whose bits 0-1 are the version of an open connection (3: the stream begins with
/// CONNECT), bit 2 asks for small limits, and bit 3 makes it the stream of a server; 1, the seed of
/// the cuts; the stream.
///
/// # Panics
/// When one of these promises is broken.
pub fn mqtt_codec(data: &[u8]) {
    let mut input = Input::new(data);
    let options = input.u8();
    let seed = input.u8();
    let stream = input.rest();
    let limits = if options & 4 == 0 {
        Limits::default()
    } else {
        SMALL
    };
    let version = match options & 3 {
        0 => Some(Version::V31),
        1 => Some(Version::V311),
        2 => Some(Version::V5),
        _ => None,
    };
    let mut codec = Codec::of_server(limits);
    match version {
        Some(version) if options & 8 != 0 => codec = Codec::of_client(limits, version),
        Some(version) => codec.set_version(version),
        None => {}
    }
    let whole = read(codec, &[stream]);
    let cut = read(codec, &pieces(seed, stream));
    assert_eq!(whole, cut, "the cuts make a difference");
}

fn read(mut codec: Codec, pieces: &[&[u8]]) -> Read {
    let most = codec.limits().packet_bytes_max;
    let mut held = Vec::new();
    let mut read = Read {
        packets: Vec::new(),
        error: None,
        left: 0,
    };
    for piece in pieces {
        held.extend_from_slice(piece);
        let mut at = 0;
        let missing = loop {
            match codec.decode(&held[at..]) {
                Ok(Decoded::Packet(packet, len)) => {
                    assert!(len <= most && at + len <= held.len());
                    read.packets.push(format!("{packet:?}"));
                    write_again(&codec, &packet, len);
                    if let Packet::Connect(connect) = packet {
                        codec.set_version(connect.version);
                    }
                    at += len;
                }
                Ok(Decoded::Incomplete { missing_bytes }) => break missing_bytes,
                Err(error) => {
                    read.error = Some(format!("{error} {:?}", error.answer()));
                    return read;
                }
            }
        };
        held.drain(..at);
        assert!(
            held.len() + missing <= most,
            "{missing} bytes are waited for"
        );
    }
    read.left = held.len();
    read
}

/// What is written from a packet that was read is no longer, and is read as the same packet.
fn write_again(codec: &Codec, packet: &Packet<'_>, len: usize) {
    let version = if let Packet::Connect(connect) = packet {
        connect.version
    } else {
        codec.version().expect("all else comes behind a CONNECT")
    };
    let mut written = BytesMut::new();
    match packet.put(version, &mut written) {
        Ok(()) => {}
        Err(EncodeError::NoReturnCode(_)) => return,
        Err(error) => panic!("{packet:?}: {error}"),
    }
    assert_eq!(written.len(), packet.packet_len(version), "{packet:?}");
    assert!(written.len() <= len, "{packet:?}");
    match codec.decode(&written) {
        Ok(Decoded::Packet(again, _)) => assert_eq!(again, *packet),
        other => panic!("{packet:?} becomes {other:?}"),
    }
}
