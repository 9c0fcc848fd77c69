//! What stands in the folder.

use super::error::{Action, Corruption, DiskError, Flaw, OpenError};
use super::header::{HEADER_BYTES, Header, Kind};
use super::name::{self, Name};
use super::open::SHARDS_MAX;
use super::progress::Progress;
use super::reader::Reader;
use super::recovery::{Recovery, Replays, at_file};
use super::shared::SnapshotFile;
use super::snapshot;
use crate::disk::{Disk, DiskFile};
use model::{LogIndex, ShardId};

/// The files of a store, by what they are; each kind sorted.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) has_format: bool,
    /// Whether a repair was interrupted that had begun to replace files.
    pub(super) has_repair: bool,
    pub(super) segments: Vec<u64>,
    pub(super) snapshots: Vec<(ShardId, LogIndex)>,
    pub(super) pages: Vec<u32>,
    pub(super) spares: Vec<u64>,
    pub(super) repaired: Vec<String>,
    pub(super) temporary: Vec<String>,
    pub(super) aside: Vec<String>,
    pub(super) unknown: Vec<String>,
}

/// What the store is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Format {
    pub(super) store: u64,
    pub(super) shards: u16,
}

impl Contents {
    pub(super) fn read<D: Disk>(disk: &D) -> Result<Self, DiskError> {
        let names = disk.list().map_err(DiskError::on(Action::List, "."))?;
        let mut contents = Self::default();
        for name in names {
            match Name::parse(&name) {
                Name::Format => contents.has_format = true,
                Name::Segment(sequence) => contents.segments.push(sequence),
                Name::Snapshot(shard, index) => contents.snapshots.push((shard, index)),
                Name::Pages(sequence) => contents.pages.push(sequence),
                Name::Spare(number) => contents.spares.push(number),
                Name::Repair => contents.has_repair = true,
                Name::Repaired => contents.repaired.push(name),
                Name::Temporary => contents.temporary.push(name),
                Name::Aside => contents.aside.push(name),
                Name::Unknown => contents.unknown.push(name),
            }
        }
        contents.segments.sort_unstable();
        contents.snapshots.sort_unstable();
        contents.pages.sort_unstable();
        contents.spares.sort_unstable();
        Ok(contents)
    }

    /// How each shard is read: not at all yet, behind its newest snapshot.
    pub(super) fn progress(&self, shards: u16) -> Result<Box<[Progress]>, Corruption> {
        let mut all = vec![Progress::default(); usize::from(shards)].into_boxed_slice();
        for (shard, index) in &self.snapshots {
            let Some(progress) = all.get_mut(usize::from(shard.0)) else {
                return Err(Corruption {
                    shard: Some(*shard),
                    index: Some(*index),
                    ..at_file(&name::snapshot(*shard, *index), 0, Flaw::UnknownShard)
                });
            };
            // They ascend.
            progress.snapshot = index.0;
            progress.snapshot_named = index.0;
        }
        Ok(all)
    }

    /// The bytes of the files that an opening reads.
    pub(super) fn bytes_to_read<D: Disk>(
        &self,
        disk: &D,
        all: &[Progress],
    ) -> Result<u64, DiskError> {
        let snapshots = (0..).map(ShardId).zip(all);
        let snapshots = snapshots
            .filter(|(_, progress)| progress.snapshot_named > 0)
            .map(|(shard, progress)| name::snapshot(shard, LogIndex(progress.snapshot_named)));
        let segments = self.segments.iter().copied().map(name::segment);
        let mut bytes = 0;
        for name in snapshots.chain(segments) {
            bytes += size_of(disk, &name)?;
        }
        Ok(bytes)
    }
}

/// The size of a file in bytes.
pub(super) fn size_of<D: Disk>(disk: &D, name: &str) -> Result<u64, DiskError> {
    let file = disk.open(name).map_err(DiskError::on(Action::Open, name))?;
    file.size_bytes().map_err(DiskError::on(Action::Read, name))
}

/// The store's number and how many shards it has.
pub(super) fn read_format<D: Disk>(disk: &D) -> Result<Format, OpenError> {
    let name = name::FORMAT;
    let file = disk.open(name).map_err(DiskError::on(Action::Open, name))?;
    let mut bytes = [0; HEADER_BYTES];
    let count = file
        .read_at(&mut bytes, 0)
        .map_err(DiskError::on(Action::Read, name))?;
    let header = Header::decode(Kind::Format, name, &bytes[..count])?;
    if !(1..=SHARDS_MAX).contains(&header.shard) {
        return Err(at_file(name, 0, Flaw::Header).into());
    }
    Ok(Format {
        store: header.store,
        shards: header.shard,
    })
}

impl<D: Disk> Recovery<'_, D> {
    /// Reads the current snapshot of each shard; a shard whose snapshot is damaged is damaged.
    pub(super) fn read_snapshots(
        &mut self,
        contents: &Contents,
    ) -> Result<Box<[SnapshotFile]>, OpenError> {
        let mut files = vec![SnapshotFile::default(); self.shards.all.len()].into_boxed_slice();
        for (shard, place) in (0..).map(ShardId).zip(0..self.shards.all.len()) {
            let named = LogIndex(self.shards.all[place].snapshot_named);
            if named == LogIndex(0) {
                continue;
            }
            let bytes = match self.read_snapshot(shard, named)? {
                Ok(bytes) => bytes,
                Err(corruption) => {
                    self.shards.all[place].blame(corruption);
                    self.read_older_snapshot(contents, shard, named)?;
                    size_of(self.disk, &name::snapshot(shard, named))?
                }
            };
            files[place] = SnapshotFile {
                index: named,
                bytes,
            };
        }
        Ok(files)
    }

    /// Where what survives is wanted, reads the newest snapshot before `named` that is intact.
    fn read_older_snapshot(
        &mut self,
        contents: &Contents,
        shard: ShardId,
        named: LogIndex,
    ) -> Result<(), OpenError> {
        if self.replays == Replays::UpToDamage {
            return Ok(());
        }
        let older = contents.snapshots.iter().rev();
        let mut base = LogIndex(0);
        for (_, index) in older.filter(|(of, index)| *of == shard && *index < named) {
            if self.read_snapshot(shard, *index)?.is_ok() {
                base = *index;
                break;
            }
        }
        self.shards.all[usize::from(shard.0)].snapshot = base.0;
        Ok(())
    }

    /// Reads one; returns its size, or what is wrong with it.
    fn read_snapshot(
        &mut self,
        shard: ShardId,
        index: LogIndex,
    ) -> Result<Result<u64, Corruption>, OpenError> {
        let name = name::snapshot(shard, index);
        let file = self
            .disk
            .open(&name)
            .map_err(DiskError::on(Action::Open, &name))?;
        let mut reader = Reader::new(&name, &file)?;
        let place = (shard, index);
        if self.replays == Replays::Survivors {
            // Nothing of one that is not whole is wanted.
            let whole = snapshot::read(&mut reader, self.store, place, &mut |_| {}, &mut |_| {});
            if let Some(corruption) = found_corrupt(whole)? {
                return Ok(Err(corruption));
            }
        }
        self.meter.begin();
        let meter = &mut self.meter;
        let mut reached = |offset| meter.reached(offset);
        let read = snapshot::read(&mut reader, self.store, place, self.replay, &mut reached);
        let size = reader.size_bytes();
        self.meter.reached(size);
        match read {
            Ok(records) => {
                self.recovered.snapshots += 1;
                self.recovered.snapshot_records += records;
                Ok(Ok(size))
            }
            Err(error) => match found_corrupt(Err(error))? {
                Some(corruption) => Ok(Err(corruption)),
                None => Ok(Ok(size)),
            },
        }
    }
}

/// Tells what is only damaged from what cannot be the store's.
fn found_corrupt(read: Result<u64, OpenError>) -> Result<Option<Corruption>, OpenError> {
    match read {
        Ok(_) => Ok(None),
        Err(OpenError::Corrupt(corruption)) if corruption.flaw != Flaw::Foreign => {
            Ok(Some(corruption))
        }
        Err(error) => Err(error),
    }
}
