//! MESSAGE: what follows the handshake, in boxes.
//!
//! ```text
//! "\7MESSAGE" | nonce 8 | tag 16 | flags 1 | body      encrypted from the flags on
//! ```
//!
//! It lies in a frame of a message, not of a command, as libzmq sends it: what libzmq gets in a command it drops.

use crate::command::MESSAGE;
use crate::curve::CurveError;
use crate::curve::encryption::{BoxKey, StreamKey, TAG_BYTES};
use crate::frame::{FrameHead, FrameKind, Framing, HEAD_BYTES_MAX};
use bytes::BytesMut;
use std::fmt;

/// Octets of a MESSAGE beside its body.
pub(crate) const OVERHEAD_BYTES: usize = BOX_AT + TAG_BYTES + 1;

const NONCE_AT: usize = 8;
const BOX_AT: usize = NONCE_AT + 8;

const FROM_CLIENT: &[u8; 16] = b"CurveZMQMESSAGEC";
const FROM_SERVER: &[u8; 16] = b"CurveZMQMESSAGES";

const MORE: u8 = 1;
const COMMAND: u8 = 2;

/// Which side of a handshake this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Client,
    Server,
}

/// Makes and opens the boxes of one connection. Invariant: no number is used twice, in either direction.
pub(crate) struct Cipher {
    sending: StreamKey,
    receiving: StreamKey,
    next_nonce: u64,
    peer_nonce: u64,
}

impl Cipher {
    /// `key` is that between the transient keys; `next_nonce` has not been used, `peer_nonce` came last.
    pub(super) fn new(key: &BoxKey, side: Side, next_nonce: u64, peer_nonce: u64) -> Self {
        let (sending, receiving) = match side {
            Side::Client => (FROM_CLIENT, FROM_SERVER),
            Side::Server => (FROM_SERVER, FROM_CLIENT),
        };
        Self {
            sending: key.stream(sending),
            receiving: key.stream(receiving),
            next_nonce,
            peer_nonce,
        }
    }

    /// Writes a frame with the body that the pieces make; says whether there was still a number for it.
    #[must_use]
    pub(crate) fn put(&mut self, out: &mut BytesMut, kind: FrameKind, pieces: &[&[u8]]) -> bool {
        let nonce = self.next_nonce;
        let Some(next) = nonce.checked_add(1) else {
            return false;
        };
        self.next_nonce = next;
        let flags = match kind {
            FrameKind::Last => 0,
            FrameKind::More => MORE,
            FrameKind::Command => COMMAND,
        };
        let len = OVERHEAD_BYTES + pieces.iter().map(|piece| piece.len()).sum::<usize>();
        out.reserve(HEAD_BYTES_MAX + len);
        out.extend_from_slice(FrameHead::message(Framing::V3, false, len).as_bytes());
        out.extend_from_slice(MESSAGE);
        out.extend_from_slice(&nonce.to_be_bytes());
        let start = out.len();
        out.extend_from_slice(&[0; TAG_BYTES]);
        out.extend_from_slice(&[flags]);
        for piece in pieces {
            out.extend_from_slice(piece);
        }
        self.sending.seal(nonce.to_be_bytes(), &mut out[start..]);
        true
    }

    /// What is in a MESSAGE, in place: it is the last of `body`.
    pub(crate) fn open<'a>(
        &mut self,
        body: &'a mut [u8],
    ) -> Result<(FrameKind, &'a mut [u8]), CurveError> {
        let malformed = CurveError::Length("MESSAGE");
        if body.len() < OVERHEAD_BYTES || !body.starts_with(MESSAGE) {
            return Err(malformed);
        }
        let (head, sealed) = body.split_at_mut(BOX_AT);
        let mut nonce = [0; 8];
        nonce.copy_from_slice(&head[NONCE_AT..]);
        let number = u64::from_be_bytes(nonce);
        let last = self.peer_nonce;
        if number <= last {
            let nonce = number;
            return Err(CurveError::Nonce { nonce, last });
        }
        let text = self.receiving.open(nonce, sealed);
        let text = text.map_err(|_| CurveError::Box("MESSAGE"))?;
        // Only what is genuine counts.
        self.peer_nonce = number;
        let (flags, text) = text.split_first_mut().ok_or(malformed)?;
        // Other bits are reserved, and libzmq does not look at them.
        let kind = match *flags & (MORE | COMMAND) {
            0 => FrameKind::Last,
            MORE => FrameKind::More,
            _ => FrameKind::Command,
        };
        Ok((kind, text))
    }
}

impl fmt::Debug for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cipher")
            .field("next_nonce", &self.next_nonce)
            .field("peer_nonce", &self.peer_nonce)
            .finish_non_exhaustive()
    }
}
