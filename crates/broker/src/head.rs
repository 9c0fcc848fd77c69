//! What the core looks up in the heads of messages.

use crate::settings::Settings;
use broker_api::{AskedDelay, HeadReader, Heads, Refusal};
use model::{Message, Persistence, Property, QueueRules, SubscriptionId, Value};
use queue::{Answer, Filter, Keys};
use selector::{Limits, Properties, Selector};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// What all selectors of a connection may take in memory, in bytes: thousands of plain ones, or dozens of the
/// largest.
const CONNECTION_SELECTOR_BYTES_MAX: usize = 1 << 20;
/// Bytes of a head that are read in a unit of work, to find a value.
const HEAD_BYTES_PER_UNIT: u64 = 16;

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

    /// All keys of the message, each once, its own first.
    pub(crate) fn keys(&self) -> Vec<&'m [u8]> {
        let own = self.message.key();
        let mut keys = vec![own];
        if self.message.envelope().head_routes {
            self.reader.further_keys(self.message, &mut |key| {
                if key != own {
                    keys.push(key);
                }
            });
            keys[1..].sort_unstable();
            keys.dedup();
        }
        keys
    }

    /// Whether it names other keys beside its own.
    pub(crate) fn has_further_keys(&self) -> bool {
        self.keys().len() > 1
    }

    /// The keys that it names beside its own and that readers are shown, as it names them.
    pub(crate) fn shown_further_keys(&self) -> Vec<Vec<u8>> {
        let mut keys = Vec::new();
        if self.message.envelope().head_routes {
            let mut add = |key: &'m [u8]| keys.push(key.to_vec());
            self.reader.shown_further_keys(self.message, &mut add);
        }
        keys
    }

    /// The delay that it asks for.
    pub(crate) fn asked_delay(&self) -> Option<AskedDelay> {
        self.reader.asked_delay(self.message)
    }

    /// The head without further keys.
    pub(crate) fn without_further_keys(&self) -> Vec<u8> {
        self.reader.without_further_keys(self.message)
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
    fn ask(&self, message: &Message) -> Answer {
        let named = Named(Head::of(self.heads, message));
        let evaluation = self.selector.evaluate(&named);
        Answer {
            is_match: evaluation.is_match,
            work: evaluation.work,
        }
    }
}

/// What the selectors of a connection take in memory.
#[derive(Default)]
pub(crate) struct SelectorMemory {
    /// In bytes, by subscription; of some that have ended too.
    bytes: BTreeMap<SubscriptionId, usize>,
    total: usize,
}

impl SelectorMemory {
    /// Counts a subscription's selector. Those of subscriptions that are not live any more count no longer when
    /// the room is needed.
    ///
    /// # Errors
    /// [`Refusal::LimitReached`] if it is too much together with the others.
    pub(crate) fn take(
        &mut self,
        id: SubscriptionId,
        filter: &MessageFilter,
        is_live: impl Fn(SubscriptionId) -> bool,
    ) -> Result<(), Refusal> {
        let bytes = filter.selector.memory_bytes();
        if self.total + bytes > CONNECTION_SELECTOR_BYTES_MAX {
            self.bytes.retain(|id, _| is_live(*id));
            self.total = self.bytes.values().sum();
        }
        if self.total + bytes > CONNECTION_SELECTOR_BYTES_MAX {
            return Err(Refusal::LimitReached {
                what: "bytes of all selectors of a connection",
                limit: CONNECTION_SELECTOR_BYTES_MAX as u64,
            });
        }
        self.bytes.insert(id, bytes);
        self.total += bytes;
        Ok(())
    }
}

/// The values that selectors name: headers, and JMS's names for properties.
struct Named<'m>(Head<'m>);

impl Properties for Named<'_> {
    fn look_up_work(&self) -> u64 {
        self.0.message.head().len() as u64 / HEAD_BYTES_PER_UNIT
    }

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
