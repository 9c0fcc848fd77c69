//! The store of one node: all shards append to one journal, one sync per round.

mod backup;
mod check;
mod contents;
mod error;
mod header;
mod housekeeper;
mod journal;
mod log;
mod meter;
mod name;
mod open;
mod pages;
mod progress;
mod reader;
mod recovery;
mod repair;
mod round;
mod segments;
mod shared;
mod snapshot;
mod space;
mod tail;
mod tally;
#[cfg(test)]
mod tests;

pub use backup::{BackupError, Copied, copy};
pub use check::{FileReport, Report, ShardReport, check};
pub use error::{
    Action, Corruption, Damage, DiskError, Flaw, HousekeeperError, JournalError, OpenError,
};
pub use housekeeper::{Housekeeper, Step};
pub use journal::{Due, Journal, Round};
pub use log::LocalLog;
pub use meter::OpenProgress;
pub use open::{Local, Options, PAGE_SEGMENT_BYTES_MAX, Recovered, SHARDS_MAX};
pub use pages::{PageReader, PageStats, Pager, PagesError};
pub use repair::{Lost, RepairOutcome, Repaired, repair};
