//! What one peer may cost.

use std::time::Duration;

/// The longest head the index of lines can address.
const HEAD_BYTES_CEILING: usize = u32::MAX as usize;

/// The most headers the index of known headers can number.
const HEADER_COUNT_CEILING: usize = u16::MAX as usize - 1;

/// What one STOMP connection may cost, and the intervals it keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a frame's command line and headers together, line ends included. A head is held in
    /// memory until its end has come, so this bounds what an unfinished one costs. It bounds the body
    /// of every frame but SEND, too: these have none that means anything.
    pub head_bytes_max: usize,
    /// Headers of one frame: each costs an entry in the index of lines.
    pub header_count_max: usize,
    /// Bytes of one header line, its end not included.
    pub header_bytes_max: usize,
    /// Bytes of the body of one SEND: a message is held in memory as a whole.
    pub body_bytes_max: usize,
    /// Subscriptions that a connection may hold at a time, each destination of a list counted, and as many
    /// temporary destinations: each costs memory here and in the broker.
    pub subscriptions_max: usize,
    /// Names of queues that a session remembers as declared. When they are more, all are forgotten
    /// and declared again on next use, which costs an answer of the broker and nothing else. Those of
    /// one list are always remembered together.
    pub queue_names_max: usize,
    /// Transactions that a connection may have open at a time.
    pub transactions_max: usize,
    /// Bytes that all open transactions of a connection may gather: what their messages are charged
    /// with, and a little for each delivery that they settle.
    pub transaction_bytes_max: usize,
    /// From the start of the connection until CONNECT must have come: a silent or foreign peer does
    /// not hold a connection.
    pub connect_timeout: Duration,
    /// The shortest interval between heart-beats that a session promises to send. A shorter one would
    /// wake every idle connection often for nothing.
    pub heart_beat_send_min: Duration,
    /// The interval at which a session would like heart-beats from a client that can send them. The
    /// client counts as gone after twice the interval agreed on.
    pub heart_beat_receive: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_bytes_max: 64 * 1024,
            header_count_max: 1_000,
            header_bytes_max: 16 * 1024,
            body_bytes_max: 16 * 1024 * 1024,
            subscriptions_max: 10_000,
            queue_names_max: 16_384,
            transactions_max: 100,
            transaction_bytes_max: 16 * 1024 * 1024,
            connect_timeout: Duration::from_secs(10),
            heart_beat_send_min: Duration::from_secs(1),
            heart_beat_receive: Duration::from_secs(10),
        }
    }
}

impl Limits {
    /// The same with what the codec's index can number as the upper bound.
    pub(crate) fn clamped(mut self) -> Self {
        self.head_bytes_max = self.head_bytes_max.min(HEAD_BYTES_CEILING);
        self.header_bytes_max = self.header_bytes_max.min(self.head_bytes_max);
        self.header_count_max = self.header_count_max.min(HEADER_COUNT_CEILING);
        self
    }
}
