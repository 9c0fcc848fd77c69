//! Looking into the heads of MQTT's messages.

use super::user_properties::{UserProperties, address_of};
use super::{FLAG_QOS, FLAG_RETAIN};
use crate::frame::{PayloadFormat, Properties, Qos};
use broker_api::{Field, HeadReader};
use conversion::{Column, Reading, Row, said};
use model::{Dialect, Message, Persistence, Property, Value};

/// Reads headers and properties of messages that came by MQTT. User properties are the headers.
///
/// A message of 3.1 or 3.1.1 has neither, but for its QoS and RETAIN; one of another protocol has none here.
#[derive(Clone, Copy, Debug, Default)]
pub struct MqttHeads;

impl HeadReader for MqttHeads {
    fn header<'m>(&self, message: &'m Message, name: &[u8]) -> Option<Value<'m>> {
        let mut headers = properties(message)?.user_properties();
        let (_, value) = headers.find(|(found, _)| found.as_bytes() == name)?;
        Some(Value::text(value.as_str()))
    }

    fn property<'m>(&self, message: &'m Message, property: Property) -> Option<Value<'m>> {
        let properties = properties(message)?;
        let envelope = message.envelope();
        match property {
            Property::ContentType => {
                let text = properties.content_type()?;
                Some(Value::text(text.as_str()))
            }
            Property::CorrelationId => {
                let data = properties.correlation_data()?;
                Some(Value::text(data.as_bytes()))
            }
            // As readers of MQTT see it.
            Property::ReplyTo => {
                let name = properties.response_topic()?;
                Some(Value::text(name.as_str()))
            }
            Property::PayloadFormat => properties.payload_format_indicator().map(word),
            Property::Destination => {
                let mut topic = message.key().to_vec();
                super::topic::swap(&mut topic);
                Some(Value::Text(topic.into()))
            }
            Property::Persistence => {
                Some(Value::Bool(envelope.persistence == Persistence::Persistent))
            }
            Property::Priority => Some(Value::Integer(envelope.priority.into())),
            Property::Expiration => envelope.ttl_ms.map(|ttl| Value::Integer(ttl.into())),
            Property::Assurance => is_exactly_once(message).then_some(Value::Integer(2)),
            Property::Retained => is_retained(message).then_some(Value::Bool(true)),
            Property::Type => {
                carried(self, message, property).or_else(|| self.header(message, b"JMSType"))
            }
            Property::ContentEncoding
            | Property::MessageId
            | Property::Timestamp
            | Property::UserId
            | Property::AppId
            | Property::GroupId
            | Property::GroupSequence => carried(self, message, property),
            // There is one spelling.
            Property::ReplyToSpelling => None,
        }
    }

    fn fields<'m>(&self, message: &'m Message, each: &mut dyn FnMut(Field<'m>)) {
        let Some(properties) = properties(message) else {
            return;
        };
        let mut reading = Reading::new(&UserProperties, message.envelope(), each);
        let mut native = |property, value: Option<Value<'m>>| {
            if let Some(value) = value {
                reading.native(property, value);
            }
        };
        for property in [
            Property::Assurance,
            Property::Retained,
            Property::ContentType,
            Property::CorrelationId,
            Property::PayloadFormat,
        ] {
            native(property, self.property(message, property));
        }
        let topic = properties.response_topic();
        let address = topic.map(|topic| address_of(topic.as_bytes()));
        native(
            Property::ReplyTo,
            address.map(|text| Value::Text(text.into())),
        );
        for (name, value) in properties.user_properties() {
            reading.header(name.as_bytes().into(), value.as_bytes().into());
        }
        reading.finish();
    }
}

/// The properties of a message that came by MQTT: none for one of 3.1 or 3.1.1.
fn properties(message: &Message) -> Option<Properties<'_>> {
    match message.envelope().dialect {
        Dialect::Mqtt5 => Some(Properties::kept(message.head())),
        Dialect::Mqtt3 => Some(Properties::NONE),
        Dialect::Stomp10
        | Dialect::Stomp11
        | Dialect::Stomp12
        | Dialect::Amqp091
        | Dialect::Zmq => None,
    }
}

/// The value of a property that a user property says, a number as such.
fn carried<'m>(heads: &MqttHeads, message: &'m Message, property: Property) -> Option<Value<'m>> {
    let row = Row::of(property);
    let name = row.cell(Column::Mqtt5).header()?;
    heads.header(message, name.as_bytes())?;
    said(heads, message, row)
}

fn is_exactly_once(message: &Message) -> bool {
    Qos::from_bits(message.envelope().dialect_flags & FLAG_QOS) == Some(Qos::ExactlyOnce)
}

fn is_retained(message: &Message) -> bool {
    message.envelope().dialect_flags & FLAG_RETAIN != 0
}

fn word(format: PayloadFormat) -> Value<'static> {
    Value::text(match format {
        PayloadFormat::Text => "text",
        PayloadFormat::Bytes => "bytes",
    })
}
