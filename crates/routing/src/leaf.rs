//! The destinations at one place of an exchange's structure.

use crate::binding::Destination;
use crate::hash::spread;
use crate::map::Map;
use std::hash::Hash;

/// Destinations in no order of note, each with the number of bindings that lead to it from here.
#[derive(Clone)]
pub(crate) struct Leaf<K>(Map<Destination<K>, usize>);

impl<K> Default for Leaf<K> {
    fn default() -> Self {
        Self(Map::default())
    }
}

impl<K: Hash + Eq + Clone> Leaf<K> {
    pub(crate) fn insert(&mut self, destination: &Destination<K>) {
        let count = self.0.get(destination).copied().unwrap_or(0);
        self.0.insert(destination.clone(), count + 1);
    }

    pub(crate) fn remove(&mut self, destination: &Destination<K>) {
        match self.0.get(destination) {
            None => {}
            Some(0 | 1) => self.0.remove(destination),
            Some(count) => {
                let count = count - 1;
                self.0.insert(destination.clone(), count);
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Destination<K>> {
        self.0.keys()
    }

    /// The destination that the number draws. Any number will do, also a count.
    pub(crate) fn draw(&self, random: u64) -> Option<&Destination<K>> {
        let number = (u128::from(spread(random)) * self.0.len() as u128) >> 64;
        let (destination, _) = self.0.numbered(usize::try_from(number).ok()?)?;
        Some(destination)
    }
}
