//! What the store does beside the rounds: prepares segments, writes snapshots, deletes what they
//! replace.

use super::error::{Action, DiskError, HousekeeperError};
use super::header::{Header, Kind};
use super::journal::bytes_u64;
use super::name;
use super::shared::{NextSegment, Shared, SnapshotRequest};
use super::snapshot::SnapshotWriter;
use crate::disk::{Disk, DiskFile};
use std::io::IoSlice;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Written again and again to fill a segment.
static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

/// How many times [`ZEROS`] fits into what one step writes.
const ZEROS_PER_STEP: usize = 16;

/// A long file is synced each time so much was written, so that no sync of the journal has to wait for
/// all of it.
pub(super) const SYNC_EVERY_BYTES: u64 = 8 << 20;

/// The end of the store that works in the background.
///
/// Belongs to a thread of its own, which calls [`run`](Self::run); the simulator steps it with
/// [`step`](Self::step). One step writes about a megabyte at most.
#[derive(Debug)]
pub struct Housekeeper<D: Disk> {
    shared: Arc<Shared>,
    disk: D,
    store: u64,
    segment_bytes: u64,
    preparing: Option<Preparing<D::File>>,
    writing: Option<SnapshotWriter<D::File>>,
}

/// A segment that is being filled with zeros.
#[derive(Debug)]
struct Preparing<F> {
    sequence: u64,
    name: String,
    file: F,
    written: u64,
}

/// Whether a step found something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It did something; there may be more.
    Worked,
    /// There is nothing to do until something is submitted, committed or asked for.
    Idle,
}

/// What is to be done next, the most urgent first.
enum Task {
    BeginSegment(u64),
    FillSegment,
    Trim(String),
    RemoveSnapshot(String),
    WriteSnapshot,
    PublishSnapshot,
    BeginSnapshot(SnapshotRequest),
    Nothing,
}

impl<D: Disk> Housekeeper<D> {
    pub(super) fn new(shared: Arc<Shared>, disk: D, store: u64, segment_bytes: u64) -> Self {
        Self {
            shared,
            disk,
            store,
            segment_bytes,
            preparing: None,
            writing: None,
        }
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
                self.shared.upkeep_due.wait(&mut upkeep);
            }
            upkeep.due = false;
        }
    }

    /// Does the most urgent piece of work.
    ///
    /// # Errors
    /// [`HousekeeperError::Disk`] when a file could not be written, renamed or removed: the store has
    /// failed. [`HousekeeperError::Failed`] when it had failed before.
    pub fn step(&mut self) -> Result<Step, HousekeeperError> {
        if self.shared.is_failed() {
            return Err(HousekeeperError::Failed);
        }
        self.ask_for_snapshots();
        let task = self.next_task();
        let step = match task {
            Task::Nothing => Step::Idle,
            Task::BeginSegment(_)
            | Task::FillSegment
            | Task::Trim(_)
            | Task::RemoveSnapshot(_)
            | Task::WriteSnapshot
            | Task::PublishSnapshot
            | Task::BeginSnapshot(_) => Step::Worked,
        };
        if let Err(error) = self.carry_out(task) {
            self.shared.fail();
            return Err(error.into());
        }
        Ok(step)
    }

    fn next_task(&mut self) -> Task {
        if self.preparing.is_some() {
            return Task::FillSegment;
        }
        let mut upkeep = self.shared.upkeep.lock();
        if let NextSegment::Wanted(sequence) = upkeep.next {
            upkeep.next = NextSegment::Preparing;
            return Task::BeginSegment(sequence);
        }
        if let Some(segment) = upkeep.take_trimmable() {
            return Task::Trim(name::segment(segment.sequence));
        }
        if let Some(name) = upkeep.obsolete.pop() {
            return Task::RemoveSnapshot(name);
        }
        let Some(writing) = &self.writing else {
            return match upkeep.requests.pop_front() {
                Some(request) => Task::BeginSnapshot(request),
                None => Task::Nothing,
            };
        };
        if !writing.is_written() {
            return Task::WriteSnapshot;
        }
        // The flag first, then the index; the journal does it the other way round. So one of them sees
        // what the other did.
        self.shared.awaits_commit.store(true, Ordering::SeqCst);
        let shard = &self.shared.shards[usize::from(writing.shard().0)];
        if shard.committed.load(Ordering::SeqCst) < writing.index().0 {
            return Task::Nothing;
        }
        self.shared.awaits_commit.store(false, Ordering::SeqCst);
        Task::PublishSnapshot
    }

    fn carry_out(&mut self, task: Task) -> Result<(), DiskError> {
        match task {
            Task::BeginSegment(sequence) => self.begin_segment(sequence),
            Task::FillSegment => self.fill_segment(),
            Task::Trim(name) | Task::RemoveSnapshot(name) => self.remove(&name),
            Task::WriteSnapshot => match &mut self.writing {
                Some(writing) => writing.write_some(),
                None => Ok(()),
            },
            Task::PublishSnapshot => self.publish_snapshot(),
            Task::BeginSnapshot(request) => {
                self.writing = Some(SnapshotWriter::begin(&self.disk, self.store, request)?);
                Ok(())
            }
            Task::Nothing => Ok(()),
        }
    }

    fn begin_segment(&mut self, sequence: u64) -> Result<(), DiskError> {
        let (name, file, written) = create_segment(&self.disk, self.store, sequence)?;
        self.preparing = Some(Preparing {
            sequence,
            name,
            file,
            written,
        });
        Ok(())
    }

    fn fill_segment(&mut self) -> Result<(), DiskError> {
        let Some(preparing) = &mut self.preparing else {
            return Ok(());
        };
        let left = self.segment_bytes.saturating_sub(preparing.written);
        if left > 0 {
            preparing.fill(left)?;
            return Ok(());
        }
        finish_segment(&self.disk, &preparing.name, &preparing.file)?;
        let ready = NextSegment::Ready(preparing.sequence);
        self.preparing = None;
        self.shared.upkeep.lock().next = ready;
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

    fn publish_snapshot(&mut self) -> Result<(), DiskError> {
        let Some(writing) = self.writing.take() else {
            return Ok(());
        };
        let shard = writing.shard();
        let file = writing.publish(&self.disk)?;
        self.shared.upkeep.lock().replace_snapshot(shard, file);
        Ok(())
    }

    /// Asks the shards that hold up the oldest segments for snapshots.
    fn ask_for_snapshots(&self) {
        let shards = {
            let mut upkeep = self.shared.upkeep.lock();
            if !std::mem::take(&mut upkeep.review) {
                return;
            }
            let shards = upkeep.shards_holding_up(self.segment_bytes);
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

impl<F: DiskFile> Preparing<F> {
    /// Writes zeros, up to `left` bytes.
    fn fill(&mut self, left: u64) -> Result<(), DiskError> {
        let mut slices = [IoSlice::new(&[]); ZEROS_PER_STEP];
        let mut bytes = 0;
        for slice in &mut slices {
            let count = usize::try_from(left - bytes).map_or(ZEROS.len(), |n| n.min(ZEROS.len()));
            *slice = IoSlice::new(&ZEROS[..count]);
            bytes += bytes_u64(count);
        }
        self.file
            .write_all_at(&mut slices, self.written)
            .map_err(DiskError::on(Action::Write, &self.name))?;
        let synced = self.written / SYNC_EVERY_BYTES;
        self.written += bytes;
        if self.written / SYNC_EVERY_BYTES > synced {
            self.file
                .sync_data()
                .map_err(DiskError::on(Action::Sync, &self.name))?;
        }
        Ok(())
    }
}

/// Creates a segment under a temporary name; returns its final name, the file and its size.
pub(super) fn create_segment<D: Disk>(
    disk: &D,
    store: u64,
    sequence: u64,
) -> Result<(String, D::File, u64), DiskError> {
    let name = name::segment(sequence);
    let temporary = name::temporary(&name);
    let file = disk
        .create(&temporary)
        .map_err(DiskError::on(Action::Create, &temporary))?;
    let header = Header {
        store,
        number: sequence,
        shard: 0,
    };
    let header = header.encode(Kind::Journal);
    file.write_all_at(&mut [IoSlice::new(&header)], 0)
        .map_err(DiskError::on(Action::Write, &temporary))?;
    Ok((name, file, bytes_u64(header.len())))
}

/// Makes a file durable and gives it its final name.
pub(super) fn finish_segment<D: Disk>(
    disk: &D,
    name: &str,
    file: &D::File,
) -> Result<(), DiskError> {
    let temporary = name::temporary(name);
    file.sync_data()
        .map_err(DiskError::on(Action::Sync, &temporary))?;
    disk.rename(&temporary, name)
        .map_err(DiskError::on(Action::Rename, &temporary))?;
    disk.sync_dir()
        .map_err(DiskError::on(Action::SyncFolder, name))
}
