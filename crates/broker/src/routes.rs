//! The snapshot of all routes, and what they lead to.

mod cache;
mod direct;
mod found;
mod route;

use crate::Node;
use crate::head::{Head, MessageFilter};
use crate::outbox::Outbox;
use crate::shared_queue::SharedQueue;
use arc_swap::{ArcSwap, Guard};
use broker_api::OwnMessages;
pub(crate) use cache::RouteCache;
pub(crate) use direct::{DirectTarget, FilterWork};
pub(crate) use found::{Found, resolve};
use model::{Delays, Envelope, Message, Parts, QueueDefinition, QueueId, ShardId, SubscriptionId};
use queue::SubscriberId;
pub(crate) use route::{Route, Targets};
use routing::{BindingError, Table};
use std::sync::Arc;

/// A shared queue: where it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct QueueTarget {
    /// The executor that runs the shard.
    pub(crate) executor: usize,
    pub(crate) shard: ShardId,
    pub(crate) queue: QueueId,
}

/// A queue that belongs to one connection.
#[derive(Clone)]
pub(crate) struct PrivateTarget {
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) queue: PrivateQueueId,
    pub(crate) definition: Arc<QueueDefinition>,
}

/// A queue of a connection's own, unique there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PrivateQueueId(pub(crate) u32);

/// What the name of a queue leads to.
#[derive(Clone)]
pub(crate) enum QueueRoute {
    Shared(Arc<SharedQueue>),
    Private(PrivateTarget),
}

/// A subscription to an exchange: the outbox that messages are pushed into.
#[derive(Clone)]
pub(crate) struct SubscriberTarget {
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) subscription: SubscriptionId,
    /// The subscription's own queue, unless it is delivered to directly.
    pub(crate) queue: Option<PrivateQueueId>,
    pub(crate) filter: Option<Arc<MessageFilter>>,
    pub(crate) own_messages: OwnMessages,
}

pub(crate) type Snapshot = Table<SubscriberId, QueueRoute, SubscriberTarget>;

/// The current snapshot. Readers take no lock; writers replace it.
#[derive(Default)]
pub(crate) struct Routes {
    current: ArcSwap<Snapshot>,
}

impl Routes {
    pub(crate) fn load(&self) -> Guard<Arc<Snapshot>> {
        self.current.load()
    }

    /// Changes the snapshot; `change` may be called several times.
    pub(crate) fn change(&self, mut change: impl FnMut(&Snapshot) -> Snapshot) {
        self.current.rcu(|table| change(table));
    }

    /// Changes the snapshot, if it can be.
    pub(crate) fn try_change<E>(
        &self,
        mut change: impl FnMut(&Snapshot) -> Result<Snapshot, E>,
    ) -> Result<(), E> {
        let mut refused = None;
        self.current.rcu(|table| match change(table) {
            Ok(changed) => {
                refused = None;
                changed
            }
            Err(error) => {
                refused = Some(error);
                Snapshot::clone(table)
            }
        });
        refused.map_or(Ok(()), Err)
    }

    /// Adds a subscriber with its binding.
    pub(crate) fn add_subscriber(
        &self,
        source: &[u8],
        binding: &routing::Binding<SubscriberId>,
        id: SubscriberId,
        target: &SubscriberTarget,
    ) -> Result<(), BindingError> {
        self.try_change(|table| {
            table
                .with_subscriber(id, target.clone())
                .with_binding(source, binding.clone())
        })
    }
}

/// What goes on instead of the message if it asks for a delay and the exchange that it was published to grants it: the
/// same, later. Its life begins then.
#[inline]
pub(crate) fn delayed(node: &Node, table: &Snapshot, message: &Message) -> Option<Message> {
    if !message.envelope().head_routes {
        return None;
    }
    delayed_by_exchange(node, table, message)
}

fn delayed_by_exchange(node: &Node, table: &Snapshot, message: &Message) -> Option<Message> {
    if table.exchange(message.exchange())?.delays == Delays::Ignored {
        return None;
    }
    let envelope = message.envelope();
    let delay = Head::of(node.settings.heads, message).asked_delay()?;
    Some(Message::new(&Parts {
        envelope: Envelope {
            delay_ms: delay.ms,
            ttl_ms: envelope.ttl_ms.map(|ttl| ttl.saturating_add(delay.ms)),
            ..envelope
        },
        exchange: message.exchange(),
        key: message.key(),
        annotations: message.annotations(),
        head: &[&delay.head],
        body: message.body(),
    }))
}
