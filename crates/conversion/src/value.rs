//! Values as the text of a header, and back.

use crate::Kind;
use data_encoding::BASE64;
use model::{Address, Value};
use std::borrow::Cow;

/// What a header's value is, when that is not text. The word is what its mark says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    Void,
    Boolean,
    Integer,
    Float,
    Opaque,
}

impl Type {
    pub(crate) const ALL: [Self; 5] = [
        Self::Void,
        Self::Boolean,
        Self::Integer,
        Self::Float,
        Self::Opaque,
    ];

    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Void => "void",
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Float => "float",
            Self::Opaque => "opaque",
        }
    }

    pub(crate) fn from_word(word: &[u8]) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.word().as_bytes() == word)
    }

    /// The type of a value; none for text.
    pub(crate) const fn of(value: &Value<'_>) -> Option<Self> {
        match value {
            Value::Void => Some(Self::Void),
            Value::Bool(_) => Some(Self::Boolean),
            Value::Integer(_) => Some(Self::Integer),
            Value::Float(_) => Some(Self::Float),
            Value::Opaque(_) => Some(Self::Opaque),
            Value::Text(_) => None,
        }
    }

    /// The value of this type that some text spells, if it is spelled as [`text_of`] does.
    pub(crate) fn read(self, text: &[u8]) -> Option<Value<'static>> {
        let utf8 = std::str::from_utf8(text).ok()?;
        let value = match self {
            Self::Void => Value::Void,
            Self::Boolean => Value::Bool(utf8.parse().ok()?),
            Self::Integer => Value::Integer(utf8.parse().ok()?),
            Self::Float => Value::float(utf8.parse().ok()?),
            Self::Opaque => Value::Opaque(BASE64.decode(text).ok()?.into()),
        };
        (Self::of(&value) == Some(self) && *text_of(&value) == *text).then_some(value)
    }
}

/// A value as the text of a header.
#[must_use]
pub fn text_of<'v>(value: &'v Value<'_>) -> Cow<'v, [u8]> {
    match value {
        Value::Void => Cow::Borrowed(&[]),
        Value::Bool(true) => Cow::Borrowed(b"true"),
        Value::Bool(false) => Cow::Borrowed(b"false"),
        Value::Integer(number) => Cow::Owned(number.to_string().into_bytes()),
        Value::Float(number) => Cow::Owned(number.number().to_string().into_bytes()),
        Value::Text(text) => Cow::Borrowed(text),
        Value::Opaque(bytes) => Cow::Owned(BASE64.encode(bytes).into_bytes()),
    }
}

/// The whole number that a property's value is, however it is spelled.
#[must_use]
pub fn number(value: &Value<'_>) -> Option<i128> {
    match value {
        Value::Integer(number) => Some(*number),
        Value::Text(text) => std::str::from_utf8(text).ok()?.parse().ok(),
        Value::Void | Value::Bool(_) | Value::Float(_) | Value::Opaque(_) => None,
    }
}

impl Kind {
    /// The value that a header's text says; none if it is none of this kind. A number that is spelled
    /// in an unusual way stays text.
    #[must_use]
    pub fn value(self, text: Cow<'_, [u8]>) -> Option<Value<'_>> {
        match self {
            Self::Text | Self::Bytes => Some(Value::Text(text)),
            Self::Truth => (*text == *b"true").then_some(Value::Bool(true)),
            Self::Word(words) => {
                let is_one = words.iter().any(|word| word.as_bytes() == &*text);
                is_one.then_some(Value::Text(text))
            }
            Self::Address => Address::parse(&text).map(|_| Value::Text(text)),
            Self::Integer(min, max) => {
                let number: i128 = std::str::from_utf8(&text).ok()?.parse().ok()?;
                let is_within = (min..=max).contains(&number);
                let value = Value::Integer(number);
                match *text_of(&value) == *text {
                    true => is_within.then_some(value),
                    false => is_within.then_some(Value::Text(text)),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_they_are_spelled() {
        let check = |value: Value<'_>, word: &str, text: &str| {
            let kind = Type::of(&value).unwrap();
            assert_eq!(kind.word(), word);
            assert_eq!(Type::from_word(word.as_bytes()), Some(kind));
            assert_eq!(text_of(&value), text.as_bytes());
            assert_eq!(kind.read(text.as_bytes()), Some(value));
        };
        check(Value::Void, "void", "");
        check(Value::Bool(false), "boolean", "false");
        check(Value::Integer(-5), "integer", "-5");
        check(Value::Integer(i128::MAX), "integer", &i128::MAX.to_string());
        check(Value::float(0.5), "float", "0.5");
        check(Value::float(f64::NEG_INFINITY), "float", "-inf");
        check(
            Value::float(f64::MIN_POSITIVE),
            "float",
            &f64::MIN_POSITIVE.to_string(),
        );
        check(Value::Opaque(b"\0\xff".into()), "opaque", "AP8=");
        assert_eq!(Type::of(&Value::text("a")), None);
        assert_eq!(Type::from_word(b"text"), None);
    }

    #[test]
    fn other_spellings_are_text() {
        let check = |kind: Type, text: &str| assert_eq!(kind.read(text.as_bytes()), None, "{text}");
        check(Type::Void, "x");
        check(Type::Boolean, "TRUE");
        check(Type::Integer, "05");
        check(Type::Integer, "+5");
        check(Type::Integer, "5.0");
        check(Type::Float, "5");
        check(Type::Float, "0.50");
        check(Type::Opaque, "AP8");
        assert_eq!(Type::Integer.read(b"\xff"), None);
    }

    #[test]
    fn kinds_take_what_is_theirs() {
        let check = |kind: Kind, text: &str, expected: Option<Value<'_>>| {
            assert_eq!(
                kind.value(Cow::Borrowed(text.as_bytes())),
                expected,
                "{text}"
            );
        };
        check(Kind::Text, "a", Some(Value::text("a")));
        check(Kind::Truth, "true", Some(Value::Bool(true)));
        check(Kind::Truth, "false", None);
        check(Kind::Integer(0, 9), "9", Some(Value::Integer(9)));
        check(Kind::Integer(0, 9), "09", Some(Value::text("09")));
        check(Kind::Integer(0, 9), "10", None);
        check(Kind::Integer(0, 9), "nine", None);
        check(Kind::Word(&["a", "b"]), "b", Some(Value::text("b")));
        check(Kind::Word(&["a", "b"]), "c", None);
        check(Kind::Address, "/queues/a", Some(Value::text("/queues/a")));
        check(Kind::Address, "a", None);
    }
}
