//! A message's place in the queue, and what the queue must be told of it.

use model::{Instant, Message, Sequence};

/// What the machine needs of a message that only its head says. The caller looks it up, and only when asked
/// to: `group` if the envelope says that the message is grouped, `value` if the queue has a
/// last-value header. The default is neither.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    /// The group that the message belongs to.
    pub group: Option<Box<[u8]>>,
    /// What the message is about: a newer message about the same replaces it.
    pub value: Option<Box<[u8]>>,
}

/// Where and until when a message is kept; decided before the message is logged, so that the log tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    /// Its place in the queue.
    pub sequence: Sequence,
    /// When it leaves if it is not delivered before.
    pub expires_at: Option<Instant>,
    /// Not delivered before; only while it waits for that moment.
    pub available_at: Option<Instant>,
}

impl Placement {
    /// A place without bounds in time.
    #[must_use]
    pub const fn at(sequence: Sequence) -> Self {
        Self {
            sequence,
            expires_at: None,
            available_at: None,
        }
    }
}

/// The queue has no place for the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// A message that the queue holds, in whatever state.
#[derive(Clone, Copy, Debug)]
pub struct Held<'a> {
    /// Where it stands. `available_at` is set while it waits for that moment.
    pub placement: Placement,
    /// The message.
    pub message: &'a Message,
    /// Whether it stands in the log.
    pub is_logged: bool,
    /// How many of its deliveries have failed.
    pub delivery_count: u32,
}

/// A message that stands in no log yet.
#[derive(Clone, Copy, Debug)]
pub struct Unlogged<'a> {
    /// Its place in the queue; the same as in `placement`.
    pub sequence: Sequence,
    /// Where it stands, as the log shall tell.
    pub placement: Placement,
    /// How many of its deliveries have failed, as the log shall tell.
    pub delivery_count: u32,
    /// The message.
    pub message: &'a Message,
}

/// Which unlogged messages are to be logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Age {
    /// Those that were there at the call before: most messages leave before they need a record.
    Known,
    /// All.
    Any,
}

/// A message that has left the queue.
#[derive(Clone, Debug)]
pub struct Left {
    /// The place that it had.
    pub sequence: Sequence,
    /// The message; none if only its page has it, and it is [no death](LeaveReason::is_death) of a queue with a
    /// dead-letter rule.
    pub message: Option<Message>,
    /// What it was charged with if only its page has it; else 0.
    pub away_bytes: u32,
    /// Whether it stands in the log, so that its end must stand there too.
    pub is_logged: bool,
    /// Why it left.
    pub reason: LeaveReason,
}

impl Left {
    /// What it was charged with.
    #[must_use]
    pub fn cost_bytes(&self) -> usize {
        let here = self.message.as_ref().map(Message::cost_bytes);
        here.unwrap_or(self.away_bytes as usize)
    }
}

/// Why a message left the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaveReason {
    /// A subscriber accepted it.
    Accepted,
    /// A subscriber rejected it.
    Rejected,
    /// It was not delivered in its time.
    Expired,
    /// The queue was full, and it was the first to go.
    MaxLength,
    /// Its deliveries failed too often.
    DeliveryLimit,
    /// A newer message about the same took its place.
    Superseded,
    /// The queue was purged.
    Purged,
}

impl LeaveReason {
    /// Whether a message that leaves so becomes a dead letter where the queue has a rule for that.
    #[must_use]
    pub const fn is_death(self) -> bool {
        match self {
            Self::Rejected | Self::Expired | Self::MaxLength | Self::DeliveryLimit => true,
            Self::Accepted | Self::Superseded | Self::Purged => false,
        }
    }
}

/// A delivery failed and the message went back: to be logged, so that the count survives. Only told of a
/// message that stands in the log; for others, [`Unlogged`] carries the count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Returned {
    /// Its place in the queue.
    pub sequence: Sequence,
    /// How many of its deliveries have failed, this one included.
    pub delivery_count: u32,
    /// When it may be delivered again, if it has to wait.
    pub available_at: Option<Instant>,
}
