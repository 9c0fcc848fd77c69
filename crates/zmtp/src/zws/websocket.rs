//! Frames of a WebSocket (RFC 6455), as far as their heads go, and their masks.
//!
//! ```text
//! F R R R opcode (4) | M length (7) | 0, 2 or 8 octets more of length | 4 octets of mask, if M
//! ```

use crate::frame::read_u64;
use bytes::BytesMut;

/// The longest payload of a control frame. [RFC 6455 5.5]
pub(super) const CONTROL_BYTES_MAX: usize = 125;

const FINAL: u8 = 0x80;
const RESERVED: u8 = 0x70;
const MASKED: u8 = 0x80;

/// Which side of a WebSocket this is: a client masks what it sends, a server does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// It has asked for the WebSocket.
    Client,
    /// It was asked.
    Server,
}

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Opcode {
    const fn bits(self) -> u8 {
        match self {
            Self::Continuation => 0x0,
            Self::Text => 0x1,
            Self::Binary => 0x2,
            Self::Close => 0x8,
            Self::Ping => 0x9,
            Self::Pong => 0xA,
        }
    }

    const fn of(bits: u8) -> Option<Self> {
        Some(match bits {
            0x0 => Self::Continuation,
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xA => Self::Pong,
            _ => return None,
        })
    }

    pub(super) const fn is_control(self) -> bool {
        self.bits() >= 0x8
    }
}

/// How a peer broke the rules of WebSocket, or of what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebSocketError {
    /// No extension was agreed on.
    #[error("a reserved bit is set")]
    ReservedBit,
    /// An opcode without a meaning.
    #[error("opcode {0} is not known")]
    Opcode(u8),
    /// A client masks, a server does not.
    #[error("a frame of a client is not masked, or one of a server is")]
    Mask,
    /// A control frame that is too long or in fragments.
    #[error("a control frame is too long, or in fragments")]
    Control,
    /// A length that is not in its shortest form, or negative.
    #[error("a length is malformed")]
    Length,
    /// A continuation of nothing, or a message within another one.
    #[error("the fragments of messages are out of order")]
    Fragments,
    /// A text message.
    #[error("a message is not binary")]
    NotBinary,
    /// A message that does not begin with one of ZWS's octets.
    #[error("a message is none of ZWS")]
    NotZws,
    /// The first message is to be an identity, and is none.
    #[error("an identity is malformed")]
    Identity,
    /// A message over the limit.
    #[error("a message has {len} bytes, the limit is {limit}")]
    TooLarge {
        /// Of the message, as far as it is known.
        len: u64,
        /// What is taken.
        limit: u64,
    },
}

impl WebSocketError {
    /// What the peer is told. [RFC 6455 7.4.1]
    #[must_use]
    pub const fn close_code(self) -> u16 {
        match self {
            Self::NotBinary => 1003,
            Self::NotZws | Self::Identity => 1008,
            Self::TooLarge { .. } => 1009,
            Self::ReservedBit
            | Self::Opcode(_)
            | Self::Mask
            | Self::Control
            | Self::Length
            | Self::Fragments => 1002,
        }
    }
}

/// The head of a frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) is_final: bool,
    pub(super) opcode: Opcode,
    /// Octets of the head itself.
    pub(super) bytes: usize,
    pub(super) payload_bytes: u64,
    /// Zeros if there is none.
    pub(super) mask: [u8; 4],
}

impl Head {
    /// Reads the head of a frame that `side` gets; none if it is not whole.
    pub(super) fn read(side: Side, input: &[u8]) -> Result<Option<Self>, WebSocketError> {
        let Some(first) = input.first().copied() else {
            return Ok(None);
        };
        if first & RESERVED != 0 {
            return Err(WebSocketError::ReservedBit);
        }
        let opcode = Opcode::of(first & 0x0F).ok_or(WebSocketError::Opcode(first & 0x0F))?;
        let Some(second) = input.get(1).copied() else {
            return Ok(None);
        };
        let is_masked = second & MASKED != 0;
        if is_masked != (side == Side::Server) {
            return Err(WebSocketError::Mask);
        }
        let is_final = first & FINAL != 0;
        let short = second & !MASKED;
        if opcode.is_control() && (!is_final || usize::from(short) > CONTROL_BYTES_MAX) {
            return Err(WebSocketError::Control);
        }
        let length_bytes = match short {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let mask_at = 2 + length_bytes;
        let bytes = mask_at + if is_masked { 4 } else { 0 };
        if input.len() < bytes {
            return Ok(None);
        }
        let long = read_u64(&input[2..mask_at]);
        let (payload_bytes, least) = match short {
            126 => (long, 126),
            127 => (long, 0x1_0000),
            short => (u64::from(short), 0),
        };
        if payload_bytes < least || payload_bytes >> 63 != 0 {
            return Err(WebSocketError::Length);
        }
        let mut mask = [0; 4];
        if is_masked {
            mask.copy_from_slice(&input[mask_at..bytes]);
        }
        Ok(Some(Self {
            is_final,
            opcode,
            bytes,
            payload_bytes,
            mask,
        }))
    }

    /// Writes the head of a whole message or of a control frame; `mask` is a client's.
    pub(super) fn put(
        out: &mut BytesMut,
        opcode: Opcode,
        payload_bytes: usize,
        mask: Option<[u8; 4]>,
    ) {
        let masked = if mask.is_some() { MASKED } else { 0 };
        let first = FINAL | opcode.bits();
        if let Ok(short) = u8::try_from(payload_bytes)
            && short < 126
        {
            out.extend_from_slice(&[first, masked | short]);
        } else if let Ok(middle) = u16::try_from(payload_bytes) {
            out.extend_from_slice(&[first, masked | 126]);
            out.extend_from_slice(&middle.to_be_bytes());
        } else {
            out.extend_from_slice(&[first, masked | 127]);
            out.extend_from_slice(&(payload_bytes as u64).to_be_bytes());
        }
        if let Some(mask) = mask {
            out.extend_from_slice(&mask);
        }
    }
}

/// Takes the mask off, or puts it on. `at` is the place of the first octet in its frame.
pub(super) fn apply_mask(bytes: &mut [u8], mask: [u8; 4], at: u64) {
    if mask == [0; 4] {
        return;
    }
    let mut mask = mask;
    mask.rotate_left((at % 4) as usize);
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
}
