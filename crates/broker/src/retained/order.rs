//! Keys in the order of their levels, and what of them a pattern looks at.
//!
//! In this order all keys below a level stand side by side, so a pattern leaps from one that may match to the next:
//! what it looks at are the keys that match, and for each level before the first `#` one more wherever it turns off.
//! A place in the order stays one whatever comes and goes, so a walk can be interrupted anywhere.

use model::{Pattern, PatternLevel, levels};
use std::ops::Bound;

/// The end of a level, in keys that are spelled for order: the lowest byte.
const END: u8 = 0;

/// A key spelled so that the order of bytes is that of levels: `.` is the lowest byte, those below it move up by one.
pub(crate) fn ordered(key: &[u8]) -> Box<[u8]> {
    let moved = |byte: &u8| match *byte {
        b'.' => END,
        byte @ ..b'.' => byte + 1,
        byte => byte,
    };
    key.iter().map(moved).collect()
}

/// A pattern, as it is compared with keys in their order.
#[derive(Clone, Debug)]
pub(crate) struct KeyPattern {
    /// The levels before the first `#`; none stands for any one level.
    head: Vec<Option<Box<[u8]>>>,
    tail: Tail,
}

/// What follows.
#[derive(Clone, Debug)]
enum Tail {
    /// Nothing.
    Ends,
    /// `#`, and nothing behind it.
    Anything,
    /// `#` and more: the whole pattern.
    More(Pattern),
}

/// What a key is to a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It may match: ask [`KeyPattern::matches`].
    Candidate,
    /// It does not; the next that may stands at this place or behind it.
    From(Bound<Box<[u8]>>),
    /// It does not, and none behind it does.
    Over,
}

impl KeyPattern {
    pub(crate) fn new(pattern: &Pattern) -> Self {
        let all = pattern.levels();
        let is_many = |level: &PatternLevel| *level == PatternLevel::Many;
        let many = all.iter().position(is_many);
        let head = all[..many.unwrap_or(all.len())].iter();
        let head = head.map(|level| match level {
            PatternLevel::Word(word) => Some(ordered(word)),
            PatternLevel::One | PatternLevel::Many => None,
        });
        let tail = match many {
            None => Tail::Ends,
            Some(many) if many + 1 == all.len() => Tail::Anything,
            Some(_) => Tail::More(pattern.clone()),
        };
        let head = head.collect();
        Self { head, tail }
    }

    /// What a key in the spelling of order is.
    pub(crate) fn judge(&self, key: &[u8]) -> Verdict {
        // Where the level ends at which another word may follow.
        let mut turn = None;
        let mut end = 0;
        for (number, word) in self.head.iter().enumerate() {
            let start = if number == 0 { 0 } else { end + 1 };
            let Some(rest) = key.get(start..) else {
                return Verdict::From(Bound::Excluded(key.into()));
            };
            let level = rest.split(|byte| *byte == END).next().unwrap_or_default();
            end = start + level.len();
            match word {
                None => turn = Some(end),
                Some(word) => match level.cmp(word) {
                    std::cmp::Ordering::Equal => {}
                    std::cmp::Ordering::Less => {
                        let place = [&key[..start], word].concat();
                        return Verdict::From(Bound::Included(place.into()));
                    }
                    std::cmp::Ordering::Greater => {
                        return turn.map_or(Verdict::Over, |turn| behind(&key[..turn]));
                    }
                },
            }
        }
        match self.tail {
            Tail::Ends if end < key.len() => behind(&key[..end]),
            Tail::Ends | Tail::Anything | Tail::More(_) => Verdict::Candidate,
        }
    }

    /// Whether a candidate matches; the key as it is spelled elsewhere.
    pub(crate) fn matches(&self, key: &[u8]) -> bool {
        match &self.tail {
            Tail::Ends | Tail::Anything => true,
            Tail::More(pattern) => matches(pattern.levels(), key),
        }
    }
}

/// The first place that is not below these levels.
fn behind(levels: &[u8]) -> Verdict {
    let place = [levels, &[END + 1]].concat();
    Verdict::From(Bound::Included(place.into()))
}

/// Whether a key matches a pattern with any number of `#`. Where a level does not fit, the last `#` takes one more: the
/// ones before it need not, as the last can take whatever they could.
fn matches(pattern: &[PatternLevel], key: &[u8]) -> bool {
    let key: Vec<&[u8]> = levels(key).collect();
    let (mut at, mut level) = (0, 0);
    // Behind the last `#`: where the pattern goes on, and with which level of the key it does.
    let mut again: Option<(usize, usize)> = None;
    while level < key.len() {
        let fits = match pattern.get(at) {
            Some(PatternLevel::Many) => {
                at += 1;
                again = Some((at, level));
                continue;
            }
            Some(PatternLevel::One) => true,
            Some(PatternLevel::Word(word)) => **word == *key[level],
            None => false,
        };
        if fits {
            (at, level) = (at + 1, level + 1);
        } else if let Some((behind, from)) = again {
            again = Some((behind, from + 1));
            (at, level) = (behind, from + 1);
        } else {
            return false;
        }
    }
    let rest = pattern.get(at..).unwrap_or_default();
    rest.iter().all(|level| *level == PatternLevel::Many)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// The plainest matcher there is.
    fn naive(pattern: &[PatternLevel], key: &[&[u8]]) -> bool {
        match pattern.split_first() {
            None => key.is_empty(),
            Some((PatternLevel::Many, rest)) => {
                (0..=key.len()).any(|taken| naive(rest, &key[taken..]))
            }
            Some((PatternLevel::One, rest)) => !key.is_empty() && naive(rest, &key[1..]),
            Some((PatternLevel::Word(word), rest)) => {
                key.first().is_some_and(|level| **level == **word) && naive(rest, &key[1..])
            }
        }
    }

    /// What a walk finds, and how many keys it looks at.
    fn walk<'k>(pattern: &Pattern, keys: &BTreeMap<Box<[u8]>, &'k str>) -> (Vec<&'k str>, usize) {
        let pattern = KeyPattern::new(pattern);
        let mut at: Bound<Box<[u8]>> = Bound::Unbounded;
        let (mut found, mut looked) = (Vec::new(), 0);
        loop {
            let from = at.as_ref().map(|place| &**place);
            let Some((place, key)) = keys.range::<[u8], _>((from, Bound::Unbounded)).next() else {
                return (found, looked);
            };
            looked += 1;
            at = match pattern.judge(place) {
                Verdict::Candidate => {
                    found.extend(Some(*key).filter(|key| pattern.matches(key.as_bytes())));
                    Bound::Excluded(place.clone())
                }
                Verdict::From(bound) => bound,
                Verdict::Over => return (found, looked),
            };
        }
    }

    fn keys_of<'k>(keys: impl IntoIterator<Item = &'k str>) -> BTreeMap<Box<[u8]>, &'k str> {
        let keys = keys.into_iter();
        keys.map(|key| (ordered(key.as_bytes()), key)).collect()
    }

    #[test]
    fn keys_stand_by_levels() {
        let rows = [
            "", ".", ".a", "\u{1}", "!", "a", "a.", "a.b", "a.b.c", "a.c", "a!", "a/", "ab",
        ];
        let keys = keys_of(rows);
        let found: Vec<_> = keys.values().copied().collect();
        assert_eq!(found, rows);
    }

    #[test]
    fn a_walk_looks_at_what_matches_and_little_else() {
        let names: Vec<String> = (0..100)
            .flat_map(|plant| (0..100).map(move |n| format!("plant.{plant}.{n}")))
            .collect();
        let mut keys = keys_of(names.iter().map(String::as_str));
        keys.extend(keys_of(["plant", "other.1.2", "zoo"]));
        let check = |pattern: &str, found: usize, looked_max: usize| {
            let pattern = Pattern::dotted(pattern.as_bytes());
            let (matched, looked) = walk(&pattern, &keys);
            assert_eq!(matched.len(), found, "{pattern:?}");
            assert!(looked <= looked_max, "{looked} keys for {pattern:?}");
        };
        check("plant.7.7", 1, 6);
        check("plant.7.*", 100, 106);
        check("plant.7.#", 100, 106);
        check("plant.*.7", 100, 405);
        check("*.*.nothing", 0, 410);
        check("plant.#", 10_001, 10_004);
        check("#", 10_003, 10_003);
        check("#.7", 100, 10_003);
        check("nothing.#", 0, 3);
        check("*", 2, 210);
    }

    fn text() -> impl Strategy<Value = String> {
        let level = prop_oneof![
            Just(""),
            Just("a"),
            Just("b"),
            Just("a!"),
            Just("ab"),
            Just("$")
        ];
        prop::collection::vec(level, 1..5).prop_map(|levels| levels.join("."))
    }

    fn pattern() -> impl Strategy<Value = Pattern> {
        let level = prop_oneof![
            Just(""),
            Just("a"),
            Just("b"),
            Just("ab"),
            Just("*"),
            Just("#")
        ];
        let levels = prop::collection::vec(level, 1..6);
        levels.prop_map(|levels| Pattern::dotted(levels.join(".").as_bytes()))
    }

    proptest! {
        #[test]
        fn a_walk_finds_what_matches(
            names in prop::collection::btree_set(text(), 0..40),
            pattern in pattern(),
        ) {
            let keys = keys_of(names.iter().map(String::as_str));
            let expected: Vec<_> = keys
                .values()
                .copied()
                .filter(|key| {
                    let levels: Vec<_> = levels(key.as_bytes()).collect();
                    naive(pattern.levels(), &levels)
                })
                .collect();
            prop_assert_eq!(walk(&pattern, &keys).0, expected);
        }

        #[test]
        fn any_bytes_keep_their_levels(one: Vec<u8>, other: Vec<u8>) {
            let by_levels = levels(&one).cmp(levels(&other));
            prop_assert_eq!(ordered(&one).cmp(&ordered(&other)), by_levels);
        }
    }
}
