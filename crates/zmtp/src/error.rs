//! Why a connection is at an end.

use crate::command::CommandError;
use crate::curve::CurveError;
use crate::frame::FrameError;
use crate::greeting::MechanismName;
use crate::identity::IdentityError;
use crate::metadata::MetadataError;
use crate::socket_type::SocketType;
use crate::version::Version;
use crate::zap::StatusCode;
use bytes::Bytes;
use std::fmt;

/// Why a connection is at an end. What has been written before is to be sent, then the connection is to be closed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The bytes are no frame, or one over the limit.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A frame is no command.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The properties cannot be read.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    /// The identity is none.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The boxes of CURVE.
    #[error(transparent)]
    Curve(#[from] CurveError),
    /// The peer speaks an older version than is allowed: than the settings say, or one that has no security where
    /// some is asked for.
    #[error("the peer speaks ZMTP {version}, at least {min} is asked for")]
    Version {
        /// That of the peer.
        version: Version,
        /// The oldest that may be spoken.
        min: Version,
    },
    /// The peer wants another mechanism.
    #[error("the peer's mechanism is {theirs}, ours is {ours}")]
    Mechanism {
        /// What the settings say.
        ours: MechanismName,
        /// What the peer's greeting says.
        theirs: MechanismName,
    },
    /// The sockets do not speak with each other.
    #[error("a {ours} does not speak with a {theirs}")]
    SocketTypes {
        /// That of this side.
        ours: SocketType,
        /// That of the peer.
        theirs: SocketType,
    },
    /// The peer says that it is a socket that there is not.
    #[error("the peer's type of socket is not known")]
    UnknownSocketType,
    /// A frame that has no place there: a message in the handshake, a command of another step.
    #[error("{0} is waited for, and something else came")]
    Unexpected(&'static str),
    /// A HELLO, WELCOME or ERROR of PLAIN that ends too early or too late.
    #[error("{0} is malformed")]
    Malformed(&'static str),
    /// A message of a DISH that is not a group and a body.
    #[error("a message is not a group and a body")]
    GroupMessage,
    /// The peer has sent ERROR.
    #[error("the peer refuses: {0}")]
    Refused(Reason),
    /// The peer is not let in.
    #[error("the peer is not let in: {0}")]
    NotAuthenticated(StatusCode),
    /// The handshake takes too long.
    #[error("the handshake takes longer than {0} ms")]
    HandshakeTimeout(u64),
    /// Nothing comes any more.
    #[error("the peer is silent")]
    Silent,
}

impl Error {
    /// Whether the side that has connected may try again: the reason may be gone by then. libzmq does not when the
    /// peer breaks the protocol or refuses.
    #[must_use]
    pub const fn is_temporary(&self) -> bool {
        match self {
            Self::HandshakeTimeout(_)
            | Self::Silent
            | Self::NotAuthenticated(StatusCode::TemporaryError) => true,
            Self::Frame(_)
            | Self::Command(_)
            | Self::Metadata(_)
            | Self::Identity(_)
            | Self::Curve(_)
            | Self::Version { .. }
            | Self::Mechanism { .. }
            | Self::SocketTypes { .. }
            | Self::UnknownSocketType
            | Self::Unexpected(_)
            | Self::Malformed(_)
            | Self::GroupMessage
            | Self::Refused(_)
            | Self::NotAuthenticated(
                StatusCode::AuthenticationFailure | StatusCode::InternalError,
            ) => false,
        }
    }
}

/// What the peer has said in ERROR: up to 255 octets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason(pub Bytes);

impl Reason {
    /// The status code of ZAP, which libzmq says.
    #[must_use]
    pub fn status_code(&self) -> Option<StatusCode> {
        StatusCode::from_digits(&self.0)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

/// Why something could not be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The handshake is not done, or the connection is at an end.
    #[error("the connection is not open")]
    NotOpen,
    /// CURVE has no number left.
    #[error("all nonces have been used")]
    NoNonce,
    /// A group that the wire cannot carry.
    #[error("a group is malformed")]
    Group,
    /// The peer's version has no commands.
    #[error("the peer speaks a version without commands")]
    NoCommands,
}
