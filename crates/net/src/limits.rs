//! What a connection may take.

use std::time::Duration;

/// What connections may take of the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections open at the same time on one [`Server`](crate::Server), over all protocols. One
    /// more is accepted and closed at once.
    pub connections_max: usize,
    /// Bytes that all connections together may keep of frames that are not whole, beyond 64 KiB each.
    /// A connection that grows beyond it is refused.
    pub input_bytes_max: usize,
    /// A peer that has bytes to take and takes none for this long is cut.
    pub send_timeout: Duration,
    /// How long a transport that begins with a handshake may take to it.
    pub handshake_timeout: Duration,
    /// How long what was written before a close may take to be sent.
    pub linger: Duration,
    /// How long a connection may take to end once the broker stops.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 100_000,
            input_bytes_max: 1 << 30,
            send_timeout: Duration::from_secs(30),
            handshake_timeout: Duration::from_secs(10),
            linger: Duration::from_secs(5),
            grace: Duration::from_secs(5),
        }
    }
}
