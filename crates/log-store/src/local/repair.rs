//! Makes a damaged store one that opens, from everything that survives in it.
//!
//! 1. Of each damaged shard a snapshot is written that holds every record of it that survives: those of its
//!    newest intact snapshot, and those of the journal behind it. It stands at the last index that the shard
//!    is known to have had.
//! 2. Of all other shards the records of the journal are copied to a segment of their own.
//! 3. These files, whose names begin with `repaired-`, are synced, and the file `repair` is created. Up to here
//!    nothing is changed, and what was begun is removed by the next opening.
//! 4. What they replace is set aside: the segments, the damaged shards' snapshots. They take their names, and
//!    `repair` is removed. If this is interrupted, the next opening or repair does the rest.

use super::contents::{Contents, Format, read_format};
use super::error::{Action, DiskError, Flaw, OpenError};
use super::header::{Header, Kind};
use super::journal::bytes_u64;
use super::name::{self, Name};
use super::progress::{Progress, Shards};
use super::recovery::{Recovery, Replays, at_file};
use super::round::{self, Entry, Origin};
use super::segments::finish_segment;
use super::snapshot;
use crate::disk::{Disk, DiskFile};
use crate::record;
use crate::shard_log::Replayed;
use model::{LogIndex, ShardId};
use std::collections::BTreeMap;
use std::io::IoSlice;

/// The bytes of a round of the repaired journal; more only where one record is larger.
const ROUND_BYTES: usize = 4 << 20;

/// What is collected of a file before it is written.
const WRITE_BYTES: usize = 256 << 10;

/// How many snapshots are written at a time: the journal is read once for so many.
const WRITERS_MAX: usize = 64;

/// What a repair has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repaired {
    /// Whether it was done.
    pub outcome: RepairOutcome,
    /// What is lost of each damaged shard, by ascending shard.
    pub lost: Vec<Lost>,
    /// The names that the replaced files have now.
    pub set_aside: Vec<String>,
}

/// Whether a repair was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RepairOutcome {
    /// There is no damage. Nothing was changed.
    NotNeeded,
    /// Something is lost, and that was not accepted. Nothing was changed.
    NotAccepted,
    /// The store opens without damage.
    Done,
}

/// What is lost of a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Which it is.
    pub shard: ShardId,
    /// The indexes that are missing, each range as its first and its last one, ascending. If the snapshot is
    /// lost, so are the indexes that only it stood for.
    pub ranges: Vec<(LogIndex, LogIndex)>,
    /// Whether records behind the last known one may be lost, too.
    pub has_lost_tail: bool,
    /// How many records survive, those of a snapshot included.
    pub survivors: u64,
}

/// Repairs a store: afterwards it opens without damage, with everything of the undamaged shards and what
/// survives of the others. Files that are replaced are set aside, not deleted.
///
/// Where a shard has lost something, nothing is done unless `accept_loss` is set: what would be lost is told.
///
/// # Errors
/// As [`Local::open`](crate::Local::open), where the store as a whole cannot be read, or the disk refuses.
/// Then either nothing was changed, or the next opening finishes the repair.
pub fn repair<D: Disk>(disk: &D, accept_loss: bool) -> Result<Repaired, OpenError> {
    let mut contents = Contents::read(disk)?;
    let mut set_aside = Vec::new();
    if contents.has_repair {
        set_aside = finish(disk, &contents)?;
        contents = Contents::read(disk)?;
    }
    if !contents.has_format {
        return Err(at_file(name::FORMAT, 0, Flaw::Missing).into());
    }
    let store = Store {
        disk,
        format: read_format(disk)?,
        contents,
    };
    let mut survivors = vec![0; usize::from(store.format.shards)];
    let mut count = |record: Replayed<'_>| survivors[usize::from(record.shard.0)] += 1;
    let (next_round, shards) = store.read(&mut count)?;
    let lost = losses(&shards, &survivors);
    let (_, harmless) = shards.findings();
    let outcome = if lost.is_empty() && harmless.is_empty() {
        RepairOutcome::NotNeeded
    } else if !lost.is_empty() && !accept_loss {
        RepairOutcome::NotAccepted
    } else {
        set_aside.append(&mut store.replace(&shards, next_round)?);
        RepairOutcome::Done
    };
    Ok(Repaired {
        outcome,
        lost,
        set_aside,
    })
}

fn losses(shards: &Shards, survivors: &[u64]) -> Vec<Lost> {
    let all = (0..).map(ShardId).zip(&shards.all).zip(survivors);
    let damaged = all.filter(|((_, progress), _)| progress.is_damaged());
    damaged
        .map(|((shard, progress), survivors)| Lost {
            shard,
            ranges: progress
                .lost
                .iter()
                .map(|(first, last)| (LogIndex(*first), LogIndex(*last)))
                .collect(),
            has_lost_tail: progress.has_lost_tail,
            survivors: *survivors,
        })
        .collect()
}

/// A store that is repaired.
struct Store<'a, D: Disk> {
    disk: &'a D,
    format: Format,
    contents: Contents,
}

impl<D: Disk> Store<'_, D> {
    /// Hands on all records that survive; returns the number of the next round, and what is known of the shards.
    fn read(&self, replay: &mut dyn FnMut(Replayed<'_>)) -> Result<(u64, Shards), OpenError> {
        let mut hand_on = |record: Replayed<'_>| replay(record);
        let mut tell = |_| {};
        let (replays, tell) = (
            (
                &mut hand_on as &mut dyn FnMut(Replayed<'_>),
                Replays::Survivors,
            ),
            &mut tell,
        );
        let mut recovery = Recovery::new(self.disk, self.format, &self.contents, replays, tell)?;
        recovery.read_snapshots(&self.contents)?;
        let scanned = recovery.scan_any(&self.contents.segments)?;
        let next_round = scanned.map_or(1, |scanned| scanned.next_round);
        let (_, shards) = recovery.finish();
        Ok((next_round, shards))
    }

    /// As [`read`](Self::read), with a replay that may fail.
    fn try_read(
        &self,
        take: &mut dyn FnMut(Replayed<'_>) -> Result<(), DiskError>,
    ) -> Result<(), OpenError> {
        let mut taken = Ok(());
        self.read(&mut |record| {
            if taken.is_ok() {
                taken = take(record);
            }
        })?;
        Ok(taken?)
    }

    /// Writes what is to stand, and puts it into place; returns what was set aside.
    fn replace(&self, shards: &Shards, next_round: u64) -> Result<Vec<String>, OpenError> {
        let disk = self.disk;
        for name in &self.contents.repaired {
            disk.remove(name)
                .map_err(DiskError::on(Action::Remove, name))?;
        }
        let all = (0..).map(ShardId).zip(&shards.all);
        let damaged: Vec<(ShardId, &Progress)> = all
            .filter(|(_, progress)| progress.is_damaged() && progress.last() > 0)
            .collect();
        for some in damaged.chunks(WRITERS_MAX) {
            self.write_snapshots(some)?;
        }
        self.write_journal(shards, next_round)?;
        disk.sync_dir()
            .map_err(DiskError::on(Action::SyncFolder, "."))?;
        let temporary = name::temporary(name::REPAIR);
        let file = disk
            .create(&temporary)
            .map_err(DiskError::on(Action::Create, &temporary))?;
        finish_segment(disk, name::REPAIR, &file)?;
        let mut set_aside = Vec::new();
        if self.contents.segments.is_empty() {
            // Which segments they were is not known, and numbers begin anew.
            for spare in &self.contents.spares {
                set_aside.push(self::set_aside(disk, &name::spare(*spare))?);
            }
        }
        set_aside.append(&mut finish(disk, &Contents::read(disk)?)?);
        Ok(set_aside)
    }

    /// Writes the snapshots of these shards.
    fn write_snapshots(&self, damaged: &[(ShardId, &Progress)]) -> Result<(), OpenError> {
        let mut writers = BTreeMap::new();
        for (shard, progress) in damaged {
            let index = LogIndex(progress.last());
            let header = Header {
                store: self.format.store,
                number: index.0,
                shard: shard.0,
            };
            let name = name::repaired(&name::snapshot(*shard, index));
            let header = header.encode(Kind::Snapshot);
            let writer = Writer::create(self.disk, name, header.to_vec())?;
            writers.insert(shard.0, (writer, index, 0_u64));
        }
        self.try_read(&mut |found| {
            let Some((writer, index, records)) = writers.get_mut(&found.shard.0) else {
                return Ok(());
            };
            *records += 1;
            record::encode(
                &mut writer.buffer,
                found.shard.0,
                found.kind,
                index.0,
                |out| {
                    out.extend_from_slice(found.payload);
                },
            );
            writer.flush(WRITE_BYTES)
        })?;
        for (mut writer, _, records) in writers.into_values() {
            snapshot::encode_end(&mut writer.buffer, records);
            writer.finish()?;
        }
        Ok(())
    }

    /// Writes the segment with the records of all shards that are whole.
    fn write_journal(&self, shards: &Shards, next_round: u64) -> Result<(), OpenError> {
        let sequence = self.contents.segments.last().copied().unwrap_or_default() + 1;
        let header = Header {
            store: self.format.store,
            number: sequence,
            shard: 0,
        };
        let name = name::repaired(&name::segment(sequence));
        let writer = Writer::create(self.disk, name, header.encode(Kind::Journal).to_vec())?;
        let entry = |(shard, progress): (u16, &Progress)| Entry {
            shard,
            records: 0,
            last: Some(if progress.is_damaged() {
                progress.last()
            } else {
                progress.snapshot
            }),
            digest: 0,
        };
        let mut rounds = Rounds {
            writer,
            origin: Origin {
                store: self.format.store,
                segment: sequence,
            },
            number: next_round,
            table: (0..).zip(&shards.all).map(entry).collect(),
            records: Vec::new(),
        };
        // Names all shards, as the first round of a segment does.
        rounds.write()?;
        self.try_read(&mut |record| {
            let progress = &shards.all[usize::from(record.shard.0)];
            if progress.is_damaged() || record.index.0 <= progress.snapshot {
                return Ok(());
            }
            rounds.push(record)
        })?;
        if !rounds.records.is_empty() {
            rounds.write()?;
        }
        // So that nothing in front of them can be taken for torn.
        for _ in 0..2 {
            rounds.write()?;
        }
        rounds.writer.finish()?;
        Ok(())
    }
}

/// Writes rounds to a file. Every round names all shards.
struct Rounds<F> {
    writer: Writer<F>,
    origin: Origin,
    number: u64,
    /// Of the round that is collected.
    table: Vec<Entry>,
    records: Vec<u8>,
}

impl<F: DiskFile> Rounds<F> {
    fn push(&mut self, found: Replayed<'_>) -> Result<(), DiskError> {
        let (shard, index) = (found.shard.0, found.index.0);
        let sum = record::encode(&mut self.records, shard, found.kind, index, |out| {
            out.extend_from_slice(found.payload);
        });
        let entry = &mut self.table[usize::from(shard)];
        entry.records += 1;
        entry.last = Some(index);
        entry.digest = record::digest(entry.digest, sum);
        if self.records.len() >= ROUND_BYTES {
            self.write()?;
        }
        Ok(())
    }

    fn write(&mut self) -> Result<(), DiskError> {
        let bytes = bytes_u64(self.records.len());
        let out = &mut self.writer.buffer;
        round::encode(self.origin, self.number, bytes, &self.table, out);
        out.append(&mut self.records);
        self.number += 1;
        for entry in &mut self.table {
            (entry.records, entry.digest) = (0, 0);
        }
        self.writer.flush(WRITE_BYTES)
    }
}

/// Writes a file from front to back.
struct Writer<F> {
    name: String,
    file: F,
    buffer: Vec<u8>,
    written: u64,
}

impl<F: DiskFile> Writer<F> {
    fn create<D: Disk<File = F>>(
        disk: &D,
        name: String,
        header: Vec<u8>,
    ) -> Result<Self, DiskError> {
        let file = disk
            .create(&name)
            .map_err(DiskError::on(Action::Create, &name))?;
        Ok(Self {
            name,
            file,
            buffer: header,
            written: 0,
        })
    }

    /// Writes what is collected, if it is so much.
    fn flush(&mut self, at_least: usize) -> Result<(), DiskError> {
        if self.buffer.len() < at_least {
            return Ok(());
        }
        self.file
            .write_all_at(&mut [IoSlice::new(&self.buffer)], self.written)
            .map_err(DiskError::on(Action::Write, &self.name))?;
        self.written += bytes_u64(self.buffer.len());
        self.buffer.clear();
        Ok(())
    }

    fn finish(mut self) -> Result<(), DiskError> {
        self.flush(0)?;
        self.file
            .sync_data()
            .map_err(DiskError::on(Action::Sync, &self.name))
    }
}

/// Gives a file a name under which it is never read nor deleted, durably; returns that name.
pub(super) fn set_aside<D: Disk>(disk: &D, file: &str) -> Result<String, DiskError> {
    let names = disk.list().map_err(DiskError::on(Action::List, "."))?;
    let first = name::aside(file);
    let numbered = (2_u64..).map(|number| format!("{first}.{number}"));
    let mut free = std::iter::once(first.clone()).chain(numbered);
    let free = free.find(|name| !names.contains(name)).unwrap_or(first);
    disk.rename(file, &free)
        .map_err(DiskError::on(Action::Rename, file))?;
    disk.sync_dir()
        .map_err(DiskError::on(Action::SyncFolder, &free))?;
    Ok(free)
}

/// Puts repaired files into the place of what they replace; returns what was set aside. Begins where an earlier
/// try ended.
pub(super) fn finish<D: Disk>(disk: &D, contents: &Contents) -> Result<Vec<String>, DiskError> {
    let sync_dir = || {
        disk.sync_dir()
            .map_err(DiskError::on(Action::SyncFolder, name::REPAIR))
    };
    let repaired = contents.repaired.iter();
    let finished: Vec<&str> = repaired
        .filter_map(|name| name::repaired_as(name))
        .collect();
    // What has its own name already has nothing to replace any more.
    let mut replaced = Vec::new();
    for name in &finished {
        match Name::parse(name) {
            Name::Segment(_) => {
                replaced.extend(contents.segments.iter().copied().map(name::segment));
            }
            Name::Snapshot(shard, _) => {
                let own = contents.snapshots.iter().filter(|(of, _)| *of == shard);
                replaced.extend(own.map(|(shard, index)| name::snapshot(*shard, *index)));
            }
            Name::Format
            | Name::Pages(_)
            | Name::Spare(_)
            | Name::Repair
            | Name::Repaired
            | Name::Aside
            | Name::Temporary
            | Name::Unknown => {}
        }
    }
    let mut set_aside = Vec::new();
    for name in &replaced {
        set_aside.push(self::set_aside(disk, name)?);
    }
    for name in finished {
        let repaired = name::repaired(name);
        disk.rename(&repaired, name)
            .map_err(DiskError::on(Action::Rename, &repaired))?;
    }
    sync_dir()?;
    disk.remove(name::REPAIR)
        .map_err(DiskError::on(Action::Remove, name::REPAIR))?;
    sync_dir()?;
    Ok(set_aside)
}
