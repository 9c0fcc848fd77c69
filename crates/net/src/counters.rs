//! What connections have done, in numbers.

use std::sync::atomic::{AtomicU64, Ordering};

/// What the connections of some listeners have done since the process started. Only ever grows;
/// telemetry reads it, each number for itself.
#[derive(Debug, Default)]
pub struct Counters {
    /// Connections accepted and given a session.
    pub accepted: AtomicU64,
    /// The most connections that were open at a time.
    pub open_max: AtomicU64,
    /// Connections closed at once because there were too many.
    pub refused: AtomicU64,
    /// Accepted connections that have ended.
    pub closed: AtomicU64,
    /// Of these, those cut because the peer took nothing for too long.
    pub stalled: AtomicU64,
    /// Bytes read from peers.
    pub bytes_in: AtomicU64,
    /// Bytes handed to the transport.
    pub bytes_out: AtomicU64,
}

impl Counters {
    /// Connections that are open now.
    #[must_use]
    pub fn open(&self) -> u64 {
        let closed = self.closed.load(Ordering::Acquire);
        self.accepted.load(Ordering::Acquire).saturating_sub(closed)
    }
}

/// Adds to a counter that nothing is ordered by.
pub(crate) fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}
