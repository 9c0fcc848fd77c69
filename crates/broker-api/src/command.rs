//! What a session asks of the broker.

use crate::estate::{Bequest, Keep, Notes};
use crate::topology::{Bind, DeclareExchange, DeclareQueue, DeleteExchange, DeleteQueue, Listing};
use crate::user::{Authenticate, PutUser};
use model::{
    Arguments, BindingKey, CommandId, ConversationId, ExchangeName, Message, Outcome, Pattern,
    QueueName, Sequence, SubscriptionId,
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
/// is answered. That a full queue has refused a message is told only to who wants a confirm.
///
/// What is rare is boxed: a publish is moved many times, and every command is as large as the largest.
#[derive(Debug)]
pub enum Command {
    /// Says who is at the other end. The first command of every connection, but for `Authenticate`.
    Connect(Box<Connect>),
    /// Shows, in several steps, who is at the other end: before `Connect`, which then has no login, or again
    /// later, beside all else.
    Authenticate(Box<Authenticate>),
    /// Makes a user, or gives one another password. For operators.
    PutUser(Box<PutUser>),
    /// Takes a user away; its connections go on until they end. For operators.
    DeleteUser(Box<str>),
    /// Makes a queue, or asks for one. When it is answered, a publish by the same session finds it.
    DeclareQueue(Box<DeclareQueue>),
    /// Ends a queue. Its subscriptions end, its messages are gone.
    DeleteQueue(DeleteQueue),
    /// Takes all ready messages out of a queue.
    PurgeQueue(QueueName),
    /// Makes an exchange, or asks for one.
    DeclareExchange(Box<DeclareExchange>),
    /// Ends an exchange, and the bindings from and to it.
    DeleteExchange(DeleteExchange),
    /// Makes a binding; one that is there already is left as it is.
    Bind(Box<Bind>),
    /// Takes a binding away; one that is not there is passed over.
    Unbind(Box<Bind>),
    /// Has one queue keep another; if it does already, that is left as it is. Answered once it is durable.
    Keep(Box<Keep>),
    /// Ends that; one that ends when it is not used any more may end with it. If it is not kept so, there is nothing to do.
    LetGo(Box<Keep>),
    /// Asks what there is.
    List(Listing),
    /// Routes a message by its exchange and key.
    Publish(Message, Publishing),
    /// Does all that a transaction gathered, or nothing of it.
    Commit(Box<Transaction>),
    /// Registers interest in a queue, or in what an exchange is given.
    Subscribe(Box<Subscribe>),
    /// Takes at most one message out of a queue, without subscribing. Answered with
    /// [`Reply::Got`](crate::Reply::Got), behind the delivery if there is one.
    Get(Get),
    /// Ends a subscription; what it has not settled is released.
    Cancel(SubscriptionId),
    /// Ends a subscription to a queue but for what it has not settled: that may still be, until it is canceled. To
    /// the queue and all others it is gone; nothing is delivered to it behind the answer.
    StepAside(SubscriptionId),
    /// Shows a subscription to an exchange once more what is retained there.
    ShowRetained(ShowRetained),
    /// Puts what is retained into a queue.
    QueueRetained(Box<QueueRetained>),
    /// Tells how much a subscription may receive.
    Grant(SubscriptionId, Grant),
    /// Ends deliveries.
    Settle(Settle),
    /// Keeps small facts beside a queue that a subscription has taken over. Answered once it is durable.
    Note(Box<Notes>),
    /// Asks what is kept beside the queue that the subscription has taken over. Answered with
    /// [`Reply::Notes`](crate::Reply::Notes) once all of it is durable.
    Recall(SubscriptionId),
    /// Says what happens once the subscription that has taken a queue over is gone. Answered once it is durable.
    Bequeath(Box<Bequest>),
}

/// How a message is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Publishing {
    /// Whether it is answered once it is safe.
    pub confirm: Confirm,
    /// What happens to it if nobody is there to get it.
    pub unroutable: Unroutable,
    /// Whether queues that the connection itself has taken over get it.
    pub own_messages: OwnMessages,
}

impl Publishing {
    /// Answered if `confirm` says so; dropped if nobody is there.
    #[must_use]
    pub const fn new(confirm: Confirm) -> Self {
        Self {
            confirm,
            unroutable: Unroutable::Drop,
            own_messages: OwnMessages::Deliver,
        }
    }
}

/// Shows a subscription what is retained, behind what it has been given so far and ahead of what comes from now on.
#[derive(Debug)]
pub struct ShowRetained {
    /// The subscription, which reads from the exchange of topics.
    pub subscription: SubscriptionId,
    /// Under which keys; usually those of the subscription.
    pub pattern: Pattern,
    /// Whether it is shown what its own connection published.
    pub own_messages: OwnMessages,
}

/// Puts what is retained in the exchange of topics into a queue, as if it were published to it now. Answered when all
/// of it is safe, as [`Confirm`] tells.
///
/// Of a queue that was bound before, what is published under a key afterwards stands behind what was retained there.
#[derive(Debug)]
pub struct QueueRetained {
    /// The queue, which must exist.
    pub queue: QueueName,
    /// Under which keys; usually those of the binding.
    pub pattern: Pattern,
}

/// What happens to a message that goes nowhere, nor is retained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unroutable {
    /// It is dropped, and confirmed.
    Drop,
    /// It is given back with [`Event::Returned`](crate::Event::Returned), and then confirmed.
    Return,
}

/// Publishes, settlements and notes that take effect together: all of them or, if the broker refuses or crashes,
/// none. Once it is answered, all of them are safe as [`Confirm`] tells.
///
/// What goes to subscribers directly or to private queues happens after the rest is decided.
#[derive(Debug, Default)]
pub struct Transaction {
    /// In order.
    pub publishes: Vec<Message>,
    /// Places among `publishes`, ascending: those that are given back with [`Event::Returned`](crate::Event::Returned)
    /// if they go nowhere, ahead of the answer. All others are dropped then.
    pub returns: Vec<usize>,
    /// In order; their own wish to be confirmed is not looked at.
    pub settles: Vec<Settle>,
    /// In order.
    pub notes: Vec<Notes>,
    /// Whether queues that the connection itself has taken over get what is published.
    pub own_messages: OwnMessages,
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
/// One that is to be retained is besides in the synced journal as such, persistent or not.
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
    /// What the peer says of itself; without it, it is who `Authenticate` has shown it to be, else the guest.
    pub login: Option<Login>,
    /// The name of the vhost it wants; empty for the default one.
    pub vhost: Vec<u8>,
    /// What at most one connection may be at a time: an older one with the same identity is ended, as
    /// [`Refusal::TakenOver`](crate::Refusal::TakenOver) tells it. Without one, any number may be alike.
    pub identity: Option<Box<[u8]>>,
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
    /// Which messages, as a selector; without one, all.
    pub selector: Option<Box<str>>,
    /// How it shares the source with others.
    pub sharing: Sharing,
    /// Whether it gets what its own connection published. Only for an exchange as source.
    pub own_messages: OwnMessages,
    /// Whether it is shown what was retained before it began. Only for an exchange as source.
    pub retained: Retained,
}

impl Subscribe {
    /// A subscription that asks for nothing special.
    #[must_use]
    pub const fn new(
        subscription: SubscriptionId,
        source: Source,
        settle_mode: SettleMode,
        grant: Grant,
    ) -> Self {
        Self {
            subscription,
            source,
            settle_mode,
            grant,
            selector: None,
            sharing: Sharing::Competing { priority: 0 },
            own_messages: OwnMessages::Deliver,
            retained: Retained::Skip,
        }
    }
}

/// Takes at most one message out of a queue: that which goes next, ahead of all subscriptions. If it has to be read or its
/// record to be durable first, that is waited for.
///
/// It is no subscription to the queue and its others: it keeps neither the queue nor is it counted. It is refused as a
/// subscription would be; and while the queue has a subscription that is to be the only one, or the only active one.
#[derive(Debug)]
pub struct Get {
    /// Under which the message is delivered, and settled; chosen as that of a subscription. It is to be canceled once nothing
    /// is to be settled, whatever the answer is; what was not settled is released by that.
    pub subscription: SubscriptionId,
    /// The queue, which must exist.
    pub queue: QueueName,
    /// Who settles.
    pub settle_mode: SettleMode,
}

/// How a subscription shares a queue with others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// Each message goes to one of all; to one of a higher priority, while such a one takes it.
    Competing {
        /// Higher first.
        priority: i32,
    },
    /// It is to be the only one; refused while there are others, and others are refused.
    Exclusive,
    /// It is shown the messages that are ready as it begins, which stay; then it is told
    /// [`Event::Drained`](crate::Event::Drained). Nothing is to be settled. Only for a queue as source.
    Browse,
    /// It ends all others, which are told [`Refusal::TakenOver`](crate::Refusal::TakenOver) and whose unsettled
    /// deliveries go back first, and is the only one from then on, until another takes over from it. What an
    /// earlier one still asks is passed over. Only for a shared queue as source.
    Takeover,
}

/// Whether a subscription gets what its own connection published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OwnMessages {
    /// It does.
    #[default]
    Deliver,
    /// It does not.
    Skip,
}

/// Whether a subscription is shown what was retained before it began.
///
/// A message is retained if its publisher asks for that ([`model::Retain::Keep`]), in the exchange of topics: the last
/// one of each key, until one without a body takes it away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retained {
    /// It is not.
    Skip,
    /// It is, ahead of all that is published from now on.
    Send,
}

/// Where a subscription reads.
#[derive(Debug)]
pub enum Source {
    /// A queue, which must exist.
    Queue(QueueName),
    /// All that is published to the exchange from now on and that a binding with this key and these
    /// arguments would let through.
    Exchange {
        /// Its name; it must exist.
        exchange: ExchangeName,
        /// The key of the binding.
        key: BindingKey,
        /// The arguments of the binding.
        arguments: Arguments,
    },
}

impl Source {
    /// All that is published from now on to the exchange of topics with a key that the pattern matches.
    #[must_use]
    pub fn topic(pattern: Pattern) -> Self {
        Self::Exchange {
            exchange: ExchangeName::topic(),
            key: BindingKey::Pattern(pattern),
            arguments: Arguments::default(),
        }
    }
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
