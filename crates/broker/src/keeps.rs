//! Which queues keep which others from ending for want of use.

use model::QueueId;
use std::collections::{BTreeMap, BTreeSet};

/// Queues and their keepers. It ends with either of them.
#[derive(Debug, Default)]
pub(crate) struct Keeps {
    keepers: BTreeMap<QueueId, BTreeSet<QueueId>>,
    /// The same the other way round.
    kept: BTreeMap<QueueId, BTreeSet<QueueId>>,
    count: usize,
}

impl Keeps {
    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Whether any queue keeps this one.
    pub(crate) fn is_kept(&self, queue: QueueId) -> bool {
        self.keepers.contains_key(&queue)
    }

    /// How many queues keep this one.
    pub(crate) fn keeper_count(&self, queue: QueueId) -> usize {
        self.keepers.get(&queue).map_or(0, BTreeSet::len)
    }

    /// Each queue with one of its keepers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (QueueId, QueueId)> {
        let all = self.keepers.iter();
        all.flat_map(|(queue, keepers)| keepers.iter().map(|keeper| (*queue, *keeper)))
    }

    /// Adds one. Returns whether it is new.
    pub(crate) fn insert(&mut self, queue: QueueId, keeper: QueueId) -> bool {
        let is_new = self.keepers.entry(queue).or_default().insert(keeper);
        self.kept.entry(keeper).or_default().insert(queue);
        self.count += usize::from(is_new);
        is_new
    }

    /// Takes one away. Returns whether it was there.
    pub(crate) fn remove(&mut self, queue: QueueId, keeper: QueueId) -> bool {
        let was_there = take(&mut self.keepers, queue, keeper);
        take(&mut self.kept, keeper, queue);
        self.count -= usize::from(was_there);
        was_there
    }

    /// A queue has ended. Returns those that it has kept.
    pub(crate) fn remove_queue(&mut self, ended: QueueId) -> BTreeSet<QueueId> {
        let keepers = self.keepers.remove(&ended).unwrap_or_default();
        let kept = self.kept.remove(&ended).unwrap_or_default();
        for keeper in &keepers {
            take(&mut self.kept, *keeper, ended);
        }
        for queue in &kept {
            take(&mut self.keepers, *queue, ended);
        }
        self.count -= keepers.len() + kept.len();
        kept
    }
}

/// Takes a pair out. Returns whether it was there.
fn take(pairs: &mut BTreeMap<QueueId, BTreeSet<QueueId>>, one: QueueId, other: QueueId) -> bool {
    let Some(others) = pairs.get_mut(&one) else {
        return false;
    };
    let was_there = others.remove(&other);
    if others.is_empty() {
        pairs.remove(&one);
    }
    was_there
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_ends_with_either_and_leaves_nothing() {
        let [a, b, c] = [1, 2, 3].map(QueueId);
        let mut keeps = Keeps::default();
        assert!(keeps.insert(a, b));
        assert!(!keeps.insert(a, b), "it is there");
        assert!(keeps.insert(a, c));
        assert!(keeps.insert(b, c));
        assert_eq!((keeps.count(), keeps.keeper_count(a)), (3, 2));
        assert_eq!(keeps.iter().collect::<Vec<_>>(), [(a, b), (a, c), (b, c)]);
        assert!(keeps.remove(a, b));
        assert!(!keeps.remove(a, b), "it is gone");
        assert!(keeps.is_kept(a));
        assert_eq!(keeps.remove_queue(c), BTreeSet::from([a, b]));
        assert!(!keeps.is_kept(a));
        assert!(keeps.insert(a, b));
        assert!(keeps.remove_queue(a).is_empty());
        assert_eq!(keeps.count(), 0);
        assert!(keeps.keepers.is_empty() && keeps.kept.is_empty());
    }
}
