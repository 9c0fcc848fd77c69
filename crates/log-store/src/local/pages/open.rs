//! What is there of pages when a store is opened.

use super::corruption;
use super::map::{Fate, PageMap, Place};
use super::segment::{self, Index, Inventory, Origin};
use super::shared::SharedPages;
use super::walk::{Part, Walked, walk};
use super::writer;
use crate::disk::{Disk, DiskFile};
use crate::local::error::{Action, Corruption, DiskError, Flaw, OpenError};
use crate::local::header::{HEADER_BYTES, Header, Kind};
use crate::local::journal::bytes_u64;
use crate::local::name;
use crate::local::reader::Reader;
use std::io::IoSlice;

/// What is written again at once.
const WRITE_BYTES: usize = 1 << 20;

/// So many damaged places are told of one segment.
const TOLD_MAX: usize = 64;

/// What was found. Nothing is changed on the disk yet.
pub(in crate::local) struct Opened<F> {
    map: PageMap,
    unsealed: Vec<Unsealed<F>>,
    /// The number of the first segment of this process.
    pub(in crate::local) next_sequence: u32,
    /// Files of which something cannot be read.
    pub(in crate::local) damaged: Vec<Corruption>,
}

/// A segment that an earlier process was writing when it ended, or whose index is damaged.
struct Unsealed<F> {
    origin: Origin,
    name: String,
    file: F,
    walked: Walked,
}

/// Reads which pages there are in the segments of these numbers, which ascend.
pub(in crate::local) fn read<D: Disk>(
    disk: &D,
    store: u64,
    shards: u16,
    segment_bytes: u64,
    sequences: &[u32],
) -> Result<Opened<D::File>, OpenError> {
    let mut opened = Opened {
        map: PageMap::new(shards, segment_bytes),
        unsealed: Vec::new(),
        next_sequence: sequences.last().map_or(1, |last| last + 1),
        damaged: Vec::new(),
    };
    for sequence in sequences {
        opened.read_segment(disk, store, *sequence)?;
    }
    Ok(opened)
}

impl<F: DiskFile> Opened<F> {
    fn read_segment<D: Disk<File = F>>(
        &mut self,
        disk: &D,
        store: u64,
        sequence: u32,
    ) -> Result<(), OpenError> {
        let name = name::pages(sequence);
        let file = disk
            .open(&name)
            .map_err(DiskError::on(Action::Open, &name))?;
        let mut reader = Reader::new(&name, &file)?;
        let header = match Header::decode(Kind::Pages, &name, reader.bytes(0, HEADER_BYTES)?) {
            Ok(header) if (header.store, header.number) != (store, u64::from(sequence)) => {
                return Err(corruption(&name, 0, None, Flaw::Foreign).into());
            }
            Ok(_) => Ok(()),
            Err(OpenError::Corrupt(damage)) => Err(damage),
            Err(
                error @ (OpenError::Disk(_) | OpenError::Newer { .. } | OpenError::Older { .. }),
            ) => return Err(error),
        };
        let size = reader.size_bytes();
        let shards = self.map.shard_count();
        let origin = Origin { store, sequence };
        let (walked, is_to_seal) = match segment::read_index(&mut reader, origin, shards)? {
            Index::Whole(inventory) => (Walked::whole(inventory, size), false),
            Index::Damaged(pages_end) => {
                let walked = walk(&mut reader, origin, shards, Part::Sealed(pages_end))?;
                // What of the index is intact may be all that tells of a batch without a mark.
                let is_known = walked.inventory.lost.is_empty();
                (walked, is_known)
            }
            Index::Absent => (walk(&mut reader, origin, shards, Part::Unsealed)?, true),
        };
        // Whoever seals it removes it.
        let is_nothing = is_to_seal && walked.inventory.is_empty();
        // An end and a mark name the store, so where there is one the header is not needed.
        if let (Err(damage), true) = (header, is_nothing) {
            self.damaged.push(damage);
            return Ok(());
        }
        if !is_nothing {
            self.add(sequence, &name, size, &walked.inventory);
        }
        if is_to_seal {
            self.unsealed.push(Unsealed {
                origin,
                name,
                file,
                walked,
            });
        }
        Ok(())
    }

    /// Each page counts in place of those that were read before.
    fn add(&mut self, sequence: u32, name: &str, size: u64, inventory: &Inventory) {
        let fate = if inventory.lost.is_empty() {
            Fate::Closed
        } else {
            Fate::Damaged
        };
        self.map.add_segment(sequence, fate, size);
        for entry in &inventory.entries {
            let place = Place::new(sequence, entry);
            self.map.put(entry.shard, entry.page, place);
        }
        let lost = inventory.lost.iter().take(TOLD_MAX);
        self.damaged
            .extend(lost.map(|place| corruption(name, place.start, None, Flaw::PageMark)));
    }

    /// Makes durable what was found, and seals what was not sealed.
    pub(in crate::local) fn seal<D: Disk>(mut self, disk: &D) -> Result<SharedPages, DiskError> {
        for unsealed in self.unsealed {
            if unsealed.walked.inventory.is_empty() {
                remove(disk, &unsealed.name)?;
                continue;
            }
            let size = unsealed.seal()?;
            self.map.set_file_bytes(unsealed.origin.sequence, size);
        }
        self.map.review_all();
        Ok(SharedPages::new(self.map))
    }
}

/// Removes a segment that holds nothing. On a full disk it may stay.
fn remove<D: Disk>(disk: &D, name: &str) -> Result<(), DiskError> {
    match disk
        .remove(name)
        .map_err(DiskError::on(Action::Remove, name))
    {
        Err(error) if !writer::is_full(&error) => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

impl<F: DiskFile> Unsealed<F> {
    /// Cuts off what is behind the last batch, writes that batch once more in place, and the index behind it. What is
    /// not intact in front of it, or in it, stays as it is. Returns the file's size.
    fn seal(&self) -> Result<u64, DiskError> {
        let failed_write = |error| DiskError::on(Action::Write, &self.name)(error);
        let Walked { durable, end, .. } = self.walked;
        self.file.set_len(end).map_err(failed_write)?;
        let mut piece = Vec::new();
        let mut at = durable;
        while at < end {
            let left = usize::try_from(end - at).unwrap_or(WRITE_BYTES);
            piece.resize(left.min(WRITE_BYTES), 0);
            let read = self
                .file
                .read_at(&mut piece, at)
                .map_err(DiskError::on(Action::Read, &self.name))?;
            if read == 0 {
                break;
            }
            piece.truncate(read);
            self.file
                .write_all_at(&mut [IoSlice::new(&piece)], at)
                .map_err(failed_write)?;
            at += bytes_u64(read);
        }
        // First the pages alone: whoever finds an index, be it only in the page cache, takes it that all pages before
        // it are durable.
        self.sync()?;
        let size = self.write_index()?;
        self.sync()?;
        Ok(size)
    }

    fn sync(&self) -> Result<(), DiskError> {
        self.file
            .sync_data()
            .map_err(DiskError::on(Action::Sync, &self.name))
    }

    fn write_index(&self) -> Result<u64, DiskError> {
        let mut index = Vec::new();
        let Walked { inventory, end, .. } = &self.walked;
        segment::encode_index(&mut index, self.origin, inventory, *end);
        let written = self
            .file
            .write_all_at(&mut [IoSlice::new(&index)], *end)
            .map_err(DiskError::on(Action::Write, &self.name));
        match written {
            Ok(()) => Ok(*end + bytes_u64(index.len())),
            Err(error) if writer::is_full(&error) => {
                // It stays unsealed: a slow open, no more.
                self.file
                    .set_len(*end)
                    .map_err(DiskError::on(Action::Write, &self.name))?;
                Ok(*end)
            }
            Err(error) => Err(error),
        }
    }
}
