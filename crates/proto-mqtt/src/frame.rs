//! The packets. They are the same for all versions: what a version cannot say is absent, and left
//! out when a packet is written for it.

mod acks;
mod auth;
mod connack;
mod connect;
mod disconnect;
mod ping;
mod properties;
mod property;
pub(crate) mod publish;
mod qos;
mod reason;
mod suback;
mod subscribe;
pub(crate) mod text;
mod topic;
mod unsuback;
mod unsubscribe;
pub(crate) mod variable_int;

pub use acks::Ack;
pub use auth::Auth;
pub use connack::Connack;
pub use connect::{Connect, Will};
pub use disconnect::Disconnect;
pub use properties::{Forwarded, Properties, PropertyIter, PropertyList};
pub use property::{PayloadFormat, Place, Property, PropertyKind, SubscriptionIdentifier};
pub use publish::{HeadProperties, Publish, PublishHead};
pub use qos::{PacketId, PublishQos, Qos};
pub use reason::{
    AuthReason, ConnackReason, DisconnectReason, PublishReason, Reason, ReleaseReason,
    SubscribeReason, UnsubscribeReason, ViolationReason,
};
pub use suback::{Reasons, Suback};
pub use subscribe::{
    RetainHandling, Subscribe, Subscription, SubscriptionList, SubscriptionOptions, Subscriptions,
};
pub use text::{Binary, Secret, TEXT_BYTES_MAX, Text, TextError};
pub use topic::{TopicFilter, TopicName};
pub use unsuback::Unsuback;
pub use unsubscribe::{FilterList, Filters, Unsubscribe};
pub use variable_int::VARIABLE_INT_MAX;

pub(crate) use connect::read_version;

use crate::encode::{EncodeError, PACKET_KIND_SHIFT, put_fixed_header};
use crate::read::Reader;
use crate::rules::Rules;
use crate::violation::Problem;
use crate::{Side, Version};
use bytes::BytesMut;
use std::fmt;

/// The kinds of packet, each with its number on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(
    missing_docs,
    reason = "each is the packet of that name in the specification"
)]
pub enum PacketKind {
    Connect = 1,
    Connack = 2,
    Publish = 3,
    Puback = 4,
    Pubrec = 5,
    Pubrel = 6,
    Pubcomp = 7,
    Subscribe = 8,
    Suback = 9,
    Unsubscribe = 10,
    Unsuback = 11,
    Pingreq = 12,
    Pingresp = 13,
    Disconnect = 14,
    Auth = 15,
}

impl PacketKind {
    /// All of them, by number.
    pub const ALL: [Self; 15] = [
        Self::Connect,
        Self::Connack,
        Self::Publish,
        Self::Puback,
        Self::Pubrec,
        Self::Pubrel,
        Self::Pubcomp,
        Self::Subscribe,
        Self::Suback,
        Self::Unsubscribe,
        Self::Unsuback,
        Self::Pingreq,
        Self::Pingresp,
        Self::Disconnect,
        Self::Auth,
    ];

    /// The kind with this number; 0 is forbidden.
    #[must_use]
    #[inline]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Connect),
            2 => Some(Self::Connack),
            3 => Some(Self::Publish),
            4 => Some(Self::Puback),
            5 => Some(Self::Pubrec),
            6 => Some(Self::Pubrel),
            7 => Some(Self::Pubcomp),
            8 => Some(Self::Subscribe),
            9 => Some(Self::Suback),
            10 => Some(Self::Unsubscribe),
            11 => Some(Self::Unsuback),
            12 => Some(Self::Pingreq),
            13 => Some(Self::Pingresp),
            14 => Some(Self::Disconnect),
            15 => Some(Self::Auth),
            _ => None,
        }
    }

    /// As the specification calls it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect => "CONNECT",
            Self::Connack => "CONNACK",
            Self::Publish => "PUBLISH",
            Self::Puback => "PUBACK",
            Self::Pubrec => "PUBREC",
            Self::Pubrel => "PUBREL",
            Self::Pubcomp => "PUBCOMP",
            Self::Subscribe => "SUBSCRIBE",
            Self::Suback => "SUBACK",
            Self::Unsubscribe => "UNSUBSCRIBE",
            Self::Unsuback => "UNSUBACK",
            Self::Pingreq => "PINGREQ",
            Self::Pingresp => "PINGRESP",
            Self::Disconnect => "DISCONNECT",
            Self::Auth => "AUTH",
        }
    }

    /// Whether that version has it.
    #[must_use]
    pub const fn is_in(self, version: Version) -> bool {
        !matches!((self, version), (Self::Auth, Version::V31 | Version::V311))
    }

    /// Whether that side may send it. [MQTT-3.14.0-1] allows a server's DISCONNECT in 5.0 alone.
    #[must_use]
    #[inline]
    pub const fn may_come_from(self, side: Side, version: Version) -> bool {
        match self {
            Self::Publish | Self::Puback | Self::Pubrec | Self::Pubrel | Self::Pubcomp => true,
            Self::Auth => version.has_properties(),
            Self::Disconnect => matches!(side, Side::Client) || version.has_properties(),
            Self::Connect | Self::Subscribe | Self::Unsubscribe | Self::Pingreq => {
                matches!(side, Side::Client)
            }
            Self::Connack | Self::Suback | Self::Unsuback | Self::Pingresp => {
                matches!(side, Side::Server)
            }
        }
    }

    /// What stands behind the fixed header, in bytes, if that is the same for all packets of the
    /// kind.
    #[inline]
    pub(crate) const fn fixed_body_len(self, version: Option<Version>) -> Option<usize> {
        let has_properties = match version {
            Some(version) => version.has_properties(),
            None => true,
        };
        match self {
            Self::Pingreq | Self::Pingresp => Some(0),
            Self::Disconnect if !has_properties => Some(0),
            Self::Connack
            | Self::Puback
            | Self::Pubrec
            | Self::Pubrel
            | Self::Pubcomp
            | Self::Unsuback
                if !has_properties =>
            {
                Some(2)
            }
            Self::Connect
            | Self::Connack
            | Self::Publish
            | Self::Puback
            | Self::Pubrec
            | Self::Pubrel
            | Self::Pubcomp
            | Self::Subscribe
            | Self::Suback
            | Self::Unsubscribe
            | Self::Unsuback
            | Self::Disconnect
            | Self::Auth => None,
        }
    }

    /// What the lower four bits of the first byte are; none for PUBLISH, where they say something.
    #[must_use]
    #[inline]
    pub const fn flags(self) -> Option<u8> {
        match self {
            Self::Publish => None,
            Self::Pubrel | Self::Subscribe | Self::Unsubscribe => Some(0x02),
            Self::Connect
            | Self::Connack
            | Self::Puback
            | Self::Pubrec
            | Self::Pubcomp
            | Self::Suback
            | Self::Unsuback
            | Self::Pingreq
            | Self::Pingresp
            | Self::Disconnect
            | Self::Auth => Some(0x00),
        }
    }
}

impl fmt::Display for PacketKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A whole packet, borrowed from the input that it was read from or made to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "each is the packet of that name in the specification"
)]
pub enum Packet<'a> {
    Connect(Connect<'a>),
    Connack(Connack<'a>),
    Publish(Publish<'a>),
    Puback(Ack<'a, PublishReason>),
    Pubrec(Ack<'a, PublishReason>),
    Pubrel(Ack<'a, ReleaseReason>),
    Pubcomp(Ack<'a, ReleaseReason>),
    Subscribe(Subscribe<'a>),
    Suback(Suback<'a>),
    Unsubscribe(Unsubscribe<'a>),
    Unsuback(Unsuback<'a>),
    Pingreq,
    Pingresp,
    Disconnect(Disconnect<'a>),
    Auth(Auth<'a>),
}

impl<'a> Packet<'a> {
    /// Reads what stands behind the fixed header, whose flags have been checked. The packet or the
    /// problem is made into what the caller returns where each is at hand: a packet that is moved
    /// costs as much as one that is read.
    #[inline]
    pub(crate) fn read<T, E>(
        (kind, flags): (PacketKind, u8),
        reader: Reader<'a>,
        rules: &Rules<'_>,
        done: impl Fn(Self) -> T,
        failed: impl Fn(Problem) -> E,
    ) -> Result<T, E> {
        macro_rules! finish {
            ($read:expr, $packet:expr) => {
                match $read {
                    Ok(read) => Ok(done($packet(read))),
                    Err(problem) => Err(failed(problem)),
                }
            };
        }
        match kind {
            PacketKind::Publish => finish!(Publish::read(flags, reader, rules), Self::Publish),
            PacketKind::Puback => finish!(Ack::read(reader, Place::Puback, rules), Self::Puback),
            PacketKind::Pubrec => finish!(Ack::read(reader, Place::Pubrec, rules), Self::Pubrec),
            PacketKind::Pubrel => finish!(Ack::read(reader, Place::Pubrel, rules), Self::Pubrel),
            PacketKind::Pubcomp => finish!(Ack::read(reader, Place::Pubcomp, rules), Self::Pubcomp),
            PacketKind::Connect => finish!(Connect::read(reader, rules.limits), Self::Connect),
            PacketKind::Connack => finish!(Connack::read(reader, rules), Self::Connack),
            PacketKind::Subscribe => finish!(Subscribe::read(reader, rules), Self::Subscribe),
            PacketKind::Suback => finish!(Suback::read(reader, rules), Self::Suback),
            PacketKind::Unsubscribe => finish!(Unsubscribe::read(reader, rules), Self::Unsubscribe),
            PacketKind::Unsuback => finish!(Unsuback::read(reader, rules), Self::Unsuback),
            PacketKind::Pingreq => finish!(ping::read(reader), |()| Self::Pingreq),
            PacketKind::Pingresp => finish!(ping::read(reader), |()| Self::Pingresp),
            PacketKind::Disconnect => finish!(Disconnect::read(reader, rules), Self::Disconnect),
            PacketKind::Auth => finish!(Auth::read(reader, rules), Self::Auth),
        }
    }

    /// Which kind it is.
    #[must_use]
    pub const fn kind(&self) -> PacketKind {
        match self {
            Self::Connect(_) => PacketKind::Connect,
            Self::Connack(_) => PacketKind::Connack,
            Self::Publish(_) => PacketKind::Publish,
            Self::Puback(_) => PacketKind::Puback,
            Self::Pubrec(_) => PacketKind::Pubrec,
            Self::Pubrel(_) => PacketKind::Pubrel,
            Self::Pubcomp(_) => PacketKind::Pubcomp,
            Self::Subscribe(_) => PacketKind::Subscribe,
            Self::Suback(_) => PacketKind::Suback,
            Self::Unsubscribe(_) => PacketKind::Unsubscribe,
            Self::Unsuback(_) => PacketKind::Unsuback,
            Self::Pingreq => PacketKind::Pingreq,
            Self::Pingresp => PacketKind::Pingresp,
            Self::Disconnect(_) => PacketKind::Disconnect,
            Self::Auth(_) => PacketKind::Auth,
        }
    }

    /// The length of the whole packet in that version: what a Maximum Packet Size is compared with.
    #[must_use]
    pub fn packet_len(&self, version: Version) -> usize {
        let body = self.body_len(version);
        1 + crate::encode::remaining_len(body) + body
    }

    /// What the remaining length says.
    fn body_len(&self, version: Version) -> usize {
        match self {
            Self::Connect(packet) => packet.body_len(),
            Self::Connack(packet) => packet.body_len(version),
            Self::Publish(packet) => packet.body_len(version),
            Self::Puback(packet) | Self::Pubrec(packet) => packet.body_len(version),
            Self::Pubrel(packet) | Self::Pubcomp(packet) => packet.body_len(version),
            Self::Subscribe(packet) => packet.body_len(version),
            Self::Suback(packet) => packet.body_len(version),
            Self::Unsubscribe(packet) => packet.body_len(version),
            Self::Unsuback(packet) => packet.body_len(version),
            Self::Pingreq | Self::Pingresp => 0,
            Self::Disconnect(packet) => packet.body_len(version),
            Self::Auth(packet) => packet.body_len(),
        }
    }

    /// Appends the packet as that version has it; a CONNECT is of its own version.
    ///
    /// # Errors
    /// [`EncodeError`] when the version has no such packet or the protocol cannot say its
    /// length. Nothing is appended.
    pub fn put(&self, version: Version, buffer: &mut BytesMut) -> Result<(), EncodeError> {
        let kind = self.kind();
        if !kind.is_in(version) {
            return Err(EncodeError::NotInVersion { kind, version });
        }
        if let Self::Publish(packet) = self {
            return packet.put(version, buffer);
        }
        if let Self::Connack(packet) = self {
            packet.code(version)?;
        }
        let first = (kind as u8) << PACKET_KIND_SHIFT | kind.flags().unwrap_or(0);
        put_fixed_header(kind, first, self.body_len(version), buffer)?;
        match self {
            Self::Connect(packet) => packet.put(buffer),
            Self::Connack(packet) => packet.put(version, buffer)?,
            Self::Puback(packet) | Self::Pubrec(packet) => packet.put(version, buffer),
            Self::Pubrel(packet) | Self::Pubcomp(packet) => packet.put(version, buffer),
            Self::Subscribe(packet) => packet.put(version, buffer),
            Self::Suback(packet) => packet.put(version, buffer),
            Self::Unsubscribe(packet) => packet.put(version, buffer),
            Self::Unsuback(packet) => packet.put(version, buffer),
            Self::Publish(_) | Self::Pingreq | Self::Pingresp => {}
            Self::Disconnect(packet) => packet.put(version, buffer),
            Self::Auth(packet) => packet.put(buffer),
        }
        Ok(())
    }
}
