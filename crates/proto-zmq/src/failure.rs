//! Why a connection ends.

use broker_api::Refusal;
use model::QueueNameError;

/// Why a connection ends. Behind the handshake its peer is told nothing: ZMTP has no word for it there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    /// The peer does not speak ZMTP 3, or breaks it.
    #[error(transparent)]
    Wire(#[from] zmtp::Error),
    /// Something could not be written.
    #[error(transparent)]
    Send(#[from] zmtp::SendError),
    /// The first octets are those of no ZMTP, or of a version before 3.0.
    #[error("the peer does not speak ZMTP 3")]
    Version,
    /// None that the settings allow.
    #[error("the mechanism {0} is not spoken")]
    Mechanism(String),
    /// The broker is no peer of such a socket.
    #[error("a socket of that type is not served")]
    SocketType,
    /// The name that the peer has for its queue.
    #[error(transparent)]
    QueueName(#[from] QueueNameError),
    /// A message of more bytes than one may have.
    #[error("a message has more than {0} bytes")]
    MessageTooLong(usize),
    /// A message of more frames than one may have.
    #[error("a message has more than {0} frames")]
    TooManyFrames(usize),
    /// What stands before the empty frame of a request.
    #[error("the envelope of a request has more than {0} bytes")]
    EnvelopeTooLong(usize),
    /// A subscription that is too long.
    #[error("a subscription has more than {0} bytes")]
    PrefixTooLong(usize),
    /// Too many of them.
    #[error("there are more than {0} subscriptions")]
    TooManySubscriptions(usize),
    /// The handshake took too long.
    #[error("there was no greeting in time")]
    NoGreeting,
    /// The broker says no.
    #[error(transparent)]
    Refused(#[from] Refusal),
}
