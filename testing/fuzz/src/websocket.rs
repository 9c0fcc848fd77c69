//! Any bytes through the decoder of a WebSocket's client.

use crate::input::{Input, pieces};

/// Small, so that short inputs reach it.
const MESSAGE_BYTES_MAX: usize = 300;

/// The longest payload of a ping. [RFC 6455 5.5]
const PING_BYTES_MAX: usize = 125;

/// Decodes a stream whole and cut into pieces: both end in the same way and give the same payload, or where
/// it ends in a violation, one more of it than the other; there is never more payload than input.
///
/// Bytes: 1, bit 2 asks for a small limit of messages; 1, the seed of the cuts; the stream, from behind the
/// handshake.
///
/// # Panics
/// When one of these promises is broken.
pub fn websocket(data: &[u8]) {
    let mut input = Input::new(data);
    let message_bytes_max = if input.u8() & 4 == 0 {
        usize::MAX
    } else {
        MESSAGE_BYTES_MAX
    };
    let seed = input.u8();
    let stream = input.rest();
    let whole = net::decode_pieces(&[stream], message_bytes_max);
    let cut = net::decode_pieces(&pieces(seed, stream), message_bytes_max);
    for (payload, pings, _) in [&whole, &cut] {
        let ping_bytes: usize = pings.iter().map(Vec::len).sum();
        assert!(payload.len() + ping_bytes <= stream.len());
        assert!(pings.iter().all(|ping| ping.len() <= PING_BYTES_MAX));
    }
    let ((payload, pings, ending), (cut_payload, cut_pings, cut_ending)) = (whole, cut);
    assert_eq!(ending, cut_ending, "the cuts make a difference");
    if ending.is_some_and(|ending| ending.starts_with("Violated")) {
        // What came of the frame that broke the rules, before it did, may have gone on.
        assert!(cut_payload.starts_with(&payload));
    } else {
        assert_eq!(payload, cut_payload, "the cuts make a difference");
    }
    // Of several pings in one piece only the last is answered.
    assert_eq!(pings.last(), cut_pings.last());
}
