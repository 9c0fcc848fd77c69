//! Any bytes, cut anywhere, as what a WebSocket of ZWS brings.

use crate::input::{Input, pieces};
use bytes::{Buf as _, BytesMut};
use zmtp::zws::{Control, Inbound, Outbound, Side};
use zmtp::{GREETING_BYTES, MechanismName, SocketType};

/// What was read of a stream.
#[derive(Debug, Default, PartialEq, Eq)]
struct Read {
    bytes: Vec<u8>,
    controls: Vec<Control>,
    error: Option<String>,
    left: usize,
}

/// Reads the stream whole and cut into pieces: both give the same; what was read goes out again, and is read as the same,
/// from either side.
///
/// Bytes: 1, whose bits are the side, whether an identity comes first, and whether the limit is small; 1, the seed of the
/// cuts; the stream, from behind the opening handshake.
///
/// # Panics
/// When one of these promises is broken.
pub fn zws(data: &[u8]) {
    let mut input = Input::new(data);
    let options = input.u8();
    let seed = input.u8();
    let stream = input.rest();
    let whole = read(options, &[stream]);
    let cut = read(options, &pieces(seed, stream));
    assert_eq!(whole, cut, "the cuts make a difference");
    if whole.error.is_none() {
        again(Side::Client, Side::Server, seed, &whole.bytes);
        again(Side::Server, Side::Client, seed, &whole.bytes);
    }
}

fn read(options: u8, pieces: &[&[u8]]) -> Read {
    let side = if options & 1 == 0 {
        Side::Client
    } else {
        Side::Server
    };
    let limit = if options & 4 == 0 { 65_536 } else { 100 };
    let mut out = BytesMut::new();
    let inbound = if options & 2 == 0 {
        Inbound::new(side, MechanismName::NULL, limit, &mut out)
    } else {
        Inbound::identifying(side, SocketType::Router, limit, &mut out)
    };
    assert_eq!(out.len(), GREETING_BYTES);
    read_by(inbound, pieces)
}

fn read_by(mut inbound: Inbound, pieces: &[&[u8]]) -> Read {
    let (mut held, mut out) = (BytesMut::new(), BytesMut::new());
    let mut read = Read::default();
    'pieces: for piece in pieces {
        held.extend_from_slice(piece);
        loop {
            let (taken, control) = match inbound.read(&held, &mut out) {
                Ok(found) => found,
                Err(error) => {
                    read.error = Some(error.to_string());
                    break 'pieces;
                }
            };
            held.advance(taken);
            let Some(control) = control else { break };
            if let Control::Ping(payload) = &control {
                assert!(payload.len() <= 125);
            }
            read.controls.push(control);
        }
    }
    if read.error.is_none() {
        read.left = held.len();
    }
    read.bytes = out.to_vec();
    read
}

fn again(writes: Side, reads: Side, seed: u8, frames: &[u8]) {
    let mut number = u32::from(seed);
    let mut mask = || {
        number = number.wrapping_mul(0x9E37_79B9).wrapping_add(1);
        number.to_be_bytes()
    };
    let (mut outbound, mut out) = (Outbound::new(writes), BytesMut::new());
    outbound.write(&[0; GREETING_BYTES], &mut out, &mut mask);
    for piece in pieces(seed, frames) {
        outbound.write(piece, &mut out, &mut mask);
    }
    let mut greeting = BytesMut::new();
    let inbound = Inbound::new(reads, MechanismName::NULL, 65_536, &mut greeting);
    let found = read_by(inbound, &pieces(seed, &out));
    assert_eq!(found.error, None);
    assert_eq!(found.bytes, frames);
}
