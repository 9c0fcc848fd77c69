//! What the core looks up in the heads of messages.

use crate::settings::Settings;
use broker_api::{HeadReader, Refusal};
use model::{Dialect, Message, Persistence, Property, QueueRules, Value};
use queue::{Filter, Keys};
use selector::{Limits, Properties, Selector};
use std::borrow::Cow;

/// Who reads the heads of messages of a dialect.
pub(crate) type Heads = fn(Dialect) -> &'static dyn HeadReader;

/// The head of one message.
#[derive(Clone, Copy)]
pub(crate) struct Head<'m> {
    reader: &'static dyn HeadReader,
    message: &'m Message,
}

impl<'m> Head<'m> {
    pub(crate) fn of(heads: Heads, message: &'m Message) -> Self {
        Self {
            reader: heads(message.envelope().dialect),
            message,
        }
    }

    fn header(&self, name: &[u8]) -> Option<Value<'m>> {
        self.reader.header(self.message, name)
    }

    fn property(&self, property: Property) -> Option<Value<'m>> {
        self.reader.property(self.message, property)
    }
}

impl routing::HeaderSource for Head<'_> {
    fn header(&self, name: &[u8]) -> Option<Value<'_>> {
        self.reader.header(self.message, name)
    }

    fn property(&self, property: Property) -> Option<Value<'_>> {
        self.reader.property(self.message, property)
    }
}

/// What a queue wants to know of a message's head.
pub(crate) fn keys(heads: Heads, rules: &QueueRules, message: &Message) -> Keys {
    let head = Head::of(heads, message);
    let group = message
        .envelope()
        .is_grouped
        .then(|| head.property(Property::GroupId))
        .flatten();
    let value = rules
        .last_value_header
        .as_ref()
        .and_then(|name| head.header(name));
    Keys {
        group: group.and_then(bytes),
        value: value.and_then(bytes),
    }
}

/// A value as bytes that are equal where the values are.
fn bytes(value: Value<'_>) -> Option<Box<[u8]>> {
    match value {
        Value::Void => None,
        Value::Bool(value) => Some(value.to_string().into_bytes().into()),
        Value::Integer(value) => Some(value.to_string().into_bytes().into()),
        Value::Float(value) => Some(value.number().to_string().into_bytes().into()),
        Value::Text(bytes) | Value::Opaque(bytes) => Some(bytes.into_owned().into()),
    }
}

/// A subscription's selector.
pub(crate) struct MessageFilter {
    selector: Selector,
    heads: Heads,
}

impl MessageFilter {
    pub(crate) fn parse(text: &str, settings: &Settings) -> Result<Self, Refusal> {
        let selector = Selector::parse(text, &Limits::default());
        let heads = settings.heads;
        match selector {
            Ok(selector) => Ok(Self { selector, heads }),
            Err(error) => Err(Refusal::Invalid(format!("bad selector: {error}"))),
        }
    }
}

impl Filter for MessageFilter {
    fn matches(&self, message: &Message) -> bool {
        self.selector.matches(&Named(Head::of(self.heads, message)))
    }
}

/// The values that selectors name: headers, and JMS's names for properties.
struct Named<'m>(Head<'m>);

impl Properties for Named<'_> {
    fn value(&self, name: &str) -> Option<selector::Value<'_>> {
        let envelope = self.0.message.envelope();
        let property = match name {
            "JMSPriority" => return Some(i64::from(envelope.priority).into()),
            "JMSDeliveryMode" => {
                return Some(match envelope.persistence {
                    Persistence::Persistent => "PERSISTENT".into(),
                    Persistence::Transient => "NON_PERSISTENT".into(),
                });
            }
            "JMSMessageID" => Property::MessageId,
            "JMSTimestamp" => Property::Timestamp,
            "JMSCorrelationID" => Property::CorrelationId,
            "JMSType" => Property::Type,
            "JMSReplyTo" => Property::ReplyTo,
            "JMSDestination" => Property::Destination,
            "JMSXGroupID" => Property::GroupId,
            "JMSXUserID" => Property::UserId,
            "JMSXAppID" => Property::AppId,
            name => return self.0.header(name.as_bytes()).and_then(selector_value),
        };
        self.0.property(property).and_then(selector_value)
    }
}

/// What selectors cannot compare counts as missing.
fn selector_value(value: Value<'_>) -> Option<selector::Value<'_>> {
    match value {
        Value::Void | Value::Opaque(_) => None,
        Value::Bool(value) => Some(value.into()),
        Value::Integer(value) => i64::try_from(value).ok().map(Into::into),
        Value::Float(value) => Some(value.number().into()),
        Value::Text(Cow::Borrowed(text)) => {
            Some(selector::Value::Text(String::from_utf8_lossy(text)))
        }
        Value::Text(Cow::Owned(text)) => Some(selector::Value::Text(Cow::Owned(
            String::from_utf8_lossy(&text).into_owned(),
        ))),
    }
}
