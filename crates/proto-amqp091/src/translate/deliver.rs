//! A message of another protocol into properties.

use crate::{FieldValue, PropertyList, ShortStr, TableBuf};
use broker_api::{Field, Heads};
use bytes::BytesMut;
use conversion::{Column, Row, number};
use model::{Address, Envelope, Message, Persistence, Property, Value};
use std::borrow::Cow;

/// `delivery-mode` of what survives a restart.
const PERSISTENT: u8 = 2;

/// The header that has a time stamp to the millisecond, as RabbitMQ's interceptor writes it.
const TIMESTAMP_IN_MS: &str = "timestamp_in_ms";

/// What a message says in AMQP's own properties.
#[derive(Default)]
struct Said<'m> {
    texts: Vec<(Property, Cow<'m, [u8]>)>,
    priority: Option<u8>,
    expiration_ms: Option<i128>,
    timestamp_s: Option<u64>,
    headers: TableBuf,
}

/// Appends the properties of a message that came by another protocol. What AMQP has no property for is a header
/// under the name that STOMP's readers see.
pub(crate) fn put_properties(buffer: &mut BytesMut, heads: Heads, message: &Message) {
    let envelope = message.envelope();
    let mut said = Said::default();
    heads(envelope.dialect).fields(message, &mut |field| said.take(field));
    said.put(envelope, buffer);
}

impl<'m> Said<'m> {
    fn take(&mut self, field: Field<'m>) {
        match field {
            Field::Header(name, value) => self.header(&name, &value),
            // The envelope says it.
            Field::Property(Property::Persistence, _) => {}
            Field::Property(property, value) => self.property(property, &value),
        }
    }

    fn property(&mut self, property: Property, value: &Value<'m>) {
        match (property, number(value)) {
            (Property::Priority, Some(number)) => {
                self.priority = u8::try_from(number).ok();
                return;
            }
            (Property::Expiration, Some(number)) => {
                self.expiration_ms = Some(number);
                return;
            }
            (Property::Timestamp, Some(number)) => {
                if let Ok(millis) = u64::try_from(number) {
                    self.timestamp_s = Some(millis / 1_000);
                    if millis % 1_000 != 0 {
                        self.header(TIMESTAMP_IN_MS.as_bytes(), value);
                    }
                    return;
                }
            }
            _ => {}
        }
        match native_text(property, value) {
            Some(text) => self.texts.push((property, text)),
            None => {
                if let Some(name) = Row::of(property).cell(Column::Stomp).header() {
                    self.header(name.as_bytes(), value);
                }
            }
        }
    }

    fn header(&mut self, name: &[u8], value: &Value<'_>) {
        // What is longer cannot be said.
        let Ok(name) = ShortStr::new(name) else {
            return;
        };
        let spelled;
        let value = match value {
            Value::Void => FieldValue::Void,
            Value::Bool(it) => FieldValue::Boolean(*it),
            Value::Float(it) => FieldValue::Double(it.number()),
            Value::Text(text) => FieldValue::LongString(text),
            Value::Opaque(bytes) => FieldValue::Bytes(bytes),
            Value::Integer(number) => match i64::try_from(*number) {
                Ok(number) => FieldValue::SignedLong(number),
                Err(_) => {
                    spelled = number.to_string();
                    FieldValue::LongString(spelled.as_bytes())
                }
            },
        };
        self.headers.push(name, &value);
    }

    fn text(&self, property: Property) -> Option<ShortStr<'_>> {
        let (_, text) = self.texts.iter().find(|(it, _)| *it == property)?;
        ShortStr::new(text).ok()
    }

    fn put(&self, envelope: Envelope, buffer: &mut BytesMut) {
        let ttl_ms = envelope.ttl_ms.map(i128::from);
        let expiration = self.expiration_ms.or(ttl_ms).map(|it| it.to_string());
        let priority = Some(envelope.priority).filter(|it| *it > 0);
        let is_persistent = envelope.persistence == Persistence::Persistent;
        let headers = self.headers.as_table().ok();
        let list = PropertyList {
            content_type: self.text(Property::ContentType),
            content_encoding: self.text(Property::ContentEncoding),
            headers: headers.filter(|it| !it.is_empty()),
            delivery_mode: is_persistent.then_some(PERSISTENT),
            priority: self.priority.or(priority),
            correlation_id: self.text(Property::CorrelationId),
            reply_to: self.text(Property::ReplyTo),
            expiration: expiration.as_deref().map(ShortStr::cut),
            message_id: self.text(Property::MessageId),
            timestamp: self.timestamp_s,
            r#type: self.text(Property::Type),
            user_id: self.text(Property::UserId),
            app_id: self.text(Property::AppId),
            cluster_id: None,
        };
        list.put(buffer);
    }
}

/// The text of a property that AMQP has, if it is short enough for it. The address of a reply is one if it is a
/// queue's.
fn native_text<'m>(property: Property, value: &Value<'m>) -> Option<Cow<'m, [u8]>> {
    let Value::Text(text) = value else {
        return None;
    };
    let text = match property {
        Property::ContentType
        | Property::ContentEncoding
        | Property::CorrelationId
        | Property::MessageId
        | Property::Type
        | Property::UserId
        | Property::AppId => text.clone(),
        Property::ReplyTo => {
            let address = Address::parse(text)?;
            let is_queue = address.exchange.is_empty();
            is_queue.then(|| Cow::Owned(address.key.to_vec()))?
        }
        Property::Timestamp
        | Property::GroupId
        | Property::Destination
        | Property::Persistence
        | Property::Priority
        | Property::Expiration
        | Property::GroupSequence
        | Property::PayloadFormat
        | Property::Retained
        | Property::Assurance
        | Property::ReplyToSpelling => return None,
    };
    ShortStr::new(&text).is_ok().then_some(text)
}
