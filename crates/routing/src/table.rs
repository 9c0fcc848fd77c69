//! One snapshot of all routes.

use crate::trie::Node;
use model::{Pattern, QueueName};
use rpds::RedBlackTreeMapSync;

/// The most levels that a pattern may have.
const PATTERN_LEVELS_MAX: usize = 128;

/// One immutable snapshot of all routes. A clone costs two reference counts; a change costs the
/// changed path, whatever the number of routes.
#[derive(Clone)]
pub struct Table<K: Ord, Q, T> {
    version: u64,
    queues: RedBlackTreeMapSync<QueueName, Q>,
    topics: Node<K, T>,
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

impl<K: Ord + Clone, Q: Clone, T: Clone> Default for Table<K, Q, T> {
    fn default() -> Self {
        Self {
            version: 0,
            queues: RedBlackTreeMapSync::new_sync(),
            topics: Node::default(),
        }
    }
}

impl<K: Ord + Clone, Q: Clone, T: Clone> Table<K, Q, T> {
    /// A table without routes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Grows with every change: what was looked up in a table of the same version is still true.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The route to the queue with this name (the default exchange).
    #[must_use]
    pub fn queue(&self, name: &[u8]) -> Option<&Q> {
        self.queues.get(name)
    }

    /// The number of queues.
    #[must_use]
    pub fn queue_count(&self) -> usize {
        self.queues.size()
    }

    /// The routes whose pattern matches the key, each once, by ascending `K` (the topic exchange).
    #[must_use]
    pub fn topic(&self, key: &[u8]) -> Vec<T> {
        self.topics.matches(key)
    }

    /// A table that has a route to the queue.
    #[must_use]
    pub fn with_queue(&self, name: QueueName, target: Q) -> Self {
        Self {
            queues: self.queues.insert(name, target),
            ..self.next()
        }
    }

    /// A table that has a route for the pattern under the key, in place of one that was there.
    ///
    /// # Errors
    /// [`BindError`] when the pattern is too deep.
    pub fn with_topic(&self, pattern: &Pattern, key: K, target: T) -> Result<Self, BindError> {
        let levels = pattern.levels().len();
        if levels > PATTERN_LEVELS_MAX {
            return Err(BindError::TooManyLevels {
                levels,
                limit: PATTERN_LEVELS_MAX,
            });
        }
        Ok(Self {
            topics: self.topics.with(pattern.levels(), key, target),
            ..self.next()
        })
    }

    /// A table that has no route for the pattern under the key.
    #[must_use]
    pub fn without_topic(&self, pattern: &Pattern, key: &K) -> Self {
        let topics = self
            .topics
            .without(pattern.levels(), key)
            .unwrap_or_default();
        Self {
            topics,
            ..self.next()
        }
    }

    fn next(&self) -> Self {
        Self {
            version: self.version + 1,
            ..self.clone()
        }
    }
}
