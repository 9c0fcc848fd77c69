//! The broker's refusals as codes and texts.

use crate::ReplyCode;
use broker_api::Refusal;

/// The code that tells of a refusal, as RabbitMQ has it.
pub(crate) const fn reply_code(refusal: &Refusal) -> ReplyCode {
    match refusal {
        Refusal::LoginFailed { .. }
        | Refusal::LoopbackOnly { .. }
        | Refusal::UnknownMechanism { .. }
        | Refusal::AccessRefused(_) => ReplyCode::AccessRefused,
        Refusal::QueueNotFound(_)
        | Refusal::ExchangeNotFound(_)
        | Refusal::QueueDeleted(_)
        | Refusal::SubscriptionNotFound(_)
        // As a queue of RabbitMQ whose node is down.
        | Refusal::Damaged { .. } => ReplyCode::NotFound,
        Refusal::Inequivalent { .. }
        | Refusal::QueueInUse(_)
        | Refusal::QueueNotEmpty(_)
        | Refusal::QueueFull(_)
        | Refusal::ExchangeInUse(_)
        | Refusal::Invalid(_)
        | Refusal::LimitReached { .. }
        | Refusal::Stalled => ReplyCode::PreconditionFailed,
        Refusal::QueueLocked(_) => ReplyCode::ResourceLocked,
        Refusal::SubscriptionExists(_) => ReplyCode::NotAllowed,
        Refusal::Busy => ReplyCode::ResourceError,
        Refusal::TakenOver | Refusal::UserDeleted { .. } | Refusal::ShuttingDown => {
            ReplyCode::ConnectionForced
        }
        Refusal::NotConnected | Refusal::StoreFailed => ReplyCode::InternalError,
    }
}

/// The text behind the code's name, in RabbitMQ's words where clients may know these.
pub(crate) fn text(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Inequivalent { what, name, field } => {
            format!("inequivalent arg '{field}' for {what} '{name}' in vhost '/'")
        }
        Refusal::QueueNotFound(name) => format!("no queue '{name}' in vhost '/'"),
        Refusal::ExchangeNotFound(name) => format!("no exchange '{name}' in vhost '/'"),
        Refusal::QueueLocked(name) => {
            format!("cannot obtain exclusive access to locked queue '{name}' in vhost '/'")
        }
        Refusal::QueueInUse(name) => format!("queue '{name}' in vhost '/' in use"),
        Refusal::QueueNotEmpty(name) => format!("queue '{name}' in vhost '/' not empty"),
        Refusal::ExchangeInUse(name) => format!("exchange '{name}' in vhost '/' in use"),
        Refusal::LoginFailed { .. }
        | Refusal::LoopbackOnly { .. }
        | Refusal::UnknownMechanism { .. }
        | Refusal::Busy
        | Refusal::NotConnected
        | Refusal::QueueDeleted(_)
        | Refusal::QueueFull(_)
        | Refusal::AccessRefused(_)
        | Refusal::Invalid(_)
        | Refusal::SubscriptionNotFound(_)
        | Refusal::SubscriptionExists(_)
        | Refusal::LimitReached { .. }
        | Refusal::Stalled
        | Refusal::TakenOver
        | Refusal::UserDeleted { .. }
        | Refusal::Damaged { .. }
        | Refusal::StoreFailed
        | Refusal::ShuttingDown => refusal.to_string(),
    }
}
