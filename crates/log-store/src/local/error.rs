//! What can go wrong with the files.

use model::{LogIndex, ShardId};
use std::fmt;
use std::io;

/// What the store was doing to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Listing the folder.
    List,
    /// Creating it.
    Create,
    /// Opening it.
    Open,
    /// Reading it.
    Read,
    /// Writing it.
    Write,
    /// Making its bytes durable.
    Sync,
    /// Giving it its final name.
    Rename,
    /// Removing it.
    Remove,
    /// Making the folder's names durable.
    SyncFolder,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::List => "list",
            Self::Create => "create",
            Self::Open => "open",
            Self::Read => "read",
            Self::Write => "write",
            Self::Sync => "sync",
            Self::Rename => "rename",
            Self::Remove => "remove",
            Self::SyncFolder => "sync the folder of",
        })
    }
}

/// The disk refused something.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {file}")]
pub struct DiskError {
    /// What the store was doing.
    pub action: Action,
    /// To which file.
    pub file: String,
    /// Why it was refused.
    pub source: io::Error,
}

impl DiskError {
    /// Names the action and the file of an error of the operating system's.
    pub(super) fn on(action: Action, file: &str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self {
            action,
            file: file.to_owned(),
            source,
        }
    }
}

/// Why a round was not committed. Each is final: the store has failed.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// A write or a sync went wrong in this round.
    #[error("the journal has failed")]
    Disk(#[from] DiskError),
    /// The store had failed before.
    #[error("the store has failed before")]
    Failed,
}

/// Why the housekeeping ended. Each is final: the store has failed.
#[derive(Debug, thiserror::Error)]
pub enum HousekeeperError {
    /// A file could not be written, renamed or removed.
    #[error("the store's housekeeping has failed")]
    Disk(#[from] DiskError),
    /// The store had failed before.
    #[error("the store has failed before")]
    Failed,
}

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The disk refused something.
    #[error("the store cannot be read")]
    Disk(#[from] DiskError),
    /// A file was written by a later version of this program.
    #[error("{file} has format version {version}, this program reads up to {supported}")]
    Newer {
        /// The file.
        file: String,
        /// Its version.
        version: u32,
        /// The newest version that this program reads.
        supported: u32,
    },
    /// A file was written by an earlier version of this program, in a format that is not read any more.
    #[error("{file} has format version {version}, this program reads version {supported}")]
    Older {
        /// The file.
        file: String,
        /// Its version.
        version: u32,
        /// The version that this program reads.
        supported: u32,
    },
    /// Something that the whole store depends on is not as it was written. Nothing was changed.
    #[error(transparent)]
    Corrupt(#[from] Corruption),
}

/// A place where something that was durable is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Corruption {
    /// The file.
    pub file: String,
    /// The place in it.
    pub offset: u64,
    /// The shard that is hit, where it is known.
    pub shard: Option<ShardId>,
    /// The index in its log, where it is known.
    pub index: Option<LogIndex>,
    /// What is wrong.
    pub flaw: Flaw,
}

impl fmt::Display for Corruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, offset, .. } = self;
        write!(f, "{file} is corrupt at byte {offset}")?;
        if let Some(shard) = self.shard {
            write!(f, ", shard {shard}")?;
        }
        if let Some(index) = self.index {
            write!(f, ", index {index}")?;
        }
        write!(f, ": {}", self.flaw)
    }
}

/// A shard that has lost something, or may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Whose log it is.
    pub shard: ShardId,
    /// The damaged places, in the order in which they were found; the first 64 of them. `index` is the first
    /// index that is missing.
    pub corruptions: Vec<Corruption>,
}

/// What is wrong at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// The file does not begin as such a file does.
    #[error("the file's header is damaged or not of this kind")]
    Header,
    /// The file's header names another store, number or shard than it should.
    #[error("the file belongs to another store or has another file's name")]
    Foreign,
    /// A file that must be there is not.
    #[error("the file is missing")]
    Missing,
    /// A record's length or checksum is wrong although later rounds were written.
    #[error("a record is damaged")]
    Record,
    /// A round's header is unreadable or absent although later rounds were written.
    #[error("the header of round {round} is damaged")]
    RoundHeader {
        /// The round that should begin here.
        round: u64,
    },
    /// A segment holds no round, although another shows that it did.
    #[error("the segment holds no round, although it was written")]
    NoRound,
    /// Rounds do not follow each other.
    #[error("round {found} follows where round {expected} should")]
    RoundOrder {
        /// The round that should begin here.
        expected: u64,
        /// The round that does.
        found: u64,
    },
    /// The records of the shard in a round are not those that the round's header was written for.
    #[error("the records are not those that the round was written with")]
    Digest,
    /// A shard's records do not follow each other.
    #[error("index {found} follows where index {expected} should")]
    Gap {
        /// The index that should be here.
        expected: LogIndex,
        /// The index that is.
        found: LogIndex,
    },
    /// A shard's log ends before its snapshot: records that were committed are gone.
    #[error("the log ends at index {found}, its snapshot was taken at {expected}")]
    LogEndsEarly {
        /// The snapshot's index.
        expected: LogIndex,
        /// The last index in the log.
        found: LogIndex,
    },
    /// A record of a shard that the store does not have.
    #[error("the store has no such shard")]
    UnknownShard,
    /// An earlier opening has found the shard damaged, and what it found may not be there any more.
    #[error("the shard was found damaged before")]
    FoundDamaged,
    /// A snapshot ends too early, or holds another number of records than it says.
    #[error("the snapshot is not whole")]
    Unfinished,
    /// A page's length, place or checksum is wrong.
    #[error("a page is damaged")]
    Page,
    /// The index of a segment of pages cannot be read. What it says stands in the marks between the pages, too.
    #[error("the index of the pages is damaged")]
    PageIndex,
    /// The marks of pages that were written together cannot be read, so nobody knows which pages they were.
    #[error("what tells which pages stand here is damaged")]
    PageMark,
    /// A page that is asked for does not exist.
    #[error("there is no such page")]
    NoPage,
    /// The disk reports an error where it is read.
    #[error("the disk cannot read it")]
    Unreadable,
}
