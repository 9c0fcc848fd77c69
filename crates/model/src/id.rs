//! Ids and positions: one newtype each, so that no two of them can be mistaken for each other.

use std::fmt;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number! {
    /// One transport, from accept to close. Never used twice while the process lives.
    ConnectionId(u64)
}
number! {
    /// Publishers, subscriptions, deliveries and transaction that belong together on a connection
    /// (or outlive it). Chosen by the session; 0 where a protocol has only one.
    ConversationId(u32)
}
number! {
    /// A command of one connection. Chosen by the session, ascending; answers carry it back.
    CommandId(u64)
}
number! {
    /// One registration of interest, unique within its connection and never used twice on it.
    SubscriptionId(u32)
}
number! {
    /// A queue, for ever: the id of a deleted queue is never given to another.
    QueueId(u64)
}
number! {
    /// One ordered log with the machine that hosts many queues.
    ShardId(u16)
}
number! {
    /// Place of a message in its queue: dense, from 1, in the order of arrival. A message keeps it
    /// when it is released, so it goes back to where it was.
    Sequence(u64)
}
number! {
    /// Place of an entry in a shard's log: dense, from 1.
    LogIndex(u64)
}
number! {
    /// A page of messages that a shard has moved out of memory, unique in the shard and never used for other
    /// messages.
    PageNumber(u64)
}

impl Sequence {
    /// The place behind this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl LogIndex {
    /// The place behind this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}
