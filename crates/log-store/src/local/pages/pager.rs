//! Writes pages, frees them, and keeps their segments in proportion to what is alive.

use super::PagesError;
use super::batch::{Batch, Landed};
use super::compaction::Copying;
use super::files::Files;
use super::map::{Fate, PageStats};
use super::shared::{Request, Wait};
use super::writer::{SegmentWriter, Written, is_full};
use crate::disk::Disk;
use crate::local::error::{Action, DiskError};
use crate::local::header::HEADER_BYTES;
use crate::local::housekeeper::Step;
use crate::local::journal::bytes_u64;
use crate::local::name;
use crate::local::shared::Shared;
use crate::shard_log::PageNews;
use model::{PageNumber, ShardId};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

/// What is written and synced together, unless one page is larger.
pub(super) const BATCH_BYTES: usize = 4 << 20;

/// How much is done together.
const BATCH_OPS: usize = 64 << 10;

/// The end of the store that writes pages.
///
/// Belongs to a thread of its own, which calls [`run`](Self::run); the simulator steps it with
/// [`step`](Self::step). One step writes some megabytes at most, unless one page is larger. Without it no page
/// is ever saved or freed.
#[derive(Debug)]
pub struct Pager<D: Disk> {
    pub(super) shared: Arc<Shared>,
    pub(super) disk: D,
    files: Arc<Files<D>>,
    pub(super) store: u64,
    segment_bytes: u64,
    next_sequence: u32,
    writer: Option<SegmentWriter<D::File>>,
    /// Requests that are taken and not carried out.
    taken: VecDeque<Request>,
    pub(super) batch: Batch,
    pub(super) copying: Option<Copying<D::File>>,
    /// Whether there was room for the last copies; if not, no more are tried until there was room for something.
    pub(super) room_for_copies: Room,
    /// Whether the last segment could be deleted; if not, none is tried until something was asked for.
    room_to_delete: Room,
    /// Whether the next turn is the compaction's, so that it gets on while pages are saved all the time.
    copies_next: bool,
}

/// Whether the disk had room when it was last asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    Some,
    None,
}

impl<D: Disk> Pager<D> {
    pub(super) fn new(
        shared: Arc<Shared>,
        files: Arc<Files<D>>,
        disk: D,
        store: u64,
        segment_bytes: u64,
        next_sequence: u32,
    ) -> Self {
        Self {
            shared,
            disk,
            files,
            store,
            segment_bytes,
            next_sequence,
            writer: None,
            taken: VecDeque::new(),
            batch: Batch::default(),
            copying: None,
            room_for_copies: Room::Some,
            room_to_delete: Room::Some,
            copies_next: false,
        }
    }

    /// What stands in pages.
    #[must_use]
    pub fn stats(&self) -> PageStats {
        self.shared.pages.stats()
    }

    /// Works until all logs are dropped and everything they asked for is done; then seals the segment.
    ///
    /// # Errors
    /// As [`step`](Self::step).
    pub fn run(mut self) -> Result<(), PagesError> {
        loop {
            while self.step()? == Step::Worked {}
            match self.shared.pages.wait_as_pager() {
                Wait::Due => {}
                Wait::Closed => return self.guard(Self::seal),
            }
        }
    }

    /// Saves and frees pages, as many as are written together, or does another piece of work of that size.
    ///
    /// # Errors
    /// [`PagesError::Disk`] when a file could not be created, written, synced or removed for another reason than
    /// that the disk is full: the store has failed. [`PagesError::Failed`] when it had failed before.
    pub fn step(&mut self) -> Result<Step, PagesError> {
        if self.shared.is_failed() {
            return Err(PagesError::Failed);
        }
        self.guard(Self::work)
    }

    fn guard<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, DiskError>,
    ) -> Result<T, PagesError> {
        work(self).map_err(|error| {
            self.shared.fail();
            error.into()
        })
    }

    fn work(&mut self) -> Result<Step, DiskError> {
        if self.leave_segment_if_due()? || self.delete_one()? {
            return Ok(Step::Worked);
        }
        if std::mem::take(&mut self.copies_next) && self.compact()? {
            return Ok(Step::Worked);
        }
        if self.carry_out()? {
            self.copies_next = true;
            return Ok(Step::Worked);
        }
        Ok(if self.compact()? {
            Step::Worked
        } else {
            Step::Idle
        })
    }

    /// How much may be appended to the segment.
    pub(super) fn room(&self) -> usize {
        let writer = self.writer.as_ref();
        let end = writer.map_or(bytes_u64(HEADER_BYTES), SegmentWriter::end);
        let left = self.segment_bytes.saturating_sub(end);
        usize::try_from(left).map_or(BATCH_BYTES, |left| left.min(BATCH_BYTES))
    }

    /// Seals the segment when it is full, or leaves it when nothing in it is alive.
    fn leave_segment_if_due(&mut self) -> Result<bool, DiskError> {
        let Some(writer) = &self.writer else {
            return Ok(false);
        };
        if self.shared.pages.lock().map.is_worthless(writer.sequence) {
            let sequence = writer.sequence;
            self.writer = None;
            let mut state = self.shared.pages.lock();
            state.map.set_fate(sequence, Fate::Closed);
            return Ok(true);
        }
        if writer.end() < self.segment_bytes || !writer.has_pages() {
            return Ok(false);
        }
        self.seal()?;
        Ok(true)
    }

    fn seal(&mut self) -> Result<(), DiskError> {
        let Some(writer) = self.writer.take() else {
            return Ok(());
        };
        let sequence = writer.sequence;
        let size = writer.seal()?;
        let mut state = self.shared.pages.lock();
        state.map.set_file_bytes(sequence, size);
        state.map.set_fate(sequence, Fate::Closed);
        Ok(())
    }

    /// Deletes a segment in which nothing is alive.
    fn delete_one(&mut self) -> Result<bool, DiskError> {
        if self.room_to_delete == Room::None {
            return Ok(false);
        }
        let Some(sequence) = self.shared.pages.lock().map.take_empty() else {
            return Ok(false);
        };
        let Some(_removing) = self.disk.removing() else {
            self.shared.pages.lock().map.put_back_empty(sequence);
            return Ok(false);
        };
        let name = name::pages(sequence);
        match self.disk.remove(&name) {
            Ok(()) => self.room_for_copies = Room::Some,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                let error = DiskError::on(Action::Remove, &name)(error);
                if !is_full(&error) {
                    return Err(error);
                }
                // Some file systems need room even for this.
                self.room_to_delete = Room::None;
                self.shared.pages.lock().map.put_back_empty(sequence);
            }
        }
        self.files.close(sequence);
        Ok(true)
    }

    /// Saves and frees what was asked for.
    fn carry_out(&mut self) -> Result<bool, DiskError> {
        if self.taken.is_empty() {
            let mut state = self.shared.pages.lock();
            std::mem::swap(&mut self.taken, &mut state.requests);
        }
        if self.taken.is_empty() {
            return Ok(false);
        }
        let room = self.room().max(1);
        let removing = self.disk.removing();
        let mut refused = Vec::new();
        let mut batch = std::mem::take(&mut self.batch);
        let mut large = None;
        while large.is_none() && batch.bytes.len() < room && batch.len() < BATCH_OPS {
            match self.taken.pop_front() {
                Some(Request::Free { shard, page }) => batch.free(shard, page),
                Some(Request::Save { shard, page, .. })
                    if removing.is_none() && self.is_saved(shard, page) =>
                {
                    // The store is being copied, and the journal that is copied may need the page as it is.
                    refused.push((shard, PageNews::NotSaved { page }));
                }
                Some(Request::Save {
                    shard,
                    page,
                    mut source,
                }) => {
                    let start = batch.save(shard, page, &mut *source);
                    let has_company = start > 0 || self.has_pages();
                    if has_company && self.is_large(batch.bytes.len() - start) {
                        large = Some(batch.split_last(start));
                    }
                }
                None => break,
            }
        }
        let worked = !batch.is_empty() || large.is_some() || !refused.is_empty();
        if !refused.is_empty() {
            let mut state = self.shared.pages.lock();
            state.saves = state.saves.saturating_sub(refused.len());
            self.shared.pages.unpark(state);
            self.shared.announce(refused);
        }
        if worked {
            self.room_to_delete = Room::Some;
        }
        self.write(&batch)?;
        batch.clear();
        self.batch = batch;
        if let Some(large) = large {
            // A page that is larger than a segment gets one of its own.
            self.seal()?;
            self.write(&large)?;
        }
        Ok(worked)
    }

    fn is_saved(&self, shard: ShardId, page: PageNumber) -> bool {
        self.shared.pages.lock().map.place(shard, page).is_some()
    }

    fn has_pages(&self) -> bool {
        self.writer.as_ref().is_some_and(SegmentWriter::has_pages)
    }

    fn is_large(&self, bytes: usize) -> bool {
        bytes_u64(bytes) > self.segment_bytes
    }

    /// Writes and syncs a batch, and tells the shards. Returns whether there was room.
    pub(super) fn write(&mut self, batch: &Batch) -> Result<bool, DiskError> {
        if batch.is_empty() {
            return Ok(true);
        }
        let landed = if batch.bytes.is_empty() {
            None
        } else {
            self.append(batch)?
        };
        let mut state = self.shared.pages.lock();
        batch.apply(&mut state.map, landed);
        if let (Some(landed), Some(writer)) = (landed, &self.writer) {
            state.map.set_file_bytes(landed.segment, writer.end());
        }
        state.saves = state.saves.saturating_sub(batch.saves());
        self.shared.pages.unpark(state);
        self.shared.announce(batch.news(landed));
        Ok(landed.is_some() || batch.bytes.is_empty())
    }

    /// Appends a batch to the segment, durably. `None` if there is no room.
    fn append(&mut self, batch: &Batch) -> Result<Option<Landed>, DiskError> {
        if self.writer.is_none() {
            self.writer = self.create()?;
        }
        let Some(writer) = &mut self.writer else {
            return Ok(None);
        };
        let (segment, offset) = (writer.sequence, writer.place_of(batch.pages()));
        match writer.append(&batch.bytes, batch.entries(offset))? {
            Written::Durable => {
                self.room_for_copies = Room::Some;
                Ok(Some(Landed { segment, offset }))
            }
            Written::NoRoom => Ok(None),
            Written::GivenUp => {
                self.writer = None;
                let mut state = self.shared.pages.lock();
                state.map.set_fate(segment, Fate::Closed);
                Ok(None)
            }
        }
    }

    /// Creates the next segment. `None` if there is no room.
    fn create(&mut self) -> Result<Option<SegmentWriter<D::File>>, DiskError> {
        let sequence = self.next_sequence;
        let name = name::pages(sequence);
        match SegmentWriter::create(&self.disk, self.store, sequence) {
            Ok(writer) => {
                self.next_sequence = next(sequence);
                let mut state = self.shared.pages.lock();
                state.map.add_segment(sequence, Fate::Written, writer.end());
                Ok(Some(writer))
            }
            Err(error) if is_full(&error) => {
                if error.action == Action::SyncFolder {
                    // It has its name, and may keep it.
                    self.next_sequence = next(sequence);
                }
                // Best effort: what stays is empty, and goes when the store is opened.
                drop(self.disk.remove(&name::temporary(&name)));
                drop(self.disk.remove(&name));
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

impl<D: Disk> Drop for Pager<D> {
    /// A source that panics must not leave everyone waiting.
    fn drop(&mut self) {
        if std::thread::panicking() && !self.shared.is_failed() {
            self.shared.fail();
        }
    }
}

fn next(sequence: u32) -> u32 {
    sequence
        .checked_add(1)
        .expect("a process writes fewer than 2^31 segments")
}
