//! Looking into the heads of STOMP's messages.

use super::headers::{Headers, address_of, spelled, spelled_reply_to};
use crate::Version;
use crate::escape::unescape;
use broker_api::{Field, HeadReader};
use conversion::{Column, Reading, Row, said};
use memchr::{memchr, memchr2};
use model::{Message, Persistence, Property, Value};
use std::borrow::Cow;

/// Reads headers and properties of messages that came by STOMP, of any version. All values but a
/// timestamp are text.
///
/// Of a 1.0 head, padding around values is not read, since the specification's own examples have it. A
/// message of another dialect has no header and no property here.
#[derive(Clone, Copy, Debug, Default)]
pub struct StompHeads;

impl HeadReader for StompHeads {
    fn header<'m>(&self, message: &'m Message, name: &[u8]) -> Option<Value<'m>> {
        find(message, name).map(Value::Text)
    }

    fn property<'m>(&self, message: &'m Message, property: Property) -> Option<Value<'m>> {
        let text = |name: &[u8]| find(message, name).map(Value::Text);
        match property {
            Property::ContentType => text(b"content-type"),
            Property::ContentEncoding => text(b"content-encoding"),
            Property::CorrelationId => text(b"correlation-id"),
            // `message-id` is the server's.
            Property::MessageId => text(b"amqp-message-id"),
            Property::ReplyTo => text(b"reply-to"),
            Property::Timestamp => of_table(message, property),
            Property::Type => text(b"type").or_else(|| text(b"JMSType")),
            Property::UserId => text(b"user-id"),
            Property::AppId => text(b"app-id"),
            Property::GroupId => text(b"JMSXGroupID"),
            Property::Destination => text(b"destination"),
            Property::Persistence => Some(Value::Bool(is_persistent(message))),
            Property::Priority => Some(Value::Integer(message.envelope().priority.into())),
            Property::Expiration => message
                .envelope()
                .ttl_ms
                .map(|ttl| Value::Integer(ttl.into())),
            Property::GroupSequence
            | Property::PayloadFormat
            | Property::Retained
            | Property::Assurance => of_table(message, property),
            // It is in `reply-to`.
            Property::ReplyToSpelling => None,
        }
    }

    fn fields<'m>(&self, message: &'m Message, each: &mut dyn FnMut(Field<'m>)) {
        let Some(version) = Version::of_dialect(message.envelope().dialect) else {
            return;
        };
        let headers = Headers(version);
        let mut reading = Reading::new(&headers, message.envelope(), each);
        let mut has_destination = give_destination(message, &mut reading);
        let mut has_reply_to = give_reply_to(message, &mut reading);
        for line in message.head().split(|byte| *byte == b'\n') {
            let Some(colon) = memchr(b':', line) else {
                continue;
            };
            let name = unescape(version, &line[..colon]);
            // The first of these has been given.
            let is_given = match &*name {
                b"destination" => std::mem::take(&mut has_destination),
                b"reply-to" => std::mem::take(&mut has_reply_to),
                _ => false,
            };
            if !is_given {
                reading.header(name, value_of(version, &line[colon + 1..]));
            }
        }
        reading.finish();
    }
}

/// Gives the publisher's destination if it is not spelled as usual. Returns whether there is one.
fn give_destination<'m>(message: &'m Message, reading: &mut Reading<'_, 'm>) -> bool {
    let Some(destination) = find(message, b"destination") else {
        return false;
    };
    if *destination != *spelled(message.exchange(), message.key()) {
        reading.native(Property::Destination, Value::Text(destination));
    }
    true
}

/// Gives the address that `reply-to` leads to, and its spelling if that is not the usual one. Returns
/// whether it leads anywhere; if not, it is a header like others.
fn give_reply_to<'m>(message: &'m Message, reading: &mut Reading<'_, 'm>) -> bool {
    let Some(reply_to) = find(message, b"reply-to") else {
        return false;
    };
    let Some(address) = address_of(&reply_to) else {
        return false;
    };
    reading.native(Property::ReplyTo, Value::Text(address.spell().into()));
    if *reply_to != *spelled_reply_to(&address) {
        reading.native(Property::ReplyToSpelling, Value::Text(reply_to));
    }
    true
}

/// The value of a property that a header of the table says, a number as such.
fn of_table(message: &Message, property: Property) -> Option<Value<'_>> {
    let row = Row::of(property);
    let name = row.cell(Column::Stomp).header()?;
    find(message, name.as_bytes())?;
    said(&StompHeads, message, row)
}

fn is_persistent(message: &Message) -> bool {
    message.envelope().persistence == Persistence::Persistent
}

/// The value of the first header with this name. Allocates only if there is something to unescape.
fn find<'m>(message: &'m Message, name: &[u8]) -> Option<Cow<'m, [u8]>> {
    let version = Version::of_dialect(message.envelope().dialect)?;
    let head = message.head();
    // Such a name is not in the head as it reads.
    let is_spelled_anew = memchr2(b':', b'\\', name).is_some();
    let has_escapes = version != Version::V10 && memchr(b'\\', head).is_some();
    let mut rest = head;
    while !rest.is_empty() {
        let end = memchr(b'\n', rest).unwrap_or(rest.len());
        let line = &rest[..end];
        rest = rest.get(end + 1..).unwrap_or_default();
        let value = match line.strip_prefix(name) {
            Some([b':', value @ ..]) if !is_spelled_anew => value,
            _ if !has_escapes && !is_spelled_anew => continue,
            _ => {
                let Some(colon) = memchr(b':', line) else {
                    continue;
                };
                if *unescape(version, &line[..colon]) != *name {
                    continue;
                }
                &line[colon + 1..]
            }
        };
        return Some(match has_escapes {
            true => value_of(version, value),
            false => Cow::Borrowed(unpadded(version, value)),
        });
    }
    None
}

/// The value that is spelled behind a colon.
fn value_of(version: Version, spelled: &[u8]) -> Cow<'_, [u8]> {
    unescape(version, unpadded(version, spelled))
}

/// The value without padding, which 1.0's examples have.
fn unpadded(version: Version, spelled: &[u8]) -> &[u8] {
    match version {
        Version::V10 => spelled.trim_ascii(),
        Version::V11 | Version::V12 => spelled,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Dialect, Envelope, Parts, Persistence};

    fn message(dialect: Dialect, head: &str) -> Message {
        Message::new(&Parts {
            envelope: Envelope::new(dialect, Persistence::Transient),
            exchange: b"",
            key: b"k",
            annotations: &[],
            head: &[head.as_bytes()],
            body: b"timestamp:1\n",
        })
    }

    #[test]
    fn the_first_header_of_a_name_counts() {
        let check = |dialect, head: &str, name: &str, expected: Option<&str>| {
            let message = message(dialect, head);
            let found = StompHeads.header(&message, name.as_bytes());
            assert_eq!(found, expected.map(Value::text), "{head}");
        };
        let twelve = Dialect::Stomp12;
        check(twelve, "ab:1\na:2\na:3\n", "a", Some("2"));
        check(twelve, "ab:1\na:2\n", "b", None);
        check(twelve, "a: x:y \n", "a", Some(" x:y "));
        check(twelve, "a:\n", "a", Some(""));
        check(twelve, "", "a", None);
        check(twelve, "a\\cb:1\\n2\\r\n", "a:b", Some("1\n2\r"));
        check(twelve, "a\\cb:1\n", "a\\cb", None);
        check(twelve, "a:b:1\n", "a:b", None);
        check(Dialect::Stomp11, "x\\\\:1\\c2\n", "x\\", Some("1:2"));
        check(Dialect::Stomp10, "a\\c: 1\\n \n", "a\\c", Some("1\\n"));
    }

    #[test]
    fn properties_have_headers_of_their_own() {
        let head = "content-type:ct\ncontent-encoding:ce\ncorrelation-id:ci\namqp-message-id:mi\n\
                    reply-to:rt\ntimestamp:-5\ntype:ty\nJMSType:jt\nuser-id:ui\napp-id:ai\n\
                    JMSXGroupID:gi\ndestination:/queue/d\nmessage-id:not\n";
        let message = message(Dialect::Stomp12, head);
        let check = |property, expected: &str| {
            let found = StompHeads.property(&message, property);
            assert_eq!(found, Some(Value::text(expected)), "{property:?}");
        };
        check(Property::ContentType, "ct");
        check(Property::ContentEncoding, "ce");
        check(Property::CorrelationId, "ci");
        check(Property::MessageId, "mi");
        check(Property::ReplyTo, "rt");
        check(Property::Type, "ty");
        check(Property::UserId, "ui");
        check(Property::AppId, "ai");
        check(Property::GroupId, "gi");
        check(Property::Destination, "/queue/d");
        let timestamp = StompHeads.property(&message, Property::Timestamp);
        assert_eq!(timestamp, Some(Value::Integer(-5)));
    }

    #[test]
    fn what_is_not_there_or_no_number_is_none() {
        let message = message(Dialect::Stomp12, "JMSType:jt\ntimestamp:noon\n");
        assert_eq!(StompHeads.property(&message, Property::Timestamp), None);
        assert_eq!(StompHeads.property(&message, Property::UserId), None);
        let kind = StompHeads.property(&message, Property::Type);
        assert_eq!(kind, Some(Value::text("jt")));
    }
}
