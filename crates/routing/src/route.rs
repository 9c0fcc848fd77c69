//! From an exchange to the queues and subscribers of a message.
//!
//! 1. Start at the exchange that was published to.
//! 2. Ask an exchange for the destinations that match. Note queues and subscribers; exchanges that
//!    were not visited yet are to be asked too.
//! 3. If nothing matched, ask its alternate exchange, unless it is not there or was visited.
//! 4. When none is left, sort what was noted, each once.
//!
//! Each exchange is visited once, so cycles end.

use crate::binding::Destination;
use crate::rules::{Question, Rules};
use crate::table::Table;
use crate::value::HeaderSource;
use model::QueueName;
use std::collections::BTreeSet;
use std::hash::Hash;

/// Where one message goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routed<Q, T> {
    /// The queues, each once, by ascending name.
    pub queues: Vec<Q>,
    /// The subscribers, each once, by ascending key.
    pub subscribers: Vec<T>,
    /// Whether it is the same for each message with this exchange and key, as long as the version of
    /// the table is. It is not where a headers or random exchange was asked, or a consistent-hash
    /// exchange that does not hash the key.
    pub is_cacheable: bool,
}

impl<Q, T> Routed<Q, T> {
    /// Whether it goes nowhere.
    #[must_use]
    pub fn is_unroutable(&self) -> bool {
        self.queues.is_empty() && self.subscribers.is_empty()
    }
}

/// What was found on the way.
struct Walk<'a, K: Ord> {
    visited: BTreeSet<&'a [u8]>,
    /// The exchanges to ask yet.
    pending: Vec<&'a [u8]>,
    queues: Vec<&'a QueueName>,
    subscribers: Vec<&'a K>,
}

impl<K: Ord + Clone + Hash, Q: Clone, T: Clone> Table<K, Q, T> {
    /// Where a message goes that was published to the exchange; nothing if there is no such exchange.
    ///
    /// `random` is any number, another for each message; random exchanges draw by it. Whether the
    /// publisher may use the exchange is for the caller to ask.
    #[must_use]
    pub fn route(
        &self,
        exchange: &[u8],
        key: &[u8],
        headers: &dyn HeaderSource,
        random: u64,
    ) -> Option<Routed<Q, T>> {
        self.route_keys(exchange, &[key], headers, random)
    }

    /// As [`Self::route`], of a message with several routing keys (carbon copies): an exchange matches
    /// where one of them does. A consistent-hash exchange takes the first.
    #[must_use]
    pub fn route_keys(
        &self,
        exchange: &[u8],
        keys: &[&[u8]],
        headers: &dyn HeaderSource,
        random: u64,
    ) -> Option<Routed<Q, T>> {
        let question = Question {
            keys,
            headers,
            random,
        };
        let (start, _) = self.exchanges.get_key_value(exchange)?;
        let mut walk = Walk {
            visited: BTreeSet::new(),
            pending: Vec::new(),
            queues: Vec::new(),
            subscribers: Vec::new(),
        };
        walk.visit(start.as_bytes());
        let mut matched = Vec::new();
        let mut is_cacheable = true;
        while let Some(name) = walk.pending.pop() {
            let Some(exchange) = self.exchanges.get(name) else {
                continue;
            };
            is_cacheable &= exchange.rules.is_by_key();
            exchange.rules.find(&question.at(name), &mut matched);
            let mut is_matched = !matched.is_empty();
            if let Rules::Default = exchange.rules {
                let named = |key: &&[u8]| self.queues.get_key_value(*key);
                let before = walk.queues.len();
                walk.queues
                    .extend(keys.iter().filter_map(named).map(|(name, _)| name));
                is_matched = walk.queues.len() > before;
            }
            for destination in matched.drain(..) {
                walk.note(destination);
            }
            if let (false, Some(alternate)) = (is_matched, &exchange.definition.alternate) {
                walk.visit(alternate.as_bytes());
            }
        }
        Some(self.targets(walk, is_cacheable))
    }

    fn targets(&self, mut walk: Walk<'_, K>, is_cacheable: bool) -> Routed<Q, T> {
        walk.queues.sort_unstable();
        walk.queues.dedup();
        walk.subscribers.sort_unstable();
        walk.subscribers.dedup();
        let queues = walk.queues.into_iter();
        let subscribers = walk.subscribers.into_iter();
        Routed {
            queues: queues
                .filter_map(|name| self.queues.get(name))
                .cloned()
                .collect(),
            subscribers: subscribers
                .filter_map(|key| self.subscribers.get(key))
                .cloned()
                .collect(),
            is_cacheable,
        }
    }
}

impl<'a, K: Ord> Walk<'a, K> {
    fn visit(&mut self, exchange: &'a [u8]) {
        if self.visited.insert(exchange) {
            self.pending.push(exchange);
        }
    }

    fn note(&mut self, destination: &'a Destination<K>) {
        match destination {
            Destination::Queue(name) => self.queues.push(name),
            Destination::Exchange(name) => self.visit(name.as_bytes()),
            Destination::Subscriber(key) => self.subscribers.push(key),
        }
    }
}
