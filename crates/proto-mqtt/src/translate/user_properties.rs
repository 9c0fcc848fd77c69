//! What user properties can hold and say, for conversion to and from other protocols.

use super::topic::swap;
use crate::frame::{Properties, Text, TopicName};
use conversion::{Column, HeaderDialect, Row, number};
use memchr::memchr;
use model::{Address, Envelope, Property, Value};

/// The user properties of MQTT 5.0.
#[derive(Clone, Copy, Debug)]
pub(super) struct UserProperties;

impl HeaderDialect for UserProperties {
    fn column(&self) -> Column {
        Column::Mqtt5
    }

    fn spells_name(&self, name: &[u8]) -> bool {
        is_text(name)
    }

    fn spells_value(&self, value: &[u8]) -> bool {
        is_text(value)
    }

    fn is_taken(&self, _name: &[u8], _value: &[u8]) -> bool {
        false
    }

    fn says(&self, property: Property, value: &[u8]) -> bool {
        match property {
            Property::ContentType => !is_text(value),
            Property::ReplyTo => topic_at(value).is_none(),
            Property::ContentEncoding
            | Property::CorrelationId
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
            | Property::PayloadFormat
            | Property::Retained
            | Property::Assurance
            | Property::ReplyToSpelling => true,
        }
    }

    fn agrees(&self, property: Property, value: &Value<'_>, envelope: &Envelope) -> bool {
        if property != Property::Expiration {
            return true;
        }
        let (Some(ttl), Some(said)) = (envelope.ttl_ms, number(value)) else {
            return false;
        };
        let Ok(said) = u64::try_from(said) else {
            return false;
        };
        // Message Expiry Interval has seconds.
        ttl == said || ttl == said.div_ceil(1000).saturating_mul(1000)
    }
}

/// Puts into the envelope what user properties say of it: the priority and whether there is a group. Of
/// each the first one counts.
pub(super) fn put_carried(envelope: &mut Envelope, properties: &Properties<'_>) {
    let (mut has_priority, mut has_group) = (false, false);
    for (name, value) in properties.user_properties() {
        let Some(row) = Row::named(Column::Mqtt5, name.as_bytes()) else {
            continue;
        };
        let said = row.kind.value(value.as_bytes().into());
        match (row.property, said) {
            (Property::Priority, Some(said)) if !has_priority => {
                let priority = number(&said).and_then(|number| u8::try_from(number).ok());
                envelope.priority = priority.unwrap_or(0);
                has_priority = true;
            }
            (Property::GroupId, Some(_)) if !has_group => {
                envelope.is_grouped = !value.as_bytes().is_empty();
                has_group = true;
            }
            _ => {}
        }
    }
}

/// Whether a string can hold these bytes, however many.
pub(super) fn is_text(bytes: &[u8]) -> bool {
    memchr(0, bytes).is_none() && std::str::from_utf8(bytes).is_ok()
}

/// The name of the topic that an address, as the model spells it, is of, if it is and has a name.
pub(super) fn topic_at(address: &[u8]) -> Option<Vec<u8>> {
    let address = Address::parse(address)?;
    let mut topic = address.topic()?.to_vec();
    swap(&mut topic);
    let text = Text::new(std::str::from_utf8(&topic).ok()?).ok()?;
    let is_name = TopicName::new(text).is_ok();
    is_name.then_some(topic)
}

/// The address of a topic's name, as the model spells it.
pub(super) fn address_of(topic: &[u8]) -> Vec<u8> {
    let mut key = topic.to_vec();
    swap(&mut key);
    Address::new(Address::TOPIC_EXCHANGE, &key).spell()
}
