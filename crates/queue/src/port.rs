//! Where deliveries go.

use model::{ConnectionId, Instant, LogIndex, Message, Sequence, SubscriptionId};

/// Who subscribed: a subscription of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriberId {
    /// The connection.
    pub connection: ConnectionId,
    /// The subscription, unique on it.
    pub subscription: SubscriptionId,
}

/// What a delivery carries.
#[derive(Clone, Debug)]
pub struct Handover {
    /// The message's place in the queue.
    pub sequence: Sequence,
    /// Whether it may have been delivered before.
    pub redelivered: bool,
    /// How many of its deliveries have failed.
    pub delivery_count: u32,
    /// How often it was delivered before, failed or not, as far as is known.
    pub acquired_count: u32,
    /// When it would expire in the queue, if it does.
    pub expires_at: Option<Instant>,
    /// The message.
    pub message: Message,
}

/// Where a queue's deliveries go.
pub trait Port {
    /// Whether the subscriber's transport takes another delivery now. If not, the port sees to it
    /// that the queue is pumped again when it does.
    fn has_room(&mut self, subscriber: SubscriberId) -> bool;

    /// Takes a delivery; only called after `has_room` said yes.
    fn deliver(&mut self, subscriber: SubscriberId, handover: Handover);

    /// A browser has seen all that there was for it. The machine has ended its subscription.
    fn browsed(&mut self, subscriber: SubscriberId);

    /// One that gets a message was delivered it, and so many are ready behind; or there is none for it. It has stepped
    /// aside.
    fn got(&mut self, subscriber: SubscriberId, ready_count: Option<usize>);
}

/// Why a queue does not deliver more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Nothing is ready.
    Empty,
    /// No subscription has both credit and room, or none of those may take what is ready.
    NoTaker,
    /// What goes next stands in a page and is to be read: see [`wanted_pages`](crate::Queue::wanted_pages).
    Cold,
    /// What goes next waits for its record, or for a delivery mark on its way, to be durable.
    Uncommitted(LogIndex),
    /// What goes next waits for a delivery mark to be logged.
    Unmarked,
    /// So much was looked at that others should have their turn; pump again soon.
    Busy,
}

impl Stop {
    /// Of two reasons the one that the caller can do more about; of two records, the earlier.
    pub(crate) fn or(self, other: Self) -> Self {
        if let (Self::Uncommitted(one), Self::Uncommitted(two)) = (self, other) {
            return Self::Uncommitted(one.min(two));
        }
        if other.rank() > self.rank() {
            other
        } else {
            self
        }
    }

    fn rank(self) -> u8 {
        match self {
            Self::Empty => 0,
            Self::NoTaker => 1,
            // A page that is read is followed by a pump anyway.
            Self::Cold => 2,
            Self::Uncommitted(_) => 3,
            Self::Unmarked => 4,
            Self::Busy => 5,
        }
    }
}
