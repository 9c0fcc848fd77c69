//! Why something is not done.

use crate::endpoint::{Endpoint, EndpointError};
use crate::message::Message;
use std::io;
use zmtp::SocketType;

/// Why a message was not sent; it is handed back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct SendError {
    /// Why.
    pub reason: SendRefusal,
    /// The message.
    pub message: Message,
}

/// Why a message is not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendRefusal {
    /// No peer has room for it, or there is none. Only who does not wait, or not long enough, is told so.
    #[error("no peer has room for the message")]
    Full,
    /// The socket is closed.
    #[error("the socket is closed")]
    Closed,
    /// There is no peer of that name or number.
    #[error("there is no such peer")]
    Unroutable,
    /// A REQ waits for its reply, or a REP has no request.
    #[error("it is not this socket's turn to send")]
    OutOfTurn,
    /// This type does not send messages of so many frames.
    #[error("sockets of this type do not send messages of so many frames")]
    ManyFrames,
    /// The name of a group is longer than 255 bytes.
    #[error("the name of a group has more than 255 bytes")]
    LongGroup,
}

/// Why nothing was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReceiveError {
    /// Nothing is there. Only who does not wait, or not long enough, is told so.
    #[error("there is no message")]
    Empty,
    /// The socket is closed.
    #[error("the socket is closed")]
    Closed,
    /// A REQ has sent no request, or a REP has yet to reply.
    #[error("it is not this socket's turn to receive")]
    OutOfTurn,
}

/// Why a socket does not listen.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The text is no endpoint.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// Sockets of this type, or with this security, cannot listen there.
    #[error("sockets of this type and with this security do not bind to `{0}`")]
    Unsuitable(Endpoint),
    /// Another socket of this context has that name.
    #[error("the name is in use")]
    InUse,
    /// The socket is closed.
    #[error("the socket is closed")]
    Closed,
    /// The system does not let it.
    #[error("cannot listen: {0}")]
    Io(#[from] io::Error),
}

/// Why a socket does not connect, not even later.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The text is no endpoint.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// The endpoint leaves open where to.
    #[error("`{0}` does not say where to")]
    Open(Endpoint),
    /// Sockets of this type, or with this security, cannot connect there.
    #[error("sockets of this type and with this security do not connect to `{0}`")]
    Unsuitable(Endpoint),
    /// Another peer has the routing id that this one is to have.
    #[error("another peer has that routing id")]
    RoutingIdInUse,
    /// The socket of that name is not one to speak with.
    #[error("a {ours} does not speak with a {theirs}")]
    Incompatible {
        /// This socket's.
        ours: SocketType,
        /// The other's.
        theirs: SocketType,
    },
    /// The socket is closed.
    #[error("the socket is closed")]
    Closed,
    /// The context's threads could not be started.
    #[error("cannot start: {0}")]
    Io(#[from] io::Error),
}

/// What was still to be sent when a socket was closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unsent {
    /// Messages that no peer took within the linger time.
    pub messages: u64,
}

/// The socket was closed while it was waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the socket is closed")]
pub struct Closed;

/// The name of a group is longer than 255 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the name of a group has {0} bytes, the limit is 255")]
pub struct LongGroup(
    /// How many bytes it has.
    pub usize,
);
