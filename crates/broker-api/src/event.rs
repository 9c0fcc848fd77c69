//! What the broker tells a session.

use crate::Refusal;
use crate::estate::Recalled;
use crate::topology::{Bind, ListedExchange, ListedQueue, QueueStatus};
use crate::user::{Authenticated, ListedUser};
use model::{CommandId, Instant, Message, Sequence, SubscriptionId};

/// What the broker tells a session.
#[derive(Debug)]
pub enum Event {
    /// A message for a subscription.
    Delivery(Delivery),
    /// The publish or settlement is safe, as [`Confirm`](crate::Confirm) tells.
    Confirmed(CommandId),
    /// Nobody was there to get this message, and its publisher wanted to know. What the command asked for
    /// is answered behind it.
    Returned(CommandId, Message),
    /// The command has taken effect, or has been refused and had none.
    Done(CommandId, Result<Reply, Refusal>),
    /// What was ready has been delivered and the rest of the grant is taken away; a subscription that
    /// browses has seen all.
    Drained(SubscriptionId),
    /// The broker has ended the subscription.
    Ended(SubscriptionId, Refusal),
    /// Publishes to shared queues wait, for this reason. What is taken from the broker and settled goes on. Told to
    /// a connection that publishes, once until [`Unblocked`](Self::Unblocked); a protocol without words for it
    /// says nothing, and its confirms come later.
    Blocked(BlockCause),
    /// They go on.
    Unblocked,
    /// The broker ends the connection: the session says so in its protocol and closes.
    Disconnect(Refusal),
}

/// Why publishes to shared queues wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockCause {
    /// Queued messages fill the memory that they may have.
    Memory,
    /// There is too little space on the disk.
    Disk,
}

/// What a command that has taken effect has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Nothing beyond that.
    Nothing,
    /// The queue, for `DeclareQueue`.
    Queue(Box<QueueStatus>),
    /// A number of messages, for `DeleteQueue` and `PurgeQueue`.
    Count(u64),
    /// For `Subscribe`, if the queue says so: a delivery is to be settled within so many milliseconds.
    SettleWithin(u64),
    /// For `Get`: how many more messages are ready, if one was delivered.
    Got(Option<u64>),
    /// For `List`.
    Queues(Vec<ListedQueue>),
    /// For `List`.
    Exchanges(Vec<ListedExchange>),
    /// For `List`.
    Bindings(Vec<Bind>),
    /// For `List`.
    Users(Vec<ListedUser>),
    /// For `Authenticate`: the peer is to be sent this, and its answer is wanted.
    Challenge(Vec<u8>),
    /// For `Authenticate`: the peer has shown who it is.
    Authenticated(Box<Authenticated>),
    /// All notes of a queue by ascending key, for `Recall`.
    Notes(Vec<Recalled>),
}

/// One hand-over of one message to one subscription.
#[derive(Debug)]
pub struct Delivery {
    /// The subscription.
    pub subscription: SubscriptionId,
    /// The message's place in its queue; 0 for a direct subscription, which has no queue.
    pub sequence: Sequence,
    /// Whether the message may have been delivered before.
    pub redelivered: bool,
    /// How many deliveries of it have failed, as far as is known.
    pub delivery_count: u32,
    /// How often it was delivered before, failed or released, since the broker started; 0 if `redelivered` knows
    /// only of a time before that.
    pub acquired_count: u32,
    /// When it would have expired in its queue, if it does.
    pub expires_at: Option<Instant>,
    /// The message.
    pub message: Message,
}
