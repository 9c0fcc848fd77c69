//! How a delivery ends.

/// How a subscriber ends a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done: the message leaves the queue.
    Accept,
    /// Refused for good: the message leaves the queue (to a dead-letter exchange, where one is set).
    Reject,
    /// Not handled, for no fault of the message: it goes back to its place in the queue, and nothing is
    /// counted against it.
    Release,
    /// Tried in vain: as `Release`, but it counts as a delivery that failed. The queue's delivery limit
    /// may make it leave, its redelivery policy may make it wait.
    Fail,
}
