//! Consistent hashing: destinations as points on a ring.
//!
//! A destination of weight w has w times [`POINTS_PER_WEIGHT`] points, which depend on its name and
//! nothing else. A value has [`PROBES`] places on the ring, and belongs to the point that comes soonest
//! after one of them. So who declared what first, or a restart, moves nothing; a new destination takes
//! values only for itself, about its share, and one that goes leaves its own only. Several places for
//! a value even the shares out as many times the points would, and points are what a binding costs.

use crate::binding::Destination;
use crate::hash::{StableHasher, spread};
use crate::index::{Index, entry, entry_hash};
use crate::map::Map;
use std::collections::BTreeSet;
use std::hash::{Hash, Hasher};
use std::ops::Range;

/// Points per unit of weight: the shares of destinations of weight 1 differ from the mean by some 10 %,
/// of weight 10 by some 3 %.
const POINTS_PER_WEIGHT: u32 = 16;

/// The places of a value.
const PROBES: u64 = 8;

/// The largest weight. A point takes some 16 bytes.
pub(crate) const WEIGHT_MAX: u32 = 200;

/// The bindings to a destination, by weight.
type Weights = Map<u32, usize>;

/// The ring. Where points fall together, the least destination has them.
///
/// Invariant: `points` has the number of each member under each of its points.
#[derive(Clone)]
pub(crate) struct Ring<K> {
    points: Index,
    members: Map<Destination<K>, Weights>,
}

impl<K> Default for Ring<K> {
    fn default() -> Self {
        Self {
            points: Index::default(),
            members: Map::default(),
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
        let present = self.members.get(destination);
        let mut weights = present.cloned().unwrap_or_default();
        let before = heaviest(&weights);
        let count = weights.get(&weight).copied().unwrap_or(0);
        weights.insert(weight, count + 1);
        let after = heaviest(&weights);
        self.members.insert(destination.clone(), weights);
        if let Some(number) = self.number(destination) {
            self.add_points(points(destination, before..after), number);
        }
    }

    pub(crate) fn remove(&mut self, destination: &Destination<K>, weight: u32) {
        let Some(number) = self.number(destination) else {
            return;
        };
        let mut weights = self.members.get(destination).cloned().unwrap_or_default();
        let before = heaviest(&weights);
        match weights.get(&weight) {
            None => {}
            Some(0 | 1) => weights.remove(&weight),
            Some(count) => {
                let count = count - 1;
                weights.insert(weight, count);
            }
        }
        let after = heaviest(&weights);
        // A heavy destination may have a point twice, which stands there once.
        let kept: BTreeSet<u32> = points(destination, 0..after).collect();
        for point in points(destination, after..before) {
            if !kept.contains(&point) {
                self.points.remove(entry(point, number));
            }
        }
        if weights.is_empty() {
            self.renumber_last(number);
            self.members.remove(destination);
        } else {
            self.members.insert(destination.clone(), weights);
        }
    }

    /// The destination of the values with this hash.
    pub(crate) fn find(&self, hash: u64) -> Option<&Destination<K>> {
        let ring_first = self.points.first_from(0)?;
        let nearest = (0..PROBES).map(|probe| {
            let place = high(spread(hash.wrapping_add(probe)));
            let after = self.points.first_from(entry(place, 0));
            let point = entry_hash(after.unwrap_or(ring_first));
            // Around the end of the ring too.
            (point.wrapping_sub(place), point)
        });
        let (_, point) = nearest.min()?;
        let members = self.points.numbers(point);
        let destinations = members.filter_map(|number| self.members.numbered(number as usize));
        destinations.map(|(destination, _)| destination).min()
    }

    fn number(&self, destination: &Destination<K>) -> Option<u32> {
        u32::try_from(self.members.number(destination)?).ok()
    }

    /// The last member takes the number of one that goes.
    fn renumber_last(&mut self, number: u32) {
        let end = self.members.len() - 1;
        if number as usize == end {
            return;
        }
        let last = self.members.numbered(end);
        let (Some((last, weights)), Ok(end)) = (last, u32::try_from(end)) else {
            return;
        };
        let moved: Vec<u32> = points(last, 0..heaviest(weights)).collect();
        for point in &moved {
            self.points.remove(entry(*point, end));
        }
        self.add_points(moved.into_iter(), number);
    }

    fn add_points(&mut self, points: impl Iterator<Item = u32>, number: u32) {
        for point in points {
            if !self.points.numbers(point).any(|present| present == number) {
                self.points.insert(entry(point, number));
            }
        }
    }
}

fn heaviest(weights: &Weights) -> u32 {
    weights.keys().copied().max().unwrap_or(0)
}

fn high(hash: u64) -> u32 {
    (hash >> 32) as u32
}

/// The points of a destination for these units of weight.
fn points<K: Hash>(destination: &Destination<K>, weights: Range<u32>) -> impl Iterator<Item = u32> {
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
    let numbers = weights.start * POINTS_PER_WEIGHT..weights.end * POINTS_PER_WEIGHT;
    numbers.map(move |number| {
        let mut point = name.clone();
        point.write(&number.to_le_bytes());
        high(point.finish())
    })
}
