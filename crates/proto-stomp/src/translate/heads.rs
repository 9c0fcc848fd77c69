//! Looking into the heads of STOMP's messages.

use crate::Version;
use crate::escape::unescape;
use broker_api::HeadReader;
use memchr::{memchr, memchr2};
use model::{Message, Property, Value};
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
            Property::Timestamp => {
                let value = find(message, b"timestamp")?;
                let number: i64 = std::str::from_utf8(&value).ok()?.parse().ok()?;
                Some(Value::Integer(i128::from(number)))
            }
            Property::Type => text(b"type").or_else(|| text(b"JMSType")),
            Property::UserId => text(b"user-id"),
            Property::AppId => text(b"app-id"),
            Property::GroupId => text(b"JMSXGroupID"),
            Property::Destination => text(b"destination"),
        }
    }
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
        return Some(match version {
            Version::V10 => Cow::Borrowed(value.trim_ascii()),
            Version::V11 | Version::V12 if !has_escapes => Cow::Borrowed(value),
            Version::V11 | Version::V12 => unescape(version, value),
        });
    }
    None
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
