//! The bindings of one exchange, arranged by its kind so that matching need not go through all.

use crate::binding::{Binding, Destination};
use crate::hash::{StableHasher, spread};
use crate::headers::HeaderIndex;
use crate::leaf::Leaf;
use crate::map::Map;
use crate::ring::{self, Ring};
use crate::trie::Node;
use crate::value::{HeaderSource, stable_hash};
use model::Value;
use model::{BindingKey, ExchangeKind, HashOn};
use std::hash::Hash;
use std::sync::Arc;

/// Fewer destinations are not worth a look for those that came several times.
const FOUND_MIN: usize = 64;

/// What is looked up, besides the exchange.
#[derive(Clone, Copy)]
pub(crate) struct Question<'a> {
    pub(crate) keys: &'a [&'a [u8]],
    pub(crate) headers: &'a dyn HeaderSource,
    pub(crate) random: u64,
}

/// The bindings, which an [`ExchangeKind`] has checked.
#[derive(Clone)]
pub(crate) enum Rules<K> {
    /// None: the names of the queues are the rule.
    Default,
    Direct(Map<Arc<[u8]>, Leaf<K>>),
    Fanout(Leaf<K>),
    Topic(Node<K>),
    Headers(HeaderIndex<K>),
    ConsistentHash(HashOn, Ring<K>),
    Random(Leaf<K>),
}

impl<K: Ord + Clone + Hash> Rules<K> {
    pub(crate) fn new(kind: &ExchangeKind) -> Self {
        match kind {
            ExchangeKind::Default => Self::Default,
            ExchangeKind::Direct => Self::Direct(Map::default()),
            ExchangeKind::Fanout => Self::Fanout(Leaf::default()),
            ExchangeKind::Topic => Self::Topic(Node::default()),
            ExchangeKind::Headers => Self::Headers(HeaderIndex::default()),
            ExchangeKind::ConsistentHash(on) => Self::ConsistentHash(on.clone(), Ring::default()),
            ExchangeKind::Random => Self::Random(Leaf::default()),
        }
    }

    /// Adds a binding that is not there.
    pub(crate) fn insert(&mut self, binding: &Arc<Binding<K>>) {
        let destination = &binding.destination;
        match (self, &binding.key) {
            (Self::Direct(keys), BindingKey::Exact(key)) => {
                let mut leaf = keys.get(key).cloned().unwrap_or_default();
                leaf.insert(destination);
                keys.insert(Arc::clone(key), leaf);
            }
            (Self::Fanout(leaf) | Self::Random(leaf), _) => leaf.insert(destination),
            (Self::Topic(root), BindingKey::Pattern(pattern)) => {
                root.insert(pattern.levels(), destination);
            }
            (Self::Headers(index), _) => index.insert(binding),
            (Self::ConsistentHash(_, ring), BindingKey::Exact(key)) => {
                ring.insert(destination, ring::weight(key).unwrap_or(0));
            }
            (Self::Default | Self::Topic(_), _)
            | (Self::Direct(_) | Self::ConsistentHash(..), BindingKey::Pattern(_)) => {
                unreachable!("a binding is checked before it is inserted")
            }
        }
    }

    /// Removes a binding that is there.
    pub(crate) fn remove(&mut self, binding: &Binding<K>) {
        let destination = &binding.destination;
        match (self, &binding.key) {
            (Self::Direct(keys), BindingKey::Exact(key)) => {
                let mut leaf = keys.get(key).cloned().unwrap_or_default();
                leaf.remove(destination);
                if leaf.is_empty() {
                    keys.remove(key);
                } else {
                    keys.insert(Arc::clone(key), leaf);
                }
            }
            (Self::Fanout(leaf) | Self::Random(leaf), _) => leaf.remove(destination),
            (Self::Topic(root), BindingKey::Pattern(pattern)) => {
                root.remove(pattern.levels(), destination);
            }
            (Self::Headers(index), _) => index.remove(binding),
            (Self::ConsistentHash(_, ring), BindingKey::Exact(key)) => {
                ring.remove(destination, ring::weight(key).unwrap_or(0));
            }
            (Self::Default | Self::Topic(_), _)
            | (Self::Direct(_) | Self::ConsistentHash(..), BindingKey::Pattern(_)) => {
                unreachable!("a binding is checked before it is inserted")
            }
        }
    }

    /// Adds the destinations that match; one may come several times.
    pub(crate) fn find<'a>(&'a self, question: &Question<'_>, found: &mut Vec<&'a Destination<K>>) {
        match self {
            Self::Default => {}
            Self::Direct(by_key) => find_each(question.keys, found, |key, found| {
                found.extend(by_key.get::<[u8]>(key).into_iter().flat_map(Leaf::iter));
            }),
            Self::Fanout(leaf) => found.extend(leaf.iter()),
            Self::Topic(root) => find_each(question.keys, found, |key, found| {
                root.find(key, found);
            }),
            Self::Headers(index) => index.find(question.headers, found),
            Self::ConsistentHash(on, ring) => found.extend(ring.find(hash(on, question))),
            Self::Random(leaf) => found.extend(leaf.draw(question.random)),
        }
    }

    /// Whether what is found depends on the keys alone.
    pub(crate) fn is_by_key(&self) -> bool {
        match self {
            Self::Default
            | Self::Direct(_)
            | Self::Fanout(_)
            | Self::Topic(_)
            | Self::ConsistentHash(HashOn::RoutingKey, _) => true,
            Self::ConsistentHash(HashOn::Header(_) | HashOn::Property(_), _)
            | Self::Headers(_)
            | Self::Random(_) => false,
        }
    }
}

/// Adds what each key finds. Many keys may find the same: what was found is never much more than what is different
/// in it and what one key finds.
fn find_each<'a, K: Ord>(
    keys: &[&[u8]],
    found: &mut Vec<&'a Destination<K>>,
    mut find: impl FnMut(&[u8], &mut Vec<&'a Destination<K>>),
) {
    let Some((first, further)) = keys.split_first() else {
        return;
    };
    find(first, found);
    let mut different = found.len();
    for key in further {
        find(key, found);
        if found.len() > FOUND_MIN.max(2 * different) {
            found.sort_unstable();
            found.dedup();
            different = found.len();
        }
    }
}

fn hash(on: &HashOn, question: &Question<'_>) -> u64 {
    let value = match on {
        HashOn::RoutingKey => {
            let key = question.keys.first().copied().unwrap_or_default();
            return StableHasher::of(key);
        }
        HashOn::Header(name) => question.headers.header(name),
        HashOn::Property(property) => question.headers.property(*property),
    };
    stable_hash(&value.unwrap_or(Value::Void))
}

impl Question<'_> {
    /// The question put to one of several exchanges: each draws for itself.
    pub(crate) fn at(self, exchange: &[u8]) -> Self {
        Self {
            random: spread(self.random) ^ StableHasher::of(exchange),
            ..self
        }
    }
}
