//! The segment that pages are appended to.

use super::mark;
use super::segment::{self, Entry, Inventory, Origin};
use crate::disk::{Disk, DiskFile};
use crate::local::error::{Action, DiskError};
use crate::local::header::{HEADER_BYTES, Header, Kind};
use crate::local::journal::bytes_u64;
use crate::local::name;
use std::io::{self, IoSlice};

/// A segment of this process's.
#[derive(Debug)]
pub(super) struct SegmentWriter<F> {
    pub(super) sequence: u32,
    name: String,
    file: F,
    store: u64,
    /// Up to here it is durable.
    end: u64,
    /// The pages in it.
    inventory: Inventory,
}

/// What has become of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// It is durable.
    Durable,
    /// There was no room. The segment is as it was before.
    NoRoom,
    /// There was no room, and nothing may be appended to this segment any more. What was in it before is good.
    GivenUp,
}

/// Whether the disk has no room for this.
pub(super) fn is_full(error: &DiskError) -> bool {
    matches!(
        error.source.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

impl<F: DiskFile> SegmentWriter<F> {
    /// Creates a segment, durably: one with its final name has a header.
    pub(super) fn create<D: Disk<File = F>>(
        disk: &D,
        store: u64,
        sequence: u32,
    ) -> Result<Self, DiskError> {
        let name = name::pages(sequence);
        let temporary = name::temporary(&name);
        let file = disk
            .create(&temporary)
            .map_err(DiskError::on(Action::Create, &temporary))?;
        let header = Header {
            store,
            number: u64::from(sequence),
            shard: 0,
        };
        file.write_all_at(&mut [IoSlice::new(&header.encode(Kind::Pages))], 0)
            .map_err(DiskError::on(Action::Write, &temporary))?;
        file.sync_data()
            .map_err(DiskError::on(Action::Sync, &temporary))?;
        disk.rename(&temporary, &name)
            .map_err(DiskError::on(Action::Rename, &temporary))?;
        disk.sync_dir()
            .map_err(DiskError::on(Action::SyncFolder, &name))?;
        Ok(Self {
            sequence,
            name,
            file,
            store,
            end: bytes_u64(HEADER_BYTES),
            inventory: Inventory::default(),
        })
    }

    /// Where the next batch goes.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// Where the first page of a batch of so many goes.
    pub(super) fn place_of(&self, pages: usize) -> u64 {
        self.end + bytes_u64(mark::framed_bytes(pages))
    }

    pub(super) fn has_pages(&self) -> bool {
        !self.inventory.entries.is_empty()
    }

    /// Appends and syncs pages, framed, with their entries, between their marks.
    pub(super) fn append(
        &mut self,
        bytes: &[u8],
        entries: impl Iterator<Item = Entry>,
    ) -> Result<Written, DiskError> {
        let before = self.inventory.entries.len();
        self.inventory.entries.extend(entries);
        let entries = &self.inventory.entries[before..];
        let [front, back] = mark::encode(self.origin(), self.end, entries);
        let written = self.write(&[&front, bytes, &back])?;
        if written != Written::Durable {
            self.inventory.entries.truncate(before);
        }
        Ok(written)
    }

    /// Appends and syncs the index; nothing comes behind it. Returns the file's size.
    pub(super) fn seal(mut self) -> Result<u64, DiskError> {
        let mut bytes = Vec::new();
        segment::encode_index(&mut bytes, self.origin(), &self.inventory, self.end);
        // Without room for it the segment stays unsealed, and is walked through at the next open.
        self.write(&[&bytes])?;
        Ok(self.end)
    }

    fn origin(&self) -> Origin {
        Origin {
            store: self.store,
            sequence: self.sequence,
        }
    }

    fn write(&mut self, parts: &[&[u8]]) -> Result<Written, DiskError> {
        let mut slices: Vec<_> = parts.iter().map(|part| IoSlice::new(part)).collect();
        let written = self
            .file
            .write_all_at(&mut slices, self.end)
            .map_err(DiskError::on(Action::Write, &self.name));
        match written {
            Ok(()) => {}
            Err(error) if is_full(&error) => {
                return Ok(match self.file.set_len(self.end) {
                    Ok(()) => Written::NoRoom,
                    Err(_) => Written::GivenUp,
                });
            }
            Err(error) => return Err(error),
        }
        match self.file.sync_data() {
            Ok(()) => {
                let bytes: usize = parts.iter().map(|part| part.len()).sum();
                self.end += bytes_u64(bytes);
                Ok(Written::Durable)
            }
            Err(error) => {
                let error = DiskError::on(Action::Sync, &self.name)(error);
                if !is_full(&error) {
                    return Err(error);
                }
                // Best effort: what is not cut off here is only a copy that nobody was told of.
                drop(self.file.set_len(self.end));
                Ok(Written::GivenUp)
            }
        }
    }
}
