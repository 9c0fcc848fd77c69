//! What is asked of the broker.

use crate::{Invalid, binding, exchange, queue, user};
use broker_api::{Command, Listing};
use model::QueueName;
use serde::{Deserialize, Serialize};

/// One request: in JSON an object whose `command` says which, with the fields of that beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Request {
    /// `declare_exchange`
    DeclareExchange(exchange::Declare),
    /// `delete_exchange`
    DeleteExchange(exchange::Delete),
    /// `list_exchanges`
    ListExchanges(All),
    /// `declare_queue`
    DeclareQueue(queue::Declare),
    /// `delete_queue`
    DeleteQueue(queue::Delete),
    /// `purge_queue`
    PurgeQueue(queue::Purge),
    /// `list_queues`
    ListQueues(All),
    /// `declare_binding`
    DeclareBinding(binding::Binding),
    /// `delete_binding`
    DeleteBinding(binding::Binding),
    /// `list_bindings`
    ListBindings(All),
    /// `put_user`
    PutUser(user::Put),
    /// `delete_user`
    DeleteUser(user::Delete),
    /// `list_users`
    ListUsers(All),
}

/// Everything there is: no fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct All {}

impl TryFrom<Request> for Command {
    type Error = Invalid;

    fn try_from(request: Request) -> Result<Self, Invalid> {
        Ok(match request {
            Request::DeclareExchange(declare) => {
                Self::DeclareExchange(Box::new(declare.try_into()?))
            }
            Request::DeleteExchange(delete) => Self::DeleteExchange(delete.try_into()?),
            Request::ListExchanges(All {}) => Self::List(Listing::Exchanges),
            Request::DeclareQueue(declare) => Self::DeclareQueue(Box::new(declare.try_into()?)),
            Request::DeleteQueue(delete) => Self::DeleteQueue(delete.try_into()?),
            Request::PurgeQueue(purge) => Self::PurgeQueue(QueueName::new(&purge.name.0)?),
            Request::ListQueues(All {}) => Self::List(Listing::Queues),
            Request::DeclareBinding(binding) => Self::Bind(Box::new(binding.try_into()?)),
            Request::DeleteBinding(binding) => Self::Unbind(Box::new(binding.try_into()?)),
            Request::ListBindings(All {}) => Self::List(Listing::Bindings),
            Request::PutUser(put) => Self::PutUser(Box::new(put.into())),
            Request::DeleteUser(delete) => Self::DeleteUser(delete.name),
            Request::ListUsers(All {}) => Self::List(Listing::Users),
        })
    }
}
