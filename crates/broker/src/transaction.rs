//! The nouns of transactions over several shards.
//!
//! ```text
//!  connection ─offer─▶ each shard
//!  connection ─begin─▶ coordinator ─prepare─▶ each shard: PREPARED, synced ─vote─▶ coordinator: DECIDED, synced
//!       ◀──────────── done ─────────────────────────────────────────────────────┤
//!                      each shard: COMMITTED, synced ◀──────decision────────────┘
//!                                 └──────────────applied─▶ coordinator: FINISHED
//! ```
//! The coordinator is one of the shards. What is prepared is out of everybody's reach: settlements are taken
//! out of their subscriptions' hands, messages stand in no queue yet. A shard that finds something prepared
//! after a crash asks nobody: where the coordinator's log holds the decision, it is told again; where it does
//! not, nothing was ever promised, and the transaction is aborted.
//!
//! A transaction on one shard is one record, `TRANSACTED`.

use crate::outbox::Outbox;
use model::{CommandId, ConnectionId, Message, Outcome, QueueId, Sequence, ShardId};
use queue::SubscriberId;
use std::sync::Arc;

/// A transaction: its coordinator, and its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TransactionId {
    pub(crate) coordinator: ShardId,
    pub(crate) number: u64,
}

/// What a connection has offered a shard, until its transaction has an id: whose, and which commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct OfferId {
    pub(crate) connection: ConnectionId,
    pub(crate) command: CommandId,
}

/// What a shard has to do in a transaction.
#[derive(Debug, Default)]
pub(crate) struct Part {
    pub(crate) publishes: Vec<PreparedPublish>,
    pub(crate) settles: Vec<PartSettle>,
}

/// Deliveries that a transaction ends.
#[derive(Debug)]
pub(crate) struct PartSettle {
    pub(crate) subscriber: SubscriberId,
    pub(crate) queue: QueueId,
    pub(crate) sequences: Vec<Sequence>,
    pub(crate) outcome: Outcome,
}

/// What a shard has prepared.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Prepared {
    pub(crate) publishes: Vec<PreparedPublish>,
    pub(crate) settles: Vec<PreparedSettle>,
}

/// A message for queues of one shard; without a queue, one that is to be retained in the shard's log.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PreparedPublish {
    pub(crate) queues: Vec<QueueId>,
    pub(crate) message: Message,
}

/// Deliveries that belong to nobody until it is decided.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PreparedSettle {
    pub(crate) queue: QueueId,
    pub(crate) outcome: Outcome,
    pub(crate) sequences: Vec<Sequence>,
}

/// Who waits for a transaction.
pub(crate) struct Asker {
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) command: CommandId,
}

/// What becomes of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    Commit,
    Abort,
}
