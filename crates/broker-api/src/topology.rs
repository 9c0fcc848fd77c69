//! Queues, exchanges and bindings: making them, ending them, asking for them.

use model::{
    Arguments, BindingKey, Durability, ExchangeDefinition, ExchangeName, Lifetime, QueueDefinition,
    QueueName, ShardId,
};

/// What happens when something of that name is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfExists {
    /// It is refused unless it was declared as the same.
    MustEqual,
    /// It is used, whatever it was declared as.
    Use,
    /// Another is made in any case: its name begins with the one given, and ends with what nobody can foresee.
    Another,
}

/// What happens when nothing of that name is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfMissing {
    /// It is made.
    Create,
    /// It is refused as not found.
    Refuse,
}

/// Makes a queue, or asks for one. Answered with [`Reply::Queue`](crate::Reply::Queue).
#[derive(Debug)]
pub struct DeclareQueue {
    /// Without a name, the broker makes one up: `amq.gen-` and more, which nobody else has.
    pub name: Option<QueueName>,
    /// What it is to be.
    pub definition: QueueDefinition,
    /// When it is there.
    pub if_exists: IfExists,
    /// When it is not.
    pub if_missing: IfMissing,
}

impl DeclareQueue {
    /// A durable, shared queue without any bound, unless there is a queue of that name.
    #[must_use]
    pub const fn durable(name: QueueName) -> Self {
        Self {
            name: Some(name),
            definition: QueueDefinition::DURABLE,
            if_exists: IfExists::Use,
            if_missing: IfMissing::Create,
        }
    }
}

/// On what condition something is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeleteIf {
    /// Only if nobody uses it: a queue without subscriptions, an exchange without bindings from it.
    pub unused: bool,
    /// Only if it holds no ready message.
    pub empty: bool,
}

/// Ends a queue. Answered with [`Reply::Count`](crate::Reply::Count): the messages that are gone with it.
#[derive(Debug)]
pub struct DeleteQueue {
    /// The queue. If there is none of that name, there is nothing to do.
    pub name: QueueName,
    /// On what condition.
    pub condition: DeleteIf,
}

/// Makes an exchange, or asks for one.
#[derive(Debug)]
pub struct DeclareExchange {
    /// Its name.
    pub name: ExchangeName,
    /// What it is to be.
    pub definition: ExchangeDefinition,
    /// Whether it survives a restart.
    pub durability: Durability,
    /// Whether it ends when the last binding from it has.
    pub lifetime: Lifetime,
    /// When it is not there.
    pub if_missing: IfMissing,
}

/// Ends an exchange.
#[derive(Debug)]
pub struct DeleteExchange {
    /// The exchange. If there is none of that name, there is nothing to do.
    pub name: ExchangeName,
    /// On what condition; `empty` says nothing of an exchange.
    pub condition: DeleteIf,
}

/// Where a binding leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BindTo {
    /// A queue.
    Queue(QueueName),
    /// An exchange.
    Exchange(ExchangeName),
}

/// A binding. It is as durable as both of its ends are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bind {
    /// The exchange that it leads from.
    pub source: ExchangeName,
    /// Where it leads.
    pub destination: BindTo,
    /// What it asks of the routing key.
    pub key: BindingKey,
    /// What else it asks.
    pub arguments: Arguments,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listing {
    /// All queues but those that belong to one connection.
    Queues,
    /// All exchanges.
    Exchanges,
    /// All bindings that lead to queues or exchanges.
    Bindings,
    /// All users. For operators.
    Users,
}

/// A queue and what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueStatus {
    /// Its name.
    pub name: QueueName,
    /// Messages that wait to be delivered.
    pub ready_count: u64,
    /// Messages that were delivered and are not settled.
    pub unsettled_count: u64,
    /// What all of them are charged with in memory.
    pub bytes: u64,
    /// Subscriptions.
    pub subscription_count: u64,
}

/// A queue as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedQueue {
    /// Its name and what it holds.
    pub status: QueueStatus,
    /// What it was declared as.
    pub definition: QueueDefinition,
    /// Where it lives.
    pub shard: ShardId,
}

/// An exchange as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedExchange {
    /// Its name.
    pub name: ExchangeName,
    /// What it was declared as.
    pub definition: ExchangeDefinition,
    /// Whether it survives a restart.
    pub durability: Durability,
    /// Whether it ends by itself.
    pub lifetime: Lifetime,
    /// Bindings that lead from it.
    pub binding_count: u64,
}
