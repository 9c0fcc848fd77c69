//! What a selector sees of a message.

use std::borrow::Cow;

/// The value of a property. Borrowed from the message wherever the message can lend it.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// A string. Owned only where the message's spelling had to be decoded.
    Text(Cow<'a, str>),
    /// Any of Java's exact types, widened.
    Integer(i64),
    /// A `float` or `double`, widened.
    Float(f64),
    /// A truth value.
    Boolean(bool),
}

/// The properties of one message, by name.
pub trait Properties {
    /// The value under exactly this name (names are case-sensitive); nothing if there is none,
    /// which a selector sees as NULL.
    ///
    /// It is called each time that the name is evaluated, so it should be cheap.
    fn value(&self, name: &str) -> Option<Value<'_>>;

    /// What one such look-up costs, in the units of [`Evaluation::work`](crate::Evaluation::work) (one is about
    /// ten nanoseconds). It must not depend on anything but the message.
    fn look_up_work(&self) -> u64 {
        1
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<i64> for Value<'_> {
    fn from(integer: i64) -> Self {
        Self::Integer(integer)
    }
}

impl From<f64> for Value<'_> {
    fn from(float: f64) -> Self {
        Self::Float(float)
    }
}

impl From<bool> for Value<'_> {
    fn from(boolean: bool) -> Self {
        Self::Boolean(boolean)
    }
}
