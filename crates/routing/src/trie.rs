//! Patterns as a trie of levels, matched as a set of states.
//!
//! Matching walks the key level by level with the set of all nodes that the levels so far can have
//! led to, each node once. So a key costs its levels times the nodes that match it, and several `#`
//! in patterns cannot make it explode.

use crate::binding::Destination;
use crate::leaf::Leaf;
use crate::map::Map;
use model::{PatternLevel, levels};
use std::hash::Hash;
use std::sync::Arc;

/// A node, its destinations and its children. Immutable; a change copies the path to it. Its depth is
/// the number of levels of the longest pattern, which is limited.
#[derive(Clone)]
pub(crate) struct Node<K> {
    leaf: Leaf<K>,
    words: Map<Box<[u8]>, Arc<Self>>,
    one: Option<Arc<Self>>,
    many: Option<Arc<Self>>,
}

impl<K> Default for Node<K> {
    fn default() -> Self {
        Self {
            leaf: Leaf::default(),
            words: Map::default(),
            one: None,
            many: None,
        }
    }
}

/// A node that the levels so far can have led to.
struct State<'a, K> {
    node: &'a Node<K>,
    /// It was reached by `#`, which takes any further level too. So it is for each state of this
    /// node, as a node has one way in.
    is_many: bool,
}

impl<K: Eq + Hash + Clone> Node<K> {
    pub(crate) fn insert(&mut self, levels: &[PatternLevel], destination: &Destination<K>) {
        *self = self.changed(levels, |leaf| leaf.insert(destination));
    }

    pub(crate) fn remove(&mut self, levels: &[PatternLevel], destination: &Destination<K>) {
        *self = self.changed(levels, |leaf| leaf.remove(destination));
    }

    /// Adds the destinations whose pattern matches the key; one may come several times.
    pub(crate) fn find<'a>(&'a self, key: &[u8], found: &mut Vec<&'a Destination<K>>) {
        let mut states = Vec::new();
        let mut next = Vec::new();
        enter(&mut states, self, false);
        for level in levels(key) {
            for state in &states {
                if let Some(child) = state.node.words.get(level) {
                    enter(&mut next, child, false);
                }
                if let Some(child) = &state.node.one {
                    enter(&mut next, child, false);
                }
                if state.is_many {
                    enter(&mut next, state.node, true);
                }
            }
            std::mem::swap(&mut states, &mut next);
            next.clear();
            // Only what `#` leads to can come twice: from before, and anew from its parent.
            if states.iter().filter(|state| state.is_many).count() > 1 {
                states.sort_unstable_by_key(|state| std::ptr::from_ref(state.node));
                states.dedup_by_key(|state| std::ptr::from_ref(state.node));
            }
            if states.is_empty() {
                return;
            }
        }
        for state in &states {
            found.extend(state.node.leaf.iter());
        }
    }

    fn changed(&self, levels: &[PatternLevel], change: impl FnOnce(&mut Leaf<K>)) -> Self {
        let mut parents = Vec::with_capacity(levels.len());
        let mut at = Some(self);
        for level in levels {
            parents.push(at);
            at = at.and_then(|node| node.child(level));
        }
        let mut node = at.cloned().unwrap_or_default();
        change(&mut node.leaf);
        for (level, parent) in levels.iter().zip(parents).rev() {
            let mut parent = parent.cloned().unwrap_or_default();
            parent.place(level, (!node.is_empty()).then(|| Arc::new(node)));
            node = parent;
        }
        node
    }

    fn child(&self, level: &PatternLevel) -> Option<&Self> {
        match level {
            PatternLevel::Word(word) => self.words.get(word).map(Arc::as_ref),
            PatternLevel::One => self.one.as_deref(),
            PatternLevel::Many => self.many.as_deref(),
        }
    }

    fn place(&mut self, level: &PatternLevel, child: Option<Arc<Self>>) {
        match (level, child) {
            (PatternLevel::Word(word), Some(child)) => self.words.insert(word.clone(), child),
            (PatternLevel::Word(word), None) => self.words.remove(word),
            (PatternLevel::One, child) => self.one = child,
            (PatternLevel::Many, child) => self.many = child,
        }
    }

    fn is_empty(&self) -> bool {
        self.leaf.is_empty() && self.words.is_empty() && self.one.is_none() && self.many.is_none()
    }
}

/// Adds a node to the states, and what `#` for no level at all leads to.
fn enter<'a, K>(states: &mut Vec<State<'a, K>>, node: &'a Node<K>, is_many: bool) {
    let mut entered = Some((node, is_many));
    while let Some((node, is_many)) = entered {
        states.push(State { node, is_many });
        entered = node.many.as_deref().map(|many| (many, true));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Pattern;
    use proptest::prelude::*;

    fn naive(pattern: &[PatternLevel], key: &[&[u8]]) -> bool {
        match (pattern.split_first(), key.split_first()) {
            (None, None) => true,
            (None, Some(_)) => false,
            (Some((PatternLevel::Many, rest)), _) => {
                (0..=key.len()).any(|skipped| naive(rest, &key[skipped..]))
            }
            (Some((PatternLevel::One, rest)), Some((_, key))) => naive(rest, key),
            (Some((PatternLevel::Word(word), rest)), Some((level, key))) => {
                word.as_ref() == *level && naive(rest, key)
            }
            (Some((PatternLevel::One | PatternLevel::Word(_), _)), None) => false,
        }
    }

    fn text(levels: &'static [&'static str]) -> impl Strategy<Value = String> {
        prop::collection::vec(prop::sample::select(levels), 1..6).prop_map(|v| v.join("."))
    }

    proptest! {
        #[test]
        fn finds_what_a_naive_matcher_finds(
            patterns in prop::collection::vec(text(&["a", "b", "", "*", "#"]), 0..12),
            removed in prop::collection::vec(any::<bool>(), 12),
            keys in prop::collection::vec(text(&["a", "b", "", "c"]), 1..6),
        ) {
            let patterns: Vec<_> = patterns.iter().map(|p| Pattern::dotted(p.as_bytes())).collect();
            let mut root = Node::default();
            for (id, pattern) in patterns.iter().enumerate() {
                root.insert(pattern.levels(), &Destination::Subscriber(id));
            }
            for (id, pattern) in patterns.iter().enumerate().filter(|(id, _)| removed[*id]) {
                root.remove(pattern.levels(), &Destination::Subscriber(id));
            }
            for key in &keys {
                let split: Vec<_> = levels(key.as_bytes()).collect();
                let expected: Vec<_> = (0..patterns.len())
                    .filter(|id| !removed[*id] && naive(patterns[*id].levels(), &split))
                    .collect();
                prop_assert_eq!(found(&root, key.as_bytes()), expected, "key {}", key);
            }
        }
    }

    fn found(root: &Node<usize>, key: &[u8]) -> Vec<usize> {
        let mut found = Vec::new();
        root.find(key, &mut found);
        let mut found: Vec<_> = found
            .into_iter()
            .map(|destination| match destination {
                Destination::Subscriber(id) => *id,
                Destination::Queue(_) | Destination::Exchange(_) => {
                    unreachable!("only subscribers")
                }
            })
            .collect();
        found.sort_unstable();
        found
    }

    #[test]
    fn leaves_nothing_behind() {
        let pattern = Pattern::dotted(b"a.*.#.b");
        let mut root = Node::default();
        root.insert(pattern.levels(), &Destination::Subscriber(1));
        root.remove(pattern.levels(), &Destination::Subscriber(2));
        assert_eq!(found(&root, b"a.x.b"), [1]);
        root.remove(pattern.levels(), &Destination::Subscriber(1));
        assert!(root.is_empty());
    }

    #[test]
    fn many_hashes_cost_little() {
        let pattern = Pattern::dotted(&b"#.a.".repeat(30));
        let mut root = Node::default();
        root.insert(pattern.levels(), &Destination::Subscriber(1));
        let key = b"a.".repeat(200);
        assert_eq!(found(&root, &key), [1]);
    }
}
