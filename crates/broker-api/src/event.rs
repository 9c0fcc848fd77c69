//! What the broker tells a session.

use crate::Refusal;
use model::{CommandId, Message, Sequence, SubscriptionId};

/// What the broker tells a session.
#[derive(Debug)]
pub enum Event {
    /// A message for a subscription.
    Delivery(Delivery),
    /// The publish or settlement is safe, as [`Confirm`](crate::Confirm) tells.
    Confirmed(CommandId),
    /// The command has taken effect, or has been refused and had none.
    Done(CommandId, Result<(), Refusal>),
    /// What was ready has been delivered and the rest of the grant is taken away.
    Drained(SubscriptionId),
    /// The broker has ended the subscription.
    Ended(SubscriptionId, Refusal),
    /// The broker ends the connection: the session says so in its protocol and closes.
    Disconnect(Refusal),
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
    /// The message.
    pub message: Message,
}
