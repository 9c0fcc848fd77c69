//! What everybody knows of a shared queue.

use crate::routes::QueueTarget;
use broker_api::{ListedQueue, QueueStatus, Refusal};
use model::{Applied, Policies, QueueDefinition, QueueName};
use queue::Queue;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// A shared queue: its name, what it was declared as, what applies to it beside that, where it lives and what it holds.
///
/// Made when it is declared and never changed, but for what its host notes in it, and shard 0 of its keepers.
#[derive(Debug)]
pub(crate) struct SharedQueue {
    pub(crate) name: QueueName,
    /// What stands in the log, and what further declarations must equal: it does not say all that holds.
    pub(crate) definition: QueueDefinition,
    pub(crate) applied: Applied,
    /// How long it may be unused, as the policies say.
    policies_expires_ms: Option<u64>,
    pub(crate) target: QueueTarget,
    /// Its host has ended it: nobody is to use it any more, though it is still in the routes.
    is_ended: AtomicBool,
    /// What is wrong with it on the disk: it is out of service.
    damage: OnceLock<Box<str>>,
    /// How many queues keep it from ending for want of use.
    keeper_count: AtomicUsize,
    ready_count: AtomicU64,
    unsettled_count: AtomicU64,
    bytes: AtomicU64,
    subscription_count: AtomicU64,
}

impl SharedQueue {
    pub(crate) fn new(
        name: QueueName,
        definition: QueueDefinition,
        policies: &Policies,
        target: QueueTarget,
    ) -> Self {
        let applied = policies.for_queue(name.as_bytes(), &definition);
        Self {
            name,
            definition,
            policies_expires_ms: applied.expires_ms(None),
            applied,
            target,
            is_ended: AtomicBool::new(false),
            damage: OnceLock::new(),
            keeper_count: AtomicUsize::new(0),
            ready_count: AtomicU64::new(0),
            unsettled_count: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            subscription_count: AtomicU64::new(0),
        }
    }

    /// How long it may be unused that would be so for this time, or ever.
    pub(crate) fn expires_ms(&self, wished: Option<u64>) -> Option<u64> {
        self.policies_expires_ms.into_iter().chain(wished).min()
    }

    pub(crate) fn end(&self) {
        self.is_ended.store(true, Ordering::Release);
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.is_ended.load(Ordering::Acquire)
    }

    /// So many more queues keep it.
    pub(crate) fn add_keepers(&self, count: usize) {
        self.keeper_count.fetch_add(count, Ordering::AcqRel);
    }

    /// One does not any more. Returns whether it was the last.
    pub(crate) fn let_go(&self) -> bool {
        self.keeper_count.fetch_sub(1, Ordering::AcqRel) == 1
    }

    pub(crate) fn is_kept(&self) -> bool {
        self.keeper_count.load(Ordering::Acquire) > 0
    }

    /// Puts it out of service: nobody can use it before the operator has repaired it.
    pub(crate) fn set_damaged(&self, reason: &str) {
        // What was found first stays.
        let _is_known = self.damage.set(Box::from(reason));
    }

    /// Why it is out of service, if it is.
    pub(crate) fn damage(&self) -> Option<Refusal> {
        let reason = self.damage.get()?;
        Some(Refusal::Damaged {
            what: format!("the queue '{}'", self.name).into(),
            reason: reason.clone(),
        })
    }

    pub(crate) fn is_damaged(&self) -> bool {
        self.damage.get().is_some()
    }

    /// Whether it is in service.
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        self.damage().map_or(Ok(()), Err)
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
            applied: self.applied.clone(),
            shard: self.target.shard,
        }
    }
}
