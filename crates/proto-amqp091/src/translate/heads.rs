//! Looking into the heads of AMQP's messages.

use super::deaths::{is_of_deaths, value_of_death};
use super::headers::{Headers, TIMESTAMP_IN_MS, is_number_of_table};
use super::routing::{
    asked_delay, further_keys, is_hidden, shown_further_keys, without_further_keys,
};
use super::value::value_of;
use crate::{FieldValue, Properties, PropertyList, ShortStr, Table};
use broker_api::{AskedDelay, Field, HeadReader};
use conversion::{Column, HeaderDialect, Reading, Row, said, text_of};
use model::{Address, Dialect, Envelope, Message, Persistence, Property, Value};

/// Reads headers and properties of messages that came by AMQP 0-9-1. The fields of the table `headers` are the
/// headers.
///
/// A message of another protocol has none here.
#[derive(Clone, Copy, Debug, Default)]
pub struct AmqpHeads;

impl HeadReader for AmqpHeads {
    fn header<'m>(&self, message: &'m Message, name: &[u8]) -> Option<Value<'m>> {
        if is_hidden(name, message.envelope()) {
            return None;
        }
        let list = list_of(message)?;
        if is_dead(message) && is_of_deaths(name) {
            return value_of_death(message, name);
        }
        Some(value_of(&list.headers?.find(name)?))
    }

    fn property<'m>(&self, message: &'m Message, property: Property) -> Option<Value<'m>> {
        let list = list_of(message)?;
        let envelope = message.envelope();
        match property {
            // As readers of AMQP see it.
            Property::ReplyTo => list.reply_to.map(text),
            Property::Destination => Some(Value::text(message.key())),
            Property::Persistence => {
                Some(Value::Bool(envelope.persistence == Persistence::Persistent))
            }
            Property::Priority => Some(Value::Integer(envelope.priority.into())),
            Property::Expiration => envelope.ttl_ms.map(|ttl| Value::Integer(ttl.into())),
            Property::Type => native(&list, property)
                .or_else(|| carried(self, message, &list, property))
                .or_else(|| self.header(message, b"JMSType")),
            Property::ContentType
            | Property::ContentEncoding
            | Property::CorrelationId
            | Property::MessageId
            | Property::Timestamp
            | Property::UserId
            | Property::AppId
            | Property::GroupId
            | Property::GroupSequence
            | Property::PayloadFormat
            | Property::Retained
            | Property::Assurance => {
                native(&list, property).or_else(|| carried(self, message, &list, property))
            }
            // There is one spelling.
            Property::ReplyToSpelling => None,
        }
    }

    fn fields<'m>(&self, message: &'m Message, each: &mut dyn FnMut(Field<'m>)) {
        let Some(list) = list_of(message) else {
            return;
        };
        let envelope = message.envelope();
        let mut reading = Reading::new(&Headers, envelope, each);
        for property in NATIVES {
            // A dead letter does not expire any more.
            let is_over = property == Property::Expiration && envelope.ttl_ms.is_none();
            let value = native(&list, property).filter(|_| !is_spelled(&list, property, &envelope));
            if let (false, Some(value)) = (is_over, value) {
                reading.native(property, value);
            }
        }
        let mut millis = millis_of(&list);
        let is_dead = is_dead(message);
        for (name, value) in list.headers.unwrap_or(Table::EMPTY).iter() {
            if is_dead && is_of_deaths(name) {
                // Nobody forges what the reader's protocol says of deaths.
                continue;
            }
            if millis.is_some() && name == TIMESTAMP_IN_MS && integer(&value) == millis {
                // The time stamp has been given with it.
                millis = None;
                continue;
            }
            if is_hidden(name, envelope) {
                continue;
            }
            let value = value_of(&value);
            match value {
                Value::Text(text) => reading.header(name.into(), text),
                Value::Integer(_) if says(name, &value) => {
                    let text = text_of(&value).into_owned();
                    reading.header(name.into(), text.into());
                }
                Value::Void
                | Value::Bool(_)
                | Value::Integer(_)
                | Value::Float(_)
                | Value::Opaque(_) => reading.typed(name.into(), value),
            }
        }
        reading.finish();
    }

    fn further_keys<'m>(&self, message: &'m Message, each: &mut dyn FnMut(&'m [u8])) {
        if let Some(list) = list_of(message) {
            further_keys(&list, each);
        }
    }

    fn shown_further_keys<'m>(&self, message: &'m Message, each: &mut dyn FnMut(&'m [u8])) {
        if let Some(list) = list_of(message) {
            shown_further_keys(&list, each);
        }
    }

    fn without_further_keys(&self, message: &Message) -> Vec<u8> {
        without_further_keys(message)
    }

    fn asked_delay(&self, message: &Message) -> Option<AskedDelay> {
        asked_delay(&list_of(message)?, message)
    }
}

/// The properties that the content's own properties say.
const NATIVES: [Property; 11] = [
    Property::ContentType,
    Property::ContentEncoding,
    Property::Priority,
    Property::CorrelationId,
    Property::ReplyTo,
    Property::Expiration,
    Property::MessageId,
    Property::Timestamp,
    Property::Type,
    Property::UserId,
    Property::AppId,
];

/// What the properties of a message's content say, if it came by AMQP.
fn list_of(message: &Message) -> Option<PropertyList<'_>> {
    match message.envelope().dialect {
        Dialect::Amqp091 => Some(Properties::checked(message.head()).fields()),
        Dialect::Stomp10
        | Dialect::Stomp11
        | Dialect::Stomp12
        | Dialect::Mqtt3
        | Dialect::Mqtt5
        | Dialect::Zmq => None,
    }
}

/// Whether it is a dead letter.
fn is_dead(message: &Message) -> bool {
    !message.annotations().is_empty()
}

fn text(text: ShortStr<'_>) -> Value<'_> {
    Value::Text(text.as_bytes().into())
}

/// What a property of the content says of a property of the model.
fn native<'m>(list: &PropertyList<'m>, property: Property) -> Option<Value<'m>> {
    match property {
        Property::ContentType => list.content_type.map(text),
        Property::ContentEncoding => list.content_encoding.map(text),
        Property::CorrelationId => list.correlation_id.map(text),
        Property::MessageId => list.message_id.map(text),
        Property::Type => list.r#type.map(text),
        Property::UserId => list.user_id.map(text),
        Property::AppId => list.app_id.map(text),
        Property::Priority => list.priority.map(|it| Value::Integer(it.into())),
        Property::Expiration => {
            let said = list.expiration?.as_bytes();
            Row::of(property).kind.value(said.into())
        }
        Property::ReplyTo => {
            let address = Address::new(b"", list.reply_to?.as_bytes()).spell();
            Some(Value::Text(address.into()))
        }
        Property::Timestamp => {
            let whole = i64::try_from(list.timestamp?).ok()?.checked_mul(1_000)?;
            Some(Value::Integer(millis_of(list).unwrap_or(whole.into())))
        }
        Property::GroupId
        | Property::Destination
        | Property::Persistence
        | Property::GroupSequence
        | Property::PayloadFormat
        | Property::Retained
        | Property::Assurance
        | Property::ReplyToSpelling => None,
    }
}

/// The time stamp in milliseconds, if a header has it and it is within the second that the property says.
fn millis_of(list: &PropertyList<'_>) -> Option<i128> {
    let second = i128::from(list.timestamp?);
    let mut headers = list.headers?.iter();
    headers.find_map(|(name, value)| {
        let millis = integer(&value).filter(|_| name == TIMESTAMP_IN_MS)?;
        let is_within = millis > 0 && millis / 1_000 == second && millis % 1_000 != 0;
        is_within.then_some(millis)
    })
}

fn integer(value: &FieldValue<'_>) -> Option<i128> {
    match value_of(value) {
        Value::Integer(number) => Some(number),
        Value::Void | Value::Bool(_) | Value::Float(_) | Value::Text(_) | Value::Opaque(_) => None,
    }
}

/// Whether a number in a header says a property.
fn says(name: &[u8], value: &Value<'_>) -> bool {
    is_number_of_table(name)
        && Row::named(Column::Amqp091, name)
            .is_some_and(|row| Headers.says(row.property, &text_of(value)))
}

/// Whether a header has the publisher's own spelling of what the content's property says in digits.
fn is_spelled(list: &PropertyList<'_>, property: Property, envelope: &Envelope) -> bool {
    if !matches!(property, Property::Priority | Property::Expiration) {
        return false;
    }
    let row = Row::of(property);
    let Some(carrier) = row.cell(Column::Amqp091).header() else {
        return false;
    };
    let mut headers = list.headers.unwrap_or(Table::EMPTY).iter();
    headers.any(|(name, value)| {
        let text = text_of(&value_of(&value)).into_owned();
        let is_text = matches!(value, FieldValue::LongString(_) | FieldValue::Bytes(_));
        is_text
            && name == carrier.as_bytes()
            && Headers.says(property, &text)
            && row
                .kind
                .value(text.into())
                .is_some_and(|said| Headers.agrees(property, &said, envelope))
    })
}

/// The value of a property that a header says, a number as such.
fn carried<'m>(
    heads: &AmqpHeads,
    message: &'m Message,
    list: &PropertyList<'m>,
    property: Property,
) -> Option<Value<'m>> {
    let row = Row::of(property);
    let name = row.cell(Column::Amqp091).header()?;
    list.headers?.find(name.as_bytes())?;
    said(heads, message, row)
}
