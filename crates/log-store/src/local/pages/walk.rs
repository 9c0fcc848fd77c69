//! Finds out what stands in a segment from the marks of its batches.
//!
//! 1. The next mark is looked for, from where the last batch ends on. It counts if its batch does not begin before:
//!    so the mark behind the pages stands in for the one in front of them.
//! 2. What lies between is the place of batches of which no mark is intact. It is lost, and what is behind it is not.
//! 3. A batch is written only when those before it are synced. So what its pages are is told by its mark, whatever
//!    has become of them: one that is not intact is damaged. Only in the last batch of a segment that was not
//!    sealed may it be torn, and an older copy counts.

use super::mark::{self, Mark};
use super::segment::{Entry, Inventory, Origin};
use crate::disk::DiskFile;
use crate::local::error::DiskError;
use crate::local::header::HEADER_BYTES;
use crate::local::journal::bytes_u64;
use crate::local::reader::Reader;
use crate::record::ALIGN_BYTES;

/// Which part of a segment is walked through.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    /// The pages of one that was sealed; they end here.
    Sealed(u64),
    /// All of one that was being written when its process ended.
    Unsealed,
}

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Walked {
    pub(super) inventory: Inventory,
    /// What lies before is durable.
    pub(super) durable: u64,
    /// Where the batches end. What is behind is the rest of a write that was torn.
    pub(super) end: u64,
}

impl Walked {
    /// A segment of this size that needs no walk: its index says what stands in it.
    pub(super) const fn whole(inventory: Inventory, size: u64) -> Self {
        Self {
            inventory,
            durable: size,
            end: size,
        }
    }
}

/// Walks through a segment. `shards` is how many the store has.
pub(super) fn walk<F: DiskFile>(
    reader: &mut Reader<'_, F>,
    origin: Origin,
    shards: usize,
    part: Part,
) -> Result<Walked, DiskError> {
    let size = reader.size_bytes();
    let limit = match part {
        Part::Sealed(pages_end) => pages_end,
        Part::Unsealed => size,
    };
    let mut search = Search {
        reader,
        origin,
        shards,
        part,
        limit,
        left: limit,
        is_given_up: false,
    };
    let mut inventory = Inventory::default();
    let (mut last, mut durable) = (0, bytes_u64(HEADER_BYTES));
    let mut end = durable;
    while let Some(mark) = search.next(end)? {
        if mark.begins > end {
            inventory.lost.push(end..mark.begins);
        }
        last = inventory.entries.len();
        inventory.entries.extend(mark.entries);
        (durable, end) = (mark.begins, mark.ends);
    }
    let is_given_up = search.is_given_up;
    match part {
        Part::Unsealed if !is_given_up => {
            let entries = inventory.entries.split_off(last);
            for entry in entries {
                if is_intact(reader, &entry)? {
                    inventory.entries.push(entry);
                }
            }
            end = end.min(size);
        }
        Part::Sealed(_) | Part::Unsealed => {
            if end < limit {
                inventory.lost.push(end..limit);
            }
            (durable, end) = (limit, limit);
        }
    }
    end = end.next_multiple_of(bytes_u64(ALIGN_BYTES));
    Ok(Walked {
        inventory,
        durable,
        end,
    })
}

/// Whether a page is as it was written.
pub(super) fn is_intact<F: DiskFile>(
    reader: &mut Reader<'_, F>,
    entry: &Entry,
) -> Result<bool, DiskError> {
    let framed = usize::try_from(entry.framed_bytes()).unwrap_or(usize::MAX);
    let bytes = reader.bytes(entry.offset, framed)?;
    Ok(bytes.len() == framed && entry.is_at(bytes))
}

/// Looks for marks, from front to back.
struct Search<'r, 'f, F> {
    reader: &'r mut Reader<'f, F>,
    origin: Origin,
    shards: usize,
    part: Part,
    /// Marks end here or before.
    limit: u64,
    /// So many bytes may still be read of what seems to be a mark and is none. A store writes marks side by side, so
    /// those that are damaged have fewer bytes than the file; whatever has more was not written by a store.
    left: u64,
    /// Whether nothing is left.
    is_given_up: bool,
}

impl<F: DiskFile> Search<'_, '_, F> {
    /// The first mark at or behind `from` whose batch does not begin before.
    fn next(&mut self, from: u64) -> Result<Option<Mark>, DiskError> {
        let origin = self.origin;
        let mut offset = from;
        while !self.is_given_up {
            let mut framed = 0;
            let found = self.reader.find(offset, mark::PEEK_BYTES, |place, peek| {
                let candidate = mark::candidate_bytes(origin, place, peek);
                framed = candidate.unwrap_or_default();
                candidate.is_some()
            })?;
            let Some(place) = found else {
                return Ok(None);
            };
            offset = place + bytes_u64(ALIGN_BYTES);
            if place + bytes_u64(framed) > self.limit {
                continue;
            }
            let record = self.reader.record(place, self.limit)?;
            let mark = record.and_then(|found| Mark::decode(place, found.payload, self.shards));
            let is_within = |mark: &Mark| match self.part {
                Part::Sealed(pages_end) => mark.ends <= pages_end,
                // What is not there of the last batch was not written.
                Part::Unsealed => true,
            };
            if let Some(mark) = mark.filter(|mark| mark.begins >= from && is_within(mark)) {
                return Ok(Some(mark));
            }
            self.is_given_up = self.left < bytes_u64(framed);
            self.left = self.left.saturating_sub(bytes_u64(framed));
        }
        Ok(None)
    }
}
