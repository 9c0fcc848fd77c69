//! Opening a store: what is there, what is missing, what is unfinished.

use super::error::{Action, Corruption, DiskError, Flaw, JournalError, OpenError};
use super::header::{HEADER_BYTES, Header, Kind};
use super::housekeeper::{Housekeeper, create_segment, finish_segment};
use super::journal::{Journal, Position, bytes_u64};
use super::log::LocalLog;
use super::name::{self, Name};
use super::reader::Reader;
use super::recovery::{End, Progress, Recovery};
use super::shared::{NextSegment, Shared, SnapshotFile, Upkeep};
use super::snapshot;
use crate::disk::{Disk, DiskFile};
use crate::shard_log::Replayed;
use model::{LogIndex, ShardId};
use std::collections::VecDeque;
use std::io::IoSlice;
use std::sync::Arc;

/// The most shards that a store may have.
pub const SHARDS_MAX: u16 = 4096;

/// How a store is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How many shards a new store has, 1 to [`SHARDS_MAX`]. A store that exists keeps the number it
    /// was created with, whatever this says.
    pub shards: u16,
    /// How large the journal's segments should become, in bytes.
    pub segment_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            shards: 64,
            segment_bytes: 64 << 20,
        }
    }
}

impl Options {
    fn check(self) {
        assert!(
            (1..=SHARDS_MAX).contains(&self.shards),
            "a store has 1 to {SHARDS_MAX} shards, not {}",
            self.shards
        );
    }
}

/// An open store: its parts, each for another thread.
#[derive(Debug)]
pub struct Local<D: Disk> {
    /// One log per shard, by ascending shard.
    pub logs: Vec<LocalLog>,
    /// Makes what they submit durable.
    pub journal: Journal<D>,
    /// Does what is not urgent. Without it the journal only grows and no snapshot is saved.
    pub housekeeper: Housekeeper<D>,
    /// What was found.
    pub recovered: Recovered,
}

/// What an open store has found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Records replayed from the journal.
    pub records: u64,
    /// The bytes of their payloads.
    pub bytes: u64,
    /// The journal's segments.
    pub segments: usize,
    /// Snapshots read.
    pub snapshots: usize,
    /// Records replayed from snapshots.
    pub snapshot_records: u64,
    /// Bytes of a write that a crash interrupted and that was never confirmed.
    pub torn_bytes_cut: u64,
    /// Unfinished files that were removed.
    pub unfinished_files: Vec<String>,
    /// Files that are not the store's. They are left alone.
    pub unknown_files: Vec<String>,
}

/// What stands in the folder.
#[derive(Debug, Default)]
struct Contents {
    has_format: bool,
    segments: Vec<u64>,
    snapshots: Vec<(ShardId, LogIndex)>,
    temporary: Vec<String>,
    unknown: Vec<String>,
}

impl<D: Disk> Local<D> {
    /// Opens the store on `disk`, or creates it where there is none, and hands every record that it
    /// holds to `replay`: first those of all snapshots, then those of the journal; each shard's in
    /// order.
    ///
    /// When this returns, everything replayed is durable.
    ///
    /// # Errors
    /// [`OpenError::Corrupt`] when something that was durable is damaged or missing, and
    /// [`OpenError::Newer`] when a later version has written it: then nothing was changed on the disk.
    /// [`OpenError::Disk`] when the disk refuses. In each case what was replayed means nothing.
    ///
    /// # Panics
    /// When `options.shards` is out of range.
    pub fn open(
        disk: D,
        options: Options,
        replay: &mut dyn FnMut(Replayed<'_>),
    ) -> Result<Self, OpenError> {
        options.check();
        let mut contents = Contents::read(&disk)?;
        if !contents.has_format {
            create(&disk, &mut contents, options.shards)?;
        }
        let (store, shards) = read_format(&disk)?;
        contents.check_segments()?;
        let snapshots = contents.current_snapshots(shards)?;
        let mut recovery = Recovery {
            disk: &disk,
            store,
            shards: snapshots
                .iter()
                .map(|index| Progress::after_snapshot(*index))
                .collect(),
            replay,
            recovered: Recovered::default(),
        };
        let files = read_snapshots(&mut recovery, &snapshots)?;
        let end = recovery.read_journal(&contents.segments)?;
        let last: Vec<LogIndex> = recovery.shards.iter().map(Progress::last).collect();
        let mut recovered = recovery.recovered;
        remove_temporary(&disk, &contents.temporary)?;
        recovered.unfinished_files = contents.temporary;
        recovered.unknown_files = contents.unknown;

        let upkeep = Upkeep {
            due: true,
            closed: false,
            next: if end.has_next {
                NextSegment::Ready(end.segment.sequence + 1)
            } else {
                NextSegment::NotYet
            },
            closed_segments: VecDeque::from(end.closed.clone()),
            requested: vec![LogIndex(0); last.len()].into_boxed_slice(),
            requests: VecDeque::new(),
            obsolete: obsolete(&contents.snapshots, &snapshots),
            snapshots: files,
            review: true,
        };
        let shared = Arc::new(Shared::new(&last, upkeep));
        let logs = (0..shards)
            .zip(&last)
            .map(|(shard, last)| LocalLog::new(Arc::clone(&shared), ShardId(shard), last.next()))
            .collect();
        let position = position(end, store, options.segment_bytes);
        let mut journal = Journal::new(Arc::clone(&shared), disk.clone(), position);
        match journal.seal() {
            Ok(()) => {}
            Err(JournalError::Disk(error)) => return Err(error.into()),
            Err(JournalError::Failed) => unreachable!("a new store has not failed"),
        }
        Ok(Self {
            logs,
            journal,
            housekeeper: Housekeeper::new(shared, disk, store, options.segment_bytes),
            recovered,
        })
    }
}

fn position<F>(end: End<F>, store: u64, segment_bytes: u64) -> Position<F> {
    Position {
        store,
        segment_bytes,
        segment: end.segment,
        next_round: end.next_round,
        sealed: end.sealed,
    }
}

impl Contents {
    fn read<D: Disk>(disk: &D) -> Result<Self, DiskError> {
        let names = disk.list().map_err(DiskError::on(Action::List, "."))?;
        let mut contents = Self::default();
        for name in names {
            match Name::parse(&name) {
                Name::Format => contents.has_format = true,
                Name::Segment(sequence) => contents.segments.push(sequence),
                Name::Snapshot(shard, index) => contents.snapshots.push((shard, index)),
                Name::Temporary => contents.temporary.push(name),
                Name::Unknown => contents.unknown.push(name),
            }
        }
        contents.segments.sort_unstable();
        contents.snapshots.sort_unstable();
        Ok(contents)
    }

    /// The journal is there and has no hole.
    fn check_segments(&self) -> Result<(), Corruption> {
        if self.segments.is_empty() {
            return Err(missing(&name::segment(1)));
        }
        for pair in self.segments.windows(2) {
            if pair[0] + 1 != pair[1] {
                return Err(missing(&name::segment(pair[0] + 1)));
            }
        }
        Ok(())
    }

    /// The newest snapshot's index of each shard; 0 where there is none.
    fn current_snapshots(&self, shards: u16) -> Result<Vec<LogIndex>, Corruption> {
        let mut current = vec![LogIndex(0); usize::from(shards)];
        for (shard, index) in &self.snapshots {
            match current.get_mut(usize::from(shard.0)) {
                Some(current) => *current = *index.max(current),
                None => {
                    return Err(Corruption {
                        shard: Some(*shard),
                        index: Some(*index),
                        flaw: Flaw::UnknownShard,
                        ..missing(&name::snapshot(*shard, *index))
                    });
                }
            }
        }
        Ok(current)
    }
}

/// Creates the first segment, then the format file: a folder that has it has a whole store.
fn create<D: Disk>(disk: &D, contents: &mut Contents, shards: u16) -> Result<(), OpenError> {
    let first = name::segment(1);
    match (contents.segments.as_slice(), contents.snapshots.as_slice()) {
        ([], []) => {}
        // A creation that was interrupted: nothing was ever submitted.
        ([1], []) if is_empty_segment(disk, &first)? => {}
        _ => return Err(missing(name::FORMAT).into()),
    }
    let store = disk.random();
    let (name, file, _) = create_segment(disk, store, 1)?;
    finish_segment(disk, &name, &file)?;
    let temporary = name::temporary(name::FORMAT);
    let file = disk
        .create(&temporary)
        .map_err(DiskError::on(Action::Create, &temporary))?;
    let header = Header {
        store,
        number: 0,
        shard: shards,
    };
    file.write_all_at(&mut [IoSlice::new(&header.encode(Kind::Format))], 0)
        .map_err(DiskError::on(Action::Write, &temporary))?;
    finish_segment(disk, name::FORMAT, &file)?;
    contents.segments = vec![1];
    contents
        .temporary
        .retain(|name| *name != temporary && *name != name::temporary(&first));
    Ok(())
}

fn is_empty_segment<D: Disk>(disk: &D, name: &str) -> Result<bool, DiskError> {
    let file = disk.open(name).map_err(DiskError::on(Action::Open, name))?;
    let size = file
        .size_bytes()
        .map_err(DiskError::on(Action::Read, name))?;
    Ok(size == bytes_u64(HEADER_BYTES))
}

/// The store's number and how many shards it has.
fn read_format<D: Disk>(disk: &D) -> Result<(u64, u16), OpenError> {
    let name = name::FORMAT;
    let file = disk.open(name).map_err(DiskError::on(Action::Open, name))?;
    let mut bytes = [0; HEADER_BYTES];
    let count = file
        .read_at(&mut bytes, 0)
        .map_err(DiskError::on(Action::Read, name))?;
    let header = Header::decode(Kind::Format, name, &bytes[..count])?;
    if !(1..=SHARDS_MAX).contains(&header.shard) {
        return Err(OpenError::from(Corruption {
            flaw: Flaw::Header,
            ..missing(name)
        }));
    }
    Ok((header.store, header.shard))
}

fn read_snapshots<D: Disk>(
    recovery: &mut Recovery<'_, D>,
    snapshots: &[LogIndex],
) -> Result<Box<[SnapshotFile]>, OpenError> {
    let mut files = vec![SnapshotFile::default(); snapshots.len()].into_boxed_slice();
    for ((shard, index), slot) in (0..).map(ShardId).zip(snapshots).zip(&mut files) {
        if *index == LogIndex(0) {
            continue;
        }
        let name = name::snapshot(shard, *index);
        let file = recovery
            .disk
            .open(&name)
            .map_err(DiskError::on(Action::Open, &name))?;
        let mut reader = Reader::new(&name, &file)?;
        let place = (shard, *index);
        let records = snapshot::read(&mut reader, recovery.store, place, recovery.replay)?;
        recovery.recovered.snapshots += 1;
        recovery.recovered.snapshot_records += records;
        *slot = SnapshotFile {
            index: *index,
            bytes: reader.size_bytes(),
        };
    }
    Ok(files)
}

/// The names of the snapshots that a newer one has replaced.
fn obsolete(all: &[(ShardId, LogIndex)], current: &[LogIndex]) -> Vec<String> {
    all.iter()
        .filter(|(shard, index)| *index < current[usize::from(shard.0)])
        .map(|(shard, index)| name::snapshot(*shard, *index))
        .collect()
}

fn remove_temporary<D: Disk>(disk: &D, names: &[String]) -> Result<(), DiskError> {
    for name in names {
        disk.remove(name)
            .map_err(DiskError::on(Action::Remove, name))?;
    }
    // Also the names that the last process changed and did not live to sync.
    disk.sync_dir()
        .map_err(DiskError::on(Action::SyncFolder, "."))
}

fn missing(file: &str) -> Corruption {
    Corruption {
        file: file.to_owned(),
        offset: 0,
        shard: None,
        index: None,
        flaw: Flaw::Missing,
    }
}
