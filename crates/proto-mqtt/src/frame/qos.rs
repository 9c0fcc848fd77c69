//! Quality of service, and the packet identifier that all but the lowest need.

use std::fmt;
use std::num::NonZeroU16;

/// How surely a message is handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Qos {
    /// QoS 0: once or not at all.
    #[default]
    AtMostOnce = 0,
    /// QoS 1: once or more often.
    AtLeastOnce = 1,
    /// QoS 2: once.
    ExactlyOnce = 2,
}

impl Qos {
    /// The quality that two bits say; 3 is none.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Option<Self> {
        match bits {
            0 => Some(Self::AtMostOnce),
            1 => Some(Self::AtLeastOnce),
            2 => Some(Self::ExactlyOnce),
            _ => None,
        }
    }

    /// As packets say it.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self as u8
    }
}

/// The number of a packet that is answered, unique among those of its sender that are under way.
/// Never zero. [MQTT-2.2.1-3], [MQTT-2.2.1-4]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PacketId(pub NonZeroU16);

impl PacketId {
    /// The identifier with this number, unless it is 0.
    #[must_use]
    pub const fn new(number: u16) -> Option<Self> {
        match NonZeroU16::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0.get()
    }
}

impl fmt::Debug for PacketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Display for PacketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The quality of service of one PUBLISH, with the packet identifier where there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublishQos {
    /// QoS 0: there is nothing to answer. [MQTT-2.2.1-2]
    AtMostOnce,
    /// QoS 1, to be answered by PUBACK.
    AtLeastOnce(PacketId),
    /// QoS 2, to be answered by PUBREC.
    ExactlyOnce(PacketId),
}

impl PublishQos {
    /// Without the identifier.
    #[must_use]
    pub const fn qos(self) -> Qos {
        match self {
            Self::AtMostOnce => Qos::AtMostOnce,
            Self::AtLeastOnce(_) => Qos::AtLeastOnce,
            Self::ExactlyOnce(_) => Qos::ExactlyOnce,
        }
    }

    /// The identifier, unless it is QoS 0.
    #[must_use]
    pub const fn packet_id(self) -> Option<PacketId> {
        match self {
            Self::AtMostOnce => None,
            Self::AtLeastOnce(id) | Self::ExactlyOnce(id) => Some(id),
        }
    }
}
