//! The marks of a batch: one in front of its pages, one behind them.

use super::segment::{Entry, Origin};
use crate::local::header::{HEADER_BYTES, number};
use crate::local::journal::bytes_u64;
use crate::record::{self, ALIGN_BYTES, MARK_SHARD, PAYLOAD_BYTES_MAX};
use model::{PageNumber, ShardId};

/// The kind of the record.
const KIND: u8 = 4;

/// The payload in front of the table.
const FIXED_BYTES: usize = 40;

/// One line of the table.
const LINE_BYTES: usize = 16;

/// What [`candidate_bytes`] looks at.
pub(super) const PEEK_BYTES: usize = record::HEADER_BYTES + FIXED_BYTES;

/// What a mark says of its batch.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// Where the batch begins.
    pub(super) begins: u64,
    /// Where it ends.
    pub(super) ends: u64,
    /// Its pages, in the order of the file.
    pub(super) entries: Vec<Entry>,
}

/// The bytes of a mark of so many pages.
pub(super) const fn framed_bytes(pages: usize) -> usize {
    record::framed_bytes(FIXED_BYTES + pages * LINE_BYTES)
}

/// Both marks of the batch that begins at `begins` and has these pages: what stands in front of them, and what stands
/// behind.
pub(super) fn encode(origin: Origin, begins: u64, entries: &[Entry]) -> [Vec<u8>; 2] {
    let mark_bytes = bytes_u64(framed_bytes(entries.len()));
    let pages_bytes: u64 = entries.iter().map(Entry::framed_bytes).sum();
    let bytes = 2 * mark_bytes + pages_bytes;
    [begins, begins + mark_bytes + pages_bytes].map(|place| {
        let mut out = Vec::new();
        let index = u64::from(origin.sequence);
        record::encode(&mut out, MARK_SHARD, KIND, index, |payload| {
            for field in [origin.store, place, begins, bytes, bytes_u64(entries.len())] {
                payload.extend_from_slice(&field.to_le_bytes());
            }
            for entry in entries {
                payload.extend_from_slice(&entry.page.0.to_le_bytes());
                payload.extend_from_slice(&entry.length.to_le_bytes());
                payload.extend_from_slice(&entry.shard.0.to_le_bytes());
                payload.extend_from_slice(&[0; 2]);
            }
        });
        out
    })
}

/// The bytes that the mark at `place` takes, if what begins with `peek` may be one of this segment. Its checksum
/// is not looked at.
pub(super) fn candidate_bytes(origin: Origin, place: u64, peek: &[u8]) -> Option<usize> {
    let header = record::Header::decode(peek)?;
    if header.shard != MARK_SHARD
        || header.kind != KIND
        || header.index != u64::from(origin.sequence)
    {
        return None;
    }
    let fixed = peek.get(record::HEADER_BYTES..PEEK_BYTES)?;
    let is_own = number(&fixed[..8]) == origin.store && number(&fixed[8..16]) == place;
    let pages = usize::try_from(number(&fixed[32..40])).ok()?;
    let payload_bytes = pages.checked_mul(LINE_BYTES)?.checked_add(FIXED_BYTES)?;
    let is_whole = payload_bytes == header.length && payload_bytes <= PAYLOAD_BYTES_MAX;
    (is_own && is_whole).then(|| record::framed_bytes(payload_bytes))
}

impl Mark {
    /// Reads the mark at `place`, whose payload this is; `None` if it does not tell of a batch that can be.
    pub(super) fn decode(place: u64, payload: &[u8], shards: usize) -> Option<Self> {
        let (fixed, table) = payload.split_at_checked(FIXED_BYTES)?;
        let (begins, bytes) = (number(&fixed[16..24]), number(&fixed[24..32]));
        let mark_bytes = bytes_u64(record::framed_bytes(payload.len()));
        let is_aligned = begins.is_multiple_of(bytes_u64(ALIGN_BYTES));
        if !is_aligned || begins < bytes_u64(HEADER_BYTES) {
            return None;
        }
        let mut entries = Vec::with_capacity(table.len() / LINE_BYTES);
        let mut offset = begins.checked_add(mark_bytes)?;
        for line in table.chunks_exact(LINE_BYTES) {
            let shard = u16::try_from(number(&line[12..14])).ok()?;
            let entry = Entry {
                shard: ShardId(shard),
                page: PageNumber(number(&line[..8])),
                offset,
                length: u32::try_from(number(&line[8..12])).ok()?,
            };
            if usize::from(shard) >= shards || !entry.has_possible_length() {
                return None;
            }
            offset = offset.checked_add(entry.framed_bytes())?;
            entries.push(entry);
        }
        let ends = offset.checked_add(mark_bytes)?;
        let is_one_of_both = place == begins || place == offset;
        (is_one_of_both && begins.checked_add(bytes) == Some(ends)).then_some(Self {
            begins,
            ends,
            entries,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: Origin = Origin {
        store: 0x0102_0304_0506_0708,
        sequence: 7,
    };

    fn entries(begins: u64) -> Vec<Entry> {
        let first = begins + bytes_u64(framed_bytes(2));
        let entry = |page, offset, length| Entry {
            shard: ShardId(1),
            page: PageNumber(page),
            offset,
            length,
        };
        vec![entry(5, first, 3), entry(u64::MAX, first + 24, 0)]
    }

    /// As a walk reads it.
    fn read(place: u64, bytes: &[u8]) -> Option<Mark> {
        let framed = candidate_bytes(ORIGIN, place, bytes.get(..PEEK_BYTES)?)?;
        let (_, payload) = record::decode(bytes.get(..framed)?)?;
        Mark::decode(place, payload, 2)
    }

    #[test]
    fn both_marks_tell_of_the_batch() {
        let entries = entries(104);
        let [front, back] = encode(ORIGIN, 104, &entries);
        let pages_end = 104 + bytes_u64(front.len()) + 48;
        let expected = Mark {
            begins: 104,
            ends: pages_end + bytes_u64(back.len()),
            entries,
        };
        assert_eq!(read(104, &front).as_ref(), Some(&expected));
        assert_eq!(read(pages_end, &back), Some(expected));
    }

    #[test]
    fn a_mark_counts_where_it_was_written_and_nowhere_else() {
        let [front, back] = encode(ORIGIN, 104, &entries(104));
        assert_eq!(read(112, &front), None);
        assert_eq!(read(104, &back), None);
        for other in [
            Origin { store: 1, ..ORIGIN },
            Origin {
                sequence: 8,
                ..ORIGIN
            },
        ] {
            let [front, _] = encode(other, 104, &entries(104));
            assert_eq!(read(104, &front), None);
        }
    }

    #[test]
    fn a_mark_with_a_changed_byte_is_none() {
        let [front, _] = encode(ORIGIN, 104, &entries(104));
        for at in 0..front.len() - 4 {
            for bit in [1, 0x80] {
                let mut changed = front.clone();
                changed[at] ^= bit;
                assert_eq!(read(104, &changed), None, "byte {at}");
            }
        }
    }

    #[test]
    fn a_mark_of_an_unknown_shard_or_of_pages_too_long_is_none() {
        let change = |change: fn(&mut Entry)| {
            let mut entries = entries(104);
            change(&mut entries[1]);
            let [front, _] = encode(ORIGIN, 104, &entries);
            assert_eq!(read(104, &front), None);
        };
        change(|entry| entry.shard = ShardId(2));
        change(|entry| entry.length = (1 << 30) + 1);
    }
}
