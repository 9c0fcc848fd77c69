//! What a full disk leaves unfinished.

use super::{Housekeeper, Task};
use crate::disk::Disk;
use crate::local::error::{Action, DiskError};
use crate::local::name;
use crate::local::segments::Purpose;
use crate::local::shared::{NextSegment, Unsaved};
use crate::local::snapshot::SnapshotWriter;
use crate::local::space::Shortage;
use model::{LogIndex, ShardId};

/// What the disk had no room for.
#[derive(Clone, Copy)]
pub(super) enum Unfinished {
    Segment(Purpose),
    Snapshot(ShardId, LogIndex),
    Nothing,
}

impl<D: Disk> Housekeeper<D> {
    /// What a task leaves unfinished if the disk has no room for it.
    pub(super) fn unfinished_by(&self, task: &Task) -> Unfinished {
        match task {
            Task::Begin(purpose) => Unfinished::Segment(*purpose),
            Task::Fill => match &self.preparing {
                Some(preparing) => Unfinished::Segment(preparing.purpose),
                None => Unfinished::Nothing,
            },
            Task::WriteSnapshot | Task::PublishSnapshot => match &self.writing {
                Some(writing) => Unfinished::Snapshot(writing.shard(), writing.index()),
                None => Unfinished::Nothing,
            },
            Task::BeginSnapshot(request, _) => Unfinished::Snapshot(request.shard, request.index),
            Task::Reuse { .. } | Task::Trim(_) | Task::RemoveSnapshot(_) | Task::Nothing => {
                Unfinished::Nothing
            }
        }
    }

    /// Removes what the disk had no room for, so that it can be begun again.
    pub(super) fn abandon(&mut self, unfinished: Unfinished) -> Result<(), DiskError> {
        match unfinished {
            Unfinished::Segment(purpose) => {
                self.preparing = None;
                self.remove_unfinished(&purpose.unfinished())?;
                if let Purpose::Next { sequence, .. } = purpose {
                    let mut upkeep = self.shared.upkeep.lock();
                    upkeep.next = NextSegment::Wanted(sequence);
                    self.lack_segment(&mut upkeep);
                }
            }
            Unfinished::Snapshot(shard, index) => {
                let writing = self.writing.take();
                let needs_bytes = writing.as_ref().map_or(1, SnapshotWriter::needs_bytes);
                let name = match &writing {
                    Some(writing) => writing.unfinished().to_owned(),
                    None => name::temporary(&name::snapshot(shard, index)),
                };
                let spare = match writing {
                    Some(writing) => writing.give_up(self.options.segment_bytes)?,
                    None => None,
                };
                if spare.is_none() {
                    self.remove_unfinished(&name)?;
                }
                let place = usize::from(shard.0);
                let mut upkeep = self.shared.upkeep.lock();
                upkeep.spares.extend(spare);
                // Unless a newer one waits already.
                if upkeep.requested[place] == index {
                    upkeep.requested[place] = upkeep.snapshots[place].index;
                    upkeep.unsaved.push(Unsaved {
                        shard: place,
                        needs_bytes,
                        needs_free: self.budget.needs_free(needs_bytes),
                    });
                    self.shared.set_short(Shortage::Snapshot, true);
                }
            }
            Unfinished::Nothing => {}
        }
        Ok(())
    }

    fn remove_unfinished(&self, name: &str) -> Result<(), DiskError> {
        match self.disk.remove(name) {
            // The disk had no room even for its name.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            removed => removed.map_err(DiskError::on(Action::Remove, name)),
        }
    }
}
