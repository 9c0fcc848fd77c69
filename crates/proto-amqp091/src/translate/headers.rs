//! What AMQP's headers can hold and say, for conversion to and from other protocols.

use crate::{Array, FieldValue, ShortStr};
use conversion::{Column, HeaderDialect, Kind, Row, number, text_of};
use model::{Address, Envelope, Persistence, Property, Value};
use std::borrow::Cow;

/// The header that has a time stamp to the millisecond, as RabbitMQ's interceptor writes it.
pub(super) const TIMESTAMP_IN_MS: &[u8] = b"timestamp_in_ms";

/// The headers of AMQP. What they say beside what the application says, they say by text; but numbers of the
/// table may be numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Headers;

impl HeaderDialect for Headers {
    fn column(&self) -> Column {
        Column::Amqp091
    }

    // Clients that take names for text break on others.
    fn spells_name(&self, name: &[u8]) -> bool {
        is_short_text(name)
    }

    fn spells_value(&self, _value: &[u8]) -> bool {
        true
    }

    // Where a message goes besides: no client may publish one in which these are text.
    fn is_taken(&self, name: &[u8], _value: &[u8]) -> bool {
        matches!(name, b"CC" | b"BCC")
    }

    fn says(&self, property: Property, value: &[u8]) -> bool {
        let said = Row::of(property).kind.value(Cow::Borrowed(value));
        !said.is_some_and(|said| is_native(property, &said))
    }

    fn agrees(&self, property: Property, value: &Value<'_>, envelope: &Envelope) -> bool {
        match property {
            Property::Persistence | Property::Assurance => {
                envelope.persistence == Persistence::Persistent
            }
            Property::Priority => number(value) == Some(envelope.priority.into()),
            // A dead letter does not expire any more.
            Property::Expiration => envelope.ttl_ms.is_some(),
            Property::ContentType
            | Property::ContentEncoding
            | Property::CorrelationId
            | Property::MessageId
            | Property::ReplyTo
            | Property::Timestamp
            | Property::Type
            | Property::UserId
            | Property::AppId
            | Property::GroupId
            | Property::Destination
            | Property::GroupSequence
            | Property::PayloadFormat
            | Property::Retained
            | Property::ReplyToSpelling => true,
        }
    }
}

/// Whether a property of the content says a property with this value, for readers of AMQP.
pub(super) fn is_native(property: Property, value: &Value<'_>) -> bool {
    match property {
        Property::ContentType
        | Property::ContentEncoding
        | Property::CorrelationId
        | Property::MessageId
        | Property::Type
        | Property::AppId
        | Property::Expiration => is_short_text(&text_of(value)),
        Property::ReplyTo => queue_of(value).is_some(),
        Property::Priority => {
            matches!(value, Value::Integer(number) if u8::try_from(*number).is_ok())
        }
        Property::Timestamp => {
            matches!(value, Value::Integer(number) if u64::try_from(*number).is_ok())
        }
        // A user id that stands in the content's properties has been checked.
        Property::UserId
        | Property::GroupId
        | Property::Destination
        | Property::Persistence
        | Property::GroupSequence
        | Property::PayloadFormat
        | Property::Retained
        | Property::Assurance
        | Property::ReplyToSpelling => false,
    }
}

/// The name of the queue that an address is, if `reply-to` can say it.
pub(super) fn queue_of(value: &Value<'_>) -> Option<Vec<u8>> {
    let address = Address::parse(&text_of(value))?;
    let is_queue = address.exchange.is_empty() && is_short_text(&address.key);
    is_queue.then(|| address.key.into_owned())
}

/// A header's value as a value of a table, if it is not text, and is read as what it is from there.
pub(super) fn field_of<'v>(name: &[u8], value: &'v Value<'_>) -> Option<FieldValue<'v>> {
    if !is_short_text(name) {
        return None;
    }
    match value {
        Value::Void => Some(FieldValue::Void),
        Value::Bool(it) => Some(FieldValue::Boolean(*it)),
        Value::Float(it) => Some(FieldValue::Double(it.number())),
        Value::Integer(_) if is_number_of_table(name) => None,
        Value::Integer(it) => i64::try_from(*it).ok().map(FieldValue::SignedLong),
        Value::Opaque(bytes) => opaque(bytes),
        Value::Text(_) => None,
    }
}

/// Whether a header of this name says a property that is a number.
pub(super) fn is_number_of_table(name: &[u8]) -> bool {
    Row::named(Column::Amqp091, name).is_some_and(|row| matches!(row.kind, Kind::Integer(_, _)))
}

/// The decimal, table or array that these bytes are.
fn opaque(bytes: &[u8]) -> Option<FieldValue<'_>> {
    let mut values = Array::new(bytes).ok()?.iter();
    let value = values.next()?;
    let is_opaque = matches!(
        value,
        FieldValue::Decimal { .. } | FieldValue::Table(_) | FieldValue::Array(_)
    );
    (is_opaque && values.next().is_none()).then_some(value)
}

/// Whether a short string can hold these bytes, and clients that take it for text can read it.
pub(super) fn is_short_text(bytes: &[u8]) -> bool {
    bytes.len() <= ShortStr::BYTES_MAX && std::str::from_utf8(bytes).is_ok()
}
