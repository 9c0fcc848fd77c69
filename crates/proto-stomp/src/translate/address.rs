//! What the `destination` header says: one destination or a list, and options.

use super::destination::{Destination, NamedKind};
use crate::violation::DestinationError;
use memchr::memchr;

/// The most destinations of a list: each costs a message or a subscription.
pub(crate) const LIST_LEN_MAX: usize = 32;

/// A destination, or several in a list.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Address<'a> {
    /// The first, and mostly the only one.
    pub(crate) first: Destination<'a>,
    /// The others of a list, fewer than [`LIST_LEN_MAX`].
    pub(crate) others: Vec<Destination<'a>>,
    /// What stands behind the question mark.
    pub(crate) options: &'a [u8],
}

impl<'a> Address<'a> {
    /// Resolves RabbitMQ's forms, which begin with a slash and in which commas and question marks are
    /// characters; and ActiveMQ's, which do not: `KIND://NAME`, or NAME for a queue, also in lists
    /// separated by commas, with options behind a `?`. In a list, a NAME alone is of the kind of the first.
    ///
    /// # Errors
    /// [`DestinationError`] for the first that leads nowhere.
    pub(crate) fn parse(text: &'a [u8]) -> Result<Self, DestinationError> {
        let one = |first| Self {
            first,
            others: Vec::new(),
            options: &[],
        };
        match text.first() {
            None => return Err(DestinationError::Unknown),
            Some(b'/') => return Destination::slashed(text).map(one),
            Some(_) => {}
        }
        let (list, options) = match memchr(b'?', text) {
            Some(at) => (&text[..at], &text[at + 1..]),
            None => (text, &[][..]),
        };
        let mut names = list.split(|octet| *octet == b',');
        let (kind, name) = NamedKind::split(names.next().unwrap_or_default());
        let kind = kind.unwrap_or(NamedKind::Queue);
        let first = Destination::named(kind, name)?;
        let mut others = Vec::new();
        for text in names {
            if others.len() + 1 == LIST_LEN_MAX {
                return Err(DestinationError::LongList {
                    limit: LIST_LEN_MAX,
                });
            }
            let (own, name) = NamedKind::split(text);
            others.push(Destination::named(own.unwrap_or(kind), name)?);
        }
        Ok(Self {
            first,
            others,
            options,
        })
    }

    /// Whether a text is one of RabbitMQ's forms: one destination without options.
    pub(crate) fn is_slashed(text: &[u8]) -> bool {
        text.first() == Some(&b'/')
    }

    /// All destinations, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Destination<'a>> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// The only destination, unless it is a list.
    pub(crate) fn only(&self) -> Option<&Destination<'a>> {
        self.others.is_empty().then_some(&self.first)
    }
}
