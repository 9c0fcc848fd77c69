//! Looking into heads: of messages that came by ZMTP, for others; of requests, for who answers them.

use super::head::Head;
use broker_api::{Field, HeadReader, Heads};
use model::{Address, Dialect, Message, Persistence, Property, Value};
use std::borrow::Cow;

/// Reads properties of messages that came by ZMTP: where an answer goes, and what it repeats. They have no headers.
#[derive(Clone, Copy, Debug, Default)]
pub struct ZmqHeads;

impl HeadReader for ZmqHeads {
    fn header<'m>(&self, _: &'m Message, _: &[u8]) -> Option<Value<'m>> {
        None
    }

    fn property<'m>(&self, message: &'m Message, property: Property) -> Option<Value<'m>> {
        let envelope = message.envelope();
        match property {
            Property::CorrelationId => {
                let correlation = head_of(message).correlation;
                (!correlation.is_empty()).then(|| Value::text(correlation))
            }
            Property::ReplyTo => {
                let queue = head_of(message).reply_queue;
                let address = Address::new(&[], queue);
                (!queue.is_empty()).then(|| Value::Text(Cow::Owned(address.spell())))
            }
            Property::Destination => {
                let address = Address::new(message.exchange(), message.key());
                Some(Value::Text(Cow::Owned(address.spell())))
            }
            Property::Persistence => {
                Some(Value::Bool(envelope.persistence == Persistence::Persistent))
            }
            Property::Priority => Some(Value::Integer(envelope.priority.into())),
            Property::Expiration => envelope.ttl_ms.map(|ttl| Value::Integer(ttl.into())),
            Property::ContentType
            | Property::ContentEncoding
            | Property::MessageId
            | Property::Timestamp
            | Property::Type
            | Property::UserId
            | Property::AppId
            | Property::GroupId
            | Property::GroupSequence
            | Property::PayloadFormat
            | Property::Retained
            | Property::Assurance
            | Property::ReplyToSpelling => None,
        }
    }

    fn fields<'m>(&self, message: &'m Message, each: &mut dyn FnMut(Field<'m>)) {
        for property in [Property::CorrelationId, Property::ReplyTo] {
            if let Some(value) = self.property(message, property) {
                each(Field::Property(property, value));
            }
        }
    }
}

fn head_of(message: &Message) -> Head<'_> {
    match message.envelope().dialect {
        Dialect::Zmq => Head::read(message.head()),
        Dialect::Stomp10
        | Dialect::Stomp11
        | Dialect::Stomp12
        | Dialect::Mqtt3
        | Dialect::Mqtt5
        | Dialect::Amqp091 => Head::default(),
    }
}

/// What a message of any dialect says of its answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Request {
    /// Where it goes: exchange and key.
    pub(crate) reply_to: Option<(Vec<u8>, Vec<u8>)>,
    /// What it repeats.
    pub(crate) correlation: Vec<u8>,
}

impl Request {
    /// Reads it.
    pub(crate) fn of(message: &Message, heads: Heads) -> Self {
        let mut request = Self::default();
        let reader = heads(message.envelope().dialect);
        reader.fields(message, &mut |field| match field {
            Field::Property(Property::ReplyTo, Value::Text(text)) => {
                let address = Address::parse(&text);
                request.reply_to =
                    address.map(|it| (it.exchange.into_owned(), it.key.into_owned()));
            }
            Field::Property(Property::CorrelationId, Value::Text(text)) => {
                request.correlation = text.into_owned();
            }
            Field::Property(_, _) | Field::Header(_, _) => {}
        });
        request
    }
}
