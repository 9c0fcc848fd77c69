//! A message of another protocol into the properties of a PUBLISH.

use super::user_properties::{UserProperties, is_text, topic_at};
use super::{FLAG_QOS, FLAG_RETAIN};
use crate::frame::{
    Binary, PayloadFormat, Property as Wire, PropertyKind, Qos, TEXT_BYTES_MAX, Text, TopicName,
    text,
};
use broker_api::{Field, Heads};
use bytes::{BufMut, BytesMut};
use conversion::{EXCHANGE, OMITTED, put_header, put_property, text_of};
use model::{Address, Dialect, Message, Persistence, Property, Value};

/// How a message was published, in MQTT's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PublishedAs {
    pub(crate) qos: Qos,
    pub(crate) retain: bool,
}

impl PublishedAs {
    /// What a PUBLISH said, or what a message that came by another protocol says in its own way.
    pub(crate) fn of(message: &Message, heads: Heads) -> Self {
        let envelope = message.envelope();
        match envelope.dialect {
            Dialect::Mqtt3 | Dialect::Mqtt5 => Self {
                qos: Qos::from_bits(envelope.dialect_flags & FLAG_QOS).unwrap_or_default(),
                retain: envelope.dialect_flags & FLAG_RETAIN != 0,
            },
            dialect @ (Dialect::Stomp10
            | Dialect::Stomp11
            | Dialect::Stomp12
            | Dialect::Amqp091
            | Dialect::Zmq) => {
                let head = heads(dialect);
                let retained = head.property(message, Property::Retained);
                let qos = match envelope.persistence {
                    Persistence::Transient => Qos::AtMostOnce,
                    Persistence::Persistent => match head.property(message, Property::Assurance) {
                        Some(Value::Integer(2)) => Qos::ExactlyOnce,
                        _ => Qos::AtLeastOnce,
                    },
                };
                Self {
                    qos,
                    retain: retained == Some(Value::Bool(true)),
                }
            }
        }
    }
}

/// Appends what a message that came by another protocol says as the properties of a PUBLISH in 5.0, by
/// the tables of `conversion`; all but the Message Expiry Interval, which counts down. A message of MQTT
/// has its own, or none.
///
/// What is longer than a string can be is left out, and a user property has its name.
pub fn put_foreign_properties(buffer: &mut BytesMut, heads: Heads, message: &Message) {
    let mut list = List(buffer);
    let mut has_priority = false;
    heads(message.envelope().dialect).fields(message, &mut |field| match field {
        Field::Property(property, value) => {
            has_priority |= property == Property::Priority;
            list.put_property(property, &value);
        }
        Field::Header(name, value) => list.put_header(&name, &value),
    });
    let priority = message.envelope().priority;
    if !has_priority && priority > 0 {
        list.put_property(Property::Priority, &Value::Integer(priority.into()));
    }
    let exchange = message.exchange();
    if !exchange.is_empty() && exchange != Address::TOPIC_EXCHANGE {
        list.put_header(EXCHANGE.as_bytes(), &Value::text(exchange));
    }
}

/// Properties, one behind the other.
struct List<'b>(&'b mut BytesMut);

impl List<'_> {
    fn put_property(&mut self, property: Property, value: &Value<'_>) {
        let said = text_of(value);
        match property {
            Property::ContentType if is_text(&said) => match text_in(&said) {
                Some(text) => Wire::ContentType(text).put(self.0),
                None => self.put_omitted(b"content-type"),
            },
            Property::CorrelationId => match Binary::new(&said) {
                Ok(data) => Wire::CorrelationData(data).put(self.0),
                Err(_) => self.put_omitted(b"correlation-id"),
            },
            Property::ReplyTo => match topic_at(&said) {
                Some(topic) => self.put_response_topic(&topic),
                None => self.put_carrier(property, value),
            },
            Property::PayloadFormat => {
                let format = match &*said {
                    b"text" => PayloadFormat::Text,
                    _ => PayloadFormat::Bytes,
                };
                Wire::PayloadFormatIndicator(format).put(self.0);
            }
            Property::ContentType
            | Property::ContentEncoding
            | Property::MessageId
            | Property::Timestamp
            | Property::Type
            | Property::UserId
            | Property::AppId
            | Property::GroupId
            | Property::Destination
            | Property::Persistence
            | Property::Priority
            | Property::Expiration
            | Property::GroupSequence
            | Property::Retained
            | Property::Assurance
            | Property::ReplyToSpelling => self.put_carrier(property, value),
        }
    }

    fn put_response_topic(&mut self, topic: &[u8]) {
        let name = text_in(topic).and_then(|text| TopicName::new(text).ok());
        if let Some(name) = name {
            Wire::ResponseTopic(name).put(self.0);
        }
    }

    fn put_carrier(&mut self, property: Property, value: &Value<'_>) {
        put_property(&UserProperties, property, value, &mut |name, value| {
            self.put(name, value);
        });
    }

    fn put_header(&mut self, name: &[u8], value: &Value<'_>) {
        put_header(&UserProperties, name, value, &mut |name, value| {
            self.put(name, value);
        });
    }

    /// Both are text.
    fn put(&mut self, name: &[u8], value: &[u8]) {
        if name.len() > TEXT_BYTES_MAX || value.len() > TEXT_BYTES_MAX {
            return self.put_omitted(name);
        }
        self.0.put_u8(PropertyKind::UserProperty.id());
        text::put(self.0, name);
        text::put(self.0, value);
    }

    fn put_omitted(&mut self, name: &[u8]) {
        let name = match name.len() {
            0..=TEXT_BYTES_MAX => name,
            _ => &[],
        };
        self.put(OMITTED.as_bytes(), name);
    }
}

fn text_in(bytes: &[u8]) -> Option<Text<'_>> {
    Text::new(std::str::from_utf8(bytes).ok()?).ok()
}
