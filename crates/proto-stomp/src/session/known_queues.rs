//! Queues that a session has declared.

use std::collections::BTreeSet;

/// The names of queues that the broker has declared for the session.
///
/// Holds at most `count_max` names; when there are more it forgets all and begins again.
#[derive(Debug)]
pub(super) struct KnownQueues {
    /// The name looked up last, for most publishers use one queue for long.
    last: Vec<u8>,
    names: BTreeSet<Box<[u8]>>,
    count_max: usize,
}

impl KnownQueues {
    pub(super) fn new(count_max: usize) -> Self {
        Self {
            last: Vec::new(),
            names: BTreeSet::new(),
            count_max: count_max.max(1),
        }
    }

    pub(super) fn contains(&mut self, name: &[u8]) -> bool {
        // No queue has an empty name, so an empty slot matches nothing.
        if self.last == name {
            return true;
        }
        let known = self.names.contains(name);
        if known {
            self.last.clear();
            self.last.extend_from_slice(name);
        }
        known
    }

    pub(super) fn insert(&mut self, name: Box<[u8]>) {
        if self.names.len() >= self.count_max {
            self.names.clear();
            self.last.clear();
        }
        self.names.insert(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forgets_all_at_its_limit() {
        let mut known = KnownQueues::new(2);
        assert!(!known.contains(b"a"));
        known.insert((*b"a").into());
        known.insert((*b"b").into());
        assert!(known.contains(b"a") && known.contains(b"b") && known.contains(b"b"));
        known.insert((*b"c").into());
        assert!(known.contains(b"c") && !known.contains(b"a") && !known.contains(b"b"));
    }
}
