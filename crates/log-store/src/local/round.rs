//! The mark that begins a round in a segment.
//!
//! ```text
//!   ┌──────────────┬────────┬────────┬─────┐┌──────────────┬────────┬─────
//!   │ round header │ record │ record │  …  ││ round header │ record │  …
//!   └──────────────┴────────┴────────┴─────┘└──────────────┴────────┴─────
//! ```
//!
//! It is a record of shard 0xFFFF and kind 1, whose index is the number of the round, with the payload:
//!
//! ```text
//!   offset  bytes  field
//!        0      8  bytes     of the records behind it
//!        8      8  store     the random number of this store
//!       16      4  records   how many they are
//! ```
//!
//! Rounds are numbered from 1 without a gap, and a round is written only when the one before it is
//! synced. So an unreadable place in the last round is a torn write, and one before that is corruption.
//! The store's number, which nobody outside knows, keeps a payload from being taken for a round header.

use super::name::NUMBER_MAX;
use crate::record::{self, MARK_SHARD, framed_bytes};

const KIND: u8 = 1;

const PAYLOAD_BYTES: usize = 20;

/// The bytes of a round header; a multiple of [`record::ALIGN_BYTES`].
pub(super) const ROUND_HEADER_BYTES: usize = framed_bytes(PAYLOAD_BYTES);

/// The header of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RoundHeader {
    pub(super) number: u64,
    pub(super) bytes: u64,
    pub(super) records: u32,
}

impl RoundHeader {
    /// Appends it to `out`.
    pub(super) fn encode(self, store: u64, out: &mut Vec<u8>) {
        record::encode(out, MARK_SHARD, KIND, self.number, |payload| {
            payload.extend_from_slice(&self.bytes.to_le_bytes());
            payload.extend_from_slice(&store.to_le_bytes());
            payload.extend_from_slice(&self.records.to_le_bytes());
        });
    }

    /// The round header of this store at the start of `bytes`, if one is there.
    pub(super) fn decode(store: u64, bytes: &[u8]) -> Option<Self> {
        let fields = record::Header::decode(bytes)?;
        // Looked at first: most places that are tried are none.
        if fields.shard != MARK_SHARD || fields.kind != KIND || fields.length != PAYLOAD_BYTES {
            return None;
        }
        let (fields, payload) = record::decode(bytes)?;
        let (size, rest) = payload.split_first_chunk::<8>()?;
        let (found_store, records) = rest.split_first_chunk::<8>()?;
        if u64::from_le_bytes(*found_store) != store || fields.index > NUMBER_MAX {
            return None;
        }
        Some(Self {
            number: fields.index,
            bytes: u64::from_le_bytes(*size),
            records: u32::from_le_bytes(*records.first_chunk()?),
        })
    }
}
