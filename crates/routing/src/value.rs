//! Typed values of headers and arguments, and where routing finds them in a message.

use crate::hash::StableHasher;
use std::borrow::Cow;
use std::cmp::Ordering;
use std::hash::Hasher;

/// A value of a header or of an argument.
///
/// Values are equal if type and content are: the text `1` is not the integer `1`. Numbers compare by
/// what they stand for, whatever their width, so 2.0 is the integer 2 (as in RabbitMQ).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value<'a> {
    /// No value. In a binding it asks only that the header is there.
    Void,
    /// True or false.
    Bool(bool),
    /// A whole number, also a time stamp.
    Integer(i128),
    /// A number that is not whole; made by [`Value::float`].
    Float(Float),
    /// Text or bytes.
    Text(Cow<'a, [u8]>),
    /// Anything else (lists, tables, decimals) in the caller's own encoding, equal by its bytes.
    Opaque(Cow<'a, [u8]>),
}

/// A number that no [`Value::Integer`] stands for.
#[derive(Clone, Copy, Debug)]
pub struct Float(f64);

impl<'a> Value<'a> {
    /// The value of a floating point number: a [`Value::Integer`] if it is whole.
    #[must_use]
    pub fn float(number: f64) -> Self {
        // Both bounds are exact; a cast between them cannot saturate.
        const BOUND: f64 = (1_u128 << 126) as f64;
        if number.fract() == 0.0 && number.abs() <= BOUND {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "it is whole and within bounds"
            )]
            let whole = number as i128;
            return Self::Integer(whole);
        }
        Self::Float(Float(number))
    }

    /// The value of some text.
    #[must_use]
    pub fn text(text: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        Self::Text(Cow::Borrowed(text.as_ref()))
    }

    /// The value with content of its own.
    #[must_use]
    pub fn into_owned(self) -> Value<'static> {
        match self {
            Self::Void => Value::Void,
            Self::Bool(value) => Value::Bool(value),
            Self::Integer(value) => Value::Integer(value),
            Self::Float(value) => Value::Float(value),
            Self::Text(text) => Value::Text(Cow::Owned(text.into_owned())),
            Self::Opaque(bytes) => Value::Opaque(Cow::Owned(bytes.into_owned())),
        }
    }

    /// A number that depends on the value alone, in this and every process.
    pub(crate) fn stable_hash(&self) -> u64 {
        let mut hasher = StableHasher::default();
        let (kind, content): (u8, &[u8]) = match self {
            Self::Void => (0, &[]),
            Self::Bool(value) => (1, &[u8::from(*value)]),
            Self::Integer(value) => (2, &value.to_le_bytes()),
            Self::Float(value) => (3, &value.0.to_le_bytes()),
            Self::Text(text) => (4, text),
            Self::Opaque(bytes) => (5, bytes),
        };
        hasher.write(&[kind]);
        hasher.write(content);
        hasher.finish()
    }
}

impl Float {
    /// The number.
    #[must_use]
    pub fn number(self) -> f64 {
        self.0
    }
}

impl Ord for Float {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Float {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Float {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Float {}

/// A property of a message, apart from its headers, that an exchange can hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Property {
    /// What the message answers or belongs to.
    CorrelationId,
    /// The publisher's id of the message.
    MessageId,
    /// When it was made, by the publisher.
    Timestamp,
}

/// What routing reads of a message besides its key. Asked only by exchanges that need it.
pub trait HeaderSource {
    /// The value of the header with this name.
    fn header(&self, name: &[u8]) -> Option<Value<'_>>;

    /// The value of the property.
    fn property(&self, property: Property) -> Option<Value<'_>>;
}

/// A message without headers and properties.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoHeaders;

impl HeaderSource for NoHeaders {
    fn header(&self, _name: &[u8]) -> Option<Value<'_>> {
        None
    }

    fn property(&self, _property: Property) -> Option<Value<'_>> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_compare_by_what_they_stand_for() {
        assert_eq!(Value::float(2.0), Value::Integer(2));
        assert_eq!(Value::float(-0.0), Value::Integer(0));
        assert_eq!(Value::float(2.5), Value::float(2.5));
        assert_ne!(Value::float(2.5), Value::Integer(2));
        assert_ne!(Value::float(f64::INFINITY), Value::float(f64::NEG_INFINITY));
        assert_ne!(Value::text("1"), Value::Integer(1));
        assert_ne!(Value::Bool(true), Value::Integer(1));
        assert_ne!(Value::text("a"), Value::Opaque(b"a".into()));
    }
}
