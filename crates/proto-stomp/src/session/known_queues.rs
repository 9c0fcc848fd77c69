//! Queues that a session has declared.

use model::{Lifetime, QueueDefinition};
use std::collections::BTreeMap;

/// The names of queues that the broker has declared for the session, with what they were declared as.
///
/// Holds at most `count_max` names; when there are more it forgets all and begins again.
#[derive(Debug)]
pub(super) struct KnownQueues {
    /// The name looked up last, for most publishers use one queue for long.
    last: Vec<u8>,
    /// The definition, if a frame asked for one.
    names: BTreeMap<Box<[u8]>, Option<Box<QueueDefinition>>>,
    count_max: usize,
}

impl KnownQueues {
    /// `count_min` names of one frame are always held together.
    pub(super) fn new(count_max: usize, count_min: usize) -> Self {
        Self {
            last: Vec::new(),
            names: BTreeMap::new(),
            count_max: count_max.max(count_min),
        }
    }

    pub(super) fn contains(&mut self, name: &[u8]) -> bool {
        // No queue has an empty name, so an empty slot matches nothing.
        if self.last == name {
            return true;
        }
        let known = self.names.contains_key(name);
        if known {
            self.last.clear();
            self.last.extend_from_slice(name);
        }
        known
    }

    /// Whether the queue was declared as this.
    pub(super) fn is_declared_as(&self, name: &[u8], definition: &QueueDefinition) -> bool {
        self.names
            .get(name)
            .and_then(Option::as_deref)
            .is_some_and(|known| known == definition)
    }

    pub(super) fn insert(&mut self, name: Box<[u8]>, definition: Option<Box<QueueDefinition>>) {
        if self.names.len() >= self.count_max && !self.names.contains_key(&name) {
            self.names.clear();
            self.last.clear();
        }
        self.names.insert(name, definition);
    }

    /// Forgets one queue; what it was declared as, if a frame asked for that.
    pub(super) fn forget(&mut self, name: &[u8]) -> Option<Box<QueueDefinition>> {
        if self.last == name {
            self.last.clear();
        }
        self.names.remove(name).flatten()
    }

    /// Forgets the queues that may have ended with a subscription.
    pub(super) fn forget_fleeting(&mut self) {
        let before = self.names.len();
        self.names.retain(|_, definition| {
            definition
                .as_ref()
                .is_none_or(|it| it.lifetime == Lifetime::Permanent)
        });
        if self.names.len() < before {
            self.last.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forgets_all_at_its_limit() {
        let mut known = KnownQueues::new(2, 1);
        assert!(!known.contains(b"a"));
        known.insert((*b"a").into(), None);
        known.insert((*b"b").into(), None);
        assert!(known.contains(b"a") && known.contains(b"b") && known.contains(b"b"));
        known.insert((*b"c").into(), None);
        assert!(known.contains(b"c") && !known.contains(b"a") && !known.contains(b"b"));
    }

    #[test]
    fn knows_what_a_queue_was_declared_as() {
        let mut known = KnownQueues::new(2, 1);
        let fleeting = QueueDefinition {
            lifetime: Lifetime::UntilUnused,
            ..QueueDefinition::DURABLE
        };
        known.insert((*b"a").into(), None);
        assert!(!known.is_declared_as(b"a", &QueueDefinition::DURABLE));
        known.insert((*b"a").into(), Some(Box::new(fleeting.clone())));
        assert!(known.is_declared_as(b"a", &fleeting) && known.contains(b"a"));
        known.insert((*b"b").into(), None);
        known.forget_fleeting();
        assert!(!known.contains(b"a") && known.contains(b"b"));
        known.insert((*b"a").into(), Some(Box::new(fleeting.clone())));
        assert!(known.forget(b"a").is_some_and(|it| *it == fleeting));
        assert!(known.forget(b"b").is_none());
        assert!(!known.contains(b"a") && !known.contains(b"b"));
    }
}
