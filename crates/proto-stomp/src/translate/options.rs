//! ActiveMQ's options of a destination, behind its question mark.

use super::destination::percent_decode;
use super::value::{parse_boolean, parse_number};
use crate::violation::{Excerpt, Violation};

/// What the options of a destination ask for; a header that says the same thing goes first.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// `consumer.prefetchSize`.
    pub(crate) prefetch: Option<u64>,
    /// `consumer.exclusive`.
    pub(crate) exclusive: Option<bool>,
    /// `consumer.priority`.
    pub(crate) priority: Option<i32>,
    /// `consumer.selector`.
    pub(crate) selector: Option<Box<str>>,
    /// `consumer.noLocal`.
    pub(crate) no_local: Option<bool>,
}

impl Options {
    /// Reads `NAME=VALUE`, separated by `&`; values as in a URL: `%XX` is any octet, `+` a space.
    ///
    /// # Errors
    /// [`Violation`] naming the option that is unknown, or its value.
    pub(crate) fn read(text: &[u8]) -> Result<Self, Violation> {
        let mut options = Self::default();
        for option in text.split(|octet| *octet == b'&') {
            if option.is_empty() {
                continue;
            }
            let (name, value) = match memchr::memchr(b'=', option) {
                Some(at) => (&option[..at], &option[at + 1..]),
                None => (option, &[][..]),
            };
            let spaced: Vec<u8> = value
                .iter()
                .map(|octet| if *octet == b'+' { b' ' } else { *octet })
                .collect();
            options.take(name, &percent_decode(&spaced))?;
        }
        Ok(options)
    }

    fn take(&mut self, name: &[u8], value: &[u8]) -> Result<(), Violation> {
        let invalid = |expected| Violation::OptionValue {
            option: Excerpt::of(name),
            value: Excerpt::of(value),
            expected,
        };
        let truth = || parse_boolean(value).ok_or_else(|| invalid("true or false"));
        match name {
            b"consumer.prefetchSize" => {
                let number = parse_number(value).ok_or_else(|| invalid("a number"))?;
                self.prefetch = Some(number);
            }
            b"consumer.exclusive" => self.exclusive = Some(truth()?),
            b"consumer.noLocal" => self.no_local = Some(truth()?),
            b"consumer.priority" => {
                let number = parse_priority(value).ok_or_else(|| invalid(PRIORITY))?;
                self.priority = Some(number);
            }
            b"consumer.selector" => {
                let text = std::str::from_utf8(value).map_err(|_| invalid("UTF-8"))?;
                self.selector = Some(text.into());
            }
            // Nothing that a client could see.
            b"consumer.dispatchAsync" => {}
            b"consumer.retroactive" if value == b"false" => {}
            _ => return Err(Violation::OptionNotImplemented(Excerpt::of(name))),
        }
        Ok(())
    }
}

/// What the priority of a subscription must be.
pub(super) const PRIORITY: &str = "a whole number of 32 bits";

pub(super) fn parse_priority(value: &[u8]) -> Option<i32> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_a_url_says() {
        let text = b"consumer.prefetchSize=3&consumer.exclusive=true&consumer.priority=-5\
            &consumer.selector=colour+%3D%20'a+b'&consumer.noLocal=false&consumer.dispatchAsync=x\
            &consumer.retroactive=false";
        let expected = Options {
            prefetch: Some(3),
            exclusive: Some(true),
            priority: Some(-5),
            selector: Some("colour = 'a b'".into()),
            no_local: Some(false),
        };
        assert_eq!(Options::read(text), Ok(expected));
        assert_eq!(Options::read(b""), Ok(Options::default()));
    }

    #[test]
    fn names_what_it_does_not_know() {
        let check = |text: &str, expected: &str| {
            let error = Options::read(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        check("consumer.retroactive=true", "'consumer.retroactive'");
        check(
            "consumer.maximumPendingMessageLimit=1",
            "'consumer.maximumPendingMessageLimit'",
        );
        check("x", "'x'");
        check("consumer.prefetchSize=-1", "'-1', but must be a number");
        check("consumer.exclusive=1", "true or false");
        check("consumer.priority=a", "32 bits");
        check("consumer.selector=%FF", "UTF-8");
    }
}
