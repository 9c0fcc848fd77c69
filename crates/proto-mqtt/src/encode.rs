//! The fixed header of what is sent, and why something cannot be.

use crate::Version;
use crate::frame::{ConnackReason, PacketKind, VARIABLE_INT_MAX, variable_int};
use bytes::{BufMut as _, BytesMut};

/// Where in the first byte the kind of a packet stands.
pub(crate) const PACKET_KIND_SHIFT: u32 = 4;

/// Why a packet cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The remaining length cannot say it.
    #[error(
        "the {kind} packet has {len} bytes behind its fixed header, the limit is {VARIABLE_INT_MAX}"
    )]
    PacketTooLong {
        /// The packet's.
        kind: PacketKind,
        /// In bytes.
        len: usize,
    },
    /// Two bytes of length cannot say it.
    #[error("the topic name has {len} bytes, the limit is {limit}")]
    TopicTooLong {
        /// In bytes.
        len: usize,
        /// In bytes.
        limit: usize,
    },
    /// The version has no such packet.
    #[error("MQTT {} has no {kind} packet", version.text())]
    NotInVersion {
        /// The packet's.
        kind: PacketKind,
        /// The reader's.
        version: Version,
    },
    /// 3.1 and 3.1.1 have no return code for it: the connection is to be closed without a CONNACK.
    #[error("before MQTT 5.0 a CONNACK cannot say '{0}'")]
    NoReturnCode(ConnackReason),
}

/// The bytes of the remaining length before so many bytes; of more than it can say, as many as it
/// has.
pub(crate) const fn remaining_len(body_len: usize) -> usize {
    #[expect(clippy::cast_possible_truncation, reason = "it is below 2^28")]
    match body_len > VARIABLE_INT_MAX as usize {
        true => variable_int::len_of(VARIABLE_INT_MAX),
        false => variable_int::len_of(body_len as u32),
    }
}

/// Appends the first byte and the remaining length.
#[inline]
pub(crate) fn put_fixed_header(
    kind: PacketKind,
    first: u8,
    body_len: usize,
    buffer: &mut BytesMut,
) -> Result<(), EncodeError> {
    let remaining = u32::try_from(body_len).ok();
    let Some(remaining) = remaining.filter(|len| *len <= VARIABLE_INT_MAX) else {
        return Err(EncodeError::PacketTooLong {
            kind,
            len: body_len,
        });
    };
    let ([a, b, c, d], len) = variable_int::spell(remaining);
    match len {
        1 => buffer.put_slice(&[first, a]),
        2 => buffer.put_slice(&[first, a, b]),
        3 => buffer.put_slice(&[first, a, b, c]),
        _ => buffer.put_slice(&[first, a, b, c, d]),
    }
    Ok(())
}
