//! Destinations of which one is drawn.

use crate::binding::Destination;
use crate::hash::spread;
use rpds::{RedBlackTreeMapSync, VectorSync};

/// Destinations in no order of note, so that the one with a number is found at once.
///
/// Invariant: `places` says of each destination where it stands in `members`.
#[derive(Clone)]
pub(crate) struct Choices<K: Ord> {
    members: VectorSync<Destination<K>>,
    places: RedBlackTreeMapSync<Destination<K>, Place>,
}

#[derive(Clone, Copy)]
struct Place {
    index: usize,
    /// The bindings that lead to it.
    count: usize,
}

impl<K: Ord> Default for Choices<K> {
    fn default() -> Self {
        Self {
            members: VectorSync::new_sync(),
            places: RedBlackTreeMapSync::new_sync(),
        }
    }
}

impl<K: Ord + Clone> Choices<K> {
    pub(crate) fn insert(&mut self, destination: &Destination<K>) {
        let place = match self.places.get(destination) {
            Some(&Place { index, count }) => Place {
                index,
                count: count + 1,
            },
            None => {
                let index = self.members.len();
                self.members.push_back_mut(destination.clone());
                Place { index, count: 1 }
            }
        };
        self.places.insert_mut(destination.clone(), place);
    }

    pub(crate) fn remove(&mut self, destination: &Destination<K>) {
        let Some(&Place { index, count }) = self.places.get(destination) else {
            return;
        };
        if count > 1 {
            let count = count - 1;
            let place = Place { index, count };
            self.places.insert_mut(destination.clone(), place);
            return;
        }
        self.places.remove_mut(destination);
        let last = self.members.last().cloned();
        self.members.drop_last_mut();
        // The last one takes the place of the one that goes.
        if let Some(last) = last
            && let Some(&Place { count, .. }) = self.places.get(&last)
        {
            self.members.set_mut(index, last.clone());
            self.places.insert_mut(last, Place { index, count });
        }
    }

    /// The destination that the number draws. Any number will do, also a count.
    pub(crate) fn draw(&self, random: u64) -> Option<&Destination<K>> {
        let index = (u128::from(spread(random)) * self.members.len() as u128) >> 64;
        self.members.get(usize::try_from(index).ok()?)
    }
}
