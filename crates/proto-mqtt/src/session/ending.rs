//! What ends a connection, beside input that is no packet.

use crate::frame::{ConnackReason, DisconnectReason};
use crate::refusal;
use broker_api::Refusal;
use std::time::Duration;

/// What ends a connection, beside input that is no packet.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ending {
    /// No CONNECT has come.
    #[error("no CONNECT has come in {0:?}")]
    ConnectTimeout(Duration),
    /// The broker refuses, or ends the connection.
    #[error("{0}")]
    Refused(Refusal),
    /// It is no refusal that has an answer in the client's version.
    #[error("a message could not be stored, and a PUBACK cannot say so: {0}")]
    PublishRefused(Refusal),
    /// The client has said nothing for one and a half times its keep alive. [MQTT-3.1.2-22]
    #[error("nothing has come for {0:?}")]
    Silent(Duration),
    /// The client has not shown who it is, by the method that it named. [MQTT-4.12.0-1],
    /// [MQTT-4.12.0-4], [MQTT-4.12.1-2]
    #[error("{0}")]
    NotAuthenticated(Refusal),
    /// A session in 3.x that outlives its connection.
    #[error("this server keeps no sessions: connect with a clean session")]
    SessionToKeep,
    /// §3.3.2.3.2, §3.1.3.2.3
    #[error("a payload says that it is UTF-8 and is not")]
    PayloadFormat,
    /// [MQTT-3.3.4-7], [MQTT-3.3.4-8]
    #[error("more than {limit} PUBLISH packets are unanswered")]
    ReceiveMaximum {
        /// What CONNACK told.
        limit: u16,
    },
    /// [MQTT-3.3.2-9], [MQTT-3.3.2-11]
    #[error("the topic alias {alias} is over the limit of {limit}")]
    TopicAliasTooHigh {
        /// In the PUBLISH.
        alias: u16,
        /// What CONNACK told.
        limit: u16,
    },
    /// §3.3.2.3.4
    #[error("the topic alias {0} stands for no topic")]
    TopicAliasUnknown(u16),
    /// §3.15.1: there was no method in CONNECT. [MQTT-4.12.0-7]
    #[error("an AUTH packet without an authentication method in CONNECT")]
    AuthUnasked,
    /// An AUTH that answers none, or comes while another one is to be answered.
    #[error("an AUTH packet out of its order")]
    AuthOutOfOrder,
    /// [MQTT-4.12.0-5], [MQTT-4.12.1-1]
    #[error("an AUTH packet with another authentication method than CONNECT")]
    AuthOfAnotherMethod,
    /// §3.14.2.2.2
    #[error("a session that was to end with its connection cannot be prolonged")]
    SessionProlonged,
    /// A packet that the codec lets through and that cannot come here.
    #[error("a packet that cannot come here")]
    Unexpected,
    /// [MQTT-3.1.2-24]: an answer is longer than the client's Maximum Packet Size, and there is no other.
    #[error("an answer is longer than the client takes")]
    AnswerTooLarge,
}

impl Ending {
    /// Whether it is that the broker stops.
    pub(super) const fn is_stop(&self) -> bool {
        matches!(self, Self::Refused(Refusal::ShuttingDown))
    }

    /// What CONNACK says; none if the connection is closed without one.
    pub(super) const fn connack_reason(&self) -> Option<ConnackReason> {
        match self {
            Self::ConnectTimeout(_) => None,
            Self::Refused(refusal) | Self::PublishRefused(refusal) => {
                Some(refusal::connack(refusal))
            }
            Self::NotAuthenticated(refusal) => Some(refusal::not_authenticated(refusal)),
            Self::PayloadFormat => Some(ConnackReason::PayloadFormatInvalid),
            Self::SessionToKeep => Some(ConnackReason::ServerUnavailable),
            Self::AnswerTooLarge => Some(ConnackReason::PacketTooLarge),
            Self::Silent(_)
            | Self::ReceiveMaximum { .. }
            | Self::TopicAliasTooHigh { .. }
            | Self::TopicAliasUnknown(_)
            | Self::AuthUnasked
            | Self::AuthOutOfOrder
            | Self::AuthOfAnotherMethod
            | Self::SessionProlonged
            | Self::Unexpected => Some(ConnackReason::ProtocolError),
        }
    }

    /// What DISCONNECT says.
    pub(super) const fn disconnect_reason(&self) -> DisconnectReason {
        match self {
            Self::Refused(refusal)
            | Self::PublishRefused(refusal)
            | Self::NotAuthenticated(refusal) => refusal::disconnect(refusal),
            Self::Silent(_) | Self::ConnectTimeout(_) => DisconnectReason::KeepAliveTimeout,
            Self::PayloadFormat => DisconnectReason::PayloadFormatInvalid,
            Self::ReceiveMaximum { .. } => DisconnectReason::ReceiveMaximumExceeded,
            Self::TopicAliasTooHigh { .. } => DisconnectReason::TopicAliasInvalid,
            Self::AnswerTooLarge => DisconnectReason::PacketTooLarge,
            Self::SessionToKeep
            | Self::TopicAliasUnknown(_)
            | Self::AuthUnasked
            | Self::AuthOutOfOrder
            | Self::AuthOfAnotherMethod
            | Self::SessionProlonged
            | Self::Unexpected => DisconnectReason::ProtocolError,
        }
    }
}
