//! What an operator can set, and what the binary brings along.

use crate::entropy::Entropy;
use auth::{Decoys, Users};
use broker_api::{Field, HeadReader, Heads};
use model::{ExchangeName, Message, Policies, Property, Value};
use std::time::Duration;

/// What an operator can set.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Executors that run the shards; at least 1, at most one per shard is used.
    pub executors: usize,
    /// Bytes on their way to one connection before its publishers are held.
    pub outbox_bytes: usize,
    /// How long, in any `hold_window`, a subscriber over its budget may hold its publishers.
    pub hold: Duration,
    /// See `hold`.
    pub hold_window: Duration,
    /// What happens to a subscriber that has used up its hold.
    pub when_stalled: StalledPolicy,
    /// Bytes of publishes that a connection keeps for full mailboxes, and of answers that it does not take, before it is
    /// no longer read.
    pub parked_bytes: usize,
    /// Bytes of messages in shared queues beyond which publishes to queues wait.
    pub queued_bytes: usize,
    /// Bytes of notes that may be kept beside one queue.
    pub notes_bytes: usize,
    /// Queues that one user may have taken over and that are kept for it.
    pub kept_queues: usize,
    /// Messages that may be retained.
    pub retained_count: usize,
    /// Bytes that these may take, with their keys and what else they need in memory.
    pub retained_bytes: usize,
    /// So many small pages of a queue that stand side by side become one; at least 2.
    pub merged_pages_min: usize,
    /// How long what needs no sync of its own may wait for a round to ride along with.
    pub ride_delay: Duration,
    /// Who reads the heads of messages of a dialect.
    pub heads: Heads,
    /// A random number of this process, from which names and draws are made.
    pub seed: u64,
    /// Where bytes come from that nobody may foresee.
    pub entropy: Entropy,
    /// Who there is at the start, beside the guest.
    pub users: Users,
    /// Whether there is a guest: a user with a known password, who connects from this machine only, and whom
    /// everybody is taken for who does not say otherwise. A user of that name takes its place.
    pub guest: bool,
    /// The first level of the topics that the broker tells of itself, to which only operators publish; empty for
    /// none.
    pub own_topics: Vec<u8>,
    /// Topics whose subscribers read queues of their own, if any.
    pub virtual_topics: Option<VirtualTopics>,
    /// Destinations that stand for others.
    pub composites: Vec<Composite>,
    /// Rules for queues and exchanges by their names.
    pub policies: Policies,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            executors: 2,
            outbox_bytes: 16 << 20,
            hold: Duration::from_millis(100),
            hold_window: Duration::from_secs(10),
            when_stalled: StalledPolicy::DropOldest,
            parked_bytes: 1 << 20,
            queued_bytes: 1 << 30,
            notes_bytes: 1 << 20,
            kept_queues: 100_000,
            retained_count: 1_000_000,
            retained_bytes: 64 << 20,
            merged_pages_min: 16,
            ride_delay: Duration::from_millis(50),
            heads: |_| &Headless,
            seed: 0,
            entropy: Entropy::foreseeable(0),
            users: Users::new(Decoys::new([0; 32])),
            guest: true,
            own_topics: Vec::new(),
            virtual_topics: Some(VirtualTopics::default()),
            composites: Vec::new(),
            policies: Policies::default(),
        }
    }
}

/// What happens to a subscriber that accepts too little for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StalledPolicy {
    /// The oldest messages that wait for it are dropped.
    DropOldest,
    /// The newest messages are dropped.
    DropNewest,
    /// It is disconnected.
    Disconnect,
}

/// Topics whose subscribers read queues of their own: a queue `PREFIX` + `TOPIC`, in which the prefix has a
/// level `*` for the name of whoever reads it, is bound to the topic by its name alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VirtualTopics {
    /// Which topics: levels, `*` for one, `>` for many.
    pub topics: Vec<u8>,
    /// What the names of the queues begin with: levels, `*` for one, up to a `.` at the end.
    pub queue_prefix: Vec<u8>,
}

impl Default for VirtualTopics {
    fn default() -> Self {
        Self {
            topics: b"VirtualTopic.>".to_vec(),
            queue_prefix: b"Consumer.*.".to_vec(),
        }
    }
}

/// Where messages go: an exchange and a key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    /// The exchange.
    pub exchange: ExchangeName,
    /// The routing key, or the name of a queue.
    pub key: Vec<u8>,
}

/// A destination that stands for others: what is published to it goes to all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Composite {
    /// What stands for others; it is never looked for among what the others are.
    pub from: Address,
    /// The others.
    pub to: Vec<Address>,
}

/// Finds nothing: for a broker without protocols.
struct Headless;

impl HeadReader for Headless {
    fn header<'m>(&self, _: &'m Message, _: &[u8]) -> Option<Value<'m>> {
        None
    }

    fn property<'m>(&self, _: &'m Message, _: Property) -> Option<Value<'m>> {
        None
    }

    fn fields<'m>(&self, _: &'m Message, _: &mut dyn FnMut(Field<'m>)) {}
}
