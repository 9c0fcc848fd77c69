//! Names: queues, routing keys as levels, patterns over levels.
//!
//! A topic is a vector of levels. Its canonical spelling separates them by `.`; a protocol that
//! spells it otherwise converts at its border.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// The longest name of a queue, in bytes (AMQP 0-9-1's short string; the same for all protocols).
const QUEUE_NAME_BYTES_MAX: usize = 255;

/// The name of a queue: 1 to 255 opaque bytes. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueName(Arc<[u8]>);

/// Why some bytes cannot name a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueNameError {
    /// The name has no bytes.
    Empty,
    /// The name has this many bytes, which is over [`QueueName::BYTES_MAX`].
    TooLong(usize),
}

impl QueueName {
    /// The longest name, in bytes.
    pub const BYTES_MAX: usize = QUEUE_NAME_BYTES_MAX;

    /// Checks and copies a name.
    ///
    /// # Errors
    /// [`QueueNameError`] when `bytes` is empty or too long.
    pub fn new(bytes: &[u8]) -> Result<Self, QueueNameError> {
        match bytes.len() {
            0 => Err(QueueNameError::Empty),
            1..=QUEUE_NAME_BYTES_MAX => Ok(Self(bytes.into())),
            length => Err(QueueNameError::TooLong(length)),
        }
    }

    /// The name's bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Borrow<[u8]> for QueueName {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for QueueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&String::from_utf8_lossy(&self.0), f)
    }
}

impl fmt::Debug for QueueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Display for QueueNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a queue's name cannot be empty"),
            Self::TooLong(length) => write!(
                f,
                "a queue's name has {length} bytes, the limit is {QUEUE_NAME_BYTES_MAX}"
            ),
        }
    }
}

impl std::error::Error for QueueNameError {}

/// The levels of a routing key in canonical spelling.
///
/// `"a.b"` has the levels `a` and `b`; the empty key has one empty level.
pub fn levels(key: &[u8]) -> impl Iterator<Item = &[u8]> {
    key.split(|byte| *byte == b'.')
}

/// One level of a [`Pattern`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PatternLevel {
    /// Exactly this level.
    Word(Box<[u8]>),
    /// Any one level (`*`, `+`).
    One,
    /// Any number of levels, also none (`#`).
    Many,
}

/// What a topic subscription or a topic binding asks for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pattern {
    levels: Vec<PatternLevel>,
}

impl Pattern {
    /// The pattern of AMQP's topic exchange: levels separated by `.`, `*` for one, `#` for many.
    #[must_use]
    pub fn dotted(text: &[u8]) -> Self {
        let level = |text: &[u8]| match text {
            b"*" => PatternLevel::One,
            b"#" => PatternLevel::Many,
            word => PatternLevel::Word(word.into()),
        };
        Self {
            levels: levels(text).map(level).collect(),
        }
    }

    /// The pattern of brokers that spell "any number of levels" as `>`: levels separated by `.`, `*` for
    /// one, `>` for many. `#` is a word.
    #[must_use]
    pub fn arrowed(text: &[u8]) -> Self {
        let level = |text: &[u8]| match text {
            b"*" => PatternLevel::One,
            b">" => PatternLevel::Many,
            word => PatternLevel::Word(word.into()),
        };
        Self {
            levels: levels(text).map(level).collect(),
        }
    }

    /// The pattern with these levels, first to last.
    #[must_use]
    pub fn of_levels(levels: Vec<PatternLevel>) -> Self {
        Self { levels }
    }

    /// The pattern's levels, first to last.
    #[must_use]
    pub fn levels(&self) -> &[PatternLevel] {
        &self.levels
    }
}
