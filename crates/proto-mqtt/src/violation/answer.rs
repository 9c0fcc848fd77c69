//! What is answered to a peer that breaks the protocol.

use crate::Version;
use crate::frame::{ConnackReason, DisconnectReason, PacketKind, PropertyKind, ViolationReason};
use crate::version::ProtocolName;
use crate::violation::{ConnectError, DecodeError, Field, Problem};

/// With this in its protocol level Mosquitto says that it is a bridge.
const BRIDGE_BIT: u8 = 0x80;

/// What goes out before the connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nothing.
    Nothing,
    /// A CONNACK, written as that version has it.
    Connack(Version, ConnackReason),
    /// A DISCONNECT; only in 5.0, and only once a CONNACK has accepted the connection.
    /// [MQTT-3.14.0-1]
    Disconnect(DisconnectReason),
}

impl DecodeError {
    /// The reason that 5.0 has for it.
    #[must_use]
    pub const fn reason(&self) -> ViolationReason {
        self.problem.reason()
    }

    /// What a server answers. It closes the connection in any case. [MQTT-4.13.1-1]
    #[must_use]
    pub fn answer(&self) -> Answer {
        let is_connect = self.packet == Some(PacketKind::Connect);
        match (&self.problem, self.version) {
            // A stranger is told nothing; it would not understand.
            (Problem::NotConnected, _) => Answer::Nothing,
            (Problem::Connect(ConnectError::ProtocolLevel { protocol, level }), _) => {
                // 3.1.1 [MQTT-3.1.2-2], [MQTT-3.1.2-2]: whoever speaks a later version knows the
                // later form. With the highest bit a bridge of 3.1 or 3.1.1 says what it is.
                let later = Version::V5.level() + 1..BRIDGE_BIT;
                let is_later = *protocol == ProtocolName::Mqtt && later.contains(level);
                let version = if is_later { Version::V5 } else { Version::V311 };
                Answer::Connack(version, ConnackReason::UnsupportedProtocolVersion)
            }
            (_, None) => Answer::Nothing,
            (Problem::AlreadyConnected, Some(Version::V5)) => {
                Answer::Disconnect(self.reason().into())
            }
            (_, Some(Version::V5)) if is_connect => {
                Answer::Connack(Version::V5, self.reason().into())
            }
            (_, Some(Version::V5)) => Answer::Disconnect(self.reason().into()),
            // 3.1.1 [MQTT-3.1.3-8], [MQTT-3.1.3-9]
            (Problem::Connect(ConnectError::NoClientId { .. }), Some(version)) => {
                Answer::Connack(version, ConnackReason::ClientIdentifierNotValid)
            }
            // 3.1.1 [MQTT-3.1.4-1], [MQTT-4.8.0-1]
            (_, Some(Version::V31 | Version::V311)) => Answer::Nothing,
        }
    }
}

impl Problem {
    /// The reason that 5.0 has for it.
    #[must_use]
    pub const fn reason(&self) -> ViolationReason {
        match self {
            Self::UnknownPacket(_)
            | Self::Flags { .. }
            | Self::PublishQos { .. }
            | Self::DupWithoutQos { .. }
            | Self::IntTooLong(_)
            | Self::IntNotShortest { .. }
            | Self::WrongLength { .. }
            | Self::Truncated { .. }
            | Self::Trailing { .. }
            | Self::NotUtf8 { .. }
            | Self::Nul { .. }
            | Self::ReservedOptions { .. }
            | Self::ConnackFlags { .. }
            | Self::UnknownProperty(_)
            | Self::PropertyInWrongPlace { .. } => ViolationReason::MalformedPacket,
            Self::WrongSide { .. }
            | Self::NotConnected
            | Self::AlreadyConnected
            | Self::ZeroPacketId
            | Self::NeitherTopicNorAlias
            | Self::NoFilters
            | Self::SubscriptionQos { .. }
            | Self::RetainHandling { .. }
            | Self::NoLocalOnShared
            | Self::NoReasons
            | Self::ReasonCode { .. }
            | Self::AuthFromWrongSide { .. }
            | Self::SessionPresentWithError { .. }
            | Self::PropertyFromWrongSide { .. }
            | Self::PropertyTwice(_)
            | Self::PropertyMissing(_) => ViolationReason::ProtocolError,
            // MQTT 5.0 §3.3.2.3.4
            Self::PropertyValue {
                property: PropertyKind::TopicAlias,
                ..
            } => ViolationReason::TopicAliasInvalid,
            Self::PropertyValue { .. } => ViolationReason::ProtocolError,
            Self::PacketTooLarge { .. } => ViolationReason::PacketTooLarge,
            Self::TooManyPropertyBytes { .. } | Self::TooManyFilters { .. } => {
                ViolationReason::QuotaExceeded
            }
            Self::EmptyTopic(Field::TopicFilter) => ViolationReason::TopicFilterInvalid,
            Self::EmptyTopic(_) | Self::Wildcard { .. } => ViolationReason::TopicNameInvalid,
            Self::Filter { .. } => ViolationReason::TopicFilterInvalid,
            Self::Connect(error) => error.reason(),
        }
    }
}

impl ConnectError {
    /// The reason that 5.0 has for it.
    #[must_use]
    pub const fn reason(&self) -> ViolationReason {
        match self {
            Self::ProtocolName(_) | Self::ProtocolLevel { .. } => {
                ViolationReason::UnsupportedProtocolVersion
            }
            // MQTT 5.0 §3.1.2.3, §3.1.2.6
            Self::ReservedFlag { .. }
            | Self::WillQos { .. }
            | Self::WillFlagsWithoutWill { .. }
            | Self::PasswordWithoutUserName { .. } => ViolationReason::MalformedPacket,
            Self::NoClientId { .. } => ViolationReason::ClientIdentifierNotValid,
        }
    }
}

#[cfg(test)]
mod tests;
