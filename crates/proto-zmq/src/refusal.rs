//! What the broker refuses, in the words of the handshake.

use broker_api::Refusal;
use zmtp::StatusCode;

/// The code of a refusal that comes while the peer shows who it is.
pub(crate) const fn status_code(refusal: &Refusal) -> StatusCode {
    match refusal {
        Refusal::LoginFailed { .. }
        | Refusal::LoopbackOnly { .. }
        | Refusal::UnknownMechanism { .. }
        | Refusal::AccessRefused(_)
        | Refusal::UserDeleted { .. } => StatusCode::AuthenticationFailure,
        Refusal::Busy | Refusal::ShuttingDown => StatusCode::TemporaryError,
        Refusal::NotConnected
        | Refusal::QueueNotFound(_)
        | Refusal::ExchangeNotFound(_)
        | Refusal::Inequivalent { .. }
        | Refusal::QueueLocked(_)
        | Refusal::QueueInUse(_)
        | Refusal::QueueNotEmpty(_)
        | Refusal::QueueDeleted(_)
        | Refusal::QueueFull(_)
        | Refusal::ExchangeInUse(_)
        | Refusal::Invalid(_)
        | Refusal::SubscriptionNotFound(_)
        | Refusal::SubscriptionExists(_)
        | Refusal::LimitReached { .. }
        | Refusal::Stalled
        | Refusal::TakenOver
        | Refusal::Damaged { .. }
        | Refusal::StoreFailed => StatusCode::InternalError,
    }
}
