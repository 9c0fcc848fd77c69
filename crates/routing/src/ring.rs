//! Consistent hashing: destinations as points on a ring of 64-bit numbers.
//!
//! A value belongs to the first point at or after its hash. A destination of weight w has w times
//! [`POINTS_PER_WEIGHT`] points, which depend on its name and nothing else: who declared what first,
//! or a restart, moves nothing, and a new destination takes values only for itself, about its share.

use crate::binding::Destination;
use crate::hash::StableHasher;
use crate::leaf::Leaf;
use rpds::RedBlackTreeMapSync;
use std::hash::{Hash, Hasher};

/// Points per unit of weight: the shares of two destinations of weight 1 differ by some 15 %, of
/// weight 10 by some 5 %.
const POINTS_PER_WEIGHT: u32 = 100;

/// The largest weight. A point takes some 100 bytes.
pub(crate) const WEIGHT_MAX: u32 = 200;

/// The ring. Where points fall together, the least destination has them.
#[derive(Clone)]
pub(crate) struct Ring<K: Ord> {
    points: RedBlackTreeMapSync<u64, Leaf<K>>,
}

impl<K: Ord> Default for Ring<K> {
    fn default() -> Self {
        Self {
            points: RedBlackTreeMapSync::new_sync(),
        }
    }
}

/// The weight that a binding's key spells.
pub(crate) fn weight(key: &[u8]) -> Option<u32> {
    let weight = std::str::from_utf8(key).ok()?.parse().ok()?;
    (1..=WEIGHT_MAX).contains(&weight).then_some(weight)
}

impl<K: Ord + Clone + Hash> Ring<K> {
    /// Adds the points of one binding. Of several bindings to a destination the heaviest counts.
    pub(crate) fn insert(&mut self, destination: &Destination<K>, weight: u32) {
        let mut alone = Leaf::default();
        alone.insert(destination);
        for point in points(destination, weight) {
            let leaf = self.points.get(&point).map_or_else(
                || alone.clone(),
                |leaf| {
                    let mut leaf = leaf.clone();
                    leaf.insert(destination);
                    leaf
                },
            );
            self.points.insert_mut(point, leaf);
        }
    }

    pub(crate) fn remove(&mut self, destination: &Destination<K>, weight: u32) {
        for point in points(destination, weight) {
            let Some(leaf) = self.points.get(&point) else {
                continue;
            };
            let mut leaf = leaf.clone();
            leaf.remove(destination);
            if leaf.is_empty() {
                self.points.remove_mut(&point);
            } else {
                self.points.insert_mut(point, leaf);
            }
        }
    }

    /// The destination of the values with this hash.
    pub(crate) fn find(&self, hash: u64) -> Option<&Destination<K>> {
        let after = self.points.range(hash..).next();
        after.or_else(|| self.points.first())?.1.first()
    }
}

/// The points of a destination; those of a lesser weight are among those of a greater.
fn points<K: Hash>(destination: &Destination<K>, weight: u32) -> impl Iterator<Item = u64> {
    let mut name = StableHasher::default();
    // Not the derived hash, which may change with the compiler.
    match destination {
        Destination::Queue(queue) => {
            name.write(b"q");
            name.write(queue.as_bytes());
        }
        Destination::Exchange(exchange) => {
            name.write(b"e");
            name.write(exchange.as_bytes());
        }
        Destination::Subscriber(key) => {
            name.write(b"s");
            key.hash(&mut name);
        }
    }
    (0..weight * POINTS_PER_WEIGHT).map(move |number| {
        let mut point = name.clone();
        point.write(&number.to_le_bytes());
        point.finish()
    })
}
