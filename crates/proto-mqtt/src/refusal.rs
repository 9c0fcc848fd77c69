//! The broker's refusals as reason codes.

use crate::frame::{ConnackReason, DisconnectReason, PublishReason, SubscribeReason};
use broker_api::Refusal;

/// What CONNACK says of it.
pub(crate) const fn connack(refusal: &Refusal) -> ConnackReason {
    match refusal {
        Refusal::LoginFailed { .. } => ConnackReason::BadUserNameOrPassword,
        Refusal::LoopbackOnly { .. } | Refusal::AccessRefused(_) | Refusal::UserDeleted { .. } => {
            ConnackReason::NotAuthorized
        }
        Refusal::UnknownMechanism { .. } => ConnackReason::BadAuthenticationMethod,
        Refusal::Busy => ConnackReason::ServerBusy,
        Refusal::LimitReached { .. } => ConnackReason::QuotaExceeded,
        Refusal::Stalled
        | Refusal::TakenOver
        | Refusal::Damaged { .. }
        | Refusal::StoreFailed
        | Refusal::ShuttingDown => ConnackReason::ServerUnavailable,
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
        | Refusal::SubscriptionExists(_) => ConnackReason::ImplementationSpecificError,
    }
}

/// What CONNACK says of it to a client that authenticates by a method.
pub(crate) const fn not_authenticated(refusal: &Refusal) -> ConnackReason {
    let reason = connack(refusal);
    if matches!(reason, ConnackReason::BadUserNameOrPassword) {
        // It has sent neither.
        return ConnackReason::NotAuthorized;
    }
    reason
}

/// What DISCONNECT says of it.
pub(crate) const fn disconnect(refusal: &Refusal) -> DisconnectReason {
    match refusal {
        Refusal::LoginFailed { .. }
        | Refusal::LoopbackOnly { .. }
        | Refusal::AccessRefused(_)
        | Refusal::UnknownMechanism { .. }
        | Refusal::NotConnected => DisconnectReason::NotAuthorized,
        Refusal::Busy => DisconnectReason::ServerBusy,
        Refusal::TakenOver => DisconnectReason::SessionTakenOver,
        Refusal::UserDeleted { .. } => DisconnectReason::AdministrativeAction,
        Refusal::ShuttingDown => DisconnectReason::ServerShuttingDown,
        Refusal::Stalled | Refusal::QueueFull(_) | Refusal::LimitReached { .. } => {
            DisconnectReason::QuotaExceeded
        }
        Refusal::QueueNotFound(_)
        | Refusal::ExchangeNotFound(_)
        | Refusal::Inequivalent { .. }
        | Refusal::QueueLocked(_)
        | Refusal::QueueInUse(_)
        | Refusal::QueueNotEmpty(_)
        | Refusal::QueueDeleted(_)
        | Refusal::ExchangeInUse(_)
        | Refusal::Invalid(_)
        | Refusal::SubscriptionNotFound(_)
        | Refusal::SubscriptionExists(_)
        | Refusal::Damaged { .. }
        | Refusal::StoreFailed => DisconnectReason::ImplementationSpecificError,
    }
}

/// What PUBACK and PUBREC say of it.
pub(crate) const fn publish(refusal: &Refusal) -> PublishReason {
    match refusal {
        Refusal::LoginFailed { .. }
        | Refusal::LoopbackOnly { .. }
        | Refusal::AccessRefused(_)
        | Refusal::UnknownMechanism { .. }
        | Refusal::UserDeleted { .. }
        | Refusal::NotConnected => PublishReason::NotAuthorized,
        Refusal::QueueFull(_) | Refusal::LimitReached { .. } => PublishReason::QuotaExceeded,
        Refusal::QueueNotFound(_)
        | Refusal::ExchangeNotFound(_)
        | Refusal::Inequivalent { .. }
        | Refusal::QueueLocked(_)
        | Refusal::QueueInUse(_)
        | Refusal::QueueNotEmpty(_)
        | Refusal::QueueDeleted(_)
        | Refusal::ExchangeInUse(_)
        | Refusal::Invalid(_)
        | Refusal::SubscriptionNotFound(_)
        | Refusal::SubscriptionExists(_)
        | Refusal::Stalled
        | Refusal::TakenOver
        | Refusal::Busy
        | Refusal::Damaged { .. }
        | Refusal::StoreFailed
        | Refusal::ShuttingDown => PublishReason::ImplementationSpecificError,
    }
}

/// What SUBACK says of it.
pub(crate) const fn subscribe(refusal: &Refusal) -> SubscribeReason {
    match refusal {
        Refusal::LoginFailed { .. }
        | Refusal::LoopbackOnly { .. }
        | Refusal::AccessRefused(_)
        | Refusal::UnknownMechanism { .. }
        | Refusal::UserDeleted { .. }
        | Refusal::NotConnected => SubscribeReason::NotAuthorized,
        Refusal::LimitReached { .. } => SubscribeReason::QuotaExceeded,
        Refusal::QueueNotFound(_)
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
        | Refusal::Stalled
        | Refusal::TakenOver
        | Refusal::Busy
        | Refusal::Damaged { .. }
        | Refusal::StoreFailed
        | Refusal::ShuttingDown => SubscribeReason::ImplementationSpecificError,
    }
}
