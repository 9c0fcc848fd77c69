//! A sorted map that mostly holds one entry.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::ops::RangeBounds;

/// A sorted map that takes no allocation while it holds at most one entry: a node of a `BTreeMap` has room for eleven,
/// which is much where there are very many maps.
#[derive(Clone, Debug)]
pub struct SoloMap<K, V>(Entries<K, V>);

#[derive(Clone, Debug)]
enum Entries<K, V> {
    None,
    One(K, V),
    /// More than one, or the last of more.
    Many(BTreeMap<K, V>),
}

impl<K, V> Default for SoloMap<K, V> {
    fn default() -> Self {
        Self(Entries::None)
    }
}

impl<K: Ord, V> SoloMap<K, V> {
    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.0 {
            Entries::None => 0,
            Entries::One(..) => 1,
            Entries::Many(many) => many.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of a key.
    #[must_use]
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        match &self.0 {
            Entries::None => None,
            Entries::One(own, value) => (Borrow::<Q>::borrow(own) == key).then_some(value),
            Entries::Many(many) => many.get(key),
        }
    }

    /// The same, to be changed.
    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        match &mut self.0 {
            Entries::None => None,
            Entries::One(own, value) => (Borrow::<Q>::borrow(&*own) == key).then_some(value),
            Entries::Many(many) => many.get_mut(key),
        }
    }

    /// Whether a key is there.
    #[must_use]
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.get(key).is_some()
    }

    /// Puts a value at a key and returns what was there.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        match std::mem::replace(&mut self.0, Entries::None) {
            Entries::None => {
                self.0 = Entries::One(key, value);
                None
            }
            Entries::One(own, before) if own == key => {
                self.0 = Entries::One(key, value);
                Some(before)
            }
            Entries::One(own, other) => {
                self.0 = Entries::Many(BTreeMap::from([(own, other), (key, value)]));
                None
            }
            Entries::Many(mut many) => {
                let before = many.insert(key, value);
                self.0 = Entries::Many(many);
                before
            }
        }
    }

    /// Takes the value at a key.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        match &mut self.0 {
            Entries::None => None,
            Entries::One(own, _) if Borrow::<Q>::borrow(&*own) != key => None,
            Entries::One(..) => match std::mem::replace(&mut self.0, Entries::None) {
                Entries::One(_, value) => Some(value),
                Entries::None | Entries::Many(_) => None,
            },
            Entries::Many(many) => {
                let value = many.remove(key);
                if many.is_empty() {
                    self.0 = Entries::None;
                }
                value
            }
        }
    }

    /// The entries, by ascending key.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &V)> {
        self.range(..)
    }

    /// Those within bounds, by ascending key.
    ///
    /// # Panics
    /// If the bounds are the wrong way round.
    pub fn range(&self, bounds: impl RangeBounds<K>) -> impl DoubleEndedIterator<Item = (&K, &V)> {
        let (one, many) = match &self.0 {
            Entries::None => (None, None),
            Entries::One(key, value) => (bounds.contains(key).then_some((key, value)), None),
            Entries::Many(many) => (None, Some(many.range(bounds))),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }

    /// The keys, ascending.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &K> {
        self.iter().map(|(key, _)| key)
    }

    /// The values, by ascending key.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }

    /// The same, to be changed.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        let (one, many) = match &mut self.0 {
            Entries::None => (None, None),
            Entries::One(_, value) => (Some(value), None),
            Entries::Many(many) => (None, Some(many.values_mut())),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Step {
        Insert(u8, u16),
        Remove(u8),
        Change(u8, u16),
    }

    fn step() -> impl Strategy<Value = Step> {
        let key = 0..4u8;
        prop_oneof![
            (key.clone(), any::<u16>()).prop_map(|(key, value)| Step::Insert(key, value)),
            key.clone().prop_map(Step::Remove),
            (key, any::<u16>()).prop_map(|(key, value)| Step::Change(key, value)),
        ]
    }

    proptest! {
        #[test]
        fn behaves_as_an_ordered_map(steps in prop::collection::vec(step(), 0..40)) {
            let (mut map, mut model) = (SoloMap::default(), BTreeMap::new());
            for step in steps {
                match step {
                    Step::Insert(key, value) => {
                        prop_assert_eq!(map.insert(key, value), model.insert(key, value));
                    }
                    Step::Remove(key) => prop_assert_eq!(map.remove(&key), model.remove(&key)),
                    Step::Change(key, to) => {
                        let (one, other) = (map.get_mut(&key), model.get_mut(&key));
                        prop_assert_eq!(&one, &other);
                        one.into_iter().chain(other).for_each(|value| *value = to);
                    }
                }
                prop_assert_eq!(map.len(), model.len());
                prop_assert_eq!(map.is_empty(), model.is_empty());
                prop_assert!(map.iter().eq(model.iter()));
                prop_assert!(map.keys().eq(model.keys()));
                prop_assert!(map.values().eq(model.values()));
                prop_assert!(map.values_mut().eq(model.values_mut()));
                for key in 0..4 {
                    prop_assert_eq!(map.get(&key), model.get(&key));
                    prop_assert_eq!(map.contains_key(&key), model.contains_key(&key));
                    prop_assert!(map.range(..=key).eq(model.range(..=key)));
                    prop_assert!(map.range(key..).rev().eq(model.range(key..).rev()));
                }
            }
        }
    }
}
