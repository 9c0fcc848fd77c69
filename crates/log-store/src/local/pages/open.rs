//! What is there of pages when a store is opened.

use super::corruption;
use super::map::{Fate, PageMap, Place};
use super::segment::{self, Entry, Index};
use super::shared::SharedPages;
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

/// What was found. Nothing is changed on the disk yet.
pub(in crate::local) struct Opened<F> {
    map: PageMap,
    unsealed: Vec<Unsealed<F>>,
    /// The number of the first segment of this process.
    pub(in crate::local) next_sequence: u32,
    /// Files of which something cannot be read.
    pub(in crate::local) damaged: Vec<Corruption>,
}

/// A segment that an earlier process was writing when it ended.
struct Unsealed<F> {
    sequence: u32,
    name: String,
    file: F,
    entries: Vec<Entry>,
    /// Where its pages end.
    end: u64,
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
        let index = segment::read_index(&mut reader, store, sequence, shards)?;
        match (index, header) {
            // An end names the store, so the header is not needed.
            (Index::Whole(entries), Ok(()) | Err(_)) => {
                self.add(sequence, Fate::Closed, size, &entries);
            }
            (Index::Damaged(pages_end), Ok(()) | Err(_)) => {
                let (entries, end) = segment::scan(&mut reader, shards)?;
                // It was sealed, so all of it was synced: what is not intact is damaged, not torn.
                let is_whole = end == pages_end;
                let fate = if is_whole {
                    Fate::Closed
                } else {
                    Fate::Damaged
                };
                self.add(sequence, fate, size, &entries);
                if is_whole {
                    self.leave_to_seal(sequence, name, file, entries, end);
                } else {
                    self.damaged.push(corruption(&name, end, None, Flaw::Page));
                }
            }
            (Index::Absent, Ok(())) => {
                let (entries, end) = segment::scan(&mut reader, shards)?;
                if !entries.is_empty() {
                    self.add(sequence, Fate::Closed, size, &entries);
                }
                self.leave_to_seal(sequence, name, file, entries, end);
            }
            (Index::Absent, Err(damage)) => self.damaged.push(damage),
        }
        Ok(())
    }

    /// Each page counts in place of those that were read before.
    fn add(&mut self, sequence: u32, fate: Fate, size: u64, entries: &[Entry]) {
        self.map.add_segment(sequence, fate, size);
        for entry in entries {
            let place = Place::new(sequence, entry);
            self.map.put(entry.shard, entry.page, place);
        }
    }

    fn leave_to_seal(
        &mut self,
        sequence: u32,
        name: String,
        file: F,
        entries: Vec<Entry>,
        end: u64,
    ) {
        self.unsealed.push(Unsealed {
            sequence,
            name,
            file,
            entries,
            end,
        });
    }

    /// Makes durable what was found, and seals what was not sealed.
    pub(in crate::local) fn seal<D: Disk>(
        mut self,
        disk: &D,
        store: u64,
    ) -> Result<SharedPages, DiskError> {
        for unsealed in self.unsealed {
            if unsealed.entries.is_empty() {
                remove(disk, &unsealed.name)?;
                continue;
            }
            let size = unsealed.seal(store)?;
            self.map.set_file_bytes(unsealed.sequence, size);
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
    /// Cuts off what was torn, writes the pages once more in place, and the index behind them. Returns the file's
    /// size.
    fn seal(&self, store: u64) -> Result<u64, DiskError> {
        let failed_write = |error| DiskError::on(Action::Write, &self.name)(error);
        self.file.set_len(self.end).map_err(failed_write)?;
        let mut piece = Vec::new();
        let mut at = bytes_u64(HEADER_BYTES);
        while at < self.end {
            let left = usize::try_from(self.end - at).unwrap_or(WRITE_BYTES);
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
        let size = self.write_index(store)?;
        self.sync()?;
        Ok(size)
    }

    fn sync(&self) -> Result<(), DiskError> {
        self.file
            .sync_data()
            .map_err(DiskError::on(Action::Sync, &self.name))
    }

    fn write_index(&self, store: u64) -> Result<u64, DiskError> {
        let mut index = Vec::new();
        segment::encode_index(&mut index, store, self.sequence, &self.entries, self.end);
        let written = self
            .file
            .write_all_at(&mut [IoSlice::new(&index)], self.end)
            .map_err(DiskError::on(Action::Write, &self.name));
        match written {
            Ok(()) => Ok(self.end + bytes_u64(index.len())),
            Err(error) if writer::is_full(&error) => {
                // It stays unsealed: a slow open, no more.
                self.file
                    .set_len(self.end)
                    .map_err(DiskError::on(Action::Write, &self.name))?;
                Ok(self.end)
            }
            Err(error) => Err(error),
        }
    }
}
