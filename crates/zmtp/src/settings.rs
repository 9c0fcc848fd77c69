//! What a socket wants of its connections.

use crate::curve::{ClientRandom, PublicKey, SecretKey, ServerRandom};
use crate::greeting::MechanismName;
use crate::heartbeat::HeartbeatSettings;
use crate::identity::Identity;
use crate::metadata::{MetadataError, put_property};
use crate::socket_type::SocketType;
use crate::version::Version;
use bytes::{Bytes, BytesMut};
use std::fmt;

/// What a socket wants of one connection.
#[derive(Debug)]
pub struct Settings {
    /// The type of the socket.
    pub socket_type: SocketType,
    /// What it calls itself; told by REQ, DEALER and ROUTER, and to peers of 1.0 and 2.0 by all.
    pub identity: Identity,
    /// Properties beside `Socket-Type` and `Identity`, such as `Resource` and `X-…`.
    pub metadata: MetadataBuf,
    /// How the peers know each other.
    pub mechanism: Mechanism,
    /// The oldest version that is spoken. It is 3.0 at least with any mechanism but NULL without authentication, and
    /// for sockets that older versions do not know.
    pub version_min: Version,
    /// The newest version that is spoken.
    pub version_max: Version,
    /// What the peer may cost.
    pub limits: Limits,
    /// PING and PONG, which peers of 3.0 and later get.
    pub heartbeat: HeartbeatSettings,
    /// For PUB and XPUB: whether in a message of several frames only the first can be a subscription.
    /// `ZMQ_ONLY_FIRST_SUBSCRIBE`
    pub only_first_subscribe: bool,
    /// For a server of CURVE that asks for a verdict, and is to each peer what that speaks with: what it becomes for a peer
    /// of that type. With other mechanisms, [`Connection::become_type`](crate::Connection::become_type) says so.
    pub counterpart: Option<Counterpart>,
}

/// What a socket becomes for a peer of that type; nothing if it does not speak with such.
pub type Counterpart = fn(SocketType) -> Option<SocketType>;

impl Settings {
    /// Those of a socket that speaks every version, with NULL, without heartbeats.
    #[must_use]
    pub fn new(socket_type: SocketType) -> Self {
        Self {
            socket_type,
            identity: Identity::default(),
            metadata: MetadataBuf::default(),
            mechanism: Mechanism::Null(Authentication::NotAsked),
            version_min: Version::V1_0,
            version_max: Version::V3_1,
            limits: Limits::default(),
            heartbeat: HeartbeatSettings::default(),
            only_first_subscribe: false,
            counterpart: None,
        }
    }

    /// The oldest version that may be spoken: older ones have no security, 37/ZMTP, "Security Considerations".
    pub(crate) fn oldest(&self) -> Version {
        let is_open = match &self.mechanism {
            Mechanism::Null(authentication) => *authentication == Authentication::NotAsked,
            Mechanism::PlainClient(_)
            | Mechanism::PlainServer
            | Mechanism::CurveClient(_)
            | Mechanism::CurveServer(_) => false,
        };
        if is_open && self.socket_type.octet().is_some() {
            self.version_min
        } else {
            self.version_min.max(Version::V3_0)
        }
    }
}

/// What one peer may cost, and how long it may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the body of a frame. `ZMQ_MAXMSGSIZE`
    pub frame_bytes_max: usize,
    /// Bytes of a command of the handshake: it comes from somebody who has not shown yet who that is.
    pub handshake_bytes_max: usize,
    /// From the start of the connection until its handshake must be done, in milliseconds; 0 for ever.
    /// `ZMQ_HANDSHAKE_IVL`
    pub handshake_ms: u64,
}

impl Limits {
    /// What a command of the handshake may have by default.
    pub(crate) const HANDSHAKE_BYTES_MAX: usize = 16 << 10;
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            frame_bytes_max: 64 << 20,
            handshake_bytes_max: Self::HANDSHAKE_BYTES_MAX,
            handshake_ms: 30_000,
        }
    }
}

/// Whether a peer is let in by a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authentication {
    /// Everybody is.
    NotAsked,
    /// The handshake waits for a verdict.
    Asked,
}

/// How the peers know each other.
#[derive(Debug)]
pub enum Mechanism {
    /// Not at all, but for the address. `Asked` is what a ZAP domain makes of it.
    Null(Authentication),
    /// By a name and a password, which this side says.
    PlainClient(PlainLogin),
    /// By a name and a password, which the peer says. It always asks.
    PlainServer,
    /// By keys; this side knows that of the peer.
    CurveClient(Box<CurveClient>),
    /// By keys.
    CurveServer(Box<CurveServer>),
}

impl Mechanism {
    /// Its name.
    #[must_use]
    pub const fn name(&self) -> MechanismName {
        match self {
            Self::Null(_) => MechanismName::NULL,
            Self::PlainClient(_) | Self::PlainServer => MechanismName::PLAIN,
            Self::CurveClient(_) | Self::CurveServer(_) => MechanismName::CURVE,
        }
    }

    /// Whether this side is its server.
    #[must_use]
    pub const fn is_server(&self) -> bool {
        match self {
            Self::PlainServer | Self::CurveServer(_) => true,
            Self::Null(_) | Self::PlainClient(_) | Self::CurveClient(_) => false,
        }
    }
}

/// A client of CURVE.
#[derive(Debug)]
pub struct CurveClient {
    /// The permanent key of the server. `ZMQ_CURVE_SERVERKEY`
    pub server_key: PublicKey,
    /// The own permanent key. `ZMQ_CURVE_SECRETKEY`
    pub secret_key: SecretKey,
    /// For this connection alone.
    pub random: ClientRandom,
}

/// A server of CURVE.
#[derive(Debug)]
pub struct CurveServer {
    /// The own permanent key. `ZMQ_CURVE_SECRETKEY`
    pub secret_key: SecretKey,
    /// For this connection alone.
    pub random: ServerRandom,
    /// Whether any key will do.
    pub authentication: Authentication,
}

/// A name and a password, each of up to 255 octets. They are not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct PlainLogin {
    username: Bytes,
    password: Bytes,
}

/// A name or a password of more than 255 octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a name or password has {0} bytes, the limit is 255")]
pub struct LoginTooLong(usize);

impl PlainLogin {
    /// Checks the lengths.
    ///
    /// # Errors
    /// [`LoginTooLong`]
    pub fn new(
        username: impl Into<Bytes>,
        password: impl Into<Bytes>,
    ) -> Result<Self, LoginTooLong> {
        let (username, password) = (username.into(), password.into());
        match username.len().max(password.len()) {
            len if len > 255 => Err(LoginTooLong(len)),
            _ => Ok(Self { username, password }),
        }
    }

    pub(crate) const fn username(&self) -> &Bytes {
        &self.username
    }

    pub(crate) const fn password(&self) -> &Bytes {
        &self.password
    }
}

impl fmt::Debug for PlainLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

/// Properties to be told, put together one by one.
#[derive(Clone, Debug, Default)]
pub struct MetadataBuf(BytesMut);

impl MetadataBuf {
    /// Appends a property.
    ///
    /// # Errors
    /// [`MetadataError`] when the wire cannot carry it; nothing is appended then.
    pub fn push(&mut self, name: &str, value: &[u8]) -> Result<(), MetadataError> {
        put_property(&mut self.0, name, value)
    }

    /// Its octets.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}
