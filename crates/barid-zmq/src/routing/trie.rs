//! What begins with what: values under prefixes, found by the bytes of a topic.
//!
//! A radix tree in one vector: nodes refer to each other by number, so that neither a look-up nor
//! freeing it descends on the stack, however long the prefixes are that a peer chooses. Each has its own label: one
//! that shared a longer prefix's memory would keep that alive when it is gone.

use bytes::Bytes;

/// The node of the empty prefix.
const ROOT: usize = 0;

#[derive(Debug)]
struct Node<V> {
    /// What follows the parent's prefix.
    label: Box<[u8]>,
    value: V,
    /// By the first byte of their labels, in order.
    children: Vec<(u8, usize)>,
}

/// Values under prefixes. A value that equals its default is not there.
#[derive(Debug)]
pub(crate) struct Trie<V> {
    nodes: Vec<Node<V>>,
    free: Vec<usize>,
    /// Prefixes that have a value.
    count: usize,
}

impl<V: Default + PartialEq> Default for Trie<V> {
    fn default() -> Self {
        Self {
            nodes: vec![Node::new(&[])],
            free: Vec::new(),
            count: 0,
        }
    }
}

impl<V: Default> Node<V> {
    fn new(label: &[u8]) -> Self {
        Self {
            label: label.into(),
            value: V::default(),
            children: Vec::new(),
        }
    }

    fn child(&self, byte: u8) -> Result<usize, usize> {
        self.children
            .binary_search_by_key(&byte, |(first, _)| *first)
    }
}

impl<V: Default + PartialEq> Trie<V> {
    /// How many prefixes have a value.
    #[cfg(test)]
    pub(crate) const fn count(&self) -> usize {
        self.count
    }

    /// Visits the values of all prefixes of a topic, shortest first, until the visitor is content.
    #[inline]
    pub(crate) fn visit(&self, topic: &[u8], mut is_content: impl FnMut(&V) -> bool) {
        let (mut node, mut rest) = (&self.nodes[ROOT], topic);
        loop {
            if is_content(&node.value) {
                return;
            }
            let Some(byte) = rest.first() else {
                return;
            };
            let Ok(index) = node.child(*byte) else {
                return;
            };
            let child = &self.nodes[node.children[index].1];
            let Some(after) = rest.strip_prefix(&*child.label) else {
                return;
            };
            (node, rest) = (child, after);
        }
    }

    /// The value of a prefix, if it has one.
    pub(crate) fn get(&self, prefix: &[u8]) -> Option<&V> {
        let (mut node, mut rest) = (&self.nodes[ROOT], prefix);
        while let Some(byte) = rest.first() {
            let index = node.child(*byte).ok()?;
            node = &self.nodes[node.children[index].1];
            rest = rest.strip_prefix(&*node.label)?;
        }
        (node.value != V::default()).then_some(&node.value)
    }

    /// Changes the value of a prefix. One that is its default afterwards is gone.
    pub(crate) fn update<R>(&mut self, prefix: &[u8], change: impl FnOnce(&mut V) -> R) -> R {
        let path = self.path_to(prefix);
        let index = path.last().copied().unwrap_or(ROOT);
        let value = &mut self.nodes[index].value;
        let was_there = *value != V::default();
        let result = change(value);
        match (was_there, *value != V::default()) {
            (false, true) => self.count += 1,
            (true, false) => self.count -= 1,
            (true, true) | (false, false) => {}
        }
        self.prune(&path);
        result
    }

    /// The nodes from below the root to that of a prefix, which are made where they are missing.
    fn path_to(&mut self, prefix: &[u8]) -> Vec<usize> {
        let mut path = Vec::new();
        let (mut at, mut done) = (ROOT, 0);
        while let Some(byte) = prefix.get(done).copied() {
            match self.nodes[at].child(byte) {
                Err(place) => {
                    let leaf = self.insert(Node::new(&prefix[done..]));
                    self.nodes[at].children.insert(place, (byte, leaf));
                    path.push(leaf);
                    return path;
                }
                Ok(place) => {
                    let child = self.nodes[at].children[place].1;
                    let label = &self.nodes[child].label;
                    let common = common(label, &prefix[done..]);
                    if common < label.len() {
                        self.split(child, common);
                    }
                    at = child;
                    done += common;
                    path.push(at);
                }
            }
        }
        path
    }

    /// Makes a node end after so many bytes of its label; the rest becomes its only child.
    fn split(&mut self, index: usize, at: usize) {
        let node = &mut self.nodes[index];
        let (upper, lower) = node.label.split_at(at);
        let (upper, lower) = (upper.into(), lower.into());
        node.label = upper;
        let lower = Node {
            label: lower,
            value: std::mem::take(&mut node.value),
            children: std::mem::take(&mut node.children),
        };
        let byte = lower.label[0];
        let lower = self.insert(lower);
        self.nodes[index].children = vec![(byte, lower)];
    }

    /// Takes nodes of no use off the end of a path.
    fn prune(&mut self, path: &[usize]) {
        for (depth, &index) in path.iter().enumerate().rev() {
            let node = &self.nodes[index];
            if node.value != V::default() || node.children.len() > 1 {
                return;
            }
            if let [(_, child)] = *node.children {
                self.merge(index, child);
                return;
            }
            let parent = depth.checked_sub(1).map_or(ROOT, |depth| path[depth]);
            let byte = self.nodes[index].label[0];
            if let Ok(place) = self.nodes[parent].child(byte) {
                self.nodes[parent].children.remove(place);
            }
            self.remove(index);
        }
    }

    /// Puts the only child of a node in its place.
    fn merge(&mut self, index: usize, child: usize) {
        let lower = std::mem::replace(&mut self.nodes[child], Node::new(&[]));
        let node = &mut self.nodes[index];
        node.label = [&*node.label, &*lower.label].concat().into();
        node.value = lower.value;
        node.children = lower.children;
        self.remove(child);
    }

    fn insert(&mut self, node: Node<V>) -> usize {
        if let Some(index) = self.free.pop() {
            self.nodes[index] = node;
            return index;
        }
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    fn remove(&mut self, index: usize) {
        self.nodes[index] = Node::new(&[]);
        self.free.push(index);
    }

    /// All prefixes that have a value, in order, with it.
    pub(crate) fn entries(&self) -> Vec<(Bytes, &V)> {
        let mut entries = Vec::with_capacity(self.count);
        let mut open = vec![(ROOT, Vec::new())];
        while let Some((index, mut prefix)) = open.pop() {
            let node = &self.nodes[index];
            prefix.extend_from_slice(&node.label);
            let children = node.children.iter().rev();
            open.extend(children.map(|(_, child)| (*child, prefix.clone())));
            if node.value != V::default() {
                entries.push((Bytes::from(prefix), &node.value));
            }
        }
        entries
    }
}

fn common(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn found(trie: &Trie<u32>, topic: &[u8]) -> Vec<u32> {
        let mut found = Vec::new();
        trie.visit(topic, |value| {
            found.extend((*value != 0).then_some(*value));
            false
        });
        found
    }

    #[test]
    fn a_topic_finds_its_prefixes() {
        let mut trie = Trie::default();
        for (prefix, value) in [("", 1), ("a", 2), ("abc", 3), ("abd", 4), ("b", 5)] {
            trie.update(&Bytes::from(prefix), |found| *found = value);
        }
        let rows: [(&str, &[u32]); 7] = [
            ("", &[1]),
            ("a", &[1, 2]),
            ("ab", &[1, 2]),
            ("abc", &[1, 2, 3]),
            ("abdominal", &[1, 2, 4]),
            ("b", &[1, 5]),
            ("c", &[1]),
        ];
        for (topic, expected) in rows {
            assert_eq!(found(&trie, topic.as_bytes()), expected, "{topic}");
        }
    }

    #[test]
    fn a_very_deep_tree_is_built_searched_and_freed() {
        let mut trie = Trie::default();
        let long = Bytes::from(vec![b'a'; 4_000]);
        for len in 0..long.len() {
            trie.update(&long.slice(..len), |value| *value = 1);
        }
        assert_eq!(found(&trie, &long).len(), long.len());
        drop(trie);
    }

    #[test]
    fn a_short_prefix_keeps_no_long_one_alive() {
        let mut trie: Trie<u32> = Trie::default();
        let (long, short) = (Bytes::from(vec![b'a'; 1000]), Bytes::from(vec![b'a'; 10]));
        trie.update(&long, |value| *value = 1);
        trie.update(&short, |value| *value = 1);
        trie.update(&long, |value| *value = 0);
        assert_eq!(found(&trie, &long), [1]);
        assert!(long.is_unique());
    }

    proptest! {
        #[test]
        fn it_finds_what_a_list_finds(
            steps in prop::collection::vec(("[ab]{0,5}", any::<bool>()), 0..100),
            topic in "[ab]{0,8}",
        ) {
            let mut trie: Trie<u32> = Trie::default();
            let mut model: BTreeMap<String, u32> = BTreeMap::new();
            for (prefix, is_added) in steps {
                let count = model.entry(prefix.clone()).or_default();
                *count = if is_added { *count + 1 } else { count.saturating_sub(1) };
                trie.update(&Bytes::from(prefix), |value| {
                    *value = if is_added { *value + 1 } else { value.saturating_sub(1) };
                });
                model.retain(|_, count| *count > 0);
                prop_assert_eq!(trie.count(), model.len());
                // No node is of no use: there are at most two for each prefix, and the root.
                prop_assert!(trie.nodes.len() - trie.free.len() <= 2 * model.len() + 1);
            }
            let expected: Vec<_> =
                model.iter().filter(|(prefix, _)| topic.starts_with(*prefix)).map(|(_, count)| *count).collect();
            prop_assert_eq!(found(&trie, topic.as_bytes()), expected);
            let entries: Vec<_> =
                trie.entries().into_iter().map(|(prefix, count)| (prefix, *count)).collect();
            let expected: Vec<_> =
                model.into_iter().map(|(prefix, count)| (Bytes::from(prefix), count)).collect();
            prop_assert_eq!(entries, expected);
        }
    }
}
