//! Copies of a store, also of one that is being written.
//!
//! While a store is copied, nothing is deleted from it and no page is written anew ([`Removing`](crate::Removing)).
//! What is added meanwhile does no harm: snapshots are listed first, then the journal is read to find where it ends,
//! and copied up to there; then the pages, which were synced before any record that refers to them. `format` comes
//! last: a folder without it is no store.

use super::contents::{Contents, read_format};
use super::error::{Corruption, OpenError};
use super::name;
use super::recovery::{Recovery, Replays};
use crate::disk::{FolderError, RealDisk};
use crate::shard_log::Replayed;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// A journal that is being written may look damaged for as long as one round takes; so often it is read again.
const TRIES: usize = 5;

/// What a copy has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// Files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Why a store was not copied.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The folder to copy to is there and not empty.
    #[error("{} is there already", .0.display())]
    Exists(PathBuf),
    /// The folder to copy from is not there or cannot be opened.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// It cannot be read.
    #[error(transparent)]
    Unreadable(#[from] OpenError),
    /// It is damaged: a copy would be, too.
    #[error("the store is damaged, repair it first: {0}")]
    Damaged(Corruption),
    /// A file could not be copied.
    #[error("cannot copy {}", .file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// The operating system's words.
        source: io::Error,
    },
}

/// Copies the store in the folder `from`, whether a process has it open or not, to the folder `to`, which becomes a
/// store as it was at some moment during this call: everything that was confirmed before the call is in it. Calls
/// `tell` for each file. Waits while another copy is being made.
///
/// # Errors
/// [`BackupError`]; what was copied by then is no store and is left where it is.
pub fn copy(from: &Path, to: &Path, tell: &mut dyn FnMut(&str)) -> Result<Copied, BackupError> {
    let (disk, _hold) = RealDisk::hold(from)?;
    let contents = Contents::read(&disk).map_err(OpenError::from)?;
    let end = journal_end(&disk, &contents)?;
    make_folder(to)?;
    let mut copying = Copying {
        from,
        to,
        copied: Copied::default(),
        tell,
    };
    for (shard, index) in &contents.snapshots {
        copying.file(&name::snapshot(*shard, *index), u64::MAX)?;
    }
    for sequence in contents.segments.iter().filter(|it| **it <= end.sequence) {
        let bytes = if *sequence == end.sequence {
            end.bytes
        } else {
            u64::MAX
        };
        copying.file(&name::segment(*sequence), bytes)?;
    }
    // Those that came into being while the journal was read are among them.
    for sequence in Contents::read(&disk).map_err(OpenError::from)?.pages {
        copying.file(&name::pages(sequence), u64::MAX)?;
    }
    copying.sync_names()?;
    copying.file(name::FORMAT, u64::MAX)?;
    copying.sync_names()?;
    Ok(copying.copied)
}

/// Where the journal ends.
struct End {
    sequence: u64,
    bytes: u64,
}

/// Finds the end of the journal: all rounds up to it are whole.
fn journal_end(disk: &RealDisk, contents: &Contents) -> Result<End, BackupError> {
    let format = read_format(disk)?;
    let mut tries = 1;
    loop {
        let (ignore, tell) = (&mut |_: Replayed<'_>| {}, &mut |_| {});
        let mut recovery =
            Recovery::new(disk, format, contents, (ignore, Replays::UpToDamage), tell)?;
        recovery.read_snapshots(contents)?;
        let scanned = recovery.scan(&contents.segments)?;
        let (recovered, _) = recovery.finish();
        let damage = recovered
            .damaged
            .iter()
            .flat_map(|it| &it.corruptions)
            .next();
        match damage {
            None => {
                let (_, segment) = scanned.into_segment();
                return Ok(End {
                    sequence: segment.sequence,
                    bytes: segment.end,
                });
            }
            // The round that was being written when it was read is whole by now, and others follow it.
            Some(_) if tries < TRIES => tries += 1,
            Some(damage) => return Err(BackupError::Damaged(damage.clone())),
        }
    }
}

fn make_folder(to: &Path) -> Result<(), BackupError> {
    let failed = |source| BackupError::Io {
        file: to.to_owned(),
        source,
    };
    if let Ok(mut entries) = fs::read_dir(to)
        && entries.next().is_some()
    {
        return Err(BackupError::Exists(to.to_owned()));
    }
    fs::create_dir_all(to).map_err(failed)
}

struct Copying<'a> {
    from: &'a Path,
    to: &'a Path,
    copied: Copied,
    tell: &'a mut dyn FnMut(&str),
}

impl Copying<'_> {
    /// Copies the first bytes of a file, durably.
    fn file(&mut self, name: &str, bytes_max: u64) -> Result<(), BackupError> {
        (self.tell)(name);
        let file = self.from.join(name);
        let copied = copy_file(&file, &self.to.join(name), bytes_max);
        let bytes = copied.map_err(|source| BackupError::Io { file, source })?;
        self.copied.files += 1;
        self.copied.bytes += bytes;
        Ok(())
    }

    fn sync_names(&self) -> Result<(), BackupError> {
        let synced = File::open(self.to).and_then(|folder| folder.sync_all());
        synced.map_err(|source| BackupError::Io {
            file: self.to.to_owned(),
            source,
        })
    }
}

fn copy_file(from: &Path, to: &Path, bytes_max: u64) -> io::Result<u64> {
    let from = File::open(from)?;
    // What is appended while it is read would stand behind a batch of pages that was read half written, and say that
    // this one was synced.
    let size = from.metadata()?.len();
    let mut from = from.take(bytes_max.min(size));
    let mut to = File::create(to)?;
    let bytes = io::copy(&mut from, &mut to)?;
    to.sync_all()?;
    Ok(bytes)
}
