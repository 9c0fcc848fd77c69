//! The broker's refusals as the texts of an ERROR frame.

use broker_api::Refusal;

/// The short text for the `message` header, as RabbitMQ words it; the refusal's own text goes into the
/// body.
pub(crate) const fn summary(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::LoginFailed { .. }
        | Refusal::LoopbackOnly { .. }
        | Refusal::UnknownMechanism { .. } => "access refused",
        Refusal::Busy => "too many logins",
        Refusal::NotConnected => "not connected",
        Refusal::QueueNotFound(_) | Refusal::ExchangeNotFound(_) => "not_found",
        Refusal::Inequivalent { .. }
        | Refusal::QueueInUse(_)
        | Refusal::QueueNotEmpty(_)
        | Refusal::ExchangeInUse(_)
        | Refusal::Invalid(_) => "precondition_failed",
        Refusal::QueueLocked(_) => "resource_locked",
        Refusal::QueueDeleted(_) => "Server cancelled subscription",
        Refusal::QueueFull(_) => "queue full",
        Refusal::AccessRefused(_) => "access_refused",
        Refusal::SubscriptionNotFound(_) => "subscription not found",
        Refusal::SubscriptionExists(_) => "duplicate subscription identifier",
        Refusal::LimitReached { .. } => "limit reached",
        Refusal::Stalled => "subscriber too slow",
        Refusal::TakenOver => "taken over",
        Refusal::UserDeleted { .. } => "user deleted",
        Refusal::Damaged { .. } => "damaged",
        Refusal::StoreFailed => "store failed",
        Refusal::ShuttingDown => "broker is stopping",
    }
}
