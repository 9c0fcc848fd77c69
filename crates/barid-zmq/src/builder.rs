//! Options of a socket, set before it is made.

use crate::cell::Cell;
use crate::context::Context;
use crate::kind::{Audience, Conflates, Kind, Named, kinds};
use crate::options::{Heartbeat, IpVersions, OnFull, Options, Reconnect, Subscriptions, WantedMax};
use crate::pipe::credit::Hwm;
use crate::security::{Authenticator, Identification};
use crate::socket::Socket;
use bytes::Bytes;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;
use zmtp::curve::{PublicKey, SecretKey};
use zmtp::{LoginTooLong, PlainLogin};

/// Sets the options of a socket. Only those that its type has are there.
///
/// ```
/// use barid_zmq::{Context, Hwm, Push};
/// use std::time::Duration;
///
/// let push = Push::builder(&Context::new())
///     .send_hwm(Hwm { messages: 10_000, bytes: 64 << 20 })
///     .linger(Some(Duration::from_secs(5)))
///     .build();
/// # drop(push);
/// ```
#[derive(Clone, Debug)]
pub struct SocketBuilder<K> {
    context: Context,
    options: Options,
    kind: PhantomData<fn() -> K>,
}

/// A routing id is empty, too long, or begins with a zero byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a routing id has 1 to 255 bytes, of which the first is not 0")]
pub struct RoutingIdError;

impl<K: Kind> SocketBuilder<K> {
    pub(crate) fn new(context: &Context) -> Self {
        Self {
            context: context.clone(),
            options: Options::default(),
            kind: PhantomData,
        }
    }

    pub(crate) fn into_options(self) -> Options {
        self.options
    }

    /// Makes the socket.
    #[must_use]
    pub fn build(self) -> Socket<K> {
        Socket::from_cell(Cell::new(&self.context, K::TYPE, self.options))
    }

    /// How much may wait for each peer. Between sockets of one context the limits of both add up.
    #[must_use]
    pub const fn send_hwm(mut self, hwm: Hwm) -> Self {
        self.options.send_hwm = hwm;
        self
    }

    /// How much of each peer may wait for the user.
    #[must_use]
    pub const fn receive_hwm(mut self, hwm: Hwm) -> Self {
        self.options.receive_hwm = hwm;
        self
    }

    /// What happens to a message for which its peer has no room. By default [`Pub`](crate::Pub), [`XPub`](crate::XPub),
    /// [`Radio`](crate::Radio) and a [`Router`](crate::Router) that is not mandatory drop it, all others block.
    /// With [`OnFull::Block`] a publisher waits until each subscriber has room.
    #[must_use]
    pub const fn on_full(mut self, on_full: OnFull) -> Self {
        self.options.on_full = Some(on_full);
        self
    }

    /// How long a closed socket goes on sending what waits for its peers; none is for ever. By default one second.
    #[must_use]
    pub const fn linger(mut self, linger: Option<Duration>) -> Self {
        self.options.linger = linger;
        self
    }

    /// Messages wait only for peers that are connected. Otherwise they do for those that are connected to, too.
    #[must_use]
    pub const fn immediate(mut self, is_immediate: bool) -> Self {
        self.options.is_immediate = is_immediate;
        self
    }

    /// How a lost connection is made again; none is not at all.
    #[must_use]
    pub const fn reconnect(mut self, reconnect: Option<Reconnect>) -> Self {
        self.options.reconnect = reconnect;
        self
    }

    /// How long a new connection may take to shake hands; none is for ever. By default 30 seconds.
    #[must_use]
    pub const fn handshake_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.options.handshake_timeout = timeout;
        self
    }

    /// How long an attempt to connect may take; none leaves that to the system.
    #[must_use]
    pub const fn connect_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.options.connect_timeout = timeout;
        self
    }

    /// Finds dead peers; by default they are not looked for.
    #[must_use]
    pub const fn heartbeat(mut self, heartbeat: Option<Heartbeat>) -> Self {
        self.options.heartbeat = heartbeat;
        self
    }

    /// The largest message that is taken from a peer, in bytes. A peer that sends a larger one is disconnected. By
    /// default 256 MiB.
    #[must_use]
    pub const fn message_bytes_max(mut self, bytes: usize) -> Self {
        self.options.message_bytes_max = bytes;
        self
    }

    /// How many peers may be there that have come by listeners; one that is gone counts until what it has left is
    /// received. Others wait until there is room. By default 10,000; at least 1.
    #[must_use]
    pub const fn connections_max(mut self, count: usize) -> Self {
        self.options.seats.connections_max = count;
        self
    }

    /// How many of them may be about to shake hands: a new one is let in, and the oldest disconnected. By default
    /// 1,000; at least 1.
    #[must_use]
    pub const fn handshakes_max(mut self, count: usize) -> Self {
        self.options.seats.handshakes_max = count;
        self
    }

    /// How much peers that have come by listeners and are gone may have left, all together, before others have to wait
    /// until it is received; so may peers that an [`immediate`](Self::immediate) socket has connected to. By default 100,000 messages and 256 MiB.
    #[must_use]
    pub const fn departed_max(mut self, hwm: Hwm) -> Self {
        self.options.seats.departed = hwm;
        self
    }

    /// Bytes that all peers together may have sent of messages that are not whole, beyond 512 KiB each. Who would have more
    /// is disconnected. By default 1 GiB.
    #[must_use]
    pub const fn unfinished_max(mut self, bytes: usize) -> Self {
        self.options.unfinished_max = bytes;
        self
    }

    /// How many connections the system keeps before they are accepted.
    #[must_use]
    pub const fn backlog(mut self, backlog: u32) -> Self {
        self.options.backlog = backlog;
        self
    }

    /// The system's buffers of a connection, in bytes; none leaves them as they are.
    #[must_use]
    pub const fn system_buffers(mut self, send: Option<usize>, receive: Option<usize>) -> Self {
        self.options.send_buffer = send;
        self.options.receive_buffer = receive;
        self
    }

    /// After how much silence the system asks a peer over TCP whether it is there; none is never.
    #[must_use]
    pub const fn keepalive(mut self, idle: Option<Duration>) -> Self {
        self.options.keepalive = idle;
        self
    }

    /// How often the system asks, and how many times before it gives the peer up; none leaves that to the system.
    #[must_use]
    pub const fn keepalive_probes(
        mut self,
        interval: Option<Duration>,
        count: Option<u32>,
    ) -> Self {
        self.options.keepalive_interval = interval;
        self.options.keepalive_count = count;
        self
    }

    /// Which addresses of a host are used over TCP.
    #[must_use]
    pub const fn ip_versions(mut self, versions: IpVersions) -> Self {
        self.options.ip_versions = versions;
        self
    }
}

/// Who is who: by default nobody asks.
impl<K: Kind> SocketBuilder<K> {
    /// Tells peers a name and a password, in clear.
    ///
    /// # Errors
    /// When one of them has more than 255 bytes.
    pub fn plain_client(
        mut self,
        username: impl Into<Bytes>,
        password: impl Into<Bytes>,
    ) -> Result<Self, LoginTooLong> {
        let login = PlainLogin::new(username, password)?;
        self.options.security.identification = Identification::PlainClient(login);
        Ok(self)
    }

    /// Asks peers for a name and a password, and somebody whether they are right.
    #[must_use]
    pub fn plain_server(mut self, authenticator: impl Authenticator) -> Self {
        self.options.security.identification = Identification::PlainServer;
        self.authenticator(authenticator)
    }

    /// Encrypts all, and speaks with nobody but the owner of the server's key.
    #[must_use]
    pub fn curve_client(mut self, server_key: PublicKey, secret_key: SecretKey) -> Self {
        self.options.security.identification = Identification::CurveClient(server_key, secret_key);
        self
    }

    /// Encrypts all. Any client's key will do, unless an [`authenticator`](Self::authenticator) is asked.
    #[must_use]
    pub fn curve_server(mut self, secret_key: SecretKey) -> Self {
        self.options.security.identification = Identification::CurveServer(secret_key);
        self
    }

    /// Asks whether a peer is let in: by its address, or what it shows where it has to show something.
    #[must_use]
    pub fn authenticator(mut self, authenticator: impl Authenticator) -> Self {
        self.options.security.authenticator = Some(Arc::new(authenticator));
        self
    }
}

impl<K: Named> SocketBuilder<K> {
    /// The name that a [`Router`](crate::Router) knows the socket by.
    ///
    /// # Errors
    /// [`RoutingIdError`]
    pub fn routing_id(mut self, id: impl Into<Bytes>) -> Result<Self, RoutingIdError> {
        let id = id.into();
        if id.len() > 255 || id.first().is_none_or(|first| *first == 0) {
            return Err(RoutingIdError);
        }
        self.options.name = id;
        Ok(self)
    }

    /// Sends an empty message to each new peer, so that a [`Router`](crate::Router) gets to know the socket.
    #[must_use]
    pub const fn probe_router(mut self, probes: bool) -> Self {
        self.options.probes_router = probes;
        self
    }
}

impl<K: Conflates> SocketBuilder<K> {
    /// Keeps only the newest message of each peer, or for each.
    #[must_use]
    pub const fn conflate(mut self, is_conflating: bool) -> Self {
        self.options.is_conflating = is_conflating;
        self
    }
}

impl<K: Audience> SocketBuilder<K> {
    /// How many different topics, or groups, one peer may want, and how many bytes they may have together. A peer that
    /// wants more is disconnected. By default 100,000 and 16 MiB.
    #[must_use]
    pub const fn subscriptions_max(mut self, count: usize, bytes: usize) -> Self {
        self.options.wanted_max = WantedMax { count, bytes };
        self
    }
}

impl SocketBuilder<kinds::Req> {
    /// A request may be sent before the reply to the one before has come; that reply is not waited for any more.
    #[must_use]
    pub const fn relaxed(mut self, is_relaxed: bool) -> Self {
        self.options.req.is_relaxed = is_relaxed;
        self
    }

    /// Requests carry numbers, and only the reply to the last one is taken. The replier must leave the envelope as it
    /// is, which a [`Rep`](crate::Rep) does.
    #[must_use]
    pub const fn correlate(mut self, is_correlated: bool) -> Self {
        self.options.req.is_correlated = is_correlated;
        self
    }
}

impl SocketBuilder<kinds::Router> {
    /// A message for a peer that is not there is refused, and one for a peer without room waits; otherwise both are
    /// dropped.
    #[must_use]
    pub const fn mandatory(mut self, is_mandatory: bool) -> Self {
        self.options.router.is_mandatory = is_mandatory;
        self
    }

    /// A new peer takes the routing id of an old one over; otherwise it is not heard while the old one is there.
    #[must_use]
    pub const fn handover(mut self, is_handover: bool) -> Self {
        self.options.router.is_handover = is_handover;
        self
    }

    /// An empty message tells that a peer came, or that one went.
    #[must_use]
    pub const fn notify(mut self, connects: bool, disconnects: bool) -> Self {
        self.options.router.notifies_connect = connects;
        self.options.router.notifies_disconnect = disconnects;
        self
    }
}

impl SocketBuilder<kinds::Stream> {
    /// An empty message tells that a peer came, and that it went; it does by default.
    #[must_use]
    pub const fn notify(mut self, notifies: bool) -> Self {
        self.options.stream_notifies = notifies;
        self
    }
}

impl SocketBuilder<kinds::XPub> {
    /// Which subscriptions are handed out.
    #[must_use]
    pub const fn subscriptions(mut self, subscriptions: Subscriptions) -> Self {
        self.options.xpub.subscriptions = subscriptions;
        self
    }

    /// What each new subscriber is sent first, if it has subscribed to it.
    #[must_use]
    pub fn welcome(mut self, message: impl Into<Bytes>) -> Self {
        self.options.xpub.welcome = Some(message.into());
        self
    }
}
