//! What the store does beside the rounds: prepares segments, writes snapshots, deletes what they
//! replace.

mod unfinished;

use super::error::{Action, DiskError, HousekeeperError};
use super::journal::bytes_u64;
use super::name;
use super::open::Options;
use super::segments::{Preparing, Purpose, reuse};
use super::shared::{ClosedSegment, NextSegment, Shared, SnapshotRequest, Upkeep};
use super::snapshot::SnapshotWriter;
use super::space::{Budget, SPARES_MAX, Shortage, Spare, is_full};
use crate::disk::{Disk, Removing};
use crate::shard_log::Space;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use unfinished::Unfinished;

/// How often it is looked for room while there is too little.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// The end of the store that works in the background.
///
/// Belongs to a thread of its own, which calls [`run`](Self::run); the simulator steps it with
/// [`step`](Self::step). One step writes about a megabyte at most.
#[derive(Debug)]
pub struct Housekeeper<D: Disk> {
    shared: Arc<Shared>,
    disk: D,
    store: u64,
    options: Options,
    preparing: Option<Preparing<D::File>>,
    writing: Option<SnapshotWriter<D::File>>,
    /// What it may take, if there is too little.
    budget: Budget,
    /// The right to take files away, during a step; not while the store is copied.
    removing: Option<Removing>,
}

/// Whether a step found something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It did something; there may be more.
    Worked,
    /// There is nothing to do until something is submitted, committed or asked for, or until there is room.
    Idle,
}

/// What is to be done next, the most urgent first.
enum Task {
    Reuse { spare: u64, sequence: u64 },
    Begin(Purpose),
    Fill,
    Trim(ClosedSegment),
    RemoveSnapshot(String),
    WriteSnapshot,
    PublishSnapshot,
    BeginSnapshot(SnapshotRequest, Option<Spare>),
    Nothing,
}

impl<D: Disk> Housekeeper<D> {
    pub(super) fn new(shared: Arc<Shared>, disk: D, store: u64, options: Options) -> Self {
        let keeper = Self {
            shared,
            disk,
            store,
            options,
            preparing: None,
            writing: None,
            budget: Budget::default(),
            removing: None,
        };
        keeper.look_for_room();
        keeper
    }

    /// Works until the journal has closed and nothing is left to do.
    ///
    /// # Errors
    /// As [`step`](Self::step).
    pub fn run(mut self) -> Result<(), HousekeeperError> {
        loop {
            while self.step()? == Step::Worked {}
            let mut upkeep = self.shared.upkeep.lock();
            while !upkeep.due {
                if upkeep.closed {
                    return Ok(());
                }
                if self.shared.space() == Space::Enough {
                    self.shared.upkeep_due.wait(&mut upkeep);
                } else {
                    self.shared.upkeep_due.wait_for(&mut upkeep, LOOK_AGAIN);
                    break;
                }
            }
            upkeep.due = false;
        }
    }

    /// Does the most urgent piece of work. Where the disk has no room for it, what was begun is removed, the
    /// store is [`Low`](Space::Low), and a later step tries again.
    ///
    /// # Errors
    /// [`HousekeeperError::Disk`] when a file could not be written, renamed or removed: the store has
    /// failed. [`HousekeeperError::Failed`] when it had failed before.
    pub fn step(&mut self) -> Result<Step, HousekeeperError> {
        if self.shared.is_failed() {
            return Err(HousekeeperError::Failed);
        }
        let free = self.look_for_room();
        self.ask_for_snapshots(free);
        self.removing = self.disk.removing();
        let task = self.next_task(free);
        let step = if matches!(task, Task::Nothing) {
            Step::Idle
        } else {
            Step::Worked
        };
        let unfinished = self.unfinished_by(&task);
        let done = self.carry_out(task);
        self.removing = None;
        match done {
            Ok(()) => Ok(step),
            // Of a folder whose sync has failed nothing is known, and nothing may be built on its names.
            Err(error) if is_full(&error) && error.action != Action::SyncFolder => {
                let abandoned = self.abandon(unfinished);
                abandoned.inspect_err(|_| self.shared.fail())?;
                let is_snapshot = matches!(unfinished, Unfinished::Snapshot(..));
                // One that is smaller may find room.
                if is_snapshot && !self.shared.upkeep.lock().requests.is_empty() {
                    return Ok(Step::Worked);
                }
                Ok(Step::Idle)
            }
            Err(error) => {
                self.shared.fail();
                Err(error.into())
            }
        }
    }

    /// How much is free. A disk that does not say is taken for one that has room: its writes tell.
    fn look_for_room(&self) -> u64 {
        let free = self.disk.free_bytes().unwrap_or(u64::MAX);
        let is_short = free < self.options.free_bytes_min;
        self.shared.set_short(Shortage::Free, is_short);
        free
    }

    fn next_task(&mut self, free: u64) -> Task {
        if self.preparing.is_some() {
            return Task::Fill;
        }
        let shared = Arc::clone(&self.shared);
        let mut upkeep = shared.upkeep.lock();
        // Where there was no room for it, what makes room comes first.
        let was_short = shared.is_short(Shortage::Segment);
        if !was_short && let Some(task) = self.next_segment(&mut upkeep, free) {
            return task;
        }
        if self.removing.is_some() {
            if let Some(segment) = upkeep.take_trimmable() {
                return Task::Trim(segment);
            }
            if let Some(name) = upkeep.obsolete.pop() {
                return Task::RemoveSnapshot(name);
            }
        }
        if let Some(task) = self.next_of_snapshots(&mut upkeep, free) {
            return task;
        }
        if was_short && let Some(task) = self.next_segment(&mut upkeep, free) {
            return task;
        }
        self.next_spare(&upkeep, free)
    }

    /// The next segment, if it is wanted and can be made.
    fn next_segment(&self, upkeep: &mut Upkeep, free: u64) -> Option<Task> {
        let NextSegment::Wanted(sequence) = upkeep.next else {
            return None;
        };
        let room_for = free / self.options.segment_bytes.max(1);
        let left = bytes_u64(upkeep.spares.len()).saturating_add(room_for);
        // What snapshots may free is worth more than one segment.
        if left <= u64::from(upkeep.may_free_oldest()) {
            self.lack_segment(upkeep);
            return None;
        }
        let task = match upkeep.take_spare(true) {
            Some(Spare {
                number,
                is_filled: true,
            }) => Task::Reuse {
                spare: number,
                sequence,
            },
            spare => Task::Begin(Purpose::Next {
                sequence,
                spare: spare.map(|spare| spare.number),
            }),
        };
        upkeep.next = NextSegment::Preparing;
        Some(task)
    }

    /// The next segment cannot be prepared: snapshots are needed.
    fn lack_segment(&self, upkeep: &mut Upkeep) {
        if !self.shared.is_short(Shortage::Segment) {
            upkeep.review = true;
            upkeep.due = true;
        }
        self.shared.set_short(Shortage::Segment, true);
    }

    /// A spare segment, so that the journal can go on for a while when the disk is full.
    fn next_spare(&self, upkeep: &Upkeep, free: u64) -> Task {
        let room = self.options.segment_bytes.saturating_mul(2);
        let has_room = free >= self.options.free_bytes_min.saturating_add(room)
            && self.shared.space() == Space::Enough;
        if has_room && upkeep.spares.len() < SPARES_MAX {
            Task::Begin(Purpose::Spare(self.free_spare_number(upkeep)))
        } else {
            Task::Nothing
        }
    }

    fn free_spare_number(&self, upkeep: &Upkeep) -> u64 {
        let written = self.writing.as_ref().and_then(SnapshotWriter::spare);
        upkeep.free_spare_number(written)
    }

    fn next_of_snapshots(&mut self, upkeep: &mut Upkeep, free: u64) -> Option<Task> {
        let Some(writing) = &self.writing else {
            let request = upkeep.requests.pop_front()?;
            self.budget = self.budget(upkeep, free);
            let spare = if self.budget.takes_spare() {
                upkeep.take_spare(false)
            } else {
                None
            };
            return Some(Task::BeginSnapshot(request, spare));
        };
        if !writing.is_written() {
            return Some(Task::WriteSnapshot);
        }
        // The flag first, then the index; the journal does it the other way round. So one of them sees
        // what the other did.
        self.shared.awaits_commit.store(true, Ordering::SeqCst);
        let shard = &self.shared.shards[usize::from(writing.shard().0)];
        if shard.committed.load(Ordering::SeqCst) < writing.index().0 {
            return None;
        }
        self.shared.awaits_commit.store(false, Ordering::SeqCst);
        Some(Task::PublishSnapshot)
    }

    /// What the next snapshot may take.
    fn budget(&self, upkeep: &Upkeep, free: u64) -> Budget {
        let is_short = self.shared.is_short(Shortage::Segment);
        let has_spare = is_short && !upkeep.spares.is_empty();
        Budget {
            free,
            spare: if has_spare {
                self.options.segment_bytes
            } else {
                0
            },
            sharers: is_short.then(|| upkeep.shards_holding_oldest().count()),
        }
    }

    fn carry_out(&mut self, task: Task) -> Result<(), DiskError> {
        match task {
            Task::Reuse { spare, sequence } => self.reuse(spare, sequence),
            Task::Begin(purpose) => self.prepare(purpose),
            Task::Fill => self.fill(),
            Task::Trim(segment) => self.trim(&segment),
            Task::RemoveSnapshot(name) => self.remove(&name),
            Task::WriteSnapshot => match &mut self.writing {
                Some(writing) => writing.write_some(),
                None => Ok(()),
            },
            Task::PublishSnapshot => self.publish_snapshot(),
            Task::BeginSnapshot(request, spare) => self.begin_snapshot(request, spare),
            Task::Nothing => Ok(()),
        }
    }

    fn reuse(&self, spare: u64, sequence: u64) -> Result<(), DiskError> {
        let reused = reuse(&self.disk, self.store, spare, sequence);
        let mut upkeep = self.shared.upkeep.lock();
        if reused.is_ok() {
            upkeep.next = NextSegment::Ready(sequence);
            self.shared.set_short(Shortage::Segment, false);
        } else {
            upkeep.next = NextSegment::Wanted(sequence);
            upkeep.spares.push(Spare {
                number: spare,
                is_filled: true,
            });
            self.lack_segment(&mut upkeep);
        }
        reused
    }

    /// Begins a file that will be filled. A spare waits for that until it is needed: its room is taken at once.
    fn prepare(&mut self, purpose: Purpose) -> Result<(), DiskError> {
        let preparing = Preparing::begin(&self.disk, self.store, purpose)?;
        if let Purpose::Spare(number) = purpose
            && preparing.allocate(self.options.segment_bytes)?
        {
            preparing.finish(&self.disk)?;
            self.shared.upkeep.lock().spares.push(Spare {
                number,
                is_filled: false,
            });
            return Ok(());
        }
        self.preparing = Some(preparing);
        Ok(())
    }

    fn fill(&mut self) -> Result<(), DiskError> {
        let Some(preparing) = &mut self.preparing else {
            return Ok(());
        };
        let left = self.options.segment_bytes.saturating_sub(preparing.written);
        if left > 0 {
            return preparing.fill(left);
        }
        preparing.finish(&self.disk)?;
        let purpose = preparing.purpose;
        self.preparing = None;
        let mut upkeep = self.shared.upkeep.lock();
        match purpose {
            Purpose::Next { sequence, .. } => {
                upkeep.next = NextSegment::Ready(sequence);
                self.shared.set_short(Shortage::Segment, false);
            }
            Purpose::Spare(number) => upkeep.spares.push(Spare {
                number,
                is_filled: true,
            }),
        }
        Ok(())
    }

    /// Keeps a segment that is not needed any more to be used again, or deletes it.
    fn trim(&self, segment: &ClosedSegment) -> Result<(), DiskError> {
        let name = name::segment(segment.sequence);
        let usual = self.options.segment_bytes..=self.options.segment_bytes.saturating_mul(3) / 2;
        let spare = {
            let upkeep = self.shared.upkeep.lock();
            let is_kept = usual.contains(&segment.file_bytes) && upkeep.spares.len() < SPARES_MAX;
            is_kept.then(|| self.free_spare_number(&upkeep))
        };
        let Some(number) = spare else {
            return self.remove(&name);
        };
        let spare = name::spare(number);
        let renamed = self.disk.rename(&name, &spare);
        match renamed.map_err(DiskError::on(Action::Rename, &name)) {
            Err(error) if is_full(&error) => return self.remove(&name),
            renamed => renamed?,
        }
        // Each on its own: no crash may keep an older segment and lose a newer one.
        self.disk
            .sync_dir()
            .map_err(DiskError::on(Action::SyncFolder, &spare))?;
        self.shared.upkeep.lock().spares.push(Spare {
            number,
            is_filled: true,
        });
        Ok(())
    }

    fn remove(&self, name: &str) -> Result<(), DiskError> {
        self.disk
            .remove(name)
            .map_err(DiskError::on(Action::Remove, name))?;
        // Each on its own: no crash may keep an older segment and lose a newer one.
        self.disk
            .sync_dir()
            .map_err(DiskError::on(Action::SyncFolder, name))
    }

    fn begin_snapshot(
        &mut self,
        request: SnapshotRequest,
        spare: Option<Spare>,
    ) -> Result<(), DiskError> {
        let bytes_max = self.budget.share();
        let begun = SnapshotWriter::begin(&self.disk, self.store, request, spare, bytes_max);
        if begun.is_err() {
            self.shared.upkeep.lock().spares.extend(spare);
        }
        self.writing = Some(begun?);
        Ok(())
    }

    fn publish_snapshot(&mut self) -> Result<(), DiskError> {
        let Some(writing) = &mut self.writing else {
            return Ok(());
        };
        let shard = writing.shard();
        let file = writing.publish(&self.disk)?;
        self.writing = None;
        self.shared.upkeep.lock().replace_snapshot(shard, file);
        Ok(())
    }

    /// Asks the shards that hold up the oldest segments for snapshots, and those again whose snapshots found no
    /// room when there is.
    fn ask_for_snapshots(&self, free: u64) {
        let shards = {
            let is_shared = self.shared.is_short(Shortage::Segment);
            let mut upkeep = self.shared.upkeep.lock();
            let mut shards = Vec::new();
            if std::mem::take(&mut upkeep.review) {
                shards = upkeep.shards_holding_up(self.options.segment_bytes);
                if is_shared {
                    // However large they were: they are smaller by what was taken away since.
                    shards.extend(upkeep.shards_holding_oldest());
                    let upkeep = &mut *upkeep;
                    shards
                        .retain(|shard| upkeep.requested[*shard] <= upkeep.snapshots[*shard].index);
                    upkeep.unsaved.retain(|one| !shards.contains(&one.shard));
                }
            }
            // One after the other: what the disk refuses although it says that it has room is not tried at once again.
            if self.writing.is_none() && upkeep.requests.is_empty() {
                shards.extend(upkeep.take_fitting(free, is_shared));
            }
            let is_short = !upkeep.unsaved.is_empty();
            self.shared.set_short(Shortage::Snapshot, is_short);
            for shard in &shards {
                // Under the lock, so that a snapshot that is being asked for now is not asked twice.
                let wants = &self.shared.shards[*shard].wants_snapshot;
                wants.store(true, Ordering::Relaxed);
            }
            shards
        };
        let mut wakers = Vec::new();
        for shard in shards {
            self.shared.shards[shard].add_waker(&mut wakers);
        }
        wakers.into_iter().for_each(std::task::Waker::wake);
    }
}
