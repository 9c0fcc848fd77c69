//! Why the broker does not do what it was asked.

use model::{QueueName, SubscriptionId};
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
    /// A command came before `Connect` was answered.
    NotConnected,
    /// There is no such queue.
    QueueNotFound(QueueName),
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
            Self::NotConnected => f.write_str("not connected"),
            Self::QueueNotFound(name) => write!(f, "no queue '{name}'"),
            Self::SubscriptionNotFound(id) => write!(f, "no subscription {id}"),
            Self::SubscriptionExists(id) => write!(f, "subscription {id} exists"),
            Self::LimitReached { what, limit } => {
                write!(f, "too many {what}, the limit is {limit}")
            }
            Self::Stalled => f.write_str("the subscriber accepted nothing for too long"),
            Self::StoreFailed => f.write_str("the store failed, see the broker's log"),
            Self::ShuttingDown => f.write_str("the broker is stopping"),
        }
    }
}

impl std::error::Error for Refusal {}
