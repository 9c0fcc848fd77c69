//! Numbers under 32 bits of a hash, as a trie of the bits.
//!
//! An entry is one `u64`: the hash above, the number below. A leaf is a run of entries, copied as plain
//! memory: a change touches no cache line but those of its path. That is what keeps a change of a large
//! index as cheap as one of a small: trees of pointers count references in the neighbors of each node
//! they copy, and those are not in the cache.

use std::sync::Arc;

/// The most entries of a leaf, unless they have the same hash.
const LEAF_MAX: usize = 32;

/// A branch with at most as many entries in its leaves becomes a leaf.
const MERGED_MAX: usize = 12;

/// The children of a branch.
const WIDTH: usize = 4;

/// The bits that tell the children of a branch apart.
const BRANCH_BITS: u32 = 2;

/// The branches above a leaf, at most: then the bits of the hash are used up.
const DEPTH_MAX: u32 = 32 / BRANCH_BITS;

/// A persistent set of entries. A clone costs one reference count.
#[derive(Clone)]
pub(crate) enum Index {
    /// Entries in no order of note.
    Leaf(Arc<[u64]>),
    /// Entries by the next bits of their hashes.
    Branch(Arc<[Self; WIDTH]>),
}

impl Default for Index {
    fn default() -> Self {
        Self::Leaf(Arc::from([]))
    }
}

/// The entry of a number under a hash.
pub(crate) fn entry(hash: u32, number: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(number)
}

/// The hash of an entry.
pub(crate) fn entry_hash(entry: u64) -> u32 {
    (entry >> 32) as u32
}

/// The number of an entry.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the number is the low half"
)]
pub(crate) fn entry_number(entry: u64) -> u32 {
    entry as u32
}

impl Index {
    /// Adds an entry that is not there.
    pub(crate) fn insert(&mut self, entry: u64) {
        let (mut node, mut depth) = (self, 0);
        loop {
            match node {
                Self::Branch(children) => {
                    node = &mut Arc::make_mut(children)[place(entry, depth)];
                    depth += 1;
                }
                Self::Leaf(entries) if entries.len() < LEAF_MAX || depth == DEPTH_MAX => {
                    let longer = entries.iter().copied().chain(std::iter::once(entry));
                    *entries = longer.collect();
                    return;
                }
                Self::Leaf(entries) => {
                    let split = std::array::from_fn(|child| {
                        let of_child = |entry: &u64| place(*entry, depth) == child;
                        let part: Vec<_> = entries.iter().copied().filter(of_child).collect();
                        Self::Leaf(part.into())
                    });
                    *node = Self::Branch(Arc::new(split));
                }
            }
        }
    }

    /// Removes an entry.
    pub(crate) fn remove(&mut self, entry: u64) {
        let (mut node, mut depth) = (self, 0);
        loop {
            if let Some(merged) = node.merged() {
                *node = merged;
            }
            match node {
                Self::Branch(children) => {
                    node = &mut Arc::make_mut(children)[place(entry, depth)];
                    depth += 1;
                }
                Self::Leaf(entries) => {
                    let others = |other: &u64| *other != entry;
                    let shorter: Vec<_> = entries.iter().copied().filter(others).collect();
                    *entries = shorter.into();
                    return;
                }
            }
        }
    }

    /// The numbers under a hash.
    pub(crate) fn numbers(&self, hash: u32) -> impl Iterator<Item = u32> {
        let of_hash = move |entry: &&u64| entry_hash(**entry) == hash;
        let leaf = self.leaf(entry(hash, 0)).iter();
        leaf.filter(of_hash).map(|entry| entry_number(*entry))
    }

    /// The least entry from `start` on.
    pub(crate) fn first_from(&self, start: u64) -> Option<u64> {
        self.first_below(start, 0)
    }

    fn leaf(&self, entry: u64) -> &[u64] {
        let (mut node, mut depth) = (self, 0);
        loop {
            match node {
                Self::Branch(children) => node = &children[place(entry, depth)],
                Self::Leaf(entries) => return entries,
            }
            depth += 1;
        }
    }

    /// As deep as the bits of a hash.
    fn first_below(&self, start: u64, depth: u32) -> Option<u64> {
        match self {
            Self::Leaf(entries) => {
                let after = entries.iter().copied().filter(|entry| *entry >= start);
                after.min()
            }
            Self::Branch(children) => {
                let children = &children[place(start, depth)..];
                let mut first = children.iter().enumerate();
                first.find_map(|(number, child)| {
                    // All of a later child comes after.
                    let start = if number == 0 { start } else { 0 };
                    child.first_below(start, depth + 1)
                })
            }
        }
    }

    /// The leaf that a branch with few entries becomes.
    fn merged(&self) -> Option<Self> {
        let Self::Branch(children) = self else {
            return None;
        };
        let mut entries: Vec<u64> = Vec::new();
        for child in children.iter() {
            match child {
                Self::Leaf(more) if entries.len() + more.len() <= MERGED_MAX => {
                    entries.extend_from_slice(more);
                }
                Self::Leaf(_) | Self::Branch(_) => return None,
            }
        }
        Some(Self::Leaf(entries.into()))
    }
}

/// The child that an entry stands under in a branch of this depth.
fn place(entry: u64, depth: u32) -> usize {
    entry_hash(entry) as usize >> (32 - BRANCH_BITS * (depth + 1)) & (WIDTH - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    /// Hashes that share many bits, and any.
    fn hash() -> impl Strategy<Value = u32> {
        prop_oneof![
            0..4_u32,
            (0..4_u32).prop_map(|bits| bits << 28),
            any::<u32>()
        ]
    }

    proptest! {
        #[test]
        fn finds_what_a_set_finds(
            changes in prop::collection::vec((any::<bool>(), hash(), 0..40_u32), 0..400),
        ) {
            let (mut index, mut set) = (Index::default(), BTreeSet::new());
            let mut hashes = BTreeSet::new();
            for (adds, hash, number) in changes {
                hashes.insert(hash);
                let entry = entry(hash, number);
                if adds && set.insert(entry) {
                    index.insert(entry);
                } else if !adds {
                    set.remove(&entry);
                    index.remove(entry);
                }
                prop_assert_eq!(index.first_from(entry), set.range(entry..).next().copied());
            }
            for hash in hashes {
                let mut found: Vec<_> = index.numbers(hash).collect();
                found.sort_unstable();
                let expected = set.range(entry(hash, 0)..=entry(hash, u32::MAX));
                let expected: Vec<_> = expected.map(|entry| entry_number(*entry)).collect();
                prop_assert_eq!(found, expected);
            }
            for entry in set {
                index.remove(entry);
            }
            prop_assert_eq!(index.first_from(0), None);
        }
    }
}
