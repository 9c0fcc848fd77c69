//! The versions of the protocol, and how CONNECT names them.

use std::fmt;

/// A version of MQTT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// MQTT 3.1: the protocol `MQIsdp`, level 3.
    V31,
    /// MQTT 3.1.1: the protocol `MQTT`, level 4.
    V311,
    /// MQTT 5.0: the protocol `MQTT`, level 5; packets have properties and reason codes.
    V5,
}

impl Version {
    /// All versions, the oldest first.
    pub const ALL: [Self; 3] = [Self::V31, Self::V311, Self::V5];

    /// The version that CONNECT names so.
    #[must_use]
    pub const fn from_protocol(name: ProtocolName, level: u8) -> Option<Self> {
        match (name, level) {
            (ProtocolName::Mqisdp, 3) => Some(Self::V31),
            (ProtocolName::Mqtt, 4) => Some(Self::V311),
            (ProtocolName::Mqtt, 5) => Some(Self::V5),
            (ProtocolName::Mqisdp | ProtocolName::Mqtt, _) => None,
        }
    }

    /// The protocol name in CONNECT.
    #[must_use]
    pub const fn protocol_name(self) -> ProtocolName {
        match self {
            Self::V31 => ProtocolName::Mqisdp,
            Self::V311 | Self::V5 => ProtocolName::Mqtt,
        }
    }

    /// The protocol level in CONNECT.
    #[must_use]
    pub const fn level(self) -> u8 {
        match self {
            Self::V31 => 3,
            Self::V311 => 4,
            Self::V5 => 5,
        }
    }

    /// As people call it.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::V31 => "3.1",
            Self::V311 => "3.1.1",
            Self::V5 => "5.0",
        }
    }

    /// Whether packets have properties and reason codes.
    #[must_use]
    pub const fn has_properties(self) -> bool {
        match self {
            Self::V31 | Self::V311 => false,
            Self::V5 => true,
        }
    }
}

/// The names that the protocol has had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolName {
    /// Until 3.1.
    Mqisdp,
    /// Since 3.1.1.
    Mqtt,
}

impl ProtocolName {
    /// The name that some bytes spell.
    #[must_use]
    pub fn from_bytes(name: &[u8]) -> Option<Self> {
        match name {
            b"MQIsdp" => Some(Self::Mqisdp),
            b"MQTT" => Some(Self::Mqtt),
            _ => None,
        }
    }

    /// As CONNECT spells it.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Mqisdp => "MQIsdp",
            Self::Mqtt => "MQTT",
        }
    }
}

impl fmt::Display for ProtocolName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// Which end of a connection sends a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The end that sends CONNECT.
    Client,
    /// The end that answers with CONNACK.
    Server,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Client => "client",
            Self::Server => "server",
        })
    }
}
