//! Topic names and filters, and the broker's keys and patterns.
//!
//! Levels are separated by `/` here and by `.` there. The two characters change places, so that nothing
//! merges, nothing needs an escape and every name keeps its length: `a/b.c` is the key `a.b/c`.

use memchr::memchr3;
use model::{Pattern, PatternLevel};
use std::borrow::Cow;

/// Stands for what a topic name cannot hold.
const SUBSTITUTE: char = '\u{fffd}';

/// Topics that begin so are not for everybody.
const HIDDEN: u8 = b'$';

/// Turns a topic name into a key, or a key into a topic name, in place.
pub(crate) fn swap(name: &mut [u8]) {
    for byte in name {
        *byte = match *byte {
            b'/' => b'.',
            b'.' => b'/',
            other => other,
        };
    }
}

/// Appends the key of a topic name.
pub(crate) fn put_key(topic: &[u8], key: &mut Vec<u8>) {
    let from = key.len();
    key.extend_from_slice(topic);
    swap(&mut key[from..]);
}

/// What a filter asks of keys; `$share/` and the share name are not a part of it.
pub(crate) fn pattern_of(filter: &str) -> Pattern {
    let level = |text: &str| match text {
        "+" => PatternLevel::One,
        "#" => PatternLevel::Many,
        word => {
            let mut word = word.as_bytes().to_vec();
            swap(&mut word);
            PatternLevel::Word(word.into())
        }
    };
    Pattern::of_levels(filter.split('/').map(level).collect())
}

/// Whether a filter does not match topics that begin with `$`, which the pattern cannot say.
/// [MQTT-4.7.2-1]
pub(crate) fn skips_hidden(filter: &str) -> bool {
    filter.starts_with(['+', '#'])
}

/// Whether a key is of a topic that begins with `$`.
pub(crate) fn is_hidden(key: &[u8]) -> bool {
    key.first() == Some(&HIDDEN)
}

/// Whether a key is a topic name, with other separators: not empty, UTF-8, without wildcards and U+0000.
#[inline]
pub(crate) fn is_name(key: &[u8]) -> bool {
    !key.is_empty() && memchr3(0, b'+', b'#', key).is_none() && std::str::from_utf8(key).is_ok()
}

/// The key that goes out instead of one that is no topic name: with a substitute for each character that
/// may not be there.
pub(crate) fn substitute(key: &[u8]) -> String {
    let text: Cow<'_, str> = String::from_utf8_lossy(key);
    if text.is_empty() {
        return SUBSTITUTE.into();
    }
    text.replace(['\0', '+', '#'], SUBSTITUTE.encode_utf8(&mut [0; 4]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slash_and_dot_change_places() {
        let rows = [
            ("plant/7/temp", "plant.7.temp"),
            ("a/b.c", "a.b/c"),
            ("/", "."),
            ("a.b", "a/b"),
            ("/finance/", ".finance."),
            ("größe/ä", "größe.ä"),
        ];
        for (topic, key) in rows {
            let mut found = Vec::new();
            put_key(topic.as_bytes(), &mut found);
            assert_eq!(found, key.as_bytes(), "{topic}");
            swap(&mut found);
            assert_eq!(found, topic.as_bytes(), "{topic}");
        }
    }

    #[test]
    fn wildcards_of_filters_are_those_of_patterns() {
        let check = |filter: &str, dotted: &str| {
            assert_eq!(
                pattern_of(filter),
                Pattern::dotted(dotted.as_bytes()),
                "{filter}"
            );
        };
        check("a/b", "a.b");
        check("+/b/#", "*.b.#");
        check("#", "#");
        check("/+", ".*");
        check("a.b/+", "a/b.*");
        // What is a wildcard elsewhere is a word here.
        let words = pattern_of("*/>");
        let expected = [b"*", b">"].map(|word| PatternLevel::Word(word.as_slice().into()));
        assert_eq!(words.levels(), expected);
    }

    #[test]
    fn hidden_topics_are_known() {
        assert!(skips_hidden("#") && skips_hidden("+/x"));
        assert!(!skips_hidden("$SYS/#") && !skips_hidden("a/#"));
        assert!(is_hidden(b"$SYS.x") && !is_hidden(b"a.$b") && !is_hidden(b""));
    }

    #[test]
    fn what_is_no_name_gets_a_substitute() {
        for key in ["", "a+b", "#", "a\0"] {
            assert!(!is_name(key.as_bytes()), "{key:?}");
        }
        assert!(!is_name(b"\xff") && is_name(b"a.b/c"));
        assert_eq!(substitute(b""), "\u{fffd}");
        assert_eq!(substitute(b"a+.#\0"), "a\u{fffd}.\u{fffd}\u{fffd}");
        assert_eq!(substitute(b"a\xff"), "a\u{fffd}");
        assert!(is_name(substitute(b"\xff+").as_bytes()));
    }
}
