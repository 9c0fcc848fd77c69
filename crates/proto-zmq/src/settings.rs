//! What a listener gives its peers, and what one of them may cost.

use crate::curve::Curve;
use model::{Persistence, QueueName};

/// What a listener gives its peers, and what one of them may cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The queue of PUSH, PULL, REQ, DEALER and REP, unless the peer names another.
    pub queue: QueueName,
    /// Of what peers send: they have no word for it.
    pub persistence: Persistence,
    /// Bytes of all frames of a message together.
    pub message_bytes_max: usize,
    /// Frames of a message: each costs memory beside its bytes.
    pub frames_max: usize,
    /// Different prefixes that a SUB may be subscribed to: each costs memory here, and perhaps a binding.
    pub subscriptions_max: usize,
    /// Bytes of one prefix.
    pub prefix_bytes_max: usize,
    /// Messages that a PULL is given before the session has written those before.
    pub window: u64,
    /// Bytes of a command of the handshake.
    pub handshake_bytes_max: usize,
    /// From the start of the connection until its handshake must be done, in milliseconds.
    pub handshake_ms: u64,
    /// With it, CURVE is spoken.
    pub curve: Option<Curve>,
}

impl Settings {
    /// What suits most, with this queue.
    #[must_use]
    pub const fn new(queue: QueueName) -> Self {
        Self {
            queue,
            persistence: Persistence::Transient,
            message_bytes_max: 16 << 20,
            frames_max: 1_024,
            subscriptions_max: 10_000,
            prefix_bytes_max: 1_024,
            window: 1_000,
            handshake_bytes_max: 16 << 10,
            handshake_ms: 10_000,
            curve: None,
        }
    }
}
