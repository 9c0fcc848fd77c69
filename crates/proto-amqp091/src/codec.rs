//! Bytes into frames, incrementally.
//!
//! 1. The first byte tells the type; it is checked as soon as it is there.
//! 2. The size is compared with the limit as soon as it is whole, before anything is waited for.
//! 3. Nothing is looked at until the frame is whole; how many bytes are missing is known from here on.
//! 4. The octet at the end is checked, then the payload is read in place. It borrows from the input;
//!    nothing is copied or allocated.
//!
//! An error depends on the bytes up to the one that makes it certain, or to the end of their frame,
//! never on how they were split.

use crate::frame::{ContentHeader, FRAME_END, FRAME_OVERHEAD_BYTES, Frame, FrameKind, Payload};
use crate::method::Method;
use crate::read::Reader;
use crate::violation::{DecodeError, Problem};
use crate::{MethodId, Side};

/// Bytes of a frame before its payload.
const HEAD_BYTES: usize = FRAME_OVERHEAD_BYTES - 1;

/// What [`Codec::decode`] has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded<'a> {
    /// A frame, which takes so many bytes at the front of the input.
    Frame(Frame<'a>, usize),
    /// There is not yet a whole frame.
    Incomplete {
        /// So many bytes are missing; at least that many, if the frame's size is not there either. Never 0.
        missing_bytes: usize,
    },
}

/// Finds frames in the bytes that one side sends behind the protocol header.
///
/// Invariants: allocates nothing, unless to describe an error. Keeps nothing of the input: the same
/// input gives the same frame.
#[derive(Clone, Copy, Debug)]
pub struct Codec {
    from: Side,
    payload_bytes_max: usize,
}

impl Codec {
    /// The codec of a side's peer. A payload of up to `frame_bytes_max` bytes is taken: RabbitMQ, too, allows
    /// for clients that do not count the eight bytes around it.
    #[must_use]
    pub const fn new(from: Side, frame_bytes_max: usize) -> Self {
        Self {
            from,
            payload_bytes_max: frame_bytes_max,
        }
    }

    /// Reads what follows with this limit: both sides have agreed on it.
    pub const fn set_frame_bytes_max(&mut self, frame_bytes_max: usize) {
        self.payload_bytes_max = frame_bytes_max;
    }

    /// The longest payload that is taken, in bytes.
    #[must_use]
    pub const fn payload_bytes_max(&self) -> usize {
        self.payload_bytes_max
    }

    /// Whose bytes it reads.
    pub(crate) const fn reads_from(&self) -> Side {
        self.from
    }

    /// Reads the first frame of `input`.
    ///
    /// # Errors
    /// [`DecodeError`] when the input is none, not what that side may send, or over the limit; the stream
    /// cannot be read on.
    #[inline]
    pub fn decode<'a>(&self, input: &'a [u8]) -> Result<Decoded<'a>, DecodeError> {
        let Some(first) = input.first() else {
            return Ok(Decoded::Incomplete {
                missing_bytes: FRAME_OVERHEAD_BYTES,
            });
        };
        let kind = FrameKind::from_number(*first);
        let kind = kind.ok_or_else(|| error(MethodId::NONE, Problem::UnknownFrame(*first)))?;
        let Some(head) = input.first_chunk::<HEAD_BYTES>() else {
            return Ok(Decoded::Incomplete {
                missing_bytes: FRAME_OVERHEAD_BYTES - input.len(),
            });
        };
        let [_, c0, c1, s0, s1, s2, s3] = *head;
        let channel = u16::from_be_bytes([c0, c1]);
        let len = u32::from_be_bytes([s0, s1, s2, s3]);
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        let limit = self.payload_bytes_max;
        if len > limit {
            return Err(error(MethodId::NONE, Problem::FrameTooLarge { len, limit }));
        }
        if kind == FrameKind::Heartbeat && (len, channel) != (0, 0) {
            return Err(error(MethodId::NONE, Problem::Heartbeat { len, channel }));
        }
        let whole = FRAME_OVERHEAD_BYTES + len;
        let Some(octet) = input.get(whole - 1).copied() else {
            return Ok(Decoded::Incomplete {
                missing_bytes: whole - input.len(),
            });
        };
        if octet != FRAME_END {
            return Err(error(MethodId::NONE, Problem::FrameEnd { octet }));
        }
        let payload = &input[HEAD_BYTES..whole - 1];
        let payload = match kind {
            FrameKind::Method => Payload::Method(self.read_method(payload)?),
            FrameKind::Header => {
                let header = ContentHeader::read(payload);
                Payload::Header(header.map_err(|problem| error(MethodId::NONE, problem))?)
            }
            FrameKind::Body => Payload::Body(payload),
            FrameKind::Heartbeat => Payload::Heartbeat,
        };
        Ok(Decoded::Frame(Frame { channel, payload }, whole))
    }

    /// The payload of a frame of that kind at the front of the input, with its channel before it and what stands behind
    /// it, if it is whole and there is nothing wrong with the frame.
    #[inline]
    pub(crate) fn payload<'a>(
        &self,
        kind: FrameKind,
        input: &'a [u8],
    ) -> Option<(u16, &'a [u8], &'a [u8])> {
        let (head, rest) = input.split_first_chunk::<HEAD_BYTES>()?;
        let [number, c0, c1, s0, s1, s2, s3] = *head;
        let len = usize::try_from(u32::from_be_bytes([s0, s1, s2, s3])).ok()?;
        if number != kind as u8 || len > self.payload_bytes_max {
            return None;
        }
        let (payload, rest) = rest.split_at_checked(len)?;
        let (end, rest) = rest.split_first()?;
        (*end == FRAME_END).then_some((u16::from_be_bytes([c0, c1]), payload, rest))
    }

    #[inline]
    fn read_method<'a>(&self, payload: &'a [u8]) -> Result<Method<'a>, DecodeError> {
        let mut reader = Reader::new(payload);
        let none = |problem| error(MethodId::NONE, problem);
        let class_id = reader.short("class-id").map_err(none)?;
        let method_id = reader.short("method-id").map_err(none)?;
        let id = MethodId::new(class_id, method_id);
        let method = Method::read(id, &mut reader).map_err(|problem| error(id, problem))?;
        reader.finish().map_err(|problem| error(id, problem))?;
        if !method.may_come_from(self.from) {
            return Err(error(id, Problem::WrongSide { from: self.from }));
        }
        Ok(method)
    }
}

#[cold]
const fn error(method: MethodId, problem: Problem) -> DecodeError {
    DecodeError { method, problem }
}
