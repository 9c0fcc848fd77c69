//! The store of one node: all shards append to one journal, one sync per round.

mod error;
mod header;
mod housekeeper;
mod journal;
mod log;
mod name;
mod open;
mod reader;
mod recovery;
mod round;
mod shared;
mod snapshot;
#[cfg(test)]
mod tests;

pub use error::{Action, Corruption, DiskError, Flaw, HousekeeperError, JournalError, OpenError};
pub use housekeeper::{Housekeeper, Step};
pub use journal::{Due, Journal, Round};
pub use log::LocalLog;
pub use open::{Local, Options, Recovered, SHARDS_MAX};
