//! What everybody knows of a shared queue.

use crate::routes::QueueTarget;
use broker_api::{ListedQueue, QueueStatus};
use model::{QueueDefinition, QueueName};
use queue::Queue;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// A shared queue: its name, what it was declared as, where it lives and what it holds.
///
/// Made when it is declared and never changed, but for what its host notes in it.
#[derive(Debug)]
pub(crate) struct SharedQueue {
    pub(crate) name: QueueName,
    pub(crate) definition: QueueDefinition,
    pub(crate) target: QueueTarget,
    /// Its host has ended it: nobody is to use it any more, though it is still in the routes.
    is_ended: AtomicBool,
    ready_count: AtomicU64,
    unsettled_count: AtomicU64,
    bytes: AtomicU64,
    subscription_count: AtomicU64,
}

impl SharedQueue {
    pub(crate) fn new(name: QueueName, definition: QueueDefinition, target: QueueTarget) -> Self {
        Self {
            name,
            definition,
            target,
            is_ended: AtomicBool::new(false),
            ready_count: AtomicU64::new(0),
            unsettled_count: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            subscription_count: AtomicU64::new(0),
        }
    }

    pub(crate) fn end(&self) {
        self.is_ended.store(true, Ordering::Release);
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.is_ended.load(Ordering::Acquire)
    }

    /// Notes what it holds.
    pub(crate) fn note(&self, queue: &Queue) {
        let note = |to: &AtomicU64, count: usize| to.store(count as u64, Ordering::Relaxed);
        note(&self.ready_count, queue.ready_count());
        note(&self.unsettled_count, queue.unsettled_count());
        note(&self.bytes, queue.bytes());
        note(&self.subscription_count, queue.subscription_count());
    }

    pub(crate) fn status(&self) -> QueueStatus {
        QueueStatus {
            name: self.name.clone(),
            ready_count: self.ready_count.load(Ordering::Relaxed),
            unsettled_count: self.unsettled_count.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            subscription_count: self.subscription_count.load(Ordering::Relaxed),
        }
    }

    pub(crate) fn listed(&self) -> ListedQueue {
        ListedQueue {
            status: self.status(),
            definition: self.definition.clone(),
            shard: self.target.shard,
        }
    }
}
