//! A message of another protocol into header lines.

use super::headers::{Headers, address_of, spelled, spelled_reply_to};
use crate::Version;
use crate::escape::{Part, put_escaped};
use broker_api::{Field, Heads};
use bytes::{BufMut, BytesMut};
use conversion::{put_header, put_property};
use model::{Address, Message, Persistence, Property, Value};

/// What decides how headers are written, known before the first is.
#[derive(Default)]
struct Said<'m> {
    destination: Option<Value<'m>>,
    reply_to: Option<Value<'m>>,
    reply_to_spelling: Option<Value<'m>>,
    has_priority: bool,
    has_expiry: bool,
}

impl<'m> Said<'m> {
    fn take(&mut self, field: Field<'m>) {
        match field {
            Field::Property(Property::Destination, value) => self.destination = Some(value),
            Field::Property(Property::ReplyTo, value) => self.reply_to = Some(value),
            Field::Property(Property::ReplyToSpelling, value) => {
                self.reply_to_spelling = Some(value);
            }
            Field::Property(Property::Priority, _) => self.has_priority = true,
            Field::Property(Property::Expiration, _) => self.has_expiry = true,
            Field::Property(_, _) | Field::Header(_, _) => {}
        }
    }
}

/// Appends the header lines of a message that came by another protocol, by the tables of `conversion`.
pub fn put_foreign_headers(
    buffer: &mut BytesMut,
    version: Version,
    heads: Heads,
    message: &Message,
) {
    let reader = heads(message.envelope().dialect);
    let mut said = Said::default();
    reader.fields(message, &mut |field| said.take(field));
    let mut lines = Lines { buffer, version };
    lines.put_destination(message, said.destination.as_ref());
    lines.put_envelope(message, &said);
    lines.put_reply_to(&said);
    reader.fields(message, &mut |field| lines.put_field(&field));
}

struct Lines<'b> {
    buffer: &'b mut BytesMut,
    version: Version,
}

impl Lines<'_> {
    fn put(&mut self, name: &[u8], value: &[u8]) {
        put_escaped(self.version, Part::Name, name, self.buffer);
        self.buffer.put_u8(b':');
        put_escaped(self.version, Part::Value, value, self.buffer);
        self.buffer.put_u8(b'\n');
    }

    fn put_property(&mut self, property: Property, value: &Value<'_>) {
        let dialect = Headers(self.version);
        put_property(&dialect, property, value, &mut |name, value| {
            self.put(name, value);
        });
    }

    /// The destination in the publisher's own spelling if it leads to where the message is, else in the
    /// usual one.
    fn put_destination(&mut self, message: &Message, spelling: Option<&Value<'_>>) {
        let here = Address::new(message.exchange(), message.key());
        let usual = spelled(&here.exchange, &here.key);
        let Some(value) = spelling else {
            return self.put(b"destination", &usual);
        };
        match usable(spelling, &here, &usual) {
            Some(spelling) => self.put(b"destination", spelling),
            None => {
                self.put(b"destination", &usual);
                self.put_property(Property::Destination, value);
            }
        }
    }

    fn put_envelope(&mut self, message: &Message, said: &Said<'_>) {
        let envelope = message.envelope();
        if envelope.persistence == Persistence::Persistent {
            self.put_property(Property::Persistence, &Value::Bool(true));
        }
        if !said.has_priority && envelope.priority > 0 {
            let priority = Value::Integer(envelope.priority.into());
            self.put_property(Property::Priority, &priority);
        }
        if let (Some(ttl), false) = (envelope.ttl_ms, said.has_expiry) {
            self.put_property(Property::Expiration, &Value::Integer(ttl.into()));
        }
    }

    fn put_reply_to(&mut self, said: &Said<'_>) {
        let spelling = said.reply_to_spelling.as_ref();
        let address = said.reply_to.as_ref().and_then(|value| match value {
            Value::Text(text) => Address::parse(text),
            Value::Void
            | Value::Bool(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Opaque(_) => None,
        });
        let mut is_spelling_put = false;
        if let (Some(address), Some(value)) = (&address, &said.reply_to) {
            let usual = spelled_reply_to(address);
            if let Some(spelling) = usable(spelling, address, &usual) {
                self.put(b"reply-to", spelling);
                is_spelling_put = true;
            } else if address_of(&usual).as_ref() == Some(address) {
                self.put(b"reply-to", &usual);
            } else {
                self.put_property(Property::ReplyTo, value);
            }
        }
        if let (Some(value), false) = (spelling, is_spelling_put) {
            self.put_property(Property::ReplyToSpelling, value);
        }
    }

    fn put_field(&mut self, field: &Field<'_>) {
        match field {
            Field::Property(
                Property::Destination
                | Property::ReplyTo
                | Property::ReplyToSpelling
                | Property::Persistence,
                _,
            ) => {}
            Field::Property(property, value) => self.put_property(*property, value),
            Field::Header(name, value) => {
                let dialect = Headers(self.version);
                put_header(&dialect, name, value, &mut |name, value| {
                    self.put(name, value);
                });
            }
        }
    }
}

/// A spelling that leads to an address, is not the usual one, and can be written.
fn usable<'v>(
    spelling: Option<&'v Value<'_>>,
    address: &Address<'_>,
    usual: &[u8],
) -> Option<&'v [u8]> {
    let Some(Value::Text(text)) = spelling else {
        return None;
    };
    let leads_there = address_of(text).as_ref() == Some(address);
    (leads_there && **text != *usual).then_some(&**text)
}
