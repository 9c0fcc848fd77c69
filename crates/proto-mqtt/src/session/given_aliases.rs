//! Topic aliases that the client is given.

use std::collections::BTreeMap;
use std::num::NonZeroU16;

/// The longest key that gets an alias, in bytes: what is kept for a client is bounded.
const KEY_BYTES_MAX: usize = 1024;

/// A key up to this length, in bytes, gets none: the property that says an alias is as long.
const KEY_BYTES_MIN: usize = 3;

/// The keys that have an alias to the client: those that come first get the aliases that there are. None is
/// given to another key later, so what many topics share in turn costs nothing.
///
/// Most clients take none, and cost nothing.
#[derive(Debug)]
pub(super) struct GivenAliases(Option<Box<Given>>);

#[derive(Debug)]
struct Given {
    /// The highest. [MQTT-3.1.2-26], [MQTT-3.1.2-27]
    max: u16,
    by_key: BTreeMap<Box<[u8]>, NonZeroU16>,
}

/// How a topic is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Alias {
    /// By its name.
    None,
    /// By its name, which the alias stands for from then on.
    Set(NonZeroU16),
    /// By the alias.
    Known(NonZeroU16),
}

impl GivenAliases {
    pub(super) fn new(max: u16) -> Self {
        let by_key = BTreeMap::new();
        Self((max > 0).then(|| Box::new(Given { max, by_key })))
    }

    /// How the topic of a key is told next.
    #[inline]
    pub(super) fn of(&self, key: &[u8]) -> Alias {
        self.0.as_ref().map_or(Alias::None, |given| given.of(key))
    }

    /// The client has been told so of the key.
    pub(super) fn note_told(&mut self, key: &[u8], told: Alias) {
        if let (Alias::Set(alias), Some(given)) = (told, &mut self.0) {
            given.by_key.insert(key.into(), alias);
        }
    }
}

impl Given {
    fn of(&self, key: &[u8]) -> Alias {
        if let Some(alias) = self.by_key.get(key) {
            return Alias::Known(*alias);
        }
        let is_worth_it = (KEY_BYTES_MIN + 1..=KEY_BYTES_MAX).contains(&key.len());
        let next = u16::try_from(self.by_key.len() + 1).ok();
        let next = next.filter(|next| is_worth_it && *next <= self.max);
        next.and_then(NonZeroU16::new)
            .map_or(Alias::None, Alias::Set)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_that_come_first_get_the_aliases_that_there_are() {
        let alias = |number| NonZeroU16::new(number).unwrap();
        let mut given = GivenAliases::new(2);
        let long = [b'l'; KEY_BYTES_MAX + 1];
        assert_eq!(given.of(b"abc"), Alias::None);
        assert_eq!(given.of(&long), Alias::None);
        assert_eq!(given.of(&long[1..]), Alias::Set(alias(1)));
        // It has not been told.
        assert_eq!(given.of(b"abcd"), Alias::Set(alias(1)));
        given.note_told(b"abcd", Alias::Set(alias(1)));
        assert_eq!(given.of(b"abcd"), Alias::Known(alias(1)));
        given.note_told(b"abcd", Alias::Known(alias(1)));
        assert_eq!(given.of(b"bcde"), Alias::Set(alias(2)));
        given.note_told(b"bcde", Alias::Set(alias(2)));
        given.note_told(b"cdef", Alias::None);
        assert_eq!(given.of(b"cdef"), Alias::None);
        assert_eq!(GivenAliases::new(0).of(b"abcd"), Alias::None);
        let mut all = GivenAliases::new(u16::MAX);
        for number in 1..=u16::MAX {
            let key = format!("key.{number}");
            assert_eq!(all.of(key.as_bytes()), Alias::Set(alias(number)));
            all.note_told(key.as_bytes(), Alias::Set(alias(number)));
        }
        assert_eq!(all.of(b"key.0"), Alias::None);
    }
}
