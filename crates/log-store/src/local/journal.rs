//! The thread's part of the journal: rounds of one write and one sync.

use super::error::{Action, DiskError, JournalError};
use super::name;
use super::recovery::FIRST_ROUND;
use super::round::{self, Entry, Origin};
use super::shared::{ClosedSegment, NextSegment, Shared, Submitted};
use super::space::{Shortage, is_full};
use crate::disk::{Disk, DiskFile};
use crate::record;
use model::LogIndex;
use std::io::IoSlice;
use std::iter::once;
use std::mem::{replace, swap, take};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Waker;
use std::time::Duration;

/// How long a round that found no room waits before it is tried again.
const RETRY: Duration = Duration::from_millis(200);

/// The two rounds that close the journal stand in different blocks of this size, so that no block of the disk
/// that goes bad takes both. Smaller where segments are small, as they are in tests.
const SEAL_ALIGN_BYTES: u64 = 4096;
const SMALL_SEAL_ALIGN_BYTES: u64 = 512;
const SMALL_SEGMENT_BYTES: u64 = 1 << 20;

/// The buffers of one write. The kernel takes up to 1024.
const WRITE_SLICES_MAX: usize = 512;

/// What a segment may hold that grows round by round, before it is left for one filled with zeros.
///
/// To sync a file that has grown costs a third more than to sync overwritten zeros (235 against 175 µs
/// on the disk where this was chosen), as its new size and blocks must be written too. To fill a segment
/// costs a write of all of it, which a store that has hardly any traffic is spared.
const GROWN_BYTES_MAX: u64 = 1 << 20;

/// The end of the logs that writes: takes what all of them submitted, a round at a time.
///
/// Belongs to a thread of its own, which calls [`run`](Self::run); the simulator steps it with
/// [`round`](Self::round). A store whose journal is dropped without [`close`](Self::close) has failed.
#[derive(Debug)]
pub struct Journal<D: Disk> {
    shared: Arc<Shared>,
    disk: D,
    store: u64,
    segment_bytes: u64,
    segment: Segment<D::File>,
    /// The number of the next round.
    next_round: u64,
    /// Whether an empty round stands behind the last one with records, or there is none.
    sealed: bool,
    /// The batches of the round that is being written.
    taken: Vec<Submitted>,
    /// Those of the last round, until their buffers go back.
    written: Vec<Submitted>,
    /// The segment that was left, until a round stands in the one behind it.
    left: Option<ClosedSegment>,
    /// Why the disk had no room for the round of `taken`, which is to be tried again.
    refused: Option<DiskError>,
    /// How long the segment is when the housekeeping is to look again how to make the next one.
    look_again_at: u64,
    /// Reused from round to round.
    table: Vec<Entry>,
    header: Vec<u8>,
    wakers: Vec<Waker>,
}

/// The segment that is written.
#[derive(Debug)]
pub(super) struct Segment<F> {
    pub(super) sequence: u64,
    pub(super) name: String,
    pub(super) file: F,
    /// Where the next round goes.
    pub(super) end: u64,
    /// The file's size when it became the journal's: up to here, rounds overwrite zeros.
    pub(super) filled: u64,
    /// The last index of each shard in it.
    pub(super) last: Box<[LogIndex]>,
}

/// Where recovery has left the journal.
#[derive(Debug)]
pub(super) struct Position<F> {
    pub(super) store: u64,
    pub(super) segment_bytes: u64,
    pub(super) segment: Segment<F>,
    pub(super) next_round: u64,
    pub(super) sealed: bool,
}

/// What a round has committed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Round {
    /// How many records.
    pub records: u64,
    /// How many bytes they have, framed.
    pub bytes: usize,
}

/// Why [`Journal::wait`] returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Something was submitted, or the store has failed.
    Round,
    /// All logs are dropped and everything is committed.
    Close,
}

impl<D: Disk> Journal<D> {
    pub(super) fn new(shared: Arc<Shared>, disk: D, position: Position<D::File>) -> Self {
        Self {
            shared,
            disk,
            store: position.store,
            segment_bytes: position.segment_bytes,
            segment: position.segment,
            next_round: position.next_round,
            sealed: position.sealed,
            taken: Vec::new(),
            written: Vec::new(),
            left: None,
            refused: None,
            look_again_at: 0,
            table: Vec::new(),
            header: Vec::new(),
            wakers: Vec::new(),
        }
    }

    /// Commits round after round until all logs are dropped, then closes.
    ///
    /// # Errors
    /// As [`round`](Self::round).
    pub fn run(mut self) -> Result<(), JournalError> {
        while self.wait() == Due::Round {
            self.round()?;
        }
        self.close()
    }

    /// Blocks until there is something to do.
    #[must_use]
    pub fn wait(&self) -> Due {
        let mut intake = self.shared.intake.lock();
        if self.refused.is_some() && !intake.failed {
            if intake.logs == 0 {
                return Due::Close;
            }
            self.shared.submitted.wait_for(&mut intake, RETRY);
            return Due::Round;
        }
        loop {
            if !intake.batches.is_empty() || intake.failed {
                return Due::Round;
            }
            if intake.logs == 0 {
                return Due::Close;
            }
            intake.waiting = true;
            self.shared.submitted.wait(&mut intake);
        }
    }

    /// Commits what was submitted until now: when this returns, it survives a crash. Does nothing if
    /// nothing was submitted.
    ///
    /// Where the disk has no room for the round, nothing of it is committed, and it is tried again by the next
    /// call; until then the store is [`Low`](crate::Space::Low).
    ///
    /// # Errors
    /// [`JournalError::Disk`] when a write or the sync went wrong: the store has failed, nothing of the
    /// round is committed. [`JournalError::Failed`] ever after.
    pub fn round(&mut self) -> Result<Round, JournalError> {
        self.take_submitted()?;
        if self.taken.is_empty() {
            return Ok(Round::default());
        }
        let round = Round {
            records: self.taken.iter().map(|batch| batch.records).sum(),
            bytes: self
                .taken
                .iter()
                .map(|batch| batch.pieces.size_bytes())
                .sum(),
        };
        match self.append(round, 0) {
            Ok(()) => {
                if self.refused.take().is_some() {
                    self.shared.set_short(Shortage::Round, false);
                }
                self.publish();
                Ok(round)
            }
            Err(error) if is_full(&error) && error.action == Action::Write => {
                if self.refused.replace(error).is_none() {
                    self.shared.set_short(Shortage::Round, true);
                    let next = NextSegment::Wanted(self.segment.sequence + 1);
                    // There is never more than one segment in which nothing is durable.
                    let is_next_due = self.segment.end > FIRST_ROUND;
                    // It looks for room from now on.
                    self.shared.call_housekeeper(|upkeep| {
                        if is_next_due && upkeep.next == NextSegment::NotYet {
                            upkeep.next = next;
                        }
                    });
                }
                Ok(Round::default())
            }
            Err(error) => {
                self.shared.fail();
                Err(error.into())
            }
        }
    }

    /// Commits what is left and ends the journal, so that the next opener finds it closed.
    ///
    /// # Errors
    /// As [`round`](Self::round); [`JournalError::Disk`] also when the disk has no room for what is left.
    pub fn close(mut self) -> Result<(), JournalError> {
        // One that was refused before, and what was submitted since.
        for _ in 0..2 {
            self.round()?;
            if let Some(error) = self.refused.take() {
                self.shared.fail();
                return Err(error.into());
            }
        }
        self.seal()?;
        self.shared.call_housekeeper(|upkeep| upkeep.closed = true);
        Ok(())
    }

    /// Writes two empty rounds, unless one is there: from then on a damaged place in the round before it
    /// is known not to be a torn write, and it is known of each shard how far its log goes. Where there is no
    /// room for them, the journal stays as it is.
    pub(super) fn seal(&mut self) -> Result<(), JournalError> {
        if self.sealed {
            return Ok(());
        }
        self.seal_anew()
    }

    /// Writes two empty rounds, whatever is there.
    pub(super) fn seal_anew(&mut self) -> Result<(), JournalError> {
        let align = if self.segment_bytes < SMALL_SEGMENT_BYTES {
            SMALL_SEAL_ALIGN_BYTES
        } else {
            SEAL_ALIGN_BYTES
        };
        for align in [align, 1] {
            match self.append(Round::default(), align) {
                Ok(()) => {}
                Err(error) if is_full(&error) && error.action == Action::Write => break,
                Err(error) => {
                    self.shared.fail();
                    return Err(error.into());
                }
            }
        }
        Ok(())
    }

    /// Whether an empty round is the last one.
    pub(super) fn is_sealed(&self) -> bool {
        self.sealed
    }

    fn take_submitted(&mut self) -> Result<(), JournalError> {
        let mut intake = self.shared.intake.lock();
        for batch in self.written.drain(..) {
            intake.pool.put(batch.pieces.into_buffer());
        }
        if intake.failed {
            return Err(JournalError::Failed);
        }
        if self.refused.is_some() {
            return Ok(());
        }
        swap(&mut intake.batches, &mut self.taken);
        Ok(())
    }

    /// Writes and syncs a round: of `taken`, or an empty one that ends at a multiple of `align`.
    fn append(&mut self, round: Round, align: u64) -> Result<(), DiskError> {
        if self.refused.is_none() {
            self.tabulate(round.records == 0);
            let header = bytes_u64(round::header_bytes(self.table.len()));
            self.begin_segment_if_due(header + bytes_u64(round.bytes))?;
        } else if self.segment.end > FIRST_ROUND && self.is_next_ready() {
            self.take_back()?;
            self.begin_segment()?;
        }
        let is_first = self.segment.end == FIRST_ROUND;
        self.tabulate(is_first || round.records == 0);
        let header = bytes_u64(round::header_bytes(self.table.len()));
        let bytes = if round.records == 0 {
            let end = self.segment.end + header;
            end.next_multiple_of(align) - end
        } else {
            bytes_u64(round.bytes)
        };
        self.write_round(bytes)?;
        let file = &self.segment.file;
        file.sync_data()
            .map_err(DiskError::on(Action::Sync, &self.segment.name))?;
        self.segment.end += header + bytes;
        self.next_round += 1;
        self.sealed = round.records == 0;
        if let Some(left) = self.left.take() {
            // Only now: the first round of the segment behind it is durable.
            self.shared.call_housekeeper(|upkeep| {
                upkeep.closed_segments.push_back(left);
                upkeep.review = true;
            });
        }
        self.want_next_segment();
        Ok(())
    }

    /// Makes the table of the round of `taken`: of its shards, or of all.
    fn tabulate(&mut self, is_of_all: bool) {
        self.table.clear();
        if is_of_all {
            for (shard, state) in (0..).zip(&self.shared.shards) {
                let last = state.committed.load(Ordering::Relaxed);
                self.table.push(Entry {
                    shard,
                    records: 0,
                    last: (!state.is_damaged).then_some(last),
                    digest: 0,
                });
            }
        }
        let batches = self.taken.iter().map(|batch| Entry {
            shard: u16::try_from(batch.shard).expect("a store has fewer than 2^16 shards"),
            records: u32::try_from(batch.records).expect("a round has fewer than 2^32 records"),
            last: Some(batch.last.0),
            digest: batch.digest,
        });
        self.table.extend(batches);
        // A shard's batches keep their order: their last indexes ascend.
        self.table
            .sort_unstable_by_key(|entry| (entry.shard, entry.last));
        self.table.dedup_by(|later, entry| {
            let is_same = later.shard == entry.shard;
            if is_same {
                entry.digest = record::joined_digest(entry.digest, later.digest, later.records);
                entry.records += later.records;
                entry.last = later.last;
            }
            is_same
        });
    }

    /// Writes the header, with `bytes` behind it, and what was taken.
    fn write_round(&mut self, bytes: u64) -> Result<(), DiskError> {
        self.header.clear();
        let origin = Origin {
            store: self.store,
            segment: self.segment.sequence,
        };
        round::encode(
            origin,
            self.next_round,
            bytes,
            &self.table,
            &mut self.header,
        );
        let batches = self.taken.iter().flat_map(|batch| batch.pieces.slices());
        let mut buffers = once(self.header.as_slice()).chain(batches).peekable();
        let mut offset = self.segment.end;
        let mut slices = [IoSlice::new(&[]); WRITE_SLICES_MAX];
        while buffers.peek().is_some() {
            let (mut count, mut bytes) = (0, 0);
            for (slice, buffer) in slices.iter_mut().zip(&mut buffers) {
                *slice = IoSlice::new(buffer);
                count += 1;
                bytes += bytes_u64(buffer.len());
            }
            self.segment
                .file
                .write_all_at(&mut slices[..count], offset)
                .map_err(DiskError::on(Action::Write, &self.segment.name))?;
            offset += bytes;
        }
        Ok(())
    }

    /// Goes on to the next segment if a round of `size` bytes does not fit into this one, or this one
    /// has grown enough. The size is a wish: where the next segment is not ready, this one grows.
    fn begin_segment_if_due(&mut self, size: u64) -> Result<(), DiskError> {
        let is_empty = self.segment.end == FIRST_ROUND;
        let is_full = self.segment.end + size > self.segment_bytes;
        if is_empty || !(is_full || self.segment.has_grown()) || !self.is_next_ready() {
            return Ok(());
        }
        self.begin_segment()
    }

    fn is_next_ready(&self) -> bool {
        let ready = NextSegment::Ready(self.segment.sequence + 1);
        self.shared.upkeep.lock().next == ready
    }

    /// Makes nothing of what was written of a round that found no room: beside a whole one it would be taken for
    /// damage. This needs no room, as it writes nothing behind what the file had when it was begun.
    fn take_back(&mut self) -> Result<(), DiskError> {
        let Segment {
            name,
            file,
            end,
            filled,
            ..
        } = &self.segment;
        let left = usize::try_from(filled.saturating_sub(*end)).unwrap_or(usize::MAX);
        let zeros = vec![0; left.min(self.header.len())];
        file.set_len(*filled.max(end))
            .and_then(|()| file.write_all_at(&mut [IoSlice::new(&zeros)], *end))
            .map_err(DiskError::on(Action::Write, name))?;
        file.sync_data().map_err(DiskError::on(Action::Sync, name))
    }

    /// Goes on to the next segment, which is ready.
    fn begin_segment(&mut self) -> Result<(), DiskError> {
        let sequence = self.segment.sequence + 1;
        self.shared.upkeep.lock().next = NextSegment::NotYet;
        let name = name::segment(sequence);
        let file = self
            .disk
            .open(&name)
            .map_err(DiskError::on(Action::Open, &name))?;
        let filled = file
            .size_bytes()
            .map_err(DiskError::on(Action::Read, &name))?;
        let last = vec![LogIndex(0); self.segment.last.len()].into_boxed_slice();
        let segment = Segment {
            sequence,
            name,
            file,
            end: FIRST_ROUND,
            filled,
            last,
        };
        let left = replace(&mut self.segment, segment);
        self.left = Some(ClosedSegment {
            sequence: left.sequence,
            bytes: left.end,
            file_bytes: left.filled.max(left.end),
            last: left.last,
        });
        Ok(())
    }

    /// Has the next segment prepared when this one is half full, or has grown enough; and, where there is no room for
    /// it, has it tried again each time an eighth more is written.
    fn want_next_segment(&mut self) {
        let is_half_full = self.segment.end >= self.segment_bytes / 2;
        if !(is_half_full || self.segment.has_grown()) {
            return;
        }
        let mut upkeep = self.shared.upkeep.lock();
        match upkeep.next {
            NextSegment::NotYet => upkeep.next = NextSegment::Wanted(self.segment.sequence + 1),
            NextSegment::Wanted(_) if self.segment.end >= self.look_again_at => {
                upkeep.review = true;
            }
            NextSegment::Wanted(_) | NextSegment::Preparing | NextSegment::Ready(_) => return,
        }
        self.look_again_at = self.segment.end + self.segment_bytes / 8;
        upkeep.due = true;
        drop(upkeep);
        self.shared.upkeep_due.notify_all();
    }

    /// Tells every shard of the round what is committed.
    fn publish(&mut self) {
        for batch in &mut self.taken {
            batch.pieces.release();
            let shard = &self.shared.shards[batch.shard];
            let before = shard.committed.swap(batch.last.0, Ordering::SeqCst);
            assert_eq!(
                before + batch.records,
                batch.last.0,
                "the log of shard {} is dense",
                batch.shard
            );
            self.segment.last[batch.shard] = batch.last;
            shard.add_waker(&mut self.wakers);
        }
        swap(&mut self.taken, &mut self.written);
        let mut wakers = take(&mut self.wakers);
        wakers.drain(..).for_each(Waker::wake);
        self.wakers = wakers;
        // Sequentially consistent, as in the housekeeping: it sets the flag, then reads `committed`.
        if self.shared.awaits_commit.load(Ordering::SeqCst) {
            self.shared.call_housekeeper(|_| {});
        }
    }
}

impl<F> Segment<F> {
    /// Whether it grows, and holds so much that one filled with zeros is worth its writing.
    fn has_grown(&self) -> bool {
        self.end > self.filled.max(GROWN_BYTES_MAX)
    }
}

impl<D: Disk> Drop for Journal<D> {
    fn drop(&mut self) {
        if !self.shared.upkeep.lock().closed && !self.shared.is_failed() {
            self.shared.fail();
        }
    }
}

pub(super) fn bytes_u64(count: usize) -> u64 {
    u64::try_from(count).expect("sizes in memory fit 64 bits")
}
