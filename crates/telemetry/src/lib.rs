//! What the broker tells its operator: log lines on standard error.
//!
//! This crate knows nothing of what is told. Whoever counts something keeps its own counters
//! (`broker::Counters`, `net::Counters`); the binary tells them.

mod log;

pub use log::{AlreadySet, init};
pub use tracing::Level;
