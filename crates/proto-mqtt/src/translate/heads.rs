//! Looking into the heads of MQTT's messages.

use crate::frame::{Properties, Property as Wire};
use broker_api::HeadReader;
use model::{Dialect, Message, Property, Value};

/// Reads headers and properties of messages that came by MQTT. User properties are the headers.
///
/// A message of 3.1 or 3.1.1, or of another protocol, has none here.
#[derive(Clone, Copy, Debug, Default)]
pub struct MqttHeads;

impl HeadReader for MqttHeads {
    fn header<'m>(&self, message: &'m Message, name: &[u8]) -> Option<Value<'m>> {
        let mut headers = properties(message).user_properties();
        let (_, value) = headers.find(|(found, _)| found.as_bytes() == name)?;
        Some(Value::text(value.as_str()))
    }

    fn property<'m>(&self, message: &'m Message, property: Property) -> Option<Value<'m>> {
        let mut all = properties(message).iter();
        all.find_map(|found| match (property, found) {
            (Property::ContentType, Wire::ContentType(text)) => Some(Value::text(text.as_str())),
            (Property::ReplyTo, Wire::ResponseTopic(topic)) => Some(Value::text(topic.as_str())),
            (Property::CorrelationId, Wire::CorrelationData(data)) => {
                Some(Value::text(data.as_bytes()))
            }
            _ => None,
        })
    }
}

fn properties(message: &Message) -> Properties<'_> {
    match message.envelope().dialect {
        Dialect::Mqtt5 => Properties::kept(message.head()),
        Dialect::Mqtt3 | Dialect::Stomp10 | Dialect::Stomp11 | Dialect::Stomp12 => Properties::NONE,
    }
}
