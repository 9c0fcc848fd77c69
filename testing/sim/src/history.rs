//! What the clients of a run did and saw.

mod tainted;

use crate::scene::{Place, Reading, Rules, Scene, Source};
use model::Instant;
use std::collections::{BTreeMap, BTreeSet};

/// A message as its publisher knows it: publisher and number, ascending from 1. A transaction likewise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    /// Who published it.
    pub publisher: u32,
    /// Its number.
    pub number: u32,
}

impl Name {
    /// Its header `color`, for consumers that select.
    #[must_use]
    pub const fn color(self) -> &'static str {
        if self.number.is_multiple_of(2) {
            "red"
        } else {
            "blue"
        }
    }
}

/// What a message of a transaction says of it: its number and how many messages it has in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The publisher's number of the transaction.
    pub number: u32,
    /// Messages in it.
    pub size: u32,
}

/// A message where it was seen.
pub type Spot = (Name, Place);

/// One delivery that a client has received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The message.
    pub message: Name,
    /// Where it was.
    pub place: Place,
    /// What it says of its transaction.
    pub stamp: Option<Stamp>,
    /// The client that received it; never the same one again after a disconnect.
    pub client: u32,
    /// Whether it came marked as redelivered.
    pub redelivered: bool,
    /// The life of the broker in which it came; the first is 0.
    pub life: u32,
    /// When it came.
    pub at: Instant,
    /// So many deliveries had been seen when its client sent a commit that was refused: if it came behind that, the
    /// broker may have taken it back before it was read.
    pub crossed: Option<usize>,
}

impl Seen {
    /// So many deliveries, at least, had been seen when it was its client's. It is the one with this index.
    #[must_use]
    pub fn since(&self, index: usize) -> usize {
        self.crossed.unwrap_or(index)
    }
}

/// A client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// When it connected.
    pub connected_at: Instant,
    /// Whether it asks for red messages only.
    pub selects: bool,
    /// Whether it speaks AMQP, else STOMP.
    pub is_amqp: bool,
}

/// What happens to deliveries, as their clients see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A client got it and has it in its hands.
    Got(Spot, u32),
    /// A client got it and need not acknowledge it.
    GotForGood(Spot, u32),
    /// Its client has sent an ACK, or a NACK for good.
    Settled(Spot, u32),
    /// Its client has given it back, or what it said of it may not count.
    Returned(Spot, u32),
    /// The client gave up all that it has, or what it said last may be lost.
    Left(u32),
    /// The broker has ended and begun again.
    Restart,
    /// Its client of AMQP has sent a commit.
    CommitSent(u32),
    /// The oldest commit of its client that was not answered is done.
    CommitDone(u32),
    /// It is refused, and its channel is closed.
    CommitRefused(u32),
}

impl Event {
    /// What it is about.
    #[must_use]
    pub const fn spot(&self) -> Option<Spot> {
        match *self {
            Self::Got(spot, _)
            | Self::GotForGood(spot, _)
            | Self::Settled(spot, _)
            | Self::Returned(spot, _) => Some(spot),
            Self::Left(_)
            | Self::Restart
            | Self::CommitSent(_)
            | Self::CommitDone(_)
            | Self::CommitRefused(_) => None,
        }
    }
}

/// The memory that queued messages took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// What they may take, in bytes.
    pub limit: usize,
    /// By how much they grew while they took more, at most, beside dead letters that were on their way before.
    pub excess: usize,
}

/// What is known of a message that was sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Where it goes.
    pub to: Vec<Source>,
    /// Whether it was persistent.
    pub is_persistent: bool,
    /// Its own time to live.
    pub ttl_ms: Option<u64>,
    /// It is to be delivered no earlier than so long after it was sent.
    pub delay_ms: Option<u64>,
    /// When it was sent.
    pub at: Instant,
    /// When its receipt came.
    pub confirmed_at: Option<Instant>,
    /// Its priority.
    pub priority: u8,
    /// The transaction that it is in.
    pub stamp: Option<Stamp>,
    /// Whether its receipt came, or that of its transaction's COMMIT.
    pub is_confirmed: bool,
    /// The client that sent it.
    pub client: u32,
    /// Its turn among all of its publisher's: when it was sent, or its transaction's COMMIT was. None if
    /// that was not.
    pub turn: Option<u32>,
}

/// How far a transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// No COMMIT was sent.
    Open,
    /// ABORT was sent.
    Aborted,
    /// COMMIT was sent, after so many deliveries had been seen.
    Asked(usize),
    /// The receipt of the COMMIT came; it was sent after so many deliveries had been seen.
    Confirmed(usize),
}

impl Fate {
    /// Has deliveries counted otherwise.
    fn recount(&mut self, count_of: impl Fn(usize) -> usize) {
        match self {
            Self::Open | Self::Aborted => {}
            Self::Asked(count) | Self::Confirmed(count) => *count = count_of(*count),
        }
    }
}

/// A transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// How far it is.
    pub fate: Fate,
    /// The messages sent in it.
    pub messages: Vec<Name>,
    /// Deliveries acknowledged in it.
    pub acked: Vec<Spot>,
    /// Deliveries rejected in it.
    pub rejected: Vec<Spot>,
}

/// What is known of the effect of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It had none.
    None,
    /// Nobody can tell.
    Unknown,
    /// It took effect; its COMMIT was sent after so many deliveries had been seen.
    Taken(usize),
}

/// What the clients of a run did and saw, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// What there was.
    pub scene: Scene,
    /// Every message that was sent.
    pub sent: BTreeMap<Name, Sent>,
    /// Every transaction that was begun.
    pub transactions: BTreeMap<Name, Transaction>,
    /// Every delivery, in the order in which clients received them.
    pub seen: Vec<Seen>,
    /// Deliveries whose ACK, or NACK for good, was sent with a receipt that came, by the number of
    /// deliveries seen by then.
    pub settled: BTreeMap<Spot, usize>,
    /// The same of ACKs only.
    pub accepted: BTreeSet<Spot>,
    /// Deliveries whose ACK was sent outside of transactions, or that need none.
    pub acked: BTreeSet<Spot>,
    /// Deliveries whose NACK for good was sent outside of transactions.
    pub rejected: BTreeSet<Spot>,
    /// The life in which everything is drained.
    pub drained_in: Option<u32>,
    /// The time.
    pub now: Instant,
    /// Clients by their numbers.
    pub clients: BTreeMap<u32, Client>,
    /// What happened to deliveries, in order.
    pub events: Vec<Event>,
    /// What was shown to clients that browse, and whether its settlement was confirmed before they came.
    pub browsed: Vec<(Seen, bool)>,
    /// What is out of service, or was and has lost something.
    pub tainted: BTreeSet<Reading>,
    /// Publishes and subscriptions that were refused because something is out of service.
    pub refused: u32,
    /// Why, as the broker said it the last time.
    pub refusal: String,
    /// Publishes and transactions that were refused because a queue is full.
    pub full: u32,
    /// Deliveries that were got without a consumer.
    pub gets: u32,
    /// Answers that came directly to who had asked.
    pub answers: u32,
    /// Whether the broker has ever ended in another way than in order.
    pub has_crashed: bool,
    /// The memory that queued messages took.
    pub memory: Memory,
}

impl History {
    /// What a queue was declared as.
    #[must_use]
    pub fn rules(&self, source: Source) -> &Rules {
        self.scene.rules(source)
    }

    /// Where all messages were seen.
    #[must_use]
    pub fn arrivals(&self) -> BTreeSet<Spot> {
        self.seen
            .iter()
            .map(|seen| (seen.message, seen.place))
            .collect()
    }

    /// Whether a message may rightly be gone from where it was sent to, though nobody ever accepted or
    /// rejected it.
    #[must_use]
    pub fn may_drop(&self, sent: &Sent, source: Source) -> bool {
        let rules = self.rules(source);
        rules.may_drop() || (sent.ttl_ms.is_some() && !rules.dead_letter)
    }

    /// Whether a message that took its place must be seen. A dead letter that is not persistent may be lost
    /// on its way.
    #[must_use]
    pub fn must_arrive(&self, sent: &Sent, source: Source) -> bool {
        !self.may_drop(sent, source) && (sent.is_persistent || !self.rules(source).dead_letter)
    }

    /// Whether a message whose receipt came survives everything that has happened.
    #[must_use]
    pub fn is_kept(&self, sent: &Sent, source: Source) -> bool {
        let is_safe = !self.has_crashed && !self.rules(source).dead_letter;
        sent.is_confirmed && (sent.is_persistent || is_safe)
    }

    /// What became of a transaction, as far as can be told.
    #[must_use]
    pub fn effect(&self, transaction: &Transaction, arrivals: &BTreeSet<Spot>) -> Effect {
        let asked = match transaction.fate {
            Fate::Open | Fate::Aborted => return Effect::None,
            Fate::Confirmed(asked) => return Effect::Taken(asked),
            Fate::Asked(asked) => asked,
        };
        let mut effect = Effect::Unknown;
        for name in &transaction.messages {
            let sent = &self.sent[name];
            for to in &sent.to {
                if [Place::At(*to), Place::Dead(*to)]
                    .into_iter()
                    .any(|place| arrivals.contains(&(*name, place)))
                {
                    return Effect::Taken(asked);
                }
                if self.must_arrive(sent, *to) {
                    effect = Effect::None;
                }
            }
        }
        effect
    }

    /// Deliveries whose acknowledgement may have had effect, and those whose rejection may have.
    #[must_use]
    pub fn ended(&self) -> (BTreeSet<Spot>, BTreeSet<Spot>) {
        let arrivals = self.arrivals();
        let (mut acked, mut rejected) = (self.acked.clone(), self.rejected.clone());
        for transaction in self.transactions.values() {
            if self.effect(transaction, &arrivals) != Effect::None {
                acked.extend(transaction.acked.iter().copied());
                rejected.extend(transaction.rejected.iter().copied());
            }
        }
        (acked, rejected)
    }
}
