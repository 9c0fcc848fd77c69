//! The snapshot of all routes, and what they lead to.

use crate::outbox::Outbox;
use arc_swap::{ArcSwap, Guard};
use model::{Exchange, Message, Pattern, QueueId, QueueName, ShardId, SubscriptionId};
use queue::SubscriberId;
use routing::{BindError, Table};
use std::sync::Arc;

/// The most keys whose routes a connection remembers, and the longest.
const REMEMBERED_MAX: usize = 1024;
const KEY_BYTES_MAX: usize = 255;

/// A shared queue: where it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct QueueTarget {
    pub(crate) queue: QueueId,
    pub(crate) shard: ShardId,
    /// The executor that runs the shard.
    pub(crate) executor: usize,
}

/// A topic subscription: the outbox that messages are pushed into.
#[derive(Clone)]
pub(crate) struct TopicTarget {
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) subscription: SubscriptionId,
}

pub(crate) type Snapshot = Table<SubscriberId, QueueTarget, TopicTarget>;

/// The current snapshot. Readers take no lock; writers replace it.
#[derive(Default)]
pub(crate) struct Routes {
    current: ArcSwap<Snapshot>,
}

impl Routes {
    pub(crate) fn load(&self) -> Guard<Arc<Snapshot>> {
        self.current.load()
    }

    pub(crate) fn add_queue(&self, name: &QueueName, target: QueueTarget) {
        self.current
            .rcu(|table| table.with_queue(name.clone(), target));
    }

    pub(crate) fn bind(&self, pattern: &Pattern, target: &TopicTarget) -> Result<(), BindError> {
        let id = target.id();
        self.load().with_topic(pattern, id, target.clone())?;
        self.current.rcu(|table| {
            table
                .with_topic(pattern, id, target.clone())
                .unwrap_or_else(|_| Snapshot::clone(table))
        });
        Ok(())
    }

    pub(crate) fn unbind(&self, pattern: &Pattern, id: SubscriberId) {
        self.current.rcu(|table| table.without_topic(pattern, &id));
    }
}

impl TopicTarget {
    fn id(&self) -> SubscriberId {
        SubscriberId {
            connection: self.outbox.connection(),
            subscription: self.subscription,
        }
    }
}

/// Where one message goes.
#[derive(Clone)]
pub(crate) enum Route {
    /// Into a shared queue.
    Queue(QueueTarget),
    /// To the topic subscribers present.
    Topic(Arc<[TopicTarget]>),
    /// To nobody.
    Nowhere,
}

/// The routes that a publisher used lately, valid for one version of the snapshot.
#[derive(Default)]
pub(crate) struct RouteCache {
    version: u64,
    last: Option<(Exchange, Vec<u8>, Route)>,
    remembered: hashbrown::HashMap<(Exchange, Vec<u8>), Route, foldhash::fast::FixedState>,
}

impl RouteCache {
    /// The route of a message by the snapshot.
    pub(crate) fn route(&mut self, table: &Snapshot, message: &Message) -> Route {
        if self.version != table.version() {
            self.version = table.version();
            self.last = None;
            self.remembered.clear();
        }
        let exchange = message.envelope().exchange;
        if let Some((last_exchange, last_key, route)) = &self.last
            && *last_exchange == exchange
            && last_key == message.key()
        {
            return route.clone();
        }
        if message.key().len() > KEY_BYTES_MAX {
            return look_up(table, message);
        }
        let key = (exchange, message.key().to_vec());
        let route = match self.remembered.get(&key) {
            Some(route) => route.clone(),
            None => {
                let route = look_up(table, message);
                if self.remembered.len() >= REMEMBERED_MAX {
                    self.remembered.clear();
                }
                self.remembered.insert(key.clone(), route.clone());
                route
            }
        };
        self.last = Some((key.0, key.1, route.clone()));
        route
    }
}

fn look_up(table: &Snapshot, message: &Message) -> Route {
    match message.envelope().exchange {
        Exchange::Default => table
            .queue(message.key())
            .map_or(Route::Nowhere, |target| Route::Queue(*target)),
        Exchange::Topic => {
            let targets = table.topic(message.key());
            if targets.is_empty() {
                Route::Nowhere
            } else {
                Route::Topic(targets.into())
            }
        }
    }
}
