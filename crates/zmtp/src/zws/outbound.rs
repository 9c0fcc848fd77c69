//! From the bytes that a peer of ZMTP 3.0 gets over TCP to those of a WebSocket.

use super::octet;
use super::websocket::{CONTROL_BYTES_MAX, Head, Opcode, Side, apply_mask};
use crate::frame::{FrameKind, read_u64};
use crate::greeting::GREETING_BYTES;
use bytes::BytesMut;

/// Octets of the longest head of 3.0.
const FRAME_HEAD_BYTES_MAX: usize = 9;

/// Writes what goes out behind the opening handshake of a WebSocket.
///
/// What it is given is what a [`Connection`](crate::Connection) writes, in any pieces: the greeting is left out, each frame
/// becomes a binary message of one frame. Bodies go through as they come.
#[derive(Debug)]
pub struct Outbound {
    side: Side,
    state: State,
    /// The first frame, which is the READY, is left out as well.
    leaves_ready_out: bool,
}

#[derive(Debug)]
enum State {
    Greeting {
        left: usize,
    },
    /// The head of a frame, as far as it has come.
    Head {
        bytes: [u8; FRAME_HEAD_BYTES_MAX],
        len: usize,
    },
    Body {
        left: usize,
        at: u64,
        mask: [u8; 4],
    },
    /// A body that nobody gets.
    Left {
        left: usize,
    },
}

const HEAD: State = State::Head {
    bytes: [0; FRAME_HEAD_BYTES_MAX],
    len: 0,
};

impl Outbound {
    /// To a peer with a mechanism.
    #[must_use]
    pub const fn new(side: Side) -> Self {
        Self {
            side,
            state: State::Greeting {
                left: GREETING_BYTES,
            },
            leaves_ready_out: false,
        }
    }

    /// To a peer without one: it gets this identity instead of a READY.
    #[must_use]
    pub fn identifying(
        side: Side,
        identity: &[u8],
        out: &mut BytesMut,
        mask: &mut dyn FnMut() -> [u8; 4],
    ) -> Self {
        let mut message = BytesMut::with_capacity(1 + identity.len());
        super::put_frame(&mut message, crate::Frame::last(identity));
        let this = Self {
            leaves_ready_out: true,
            ..Self::new(side)
        };
        this.put(out, Opcode::Binary, &message, mask);
        this
    }

    /// Whether a control frame may be put in: nothing is in the middle of a message.
    #[must_use]
    pub const fn is_between(&self) -> bool {
        match self.state {
            State::Greeting { .. } | State::Left { .. } | State::Head { .. } => true,
            State::Body { .. } => false,
        }
    }

    /// Writes all of the input. `mask` makes the masks of a client: each is to be one that nobody foresees.
    pub fn write(
        &mut self,
        mut input: &[u8],
        out: &mut BytesMut,
        mask: &mut dyn FnMut() -> [u8; 4],
    ) {
        while !input.is_empty() {
            match &mut self.state {
                State::Greeting { left } | State::Left { left } => {
                    let count = input.len().min(*left);
                    *left -= count;
                    input = &input[count..];
                    if *left == 0 {
                        self.state = HEAD;
                    }
                }
                State::Head { bytes, len } => {
                    bytes[*len] = input[0];
                    *len += 1;
                    input = &input[1..];
                    let is_full = *len == bytes.len();
                    match whole_head(&bytes[..*len]) {
                        Some((kind, body_len)) => self.begin(kind, body_len, out, mask),
                        None if is_full => self.state = HEAD,
                        None => {}
                    }
                }
                State::Body { left, at, mask } => {
                    let count = input.len().min(*left);
                    let start = out.len();
                    out.extend_from_slice(&input[..count]);
                    apply_mask(&mut out[start..], *mask, *at);
                    *left -= count;
                    *at += count as u64;
                    input = &input[count..];
                    if *left == 0 {
                        self.state = HEAD;
                    }
                }
            }
        }
    }

    fn begin(
        &mut self,
        kind: FrameKind,
        body_len: usize,
        out: &mut BytesMut,
        mask: &mut dyn FnMut() -> [u8; 4],
    ) {
        if std::mem::take(&mut self.leaves_ready_out) {
            self.state = if body_len == 0 {
                HEAD
            } else {
                State::Left { left: body_len }
            };
            return;
        }
        let mask = self.mask(mask);
        Head::put(out, Opcode::Binary, body_len + 1, mask);
        let mask = mask.unwrap_or_default();
        out.extend_from_slice(&[octet(kind) ^ mask[0]]);
        self.state = if body_len == 0 {
            HEAD
        } else {
            State::Body {
                left: body_len,
                at: 1,
                mask,
            }
        };
    }

    fn mask(&self, mask: &mut dyn FnMut() -> [u8; 4]) -> Option<[u8; 4]> {
        (self.side == Side::Client).then(mask)
    }

    /// Writes a ping.
    pub fn put_ping(&self, out: &mut BytesMut, mask: &mut dyn FnMut() -> [u8; 4]) {
        self.put(out, Opcode::Ping, &[], mask);
    }

    /// Writes the answer to a ping.
    pub fn put_pong(&self, out: &mut BytesMut, payload: &[u8], mask: &mut dyn FnMut() -> [u8; 4]) {
        let len = payload.len().min(CONTROL_BYTES_MAX);
        self.put(out, Opcode::Pong, &payload[..len], mask);
    }

    /// Writes that nothing follows, and why.
    pub fn put_close(&self, out: &mut BytesMut, code: u16, mask: &mut dyn FnMut() -> [u8; 4]) {
        self.put(out, Opcode::Close, &code.to_be_bytes(), mask);
    }

    fn put(
        &self,
        out: &mut BytesMut,
        opcode: Opcode,
        payload: &[u8],
        mask: &mut dyn FnMut() -> [u8; 4],
    ) {
        let mask = self.mask(mask);
        Head::put(out, opcode, payload.len(), mask);
        let start = out.len();
        out.extend_from_slice(payload);
        apply_mask(&mut out[start..], mask.unwrap_or_default(), 0);
    }
}

/// What a head says, once it is whole.
fn whole_head(bytes: &[u8]) -> Option<(FrameKind, usize)> {
    let flags = *bytes.first()?;
    let is_long = flags & 2 != 0;
    let size = bytes.get(1..if is_long { 9 } else { 2 })?;
    let len = read_u64(size);
    let kind = match flags & !2 {
        1 => FrameKind::More,
        4 => FrameKind::Command,
        _ => FrameKind::Last,
    };
    // A connection writes no frame that does not fit into memory.
    Some((kind, usize::try_from(len).ok()?))
}
