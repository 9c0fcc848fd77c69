//! Where one message goes.

use super::{DirectTarget, Found, QueueTarget};
use std::sync::Arc;

/// All that a message goes to.
pub(crate) struct Targets {
    /// Shared queues, those of an executor and of a shard together.
    pub(crate) queues: Vec<QueueTarget>,
    /// Different shards among them.
    pub(crate) shard_count: u32,
    /// Where any has a filter, those of a connection together.
    pub(crate) direct: Vec<DirectTarget>,
}

impl Targets {
    fn size_bytes(&self) -> usize {
        size_of_val(&self.queues[..]) + size_of_val(&self.direct[..])
    }
}

/// Where one message goes.
#[derive(Clone)]
pub(crate) enum Route {
    /// Into one shared queue.
    Queue(QueueTarget),
    /// To several queues, or to receivers that are pushed to.
    Many(Arc<Targets>),
    /// To nobody.
    Nowhere,
    /// There is no such exchange.
    NoExchange,
    /// The exchange is for other exchanges only.
    Internal,
}

impl Route {
    /// What its receivers take, in bytes.
    pub(super) fn size_bytes(&self) -> usize {
        match self {
            Self::Many(targets) => targets.size_bytes(),
            Self::Queue(_) | Self::Nowhere | Self::NoExchange | Self::Internal => 0,
        }
    }

    /// What it takes in mailboxes, beside the message, in bytes.
    pub(super) fn waiting_bytes(&self) -> usize {
        match self {
            Self::Many(targets) if !targets.queues.is_empty() => targets.size_bytes(),
            Self::Many(_) | Self::Queue(_) | Self::Nowhere | Self::NoExchange | Self::Internal => 0,
        }
    }

    /// The same, but to none of these queues.
    pub(crate) fn without(self, skipped: &[QueueTarget]) -> Self {
        if skipped.is_empty() {
            return self;
        }
        match self {
            Self::Queue(target) if skipped.contains(&target) => Self::Nowhere,
            Self::Many(targets) if targets.queues.iter().any(|it| skipped.contains(it)) => {
                let queues = targets.queues.iter().copied();
                let queues = queues.filter(|target| !skipped.contains(target)).collect();
                Self::new(queues, targets.direct.clone())
            }
            Self::Queue(_) | Self::Many(_) | Self::Nowhere | Self::NoExchange | Self::Internal => {
                self
            }
        }
    }

    /// To all that was found.
    pub(crate) fn to(found: Found) -> Self {
        let queues = found.shared.iter().map(|shared| shared.target).collect();
        Self::new(queues, found.direct)
    }

    fn new(mut queues: Vec<QueueTarget>, direct: Vec<DirectTarget>) -> Self {
        if let ([queue], true) = (&queues[..], direct.is_empty()) {
            return Self::Queue(*queue);
        }
        if queues.is_empty() && direct.is_empty() {
            return Self::Nowhere;
        }
        queues.sort_unstable();
        queues.dedup();
        let shards = queues.chunk_by(|one, two| one.shard == two.shard).count();
        Self::Many(Arc::new(Targets {
            queues,
            shard_count: u32::try_from(shards).expect("shards are counted in 16 bits"),
            direct,
        }))
    }
}
