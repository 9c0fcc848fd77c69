//! What an operator can set.

use std::time::Duration;

/// What an operator can set.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Executors that run the shards; at least 1, at most one per shard is used.
    pub executors: usize,
    /// Bytes on their way to one connection before its publishers are held.
    pub outbox_bytes: usize,
    /// How long, in any `hold_window`, a subscriber over its budget may hold its publishers.
    pub hold: Duration,
    /// See `hold`.
    pub hold_window: Duration,
    /// What happens to a subscriber that has used up its hold.
    pub when_stalled: StalledPolicy,
    /// Bytes of publishes that a connection keeps for full mailboxes before it is no longer read.
    pub parked_bytes: usize,
    /// Bytes of messages in shared queues beyond which publishes to queues wait.
    pub queued_bytes: usize,
    /// How long what needs no sync of its own may wait for a round to ride along with.
    pub ride_delay: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            executors: 2,
            outbox_bytes: 16 << 20,
            hold: Duration::from_millis(100),
            hold_window: Duration::from_secs(10),
            when_stalled: StalledPolicy::DropOldest,
            parked_bytes: 1 << 20,
            queued_bytes: 1 << 30,
            ride_delay: Duration::from_millis(50),
        }
    }
}

/// What happens to a subscriber that accepts too little for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StalledPolicy {
    /// The oldest messages that wait for it are dropped.
    DropOldest,
    /// The newest messages are dropped.
    DropNewest,
    /// It is disconnected.
    Disconnect,
}
