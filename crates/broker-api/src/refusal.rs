//! Why the broker does not do what it was asked.

use model::{ExchangeName, QueueName, SubscriptionId};
use std::fmt;

/// Why the broker does not do what it was asked. Each protocol translates every one of these into
/// its own code or text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No user with this name and password.
    LoginFailed {
        /// The name that was given.
        user: String,
    },
    /// This user may connect only from this machine.
    LoopbackOnly {
        /// The name of the user.
        user: String,
    },
    /// There is no such mechanism to show who one is.
    UnknownMechanism {
        /// The name that was given, made readable.
        mechanism: String,
    },
    /// So many passwords wait to be checked that no more are taken; another time it may be done.
    Busy,
    /// A command came before `Connect` was answered.
    NotConnected,
    /// There is no such queue.
    QueueNotFound(QueueName),
    /// There is no such exchange.
    ExchangeNotFound(ExchangeName),
    /// It is there, declared as something else.
    Inequivalent {
        /// What it is: a queue or an exchange.
        what: &'static str,
        /// Its name.
        name: Box<str>,
        /// In what it differs.
        field: &'static str,
    },
    /// The queue belongs to another connection.
    QueueLocked(QueueName),
    /// The queue has subscriptions, or one that is to be the only one.
    QueueInUse(QueueName),
    /// The queue holds messages.
    QueueNotEmpty(QueueName),
    /// The queue was deleted.
    QueueDeleted(QueueName),
    /// The queue is full and takes no more.
    QueueFull(QueueName),
    /// The exchange has bindings that lead from it.
    ExchangeInUse(ExchangeName),
    /// This user may not do that, or nobody may.
    AccessRefused(String),
    /// What was asked makes no sense; the text says why.
    Invalid(String),
    /// There is no such subscription on the connection.
    SubscriptionNotFound(SubscriptionId),
    /// The subscription's id is in use or was used before.
    SubscriptionExists(SubscriptionId),
    /// A number of things reached its limit.
    LimitReached {
        /// What is counted.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// The subscriber accepted nothing for too long, and its policy is to be disconnected.
    Stalled,
    /// Another connection has connected with the same identity, or another subscription has taken the queue over.
    TakenOver,
    /// The user that the connection is was deleted.
    UserDeleted {
        /// Its name.
        user: Box<str>,
    },
    /// What stands on the disk is not what was written there: it is out of service until the operator has
    /// repaired it.
    Damaged {
        /// What is: a queue or a shard, with its name.
        what: Box<str>,
        /// What is wrong, and where.
        reason: Box<str>,
    },
    /// The store failed; nothing more is promised.
    StoreFailed,
    /// The broker is stopping.
    ShuttingDown,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LoginFailed { user } => write!(f, "access refused for user '{user}'"),
            Self::LoopbackOnly { user } => {
                write!(f, "user '{user}' can only connect via localhost")
            }
            Self::UnknownMechanism { mechanism } => {
                write!(f, "there is no authentication mechanism '{mechanism}'")
            }
            Self::Busy => f.write_str("too many logins at a time, try again later"),
            Self::NotConnected => f.write_str("not connected"),
            Self::QueueNotFound(name) => write!(f, "no queue '{name}'"),
            Self::ExchangeNotFound(name) => write!(f, "no exchange '{name}'"),
            Self::Inequivalent { what, name, field } => {
                write!(f, "the {what} '{name}' is there with another '{field}'")
            }
            Self::QueueLocked(name) => write!(
                f,
                "the queue '{name}' is exclusive and belongs to another connection"
            ),
            Self::QueueInUse(name) => write!(f, "the queue '{name}' is in use"),
            Self::QueueNotEmpty(name) => write!(f, "the queue '{name}' is not empty"),
            Self::QueueDeleted(name) => write!(f, "the queue '{name}' was deleted"),
            Self::QueueFull(name) => write!(f, "the queue '{name}' is full"),
            Self::ExchangeInUse(name) => write!(f, "the exchange '{name}' is in use"),
            Self::AccessRefused(text) | Self::Invalid(text) => f.write_str(text),
            Self::SubscriptionNotFound(id) => write!(f, "no subscription {id}"),
            Self::SubscriptionExists(id) => write!(f, "subscription {id} exists"),
            Self::LimitReached { what, limit } => {
                write!(f, "too many {what}, the limit is {limit}")
            }
            Self::Stalled => f.write_str("the subscriber accepted nothing for too long"),
            Self::UserDeleted { user } => write!(f, "the user '{user}' was deleted"),
            Self::TakenOver => f.write_str("another connection has taken over"),
            Self::Damaged { what, reason } => write!(
                f,
                "{what} is damaged on the disk and out of service, see `barid store check`: {reason}"
            ),
            Self::StoreFailed => f.write_str("the store failed, see the broker's log"),
            Self::ShuttingDown => f.write_str("the broker is stopping"),
        }
    }
}

impl std::error::Error for Refusal {}
