//! The snapshot of all routes, and what they lead to.

use crate::Node;
use crate::counters::{self, Counters};
use crate::head::{Head, MessageFilter};
use crate::outbox::{DirectTo, Outbox};
use crate::settings::Composite;
use crate::shared_queue::SharedQueue;
use arc_swap::{ArcSwap, Guard};
use broker_api::OwnMessages;
use model::{
    Access, ConnectionId, Delays, Envelope, Message, Parts, QueueDefinition, QueueId, ShardId,
    SubscriptionId,
};
use queue::{Filter as _, SubscriberId};
use routing::{BindingError, Routed, Table};
use std::sync::Arc;

/// What the filters of one connection may cost a publisher for one message, in units of about ten nanoseconds,
/// before they are not asked any more. A thousand plain selectors on a head of a kilobyte cost half of it.
const CONNECTION_WORK_MAX: u64 = 128 * 1024;
/// The most bytes that the routes a connection remembers may take, and the longest address among them.
/// Ten thousand keys with a receiver each fit in; routes to many receivers each are fewer.
const REMEMBERED_BYTES_MAX: usize = 4 << 20;
const ADDRESS_BYTES_MAX: usize = 512;
/// Fewer receivers are not worth a look for those that came several times.
const FOUND_MIN: usize = 64;
/// What remembering a route takes beside its address and its receivers, in bytes.
const REMEMBERED_OVERHEAD_BYTES: usize = 192;

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

/// A receiver that is pushed to by the publisher itself.
#[derive(Clone)]
pub(crate) struct DirectTarget {
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) to: DirectTo,
    filter: Option<Arc<MessageFilter>>,
    own_messages: OwnMessages,
}

impl DirectTarget {
    /// Whether it takes all messages of the publisher.
    pub(crate) fn takes_all(&self, publisher: ConnectionId) -> bool {
        self.filter.is_none() && !self.is_barred(publisher)
    }

    /// Whether it takes the message, which is the `nth` of those that `work` counts for. It misses one for which
    /// the filters of its connection have cost too much before.
    pub(crate) fn takes(
        &self,
        publisher: ConnectionId,
        (nth, message): (usize, &Message),
        work: &mut FilterWork<'_>,
    ) -> bool {
        if self.is_barred(publisher) {
            return false;
        }
        let Some(filter) = &self.filter else {
            return true;
        };
        let spent = work.spent(self.outbox.connection(), nth);
        if *spent >= CONNECTION_WORK_MAX {
            counters::add(&work.counters.dropped, 1);
            return false;
        }
        let answer = filter.ask(message);
        *spent += answer.work;
        answer.is_match
    }

    fn is_barred(&self, publisher: ConnectionId) -> bool {
        self.own_messages == OwnMessages::Skip && self.outbox.connection() == publisher
    }
}

/// What the filters of each connection have cost for each of some messages, which all receivers of one connection
/// are asked about before those of another.
pub(crate) struct FilterWork<'n> {
    counters: &'n Counters,
    /// Whose filters were asked last.
    connection: Option<ConnectionId>,
    /// By message.
    spent: Vec<u64>,
}

impl<'n> FilterWork<'n> {
    pub(crate) fn new(counters: &'n Counters) -> Self {
        Self {
            counters,
            connection: None,
            spent: Vec::new(),
        }
    }

    fn spent(&mut self, connection: ConnectionId, nth: usize) -> &mut u64 {
        if self.connection != Some(connection) {
            self.connection = Some(connection);
            self.spent.clear();
        }
        if self.spent.len() <= nth {
            self.spent.resize(nth + 1, 0);
        }
        &mut self.spent[nth]
    }
}

/// All that a message goes to.
pub(crate) struct Targets {
    /// Shared queues, those of an executor and of a shard together.
    pub(crate) queues: Vec<QueueTarget>,
    /// Different shards among them.
    pub(crate) shard_count: u32,
    /// Where any has a filter, those of a connection together.
    pub(crate) direct: Vec<DirectTarget>,
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
    fn size_bytes(&self) -> usize {
        match self {
            Self::Many(targets) => {
                size_of_val(&targets.queues[..]) + size_of_val(&targets.direct[..])
            }
            Self::Queue(_) | Self::Nowhere | Self::NoExchange | Self::Internal => 0,
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

/// The routes that a publisher used lately, valid for one version of the snapshot.
///
/// A route that is remembered is found without allocating. When all that is remembered takes too much, it is
/// forgotten together.
#[derive(Default)]
pub(crate) struct RouteCache {
    version: u64,
    /// The exchange's length, exchange and key.
    last: Option<(usize, Vec<u8>, Route)>,
    remembered: hashbrown::HashMap<Address, Route, foldhash::fast::FixedState>,
    remembered_bytes: usize,
    /// Grows with every look-up.
    drawn: u64,
}

/// An exchange and a key, which lie side by side.
#[derive(PartialEq, Eq, Hash)]
struct Address {
    exchange_len: usize,
    bytes: Box<[u8]>,
}

/// The same, as it stands in a message. Hashes as the other does.
#[derive(Clone, Copy, Hash)]
struct AddressOf<'a> {
    exchange_len: usize,
    bytes: &'a [u8],
}

impl hashbrown::Equivalent<Address> for AddressOf<'_> {
    fn equivalent(&self, other: &Address) -> bool {
        self.exchange_len == other.exchange_len && *self.bytes == *other.bytes
    }
}

impl RouteCache {
    /// Another number for each message.
    pub(crate) fn draw(&mut self, node: &Node) -> u64 {
        self.drawn = self.drawn.wrapping_add(1);
        node.settings.seed ^ self.drawn.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    /// The route of a message by the snapshot.
    pub(crate) fn route(&mut self, node: &Node, table: &Snapshot, message: &Message) -> Route {
        if message.envelope().head_routes {
            // Where it goes, others with its address do not.
            let random = self.draw(node);
            return look_up(node, table, message, random).0;
        }
        if self.version != table.version() {
            self.version = table.version();
            self.last = None;
            self.forget_all();
        }
        let address = AddressOf {
            exchange_len: message.exchange().len(),
            bytes: message.address(),
        };
        if let Some((exchange_len, bytes, route)) = &self.last
            && *exchange_len == address.exchange_len
            && bytes == address.bytes
        {
            return route.clone();
        }
        let random = self.draw(node);
        if address.bytes.len() > ADDRESS_BYTES_MAX {
            return look_up(node, table, message, random).0;
        }
        let route = if let Some(route) = self.remembered.get(&address) {
            route.clone()
        } else {
            let (route, is_cacheable) = look_up(node, table, message, random);
            if !is_cacheable {
                return route;
            }
            self.remember(address, &route);
            route
        };
        let mut bytes = self.last.take().map_or_else(Vec::new, |last| last.1);
        bytes.clear();
        bytes.extend_from_slice(address.bytes);
        self.last = Some((address.exchange_len, bytes, route.clone()));
        route
    }

    /// Remembers a route, unless it alone takes too much.
    fn remember(&mut self, address: AddressOf<'_>, route: &Route) {
        let bytes = REMEMBERED_OVERHEAD_BYTES + address.bytes.len() + route.size_bytes();
        if bytes > REMEMBERED_BYTES_MAX {
            return;
        }
        if self.remembered_bytes + bytes > REMEMBERED_BYTES_MAX {
            self.forget_all();
        }
        self.remembered_bytes += bytes;
        let address = Address {
            exchange_len: address.exchange_len,
            bytes: address.bytes.into(),
        };
        self.remembered.insert(address, route.clone());
    }

    fn forget_all(&mut self) {
        self.remembered.clear();
        self.remembered_bytes = 0;
    }
}

/// Where a client's message goes, and whether all with its address do.
fn look_up(node: &Node, table: &Snapshot, message: &Message, random: u64) -> (Route, bool) {
    match table.exchange(message.exchange()) {
        None => return (Route::NoExchange, true),
        Some(definition) if definition.access == Access::Internal => {
            return (Route::Internal, true);
        }
        Some(_) => {}
    }
    let found = resolve(node, table, message, random);
    let is_cacheable = !found.is_by_head;
    (Route::to(found), is_cacheable)
}

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
    is_by_head: bool,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn address(bytes: &[u8]) -> AddressOf<'_> {
        AddressOf {
            exchange_len: 1,
            bytes,
        }
    }

    #[test]
    fn ten_thousand_routes_are_remembered_and_more_take_no_more_memory() {
        let mut cache = RouteCache::default();
        let keys: Vec<_> = (0..100_000).map(|n| format!("x/topic/{n:05}")).collect();
        for (at, key) in keys.iter().enumerate() {
            cache.remember(address(key.as_bytes()), &Route::Nowhere);
            assert!(cache.remembered_bytes <= REMEMBERED_BYTES_MAX);
            if at == 9_999 {
                let is_known =
                    |key: &String| cache.remembered.contains_key(&address(key.as_bytes()));
                assert!(keys[..10_000].iter().all(is_known));
            }
        }
        let other = AddressOf {
            exchange_len: 2,
            bytes: keys[99_999].as_bytes(),
        };
        assert!(!cache.remembered.contains_key(&other), "another exchange");
    }

    #[test]
    fn a_route_to_too_many_is_not_remembered() {
        let queue = QueueTarget {
            executor: 0,
            shard: ShardId(0),
            queue: QueueId(0),
        };
        let queues = REMEMBERED_BYTES_MAX / size_of::<QueueTarget>();
        let targets = Targets {
            queues: vec![queue; queues],
            shard_count: 1,
            direct: Vec::new(),
        };
        let mut cache = RouteCache::default();
        cache.remember(address(b"x/all"), &Route::Many(Arc::new(targets)));
        assert!(cache.remembered.is_empty());
    }
}
