//! Queues that keep others from ending for want of use.

use super::{Change, Topology, check};
use crate::entry;
use crate::keeps::Keeps;
use crate::shard::Shard;
use crate::shared_queue::SharedQueue;
use broker_api::{Refusal, Reply};
use model::{QueueId, QueueName};
use std::sync::Arc;

impl Topology {
    /// Takes over which queues keep which others, all of which have been taken over.
    pub(crate) fn recover_keeps(&mut self, keeps: Keeps) {
        for (_, shared) in self.decided.queues() {
            let count = keeps.keeper_count(shared.target.queue);
            if count > 0 {
                shared.add_keepers(count);
                self.kept.insert(shared.target.queue, Arc::clone(shared));
            }
        }
        self.keeps = keeps;
    }

    /// Has one queue keep another. It counts at once: what has ended before, the host of the queue says.
    pub(super) fn keep(
        &mut self,
        shard: &mut Shard,
        queue: &QueueName,
        keeper: &Arc<SharedQueue>,
    ) -> Result<Reply, Refusal> {
        let find = |name: &QueueName| {
            let found = self.decided.queue(name.as_bytes());
            let found = found.filter(|shared| !shared.is_ended());
            found.ok_or_else(|| Refusal::QueueNotFound(name.clone()))
        };
        let shared = find(queue)?;
        if !Arc::ptr_eq(find(&keeper.name)?, keeper) {
            return Err(Refusal::QueueNotFound(keeper.name.clone()));
        }
        check::keep(shared, keeper, self.keeps.count())?;
        let (queue, keeper) = (shared.target.queue, keeper.target.queue);
        if self.keeps.insert(queue, keeper) {
            shared.add_keepers(1);
            self.kept.insert(queue, Arc::clone(shared));
            self.last_index = shard.append(entry::KEPT, |to| {
                entry::encode_keep(to, queue, keeper);
            });
        }
        Ok(Reply::Nothing)
    }

    pub(super) fn let_go(
        &mut self,
        shard: &mut Shard,
        queue: &QueueName,
        keeper: &SharedQueue,
    ) -> Reply {
        let found = self.decided.queue(queue.as_bytes());
        let keeper = keeper.target.queue;
        if let Some(queue) = found.map(|shared| shared.target.queue)
            && self.keeps.remove(queue, keeper)
        {
            self.last_index = shard.append(entry::LET_GO, |to| {
                entry::encode_keep(to, queue, keeper);
            });
            self.pend_let_go(queue);
        }
        Reply::Nothing
    }

    /// One queue less keeps this one. That counts once it is durable.
    pub(super) fn pend_let_go(&mut self, queue: QueueId) {
        let shared = match self.keeps.is_kept(queue) {
            true => self.kept.get(&queue).cloned(),
            false => self.kept.remove(&queue),
        };
        if let Some(shared) = shared {
            self.pend(Change::LetGo(shared), None);
        }
    }
}
