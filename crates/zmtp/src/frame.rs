//! Frames: what is written, and what is found in the bytes of a peer.
//!
//! ```text
//! 1.0         length (with the flags) | flags | body    length: 1 octet, or 0xFF and 8
//! 2.0, 3.x    flags | size | body                       size: 1 octet, or 8 with LONG
//!             flags: 1 MORE, 2 LONG, 4 COMMAND (3.x)
//! ```

use bytes::BytesMut;
use std::ops::Range;

const MORE: u8 = 1;
const LONG: u8 = 2;
const COMMAND: u8 = 4;

/// Octets of the longest head of a frame.
pub const HEAD_BYTES_MAX: usize = 10;

/// How frames lie on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// As in 1.0.
    V1,
    /// As in 2.0: there are no commands.
    V2,
    /// As in 3.0 and 3.1.
    V3,
}

/// A frame of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Whether more frames of the same message follow.
    pub more: bool,
    /// What the application sent.
    pub body: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The last frame of a message, or its only one.
    #[must_use]
    pub const fn last(body: &'a [u8]) -> Self {
        Self { more: false, body }
    }

    /// A frame with more behind it.
    #[must_use]
    pub const fn more(body: &'a [u8]) -> Self {
        Self { more: true, body }
    }
}

/// What stands before the body of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHead {
    bytes: [u8; HEAD_BYTES_MAX],
    len: usize,
}

impl FrameHead {
    /// Of a frame of a message.
    #[must_use]
    #[inline]
    pub fn message(framing: Framing, more: bool, body_len: usize) -> Self {
        match framing {
            Framing::V1 => Self::v1(u8::from(more), body_len),
            Framing::V2 | Framing::V3 => Self::v2(u8::from(more), body_len),
        }
    }

    /// Of a command.
    #[must_use]
    pub fn command(body_len: usize) -> Self {
        Self::v2(COMMAND, body_len)
    }

    /// Its octets.
    #[must_use]
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    #[inline]
    fn v2(flags: u8, body_len: usize) -> Self {
        let mut bytes = [0; HEAD_BYTES_MAX];
        if let Ok(size) = u8::try_from(body_len) {
            bytes[0] = flags;
            bytes[1] = size;
            return Self { bytes, len: 2 };
        }
        bytes[0] = flags | LONG;
        bytes[1..9].copy_from_slice(&(body_len as u64).to_be_bytes());
        Self { bytes, len: 9 }
    }

    fn v1(flags: u8, body_len: usize) -> Self {
        let mut bytes = [0; HEAD_BYTES_MAX];
        let length = body_len as u64 + 1;
        match u8::try_from(length) {
            Ok(length) if length < 0xFF => {
                bytes[0] = length;
                bytes[1] = flags;
                Self { bytes, len: 2 }
            }
            _ => {
                bytes[0] = 0xFF;
                bytes[1..9].copy_from_slice(&length.to_be_bytes());
                bytes[9] = flags;
                Self { bytes, len: 10 }
            }
        }
    }
}

/// Writes a frame of a message, as it is for every peer of that framing that does not encrypt.
#[inline]
pub fn put_frame(out: &mut BytesMut, framing: Framing, frame: Frame<'_>) {
    let head = FrameHead::message(framing, frame.more, frame.body.len());
    out.reserve(HEAD_BYTES_MAX + frame.body.len());
    out.extend_from_slice(head.as_bytes());
    out.extend_from_slice(frame.body);
}

/// Writes a command from the pieces of its body.
pub(crate) fn put_command(out: &mut BytesMut, pieces: &[&[u8]]) {
    let len = pieces.iter().map(|piece| piece.len()).sum();
    out.reserve(HEAD_BYTES_MAX + len);
    out.extend_from_slice(FrameHead::command(len).as_bytes());
    for piece in pieces {
        out.extend_from_slice(piece);
    }
}

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// A frame of a message, with more behind it.
    More,
    /// The last frame of a message.
    Last,
    /// A command.
    Command,
}

/// What [`decode`] has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// A frame, whose body is there in the input. It ends with the body.
    Frame(FrameKind, Range<usize>),
    /// There is not yet a whole frame.
    Incomplete {
        /// So many octets are missing; at least that many, if the size is not there either. Never 0.
        missing_bytes: usize,
    },
}

/// Why the bytes of a peer are no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Bits that are reserved, or do not go together.
    #[error("flags of a frame are {0:#04x}")]
    Flags(u8),
    /// A frame of 1.0 without flags.
    #[error("a frame of ZMTP 1.0 has the length 0")]
    NoFlags,
    /// A body over the limit.
    #[error("a frame has {len} bytes, the limit is {limit}")]
    TooLarge {
        /// Of the body.
        len: u64,
        /// What is taken.
        limit: usize,
    },
}

/// Finds the first frame of `input`, whose body has at most `limit` octets. Looks at the head alone, allocates and
/// keeps nothing.
///
/// # Errors
/// [`FrameError`], as soon as the octets up to the one that makes it certain are there.
#[inline]
pub fn decode(framing: Framing, input: &[u8], limit: usize) -> Result<Decoded, FrameError> {
    match framing {
        Framing::V3 => decode_v2(input, limit, COMMAND),
        Framing::V2 => decode_v2(input, limit, 0),
        Framing::V1 => decode_v1(input, limit),
    }
}

#[inline]
fn decode_v2(input: &[u8], limit: usize, command: u8) -> Result<Decoded, FrameError> {
    let Some(flags) = input.first().copied() else {
        return Ok(Decoded::Incomplete { missing_bytes: 2 });
    };
    let kind = match flags & !LONG {
        0 => FrameKind::Last,
        MORE => FrameKind::More,
        COMMAND if command != 0 => FrameKind::Command,
        _ => return Err(FrameError::Flags(flags)),
    };
    if flags & LONG == 0 {
        let Some(size) = input.get(1) else {
            return Ok(Decoded::Incomplete { missing_bytes: 1 });
        };
        return whole(kind, 2, u64::from(*size), input.len(), limit);
    }
    let Some(size) = input.get(1..9) else {
        let missing_bytes = 9 - input.len();
        return Ok(Decoded::Incomplete { missing_bytes });
    };
    whole(kind, 9, read_u64(size), input.len(), limit)
}

fn decode_v1(input: &[u8], limit: usize) -> Result<Decoded, FrameError> {
    let (length, head) = match input {
        [] => return Ok(Decoded::Incomplete { missing_bytes: 2 }),
        [0xFF, rest @ ..] => match rest.get(..8) {
            Some(length) => (read_u64(length), 10),
            None => {
                let missing_bytes = 10 - input.len();
                return Ok(Decoded::Incomplete { missing_bytes });
            }
        },
        [length, ..] => (u64::from(*length), 2),
    };
    let Some(body_len) = length.checked_sub(1) else {
        return Err(FrameError::NoFlags);
    };
    if body_len > limit as u64 {
        let len = body_len;
        return Err(FrameError::TooLarge { len, limit });
    }
    let Some(flags) = input.get(head - 1) else {
        return Ok(Decoded::Incomplete { missing_bytes: 1 });
    };
    // The others are reserved; a newer peer sets them before its identity.
    let kind = if flags & MORE == 0 {
        FrameKind::Last
    } else {
        FrameKind::More
    };
    whole(kind, head, body_len, input.len(), limit)
}

#[inline]
fn whole(
    kind: FrameKind,
    head: usize,
    len: u64,
    input_len: usize,
    limit: usize,
) -> Result<Decoded, FrameError> {
    let end = usize::try_from(len)
        .ok()
        .filter(|len| *len <= limit)
        .and_then(|len| len.checked_add(head));
    let Some(end) = end else {
        return Err(FrameError::TooLarge { len, limit });
    };
    if input_len < end {
        let missing_bytes = end - input_len;
        return Ok(Decoded::Incomplete { missing_bytes });
    }
    Ok(Decoded::Frame(kind, head..end))
}

/// A number of up to eight bytes, as all of ZMTP and of WebSocket are written.
#[inline]
pub(crate) fn read_u64(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}
