//! Where routing finds what it compares in a message.

use crate::hash::StableHasher;
use model::{Property, Value};
use std::hash::Hasher;

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

/// A number that depends on the value alone, in this and every process.
pub(crate) fn stable_hash(value: &Value<'_>) -> u64 {
    let mut hasher = StableHasher::default();
    let (kind, content): (u8, &[u8]) = match value {
        Value::Void => (0, &[]),
        Value::Bool(value) => (1, &[u8::from(*value)]),
        Value::Integer(value) => (2, &value.to_le_bytes()),
        Value::Float(value) => (3, &value.number().to_le_bytes()),
        Value::Text(text) => (4, text),
        Value::Opaque(bytes) => (5, bytes),
    };
    hasher.write(&[kind]);
    hasher.write(content);
    hasher.finish()
}
