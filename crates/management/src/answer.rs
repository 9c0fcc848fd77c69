//! What the broker answers.

use crate::{binding, exchange, queue, user};
use broker_api::Reply;
use serde::{Deserialize, Serialize};

/// An answer as it goes over the line: `{"ok":...}` or `{"error":"..."}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Response<T> {
    /// It was done; what there is to say.
    Ok(T),
    /// It was not; why.
    Error(String),
}

/// What there is to say of a request that was carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Answer {
    /// Nothing: `{}`.
    Nothing {},
    /// For `declare_queue`.
    Queue(queue::Status),
    /// For `delete_queue` and `purge_queue`.
    Count(Count),
    /// For `list_queues`.
    Queues(Vec<queue::Listed>),
    /// For `list_exchanges`.
    Exchanges(Vec<exchange::Listed>),
    /// For `list_bindings`.
    Bindings(Vec<binding::Binding>),
    /// For `list_users`.
    Users(Vec<user::Listed>),
}

/// A number of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// The messages that are gone.
    pub message_count: u64,
}

impl From<&Reply> for Answer {
    fn from(reply: &Reply) -> Self {
        match reply {
            // The others are for who shows who it is, takes messages or has taken a queue over, which nobody does here.
            Reply::Nothing
            | Reply::Challenge(_)
            | Reply::Authenticated(_)
            | Reply::Notes(_)
            | Reply::SettleWithin(_)
            | Reply::Got(_) => Self::Nothing {},
            Reply::Users(users) => Self::Users(users.iter().map(Into::into).collect()),
            Reply::Queue(status) => Self::Queue(status.as_ref().into()),
            Reply::Count(count) => Self::Count(Count {
                message_count: *count,
            }),
            Reply::Queues(queues) => Self::Queues(queues.iter().map(Into::into).collect()),
            Reply::Exchanges(exchanges) => {
                Self::Exchanges(exchanges.iter().map(Into::into).collect())
            }
            Reply::Bindings(bindings) => Self::Bindings(bindings.iter().map(Into::into).collect()),
        }
    }
}
