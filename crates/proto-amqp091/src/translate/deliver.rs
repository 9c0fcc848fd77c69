//! A message of another protocol into properties.

use super::deaths::{is_of_deaths, push_deaths, room_beside};
use super::headers::{Headers, TIMESTAMP_IN_MS, field_of, is_native, queue_of};
use crate::{FieldValue, Properties, PropertyList, ShortStr, TableBuf};
use broker_api::{Field, Heads};
use bytes::BytesMut;
use conversion::{number, put_header, put_property, text_of};
use model::{Envelope, Message, Persistence, Property, Value};

/// `delivery-mode` of what survives a restart.
pub(crate) const PERSISTENT: u8 = 2;

/// How many deliveries of a message have failed.
const X_DELIVERY_COUNT: &[u8] = b"x-delivery-count";

/// What a message says in AMQP's own properties.
#[derive(Default)]
struct Said {
    texts: Vec<(Property, Vec<u8>)>,
    priority: Option<u8>,
    timestamp_s: Option<u64>,
    headers: TableBuf,
    /// Whether what the headers say of deaths is the broker's to say.
    is_dead: bool,
}

/// Appends the properties of a message that came by another protocol, by the tables of `conversion`.
pub fn put_foreign_properties(buffer: &mut BytesMut, heads: Heads, message: &Message) {
    put_foreign_properties_within(buffer, heads, message, usize::MAX);
}

/// The same, with no more of how the message died than a frame of at most so many bytes holds.
pub(crate) fn put_foreign_properties_within(
    buffer: &mut BytesMut,
    heads: Heads,
    message: &Message,
    frame_bytes_max: usize,
) {
    let envelope = message.envelope();
    let annotations = message.annotations();
    let mut said = Said {
        is_dead: !annotations.is_empty(),
        ..Said::default()
    };
    heads(envelope.dialect).fields(message, &mut |field| said.take(&field));
    if said.is_dead {
        let at = buffer.len();
        said.put(envelope, buffer);
        let room = room_beside(buffer.len() - at, frame_bytes_max);
        buffer.truncate(at);
        push_deaths(&mut said.headers, annotations, room);
    }
    said.put(envelope, buffer);
}

/// The properties of a message with the number of its deliveries that have failed, as RabbitMQ's quorum queues tell it,
/// over whatever its publisher said of that.
#[cold]
pub(crate) fn with_delivery_count(properties: Properties<'_>, count: u32) -> BytesMut {
    let list = properties.fields();
    let mut headers = TableBuf::new();
    for (name, value) in list.headers.iter().flat_map(|it| it.iter()) {
        if let (true, Ok(short)) = (name != X_DELIVERY_COUNT, ShortStr::new(name)) {
            headers.push(short, &value);
        }
    }
    if let Ok(name) = ShortStr::new(X_DELIVERY_COUNT) {
        headers.push(name, &FieldValue::SignedLong(count.into()));
    }
    let list = PropertyList {
        headers: headers.as_table().ok(),
        ..list
    };
    let mut buffer = BytesMut::new();
    list.put(&mut buffer);
    buffer
}

impl Said {
    fn take(&mut self, field: &Field<'_>) {
        match field {
            Field::Header(name, value) => self.header(name, value),
            // The envelope says it.
            Field::Property(Property::Persistence, _) => {}
            Field::Property(property, value) => self.property(*property, value),
        }
    }

    fn property(&mut self, property: Property, value: &Value<'_>) {
        if property == Property::Priority {
            self.priority = number(value).and_then(|it| u8::try_from(it).ok());
        }
        if !is_native(property, value) {
            let headers = &mut self.headers;
            return put_property(&Headers, property, value, &mut |name, value| {
                push_text(headers, name, value);
            });
        }
        match property {
            Property::Priority => {}
            Property::Timestamp => self.timestamp(value),
            Property::ReplyTo => self.texts.extend(queue_of(value).map(|it| (property, it))),
            Property::ContentType
            | Property::ContentEncoding
            | Property::CorrelationId
            | Property::MessageId
            | Property::Type
            | Property::UserId
            | Property::AppId
            | Property::GroupId
            | Property::Destination
            | Property::Persistence
            | Property::Expiration
            | Property::GroupSequence
            | Property::PayloadFormat
            | Property::Retained
            | Property::Assurance
            | Property::ReplyToSpelling => {
                self.texts.push((property, text_of(value).into_owned()));
            }
        }
    }

    /// A time stamp has seconds; a header has the milliseconds, if there are any.
    fn timestamp(&mut self, value: &Value<'_>) {
        let Some(millis) = number(value).and_then(|it| i64::try_from(it).ok()) else {
            return;
        };
        self.timestamp_s = u64::try_from(millis / 1_000).ok();
        if millis % 1_000 != 0
            && let Ok(name) = ShortStr::new(TIMESTAMP_IN_MS)
        {
            self.headers.push(name, &FieldValue::SignedLong(millis));
        }
    }

    fn header(&mut self, name: &[u8], value: &Value<'_>) {
        if self.is_dead && is_of_deaths(name) {
            return;
        }
        let headers = &mut self.headers;
        match (ShortStr::new(name), field_of(name, value)) {
            (Ok(name), Some(field)) => headers.push(name, &field),
            (_, _) => put_header(&Headers, name, value, &mut |name, value| {
                push_text(headers, name, value);
            }),
        }
    }

    fn text(&self, property: Property) -> Option<ShortStr<'_>> {
        let (_, text) = self.texts.iter().find(|(it, _)| *it == property)?;
        ShortStr::new(text).ok()
    }

    fn put(&self, envelope: Envelope, buffer: &mut BytesMut) {
        let ttl = envelope.ttl_ms.map(|it| it.to_string());
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
            // Without a time to live none is told, whatever the head says.
            expiration: ttl.as_deref().map(|ttl| {
                self.text(Property::Expiration)
                    .unwrap_or(ShortStr::cut(ttl))
            }),
            message_id: self.text(Property::MessageId),
            timestamp: self.timestamp_s,
            r#type: self.text(Property::Type),
            user_id: None,
            app_id: self.text(Property::AppId),
            cluster_id: None,
        };
        list.put(buffer);
    }
}

/// Appends a header that is text. What makes headers out of others sees to it that names are short.
fn push_text(headers: &mut TableBuf, name: &[u8], value: &[u8]) {
    if let Ok(name) = ShortStr::new(name) {
        headers.push(name, &FieldValue::LongString(value));
    }
}
