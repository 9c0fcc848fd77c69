//! What a binding is, and which bindings an exchange takes.

use crate::exchange::ExchangeKind;
use crate::headers::MatchMode;
use crate::name::ExchangeName;
use crate::ring;
use crate::value::Value;
use model::{Pattern, PatternLevel, QueueName};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

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

/// What a binding asks of a routing key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BindingKey {
    /// These bytes. A topic exchange reads them as [`Pattern::dotted`] does; to a consistent-hash
    /// exchange they are the weight; fanout, headers and random exchanges only tell bindings apart by
    /// them.
    Exact(Arc<[u8]>),
    /// A pattern. Only topic exchanges take it.
    Pattern(Pattern),
}

/// The arguments of a binding, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Arguments(BTreeMap<Box<[u8]>, Value<'static>>);

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

impl BindingKey {
    /// The key in the spelling of AMQP 0-9-1. A pattern whose level is the word `*` or `#` (MQTT has
    /// such) reads as a wildcard there: for people to see, not to bind by.
    #[must_use]
    pub fn spelling(&self) -> Cow<'_, [u8]> {
        match self {
            Self::Exact(bytes) => Cow::Borrowed(bytes),
            Self::Pattern(pattern) => {
                let levels: Vec<&[u8]> = pattern.levels().iter().map(level_spelling).collect();
                Cow::Owned(levels.join(&b'.'))
            }
        }
    }
}

impl From<&[u8]> for BindingKey {
    fn from(key: &[u8]) -> Self {
        Self::Exact(key.into())
    }
}

impl From<Pattern> for BindingKey {
    fn from(pattern: Pattern) -> Self {
        Self::Pattern(pattern)
    }
}

impl Arguments {
    /// The value of an argument.
    #[must_use]
    pub fn value(&self, name: &[u8]) -> Option<&Value<'static>> {
        self.0.get(name)
    }

    /// The arguments by ascending name.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &Value<'static>)> + Clone {
        self.0.iter().map(|(name, value)| (&**name, value))
    }
}

impl<'a, N: AsRef<[u8]>> FromIterator<(N, Value<'a>)> for Arguments {
    fn from_iter<I: IntoIterator<Item = (N, Value<'a>)>>(arguments: I) -> Self {
        let owned = |(name, value): (N, Value<'a>)| (name.as_ref().into(), value.into_owned());
        Self(arguments.into_iter().map(owned).collect())
    }
}

fn level_spelling(level: &PatternLevel) -> &[u8] {
    match level {
        PatternLevel::Word(word) => word,
        PatternLevel::One => b"*",
        PatternLevel::Many => b"#",
    }
}

fn check_levels(levels: usize) -> Result<(), BindError> {
    let limit = PATTERN_LEVELS_MAX;
    if levels > limit {
        return Err(BindError::TooManyLevels { levels, limit });
    }
    Ok(())
}
