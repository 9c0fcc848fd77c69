//! The parts of packets, as errors name them.

use crate::frame::PropertyKind;
use std::fmt;

/// A part of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "each is the field of that name in the specification"
)]
pub enum Field {
    RemainingLength,
    ProtocolName,
    ProtocolLevel,
    ConnectFlags,
    KeepAlive,
    ClientId,
    WillTopic,
    WillPayload,
    UserName,
    Password,
    ConnackFlags,
    TopicName,
    TopicFilter,
    SubscriptionOptions,
    PacketId,
    ReasonCode,
    PropertyLength,
    Properties,
    PropertyIdentifier,
    Property(PropertyKind),
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::RemainingLength => "the remaining length",
            Self::ProtocolName => "the protocol name",
            Self::ProtocolLevel => "the protocol level",
            Self::ConnectFlags => "the connect flags",
            Self::KeepAlive => "the keep alive",
            Self::ClientId => "the client identifier",
            Self::WillTopic => "the will topic",
            Self::WillPayload => "the will payload",
            Self::UserName => "the user name",
            Self::Password => "the password",
            Self::ConnackFlags => "the acknowledge flags",
            Self::TopicName => "the topic name",
            Self::TopicFilter => "the topic filter",
            Self::SubscriptionOptions => "the subscription options",
            Self::PacketId => "the packet identifier",
            Self::ReasonCode => "the reason code",
            Self::PropertyLength => "the property length",
            Self::Properties => "the properties",
            Self::PropertyIdentifier => "the property identifier",
            Self::Property(kind) => return write!(f, "the property '{}'", kind.name()),
        };
        f.write_str(name)
    }
}
