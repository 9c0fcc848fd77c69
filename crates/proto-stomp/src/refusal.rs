//! The broker's refusals as the texts of an ERROR frame.

use broker_api::Refusal;

/// The short text for the `message` header; the refusal's own text goes into the body.
pub(crate) const fn summary(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::LoginFailed { .. } | Refusal::LoopbackOnly { .. } => "access refused",
        Refusal::NotConnected => "not connected",
        Refusal::QueueNotFound(_) => "queue not found",
        Refusal::SubscriptionNotFound(_) => "subscription not found",
        Refusal::SubscriptionExists(_) => "duplicate subscription identifier",
        Refusal::LimitReached { .. } => "limit reached",
        Refusal::Stalled => "subscriber too slow",
        Refusal::StoreFailed => "store failed",
        Refusal::ShuttingDown => "broker is stopping",
    }
}
