//! What the broker tells its operator: log lines on standard error, and counters.
//!
//! This crate knows nothing of what is counted or told. Broker and net increment [`Counters`], which
//! the binary made and shared with them; whoever displays them takes a [`Snapshot`].
//!
//! Counters are cheap, not free: a cache line that two cores write travels between them. Count a
//! batch with one [`Counter::add`], not each message of it.

mod counters;
mod log;

pub use counters::{Counter, Counters, Snapshot};
pub use log::{AlreadySet, init};
pub use tracing::Level;
