//! A message into MESSAGE.

use super::FLAG_PLAIN;
use super::deaths::put_deaths;
use super::foreign::put_foreign_headers;
use crate::Version;
use crate::escape::{Part, put_escaped, unescape};
use crate::render::put_number;
use broker_api::{Delivery, Heads, Wire};
use bytes::{BufMut, BytesMut};
use memchr::memchr;
use model::{ConnectionId, SubscriptionId};

/// Bytes of a MESSAGE beyond its opening, head and body: names and numbers, rounded up.
const FRAME_BYTES: usize = 128;

/// How every MESSAGE of one subscription begins, rendered once.
#[derive(Debug)]
pub(crate) struct Opening {
    /// `MESSAGE`, the subscription, and the message id up to the tag.
    bytes: Box<[u8]>,
    /// The id of a delivery up to the tag is the last part of `bytes` and begins here.
    id_at: usize,
    /// Whether there is an `ack` header (1.2, if the client settles).
    has_ack: bool,
}

impl Opening {
    /// `spelled_id` is the subscription's id as the version spells it; none if the client gave none.
    pub(crate) fn new(
        spelled_id: Option<&[u8]>,
        connection: ConnectionId,
        subscription: SubscriptionId,
        has_ack: bool,
    ) -> Self {
        let mut bytes = BytesMut::new();
        bytes.put_slice(b"MESSAGE\n");
        if let Some(id) = spelled_id {
            bytes.put_slice(b"subscription:");
            bytes.put_slice(id);
            bytes.put_u8(b'\n');
        }
        bytes.put_slice(b"message-id:");
        let id_at = bytes.len();
        put_number(&mut bytes, connection.0);
        bytes.put_u8(b'-');
        put_number(&mut bytes, u64::from(subscription.0));
        bytes.put_u8(b'-');
        Self {
            bytes: (&*bytes).into(),
            id_at,
            has_ack,
        }
    }
}

/// The MESSAGE that ends a subscription which browses, as ActiveMQ writes it.
#[derive(Debug)]
pub(crate) struct BrowserEnd(Box<[u8]>);

impl BrowserEnd {
    /// `spelled_id` as for [`Opening::new`]; `destination` is the SUBSCRIBE's, as it was spelled.
    pub(crate) fn new(spelled_id: Option<&[u8]>, destination: &[u8]) -> Self {
        let mut bytes = BytesMut::new();
        bytes.put_slice(b"MESSAGE\n");
        if let Some(id) = spelled_id {
            bytes.put_slice(b"subscription:");
            bytes.put_slice(id);
            bytes.put_u8(b'\n');
        }
        bytes.put_slice(b"browser:end\nmessage-id:0\ndestination:");
        bytes.put_slice(destination);
        bytes.put_slice(b"\ncontent-length:0\n\n\0");
        Self((&*bytes).into())
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Appends the MESSAGE frame of one delivery. `tag` is its number within the subscription.
///
/// The head of a message that is plain or of the reader's version goes out as it came in. `heads` reads
/// those of other protocols.
pub(crate) fn put_message(
    wire: &mut Wire,
    version: Version,
    heads: Heads,
    opening: &Opening,
    tag: u64,
    delivery: &Delivery,
) {
    let message = &delivery.message;
    let mut digits = itoa::Buffer::new();
    let tag = digits.format(tag).as_bytes();
    let head = message.head();
    let buffer = wire.buffer();
    buffer.reserve(opening.bytes.len() + head.len() + FRAME_BYTES);
    buffer.put_slice(&opening.bytes);
    buffer.put_slice(tag);
    if opening.has_ack {
        buffer.put_slice(b"\nack:");
        buffer.put_slice(&opening.bytes[opening.id_at..]);
        buffer.put_slice(tag);
    }
    if delivery.redelivered {
        buffer.put_slice(b"\nredelivered:true");
    }
    if delivery.delivery_count > 0 {
        buffer.put_slice(b"\nx-delivery-count:");
        put_number(buffer, u64::from(delivery.delivery_count));
    }
    buffer.put_slice(b"\ncontent-length:");
    put_number(buffer, message.body().len() as u64);
    buffer.put_u8(b'\n');
    if !message.annotations().is_empty() {
        put_deaths(buffer, version, message.annotations());
    }
    let envelope = message.envelope();
    match Version::of_dialect(envelope.dialect) {
        Some(from) if from == version || envelope.dialect_flags & FLAG_PLAIN != 0 => {
            buffer.put_slice(head);
        }
        Some(from) => put_converted(buffer, from, version, head),
        None => put_foreign_headers(buffer, version, heads, message),
    }
    buffer.put_u8(b'\n');
    wire.put_body(message);
    wire.buffer().put_u8(0);
}

/// Appends header lines, each name and value read as `from` and spelled as `to`.
fn put_converted(buffer: &mut BytesMut, from: Version, to: Version, head: &[u8]) {
    for line in head.split_inclusive(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let (name, value) = match memchr(b':', line) {
            Some(colon) => (&line[..colon], Some(&line[colon + 1..])),
            None => (line, None),
        };
        put_escaped(to, Part::Name, &unescape(from, name), buffer);
        buffer.put_u8(b':');
        if let Some(value) = value {
            put_escaped(to, Part::Value, &unescape(from, value), buffer);
        }
        buffer.put_u8(b'\n');
    }
}

#[cfg(test)]
mod tests;
