//! Durable logs: one [`ShardLog`] per shard, all of a node in one journal with one sync per round.
//!
//! This crate keeps the product's main promise: what was confirmed is never lost. It is the only one
//! that writes data files.
//!
//! It must not know what a record means (a kind and bytes are all it sees), what a queue or a message
//! is, any protocol, any network, any clock. It has no timer: a round begins when something was
//! submitted and the round before is synced.
//!
//! How records go in and out:
//!
//! ```text
//!   machine ─▶ Batch ─▶ ShardLog::submit ─▶ Journal::round ─▶ segment ─▶ committed, wakers
//!                            │                  one write, one sync
//!                            └─▶ save_snapshot ─▶ Housekeeper::step ─▶ snapshot, then trim
//!   machine ─▶ ShardLog::save_page ─▶ Pager::step ─▶ segment of pages ─▶ PageReader::step ─▶ machine
//!   Local::open ─▶ snapshots, then segments ─▶ Replayed ─▶ machine
//! ```
//!
//! Providers: [`Local`] on a [`Disk`] (a folder, or a double that fails as disks do), and
//! [`MemoryStore`], which is the test double for everyone else. One suite, `testing/conformance`, runs
//! against all of them.
//!
//! Read first: [`ShardLog`] (the contract) and [`Local`] (the store that the broker opens). The files
//! are drawn in `README.md`, byte by byte in the modules `record`, `local::header`, `local::round` and
//! `local::pages`.

mod batch;
mod disk;
mod local;
mod memory;
mod record;
mod shard_log;

pub use batch::Batch;
pub use disk::{
    Disk, DiskFile, Fault, FolderError, Held, MemoryDisk, MemoryFile, RealDisk, RealFile, Removing,
};
pub use local::{
    Action, BackupError, Copied, Corruption, Damage, DiskError, Due, FileReport, Flaw, Housekeeper,
    HousekeeperError, Journal, JournalError, Local, LocalLog, Lost, OpenError, OpenProgress,
    Options, PAGE_SEGMENT_BYTES_MAX, PageReader, PageStats, Pager, PagesError, Recovered,
    RepairOutcome, Repaired, Report, Round, SHARDS_MAX, ShardReport, Step, check, copy, repair,
};
pub use memory::{MemoryLog, MemoryStore};
pub use record::PAYLOAD_BYTES_MAX;
pub use shard_log::{PageNews, PageSource, Replayed, ShardLog, SnapshotSource, Space, StoreFailed};
