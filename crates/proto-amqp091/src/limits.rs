//! What one peer may cost.

use std::time::Duration;

/// The smallest bound on frames that a peer may ask for. §4.2.3, `frame-min-size`
pub(crate) const FRAME_BYTES_MIN: u32 = 4_096;

/// What one AMQP connection may cost, and the times it keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a frame's payload before `connection.tune-ok`: it comes from somebody who has not shown yet
    /// who that is. Enough for long tokens, as in RabbitMQ 4.
    pub opening_frame_bytes_max: u32,
    /// Bytes of a frame afterwards, as `connection.tune` offers it; a client may ask for less.
    pub frame_bytes_max: u32,
    /// Channels that may be open at a time, as `connection.tune` offers it; a client may ask for fewer.
    pub channels_max: u16,
    /// Consumers that a connection may have at a time: each costs memory here and in the broker.
    pub consumers_max: usize,
    /// Bytes of the body of a content; longer ones are refused before they come.
    pub body_bytes_max: usize,
    /// What the transactions of all channels of a connection may gather together, in bytes.
    pub transaction_bytes_max: usize,
    /// How long a peer may be silent, in seconds, as `connection.tune` offers it; the client says what counts.
    /// 0 offers to do without heartbeats.
    pub heartbeat_s: u16,
    /// From the start of the connection until `connection.open` must have come: a silent or foreign peer does
    /// not hold a connection.
    pub open_timeout: Duration,
    /// How long `connection.close-ok` is waited for.
    pub close_timeout: Duration,
    /// How long a delivery may be unsettled before that closes its channel; for ever if it is zero.
    pub consumer_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            opening_frame_bytes_max: 8_192,
            frame_bytes_max: 131_072,
            channels_max: 2_047,
            consumers_max: 10_000,
            body_bytes_max: 16 << 20,
            transaction_bytes_max: 16 << 20,
            heartbeat_s: 60,
            open_timeout: Duration::from_secs(10),
            close_timeout: Duration::from_secs(10),
            consumer_timeout: Duration::from_mins(30),
        }
    }
}

impl Limits {
    /// The same with what the protocol asks for as the lower bound.
    pub(crate) fn clamped(mut self) -> Self {
        self.opening_frame_bytes_max = self.opening_frame_bytes_max.max(FRAME_BYTES_MIN);
        self.frame_bytes_max = self.frame_bytes_max.max(FRAME_BYTES_MIN);
        self.channels_max = self.channels_max.max(1);
        self
    }
}
