//! What an event counts as while it waits for its connection.

use broker_api::{Event, Refusal};

/// What an answer counts as beside the texts in it.
const ANSWER_BYTES: usize = 64;

/// What an event counts as, in bytes.
pub(crate) fn event_bytes(event: &Event) -> usize {
    match event {
        Event::Delivery(delivery) => delivery.message.cost_bytes(),
        Event::Returned(_, message) => message.cost_bytes(),
        Event::Done(_, Err(refusal)) | Event::Ended(_, refusal) | Event::Disconnect(refusal) => {
            ANSWER_BYTES + text_bytes(refusal)
        }
        Event::Confirmed(_)
        | Event::Done(_, Ok(_))
        | Event::Drained(_)
        | Event::Blocked(_)
        | Event::Unblocked => ANSWER_BYTES,
    }
}

/// What an event counts as that is no delivery: 0 of those, which count against the budget of their connection.
pub(crate) fn answer_bytes(event: &Event) -> usize {
    if matches!(event, Event::Delivery(_)) {
        0
    } else {
        event_bytes(event)
    }
}

/// What as many confirms count as.
pub(crate) const fn confirm_bytes(count: usize) -> usize {
    count * ANSWER_BYTES
}

fn text_bytes(refusal: &Refusal) -> usize {
    match refusal {
        Refusal::LoginFailed { user } | Refusal::LoopbackOnly { user } => user.len(),
        Refusal::UserDeleted { user } => user.len(),
        Refusal::UnknownMechanism { mechanism } => mechanism.len(),
        Refusal::QueueNotFound(name)
        | Refusal::QueueLocked(name)
        | Refusal::QueueInUse(name)
        | Refusal::QueueNotEmpty(name)
        | Refusal::QueueDeleted(name)
        | Refusal::QueueFull(name) => name.as_bytes().len(),
        Refusal::ExchangeNotFound(name) | Refusal::ExchangeInUse(name) => name.as_bytes().len(),
        Refusal::Inequivalent { name, .. } => name.len(),
        Refusal::AccessRefused(text) | Refusal::Invalid(text) => text.len(),
        Refusal::Damaged { what, reason } => what.len() + reason.len(),
        Refusal::Busy
        | Refusal::NotConnected
        | Refusal::SubscriptionNotFound(_)
        | Refusal::SubscriptionExists(_)
        | Refusal::LimitReached { .. }
        | Refusal::Stalled
        | Refusal::TakenOver
        | Refusal::StoreFailed
        | Refusal::ShuttingDown => 0,
    }
}
