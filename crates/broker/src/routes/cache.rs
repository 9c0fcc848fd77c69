//! The routes that a publisher used lately.

use super::{Route, Snapshot, resolve};
use crate::Node;
use model::{Access, Message};

/// The most bytes that the routes a connection remembers may take, and the longest address among them.
/// Ten thousand keys with a receiver each fit in; routes to many receivers each are fewer.
const REMEMBERED_BYTES_MAX: usize = 4 << 20;
const ADDRESS_BYTES_MAX: usize = 512;
/// What remembering a route takes beside its address and its receivers, in bytes.
const REMEMBERED_OVERHEAD_BYTES: usize = 192;

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
    /// What the routes that were made lately take in mailboxes: the messages there may be all that holds them.
    made_bytes: usize,
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
            return self.look_up(node, table, message, random).0;
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
            return self.look_up(node, table, message, random).0;
        }
        let route = if let Some(route) = self.remembered.get(&address) {
            route.clone()
        } else {
            let (route, is_cacheable) = self.look_up(node, table, message, random);
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

    fn look_up(
        &mut self,
        node: &Node,
        table: &Snapshot,
        message: &Message,
        random: u64,
    ) -> (Route, bool) {
        let (route, is_cacheable) = look_up(node, table, message, random);
        self.note_made(&route);
        (route, is_cacheable)
    }

    /// Counts a route that was made for one message.
    pub(crate) fn note_made(&mut self, route: &Route) {
        self.made_bytes += route.waiting_bytes();
    }

    /// What the routes take that were made since the last call, in bytes.
    pub(crate) fn take_made_bytes(&mut self) -> usize {
        std::mem::take(&mut self.made_bytes)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes::{QueueTarget, Targets};
    use model::{QueueId, ShardId};
    use std::sync::Arc;

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
