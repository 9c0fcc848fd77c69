//! A message into PUBLISH.

use super::properties::put_foreign_properties;
use super::topic::{is_name, substitute, swap};
use crate::Version;
use crate::frame::{
    HeadProperties, Property, PropertyList, PublishHead, PublishQos, SubscriptionIdentifier, Text,
};
use crate::session::Alias;
use broker_api::{Heads, Wire};
use bytes::BytesMut;
use model::{Dialect, Message};
use std::fmt::Write as _;
use std::num::NonZeroU16;

/// Bytes of a PUBLISH beyond its topic, properties and payload, rounded up.
const HEAD_BYTES: usize = 32;

/// The user property that has the key of a message whose key is no topic name: in percent encoding, levels
/// separated by `.`.
const KEY_PROPERTY: &str = "x-routing-key";

/// What a PUBLISH says beyond its message.
#[derive(Debug)]
pub(crate) struct Outgoing<'a> {
    pub(crate) version: Version,
    /// Reads the heads of messages that came by other protocols.
    pub(crate) heads: Heads,
    /// Whether it may have been sent before.
    pub(crate) dup: bool,
    pub(crate) qos: PublishQos,
    pub(crate) retain: bool,
    /// What is left of the message's life, in seconds.
    pub(crate) message_expiry: Option<u32>,
    pub(crate) subscription_ids: &'a [SubscriptionIdentifier],
    /// How the topic is told.
    pub(crate) alias: Alias,
    /// The longest packet that the client takes.
    pub(crate) packet_bytes_max: usize,
}

/// Appends the PUBLISH of one delivery. Returns how its topic was told, if the client and the protocol take one
/// of its length; if not, nothing is appended.
///
/// The head of a message of the reader's dialect goes out as it came in; that of another is put together
/// in `scratch`.
#[inline]
pub(crate) fn put_publish(
    wire: &mut Wire,
    outgoing: &Outgoing<'_>,
    message: &Message,
    scratch: &mut BytesMut,
) -> Option<Alias> {
    let head = head_of(outgoing, message, scratch);
    if !is_name(message.key()) {
        return put_substituted(wire, outgoing, message, head).then_some(Alias::None);
    }
    let told = match outgoing.alias {
        Alias::None => (message.key(), None),
        Alias::Set(alias) => (message.key(), Some(alias)),
        Alias::Known(alias) => (&[][..], Some(alias)),
    };
    if put(wire, outgoing, message, told, head) {
        return Some(outgoing.alias);
    }
    // Name and alias together may be too long where the name alone is not.
    let may_do_without = matches!(outgoing.alias, Alias::Set(_));
    let is_put = may_do_without && put(wire, outgoing, message, (message.key(), None), head);
    is_put.then_some(Alias::None)
}

/// The properties that a message brings for a reader of 5.0.
#[inline]
fn head_of<'m>(
    outgoing: &Outgoing<'_>,
    message: &'m Message,
    scratch: &'m mut BytesMut,
) -> &'m [u8] {
    match message.envelope().dialect {
        Dialect::Mqtt5 => message.head(),
        Dialect::Stomp10
        | Dialect::Stomp11
        | Dialect::Stomp12
        | Dialect::Amqp091
        | Dialect::Zmq
            if outgoing.version.has_properties() =>
        {
            scratch.clear();
            put_foreign_properties(scratch, outgoing.heads, message);
            scratch
        }
        Dialect::Mqtt3
        | Dialect::Stomp10
        | Dialect::Stomp11
        | Dialect::Stomp12
        | Dialect::Amqp091
        | Dialect::Zmq => &[],
    }
}

/// A message whose key is no topic name, under a name that is one, with the key as a property.
#[cold]
fn put_substituted(
    wire: &mut Wire,
    outgoing: &Outgoing<'_>,
    message: &Message,
    head: &[u8],
) -> bool {
    let name = substitute(message.key());
    let mut key = String::new();
    for byte in message.key() {
        let is_plain = byte.is_ascii_alphanumeric() || b"-._~/".contains(byte);
        // Writing to a text does not fail.
        let _written = match is_plain {
            true => write!(key, "{}", char::from(*byte)),
            false => write!(key, "%{byte:02X}"),
        };
    }
    let mut carrier = PropertyList::new();
    if let (Ok(name), Ok(key)) = (Text::new(KEY_PROPERTY), Text::new(&key)) {
        carrier.push(Property::UserProperty(name, key));
    }
    let head = [head, carrier.as_properties().as_bytes()].concat();
    put(wire, outgoing, message, (name.as_bytes(), None), &head)
}

#[inline]
fn put(
    wire: &mut Wire,
    outgoing: &Outgoing<'_>,
    message: &Message,
    (name, topic_alias): (&[u8], Option<NonZeroU16>),
    forwarded: &[u8],
) -> bool {
    let head = PublishHead {
        version: outgoing.version,
        dup: outgoing.dup,
        qos: outgoing.qos,
        retain: outgoing.retain,
        topic: name,
        properties: HeadProperties {
            topic_alias,
            message_expiry: outgoing.message_expiry,
            subscription_ids: outgoing.subscription_ids,
            forwarded,
        },
        payload_len: message.body().len(),
    };
    // [MQTT-3.1.2-24]
    if head.packet_len() > outgoing.packet_bytes_max {
        return false;
    }
    let buffer = wire.buffer();
    buffer.reserve(HEAD_BYTES + name.len() + forwarded.len());
    let Ok(topic) = head.put(buffer) else {
        return false;
    };
    swap(&mut buffer[topic]);
    wire.put_body(message);
    true
}
