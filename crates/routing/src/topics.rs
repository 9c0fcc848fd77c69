//! Topics without an exchange's name: patterns at `amq.topic`, and subscribers that are there as long
//! as a pattern leads to them.

use crate::binding::{BindError, Binding, BindingError, Destination};
use crate::exchange::TOPIC;
use crate::table::Table;
use crate::value::NoHeaders;
use model::Pattern;
use model::{Arguments, BindingKey};
use std::hash::Hash;

impl<K: Ord + Clone + Hash, Q: Clone, T: Clone> Table<K, Q, T> {
    /// The subscribers whose pattern matches the key, each once, by ascending `K` (the topic exchange).
    #[must_use]
    pub fn topic(&self, key: &[u8]) -> Vec<T> {
        self.route(TOPIC, key, &NoHeaders, 0)
            .map_or_else(Vec::new, |routed| routed.subscribers)
    }

    /// A table that has the subscriber, in place of one under the same key, and a route to it for the
    /// pattern.
    ///
    /// # Errors
    /// [`BindError`] when the pattern is too deep.
    pub fn with_topic(&self, pattern: &Pattern, key: K, target: T) -> Result<Self, BindError> {
        let binding = binding(pattern, key.clone());
        match self
            .with_subscriber(key, target)
            .with_binding(TOPIC, binding)
        {
            Ok(table) => Ok(table),
            Err(BindingError::Pattern(error)) => Err(error),
            Err(
                BindingError::SourceNotFound
                | BindingError::DestinationNotFound
                | BindingError::DefaultExchange
                | BindingError::PatternNotTaken
                | BindingError::MatchMode
                | BindingError::Weight { .. },
            ) => unreachable!("amq.topic takes any pattern for a subscriber that is there"),
        }
    }

    /// A table that has no route for the pattern to the subscriber, nor the subscriber if that was the
    /// last.
    #[must_use]
    pub fn without_topic(&self, pattern: &Pattern, key: &K) -> Self {
        let binding = binding(pattern, key.clone());
        let table = self.without_binding(TOPIC, &binding);
        if table.inbound.contains_key(&binding.destination) {
            return table;
        }
        table.without_subscriber(key)
    }
}

fn binding<K>(pattern: &Pattern, key: K) -> Binding<K> {
    Binding {
        destination: Destination::Subscriber(key),
        key: BindingKey::Pattern(pattern.clone()),
        arguments: Arguments::default(),
    }
}
