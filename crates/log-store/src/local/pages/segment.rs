//! The parts of a segment of pages, as drawn in `local::pages`.

use crate::disk::DiskFile;
use crate::local::error::DiskError;
use crate::local::header::{HEADER_BYTES, number};
use crate::local::journal::bytes_u64;
use crate::local::reader::Reader;
use crate::record::{self, ALIGN_BYTES, MARK_SHARD, PAYLOAD_BYTES_MAX};
use model::{PageNumber, ShardId};
use std::ops::Range;

/// The highest number that a segment in a folder can have. None is ever reached; what is above was not written by a
/// store.
pub(in crate::local) const SEQUENCE_MAX: u32 = u32::MAX >> 1;

/// The kinds of records.
pub(super) const PAGE: u8 = 1;
const INDEX: u8 = 2;
const END: u8 = 3;

/// The bytes of an entry of the index.
const ENTRY_BYTES: usize = 24;

/// The most entries of one record of the index.
const ENTRIES_PER_RECORD: usize = 4096;

/// The bytes of the end's payload.
const END_BYTES: usize = 32;

/// Which segment of which store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    /// The random number of the store.
    pub(super) store: u64,
    /// The segment's.
    pub(super) sequence: u32,
}

/// A page of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) shard: ShardId,
    pub(super) page: PageNumber,
    /// Where its record begins.
    pub(super) offset: u64,
    /// The length of its payload.
    pub(super) length: u32,
}

impl Entry {
    /// What the page takes in the file.
    pub(super) fn framed_bytes(&self) -> u64 {
        let length = usize::try_from(self.length).expect("payloads have a limit that fits");
        bytes_u64(record::framed_bytes(length))
    }

    /// Whether `framed`, which was read from its place, is the page as it was written.
    pub(super) fn is_at(&self, framed: &[u8]) -> bool {
        record::decode(framed).is_some_and(|(header, payload)| {
            header.kind == PAGE
                && header.shard == self.shard.0
                && header.index == self.page.0
                && bytes_u64(payload.len()) == u64::from(self.length)
        })
    }

    /// Whether a page can be so long.
    pub(super) fn has_possible_length(&self) -> bool {
        u64::from(self.length) <= bytes_u64(PAYLOAD_BYTES_MAX)
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.page.0.to_le_bytes());
        out.extend_from_slice(&self.offset.to_le_bytes());
        out.extend_from_slice(&self.length.to_le_bytes());
        out.extend_from_slice(&self.shard.0.to_le_bytes());
        out.extend_from_slice(&[0; 2]);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (page, rest) = bytes.split_first_chunk()?;
        let (offset, rest) = rest.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let (shard, _) = rest.split_first_chunk()?;
        Some(Self {
            shard: ShardId(u16::from_le_bytes(*shard)),
            page: PageNumber(u64::from_le_bytes(*page)),
            offset: u64::from_le_bytes(*offset),
            length: u32::from_le_bytes(*length),
        })
    }
}

/// What stands in a segment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Inventory {
    /// Its pages, in the order of the file.
    pub(super) entries: Vec<Entry>,
    /// Places of batches, in order, of which not even a mark is intact: nobody knows which pages stood there.
    pub(super) lost: Vec<Range<u64>>,
}

impl Inventory {
    /// Whether there is nothing, and nothing was.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.lost.is_empty()
    }

    /// As the index has it: a place that is lost is an entry of no shard, whose page is where it ends.
    fn lines(&self) -> impl Iterator<Item = Entry> {
        let lost = self.lost.iter().map(|place| Entry {
            shard: ShardId(MARK_SHARD),
            page: PageNumber(place.end),
            offset: place.start,
            length: 0,
        });
        self.entries.iter().copied().chain(lost)
    }

    fn add_line(&mut self, line: Entry) {
        if line.shard == ShardId(MARK_SHARD) {
            self.lost.push(line.offset..line.page.0);
        } else {
            self.entries.push(line);
        }
    }

    /// Whether this can stand in front of `end`, in a store of so many shards.
    fn is_possible(&self, end: u64, shards: usize) -> bool {
        let mut free_from = bytes_u64(HEADER_BYTES);
        let are_pages = self.entries.iter().all(|entry| {
            let is_aligned = entry.offset.is_multiple_of(bytes_u64(ALIGN_BYTES));
            let is_behind = entry.offset >= free_from;
            let is_known = usize::from(entry.shard.0) < shards && entry.has_possible_length();
            let ends = entry.offset.checked_add(entry.framed_bytes());
            free_from = ends.unwrap_or(u64::MAX);
            is_aligned && is_behind && is_known && free_from <= end
        });
        let is_place = |place: &Range<u64>| place.start < place.end && place.end <= end;
        are_pages && self.lost.iter().all(is_place)
    }
}

/// Appends what seals a segment whose pages end at `pages_end`.
pub(super) fn encode_index(
    out: &mut Vec<u8>,
    origin: Origin,
    inventory: &Inventory,
    pages_end: u64,
) {
    let mut before = 0;
    let mut lines = inventory.lines().peekable();
    while lines.peek().is_some() {
        let mut count = 0;
        record::encode(out, MARK_SHARD, INDEX, before, |out| {
            for line in lines.by_ref().take(ENTRIES_PER_RECORD) {
                line.encode(out);
                count += 1;
            }
        });
        before += count;
    }
    record::encode(out, MARK_SHARD, END, u64::from(origin.sequence), |out| {
        out.extend_from_slice(&origin.store.to_le_bytes());
        out.extend_from_slice(&before.to_le_bytes());
        out.extend_from_slice(&pages_end.to_le_bytes());
        out.extend_from_slice(&[0; 8]);
    });
}

/// What stands at the end of a segment.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Index {
    /// All that stands in it.
    Whole(Inventory),
    /// It was sealed, but its index is damaged. Its pages end at this offset.
    Damaged(u64),
    /// It was not sealed.
    Absent,
}

/// The fields of an end.
struct End {
    entries: u64,
    pages_end: u64,
}

/// Reads the index of a segment. `shards` is how many the store has.
pub(super) fn read_index<F: DiskFile>(
    reader: &mut Reader<'_, F>,
    origin: Origin,
    shards: usize,
) -> Result<Index, DiskError> {
    let size = reader.size_bytes();
    let end_bytes = bytes_u64(record::framed_bytes(END_BYTES));
    let Some(end_offset) = size.checked_sub(end_bytes) else {
        return Ok(Index::Absent);
    };
    let Some(end) = read_end(reader, end_offset, origin)? else {
        return Ok(Index::Absent);
    };
    let mut inventory = Inventory::default();
    let mut lines = 0;
    let mut offset = end.pages_end;
    while offset < end_offset {
        let Some(found) = reader.record(offset, end_offset)? else {
            return Ok(Index::Damaged(end.pages_end));
        };
        let is_next = found.header.shard == MARK_SHARD
            && found.header.kind == INDEX
            && found.header.index == lines;
        if !is_next {
            return Ok(Index::Damaged(end.pages_end));
        }
        for line in found.payload.chunks(ENTRY_BYTES).filter_map(Entry::decode) {
            inventory.add_line(line);
            lines += 1;
        }
        offset += bytes_u64(record::framed_bytes(found.payload.len()));
    }
    if lines == end.entries && inventory.is_possible(end.pages_end, shards) {
        Ok(Index::Whole(inventory))
    } else {
        Ok(Index::Damaged(end.pages_end))
    }
}

fn read_end<F: DiskFile>(
    reader: &mut Reader<'_, F>,
    offset: u64,
    origin: Origin,
) -> Result<Option<End>, DiskError> {
    let size = reader.size_bytes();
    let Some(found) = reader.record(offset, size)? else {
        return Ok(None);
    };
    let header = found.header;
    let is_end = header.shard == MARK_SHARD && header.kind == END;
    let Some(payload) = found.payload.first_chunk::<END_BYTES>() else {
        return Ok(None);
    };
    if !is_end
        || header.index != u64::from(origin.sequence)
        || number(&payload[..8]) != origin.store
    {
        return Ok(None);
    }
    let end = End {
        entries: number(&payload[8..16]),
        pages_end: number(&payload[16..24]),
    };
    let is_aligned = end.pages_end.is_multiple_of(bytes_u64(ALIGN_BYTES));
    let is_possible = is_aligned && (bytes_u64(HEADER_BYTES)..=offset).contains(&end.pages_end);
    Ok(is_possible.then_some(end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{Disk as _, MemoryDisk};

    const ORIGIN: Origin = Origin {
        store: 0x0102_0304_0506_0708,
        sequence: 7,
    };

    fn entry(shard: u16, offset: u64, length: u32) -> Entry {
        Entry {
            shard: ShardId(shard),
            page: PageNumber(9),
            offset,
            length,
        }
    }

    /// What is read of an index that was written so.
    fn written(inventory: &Inventory, pages_end: usize) -> Index {
        let mut bytes = vec![0; pages_end];
        encode_index(&mut bytes, ORIGIN, inventory, bytes_u64(pages_end));
        let disk = MemoryDisk::new();
        disk.put("a", bytes);
        let file = disk.open("a").unwrap();
        let mut reader = Reader::new("a", &file).unwrap();
        read_index(&mut reader, ORIGIN, 2).unwrap()
    }

    #[test]
    fn an_index_reads_back() {
        let check = |entries: Vec<Entry>, lost: &[(u64, u64)]| {
            let lost = lost.iter().map(|(start, end)| *start..*end).collect();
            let inventory = Inventory { entries, lost };
            let read = written(&inventory, 400_000);
            assert!(read == Index::Whole(inventory));
        };
        check(vec![], &[]);
        check(vec![entry(0, 120, 4), entry(1, 144, 0)], &[]);
        check(vec![entry(1, 240, 4)], &[(40, 160), (344, 400_000)]);
        let many = (0..ENTRIES_PER_RECORD as u64).map(|nth| entry(0, 40 + 24 * nth, 0));
        check(many.clone().collect(), &[]);
        check(many.collect(), &[(40, 160)]);
    }

    #[test]
    fn an_index_of_what_cannot_be_is_damaged() {
        let check = |entries: Vec<Entry>, lost: &[(u64, u64)]| {
            let lost = lost.iter().map(|(start, end)| *start..*end).collect();
            let read = written(&Inventory { entries, lost }, 400);
            assert_eq!(read, Index::Damaged(400));
        };
        check(vec![entry(2, 120, 4)], &[]);
        check(vec![entry(0, 32, 4)], &[]);
        check(vec![entry(0, 121, 3)], &[]);
        check(vec![entry(0, 120, 8), entry(0, 144, 0)], &[]);
        check(vec![entry(0, 144, 0), entry(0, 120, 4)], &[]);
        check(vec![entry(0, 384, 0)], &[]);
        check(vec![entry(0, u64::MAX - 7, 0)], &[]);
        check(vec![entry(0, 120, u32::MAX)], &[]);
        check(vec![], &[(120, 120)]);
        check(vec![], &[(120, 408)]);
    }
}
