//! What is kept beside a queue by the subscription that has taken it over, and what happens once that is gone.

use model::{Message, QueueName, Sequence, SubscriptionId};

/// Small facts that are kept beside a queue: durable, and there for whoever takes the queue over next.
///
/// Only a subscription that has taken a durable queue over ([`Sharing::Takeover`](crate::Sharing::Takeover)) can
/// keep them. They end with the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notes {
    /// The subscription.
    pub subscription: SubscriptionId,
    /// In order; they take effect together.
    pub entries: Vec<Note>,
    /// Deliveries of the subscription that are accepted with them: all of it happens, or nothing.
    pub accepted: Vec<Sequence>,
}

/// One fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// What it is about.
    pub key: Box<[u8]>,
    /// What it says, or that nothing is kept under the key any more.
    pub value: Option<Box<[u8]>>,
}

/// A fact that was kept: its key and its value.
pub type Recalled = (Box<[u8]>, Box<[u8]>);

/// What happens once the subscription that has taken a queue over is gone. It replaces what was said before.
///
/// A subscription is gone when it or its connection has ended, when another takes over from it, and when the broker
/// has been started again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bequest {
    /// The subscription.
    pub subscription: SubscriptionId,
    /// The queue ends when nobody has used it for this long, in milliseconds, whatever it was declared as; never
    /// without it.
    pub expires_ms: Option<u64>,
    /// What is published.
    pub will: Option<Will>,
}

/// One queue that keeps another: that one does not end for want of use while its keeper is there, as if it were
/// subscribed to. Both are shared and durable. It ends with either of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keep {
    /// The queue that is kept.
    pub queue: QueueName,
    /// The subscription that has taken the other queue over, which keeps it.
    pub keeper: SubscriptionId,
}

/// A message that is published once somebody is gone: once, whatever crashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Will {
    /// The message.
    pub message: Message,
    /// How long after that, in milliseconds; earlier if the queue ends before. Another subscription that takes over
    /// in time withdraws it; one that is due at once is published then, too.
    pub delay_ms: u64,
}
