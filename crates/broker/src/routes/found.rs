//! All that a message goes to, found by exchange and keys.

use super::direct::DirectTarget;
use super::{QueueRoute, Snapshot, SubscriberTarget};
use crate::Node;
use crate::head::Head;
use crate::outbox::DirectTo;
use crate::settings::Composite;
use crate::shared_queue::SharedQueue;
use broker_api::OwnMessages;
use model::Message;
use routing::Routed;
use std::sync::Arc;

/// Fewer receivers are not worth a look for those that came several times.
const FOUND_MIN: usize = 64;

/// All that a message goes to, by exchange and keys, whoever publishes it.
pub(crate) fn resolve(node: &Node, table: &Snapshot, message: &Message, random: u64) -> Found {
    let (exchange, key) = (message.exchange(), message.key());
    let head = Head::of(node.settings.heads, message);
    let mut found = Found::default();
    if message.envelope().head_routes {
        let mut keys = head.keys();
        let before = keys.len();
        keys.retain(|key| {
            let composite = composite(node, exchange, key);
            let composite = composite.inspect(|it| found.add_all(it, table, &head, random));
            composite.is_none()
        });
        if !keys.is_empty() {
            found.add(table.route_keys(exchange, &keys, &head, random));
        }
        if keys.len() < before {
            found.merge();
        }
    } else {
        match composite(node, exchange, key) {
            None => found.add(table.route(exchange, key, &head, random)),
            Some(composite) => {
                found.add_all(composite, table, &head, random);
                found.merge();
            }
        }
    }
    found.gather();
    found
}

/// What the settings say that an exchange and a key stand for, if they say so.
fn composite<'n>(node: &'n Node, exchange: &[u8], key: &[u8]) -> Option<&'n Composite> {
    let mut composites = node.settings.composites.iter();
    composites.find(|it| it.from.exchange.as_bytes() == exchange && it.from.key == key)
}

/// What a message goes to.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) shared: Vec<Arc<SharedQueue>>,
    pub(crate) direct: Vec<DirectTarget>,
    /// Another message with the same address may go elsewhere.
    pub(super) is_by_head: bool,
    /// How many were left when several that were the same were last looked for.
    different: usize,
}

impl Found {
    /// Leaves each receiver once: several of what a destination stands for may lead to it.
    fn merge(&mut self) {
        self.shared.sort_unstable_by_key(|shared| shared.target);
        self.shared.dedup_by_key(|shared| shared.target);
        let place = |target: &DirectTarget| (Arc::as_ptr(&target.outbox).addr(), target.to);
        self.direct.sort_by_key(place);
        self.direct.dedup_by_key(|target| place(target));
    }

    /// Brings receivers of a connection together, where filters are to be asked: their work is counted by
    /// connection.
    fn gather(&mut self) {
        let mut filtered = self.direct.iter().filter(|target| target.filter.is_some());
        if filtered.nth(1).is_some() {
            self.direct.sort_by_key(|target| target.outbox.connection());
        }
    }

    /// Adds what all that a composite destination stands for leads to.
    fn add_all(&mut self, composite: &Composite, table: &Snapshot, head: &Head<'_>, random: u64) {
        for to in &composite.to {
            self.add(table.route(to.exchange.as_bytes(), &to.key, head, random));
            if self.count() > FOUND_MIN.max(2 * self.different) {
                self.merge();
                self.different = self.count();
            }
        }
    }

    fn count(&self) -> usize {
        self.shared.len() + self.direct.len()
    }

    fn add(&mut self, routed: Option<Routed<QueueRoute, SubscriberTarget>>) {
        let Some(routed) = routed else { return };
        self.is_by_head |= !routed.is_cacheable;
        for queue in routed.queues {
            match queue {
                QueueRoute::Shared(shared) => self.shared.push(shared),
                QueueRoute::Private(private) => self.direct.push(DirectTarget {
                    outbox: private.outbox,
                    to: DirectTo::Queue(private.queue),
                    filter: None,
                    own_messages: OwnMessages::Deliver,
                }),
            }
        }
        for subscriber in routed.subscribers {
            let to = match subscriber.queue {
                Some(queue) => DirectTo::Queue(queue),
                None => DirectTo::Subscription(subscriber.subscription),
            };
            self.direct.push(DirectTarget {
                outbox: subscriber.outbox,
                to,
                filter: subscriber.filter,
                own_messages: subscriber.own_messages,
            });
        }
    }
}
