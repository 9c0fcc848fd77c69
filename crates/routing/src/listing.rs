//! What a table holds, for lookups by name and for administration. All in a stable order.

use crate::binding::{Binding, Destination};
use crate::map::Map;
use crate::table::Table;
use model::QueueName;
use model::{ExchangeDefinition, ExchangeName};
use std::hash::Hash;

impl<K: Ord + Clone + Hash, Q: Clone, T: Clone> Table<K, Q, T> {
    /// The route to the queue with this name (the default exchange).
    #[must_use]
    pub fn queue(&self, name: &[u8]) -> Option<&Q> {
        self.queues.get(name)
    }

    /// The number of queues.
    #[must_use]
    pub fn queue_count(&self) -> usize {
        self.queues.len()
    }

    /// The queues, by ascending name. They are sorted for it.
    pub fn queues(&self) -> impl Iterator<Item = (&QueueName, &Q)> {
        let mut queues: Vec<_> = self.queues.iter().collect();
        queues.sort_unstable_by_key(|(name, _)| *name);
        queues.into_iter()
    }

    /// The subscriber with this key.
    #[must_use]
    pub fn subscriber(&self, key: &K) -> Option<&T> {
        self.subscribers.get(key)
    }

    /// The number of subscribers.
    #[must_use]
    pub fn subscriber_count(&self) -> usize {
        self.subscribers.len()
    }

    /// What the exchange with this name is.
    #[must_use]
    pub fn exchange(&self, name: &[u8]) -> Option<&ExchangeDefinition> {
        let exchange = self.exchanges.get(name)?;
        Some(&exchange.definition)
    }

    /// The number of exchanges.
    #[must_use]
    pub fn exchange_count(&self) -> usize {
        self.exchanges.size()
    }

    /// The exchanges, by ascending name.
    pub fn exchanges(&self) -> impl Iterator<Item = (&ExchangeName, &ExchangeDefinition)> {
        self.exchanges
            .iter()
            .map(|(name, exchange)| (name, &*exchange.definition))
    }

    /// The bindings of an exchange, in no order of note, so that the first cost nothing to find however
    /// many there are; none if there is no such exchange.
    pub fn bindings_from(&self, source: &[u8]) -> impl Iterator<Item = &Binding<K>> {
        let exchange = self.exchanges.get(source).into_iter();
        exchange.flat_map(|exchange| exchange.bindings.keys().map(AsRef::as_ref))
    }

    /// The number of bindings of an exchange.
    #[must_use]
    pub fn binding_count_from(&self, source: &[u8]) -> usize {
        self.exchanges
            .get(source)
            .map_or(0, |exchange| exchange.bindings.len())
    }

    /// The bindings that lead to a destination with the exchange of each, ascending; they are sorted for
    /// it. The default exchange's, which need no definition, are not among them.
    pub fn bindings_to(
        &self,
        destination: &Destination<K>,
    ) -> impl Iterator<Item = (&ExchangeName, &Binding<K>)> {
        let inbound = self.inbound.get(destination).into_iter();
        let mut inbound: Vec<_> = inbound.flat_map(Map::keys).collect();
        inbound.sort_unstable();
        let inbound = inbound.into_iter();
        inbound.map(|(source, binding)| (source, &**binding))
    }

    /// All bindings with the exchange of each, ascending. Those of an exchange are sorted for it.
    pub fn bindings(&self) -> impl Iterator<Item = (&ExchangeName, &Binding<K>)> {
        self.exchanges.iter().flat_map(|(name, exchange)| {
            let mut bindings: Vec<_> = exchange.bindings.keys().collect();
            bindings.sort_unstable();
            let bindings = bindings.into_iter();
            bindings.map(move |binding| (name, &**binding))
        })
    }
}
