//! One snapshot of all routes, and how it changes.

use crate::binding::{Binding, BindingError, Destination};
use crate::exchange::PREDECLARED;
use crate::map::Map;
use crate::rules::Rules;
use model::QueueName;
use model::{Difference, ExchangeDefinition, ExchangeName};
use rpds::RedBlackTreeMapSync;
use std::hash::Hash;
use std::sync::Arc;

/// One immutable snapshot of all routes. A clone costs a few reference counts; a change costs the
/// changed paths, whatever the number of routes.
///
/// Invariants:
/// - The destination of every binding is there.
/// - Each binding stands in its exchange's `bindings` and `rules`, and in `inbound` under its
///   destination.
#[derive(Clone)]
pub struct Table<K, Q, T> {
    version: u64,
    pub(crate) queues: Map<QueueName, Q>,
    pub(crate) subscribers: Map<K, T>,
    pub(crate) exchanges: RedBlackTreeMapSync<ExchangeName, Exchange<K>>,
    /// Which bindings lead to a destination, and from where.
    pub(crate) inbound: Map<Destination<K>, Inbound<K>>,
}

pub(crate) type Inbound<K> = Map<(ExchangeName, Arc<Binding<K>>), ()>;

/// An exchange with its bindings.
#[derive(Clone)]
pub(crate) struct Exchange<K> {
    pub(crate) definition: Arc<ExchangeDefinition>,
    pub(crate) rules: Rules<K>,
    pub(crate) bindings: Map<Arc<Binding<K>>, ()>,
}

/// Why an exchange cannot be declared or removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExchangeError {
    /// There is one of this name with another definition.
    #[error("the exchange is there with another definition: {0}")]
    Inequivalent(Difference),
    /// Only the exchange with the empty name is a default exchange.
    #[error("there is one default exchange, whose name is empty")]
    DefaultKind,
    /// The exchange is part of every table.
    #[error("a predeclared exchange cannot be removed")]
    Predeclared,
}

impl<K: Ord + Clone + Hash, Q: Clone, T: Clone> Default for Table<K, Q, T> {
    fn default() -> Self {
        let mut exchanges = RedBlackTreeMapSync::new_sync();
        for (name, kind) in PREDECLARED {
            let exchange = Exchange::new(ExchangeDefinition::new(kind));
            exchanges.insert_mut(ExchangeName::known(name), exchange);
        }
        Self {
            version: 0,
            queues: Map::default(),
            subscribers: Map::default(),
            exchanges,
            inbound: Map::default(),
        }
    }
}

impl<K: Ord + Clone + Hash, Q: Clone, T: Clone> Table<K, Q, T> {
    /// A table with the predeclared exchanges and nothing else.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Grows with every change: what was looked up in a table of the same version is still true. What
    /// changes nothing leaves it as it is.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// A table that has the exchange. Declaring one again with an equivalent definition changes
    /// nothing.
    ///
    /// # Errors
    /// [`ExchangeError::Inequivalent`] when it is there otherwise, [`ExchangeError::DefaultKind`] when
    /// it would be a second default exchange.
    pub fn with_exchange(
        &self,
        name: &ExchangeName,
        definition: ExchangeDefinition,
    ) -> Result<Self, ExchangeError> {
        if let Some(present) = self.exchanges.get(name) {
            return match present.definition.difference(&definition) {
                None => Ok(self.clone()),
                Some(difference) => Err(ExchangeError::Inequivalent(difference)),
            };
        }
        let exchange = Exchange::new(definition);
        if let Rules::Default = exchange.rules {
            return Err(ExchangeError::DefaultKind);
        }
        let mut table = self.next();
        table.exchanges.insert_mut(name.clone(), exchange);
        Ok(table)
    }

    /// A table in which the exchange, if it is there, has this alternate, or none. Its bindings stay.
    #[must_use]
    pub fn with_alternate(&self, name: &ExchangeName, alternate: Option<ExchangeName>) -> Self {
        let present = self.exchanges.get(name);
        let Some(exchange) = present.filter(|it| it.definition.alternate != alternate) else {
            return self.clone();
        };
        let mut exchange = exchange.clone();
        exchange.definition = Arc::new(ExchangeDefinition {
            alternate,
            ..(*exchange.definition).clone()
        });
        let mut table = self.next();
        table.exchanges.insert_mut(name.clone(), exchange);
        table
    }

    /// A table that has neither the exchange nor the bindings from and to it. Exchanges whose alternate
    /// it was keep the name.
    ///
    /// # Errors
    /// [`ExchangeError::Predeclared`] when every table has it.
    pub fn without_exchange(&self, name: &ExchangeName) -> Result<Self, ExchangeError> {
        if PREDECLARED
            .iter()
            .any(|(known, _)| *known == name.as_bytes())
        {
            return Err(ExchangeError::Predeclared);
        }
        if !self.exchanges.contains_key(name) {
            return Ok(self.clone());
        }
        let mut table = self.next();
        table.unbind_all(&Destination::Exchange(name.clone()));
        if let Some(exchange) = table.exchanges.get(name).cloned() {
            for binding in exchange.bindings.keys() {
                table.forget_inbound(name, binding);
            }
        }
        table.exchanges.remove_mut(name);
        Ok(table)
    }

    /// A table in which the exchange has the binding. One that it has already changes nothing.
    ///
    /// # Errors
    /// [`BindingError`] when one end is not there or the exchange's kind does not take it.
    pub fn with_binding(&self, source: &[u8], binding: Binding<K>) -> Result<Self, BindingError> {
        let (name, exchange) = self
            .exchanges
            .get_key_value(source)
            .ok_or(BindingError::SourceNotFound)?;
        let binding = binding.canonical(&exchange.definition.kind)?;
        self.check_destination(&binding.destination)?;
        if exchange.bindings.contains_key(&binding) {
            return Ok(self.clone());
        }
        let binding = Arc::new(binding);
        let mut exchange = exchange.clone();
        exchange.rules.insert(&binding);
        exchange.bindings.insert(Arc::clone(&binding), ());
        let mut table = self.next();
        table.exchanges.insert_mut(name.clone(), exchange);
        let inbound = self.inbound.get(&binding.destination);
        let mut inbound = inbound.cloned().unwrap_or_default();
        inbound.insert((name.clone(), Arc::clone(&binding)), ());
        let destination = binding.destination.clone();
        table.inbound.insert(destination, inbound);
        Ok(table)
    }

    /// A table in which the exchange does not have the binding. If it is not there, nothing changes.
    #[must_use]
    pub fn without_binding(&self, source: &[u8], binding: &Binding<K>) -> Self {
        let Some((name, exchange)) = self.exchanges.get_key_value(source) else {
            return self.clone();
        };
        let Ok(binding) = binding.clone().canonical(&exchange.definition.kind) else {
            return self.clone();
        };
        let Some((binding, ())) = exchange.bindings.get_key_value(&binding) else {
            return self.clone();
        };
        let mut table = self.next();
        table.forget_outbound(name, binding);
        table.forget_inbound(name, binding);
        table
    }

    /// A table that has a route to the queue, in place of one that was there; its bindings stay.
    #[must_use]
    pub fn with_queue(&self, name: QueueName, target: Q) -> Self {
        let mut table = self.next();
        table.queues.insert(name, target);
        table
    }

    /// A table that has neither the queue nor the bindings to it.
    #[must_use]
    pub fn without_queue(&self, name: &QueueName) -> Self {
        if !self.queues.contains_key(name) {
            return self.clone();
        }
        let mut table = self.next();
        table.queues.remove(name);
        table.unbind_all(&Destination::Queue(name.clone()));
        table
    }

    /// A table that has the subscriber, in place of one that was there; its bindings stay.
    #[must_use]
    pub fn with_subscriber(&self, key: K, target: T) -> Self {
        let mut table = self.next();
        table.subscribers.insert(key, target);
        table
    }

    /// A table that has neither the subscriber nor the bindings to it.
    #[must_use]
    pub fn without_subscriber(&self, key: &K) -> Self {
        if !self.subscribers.contains_key(key) {
            return self.clone();
        }
        let mut table = self.next();
        table.subscribers.remove(key);
        table.unbind_all(&Destination::Subscriber(key.clone()));
        table
    }

    fn check_destination(&self, destination: &Destination<K>) -> Result<(), BindingError> {
        let is_there = match destination {
            Destination::Queue(name) => self.queues.contains_key(name),
            Destination::Subscriber(key) => self.subscribers.contains_key(key),
            Destination::Exchange(name) if name.as_bytes().is_empty() => {
                return Err(BindingError::DefaultExchange);
            }
            Destination::Exchange(name) => self.exchanges.contains_key(name),
        };
        is_there
            .then_some(())
            .ok_or(BindingError::DestinationNotFound)
    }

    /// Removes the bindings to a destination, which cost as many steps as there are.
    fn unbind_all(&mut self, destination: &Destination<K>) {
        let Some(inbound) = self.inbound.get(destination).cloned() else {
            return;
        };
        self.inbound.remove(destination);
        for (source, binding) in inbound.keys() {
            self.forget_outbound(source, binding);
        }
    }

    /// Removes the binding from its exchange.
    fn forget_outbound(&mut self, source: &ExchangeName, binding: &Binding<K>) {
        // In place: of many bindings only the first copies what is shared with other tables.
        if let Some(exchange) = self.exchanges.get_mut(source) {
            exchange.rules.remove(binding);
            exchange.bindings.remove(binding);
        }
    }

    /// Removes the binding from what leads to its destination.
    fn forget_inbound(&mut self, source: &ExchangeName, binding: &Arc<Binding<K>>) {
        let destination = &binding.destination;
        if let Some(mut inbound) = self.inbound.get(destination).cloned() {
            inbound.remove(&(source.clone(), Arc::clone(binding)));
            if inbound.is_empty() {
                self.inbound.remove(destination);
            } else {
                self.inbound.insert(destination.clone(), inbound);
            }
        }
    }

    fn next(&self) -> Self {
        Self {
            version: self.version + 1,
            ..self.clone()
        }
    }
}

impl<K: Ord + Clone + Hash> Exchange<K> {
    fn new(definition: ExchangeDefinition) -> Self {
        Self {
            rules: Rules::new(&definition.kind),
            definition: Arc::new(definition),
            bindings: Map::default(),
        }
    }
}
