//! The destinations at one place of an exchange's structure.

use crate::binding::Destination;
use rpds::RedBlackTreeMapSync;

/// Destinations, each with the number of bindings that lead to it from here.
#[derive(Clone)]
pub(crate) struct Leaf<K: Ord>(RedBlackTreeMapSync<Destination<K>, usize>);

impl<K: Ord> Default for Leaf<K> {
    fn default() -> Self {
        Self(RedBlackTreeMapSync::new_sync())
    }
}

impl<K: Ord + Clone> Leaf<K> {
    pub(crate) fn insert(&mut self, destination: &Destination<K>) {
        let count = self.0.get(destination).copied().unwrap_or(0);
        self.0.insert_mut(destination.clone(), count + 1);
    }

    pub(crate) fn remove(&mut self, destination: &Destination<K>) {
        match self.0.get(destination) {
            None => {}
            Some(0 | 1) => {
                self.0.remove_mut(destination);
            }
            Some(count) => {
                let count = count - 1;
                self.0.insert_mut(destination.clone(), count);
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn first(&self) -> Option<&Destination<K>> {
        self.0.first().map(|(destination, _)| destination)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Destination<K>> {
        self.0.keys()
    }
}
