//! How a delivery ends.

/// How a subscriber ends a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done: the message leaves the queue.
    Accept,
    /// Refused for good: the message leaves the queue (to a dead-letter address, where one is set).
    Reject,
    /// Not handled: the message goes back to its place in the queue.
    Release,
}
