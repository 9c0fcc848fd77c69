//! Patterns as a trie of levels, matched as a set of states.
//!
//! Matching walks the key level by level with the set of all nodes that the levels so far can have
//! led to, each node once. So a key costs its levels times the nodes that match it, and several `#`
//! in patterns cannot make it explode.

use model::{PatternLevel, levels};
use rpds::RedBlackTreeMapSync;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A node, its targets and its children. Immutable; a change copies the path to it. Its depth is the
/// number of levels of the longest pattern, which the table limits.
#[derive(Clone)]
pub(crate) struct Node<K: Ord, T> {
    targets: RedBlackTreeMapSync<K, T>,
    words: RedBlackTreeMapSync<Box<[u8]>, Arc<Self>>,
    one: Option<Arc<Self>>,
    many: Option<Arc<Self>>,
}

impl<K: Ord, T> Default for Node<K, T> {
    fn default() -> Self {
        Self {
            targets: RedBlackTreeMapSync::new_sync(),
            words: RedBlackTreeMapSync::new_sync(),
            one: None,
            many: None,
        }
    }
}

/// A node that the levels so far can have led to.
struct State<'a, K: Ord, T> {
    node: &'a Node<K, T>,
    /// It was reached by `#`, which takes any further level too.
    is_many: bool,
}

impl<K: Ord + Clone, T: Clone> Node<K, T> {
    pub(crate) fn with(&self, levels: &[PatternLevel], key: K, target: T) -> Self {
        let mut node = self.clone();
        let Some((level, rest)) = levels.split_first() else {
            node.targets.insert_mut(key, target);
            return node;
        };
        let child = self.child(level).map_or_else(
            || Self::default().with(rest, key.clone(), target.clone()),
            |child| child.with(rest, key.clone(), target.clone()),
        );
        node.place(level, Some(child));
        node
    }

    /// The node without the target; nothing if nothing is left of it.
    pub(crate) fn without(&self, levels: &[PatternLevel], key: &K) -> Option<Self> {
        let mut node = self.clone();
        match levels.split_first() {
            None => {
                node.targets.remove_mut(key);
            }
            Some((level, rest)) => {
                if let Some(child) = self.child(level) {
                    node.place(level, child.without(rest, key));
                }
            }
        }
        (!node.is_empty()).then_some(node)
    }

    pub(crate) fn matches(&self, key: &[u8]) -> Vec<T> {
        let mut states = Vec::new();
        let mut next = Vec::new();
        Self::enter(&mut states, self, false);
        for level in levels(key) {
            for state in &states {
                if let Some(child) = state.node.words.get(level) {
                    Self::enter(&mut next, child, false);
                }
                if let Some(child) = &state.node.one {
                    Self::enter(&mut next, child, false);
                }
                if state.is_many {
                    Self::enter(&mut next, state.node, true);
                }
            }
            std::mem::swap(&mut states, &mut next);
            next.clear();
        }
        let mut found = BTreeMap::new();
        for state in &states {
            found.extend(state.node.targets.iter());
        }
        found.into_values().cloned().collect()
    }

    /// Adds a node to the states, and what `#` for no level at all leads to.
    fn enter<'a>(states: &mut Vec<State<'a, K, T>>, node: &'a Self, is_many: bool) {
        let mut entered = Some((node, is_many));
        while let Some((node, is_many)) = entered {
            if states.iter().any(|state| std::ptr::eq(state.node, node)) {
                return;
            }
            states.push(State { node, is_many });
            entered = node.many.as_deref().map(|many| (many, true));
        }
    }

    fn child(&self, level: &PatternLevel) -> Option<&Self> {
        match level {
            PatternLevel::Word(word) => self.words.get(word).map(Arc::as_ref),
            PatternLevel::One => self.one.as_deref(),
            PatternLevel::Many => self.many.as_deref(),
        }
    }

    fn place(&mut self, level: &PatternLevel, child: Option<Self>) {
        let child = child.map(Arc::new);
        match (level, child) {
            (PatternLevel::Word(word), Some(child)) => self.words.insert_mut(word.clone(), child),
            (PatternLevel::Word(word), None) => {
                self.words.remove_mut(word);
            }
            (PatternLevel::One, child) => self.one = child,
            (PatternLevel::Many, child) => self.many = child,
        }
    }

    fn is_empty(&self) -> bool {
        self.targets.is_empty()
            && self.words.is_empty()
            && self.one.is_none()
            && self.many.is_none()
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
                root = root.with(pattern.levels(), id, id);
            }
            for (id, pattern) in patterns.iter().enumerate().filter(|(id, _)| removed[*id]) {
                root = root.without(pattern.levels(), &id).unwrap_or_default();
            }
            for key in &keys {
                let split: Vec<_> = levels(key.as_bytes()).collect();
                let expected: Vec<_> = (0..patterns.len())
                    .filter(|id| !removed[*id] && naive(patterns[*id].levels(), &split))
                    .collect();
                prop_assert_eq!(root.matches(key.as_bytes()), expected, "key {}", key);
            }
        }
    }

    #[test]
    fn leaves_nothing_behind() {
        let pattern = Pattern::dotted(b"a.*.#.b");
        let root = Node::<u8, ()>::default().with(pattern.levels(), 1, ());
        assert!(root.without(pattern.levels(), &1).is_none());
    }

    #[test]
    fn many_hashes_cost_little() {
        let pattern = Pattern::dotted(&b"#.a.".repeat(30));
        let root = Node::default().with(pattern.levels(), 1, 1);
        let key = b"a.".repeat(200);
        assert_eq!(root.matches(&key).len(), 1);
    }
}
