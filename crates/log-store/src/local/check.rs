//! Reads a whole store and says what is there.

use super::contents::{Contents, read_format, size_of};
use super::error::{Action, Corruption, Damage, DiskError, Flaw, OpenError};
use super::name::{self, Name};
use super::pages;
use super::progress::{Progress, Shards};
use super::recovery::{Recovery, Replays, Scanned, at_file};
use crate::disk::{Disk, DiskFile};
use crate::shard_log::Replayed;
use model::{LogIndex, PageNumber, ShardId};

/// What stands in a store's folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// All files, by ascending name.
    pub files: Vec<FileReport>,
    /// All shards, ascending.
    pub shards: Vec<ShardReport>,
    /// The shards that have lost something, or may have, by ascending shard.
    pub damaged: Vec<Damage>,
    /// Damaged places that cost no shard anything; the first 64 of them.
    pub harmless: Vec<Corruption>,
    /// Pages that are not as they were saved, places where nobody knows any more which pages stood there, and segments
    /// of pages whose header or index cannot be read.
    pub damaged_pages: Vec<Corruption>,
    /// The pages of which an intact copy is there, ascending.
    pub pages: Vec<(ShardId, PageNumber)>,
    /// Bytes of a write that a crash interrupted and that was never confirmed.
    pub torn_bytes: u64,
    /// Files that are not the store's.
    pub unknown_files: Vec<String>,
    /// Files that were not finished; an opening removes them.
    pub unfinished_files: Vec<String>,
    /// Files that a repair, or the opening of a damaged store, has replaced.
    pub set_aside_files: Vec<String>,
    /// Whether a repair was interrupted when it replaced files. The next opening or repair finishes it; until
    /// then the rest of this report shows a store half replaced.
    pub is_repair_unfinished: bool,
}

/// A file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileReport {
    /// Its name.
    pub name: String,
    /// Its size.
    pub bytes: u64,
}

/// What is there of a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShardReport {
    /// Which it is.
    pub shard: ShardId,
    /// The index of its snapshot, if it has one.
    pub snapshot: Option<LogIndex>,
    /// The first of its records in the journal, if there is one.
    pub first: Option<LogIndex>,
    /// The last index that its log is known to have; 0 if none.
    pub last: LogIndex,
    /// How many intact records the journal holds of it.
    pub records: u64,
}

/// Reads everything in a store and changes nothing. Hands records to `replay` as
/// [`Local::open`](crate::Local::open) does.
///
/// # Errors
/// As [`Local::open`](crate::Local::open), where the store as a whole cannot be read.
pub fn check<D: Disk>(disk: &D, replay: &mut dyn FnMut(Replayed<'_>)) -> Result<Report, OpenError> {
    let contents = Contents::read(disk)?;
    let tell = &mut |_| {};
    if !contents.has_format {
        return Err(at_file(name::FORMAT, 0, Flaw::Missing).into());
    }
    let format = read_format(disk)?;
    let mut recovery = Recovery::new(disk, format, &contents, (replay, Replays::UpToDamage), tell)?;
    recovery.read_snapshots(&contents)?;
    let scanned = recovery.scan_any(&contents.segments)?;
    let (recovered, shards) = recovery.finish();
    let (pages, damaged_pages) = pages::check(disk, format.store, format.shards, &contents.pages)?;
    Ok(Report {
        files: files(disk)?,
        shards: shard_reports(&shards),
        damaged: recovered.damaged,
        harmless: recovered.harmless,
        damaged_pages,
        pages: pages.into_iter().collect(),
        torn_bytes: scanned.as_ref().map_or(Ok(0), Scanned::torn_bytes)?,
        unknown_files: contents.unknown,
        unfinished_files: [contents.temporary, contents.repaired].concat(),
        set_aside_files: contents.aside,
        is_repair_unfinished: contents.has_repair,
    })
}

fn files<D: Disk>(disk: &D) -> Result<Vec<FileReport>, OpenError> {
    let names = disk.list().map_err(DiskError::on(Action::List, "."))?;
    let mut files = Vec::new();
    for name in names {
        // What is not the store's may be what cannot be opened: a folder, somebody else's file.
        let bytes = if Name::parse(&name) == Name::Unknown {
            let size = disk.open(&name).and_then(|file| file.size_bytes());
            size.unwrap_or_default()
        } else {
            size_of(disk, &name)?
        };
        files.push(FileReport { name, bytes });
    }
    Ok(files)
}

fn shard_reports(shards: &Shards) -> Vec<ShardReport> {
    let report = |(shard, progress): (u16, &Progress)| ShardReport {
        shard: ShardId(shard),
        snapshot: (progress.snapshot_named > 0).then_some(LogIndex(progress.snapshot_named)),
        first: progress.first.map(LogIndex),
        last: LogIndex(progress.last()),
        records: progress.records,
    };
    (0..).zip(&shards.all).map(report).collect()
}

impl<D: Disk> Recovery<'_, D> {
    /// As [`scan`](Self::scan), also where there is no segment at all.
    pub(super) fn scan_any(
        &mut self,
        sequences: &[u64],
    ) -> Result<Option<Scanned<D::File>>, OpenError> {
        if sequences.is_empty() {
            let first = name::segment(1);
            self.shards.hole(at_file(&first, 0, Flaw::Missing));
            self.shards.end(&first, 0);
            return Ok(None);
        }
        self.scan(sequences).map(Some)
    }
}
