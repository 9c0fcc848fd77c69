//! What the clients of a run did and saw.

use std::collections::BTreeMap;

/// A message as its publisher knows it: publisher and number, ascending from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    /// Who published it.
    pub publisher: u32,
    /// Its number.
    pub number: u32,
}

/// One delivery that a client has received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The message.
    pub message: Name,
    /// The queue that it came from.
    pub queue: u32,
    /// The client that received it; never the same one again after a disconnect.
    pub client: u32,
    /// Whether it came marked as redelivered.
    pub redelivered: bool,
    /// The life of the broker in which it came; the first is 0.
    pub life: u32,
}

/// What is known of a message that was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// The queue it was sent to.
    pub queue: u32,
    /// Whether it was persistent.
    pub is_persistent: bool,
    /// Whether its receipt came.
    pub is_confirmed: bool,
    /// In which life of the broker it was sent.
    pub life: u32,
}

/// What the clients of a run did and saw, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// Every message that was sent.
    pub sent: BTreeMap<Name, Sent>,
    /// Every delivery, in the order in which clients received them.
    pub seen: Vec<Seen>,
    /// Messages whose ACK was sent with a receipt that came, by the number of deliveries seen by
    /// then.
    pub settled: BTreeMap<Name, usize>,
    /// Messages whose ACK was sent, or that need none.
    pub acked: BTreeMap<Name, usize>,
}
