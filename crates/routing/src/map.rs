//! A persistent map in no order of note, whose changes copy little however large it is.
//!
//! Few entries stand in a row that is searched. Many stand in [`Slots`], each found by its number,
//! and the numbers in an [`Index`] by the hashes of the keys. The entry that goes leaves its number to
//! the last one.
//!
//! The hash is the same in every process. Who chooses names to collide slows the changes and look-ups
//! of these names down, as if they were few in a row.

use crate::index::{Index, entry};
use crate::slots::Slots;
use std::borrow::Borrow;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

/// The most entries in a row.
const FEW_MAX: usize = 16;

/// With so many, entries that were many become few.
const FEW_AGAIN: usize = 8;

/// A persistent map. A clone costs one reference count.
#[derive(Default)]
pub(crate) enum Map<K, V> {
    /// None.
    #[default]
    Empty,
    /// Up to [`FEW_MAX`].
    Few(Arc<[Entry<K, V>]>),
    /// More than [`FEW_AGAIN`].
    Many(Arc<Many<K, V>>),
}

type Entry<K, V> = Arc<(K, V)>;

/// Invariant: `index` has for each entry its number under the hash of its key.
pub(crate) struct Many<K, V> {
    index: Index,
    entries: Slots<Entry<K, V>>,
}

impl<K, V> Clone for Many<K, V> {
    fn clone(&self) -> Self {
        Self {
            index: self.index.clone(),
            entries: self.entries.clone(),
        }
    }
}

impl<K, V> Clone for Map<K, V> {
    fn clone(&self) -> Self {
        match self {
            Self::Empty => Self::Empty,
            Self::Few(entries) => Self::Few(Arc::clone(entries)),
            Self::Many(many) => Self::Many(Arc::clone(many)),
        }
    }
}

impl<K, V> Map<K, V> {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Empty => 0,
            Self::Few(entries) => entries.len(),
            Self::Many(many) => many.entries.len(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The entries, in no order of note.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        let (few, many): (&[_], _) = match self {
            Self::Empty => (&[], None),
            Self::Few(entries) => (entries, None),
            Self::Many(many) => (&[], Some(many.entries.iter())),
        };
        let entries = few.iter().chain(many.into_iter().flatten());
        entries.map(|entry| (&entry.0, &entry.1))
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &K> {
        self.iter().map(|(key, _)| key)
    }

    /// The entry with a number below [`Self::len`].
    pub(crate) fn numbered(&self, number: usize) -> Option<(&K, &V)> {
        let entry = match self {
            Self::Empty => None,
            Self::Few(entries) => entries.get(number),
            Self::Many(many) => many.entries.get(number),
        };
        entry.map(|entry| (&entry.0, &entry.1))
    }
}

impl<K: Hash + Eq, V> Map<K, V> {
    pub(crate) fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.get_key_value(key).map(|(_, value)| value)
    }

    pub(crate) fn get_key_value<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<(&K, &V)>
    where
        K: Borrow<Q>,
    {
        self.numbered(self.number(key)?)
    }

    pub(crate) fn contains_key<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.number(key).is_some()
    }

    /// The number of the entry with this key.
    pub(crate) fn number<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<usize>
    where
        K: Borrow<Q>,
    {
        match self {
            Self::Empty => None,
            Self::Few(entries) => entries.iter().position(|entry| entry.0.borrow() == key),
            Self::Many(many) => many.number(key),
        }
    }

    /// Adds an entry, or replaces the one with this key.
    pub(crate) fn insert(&mut self, key: K, value: V) {
        let present = self.number(&key);
        let entry = Arc::new((key, value));
        match (&mut *self, present) {
            (Self::Many(many), Some(number)) => Arc::make_mut(many).entries.set(number, entry),
            (Self::Many(many), None) => Arc::make_mut(many).push(entry),
            (Self::Few(entries), Some(number)) => Arc::make_mut(entries)[number] = entry,
            (Self::Few(entries), None) if entries.len() < FEW_MAX => {
                *entries = entries.iter().cloned().chain([entry]).collect();
            }
            (Self::Few(entries), None) => {
                let mut many = Many::new(entries);
                many.push(entry);
                *self = Self::Many(Arc::new(many));
            }
            (Self::Empty, _) => *self = Self::Few(Arc::from([entry])),
        }
    }

    /// Removes the entry with this key. The last entry takes its number.
    pub(crate) fn remove<Q: Hash + Eq + ?Sized>(&mut self, key: &Q)
    where
        K: Borrow<Q>,
    {
        let Some(number) = self.number(key) else {
            return;
        };
        let few: Vec<_> = match self {
            Self::Empty => return,
            Self::Few(entries) => {
                let mut entries = entries.to_vec();
                entries.swap_remove(number);
                entries
            }
            Self::Many(many) => {
                let many = Arc::make_mut(many);
                many.remove(number);
                if many.entries.len() > FEW_AGAIN {
                    return;
                }
                many.entries.iter().cloned().collect()
            }
        };
        *self = if few.is_empty() {
            Self::Empty
        } else {
            Self::Few(few.into())
        };
    }
}

impl<K: Hash + Eq, V> Many<K, V> {
    fn new(entries: &[Entry<K, V>]) -> Self {
        let mut many = Self {
            index: Index::default(),
            entries: Slots::new(),
        };
        for entry in entries {
            many.push(Arc::clone(entry));
        }
        many
    }

    fn number<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<usize>
    where
        K: Borrow<Q>,
    {
        let mut numbers = self.index.numbers(hash(key)).map(|number| number as usize);
        numbers.find(|number| {
            let entry = self.entries.get(*number);
            entry.is_some_and(|entry| entry.0.borrow() == key)
        })
    }

    fn push(&mut self, entry: Entry<K, V>) {
        self.index.insert(place(&entry, self.entries.len()));
        self.entries.push(entry);
    }

    fn remove(&mut self, number: usize) {
        let end = self.entries.len() - 1;
        let Some(last) = self.entries.pop() else {
            return;
        };
        self.index.remove(place(&last, end));
        if let Some(gone) = self.entries.get(number) {
            self.index.remove(place(gone, number));
            self.index.insert(place(&last, number));
            self.entries.set(number, last);
        }
    }
}

fn place<K: Hash, V>(of: &Entry<K, V>, number: usize) -> u64 {
    let number = u32::try_from(number).expect("memory holds fewer entries than 32 bits count");
    entry(hash(&of.0), number)
}

fn hash<Q: Hash + ?Sized>(key: &Q) -> u32 {
    let hash = foldhash::fast::FixedState::default().hash_one(key);
    (hash >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn holds_what_an_ordered_map_holds(
            changes in prop::collection::vec((0..3_u8, 0..60_u16, any::<u8>()), 0..400),
            snapshot_at in 0..400_usize,
        ) {
            let (mut map, mut model) = (Map::default(), BTreeMap::new());
            let mut snapshot = (map.clone(), model.clone());
            for (at, (kind, key, value)) in changes.into_iter().enumerate() {
                if at == snapshot_at {
                    snapshot = (map.clone(), model.clone());
                }
                if kind == 0 {
                    map.remove(&key);
                    model.remove(&key);
                } else {
                    map.insert(key, value);
                    model.insert(key, value);
                }
            }
            for (map, model) in [(map, model), snapshot] {
                prop_assert_eq!(map.len(), model.len());
                let listed: BTreeMap<_, _> = map.iter().map(|(key, value)| (*key, *value)).collect();
                prop_assert_eq!(&listed, &model);
                for key in 0..60 {
                    prop_assert_eq!(map.get(&key), model.get(&key));
                    let number = map.number(&key);
                    let numbered = number.and_then(|number| map.numbered(number));
                    prop_assert_eq!(numbered.map(|(key, _)| *key), number.map(|_| key));
                }
            }
        }
    }
}
