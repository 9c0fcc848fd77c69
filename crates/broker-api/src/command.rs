//! What a session asks of the broker.

use model::{
    CommandId, ConversationId, Message, Outcome, Pattern, QueueName, Sequence, SubscriptionId,
};

/// A command with the ids that its answer carries back.
#[derive(Debug)]
pub struct Submission {
    /// Chosen by the session, ascending on its connection.
    pub id: CommandId,
    /// The conversation it belongs to.
    pub conversation: ConversationId,
    /// What is asked.
    pub command: Command,
}

/// What a session asks of the broker.
///
/// Each is answered by exactly one [`Event::Done`](crate::Event::Done), but for `Publish`, `Settle`
/// and `Grant`. The first two are answered by one [`Event::Confirmed`](crate::Event::Confirmed) (or a
/// refusing `Done`) if they ask for it with [`Confirm::Wanted`]; else, and for a grant, only a refusal
/// is answered.
#[derive(Debug)]
pub enum Command {
    /// Says who is at the other end. The first command of every connection.
    Connect(Connect),
    /// Makes a durable shared queue unless it exists. When it is answered, a publish by the same
    /// session finds the queue.
    DeclareQueue(QueueName),
    /// Routes a message by its exchange and key.
    Publish(Message, Confirm),
    /// Registers interest in a queue or in a topic's pattern.
    Subscribe(Subscribe),
    /// Ends a subscription; what it has not settled is released.
    Cancel(SubscriptionId),
    /// Tells how much a subscription may receive.
    Grant(SubscriptionId, Grant),
    /// Ends deliveries.
    Settle(Settle),
}

/// Whether a publish or a settlement is answered once it is safe.
///
/// What "safe" means, by destination:
///
/// | | persistent message | non-persistent message |
/// |---|---|---|
/// | durable queue | in the synced journal | in the queue's order, on its way to the journal; may be lost in a crash |
/// | private queue | in the queue's memory | same |
/// | direct subscribers | in the outboxes of those present | same |
/// | several of these | all of them | all of them |
///
/// A settlement that is confirmed is in the synced journal (or the private queue's memory).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirm {
    /// No answer, but a refusal.
    Unwanted,
    /// Answered by `Confirmed`.
    Wanted,
}

/// Who is at the other end.
#[derive(Debug)]
pub struct Connect {
    /// What the peer says of itself; without it, it is the guest.
    pub login: Option<Login>,
    /// The name of the vhost it wants; empty for the default one.
    pub vhost: Vec<u8>,
}

/// A name with its proof.
pub struct Login {
    /// The user's name.
    pub user: Vec<u8>,
    /// The password, in clear.
    pub password: Vec<u8>,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login")
            .field("user", &String::from_utf8_lossy(&self.user))
            .field("password", &"(hidden)")
            .finish()
    }
}

/// Registers interest.
#[derive(Debug)]
pub struct Subscribe {
    /// Chosen by the session; never used twice on a connection.
    pub subscription: SubscriptionId,
    /// Where from.
    pub source: Source,
    /// Who settles.
    pub settle_mode: SettleMode,
    /// What it may receive at first.
    pub grant: Grant,
}

/// Where a subscription reads.
#[derive(Debug)]
pub enum Source {
    /// A shared queue, which must exist.
    Queue(QueueName),
    /// All that is published to the topic exchange from now on with a key that the pattern matches.
    Topic(Pattern),
}

/// Who settles the deliveries of a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettleMode {
    /// The broker, as accepted, once the delivery has been handed to the transport.
    Presettled,
    /// The subscriber, with [`Command::Settle`].
    Explicit,
}

/// How much a subscription may receive, in absolute terms: saying it twice changes nothing.
///
/// Invariant: the broker delivers at most `count + limit` messages since the subscription began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The deliveries that the session had counted on the subscription when it wrote this.
    pub count: u64,
    /// How many more it may receive.
    pub limit: u64,
    /// Whether to give back what cannot be used at once: the broker delivers what is ready, takes
    /// the rest of the grant away, and says [`Event::Drained`](crate::Event::Drained).
    pub drain: bool,
}

impl Grant {
    /// No bound but the transport's.
    pub const UNLIMITED: Self = Self {
        count: 0,
        limit: u64::MAX,
        drain: false,
    };

    /// The deliveries allowed since the subscription began.
    #[must_use]
    pub const fn total(self) -> u64 {
        self.count.saturating_add(self.limit)
    }
}

/// Ends deliveries of one subscription. A sequence that is not unsettled there is passed over.
#[derive(Debug)]
pub struct Settle {
    /// The subscription that they were delivered to.
    pub subscription: SubscriptionId,
    /// The deliveries.
    pub sequences: Vec<Sequence>,
    /// How they end.
    pub outcome: Outcome,
    /// Whether it is answered once it is safe.
    pub confirm: Confirm,
}
