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
//!        0      8  bytes     behind the header: the records, or zeros if it has none
//!        8      8  store     the random number of this store
//!       16      8  segment   the sequence of the segment that it was written in
//!       24      4  records   how many they are
//!       28      4  shards    how many entries the table has
//!       32  18 each          the table, by ascending shard:
//!                               0   2  shard
//!                               2   4  records   of this shard in the round
//!                               6   8  last      its last index, with this round;
//!                                                0xFFFFFFFFFFFFFFFF: the shard was found damaged
//!                              14   4  digest    of the checksums of these records
//! ```
//!
//! The table names the shards that have records in the round. That of a segment's first round, and that of
//! a round without records, names all shards of the store: so whatever is lost before it is known for
//! each shard.
//!
//! The digest of checksums c1 … cn is the sum of ci · 0x01000193^(n-i), modulo 2^32. So a record that stands
//! where another was written is noticed even if it is intact in itself.
//!
//! Rounds are numbered from 1 without a gap, and a round is written only when the one before it is
//! synced. So an unreadable place in the last round is a torn write, and one before that is corruption.
//! The store's number, which nobody outside knows, keeps a payload from being taken for a round header; the
//! segment's sequence tells a round from one that an earlier use of the file has left.

use super::header::number;
use super::name::NUMBER_MAX;
use crate::record::{self, MARK_SHARD, framed_bytes};

pub(super) const KIND: u8 = 1;

/// The payload in front of the table.
const FIXED_BYTES: usize = 32;

/// The most zeros behind the header of a round without records.
const PADDING_BYTES_MAX: u64 = 4096;

/// What [`segment_named`] looks at.
pub(super) const PEEK_BYTES: usize = record::HEADER_BYTES + FIXED_BYTES;

/// One line of the table.
const ENTRY_BYTES: usize = 18;

/// The most entries that a table can have: one for each number of a shard.
const ENTRIES_MAX: usize = MARK_SHARD as usize;

/// Stands for the last index of a shard that was found damaged.
const DAMAGED: u64 = u64::MAX;

/// What a round is said to hold of one shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) shard: u16,
    pub(super) records: u32,
    /// The last index; `None` if the shard was found damaged.
    pub(super) last: Option<u64>,
    pub(super) digest: u32,
}

/// The header of a round, without its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RoundHeader {
    pub(super) number: u64,
    /// The bytes behind the header.
    pub(super) bytes: u64,
    pub(super) records: u32,
    /// How many entries the table has.
    pub(super) entries: usize,
}

/// What tells the rounds of a segment from everything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) store: u64,
    pub(super) segment: u64,
}

/// The bytes of a header whose table has so many entries; a multiple of [`record::ALIGN_BYTES`].
pub(super) const fn header_bytes(entries: usize) -> usize {
    framed_bytes(FIXED_BYTES + entries * ENTRY_BYTES)
}

/// The bytes of the round header that a record with these fields may be; `None` if it can be none.
pub(super) fn candidate_bytes(fields: &record::Header) -> Option<usize> {
    if fields.shard != MARK_SHARD || fields.kind != KIND || fields.index > NUMBER_MAX {
        return None;
    }
    let table = fields.length.checked_sub(FIXED_BYTES)?;
    let entries = table / ENTRY_BYTES;
    let is_whole = table.is_multiple_of(ENTRY_BYTES) && entries <= ENTRIES_MAX;
    is_whole.then(|| header_bytes(entries))
}

/// Appends the header of round `number` to `out`; `bytes` stand behind it.
pub(super) fn encode(origin: Origin, number: u64, bytes: u64, table: &[Entry], out: &mut Vec<u8>) {
    let records = table.iter().map(|entry| entry.records).sum::<u32>();
    let entries = u32::try_from(table.len()).expect("a store has fewer than 2^16 shards");
    record::encode(out, MARK_SHARD, KIND, number, |payload| {
        payload.extend_from_slice(&bytes.to_le_bytes());
        payload.extend_from_slice(&origin.store.to_le_bytes());
        payload.extend_from_slice(&origin.segment.to_le_bytes());
        payload.extend_from_slice(&records.to_le_bytes());
        payload.extend_from_slice(&entries.to_le_bytes());
        for entry in table {
            payload.extend_from_slice(&entry.shard.to_le_bytes());
            payload.extend_from_slice(&entry.records.to_le_bytes());
            payload.extend_from_slice(&entry.last.unwrap_or(DAMAGED).to_le_bytes());
            payload.extend_from_slice(&entry.digest.to_le_bytes());
        }
    });
}

/// Whether a round header of this store may stand at the start of `bytes`, to be asked before more of it is
/// read; if so, of which segment.
pub(super) fn segment_named(store: u64, bytes: &[u8]) -> Option<u64> {
    let fields = record::Header::decode(bytes)?;
    candidate_bytes(&fields)?;
    let payload = bytes.get(record::HEADER_BYTES..PEEK_BYTES)?;
    (number(&payload[8..16]) == store).then(|| number(&payload[16..24]))
}

impl RoundHeader {
    /// Its own bytes.
    pub(super) fn header_bytes(&self) -> usize {
        header_bytes(self.entries)
    }

    /// The header of a round of this origin at the start of `bytes`, if one is there whole.
    pub(super) fn decode(origin: Origin, bytes: &[u8]) -> Option<Self> {
        let fields = record::Header::decode(bytes)?;
        let framed = candidate_bytes(&fields)?;
        // Looked at before the checksum: an earlier use of the file leaves many headers.
        if bytes.len() < framed || segment_named(origin.store, bytes) != Some(origin.segment) {
            return None;
        }
        let (_, payload) = record::decode(bytes)?;
        let header = Self {
            number: fields.index,
            bytes: number(&payload[..8]),
            records: u32::try_from(number(&payload[24..28])).ok()?,
            entries: usize::try_from(number(&payload[28..32])).ok()?,
        };
        header.is_sound(payload).then_some(header)
    }

    /// Whether the table agrees with the rest and with itself, so that nobody else has to doubt it.
    fn is_sound(&self, payload: &[u8]) -> bool {
        let table = &payload[FIXED_BYTES..];
        if table.len() != self.entries.saturating_mul(ENTRY_BYTES) {
            return false;
        }
        let mut records = 0_u64;
        let mut before = None;
        for entry in entries(table) {
            let is_index = |last: u64| last >= u64::from(entry.records) && last <= NUMBER_MAX;
            let is_sound = entry.last.map_or(entry.records == 0, is_index);
            if !is_sound || before.is_some_and(|shard: u16| shard >= entry.shard) {
                return false;
            }
            before = Some(entry.shard);
            records += u64::from(entry.records);
        }
        let bytes_max = if records == 0 {
            PADDING_BYTES_MAX
        } else {
            NUMBER_MAX
        };
        records == u64::from(self.records) && self.bytes <= bytes_max
    }

    /// Puts the table of the header that `bytes` begin with into `table`.
    pub(super) fn read_table(&self, bytes: &[u8], table: &mut Vec<Entry>) {
        let start = record::HEADER_BYTES + FIXED_BYTES;
        let end = start + self.entries * ENTRY_BYTES;
        table.clear();
        table.extend(entries(bytes.get(start..end).unwrap_or_default()));
    }
}

fn entries(table: &[u8]) -> impl Iterator<Item = Entry> + '_ {
    table.chunks_exact(ENTRY_BYTES).map(|entry| {
        let last = number(&entry[6..14]);
        Entry {
            shard: u16::from_le_bytes([entry[0], entry[1]]),
            records: u32::from_le_bytes([entry[2], entry[3], entry[4], entry[5]]),
            last: (last != DAMAGED).then_some(last),
            digest: u32::from_le_bytes([entry[14], entry[15], entry[16], entry[17]]),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: Origin = Origin {
        store: 0x1122_3344_5566_7788,
        segment: 5,
    };

    fn entry(shard: u16, records: u32, last: Option<u64>) -> Entry {
        Entry {
            shard,
            records,
            last,
            digest: 9,
        }
    }

    #[test]
    fn it_is_read_as_it_is_written() {
        let table = [
            entry(0, 2, Some(7)),
            entry(3, 0, None),
            entry(4, 0, Some(0)),
        ];
        let mut bytes = Vec::new();
        encode(ORIGIN, 12, 100, &table, &mut bytes);
        assert_eq!(bytes.len(), header_bytes(3));
        let header = RoundHeader::decode(ORIGIN, &bytes).unwrap();
        assert_eq!((header.number, header.bytes, header.records), (12, 100, 2));
        let mut read = Vec::new();
        header.read_table(&bytes, &mut read);
        assert_eq!(read, table);
        for other in [
            Origin { store: 1, ..ORIGIN },
            Origin {
                segment: 4,
                ..ORIGIN
            },
        ] {
            assert_eq!(RoundHeader::decode(other, &bytes), None);
        }
        for at in 0..20 + 32 + 3 * 18 {
            let mut changed = bytes.clone();
            changed[at] ^= 0x20;
            assert_eq!(RoundHeader::decode(ORIGIN, &changed), None, "byte {at}");
        }
    }

    #[test]
    fn a_table_that_contradicts_itself_is_none() {
        for table in [
            [entry(3, 1, Some(1)), entry(3, 1, Some(2))],
            [entry(3, 1, Some(1)), entry(2, 1, Some(2))],
            [entry(3, 2, Some(1)), entry(4, 1, Some(2))],
            [entry(3, 1, None), entry(4, 1, Some(2))],
            [entry(3, 0, Some(NUMBER_MAX + 1)), entry(4, 1, Some(2))],
        ] {
            let mut bytes = Vec::new();
            encode(ORIGIN, 12, 100, &table, &mut bytes);
            assert_eq!(RoundHeader::decode(ORIGIN, &bytes), None, "{table:?}");
        }
    }
}
