//! Opening a store: what is there, what is missing, what is unfinished.

use super::contents::{Contents, Format, read_format};
use super::error::{Action, Corruption, Damage, DiskError, Flaw, JournalError, OpenError};
use super::header::{HEADER_BYTES, Header, Kind};
use super::housekeeper::Housekeeper;
use super::journal::{Journal, Position, bytes_u64};
use super::log::LocalLog;
use super::meter::{Meter, OpenProgress};
use super::name;
use super::pages::{self, PageReader, Pager};
use super::progress::{Progress, Shards};
use super::recovery::{Recovery, Replays, Scanned, at_file};
use super::repair;
use super::segments::{allocate, create_segment, finish_segment};
use super::shared::{NextSegment, Shared, Upkeep};
use super::space::{SPARES_MAX, Spare, is_full};
use super::tally::Tally;
use crate::disk::{Disk, DiskFile};
use crate::shard_log::Replayed;
use model::{LogIndex, ShardId};
use std::collections::VecDeque;
use std::io::IoSlice;
use std::sync::Arc;

/// The most shards that a store may have.
pub const SHARDS_MAX: u16 = 4096;

/// The largest that segments of pages can be asked to become.
pub const PAGE_SEGMENT_BYTES_MAX: u64 = 4 << 30;

/// How a store is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How many shards a new store has, 1 to [`SHARDS_MAX`]. A store that exists keeps the number it
    /// was created with, whatever this says.
    pub shards: u16,
    /// How large the journal's segments should become, in bytes.
    pub segment_bytes: u64,
    /// How large the segments of pages should become, in bytes, up to [`PAGE_SEGMENT_BYTES_MAX`]. A page that is
    /// larger gets a segment of its own.
    pub page_segment_bytes: u64,
    /// When less is free on the disk, in bytes, the store is [`Low`](crate::Space::Low).
    pub free_bytes_min: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            shards: 64,
            segment_bytes: 64 << 20,
            page_segment_bytes: 64 << 20,
            free_bytes_min: 256 << 20,
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
        assert!(
            self.page_segment_bytes <= PAGE_SEGMENT_BYTES_MAX,
            "segments of pages have up to {PAGE_SEGMENT_BYTES_MAX} bytes, not {}",
            self.page_segment_bytes
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
    /// Saves and frees pages.
    pub pager: Pager<D>,
    /// Reads pages.
    pub reader: PageReader<D>,
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
    /// The shards that have lost something, or may have, by ascending shard. Their logs are closed, and what was
    /// replayed of them means nothing.
    pub damaged: Vec<Damage>,
    /// Damaged places that cost no shard anything; the first 64 of them.
    pub harmless: Vec<Corruption>,
    /// Unfinished files that were removed.
    pub unfinished_files: Vec<String>,
    /// Files that are not the store's. They are left alone.
    pub unknown_files: Vec<String>,
    /// Places in segments of pages of which nobody knows any more which pages stood there; the first 64 of each segment.
    /// What is intact around them is there. They are left alone; [`keep_pages`](crate::ShardLog::keep_pages) tells which
    /// pages are missing.
    pub damaged_pages: Vec<Corruption>,
}

impl<D: Disk> Local<D> {
    /// Opens the store on `disk`, or creates it where there is none, and hands every record that it
    /// holds to `replay`: first those of all snapshots, then those of the journal; each shard's in
    /// order.
    ///
    /// When this returns, everything replayed is durable. Where something that was durable is damaged or
    /// missing, the shards that it hits are named in [`Recovered::damaged`], and the others are whole.
    ///
    /// # Errors
    /// [`OpenError::Corrupt`] when something is damaged on which all shards depend, or belongs to another store,
    /// and [`OpenError::Newer`] or [`OpenError::Older`] when a version has written it that is not this one: then
    /// nothing was changed on the disk. [`OpenError::Disk`] when the disk refuses. In each case what was
    /// replayed means nothing.
    ///
    /// # Panics
    /// When `options.shards` or `options.page_segment_bytes` is out of range.
    pub fn open(
        disk: D,
        options: Options,
        replay: &mut dyn FnMut(Replayed<'_>),
    ) -> Result<Self, OpenError> {
        Self::open_telling(disk, options, replay, &mut |_| {})
    }

    /// As [`open`](Self::open), and calls `tell` every few megabytes, and at the end, to say how far it has come.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    ///
    /// # Panics
    /// When `options.shards` is out of range.
    pub fn open_telling(
        disk: D,
        options: Options,
        replay: &mut dyn FnMut(Replayed<'_>),
        tell: &mut dyn FnMut(OpenProgress),
    ) -> Result<Self, OpenError> {
        options.check();
        let mut contents = Contents::read(&disk)?;
        if contents.has_repair {
            repair::finish(&disk, &contents)?;
            contents = Contents::read(&disk)?;
        }
        if !contents.has_format {
            create(&disk, &mut contents, options.shards)?;
        }
        let format = read_format(&disk)?;
        if contents.segments.is_empty() {
            return Err(at_file(&name::segment(1), 0, Flaw::Missing).into());
        }
        let page_bytes = options.page_segment_bytes;
        let (store, shards) = (format.store, format.shards);
        let mut pages = pages::read(&disk, store, shards, page_bytes, &contents.pages)?;
        let mut recovery = Recovery::new(
            &disk,
            format,
            &contents,
            (replay, Replays::UpToDamage),
            tell,
        )?;
        let files = recovery.read_snapshots(&contents)?;
        let scanned = recovery.scan(&contents.segments)?;
        let (mut recovered, shards) = recovery.finish();
        recovered.torn_bytes_cut = scanned.torn_bytes()?;
        scanned.clean()?;
        let spares = remove_unneeded(&disk, &mut contents, options.segment_bytes)?;
        recovered.unfinished_files = contents.temporary.clone();
        recovered.unknown_files = contents.unknown.clone();
        recovered.damaged_pages = std::mem::take(&mut pages.damaged);
        let next_pages = pages.next_sequence;
        let pages = pages.seal(&disk)?;

        let last: Vec<LogIndex> = shards.all.iter().map(|one| LogIndex(one.last())).collect();
        let next = scanned.next_segment();
        let obstacles: Vec<String> = match next {
            NextSegment::Ready(_) => Vec::new(),
            NextSegment::NotYet | NextSegment::Wanted(_) | NextSegment::Preparing => scanned
                .behind()
                .iter()
                .map(|segment| segment.name.clone())
                .collect(),
        };
        let (next_round, sealed) = (scanned.next_round, scanned.sealed);
        let (closed, segment) = scanned.into_segment();
        let upkeep = Upkeep {
            due: true,
            closed: false,
            next,
            closed_segments: VecDeque::from(closed),
            requested: vec![LogIndex(0); last.len()].into_boxed_slice(),
            requests: VecDeque::new(),
            obsolete: obsolete(&contents, &shards),
            snapshots: files,
            review: true,
            damaged: shards.all.iter().map(Progress::is_damaged).collect(),
            spares,
            unsaved: Vec::new(),
        };
        let shared = Arc::new(Shared::new(&last, upkeep, pages));
        let logs = (0..format.shards)
            .zip(&last)
            .map(|(shard, last)| LocalLog::new(Arc::clone(&shared), ShardId(shard), last.next()))
            .collect();
        let position = Position {
            store: format.store,
            segment_bytes: options.segment_bytes,
            segment,
            next_round,
            sealed,
        };
        let mut journal = Journal::new(Arc::clone(&shared), disk.clone(), position);
        seal(
            &mut journal,
            &disk,
            !recovered.damaged.is_empty(),
            &obstacles,
        )?;
        let (pager, reader) = pages::parts(&shared, &disk, store, page_bytes, next_pages);
        Ok(Self {
            logs,
            journal,
            housekeeper: Housekeeper::new(shared, disk, store, options),
            pager,
            reader,
            recovered,
        })
    }
}

impl<'a, D: Disk> Recovery<'a, D> {
    pub(super) fn new(
        disk: &'a D,
        format: Format,
        contents: &Contents,
        (replay, replays): (&'a mut dyn FnMut(Replayed<'_>), Replays),
        tell: &'a mut dyn FnMut(OpenProgress),
    ) -> Result<Self, OpenError> {
        let shards = contents.progress(format.shards)?;
        let bytes = contents.bytes_to_read(disk, &shards)?;
        Ok(Self {
            disk,
            store: format.store,
            shards: Shards::new(shards),
            replays,
            replay,
            meter: Meter::new(bytes, tell),
            recovered: Recovered::default(),
            tally: Tally::default(),
            table: Vec::new(),
            scratch: Vec::new(),
        })
    }

    /// What was found.
    pub(super) fn finish(mut self) -> (Recovered, Shards) {
        self.meter.finish();
        let mut recovered = self.recovered;
        (recovered.damaged, recovered.harmless) = self.shards.findings();
        (recovered, self.shards)
    }
}

impl<F> Scanned<F> {
    fn next_segment(&self) -> NextSegment {
        match self.behind() {
            [next] if self.has_next() => NextSegment::Ready(next.sequence),
            _ => NextSegment::NotYet,
        }
    }
}

/// Makes the end of the journal known for what it is, then sets aside the segments that are in the journal's way.
///
/// In this order: what shows that a shard is damaged may be in the way, and from now on the journal itself says
/// that it is.
fn seal<D: Disk>(
    journal: &mut Journal<D>,
    disk: &D,
    is_damaged: bool,
    obstacles: &[String],
) -> Result<(), OpenError> {
    let sealed = if is_damaged || !obstacles.is_empty() {
        journal.seal_anew()
    } else {
        journal.seal()
    };
    match sealed {
        Ok(()) => {}
        Err(JournalError::Disk(error)) => return Err(error.into()),
        Err(JournalError::Failed) => unreachable!("a new store has not failed"),
    }
    if !journal.is_sealed() && !obstacles.is_empty() {
        let full = std::io::ErrorKind::StorageFull.into();
        return Err(DiskError::on(Action::Write, &obstacles[0])(full).into());
    }
    for name in obstacles {
        repair::set_aside(disk, name)?;
    }
    Ok(())
}

/// Creates the first segment, then the format file: a folder that has it has a whole store.
fn create<D: Disk>(disk: &D, contents: &mut Contents, shards: u16) -> Result<(), OpenError> {
    let first = name::segment(1);
    if !contents.pages.is_empty() {
        return Err(at_file(name::FORMAT, 0, Flaw::Missing).into());
    }
    match (contents.segments.as_slice(), contents.snapshots.as_slice()) {
        ([], []) => {}
        // A creation that was interrupted: nothing was ever submitted.
        ([1], []) if is_empty_segment(disk, &first)? => {}
        _ => return Err(at_file(name::FORMAT, 0, Flaw::Missing).into()),
    }
    let store = disk.random();
    let (name, file) = create_segment(disk, store, 1)?;
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

/// The names of the snapshots that a newer one has replaced. What a damaged shard has is kept.
fn obsolete(contents: &Contents, shards: &Shards) -> Vec<String> {
    let is_replaced = |(shard, index): &&(ShardId, LogIndex)| {
        let progress = &shards.all[usize::from(shard.0)];
        index.0 < progress.snapshot_named && !progress.is_damaged()
    };
    let replaced = contents.snapshots.iter().filter(is_replaced);
    replaced
        .map(|(shard, index)| name::snapshot(*shard, *index))
        .collect()
}

/// Removes what is unfinished, and the spare segments that are too many; returns those that stay.
fn remove_unneeded<D: Disk>(
    disk: &D,
    contents: &mut Contents,
    segment_bytes: u64,
) -> Result<Vec<Spare>, DiskError> {
    contents.temporary.append(&mut contents.repaired);
    let mut spares = Vec::new();
    let mut useless = Vec::new();
    for number in &contents.spares {
        let name = name::spare(*number);
        match check_spare(disk, &name, segment_bytes)? {
            Some(is_filled) if spares.len() < SPARES_MAX => spares.push(Spare {
                number: *number,
                is_filled,
            }),
            Some(_) | None => useless.push(name),
        }
    }
    for name in contents.temporary.iter().cloned().chain(useless) {
        disk.remove(&name)
            .map_err(DiskError::on(Action::Remove, &name))?;
    }
    // Also the names that the last process changed and did not live to sync.
    disk.sync_dir()
        .map_err(DiskError::on(Action::SyncFolder, "."))?;
    Ok(spares)
}

/// Whether a spare is filled; `None` if it is not and its room cannot be had. One that became a snapshot may have been
/// cut already.
fn check_spare<D: Disk>(
    disk: &D,
    name: &str,
    segment_bytes: u64,
) -> Result<Option<bool>, DiskError> {
    let file = disk.open(name).map_err(DiskError::on(Action::Open, name))?;
    let size = file
        .size_bytes()
        .map_err(DiskError::on(Action::Read, name))?;
    if size >= segment_bytes {
        return Ok(Some(true));
    }
    match allocate(&file, name, segment_bytes) {
        Ok(is_allocated) => Ok(is_allocated.then_some(false)),
        Err(error) if is_full(&error) => Ok(None),
        Err(error) => Err(error),
    }
}
