//! Which subscriptions a message from the session's queue is for.

use crate::session::subscriptions::Subscriptions;
use crate::translate::{is_hidden, pattern_of};
use broker_api::OwnMessages;
use model::{PatternLevel, SoloMap, SubscriptionId, levels};

/// A tree of the filters that are bound to the session's queue, by their levels: what a key costs grows with its levels
/// and the filters that begin like it. Put together again when it is asked after a change.
#[derive(Debug, Default)]
pub(in crate::session) struct Filters {
    nodes: Vec<Node>,
    is_built: bool,
    /// Nodes that the levels so far lead to, and those that the next one does.
    here: Vec<usize>,
    next: Vec<usize>,
    found: Vec<SubscriptionId>,
}

#[derive(Debug, Default)]
struct Node {
    /// Mostly one: a map of one entry is small.
    words: SoloMap<Box<[u8]>, usize>,
    /// For any level.
    one: Option<usize>,
    /// A filter that ends here.
    end: Option<SubscriptionId>,
    /// A filter that goes on with any number of levels.
    many: Option<SubscriptionId>,
}

impl Filters {
    /// The filters have changed.
    pub(in crate::session) fn note_change(&mut self) {
        self.is_built = false;
    }

    /// The subscriptions whose filters match a key.
    pub(in crate::session) fn matching(
        &mut self,
        subscriptions: &Subscriptions,
        key: &[u8],
    ) -> &[SubscriptionId] {
        if !self.is_built {
            self.build(subscriptions);
        }
        self.found.clear();
        self.here.clear();
        self.here.push(0);
        for level in levels(key) {
            self.next.clear();
            for at in &self.here {
                let node = &self.nodes[*at];
                self.found.extend(node.many);
                self.next.extend(node.words.get(level));
                self.next.extend(node.one);
            }
            std::mem::swap(&mut self.here, &mut self.next);
        }
        for at in &self.here {
            let node = &self.nodes[*at];
            self.found.extend(node.many);
            self.found.extend(node.end);
        }
        if is_hidden(key) {
            // [MQTT-4.7.2-1]
            let is_for_it = |id: &SubscriptionId| {
                let subscription = subscriptions.get(*id);
                subscription.is_some_and(|it| !it.skips_hidden)
            };
            self.found.retain(is_for_it);
        }
        &self.found
    }

    /// Whether what the client publishes with this key is not for itself: only filters with No Local match it.
    /// [MQTT-3.8.3-3]
    pub(in crate::session) fn skips_own(
        &mut self,
        subscriptions: &Subscriptions,
        key: &[u8],
    ) -> bool {
        if !subscriptions.has_no_local() {
            return false;
        }
        let matching = self.matching(subscriptions, key);
        let mut own = matching.iter().filter_map(|id| subscriptions.get(*id));
        !matching.is_empty() && own.all(|it| it.own_messages == OwnMessages::Skip)
    }

    fn build(&mut self, subscriptions: &Subscriptions) {
        self.nodes.clear();
        self.nodes.push(Node::default());
        for (filter, id) in subscriptions.bound() {
            self.insert(filter, id);
        }
        self.is_built = true;
    }

    fn insert(&mut self, filter: &str, id: SubscriptionId) {
        let mut at = 0;
        for level in pattern_of(filter).levels() {
            let new = self.nodes.len();
            let node = &mut self.nodes[at];
            let to = match level {
                // It is the last.
                PatternLevel::Many => {
                    node.many = Some(id);
                    return;
                }
                PatternLevel::One => *node.one.get_or_insert(new),
                PatternLevel::Word(word) => {
                    let known = node.words.get(&**word).copied();
                    if known.is_none() {
                        node.words.insert(word.clone(), new);
                    }
                    known.unwrap_or(new)
                }
            };
            if to == new {
                self.nodes.push(Node::default());
            }
            at = to;
        }
        self.nodes[at].end = Some(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::SubscriptionOptions;
    use crate::session::subscriptions::Subscription;
    use proptest::prelude::*;

    fn subscriptions(filters: &[&str]) -> Subscriptions {
        let mut all = Subscriptions::default();
        for filter in filters {
            let hidden = crate::translate::skips_hidden(filter);
            let new = Subscription::new(SubscriptionOptions::default(), None, hidden);
            all.insert(filter, new.bound());
        }
        all
    }

    fn matching<'a>(filters: &[&'a str], topic: &str) -> Vec<&'a str> {
        let all = subscriptions(filters);
        let mut key = Vec::new();
        crate::translate::put_key(topic.as_bytes(), &mut key);
        let mut tree = Filters::default();
        let mut found: Vec<_> = tree
            .matching(&all, &key)
            .iter()
            .map(|id| filters[id.0 as usize - 1])
            .collect();
        found.sort_unstable();
        found
    }

    /// §4.7, as it is written there.
    fn matches(filter: &str, topic: &str) -> bool {
        if topic.starts_with('$') && filter.starts_with(['+', '#']) {
            return false;
        }
        let mut topic = topic.split('/');
        for level in filter.split('/') {
            match (level, topic.next()) {
                ("#", _) => return true,
                ("+", Some(_)) => {}
                (word, Some(found)) if word == found => {}
                _ => return false,
            }
        }
        topic.next().is_none()
    }

    #[test]
    fn filters_match_as_the_specification_says() {
        let rows: [(&str, &[&str]); 6] = [
            ("a/b", &["#", "+/+", "+/b", "a/#", "a/b", "a/b/#"]),
            ("a", &["#", "a/#"]),
            ("a/b/c", &["#", "a/#", "a/b/#"]),
            ("$S/b", &["$S/#"]),
            ("/b", &["#", "+/+", "+/b", "/b"]),
            ("x.y/b", &["#", "+/+", "+/b", "x.y/b"]),
        ];
        let filters = [
            "#", "+/+", "+/b", "a/#", "a/b", "a/b/#", "$S/#", "/b", "x.y/b",
        ];
        for (topic, expected) in rows {
            assert_eq!(matching(&filters, topic), expected, "{topic}");
        }
    }

    fn level() -> impl Strategy<Value = String> {
        prop_oneof![Just("a"), Just("b"), Just(""), Just("$c")].prop_map(str::to_owned)
    }

    fn filter() -> impl Strategy<Value = String> {
        let level = prop_oneof![3 => level(), 1 => Just("+".to_owned())];
        (prop::collection::vec(level, 1..4), any::<bool>()).prop_map(|(mut levels, many)| {
            if many {
                levels.push("#".to_owned());
            }
            levels.join("/")
        })
    }

    proptest! {
        #[test]
        fn the_tree_is_as_good_as_asking_each_filter(
            filters in prop::collection::btree_set(filter(), 0..12),
            topic in prop::collection::vec(level(), 1..5),
        ) {
            let filters: Vec<_> = filters.iter().map(String::as_str).collect();
            let topic = topic.join("/");
            let mut expected = filters.clone();
            expected.retain(|filter| matches(filter, &topic));
            prop_assert_eq!(matching(&filters, &topic), expected);
        }
    }
}
