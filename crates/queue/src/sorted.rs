//! A map for many small things that are mostly added at the end.

use std::collections::VecDeque;

/// Entries of a chunk.
const CHUNK_MAX: usize = 64;

/// A sorted map in chunks.
///
/// Chunks that are filled at the end become full, where those of a `BTreeMap` stay half empty; so an entry costs
/// little more than itself. Finding, adding and removing cost a search and moving part of a chunk, and, where a chunk
/// comes or goes in the middle, a pointer for each chunk to the nearer end.
///
/// Invariant: no chunk is empty; keys ascend within and over chunks.
#[derive(Debug)]
pub(crate) struct Sorted<K, V> {
    chunks: VecDeque<Vec<(K, V)>>,
}

impl<K, V> Default for Sorted<K, V> {
    fn default() -> Self {
        Self {
            chunks: VecDeque::new(),
        }
    }
}

impl<K: Ord + Copy, V> Sorted<K, V> {
    pub(crate) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Whether there are so many entries. Costs no more than that many.
    pub(crate) fn has(&self, count: usize) -> bool {
        let mut missing = count;
        for chunk in &self.chunks {
            if missing == 0 {
                break;
            }
            missing = missing.saturating_sub(chunk.len());
        }
        missing == 0
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (K, &V)> {
        let all = self.chunks.iter().flatten();
        all.map(|(key, value)| (*key, value))
    }

    pub(crate) fn get(&self, key: K) -> Option<&V> {
        let (chunk, place) = self.find(key).ok()?;
        self.chunks.get(chunk)?.get(place).map(|(_, value)| value)
    }

    pub(crate) fn get_mut(&mut self, key: K) -> Option<&mut V> {
        let (chunk, place) = self.find(key).ok()?;
        let chunk = self.chunks.get_mut(chunk)?;
        chunk.get_mut(place).map(|(_, value)| value)
    }

    pub(crate) fn first(&self) -> Option<(K, &V)> {
        let (key, value) = self.chunks.front()?.first()?;
        Some((*key, value))
    }

    /// The first at or behind a key.
    pub(crate) fn first_from(&self, key: K) -> Option<(K, &V)> {
        let (chunk, place) = self.find(key).unwrap_or_else(|place| place);
        let here = self.chunks.get(chunk)?.get(place);
        let (key, value) = here.or_else(|| self.chunks.get(chunk + 1)?.first())?;
        Some((*key, value))
    }

    /// Those from one key to before another.
    pub(crate) fn range(&self, from: K, until: K) -> impl Iterator<Item = (K, &V)> {
        let (chunk, place) = self.find(from).unwrap_or_else(|place| place);
        let chunks = self.chunks.range(chunk.min(self.chunks.len())..);
        let behind = chunks.flatten().skip(place);
        behind
            .map(|(key, value)| (*key, value))
            .take_while(move |(key, _)| *key < until)
    }

    /// The last before a key.
    pub(crate) fn last_before(&self, key: K) -> Option<(K, &V)> {
        let (chunk, place) = self.find(key).unwrap_or_else(|place| place);
        let here = place.checked_sub(1);
        let here = here.and_then(|place| self.chunks.get(chunk)?.get(place));
        let before = || self.chunks.get(chunk.checked_sub(1)?)?.last();
        let (key, value) = here.or_else(before)?;
        Some((*key, value))
    }

    /// Those before a key, the last one first.
    pub(crate) fn before(&self, key: K) -> impl Iterator<Item = (K, &V)> {
        let (chunk, place) = self.find(key).unwrap_or_else(|place| place);
        let here = self.chunks.get(chunk).and_then(|chunk| chunk.get(..place));
        let chunks = self.chunks.range(..chunk.min(self.chunks.len()));
        let before = here.into_iter().chain(chunks.rev().map(Vec::as_slice));
        let before = before.flat_map(|entries| entries.iter().rev());
        before.map(|(key, value)| (*key, value))
    }

    /// Puts a value at a key and returns what was there.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        let (chunk, place) = match self.find(key) {
            Ok((chunk, place)) => {
                let (_, there) = &mut self.chunks[chunk][place];
                return Some(std::mem::replace(there, value));
            }
            Err(place) => place,
        };
        let Some(entries) = self.chunks.get_mut(chunk) else {
            self.chunks.push_back(vec![(key, value)]);
            return None;
        };
        if entries.len() < CHUNK_MAX {
            entries.insert(place, (key, value));
        } else if place == CHUNK_MAX {
            self.chunks.insert(chunk + 1, vec![(key, value)]);
        } else {
            let mut behind = entries.split_off(CHUNK_MAX / 2);
            match place.checked_sub(entries.len()) {
                Some(place) => behind.insert(place, (key, value)),
                None => entries.insert(place, (key, value)),
            }
            self.chunks.insert(chunk + 1, behind);
        }
        None
    }

    /// Gives back the memory for far more entries than there are.
    pub(crate) fn shrink(&mut self) {
        for chunk in &mut self.chunks {
            if chunk.capacity() > 2 * chunk.len() {
                chunk.shrink_to(chunk.len() + chunk.len() / 2);
            }
        }
    }

    /// Takes the value at a key.
    pub(crate) fn remove(&mut self, key: K) -> Option<V> {
        let (chunk, place) = self.find(key).ok()?;
        let entries = self.chunks.get_mut(chunk)?;
        let (_, value) = entries.remove(place);
        let len = entries.len();
        if len == 0 {
            self.chunks.remove(chunk);
        } else if len < CHUNK_MAX / 4
            && let Some(next) = self.chunks.get(chunk + 1)
            && next.len() < CHUNK_MAX / 2
            && let Some(next) = self.chunks.remove(chunk + 1)
        {
            self.chunks[chunk].extend(next);
        }
        Some(value)
    }

    /// The chunk where a key stands, or would, and its place there.
    fn find(&self, key: K) -> Result<(usize, usize), (usize, usize)> {
        let begins_before =
            |chunk: &Vec<(K, V)>| chunk.first().is_some_and(|(first, _)| *first <= key);
        let chunk = self.chunks.partition_point(begins_before).saturating_sub(1);
        let Some(entries) = self.chunks.get(chunk) else {
            return Err((0, 0));
        };
        match entries.binary_search_by_key(&key, |(key, _)| *key) {
            Ok(place) => Ok((chunk, place)),
            Err(place) => Err((chunk, place)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[derive(Clone, Debug)]
    enum Step {
        Push(u64),
        Insert(u64),
        Remove(usize, usize),
        Shrink,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (1u64..200).prop_map(Step::Push),
            2 => (0u64..2000).prop_map(Step::Insert),
            3 => (any::<usize>(), 1usize..120).prop_map(|(from, count)| Step::Remove(from, count)),
            1 => Just(Step::Shrink),
        ]
    }

    proptest! {
        #[test]
        fn behaves_as_an_ordered_map(steps in prop::collection::vec(step(), 0..60)) {
            let (mut map, mut model) = (Sorted::default(), BTreeMap::new());
            for step in steps {
                match step {
                    Step::Push(count) => for _ in 0..count {
                        let next = model.last_key_value().map_or(0, |(last, _)| last + 2);
                        prop_assert_eq!(map.insert(next, next), model.insert(next, next));
                    },
                    Step::Insert(key) => {
                        prop_assert_eq!(map.insert(key, key + 1), model.insert(key, key + 1));
                    }
                    Step::Shrink => map.shrink(),
                    Step::Remove(from, count) => {
                        let from = from % (model.len() + 1);
                        let gone: Vec<u64> = model.keys().skip(from).take(count).copied().collect();
                        for key in gone {
                            prop_assert_eq!(map.remove(key), model.remove(&key));
                            prop_assert_eq!(map.remove(key), None);
                        }
                    }
                }
                let all: Vec<_> = map.iter().map(|(key, value)| (key, *value)).collect();
                let expected: Vec<_> = model.iter().map(|(key, value)| (*key, *value)).collect();
                prop_assert_eq!(all, expected);
                prop_assert_eq!(map.is_empty(), model.is_empty());
                prop_assert_eq!(map.first().map(|(key, _)| key), model.keys().next().copied());
                for key in (0..2100).step_by(37) {
                    let range = map.range(key, key + 50).map(|(key, _)| key);
                    let expected = model.range(key..key + 50).map(|(key, _)| *key);
                    prop_assert!(range.eq(expected));
                    prop_assert_eq!(map.get(key), model.get(&key));
                    let from = model.range(key..).next().map(|(key, _)| *key);
                    prop_assert_eq!(map.first_from(key).map(|(key, _)| key), from);
                    let before = model.range(..key).next_back().map(|(key, _)| *key);
                    prop_assert_eq!(map.last_before(key).map(|(key, _)| key), before);
                    let before = model.range(..key).rev().map(|(key, _)| *key);
                    prop_assert!(map.before(key).map(|(key, _)| key).eq(before));
                }
            }
        }
    }

    #[test]
    fn chunks_that_are_filled_at_the_end_are_full() {
        let mut map = Sorted::default();
        (0..64 * 100).for_each(|key| assert_eq!(map.insert(key, ()), None));
        assert_eq!(map.chunks.len(), 100);
    }
}
