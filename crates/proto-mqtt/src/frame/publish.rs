//! PUBLISH: a message on its way. The one packet that there are millions of.

use crate::Version;
use crate::encode::{EncodeError, PACKET_KIND_SHIFT, put_fixed_header, remaining_len};
use crate::frame::properties::{packed_len, put_len};
use crate::frame::property::{Place, Property, PropertyKind};
use crate::frame::{
    PacketKind, Properties, PublishQos, Qos, SubscriptionIdentifier, TEXT_BYTES_MAX, TopicName,
    variable_int,
};
use crate::read::Reader;
use crate::rules::Rules;
use crate::violation::{Field, Problem};
use bytes::{BufMut as _, BytesMut};
use std::fmt;
use std::num::NonZeroU16;
use std::ops::Range;

const RETAIN: u8 = 0x01;
const QOS_SHIFT: u32 = 1;
const QOS: u8 = 0x03 << QOS_SHIFT;
const DUP: u8 = 0x08;

/// PUBLISH, borrowed from the input.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Publish<'a> {
    /// Whether it may have been sent before; never with QoS 0. [MQTT-3.3.1-2]
    pub dup: bool,
    /// How surely it is handed over, and the packet identifier.
    pub qos: PublishQos,
    /// To a server: whether the message is to be retained. To a client: whether it was.
    pub retain: bool,
    /// Where it goes; none if a Topic Alias, which is there then, says it alone.
    pub topic: Option<TopicName<'a>>,
    /// In 5.0.
    pub properties: Properties<'a>,
    /// What it says.
    pub payload: &'a [u8],
}

/// What is wrong with the flags of a PUBLISH. It is known with the first byte.
#[inline]
pub(crate) fn flags_problem(flags: u8, version: Version) -> Option<Problem> {
    // [MQTT-3.3.1-4]
    if flags & QOS == QOS {
        return Some(Problem::PublishQos { flags });
    }
    // [MQTT-3.3.1-2]; in 3.1 the flag means nothing then.
    let is_in_vain = flags & (QOS | DUP) == DUP;
    (is_in_vain && version != Version::V31).then_some(Problem::DupWithoutQos { flags })
}

impl<'a> Publish<'a> {
    /// Reads what stands behind the fixed header, whose flags have been checked.
    #[inline]
    pub(crate) fn read(
        flags: u8,
        mut reader: Reader<'a>,
        rules: &Rules<'_>,
    ) -> Result<Self, Problem> {
        let name = reader.counted(Field::TopicName)?;
        let qos = match Qos::from_bits((flags & QOS) >> QOS_SHIFT) {
            Some(Qos::AtMostOnce) => PublishQos::AtMostOnce,
            Some(Qos::AtLeastOnce) => PublishQos::AtLeastOnce(reader.packet_id()?),
            Some(Qos::ExactlyOnce) => PublishQos::ExactlyOnce(reader.packet_id()?),
            None => return Err(Problem::PublishQos { flags }),
        };
        let properties = rules.properties(&mut reader, Place::Publish)?;
        let topic = match name.is_empty() && rules.version.has_properties() {
            // MQTT 5.0 §3.3.2.1
            true if properties.get(PropertyKind::TopicAlias).is_none() => {
                return Err(Problem::NeitherTopicNorAlias);
            }
            true => None,
            // [MQTT-3.3.2-1], [MQTT-3.3.2-2]
            false => Some(TopicName::read(Field::TopicName, name)?),
        };
        Ok(Self {
            dup: flags & DUP != 0 && qos != PublishQos::AtMostOnce,
            qos,
            retain: flags & RETAIN != 0,
            topic,
            properties,
            payload: reader.left(),
        })
    }

    pub(crate) fn body_len(&self, version: Version) -> usize {
        self.head(version).body_len()
    }

    pub(crate) fn put(&self, version: Version, buffer: &mut BytesMut) -> Result<(), EncodeError> {
        self.head(version).put(buffer)?;
        buffer.put_slice(self.payload);
        Ok(())
    }

    fn head(&self, version: Version) -> PublishHead<'a> {
        PublishHead {
            version,
            dup: self.dup,
            qos: self.qos,
            retain: self.retain,
            topic: self.topic.map_or(&[], TopicName::as_bytes),
            properties: HeadProperties {
                forwarded: self.properties.as_bytes(),
                ..HeadProperties::default()
            },
            payload_len: self.payload.len(),
        }
    }
}

impl fmt::Debug for Publish<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publish")
            .field("dup", &self.dup)
            .field("qos", &self.qos)
            .field("retain", &self.retain)
            .field("topic", &self.topic)
            .field("properties", &self.properties)
            .field(
                "payload",
                &format_args!("\"{}\"", self.payload.escape_ascii()),
            )
            .finish()
    }
}

/// All of a PUBLISH but its payload, from pieces, for who has a message to deliver: written
/// straight into the connection's buffer, with the payload behind it, copied or by reference.
#[derive(Clone, Copy, Debug)]
pub struct PublishHead<'a> {
    /// The reader's. What 3.x cannot say is left out.
    pub version: Version,
    /// Whether it may have been sent before; left out with QoS 0.
    pub dup: bool,
    /// How surely it is handed over, and the packet identifier.
    pub qos: PublishQos,
    /// Whether it was retained.
    pub retain: bool,
    /// The topic name, which the caller answers for: it is written as it is. Empty if a Topic Alias
    /// says it alone.
    pub topic: &'a [u8],
    /// In 5.0.
    pub properties: HeadProperties<'a>,
    /// The bytes of the payload that is to follow.
    pub payload_len: usize,
}

/// The properties of a [`PublishHead`].
#[derive(Clone, Copy, Debug, Default)]
pub struct HeadProperties<'a> {
    /// What the topic is called from here on, or was called before.
    pub topic_alias: Option<NonZeroU16>,
    /// How many seconds are left of the message's life.
    pub message_expiry: Option<u32>,
    /// Those of the subscriptions that it is delivered for. [MQTT-3.3.4-3]
    pub subscription_ids: &'a [SubscriptionIdentifier],
    /// Those of its publisher: the pieces of [`Properties::forwarded`], one behind the other.
    pub forwarded: &'a [u8],
}

impl HeadProperties<'_> {
    fn len(&self) -> usize {
        let alias = self.topic_alias.map_or(0, |_| 3);
        let expiry = self.message_expiry.map_or(0, |_| 5);
        let ids = self.subscription_ids.iter();
        let ids: usize = ids.map(|id| 1 + variable_int::len_of(id.get())).sum();
        alias + expiry + ids + self.forwarded.len()
    }

    fn put(&self, buffer: &mut BytesMut) {
        if let Some(alias) = self.topic_alias {
            Property::TopicAlias(alias).put(buffer);
        }
        if let Some(seconds) = self.message_expiry {
            Property::MessageExpiryInterval(seconds).put(buffer);
        }
        for id in self.subscription_ids {
            Property::SubscriptionIdentifier(*id).put(buffer);
        }
        buffer.put_slice(self.forwarded);
    }
}

impl PublishHead<'_> {
    /// The length of the whole packet, the payload included: what a Maximum Packet Size is compared
    /// with. [MQTT-3.1.2-24]
    #[must_use]
    pub fn packet_len(&self) -> usize {
        let body = self.body_len();
        1 + remaining_len(body) + body
    }

    /// What the remaining length says.
    fn body_len(&self) -> usize {
        let packet_id = self.qos.packet_id().map_or(0, |_| 2);
        let properties = match self.version.has_properties() {
            true => packed_len(self.properties.len()),
            false => 0,
        };
        2 + self.topic.len() + packet_id + properties + self.payload_len
    }

    /// Appends the head, behind which the payload is to follow. Returns where in `buffer` the topic
    /// name stands, for who keeps names in another spelling of the same length and translates them
    /// in place.
    ///
    /// # Errors
    /// [`EncodeError`] when the topic name or the packet is longer than the protocol can
    /// say. Nothing is appended.
    pub fn put(&self, buffer: &mut BytesMut) -> Result<Range<usize>, EncodeError> {
        let topic_len = u16::try_from(self.topic.len());
        let topic_len = topic_len.map_err(|_| EncodeError::TopicTooLong {
            len: self.topic.len(),
            limit: TEXT_BYTES_MAX,
        })?;
        put_fixed_header(
            PacketKind::Publish,
            self.first_byte(),
            self.body_len(),
            buffer,
        )?;
        buffer.put_u16(topic_len);
        let topic_at = buffer.len();
        buffer.put_slice(self.topic);
        if let Some(packet_id) = self.qos.packet_id() {
            buffer.put_u16(packet_id.get());
        }
        if self.version.has_properties() {
            put_len(buffer, self.properties.len());
            self.properties.put(buffer);
        }
        Ok(topic_at..topic_at + self.topic.len())
    }

    fn first_byte(&self) -> u8 {
        let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
        let qos = self.qos.qos();
        (PacketKind::Publish as u8) << PACKET_KIND_SHIFT
            | flag(self.dup && qos != Qos::AtMostOnce, DUP)
            | qos.bits() << QOS_SHIFT
            | flag(self.retain, RETAIN)
    }
}

#[cfg(test)]
mod tests;
