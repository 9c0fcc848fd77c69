//! What headers of STOMP can hold and say, for conversion to and from other protocols.

use super::address::Address;
use super::destination::{TOPIC_EXCHANGE, percent_encode};
use super::value::parse_number;
use crate::Version;
use crate::frame::HeaderName;
use conversion::{Column, HeaderDialect};
use memchr::{memchr, memchr2};
use model::{Envelope, Persistence, Property, Value};

/// The headers of one version.
#[derive(Clone, Copy, Debug)]
pub(super) struct Headers(pub(super) Version);

impl HeaderDialect for Headers {
    fn column(&self) -> Column {
        Column::Stomp
    }

    fn spells_name(&self, name: &[u8]) -> bool {
        let has_colon = || memchr(b':', name).is_some();
        !name.is_empty() && self.spells_value(name) && (self.0 != Version::V10 || !has_colon())
    }

    // A NUL is allowed, but clients look for the end of a frame by it.
    fn spells_value(&self, value: &[u8]) -> bool {
        let is_utf8 = || std::str::from_utf8(value).is_ok();
        memchr(0, value).is_none()
            && match self.0 {
                // There are no escapes, and values are read without padding.
                Version::V10 => {
                    memchr2(b'\n', b'\r', value).is_none() && value.trim_ascii() == value
                }
                Version::V11 => memchr(b'\r', value).is_none() && is_utf8(),
                Version::V12 => is_utf8(),
            }
    }

    fn is_taken(&self, name: &[u8], value: &[u8]) -> bool {
        match name {
            b"destination" => true,
            b"reply-to" => address_of(value).is_some(),
            // It would end the subscription of a client that browses.
            b"browser" => value == b"end",
            name => is_read(HeaderName::from_bytes(name), value),
        }
    }

    fn says(&self, property: Property, value: &[u8]) -> bool {
        // What `reply-to` can spell is never said by a carrier.
        property != Property::ReplyTo
            || model::Address::parse(value).is_some_and(|address| !is_spelled(&address))
    }

    fn agrees(&self, property: Property, _value: &Value<'_>, envelope: &Envelope) -> bool {
        match property {
            Property::Persistence | Property::Assurance => {
                envelope.persistence == Persistence::Persistent
            }
            // A dead letter does not expire any more.
            Property::Expiration => envelope.ttl_ms.is_some(),
            Property::ContentType
            | Property::ContentEncoding
            | Property::CorrelationId
            | Property::MessageId
            | Property::ReplyTo
            | Property::Timestamp
            | Property::Type
            | Property::UserId
            | Property::AppId
            | Property::GroupId
            | Property::Destination
            | Property::Priority
            | Property::GroupSequence
            | Property::PayloadFormat
            | Property::Retained
            | Property::ReplyToSpelling => true,
        }
    }
}

/// Whether the server writes such a header itself, or would refuse a SEND that has it.
fn is_read(name: HeaderName, value: &[u8]) -> bool {
    // What is right in these says a property; schedules are never right.
    let is_refused = matches!(
        name,
        HeaderName::Priority | HeaderName::Expiration | HeaderName::Schedule
    );
    let is_number = matches!(
        name,
        HeaderName::Expires | HeaderName::Delay | HeaderName::ScheduledDelay
    );
    name.is_servers() || is_refused || is_number && parse_number(value).is_none()
}

/// The one exchange and key that a destination leads to, if it does.
pub(super) fn address_of(destination: &[u8]) -> Option<model::Address<'static>> {
    let address = Address::parse(destination).ok()?;
    let (exchange, key) = address.only()?.route()?;
    Some(model::Address {
        exchange: exchange.to_vec().into(),
        key: key.to_vec().into(),
    })
}

/// Whether there is a destination that leads to this address.
pub(super) fn is_spelled(address: &model::Address<'_>) -> bool {
    address_of(&spelled_reply_to(address)).as_ref() == Some(address)
}

/// The usual spelling of where answers go. It is that of a destination, but for queues: a SEND to `/queue/NAME` would
/// make the queue, or be refused where it is another connection's own, as those for answers mostly are.
pub(super) fn spelled_reply_to(address: &model::Address<'_>) -> Vec<u8> {
    if !address.exchange.is_empty() {
        return spelled(&address.exchange, &address.key);
    }
    let mut text = b"/reply-queue/".to_vec();
    percent_encode(&address.key, &[], &mut text);
    text
}

/// The usual spelling of where a message is published to; no version escapes it.
pub(super) fn spelled(exchange: &[u8], key: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(16 + exchange.len() + key.len());
    match exchange {
        b"" => text.extend_from_slice(b"/queue/"),
        TOPIC_EXCHANGE => text.extend_from_slice(b"/topic/"),
        other => {
            text.extend_from_slice(b"/exchange/");
            percent_encode(other, b"/", &mut text);
            text.push(b'/');
        }
    }
    percent_encode(key, &[], &mut text);
    text
}
