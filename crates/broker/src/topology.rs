//! The shared metadata of shard 0: which queues there are and where they live.

use crate::entry;
use crate::mailbox::{Control, Mailbox};
use crate::outbox::Outbox;
use crate::routes::{QueueTarget, Routes};
use crate::shard::Shard;
use broker_api::{Event, Refusal};
use model::{CommandId, LogIndex, QueueId, QueueName, ShardId};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// The most queues that there may be: each takes memory and a record for ever.
const QUEUES_MAX: usize = 1_000_000;

/// The shared metadata of shard 0, beside the shard on its executor.
///
/// A declared queue is announced once its record is durable: first to the executor that hosts it,
/// then in the routes, then to whoever asked. So a publish that finds the route finds the queue.
pub(crate) struct Topology {
    queues: BTreeMap<QueueName, QueueTarget>,
    next_queue: QueueId,
    /// Declared and not yet durable, in the order of their records.
    pending: VecDeque<Pending>,
    shard_count: usize,
    executor_count: usize,
}

struct Pending {
    index: LogIndex,
    name: QueueName,
    target: QueueTarget,
    asked: Vec<(Arc<Outbox>, CommandId)>,
}

impl Topology {
    pub(crate) fn new(next_queue: QueueId, shard_count: usize, executor_count: usize) -> Self {
        Self {
            queues: BTreeMap::new(),
            next_queue,
            pending: VecDeque::new(),
            shard_count,
            executor_count,
        }
    }

    /// Takes over a queue that was declared before.
    pub(crate) fn recover(&mut self, name: QueueName, target: QueueTarget) {
        self.queues.insert(name, target);
    }

    /// Makes a queue unless there is one of that name.
    pub(crate) fn declare(
        &mut self,
        shard: &mut Shard,
        name: QueueName,
        outbox: Arc<Outbox>,
        command: CommandId,
    ) {
        if self.queues.contains_key(&name) {
            outbox.push(&mut vec![Event::Done(command, Ok(()))]);
            return;
        }
        if let Some(pending) = self.pending.iter_mut().find(|pending| pending.name == name) {
            pending.asked.push((outbox, command));
            return;
        }
        if self.queues.len() + self.pending.len() >= QUEUES_MAX {
            let refusal = Refusal::LimitReached {
                what: "queues",
                limit: QUEUES_MAX as u64,
            };
            outbox.push(&mut vec![Event::Done(command, Err(refusal))]);
            return;
        }
        let queue = self.next_queue;
        self.next_queue = QueueId(queue.0 + 1);
        let home = self.place(queue);
        let target = QueueTarget {
            queue,
            shard: home,
            executor: usize::from(home.0) % self.executor_count,
        };
        let index = shard.append(entry::DECLARED, |to| {
            entry::encode_declared(to, queue, home, &name);
        });
        self.pending.push_back(Pending {
            index,
            name,
            target,
            asked: vec![(outbox, command)],
        });
    }

    /// Announces what has become durable.
    pub(crate) fn handle_committed(
        &mut self,
        committed: LogIndex,
        mailboxes: &[Arc<Mailbox>],
        routes: &Routes,
    ) {
        while let Some(pending) = self.pending.front()
            && pending.index <= committed
        {
            let Some(Pending {
                name,
                target,
                asked,
                ..
            }) = self.pending.pop_front()
            else {
                break;
            };
            mailboxes[target.executor].post(&mut vec![Control::Adopt(target)]);
            routes.add_queue(&name, target);
            self.queues.insert(name, target);
            for (outbox, command) in asked {
                outbox.push(&mut vec![Event::Done(command, Ok(()))]);
            }
        }
    }

    /// The records that a snapshot of shard 0 begins with.
    pub(crate) fn snapshot(&self) -> Vec<(u8, Vec<u8>)> {
        let declared = self.queues.iter().map(|(name, target)| (name, *target));
        let pending = self
            .pending
            .iter()
            .map(|pending| (&pending.name, pending.target));
        let mut records = Vec::new();
        let mut next = Vec::new();
        entry::encode_queue_ids(&mut next, self.next_queue);
        records.push((entry::QUEUE_IDS, next));
        for (name, target) in declared.chain(pending) {
            let mut record = Vec::new();
            entry::encode_declared(&mut record, target.queue, target.shard, name);
            records.push((entry::DECLARED, record));
        }
        records
    }

    /// Where a new queue is to live: the shards behind shard 0 in turn.
    fn place(&self, queue: QueueId) -> ShardId {
        let others = self.shard_count.saturating_sub(1).max(1) as u64;
        let place = (queue.0 % others + 1).min(self.shard_count as u64 - 1);
        ShardId(u16::try_from(place).expect("shards are counted in 16 bits"))
    }
}
