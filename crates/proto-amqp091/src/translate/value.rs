//! Values of tables as values of the model.

use crate::{FieldValue, Table};
use bytes::BytesMut;
use model::{Arguments, Value};
use std::borrow::Cow;

/// The arguments of a binding. Of equal names the last counts, as in RabbitMQ.
pub(crate) fn arguments(table: Table<'_>) -> Arguments {
    let value = |(name, it): (_, FieldValue<'_>)| (name, value_of(&it).into_owned());
    table.iter().map(value).collect::<Arguments>()
}

/// The value as the core compares it: numbers by what they stand for; tables, arrays and decimals by their
/// bytes.
pub(crate) fn value_of<'a>(value: &FieldValue<'a>) -> Value<'a> {
    match *value {
        FieldValue::Boolean(it) => Value::Bool(it),
        FieldValue::SignedByte(it) => Value::Integer(it.into()),
        FieldValue::UnsignedByte(it) => Value::Integer(it.into()),
        FieldValue::SignedShort(it) => Value::Integer(it.into()),
        FieldValue::UnsignedShort(it) => Value::Integer(it.into()),
        FieldValue::SignedInt(it) => Value::Integer(it.into()),
        FieldValue::UnsignedInt(it) => Value::Integer(it.into()),
        FieldValue::SignedLong(it) => Value::Integer(it.into()),
        FieldValue::Timestamp(it) => Value::Integer(it.into()),
        FieldValue::Float(it) => Value::float(it.into()),
        FieldValue::Double(it) => Value::float(it),
        FieldValue::LongString(it) | FieldValue::Bytes(it) => Value::Text(Cow::Borrowed(it)),
        FieldValue::Void => Value::Void,
        FieldValue::Decimal { .. } | FieldValue::Table(_) | FieldValue::Array(_) => {
            let mut bytes = BytesMut::new();
            value.put(&mut bytes);
            Value::Opaque(Cow::Owned(bytes.to_vec()))
        }
    }
}
