//! What a binding is, and which bindings an exchange takes.

use crate::headers::MatchMode;
use crate::ring;
use crate::value::stable_hash;
use model::{Arguments, BindingKey, ExchangeKind, ExchangeName, Pattern, QueueName};
use std::hash::{Hash, Hasher};

/// The most levels that a pattern may have.
pub(crate) const PATTERN_LEVELS_MAX: usize = 128;

/// Where a binding leads.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Destination<K> {
    /// The queue with this name.
    Queue(QueueName),
    /// The exchange with this name, which routes by its own bindings.
    Exchange(ExchangeName),
    /// The subscriber with this key.
    Subscriber(K),
}

/// A rule from an exchange to a destination. Two bindings of an exchange are the same if all of this
/// is; a second one that is the same changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Binding<K> {
    /// Where it leads.
    pub destination: Destination<K>,
    /// What it asks of the routing key.
    pub key: BindingKey,
    /// What else it asks.
    pub arguments: Arguments,
}

/// Why a pattern cannot be bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BindError {
    /// The pattern has more levels than a trie may be deep.
    #[error("the pattern has {levels} levels, the limit is {limit}")]
    TooManyLevels {
        /// The levels that it has.
        levels: usize,
        /// The levels that it may have.
        limit: usize,
    },
}

/// Why a binding cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BindingError {
    /// There is no exchange to bind from.
    #[error("the exchange to bind from does not exist")]
    SourceNotFound,
    /// There is nothing to bind to.
    #[error("the destination of the binding does not exist")]
    DestinationNotFound,
    /// The default exchange is bound to every queue by its name, and to nothing else.
    #[error("the default exchange takes no bindings")]
    DefaultExchange,
    /// The pattern cannot be matched.
    #[error(transparent)]
    Pattern(#[from] BindError),
    /// A pattern was given to an exchange that is no topic exchange.
    #[error("only a topic exchange takes a pattern")]
    PatternNotTaken,
    /// The argument `x-match` is none of the four.
    #[error("x-match is not one of all, any, all-with-x, any-with-x")]
    MatchMode,
    /// The key is no weight.
    #[error("the key of a binding to a consistent-hash exchange is not a weight of 1 to {limit}")]
    Weight {
        /// The largest weight.
        limit: u32,
    },
}

impl<K: Hash> Hash for Binding<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.destination.hash(state);
        self.key.hash(state);
        // Arguments have no hash of their own.
        for (name, value) in self.arguments.iter() {
            name.hash(state);
            state.write_u64(stable_hash(value));
        }
    }
}

impl<K> Binding<K> {
    /// A binding without arguments.
    #[must_use]
    pub fn new(destination: Destination<K>, key: &[u8]) -> Self {
        Self {
            destination,
            key: BindingKey::Exact(key.into()),
            arguments: Arguments::default(),
        }
    }

    /// The binding in the one form in which an exchange of this kind keeps it.
    pub(crate) fn canonical(mut self, kind: &ExchangeKind) -> Result<Self, BindingError> {
        if let (ExchangeKind::Topic, BindingKey::Exact(key)) = (kind, &self.key) {
            // Counted before it is split: a key of many levels costs no memory.
            check_levels(1 + key.iter().filter(|byte| **byte == b'.').count())?;
            self.key = BindingKey::Pattern(Pattern::dotted(key));
        }
        match (kind, &self.key) {
            (ExchangeKind::Default, _) => return Err(BindingError::DefaultExchange),
            (ExchangeKind::Topic, BindingKey::Pattern(pattern)) => {
                check_levels(pattern.levels().len())?;
            }
            (_, BindingKey::Pattern(_)) => return Err(BindingError::PatternNotTaken),
            (ExchangeKind::Headers, BindingKey::Exact(_)) => {
                MatchMode::of(&self.arguments).ok_or(BindingError::MatchMode)?;
            }
            (ExchangeKind::ConsistentHash(_), BindingKey::Exact(key)) => {
                let limit = ring::WEIGHT_MAX;
                ring::weight(key).ok_or(BindingError::Weight { limit })?;
            }
            (
                ExchangeKind::Direct
                | ExchangeKind::Fanout
                | ExchangeKind::Topic
                | ExchangeKind::Random,
                BindingKey::Exact(_),
            ) => {}
        }
        Ok(self)
    }
}

fn check_levels(levels: usize) -> Result<(), BindError> {
    let limit = PATTERN_LEVELS_MAX;
    if levels > limit {
        return Err(BindError::TooManyLevels { levels, limit });
    }
    Ok(())
}
