//! What the logs, the journal and the housekeeping share.

use super::name;
use super::pages::SharedPages;
use super::space::{Shortage, Spare};
use crate::batch::{Pieces, Pool};
use crate::shard_log::{SnapshotSource, Space};
use model::{LogIndex, ShardId};
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::task::Waker;

/// One per open store.
#[derive(Debug)]
pub(super) struct Shared {
    /// What waits for the next round.
    pub(super) intake: Mutex<Intake>,
    /// Notified when the journal waits and something is submitted.
    pub(super) submitted: Condvar,
    /// What waits for the housekeeping.
    pub(super) upkeep: Mutex<Upkeep>,
    /// Notified when [`Upkeep::due`] is set.
    pub(super) upkeep_due: Condvar,
    /// Set once, never taken back.
    failed: AtomicBool,
    /// The bits of each [`Shortage`] that there is.
    shortages: AtomicU8,
    /// Set while a snapshot is written and its log not yet committed.
    pub(super) awaits_commit: AtomicBool,
    pub(super) shards: Box<[Shard]>,
    pub(super) pages: SharedPages,
}

/// One shard's part. On a cache line of its own: the shards' executors read theirs all the time.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Shard {
    pub(super) committed: AtomicU64,
    pub(super) wants_snapshot: AtomicBool,
    /// It has lost something: nothing is added to it, and nothing of it is deleted.
    pub(super) is_damaged: bool,
    pub(super) waker: Mutex<Option<Waker>>,
}

/// A batch on its way into the journal.
#[derive(Debug)]
pub(super) struct Submitted {
    pub(super) shard: usize,
    pub(super) last: LogIndex,
    pub(super) records: u64,
    /// Of the records' checksums.
    pub(super) digest: u32,
    pub(super) pieces: Pieces,
}

#[derive(Debug, Default)]
pub(super) struct Intake {
    pub(super) batches: Vec<Submitted>,
    /// Buffers that were written.
    pub(super) pool: Pool,
    /// Whether the journal's thread sleeps until something is submitted.
    pub(super) waiting: bool,
    /// The logs that are not dropped.
    pub(super) logs: usize,
    pub(super) failed: bool,
}

/// What the housekeeping must do and know.
#[derive(Debug)]
pub(super) struct Upkeep {
    /// Something changed since it last looked.
    pub(super) due: bool,
    /// The journal has ended well.
    pub(super) closed: bool,
    pub(super) next: NextSegment,
    /// Segments that the journal has left, oldest first.
    pub(super) closed_segments: VecDeque<ClosedSegment>,
    /// The current snapshot of each shard.
    pub(super) snapshots: Box<[SnapshotFile]>,
    /// The index of the last snapshot asked of each shard.
    pub(super) requested: Box<[LogIndex]>,
    pub(super) requests: VecDeque<SnapshotRequest>,
    /// Snapshots that were replaced.
    pub(super) obsolete: Vec<String>,
    /// Whether it must look which shards hold up the oldest segments.
    pub(super) review: bool,
    /// Whether a shard is damaged.
    pub(super) damaged: Box<[bool]>,
    /// Segments that are kept to be used again.
    pub(super) spares: Vec<Spare>,
    /// Snapshots that found no room.
    pub(super) unsaved: Vec<Unsaved>,
}

/// A snapshot that found no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unsaved {
    pub(super) shard: usize,
    /// What it needs at least, in bytes.
    pub(super) needs_bytes: u64,
    /// While all that is left is shared, it is worth trying again when so much is free, in bytes.
    pub(super) needs_free: u64,
}

/// The segment behind the one that the journal writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NextSegment {
    NotYet,
    /// The journal's segment is half full, or has grown enough.
    Wanted(u64),
    Preparing,
    Ready(u64),
}

/// A segment that is not written any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ClosedSegment {
    pub(super) sequence: u64,
    pub(super) bytes: u64,
    /// The size of the file.
    pub(super) file_bytes: u64,
    /// The last index of each shard in it; 0 for those that have none.
    pub(super) last: Box<[LogIndex]>,
}

/// A shard's snapshot; index 0 if it has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SnapshotFile {
    pub(super) index: LogIndex,
    pub(super) bytes: u64,
}

/// A snapshot to be written.
pub(super) struct SnapshotRequest {
    pub(super) shard: ShardId,
    pub(super) index: LogIndex,
    pub(super) source: Box<dyn SnapshotSource>,
}

impl std::fmt::Debug for SnapshotRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SnapshotRequest")
            .field("shard", &self.shard)
            .field("index", &self.index)
            .finish_non_exhaustive()
    }
}

impl Shared {
    pub(super) fn new(committed: &[LogIndex], upkeep: Upkeep, pages: SharedPages) -> Self {
        let shard = |(committed, is_damaged): (&LogIndex, &bool)| Shard {
            committed: AtomicU64::new(committed.0),
            wants_snapshot: AtomicBool::new(false),
            is_damaged: *is_damaged,
            waker: Mutex::new(None),
        };
        let shards = committed.iter().zip(&upkeep.damaged).map(shard).collect();
        Self {
            intake: Mutex::new(Intake {
                logs: committed.len(),
                ..Intake::default()
            }),
            submitted: Condvar::new(),
            upkeep: Mutex::new(upkeep),
            upkeep_due: Condvar::new(),
            failed: AtomicBool::new(false),
            shortages: AtomicU8::new(0),
            awaits_commit: AtomicBool::new(false),
            shards,
            pages,
        }
    }

    pub(super) fn is_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// Poisons the store: nothing is accepted or committed from now on, and everyone is told.
    pub(super) fn fail(&self) {
        {
            let mut intake = self.intake.lock();
            intake.failed = true;
            intake.batches.clear();
            intake.waiting = false;
            self.failed.store(true, Ordering::Release);
        }
        self.submitted.notify_all();
        self.call_housekeeper(|_| {});
        self.pages.fail();
        self.wake_all();
    }

    fn wake_all(&self) {
        let mut wakers = Vec::new();
        for shard in &self.shards {
            shard.add_waker(&mut wakers);
        }
        wakers.iter().for_each(Waker::wake_by_ref);
    }

    /// Says whether there is a shortage; everyone is told when the store becomes low or is not any more.
    pub(super) fn set_short(&self, shortage: Shortage, is_short: bool) {
        let before = if is_short {
            self.shortages.fetch_or(shortage.bit(), Ordering::SeqCst)
        } else {
            self.shortages.fetch_and(!shortage.bit(), Ordering::SeqCst)
        };
        let others = before & !shortage.bit();
        if others == 0 && (before != 0) != is_short {
            self.wake_all();
        }
    }

    pub(super) fn is_short(&self, shortage: Shortage) -> bool {
        self.shortages.load(Ordering::SeqCst) & shortage.bit() != 0
    }

    pub(super) fn space(&self) -> Space {
        if self.shortages.load(Ordering::SeqCst) == 0 {
            Space::Enough
        } else {
            Space::Low
        }
    }

    /// Changes what the housekeeping must do, and wakes it.
    pub(super) fn call_housekeeper(&self, change: impl FnOnce(&mut Upkeep)) {
        let mut upkeep = self.upkeep.lock();
        change(&mut upkeep);
        upkeep.due = true;
        drop(upkeep);
        self.upkeep_due.notify_all();
    }

    pub(super) fn committed(&self, shard: usize) -> LogIndex {
        LogIndex(self.shards[shard].committed.load(Ordering::Acquire))
    }
}

impl Shard {
    /// Adds the shard's waker to `wakers`, unless one that wakes the same is there.
    pub(super) fn add_waker(&self, wakers: &mut Vec<Waker>) {
        if let Some(waker) = &*self.waker.lock()
            && !wakers.iter().any(|known| known.will_wake(waker))
        {
            wakers.push(waker.clone());
        }
    }
}

impl Upkeep {
    /// The oldest segment, if every shard's records in it are replaced by its snapshot. Those of a damaged
    /// shard never are.
    pub(super) fn take_trimmable(&mut self) -> Option<ClosedSegment> {
        let oldest = self.closed_segments.front()?;
        let replaced = |((last, snapshot), damaged): ((&LogIndex, &SnapshotFile), &bool)| {
            *last == LogIndex(0) || (*last <= snapshot.index && !damaged)
        };
        let mut shards = oldest.last.iter().zip(&self.snapshots).zip(&self.damaged);
        if shards.all(replaced) {
            self.closed_segments.pop_front()
        } else {
            None
        }
    }

    /// The shards that should save a snapshot.
    ///
    /// When the closed segments hold more than twice a segment and more than twice what the snapshots
    /// hold, these are the shards whose records keep the oldest segments from being deleted, so many
    /// segments as it takes to come below. So the journal stays in proportion to the state, and each
    /// byte of state is written again only after twice as many bytes of records.
    pub(super) fn shards_holding_up(&self, segment_bytes: u64) -> Vec<usize> {
        let snapshots = self.snapshots.iter().map(|file| file.bytes).sum::<u64>();
        let limit = (2 * segment_bytes).max(2 * snapshots);
        let segments = &self.closed_segments;
        let mut held = segments.iter().map(|closed| closed.bytes).sum::<u64>();
        let mut shards = Vec::new();
        for segment in segments {
            if held <= limit {
                break;
            }
            held -= segment.bytes;
            for (shard, last) in segment.last.iter().enumerate() {
                let replaced = self.snapshots[shard].index.max(self.requested[shard]);
                if *last > replaced && !self.damaged[shard] && !shards.contains(&shard) {
                    shards.push(shard);
                }
            }
        }
        shards
    }

    /// The shards whose records keep the oldest segment from being used again.
    pub(super) fn shards_holding_oldest(&self) -> impl Iterator<Item = usize> {
        let oldest = self.closed_segments.front().into_iter();
        let last = oldest.flat_map(|segment| segment.last.iter().enumerate());
        last.filter(|(shard, last)| **last > self.snapshots[*shard].index && !self.damaged[*shard])
            .map(|(shard, _)| shard)
    }

    /// Whether snapshots are all that is needed to use the oldest segment again.
    pub(super) fn may_free_oldest(&self) -> bool {
        let is_lost = |segment: &ClosedSegment| {
            let mut shards = segment.last.iter().zip(&self.damaged);
            shards.any(|(last, damaged)| *damaged && *last > LogIndex(0))
        };
        self.closed_segments
            .front()
            .is_some_and(|oldest| !is_lost(oldest))
    }

    /// A number that no spare has, nor the one that a snapshot is `written` to: its file still has that name.
    pub(super) fn free_spare_number(&self, written: Option<Spare>) -> u64 {
        let is_free = |number: &u64| {
            let mut spares = self.spares.iter().chain(&written);
            spares.all(|spare| spare.number != *number)
        };
        (1..).find(is_free).unwrap_or(u64::MAX)
    }

    /// Takes out a spare, rather one that is filled, or rather one that is not.
    pub(super) fn take_spare(&mut self, filled: bool) -> Option<Spare> {
        let spares = &mut self.spares;
        let preferred = spares.iter().rposition(|spare| spare.is_filled == filled);
        let place = preferred.or_else(|| spares.len().checked_sub(1))?;
        Some(spares.remove(place))
    }

    /// Takes out the snapshots that found no room and may find it now. Returns their shards.
    pub(super) fn take_fitting(&mut self, free: u64, is_shared: bool) -> Vec<usize> {
        let is_fitting = |one: &mut Unsaved| {
            let needed = if is_shared {
                one.needs_free
            } else {
                one.needs_bytes
            };
            needed <= free
        };
        let fitting = self.unsaved.extract_if(.., is_fitting);
        fitting.map(|unsaved| unsaved.shard).collect()
    }

    /// Makes a written snapshot the current one of its shard.
    pub(super) fn replace_snapshot(&mut self, shard: ShardId, file: SnapshotFile) {
        let current = &mut self.snapshots[usize::from(shard.0)];
        assert!(
            current.index < file.index,
            "snapshots of shard {shard} ascend: {} is followed by {}",
            current.index,
            file.index
        );
        if current.index > LogIndex(0) {
            self.obsolete.push(name::snapshot(shard, current.index));
        }
        *current = file;
        self.unsaved.retain(|one| one.shard != usize::from(shard.0));
        self.review = true;
    }
}
