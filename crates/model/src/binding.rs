//! What a binding asks of a message.

use crate::{Pattern, PatternLevel, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

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
