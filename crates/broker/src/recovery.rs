//! From records back to queues.

use crate::entry::{Entry, EntryError};
use log_store::Replayed;
use model::{LogIndex, QueueId, QueueName, ShardId};
use queue::RecoveredQueue;
use std::collections::BTreeMap;

/// Takes the records of all shards, in the order of each shard's log, and keeps what they amount to.
#[derive(Debug, Default)]
pub struct Recovery {
    declared: BTreeMap<QueueId, (QueueName, ShardId)>,
    next_queue: QueueId,
    queues: BTreeMap<(ShardId, QueueId), RecoveredQueue>,
    error: Option<RecoveryError>,
}

/// What was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Queues.
    pub queue_count: usize,
    /// Messages in them.
    pub message_count: usize,
}

/// Why the records do not make a broker.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecoveryError {
    /// A record makes no sense.
    #[error("shard {shard}, record {index}: {error}")]
    BadEntry {
        /// Whose log it stands in.
        shard: ShardId,
        /// Where.
        index: LogIndex,
        /// What is wrong with it.
        error: EntryError,
    },
    /// A shard holds messages of a queue that shard 0 does not know.
    #[error("shard {shard} holds queue {queue}, which was never declared")]
    UndeclaredQueue {
        /// The shard.
        shard: ShardId,
        /// The queue.
        queue: QueueId,
    },
    /// A queue was placed in a shard that does not exist.
    #[error("queue '{name}' is in shard {shard}, but there are only {count} shards")]
    NoSuchShard {
        /// The queue.
        name: QueueName,
        /// Where it is said to be.
        shard: ShardId,
        /// How many shards there are.
        count: usize,
    },
}

/// All that the shards held, as the executors take it over.
pub(crate) struct RecoveredShards {
    pub(crate) queues: Vec<(QueueName, QueueId, ShardId, RecoveredQueue)>,
    pub(crate) next_queue: QueueId,
}

impl Recovery {
    /// Takes the next record. After a bad one, nothing more is taken in;
    /// [`Broker::open`](crate::Broker::open) then says which it was.
    pub fn replay(&mut self, record: Replayed<'_>) {
        if self.error.is_some() {
            return;
        }
        match Entry::decode(record.kind, record.payload) {
            Ok(entry) => self.apply(record.shard, entry),
            Err(error) => {
                let (shard, index) = (record.shard, record.index);
                self.error = Some(RecoveryError::BadEntry {
                    shard,
                    index,
                    error,
                });
            }
        }
    }

    fn apply(&mut self, at: ShardId, entry: Entry) {
        match entry {
            Entry::Declared { queue, shard, name } => {
                self.declared.insert(queue, (name, shard));
                self.next_queue = self.next_queue.max(QueueId(queue.0 + 1));
            }
            Entry::QueueIds { next } => self.next_queue = self.next_queue.max(next),
            Entry::Enqueued {
                queue,
                sequence,
                message,
            } => {
                self.queue(at, queue).enqueued(sequence, message);
            }
            Entry::Settled { queue, ranges } => {
                let recovered = self.queue(at, queue);
                for (first, last) in ranges {
                    recovered.settled(first, last);
                }
            }
            Entry::Marked { queue, mark } => self.queue(at, queue).marked(mark),
            Entry::Queue { queue, next, mark } => {
                let recovered = self.queue(at, queue);
                recovered.next_is(next);
                recovered.marked(mark);
            }
        }
    }

    fn queue(&mut self, shard: ShardId, queue: QueueId) -> &mut RecoveredQueue {
        self.queues.entry((shard, queue)).or_default()
    }

    pub(crate) fn finish(
        mut self,
        shard_count: usize,
    ) -> Result<(RecoveredShards, Recovered), RecoveryError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let mut queues = Vec::with_capacity(self.declared.len());
        let mut message_count = 0;
        for (queue, (name, shard)) in self.declared {
            if usize::from(shard.0) >= shard_count {
                return Err(RecoveryError::NoSuchShard {
                    name,
                    shard,
                    count: shard_count,
                });
            }
            let recovered = self.queues.remove(&(shard, queue)).unwrap_or_default();
            message_count += recovered.len();
            queues.push((name, queue, shard, recovered));
        }
        if let Some(((shard, queue), _)) = self.queues.pop_first() {
            return Err(RecoveryError::UndeclaredQueue { shard, queue });
        }
        let recovered = Recovered {
            queue_count: queues.len(),
            message_count,
        };
        Ok((
            RecoveredShards {
                queues,
                next_queue: self.next_queue,
            },
            recovered,
        ))
    }
}
