//! Topic names and topic filters.

use crate::frame::Text;
use crate::violation::{Excerpt, Field, FilterError, Problem};
use memchr::{memchr, memchr3};
use std::fmt;

/// What a filter of a shared subscription begins with.
const SHARE_PREFIX: &str = "$share/";

/// A topic name: at least one character, no wildcards, and all that a [`Text`] is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicName<'a>(Text<'a>);

/// A topic filter: at least one character, wildcards only where they may stand, and all that a
/// [`Text`] is. One that begins with `$share/` has a share name and a filter behind that.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicFilter<'a>(Text<'a>);

impl<'a> TopicName<'a> {
    /// The name, if it is one.
    ///
    /// # Errors
    /// [`Problem`] when the text is empty or holds a wildcard.
    pub fn new(text: Text<'a>) -> Result<Self, Problem> {
        Self::read(Field::TopicName, text.as_bytes())
    }

    /// The name in some bytes of a packet.
    #[inline]
    pub(crate) fn read(field: Field, bytes: &'a [u8]) -> Result<Self, Problem> {
        // [MQTT-4.7.3-1]
        if bytes.is_empty() {
            return Err(Problem::EmptyTopic(field));
        }
        // [MQTT-1.5.4-2], [MQTT-4.7.0-1]
        if let Some(at) = memchr3(0, b'+', b'#', bytes) {
            return Err(not_in_a_name(field, bytes, at));
        }
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Self(Text::checked(text))),
            Err(_) => Err(crate::frame::text::not_utf8(field, bytes)),
        }
    }

    /// The name.
    #[must_use]
    pub const fn as_str(self) -> &'a str {
        self.0.as_str()
    }

    /// The name's bytes.
    #[must_use]
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0.as_bytes()
    }
}

#[cold]
fn not_in_a_name(field: Field, bytes: &[u8], at: usize) -> Problem {
    // What is no text is told as that, whatever else it is.
    match Text::read(field, bytes) {
        Err(problem) => problem,
        Ok(_) => Problem::Wildcard {
            field,
            topic: Excerpt::of(bytes),
            at,
        },
    }
}

impl<'a> TopicFilter<'a> {
    /// The filter, if it is one.
    ///
    /// # Errors
    /// [`Problem`] when the text is empty, a wildcard stands where none may, or a
    /// `$share/` is not followed by a share name, a slash and a filter.
    pub fn new(text: Text<'a>) -> Result<Self, Problem> {
        let filter = text.as_str();
        // [MQTT-4.7.3-1]
        if filter.is_empty() {
            return Err(Problem::EmptyTopic(Field::TopicFilter));
        }
        let problem = match filter.strip_prefix(SHARE_PREFIX) {
            Some(shared) => shared_problem(shared),
            None => wildcard_problem(filter),
        };
        match problem {
            None => Ok(Self(text)),
            Some(problem) => Err(Problem::Filter {
                filter: Excerpt::of(filter.as_bytes()),
                problem,
            }),
        }
    }

    /// The filter in some bytes of a packet.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, Problem> {
        Self::new(Text::read(Field::TopicFilter, bytes)?)
    }

    /// The whole filter, `$share/` included.
    #[must_use]
    pub const fn as_str(self) -> &'a str {
        self.0.as_str()
    }

    /// The bytes of the whole filter.
    #[must_use]
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0.as_bytes()
    }

    /// The share name and the filter behind it, of a shared subscription's filter.
    #[must_use]
    pub fn shared(self) -> Option<(&'a str, &'a str)> {
        self.as_str().strip_prefix(SHARE_PREFIX)?.split_once('/')
    }

    /// What a topic name has to match: the filter, without `$share/` and the share name.
    #[must_use]
    pub fn pattern(self) -> &'a str {
        self.shared().map_or(self.as_str(), |(_, pattern)| pattern)
    }
}

/// What is wrong behind `$share/`. [MQTT-4.8.2-1], [MQTT-4.8.2-2]
fn shared_problem(shared: &str) -> Option<FilterError> {
    let Some((name, filter)) = shared.split_once('/') else {
        return Some(FilterError::NoFilterBehindShare);
    };
    if name.is_empty() {
        return Some(FilterError::EmptyShareName);
    }
    if name.contains(['+', '#']) {
        return Some(FilterError::WildcardInShareName);
    }
    if filter.is_empty() {
        return Some(FilterError::NoFilterBehindShare);
    }
    wildcard_problem(filter)
}

/// Which wildcard stands where none may.
fn wildcard_problem(filter: &str) -> Option<FilterError> {
    let filter = filter.as_bytes();
    // [MQTT-4.7.1-1]: the last character, alone in its level.
    if let Some(at) = memchr(b'#', filter) {
        if at + 1 != filter.len() {
            return Some(FilterError::NotLast);
        }
        if at > 0 && filter[at - 1] != b'/' {
            return Some(FilterError::HashInLevel);
        }
    }
    // [MQTT-4.7.1-2]: alone in its level.
    let begins = |at: usize| at == 0 || filter[at - 1] == b'/';
    let ends = |at: usize| filter.get(at + 1).is_none_or(|next| *next == b'/');
    memchr::memchr_iter(b'+', filter)
        .any(|at| !begins(at) || !ends(at))
        .then_some(FilterError::PlusInLevel)
}

impl fmt::Debug for TopicName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for TopicName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for TopicFilter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for TopicFilter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_a_character_and_no_wildcard() {
        let check = |name: &[u8], expected: Result<(), &str>| {
            let read = TopicName::read(Field::TopicName, name);
            match expected {
                Ok(()) => assert_eq!(read.map(TopicName::as_bytes), Ok(name)),
                Err(part) => {
                    let text = read.unwrap_err().to_string();
                    assert!(text.contains(part), "{text}");
                }
            }
        };
        for name in [
            "a",
            "/",
            "//",
            "a/b c/",
            "/a",
            "$SYS/x",
            "$share",
            "große/ä",
            " ",
        ] {
            check(name.as_bytes(), Ok(()));
        }
        check(&[b'x'; 65_535], Ok(()));
        check(b"", Err("the topic name is empty"));
        check(b"a/+/b", Err("'a/+/b' holds a wildcard at byte 2"));
        check(b"a/#", Err("'a/#' holds a wildcard at byte 2"));
        check(b"sport+", Err("holds a wildcard"));
        check(b"a\0b", Err("U+0000 at byte 1"));
        check(b"a\xffb", Err("is not UTF-8"));
        // The first of several things that are wrong does not depend on where they stand.
        check(b"+\0", Err("U+0000"));
        check(b"#\xff", Err("is not UTF-8"));
    }

    fn of_filter(problem: &Problem) -> FilterError {
        let Problem::Filter { problem, .. } = problem else {
            panic!("{problem}");
        };
        *problem
    }

    #[test]
    fn wildcards_of_filters_fill_their_level() {
        let check = |filter: &str, expected: Result<(), FilterError>| {
            let read = TopicFilter::new(Text::new(filter).unwrap());
            let found = read.map(|_| ()).map_err(|problem| of_filter(&problem));
            assert_eq!(found, expected, "{filter}");
        };
        for filter in [
            "#",
            "+",
            "/",
            "a",
            "/+",
            "+/",
            "+/+",
            "a/#",
            "a/+/#",
            "+/tennis/#",
            "sport/+/player1",
            "//#",
            "$SYS/#",
            "$share",
            "$shared/a",
            "a/$share/#",
        ] {
            check(filter, Ok(()));
        }
        for filter in ["#/", "#/a", "a/#/b", "##", "a#b", "#+"] {
            check(filter, Err(FilterError::NotLast));
        }
        for filter in ["a#", "a/b#", "+#"] {
            check(filter, Err(FilterError::HashInLevel));
        }
        for filter in ["a+", "+a", "a/+b", "a/b+/c", "++", "a/++/c", "+a/#"] {
            check(filter, Err(FilterError::PlusInLevel));
        }
        let empty = TopicFilter::new(Text::default());
        assert_eq!(empty, Err(Problem::EmptyTopic(Field::TopicFilter)));
    }

    #[test]
    fn a_share_name_is_followed_by_a_filter() {
        let check = |filter: &str, expected: Result<Option<(&str, &str)>, FilterError>| {
            let read = TopicFilter::new(Text::new(filter).unwrap());
            let found = read
                .map(TopicFilter::shared)
                .map_err(|problem| of_filter(&problem));
            assert_eq!(found, expected, "{filter}");
        };
        check("$share/g/a/+/#", Ok(Some(("g", "a/+/#"))));
        check("$share/g//", Ok(Some(("g", "/"))));
        check("$share/ä b/#", Ok(Some(("ä b", "#"))));
        check("$share/g/$share/h/a", Ok(Some(("g", "$share/h/a"))));
        check("a/b", Ok(None));
        check("$shar/g/a", Ok(None));
        check("$share/", Err(FilterError::NoFilterBehindShare));
        check("$share/g", Err(FilterError::NoFilterBehindShare));
        check("$share/g/", Err(FilterError::NoFilterBehindShare));
        check("$share//a", Err(FilterError::EmptyShareName));
        check("$share/+/a", Err(FilterError::WildcardInShareName));
        check("$share/a#/a", Err(FilterError::WildcardInShareName));
        check("$share/g/a#", Err(FilterError::HashInLevel));
        check("$share/g/#/a", Err(FilterError::NotLast));
        let shared = TopicFilter::new(Text::new("$share/g/a/#").unwrap()).unwrap();
        assert_eq!(shared.pattern(), "a/#");
    }
}
