//! PUBLISH, and the will of CONNECT, into a message.

use super::topic::put_key;
use super::user_properties::put_carried;
use super::{FLAG_QOS, FLAG_RETAIN};
use crate::Version;
use crate::frame::{Properties, PropertyKind, PropertyList, Publish, Qos, Will};
use model::{Dialect, Envelope, Message, Parts, Persistence, Retain};

/// The exchange that topics lead to.
const TOPIC_EXCHANGE: &[u8] = b"amq.topic";

/// [`Properties::forwarded`] leaves two properties out, each there once at most.
const PIECES_MAX: usize = 3;

/// Properties of a will that its message does not carry.
const NOT_OF_THE_MESSAGE: [PropertyKind; 2] = [
    PropertyKind::WillDelayInterval,
    PropertyKind::MessageExpiryInterval,
];

/// The message that a PUBLISH carries, to this key.
pub(crate) fn message_of(version: Version, publish: &Publish<'_>, key: &[u8]) -> Message {
    let mut pieces: [&[u8]; PIECES_MAX] = [&[]; PIECES_MAX];
    for (place, piece) in pieces.iter_mut().zip(publish.properties.forwarded()) {
        *place = piece;
    }
    Message::new(&Parts {
        envelope: envelope_of(
            version,
            (publish.qos.qos(), publish.retain),
            &publish.properties,
        ),
        exchange: TOPIC_EXCHANGE,
        key,
        annotations: &[],
        head: &pieces,
        body: publish.payload,
    })
}

/// The message that is published if the connection ends badly.
pub(crate) fn will_of(version: Version, will: &Will<'_>) -> Message {
    let mut head = PropertyList::new();
    for property in will.properties.iter() {
        if !NOT_OF_THE_MESSAGE.contains(&property.kind()) {
            head.push(property);
        }
    }
    let mut key = Vec::new();
    put_key(will.topic.as_bytes(), &mut key);
    Message::new(&Parts {
        envelope: envelope_of(version, (will.qos, will.retain), &will.properties),
        exchange: TOPIC_EXCHANGE,
        key: &key,
        annotations: &[],
        head: &[head.as_properties().as_bytes()],
        body: will.payload.as_bytes(),
    })
}

fn envelope_of(
    version: Version,
    (qos, retain): (Qos, bool),
    properties: &Properties<'_>,
) -> Envelope {
    let dialect = match version {
        Version::V31 | Version::V311 => Dialect::Mqtt3,
        Version::V5 => Dialect::Mqtt5,
    };
    let persistence = match qos {
        Qos::AtMostOnce => Persistence::Transient,
        Qos::AtLeastOnce | Qos::ExactlyOnce => Persistence::Persistent,
    };
    let expiry = properties.message_expiry_interval();
    let (retain_flag, retain) = match retain {
        true => (FLAG_RETAIN, Retain::Keep),
        false => (0, Retain::No),
    };
    let mut envelope = Envelope {
        dialect_flags: qos.bits() & FLAG_QOS | retain_flag,
        retain,
        ttl_ms: expiry.map(|seconds| u64::from(seconds) * 1000),
        ..Envelope::new(dialect, persistence)
    };
    put_carried(&mut envelope, properties);
    envelope
}
