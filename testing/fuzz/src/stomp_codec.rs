//! Any bytes, cut anywhere, through STOMP's codec.

use crate::input::{Input, pieces};
use proto_stomp::{Codec, Limits, Version};
use std::time::Duration;

/// Small, so that short inputs reach them.
pub(crate) const SMALL: Limits = Limits {
    head_bytes_max: 300,
    header_count_max: 10,
    header_bytes_max: 120,
    body_bytes_max: 400,
    subscriptions_max: 4,
    queue_names_max: 3,
    transactions_max: 2,
    transaction_bytes_max: 1500,
    connect_timeout: Duration::from_secs(10),
    heart_beat_send_min: Duration::from_secs(1),
    heart_beat_receive: Duration::from_secs(10),
};

/// What was read of a stream.
#[derive(Debug, PartialEq, Eq)]
struct Read {
    /// Each with its command, headers and body, as text.
    frames: Vec<String>,
    error: Option<String>,
    receipt_in_error: Option<Vec<u8>>,
    /// Bytes that wait for more.
    left: usize,
}

/// Reads the stream whole and cut into pieces: both give the same frames and the same error, and no
/// more is held than the limits allow.
///
/// Bytes: 1, whose bits 0-1 are the version behind the first frame (3: none) and bit 2 asks for small
/// limits; 1, the seed of the cuts; the stream.
///
/// # Panics
/// When one of these promises is broken.
pub fn stomp_codec(data: &[u8]) {
    let mut input = Input::new(data);
    let options = input.u8();
    let seed = input.u8();
    let stream = input.rest();
    let version = match options & 3 {
        0 => Some(Version::V10),
        1 => Some(Version::V11),
        2 => Some(Version::V12),
        _ => None,
    };
    let limits = if options & 4 == 0 {
        Limits::default()
    } else {
        SMALL
    };
    let whole = read(limits, version, &[stream]);
    let cut = read(limits, version, &pieces(seed, stream));
    assert_eq!(whole, cut, "the cuts make a difference");
}

fn read(limits: Limits, version: Option<Version>, pieces: &[&[u8]]) -> Read {
    let mut codec = Codec::new(limits);
    let mut held = Vec::new();
    let mut read = Read {
        frames: Vec::new(),
        error: None,
        receipt_in_error: None,
        left: 0,
    };
    for piece in pieces {
        held.extend_from_slice(piece);
        let mut at = 0;
        loop {
            let decoded = match codec.decode(&held[at..]) {
                Ok(decoded) => decoded,
                Err(error) => {
                    read.error = Some(error.to_string());
                    let receipt = codec.receipt_in_error(&held[at..]);
                    read.receipt_in_error = receipt.map(<[u8]>::to_vec);
                    return read;
                }
            };
            at += decoded.consumed;
            assert!(at <= held.len(), "no more is consumed than there is");
            let Some(frame) = decoded.frame else { break };
            let headers: Vec<_> = frame.headers().collect();
            assert!(headers.len() <= limits.header_count_max);
            assert!(frame.body.len() <= limits.body_bytes_max.max(limits.head_bytes_max));
            read.frames
                .push(format!("{:?} {headers:?} {:?}", frame.command, frame.body));
            if let Some(version) = version {
                codec.set_version(version);
            }
        }
        held.drain(..at);
        let missing = codec.missing_bytes();
        let most = limits.head_bytes_max + limits.body_bytes_max + 1;
        assert!(held.len() <= most, "{} bytes are held", held.len());
        assert!(missing <= most, "{missing} bytes are waited for");
    }
    read.left = held.len();
    read
}
