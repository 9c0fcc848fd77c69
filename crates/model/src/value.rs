//! Typed values of headers and arguments.

use std::borrow::Cow;
use std::cmp::Ordering;

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

/// A property that messages of all protocols may have, apart from their headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Property {
    /// The type of the body, a media type.
    ContentType,
    /// How the body is encoded.
    ContentEncoding,
    /// What the message answers or belongs to.
    CorrelationId,
    /// The publisher's id of the message.
    MessageId,
    /// Where an answer goes.
    ReplyTo,
    /// When it was made, by the publisher, in milliseconds since 1970.
    Timestamp,
    /// What kind of message the application calls it.
    Type,
    /// Who published it, by the publisher's word.
    UserId,
    /// The application that published it.
    AppId,
    /// The group whose messages one subscription gets, in order.
    GroupId,
    /// Where the publisher sent it, in its own spelling.
    Destination,
    /// Whether it survives a restart.
    Persistence,
    /// What goes first.
    Priority,
    /// How long it may wait, in milliseconds, as the publisher said it.
    Expiration,
    /// Its place in its group.
    GroupSequence,
    /// Whether the body is `text` (UTF-8) or `bytes`.
    PayloadFormat,
    /// Whether the publisher asked that it be given to those who come later.
    Retained,
    /// How surely the publisher handed it over: at most once, at least once, exactly once (0, 1, 2).
    Assurance,
    /// [`ReplyTo`](Self::ReplyTo) as the publisher spelled it, if its protocol has several spellings.
    ReplyToSpelling,
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
