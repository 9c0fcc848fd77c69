//! Copies what is alive in a worn segment, so that the segment can go.

use super::map::{Fate, Place};
use super::pager::{Pager, Room};
use super::segment::{self, Entry, Index, Origin};
use crate::disk::{Disk, DiskFile};
use crate::local::error::{Action, DiskError};
use crate::local::journal::bytes_u64;
use crate::local::name;
use crate::local::reader::Reader;
use crate::record;

/// A segment whose live pages are being copied.
#[derive(Debug)]
pub(super) struct Copying<F> {
    sequence: u32,
    file: F,
    /// Those that were alive when it began and are not copied yet.
    entries: std::vec::IntoIter<Entry>,
    /// Whether one of them is damaged.
    is_damaged: bool,
}

impl<D: Disk> Pager<D> {
    /// Copies some live pages of a worn segment. Returns whether there was something to do.
    pub(super) fn compact(&mut self) -> Result<bool, DiskError> {
        if self.room_for_copies == Room::None || self.shared.pages.is_closed() {
            return Ok(false);
        }
        if self.copying.is_none() {
            let victim = self.shared.pages.lock().map.victim();
            let Some(sequence) = victim else {
                return Ok(false);
            };
            self.copying = Some(self.begin_copying(sequence)?);
        }
        let Some(mut copying) = self.copying.take() else {
            return Ok(false);
        };
        if !self.shared.pages.lock().map.has_segment(copying.sequence) {
            // The rest of it was freed meanwhile.
            return Ok(true);
        }
        if self.copy_some(&mut copying)? {
            self.copying = Some(copying);
        }
        Ok(true)
    }

    fn begin_copying(&self, sequence: u32) -> Result<Copying<D::File>, DiskError> {
        let name = name::pages(sequence);
        let file = self
            .disk
            .open(&name)
            .map_err(DiskError::on(Action::Open, &name))?;
        let entries = {
            let mut reader = Reader::new(&name, &file)?;
            let shards = self.shared.shards.len();
            let store = self.store;
            segment::read_index(&mut reader, Origin { store, sequence }, shards)?
        };
        let state = self.shared.pages.lock();
        let is_live = |entry: &Entry| {
            let place = state.map.place(entry.shard, entry.page);
            place == Some(Place::new(sequence, entry))
        };
        let mut live = match entries {
            Index::Whole(inventory) => inventory.entries,
            Index::Damaged(_) | Index::Absent => Vec::new(),
        };
        live.retain(is_live);
        if bytes_u64(live.len()) != state.map.live_pages(sequence) {
            // It has no index, or none that is true.
            live = state.map.entries(sequence);
        }
        drop(state);
        Ok(Copying {
            sequence,
            file,
            entries: live.into_iter(),
            is_damaged: false,
        })
    }

    /// Copies as many pages as are written together. Returns whether there are more to be copied.
    fn copy_some(&mut self, copying: &mut Copying<D::File>) -> Result<bool, DiskError> {
        let room = self.room().max(1);
        let mut batch = std::mem::take(&mut self.batch);
        while batch.bytes.len() < room
            && let Some(entry) = copying.entries.next()
        {
            let from = Place::new(copying.sequence, &entry);
            let is_live = {
                let state = self.shared.pages.lock();
                state.map.place(entry.shard, entry.page) == Some(from)
            };
            if !is_live {
                continue;
            }
            let start = batch.bytes.len();
            if copying.read(&entry, &mut batch.bytes) {
                batch.copy(entry, from, start);
            } else {
                batch.bytes.truncate(start);
                copying.is_damaged = true;
            }
        }
        let had_room = self.write(&batch)?;
        batch.clear();
        self.batch = batch;
        if !had_room {
            self.room_for_copies = Room::None;
            return Ok(false);
        }
        if copying.entries.len() > 0 {
            return Ok(true);
        }
        if copying.is_damaged {
            let mut state = self.shared.pages.lock();
            state.map.set_fate(copying.sequence, Fate::Damaged);
        }
        Ok(false)
    }
}

impl<F: DiskFile> Copying<F> {
    /// Appends a page as it stands in the file. Returns whether it is what was written.
    fn read(&self, entry: &Entry, bytes: &mut Vec<u8>) -> bool {
        let start = bytes.len();
        let place = Place::new(self.sequence, entry);
        let framed = record::framed_bytes(place.length());
        bytes.resize(start + framed, 0);
        // What cannot be read is as good as damaged: it stays where it is.
        let read = self.file.read_at(&mut bytes[start..], entry.offset);
        read.is_ok_and(|read| read == framed) && entry.is_at(&bytes[start..])
    }
}
