//! A map from ascending numbers to values, made for windows that move.

use std::collections::{BTreeMap, VecDeque};

/// A ring may be this much longer than what lives in it before its oldest part is moved away.
const RING_SLACK: usize = 1024;

/// A map keyed by numbers that are mostly inserted in ascending order and removed near the front,
/// such as deliveries that wait for their outcome.
///
/// Inserting at the end and removing anywhere cost a few nanoseconds and, over time, no allocation.
/// Memory follows the number of values, not the distance between the lowest and the highest key: a
/// value that stays behind moves to an ordered map beside the ring.
#[derive(Clone, Debug)]
pub struct SequenceMap<T> {
    /// Values with keys below `base`; every key in the ring is above all of these.
    stragglers: BTreeMap<u64, T>,
    /// The key of the ring's first slot.
    base: u64,
    /// Slot `i` is key `base + i`. Neither end is an empty slot.
    ring: VecDeque<Option<T>>,
    /// Values in the ring.
    ring_count: usize,
}

impl<T> Default for SequenceMap<T> {
    fn default() -> Self {
        Self {
            stragglers: BTreeMap::new(),
            base: 0,
            ring: VecDeque::new(),
            ring_count: 0,
        }
    }
}

impl<T> SequenceMap<T> {
    /// An empty map.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of values.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ring_count + self.stragglers.len()
    }

    /// Whether there is no value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Puts `value` at `key` and returns what was there.
    pub fn insert(&mut self, key: u64, value: T) -> Option<T> {
        if self.ring.is_empty() {
            let behind = self
                .stragglers
                .last_key_value()
                .map_or(0, |(last, _)| last + 1);
            self.base = key.max(behind);
        }
        if key < self.base {
            return self.stragglers.insert(key, value);
        }
        let Some(index) = self.slot(key) else {
            // The gap is too wide for a ring: what is in it stays behind, and a new ring begins.
            self.retire_all();
            self.stragglers.remove(&key);
            self.base = key;
            self.ring.push_back(Some(value));
            self.ring_count = 1;
            return None;
        };
        while self.ring.len() <= index {
            self.ring.push_back(None);
        }
        let previous = self.ring[index].replace(value);
        if previous.is_none() {
            self.ring_count += 1;
        }
        previous
    }

    /// Takes the value at `key`.
    pub fn remove(&mut self, key: u64) -> Option<T> {
        if key < self.base {
            return self.stragglers.remove(&key);
        }
        let index = usize::try_from(key - self.base).ok()?;
        let value = if index == 0 {
            // The lowest, as most that are taken. Behind it there is mostly another.
            let value = self.ring.pop_front()??;
            self.base += 1;
            self.ring_count -= 1;
            if !matches!(self.ring.front(), Some(None)) && !self.is_sparse() {
                return Some(value);
            }
            value
        } else {
            let value = self.ring.get_mut(index)?.take()?;
            self.ring_count -= 1;
            value
        };
        self.trim();
        Some(value)
    }

    /// The value at `key`.
    #[must_use]
    pub fn get(&self, key: u64) -> Option<&T> {
        if key < self.base {
            return self.stragglers.get(&key);
        }
        self.ring
            .get(usize::try_from(key - self.base).ok()?)?
            .as_ref()
    }

    /// The value at `key`, to change it.
    pub fn get_mut(&mut self, key: u64) -> Option<&mut T> {
        if key < self.base {
            return self.stragglers.get_mut(&key);
        }
        self.ring
            .get_mut(usize::try_from(key - self.base).ok()?)?
            .as_mut()
    }

    /// The lowest key with its value.
    #[must_use]
    pub fn first(&self) -> Option<(u64, &T)> {
        if let Some((key, value)) = self.stragglers.first_key_value() {
            return Some((*key, value));
        }
        self.ring.front()?.as_ref().map(|value| (self.base, value))
    }

    /// Takes the value with the lowest key.
    pub fn pop_first(&mut self) -> Option<(u64, T)> {
        let (key, _) = self.first()?;
        self.remove(key).map(|value| (key, value))
    }

    /// Keys and values, by ascending key.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &T)> {
        let ring = (self.base..)
            .zip(&self.ring)
            .filter_map(|(key, slot)| slot.as_ref().map(|value| (key, value)));
        self.stragglers
            .iter()
            .map(|(key, value)| (*key, value))
            .chain(ring)
    }

    /// Takes everything, by ascending key.
    pub fn drain(&mut self) -> impl Iterator<Item = (u64, T)> {
        let taken = std::mem::take(self);
        let ring = (taken.base..).zip(taken.ring);
        let ring = ring.filter_map(|(key, slot)| slot.map(|value| (key, value)));
        taken.stragglers.into_iter().chain(ring)
    }

    /// The slot for a key at or above `base`, unless the ring would become mostly empty.
    fn slot(&self, key: u64) -> Option<usize> {
        let index = usize::try_from(key - self.base).ok()?;
        (index < self.ring_count.saturating_mul(4) + RING_SLACK).then_some(index)
    }

    /// Drops empty slots from both ends; moves stragglers out of a ring that is mostly empty.
    fn trim(&mut self) {
        while let Some(None) = self.ring.front() {
            self.ring.pop_front();
            self.base += 1;
        }
        while let Some(None) = self.ring.back() {
            self.ring.pop_back();
        }
        while self.is_sparse() {
            if let Some(Some(value)) = self.ring.pop_front() {
                self.stragglers.insert(self.base, value);
                self.ring_count -= 1;
            }
            self.base += 1;
        }
        while let Some(None) = self.ring.front() {
            self.ring.pop_front();
            self.base += 1;
        }
    }

    /// Whether the ring is mostly empty.
    fn is_sparse(&self) -> bool {
        self.ring.len() > self.ring_count * 4 + RING_SLACK
    }

    fn retire_all(&mut self) {
        for (key, slot) in (self.base..).zip(self.ring.drain(..)) {
            if let Some(value) = slot {
                self.stragglers.insert(key, value);
            }
        }
        self.ring_count = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Step {
        Push(u64),
        Insert(u64),
        Remove(usize),
        PopFirst,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => (1u64..4).prop_map(Step::Push),
            1 => (1u64..100_000).prop_map(Step::Push),
            1 => (0u64..5_000).prop_map(Step::Insert),
            6 => any::<usize>().prop_map(Step::Remove),
            2 => Just(Step::PopFirst),
        ]
    }

    proptest! {
        #[test]
        fn behaves_as_an_ordered_map(steps in prop::collection::vec(step(), 0..400)) {
            let mut map = SequenceMap::new();
            let mut model = BTreeMap::new();
            let mut next = 0;
            for step in steps {
                match step {
                    Step::Push(gap) => {
                        next += gap;
                        prop_assert_eq!(map.insert(next, next), model.insert(next, next));
                    }
                    Step::Insert(key) => {
                        next = next.max(key);
                        prop_assert_eq!(map.insert(key, key), model.insert(key, key));
                    }
                    Step::Remove(nth) => {
                        let key = model.keys().nth(nth % (model.len() + 1)).copied().unwrap_or(7);
                        prop_assert_eq!(map.remove(key), model.remove(&key));
                    }
                    Step::PopFirst => prop_assert_eq!(map.pop_first(), model.pop_first()),
                }
                prop_assert_eq!(map.len(), model.len());
                prop_assert_eq!(map.first(), model.first_key_value().map(|(k, v)| (*k, v)));
            }
            let left: Vec<_> = map.iter().map(|(key, value)| (key, *value)).collect();
            prop_assert_eq!(left, model.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn one_value_left_behind_does_not_hold_the_ring() {
        let mut map = SequenceMap::new();
        map.insert(1, ());
        for key in 2..1_000_000 {
            map.insert(key, ());
            map.remove(key);
        }
        assert!(
            map.ring.capacity() < 64 * 1024,
            "ring capacity {}",
            map.ring.capacity()
        );
        assert_eq!(map.len(), 1);
        assert!(map.get(1).is_some());
    }
}
