//! Clients that publish again what they got, as the sessions of both protocols would make messages of it.

use broker_api::{Field, HeadReader};
use bytes::BytesMut;
use conversion::Column;
use model::{Dialect, Envelope, Message, Parts, Persistence, Property, Value};
use proto_amqp091::{
    AmqpHeads, Properties, put_foreign_properties as put_foreign_properties_of_amqp,
};
use proto_mqtt::{MqttHeads, Packet, PublishHead, PublishQos, put_foreign_properties};
use proto_stomp::{HeaderName, StompHeads, Version, put_escaped, put_foreign_headers};
use proto_zmq::ZmqHeads;

pub(crate) const VERSIONS: [Version; 3] = [Version::V10, Version::V11, Version::V12];

/// `amq.topic` of the broker.
pub(crate) const TOPICS: &[u8] = b"amq.topic";

pub(crate) fn heads(dialect: Dialect) -> &'static dyn HeadReader {
    match dialect {
        Dialect::Stomp10 | Dialect::Stomp11 | Dialect::Stomp12 => &StompHeads,
        Dialect::Mqtt3 | Dialect::Mqtt5 => &MqttHeads,
        Dialect::Amqp091 => &AmqpHeads,
        Dialect::Zmq => &ZmqHeads,
    }
}

pub(crate) fn message(envelope: Envelope, key: &[u8], head: &[u8]) -> Message {
    Message::new(&Parts {
        envelope,
        exchange: TOPICS,
        key,
        annotations: &[],
        head: &[head],
        body: b"body",
    })
}

/// The message of a SEND with these header lines, which are spelled as the version does.
pub(crate) fn sent(version: Version, key: &[u8], lines: &[u8]) -> Message {
    let frame = [b"SEND\n", lines, b"\nbody\0"].concat();
    let mut codec = proto_stomp::Codec::new(proto_stomp::Limits {
        head_bytes_max: 1 << 20,
        header_bytes_max: 1 << 20,
        ..proto_stomp::Limits::default()
    });
    codec.set_version(version);
    let decoded = codec.decode(&frame).unwrap();
    let frame = decoded.frame.unwrap();
    let persistence = match frame.value(HeaderName::Persistent).as_deref() {
        Some(b"true") => Persistence::Persistent,
        _ => Persistence::Transient,
    };
    let number = |name| {
        let value = frame.value(name)?;
        std::str::from_utf8(&value).unwrap().parse::<u64>().ok()
    };
    let mut envelope = Envelope::new(version.dialect(), persistence);
    envelope.priority = number(HeaderName::Priority)
        .and_then(|priority| u8::try_from(priority).ok())
        .unwrap_or(0);
    envelope.ttl_ms = number(HeaderName::Expiration);
    let mut head = Vec::new();
    for (name, value) in frame.headers() {
        assert!(!HeaderName::from_bytes(name).is_servers(), "{name:?}");
        head.extend([name, b":", value, b"\n"].concat());
    }
    message(envelope, key, &head)
}

/// The header lines that a STOMP client gets.
pub(crate) fn lines(version: Version, message: &Message) -> Vec<u8> {
    let mut lines = BytesMut::new();
    put_foreign_headers(&mut lines, version, heads, message);
    lines.to_vec()
}

/// The properties that an MQTT client gets, without the Message Expiry Interval; checked by the codec.
pub(crate) fn properties(message: &Message) -> Vec<u8> {
    let mut properties = BytesMut::new();
    put_foreign_properties(&mut properties, heads, message);
    let mut packet = BytesMut::new();
    let head = PublishHead {
        version: proto_mqtt::Version::V5,
        dup: false,
        qos: PublishQos::AtMostOnce,
        retain: false,
        topic: b"t",
        properties: proto_mqtt::HeadProperties {
            forwarded: &properties,
            ..proto_mqtt::HeadProperties::default()
        },
        payload_len: 0,
    };
    head.put(&mut packet).unwrap();
    let limits = proto_mqtt::Limits {
        property_bytes_max: usize::MAX,
        ..proto_mqtt::Limits::default()
    };
    let codec = proto_mqtt::Codec::of_client(limits, proto_mqtt::Version::V5);
    let decoded = codec.decode(&packet).unwrap();
    let proto_mqtt::Decoded::Packet(Packet::Publish(publish), _) = decoded else {
        panic!("{decoded:?}");
    };
    let pieces: Vec<_> = publish.properties.forwarded().collect();
    assert_eq!(
        pieces.concat(),
        &properties[..],
        "all of it belongs to the message"
    );
    properties.to_vec()
}

/// The message that an MQTT client publishes, which got this one in full QoS.
pub(crate) fn through_mqtt(from: &Message) -> Message {
    let reader = heads(from.envelope().dialect);
    let qos = match from.envelope().persistence {
        Persistence::Transient => 0,
        Persistence::Persistent => match reader.property(from, Property::Assurance) {
            Some(_) => 2,
            None => 1,
        },
    };
    let retain = match reader.property(from, Property::Retained) {
        Some(_) => 4,
        None => 0,
    };
    let ttl = from.envelope().ttl_ms;
    let mut envelope = Envelope::new(Dialect::Mqtt5, from.envelope().persistence);
    envelope.dialect_flags = qos | retain;
    envelope.ttl_ms = ttl.map(|ttl| ttl.div_ceil(1000) * 1000);
    message(envelope, from.key(), &properties(from))
}

/// The message that a STOMP client sends, which got this one.
pub(crate) fn through_stomp(version: Version, from: &Message) -> Message {
    sent(version, from.key(), &lines(version, from))
}

/// Header lines in a version's spelling.
pub(crate) fn spelled(version: Version, headers: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let mut lines = BytesMut::new();
    for (name, value) in headers {
        put_escaped(version, proto_stomp::Part::Name, name, &mut lines);
        lines.extend_from_slice(b":");
        put_escaped(version, proto_stomp::Part::Value, value, &mut lines);
        lines.extend_from_slice(b"\n");
    }
    lines.to_vec()
}

/// What a message says: its properties, sorted, and its headers in their order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) properties: Vec<(Property, Value<'static>)>,
    pub(crate) headers: Vec<(Vec<u8>, Value<'static>)>,
}

impl Said {
    pub(crate) fn by(message: &Message) -> Self {
        let mut said = Self {
            properties: Vec::new(),
            headers: Vec::new(),
        };
        let reader = heads(message.envelope().dialect);
        reader.fields(message, &mut |field| match field {
            // The envelope says it.
            Field::Property(Property::Persistence, _) => {}
            Field::Property(property, value) => {
                said.properties.push((property, value.into_owned()));
            }
            Field::Header(name, value) => {
                said.headers.push((name.into_owned(), value.into_owned()));
            }
        });
        said.properties.sort_by_key(|(property, _)| *property);
        let count = said.properties.len();
        said.properties.dedup_by_key(|(property, _)| *property);
        assert_eq!(said.properties.len(), count, "each is said once");
        said
    }

    /// The same without the expiry, which is in the envelope, too: one protocol must say it in the head, the
    /// other need not, and rounds it.
    pub(crate) fn but_expiry(message: &Message) -> Self {
        let mut said = Self::by(message);
        let properties = &mut said.properties;
        properties.retain(|(property, _)| *property != Property::Expiration);
        said
    }
}

/// The names of headers that mean something in one protocol or the other.
pub(crate) fn known_names() -> Vec<Vec<u8>> {
    let rows = conversion::TABLE.iter();
    let names = rows.flat_map(|row| Column::ALL.map(|column| row.cell(column).header()));
    let mut names: Vec<_> = names
        .flatten()
        .map(|name| name.as_bytes().to_vec())
        .collect();
    names.sort();
    names.dedup();
    names
}

/// The properties that an AMQP client gets, checked by the codec.
pub(crate) fn amqp_properties(message: &Message) -> Vec<u8> {
    let mut properties = BytesMut::new();
    put_foreign_properties_of_amqp(&mut properties, heads, message);
    Properties::new(&properties).unwrap();
    properties.to_vec()
}

/// The message that an AMQP client publishes with these properties.
pub(crate) fn published(key: &[u8], properties: &[u8]) -> Message {
    let list = Properties::new(properties).unwrap().fields();
    let persistence = match list.delivery_mode {
        Some(2) => Persistence::Persistent,
        _ => Persistence::Transient,
    };
    let mut envelope = Envelope::new(Dialect::Amqp091, persistence);
    envelope.priority = list.priority.unwrap_or(0);
    envelope.ttl_ms = list.expiration.map(|text| {
        let text = std::str::from_utf8(text.as_bytes()).unwrap();
        text.parse().unwrap()
    });
    message(envelope, key, properties)
}

/// The message that an AMQP client publishes, which got this one.
pub(crate) fn through_amqp(from: &Message) -> Message {
    published(from.key(), &amqp_properties(from))
}
