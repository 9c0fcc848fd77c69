//! The parts of a segment of pages, as drawn in `local::pages`.

use crate::disk::DiskFile;
use crate::local::error::DiskError;
use crate::local::header::HEADER_BYTES;
use crate::local::journal::bytes_u64;
use crate::local::reader::Reader;
use crate::record::{self, ALIGN_BYTES, MARK_SHARD, PAYLOAD_BYTES_MAX};
use model::{PageNumber, ShardId};

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

/// Appends what seals a segment whose pages end at `pages_end`.
pub(super) fn encode_index(
    out: &mut Vec<u8>,
    store: u64,
    sequence: u32,
    entries: &[Entry],
    pages_end: u64,
) {
    let mut before = 0;
    for some in entries.chunks(ENTRIES_PER_RECORD) {
        record::encode(out, MARK_SHARD, INDEX, before, |out| {
            some.iter().for_each(|entry| entry.encode(out));
        });
        before += bytes_u64(some.len());
    }
    record::encode(out, MARK_SHARD, END, u64::from(sequence), |out| {
        out.extend_from_slice(&store.to_le_bytes());
        out.extend_from_slice(&before.to_le_bytes());
        out.extend_from_slice(&pages_end.to_le_bytes());
        out.extend_from_slice(&[0; 8]);
    });
}

/// What stands at the end of a segment.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Index {
    /// All its pages, in the order of the file.
    Whole(Vec<Entry>),
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
    store: u64,
    sequence: u32,
    shards: usize,
) -> Result<Index, DiskError> {
    let size = reader.size_bytes();
    let end_bytes = bytes_u64(record::framed_bytes(END_BYTES));
    let Some(end_offset) = size.checked_sub(end_bytes) else {
        return Ok(Index::Absent);
    };
    let Some(end) = read_end(reader, end_offset, store, sequence)? else {
        return Ok(Index::Absent);
    };
    let mut entries = Vec::new();
    let mut offset = end.pages_end;
    while offset < end_offset {
        let Some(found) = reader.record(offset, end_offset)? else {
            return Ok(Index::Damaged(end.pages_end));
        };
        let is_next = found.header.shard == MARK_SHARD
            && found.header.kind == INDEX
            && found.header.index == bytes_u64(entries.len());
        if !is_next {
            return Ok(Index::Damaged(end.pages_end));
        }
        entries.extend(found.payload.chunks(ENTRY_BYTES).filter_map(Entry::decode));
        offset += bytes_u64(record::framed_bytes(found.payload.len()));
    }
    if bytes_u64(entries.len()) == end.entries && are_possible(&entries, end.pages_end, shards) {
        Ok(Index::Whole(entries))
    } else {
        Ok(Index::Damaged(end.pages_end))
    }
}

fn read_end<F: DiskFile>(
    reader: &mut Reader<'_, F>,
    offset: u64,
    store: u64,
    sequence: u32,
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
    if !is_end || header.index != u64::from(sequence) || payload[..8] != store.to_le_bytes() {
        return Ok(None);
    }
    let number = |bytes: &[u8]| {
        bytes
            .first_chunk()
            .map_or(0, |bytes| u64::from_le_bytes(*bytes))
    };
    let end = End {
        entries: number(&payload[8..16]),
        pages_end: number(&payload[16..24]),
    };
    let is_aligned = end.pages_end.is_multiple_of(bytes_u64(ALIGN_BYTES));
    let is_possible = is_aligned && (bytes_u64(HEADER_BYTES)..=offset).contains(&end.pages_end);
    Ok(is_possible.then_some(end))
}

/// Whether these are pages that stand one behind the other up to `end`.
fn are_possible(entries: &[Entry], end: u64, shards: usize) -> bool {
    let mut expected = bytes_u64(HEADER_BYTES);
    for entry in entries {
        let is_short = bytes_u64(PAYLOAD_BYTES_MAX) >= u64::from(entry.length);
        if entry.offset != expected || !is_short || usize::from(entry.shard.0) >= shards {
            return false;
        }
        expected += entry.framed_bytes();
    }
    expected == end
}

/// Reads the pages of a segment from its first one on, up to where no intact one stands; returns them and that
/// place.
pub(super) fn scan<F: DiskFile>(
    reader: &mut Reader<'_, F>,
    shards: usize,
) -> Result<(Vec<Entry>, u64), DiskError> {
    let size = reader.size_bytes();
    let mut entries = Vec::new();
    let mut offset = bytes_u64(HEADER_BYTES);
    while let Some(found) = reader.record(offset, size)? {
        let header = found.header;
        if header.kind != PAGE || usize::from(header.shard) >= shards {
            break;
        }
        let entry = Entry {
            shard: ShardId(header.shard),
            page: PageNumber(header.index),
            offset,
            length: u32::try_from(header.length).expect("it was read from four bytes"),
        };
        offset += entry.framed_bytes();
        entries.push(entry);
    }
    Ok((entries, offset))
}
