//! What was declared before: taken over from the log, and put into its snapshots.

use super::announce::Change;
use super::bindings::{bind_of, binding_of};
use super::{Kept, Topology, check};
use crate::entry;
use crate::routes::QueueTarget;
use crate::shared_queue::SharedQueue;
use broker_api::Bind;
use model::{Durability, ExchangeDefinition, ExchangeName, Lifetime};
use std::sync::Arc;

impl Topology {
    /// Takes over a queue that was declared before.
    pub(crate) fn recover_queue(&mut self, shared: Arc<SharedQueue>) {
        self.announce(&Change::AddQueue(Arc::clone(&shared)));
        self.decided = self.decided.with_queue(shared.name.clone(), shared);
    }

    /// Takes over an exchange that was declared before. What does not fit any more is passed over.
    pub(crate) fn recover_exchange(
        &mut self,
        name: ExchangeName,
        definition: ExchangeDefinition,
        lifetime: Lifetime,
    ) {
        if let Ok(decided) = self.decided.with_exchange(&name, definition.clone()) {
            self.decided = decided;
            let durability = Durability::Durable;
            let kept = Kept {
                durability,
                lifetime,
            };
            self.exchanges.insert(name.clone(), kept);
            self.note_applied(&name);
            self.announce(&Change::AddExchange(name, definition));
        }
    }

    /// Takes over a binding that was made before. One whose ends are not there any more is passed over.
    pub(crate) fn recover_binding(&mut self, bind: Bind) {
        let (source, binding) = (bind.source.as_bytes(), binding_of(&bind));
        if let Ok(decided) = self.decided.with_binding(source, binding) {
            self.decided = decided;
            self.binding_count += 1;
            self.announce(&Change::Bind(bind));
        }
    }

    /// The records that a snapshot of shard 0 begins with.
    pub(crate) fn snapshot(&self) -> Vec<(u8, Vec<u8>)> {
        let mut records = Vec::new();
        let mut push = |kind, encode: &dyn Fn(&mut Vec<u8>)| {
            let mut record = Vec::new();
            encode(&mut record);
            records.push((kind, record));
        };
        push(entry::QUEUE_IDS, &|to| {
            entry::encode_queue_ids(to, self.next_queue.max(self.reserved_queue));
        });
        for (name, definition) in self.decided.exchanges() {
            let Some(kept) = self.exchanges.get(name) else {
                continue;
            };
            if kept.durability == Durability::Durable && check::not_predeclared(name).is_ok() {
                push(entry::EXCHANGE_DECLARED, &|to| {
                    entry::encode_exchange_declared(to, name, definition, kept.lifetime);
                });
            }
        }
        for (name, shared) in self.decided.queues() {
            if shared.definition.durability == Durability::Durable {
                let QueueTarget { queue, shard, .. } = shared.target;
                push(entry::QUEUE_DECLARED, &|to| {
                    entry::encode_queue_declared(to, queue, shard, &shared.definition, name);
                });
            }
        }
        for (source, binding) in self.decided.bindings() {
            if let Some(bind) = bind_of(source, binding)
                && self.is_durable(&bind)
            {
                push(entry::BOUND, &|to| entry::encode_binding(to, &bind));
            }
        }
        for (queue, keeper) in self.keeps.iter() {
            push(entry::KEPT, &|to| entry::encode_keep(to, queue, keeper));
        }
        records
    }
}
