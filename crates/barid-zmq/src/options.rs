//! What can be set on a socket, and what it is otherwise.

use crate::net::SeatLimits;
use crate::pipe::Keep;
use crate::pipe::credit::Hwm;
use crate::security::Security;
use bytes::Bytes;
use std::time::Duration;
use zmtp::SocketType;

/// What happens to a message for which its peer has no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFull {
    /// Sending waits.
    Block,
    /// The message is dropped for that peer and counted.
    Drop,
}

/// How an interrupted connection is made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reconnect {
    /// The first pause.
    pub first: Duration,
    /// The longest pause: each is twice the one before, up to this. Each is lengthened by up to a half at random.
    pub max: Duration,
}

impl Default for Reconnect {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(100),
            max: Duration::from_secs(5),
        }
    }
}

/// What a socket takes of the addresses of a host over TCP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IpVersions {
    /// What the name of the host stands for. `*` is every address of IPv4.
    #[default]
    Any,
    /// Addresses of IPv4 alone.
    V4,
    /// What the name of the host stands for. `*` is every address.
    Both,
}

/// How a dead peer is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// Between two questions to a peer.
    pub interval: Duration,
    /// How long a peer may be silent after one.
    pub timeout: Duration,
    /// How long the peer should wait for the next before it gives up; whole tenths of seconds. None asks nothing of it.
    pub ttl: Option<Duration>,
}

/// What a REQ does beyond the strict order.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ReqOptions {
    pub(crate) is_relaxed: bool,
    pub(crate) is_correlated: bool,
}

#[derive(Clone, Copy, Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of its own"
)]
pub(crate) struct RouterOptions {
    pub(crate) is_mandatory: bool,
    pub(crate) is_handover: bool,
    pub(crate) notifies_connect: bool,
    pub(crate) notifies_disconnect: bool,
}

/// Which subscriptions an XPUB hands to the user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Subscriptions {
    /// The first subscription to a topic, and the end of the last.
    #[default]
    New,
    /// Every subscription, and the end of the last.
    Verbose,
    /// Every subscription and every end of one.
    Verboser,
    /// Every subscription and every end of one, and none has an effect before the user says so.
    Manual,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct XPubOptions {
    pub(crate) subscriptions: Subscriptions,
    pub(crate) welcome: Option<Bytes>,
}

/// What one peer may want of a publisher: topics, or groups.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WantedMax {
    pub(crate) count: usize,
    /// Of all of them together.
    pub(crate) bytes: usize,
}

impl WantedMax {
    /// No limit.
    pub(crate) const NONE: Self = Self {
        count: usize::MAX,
        bytes: usize::MAX,
    };
}

impl Default for WantedMax {
    fn default() -> Self {
        Self {
            count: 100_000,
            bytes: 16 << 20,
        }
    }
}

/// All options of a socket. A type of socket looks at those that it has.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of its own"
)]
pub(crate) struct Options {
    pub(crate) send_hwm: Hwm,
    pub(crate) receive_hwm: Hwm,
    /// None is the default of the type.
    pub(crate) on_full: Option<OnFull>,
    /// None is for ever.
    pub(crate) linger: Option<Duration>,
    pub(crate) name: Bytes,
    pub(crate) is_immediate: bool,
    pub(crate) is_conflating: bool,
    pub(crate) probes_router: bool,
    pub(crate) reconnect: Option<Reconnect>,
    pub(crate) handshake_timeout: Option<Duration>,
    pub(crate) connect_timeout: Option<Duration>,
    pub(crate) heartbeat: Option<Heartbeat>,
    pub(crate) message_bytes_max: usize,
    /// Of messages that are not whole, of all peers together.
    pub(crate) unfinished_max: usize,
    pub(crate) backlog: u32,
    pub(crate) send_buffer: Option<usize>,
    pub(crate) receive_buffer: Option<usize>,
    pub(crate) keepalive: Option<Duration>,
    pub(crate) seats: SeatLimits,
    pub(crate) wanted_max: WantedMax,
    pub(crate) keepalive_interval: Option<Duration>,
    pub(crate) keepalive_count: Option<u32>,
    pub(crate) ip_versions: IpVersions,
    pub(crate) security: Security,
    pub(crate) req: ReqOptions,
    pub(crate) router: RouterOptions,
    pub(crate) xpub: XPubOptions,
    /// Whether an empty message tells the user of a STREAM that a peer came, or went.
    pub(crate) stream_notifies: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            send_hwm: Hwm::DEFAULT,
            receive_hwm: Hwm::DEFAULT,
            on_full: None,
            linger: Some(Duration::from_secs(1)),
            name: Bytes::new(),
            is_immediate: false,
            is_conflating: false,
            probes_router: false,
            reconnect: Some(Reconnect::default()),
            handshake_timeout: Some(Duration::from_secs(30)),
            connect_timeout: None,
            heartbeat: None,
            message_bytes_max: 256 << 20,
            unfinished_max: 1 << 30,
            backlog: 100,
            send_buffer: None,
            receive_buffer: None,
            keepalive: None,
            seats: SeatLimits::default(),
            wanted_max: WantedMax::default(),
            keepalive_interval: None,
            keepalive_count: None,
            ip_versions: IpVersions::default(),
            security: Security::default(),
            req: ReqOptions::default(),
            router: RouterOptions::default(),
            xpub: XPubOptions::default(),
            stream_notifies: true,
        }
    }
}

impl Options {
    /// What a pipe with this limit keeps.
    pub(crate) const fn keep(&self, hwm: Hwm) -> Keep {
        if self.is_conflating {
            Keep::Newest
        } else {
            Keep::All(hwm)
        }
    }

    /// What happens to a message for which there is no room.
    pub(crate) const fn on_full(&self, socket_type: SocketType) -> OnFull {
        match (self.on_full, socket_type) {
            (Some(on_full), _) => on_full,
            (
                None,
                SocketType::Pub
                | SocketType::XPub
                | SocketType::Sub
                | SocketType::XSub
                | SocketType::Radio
                | SocketType::Dish
                | SocketType::Rep,
            ) => OnFull::Drop,
            (None, SocketType::Router) => {
                if self.router.is_mandatory {
                    OnFull::Block
                } else {
                    OnFull::Drop
                }
            }
            (
                None,
                SocketType::Pair
                | SocketType::Req
                | SocketType::Dealer
                | SocketType::Pull
                | SocketType::Push
                | SocketType::Server
                | SocketType::Client
                | SocketType::Gather
                | SocketType::Scatter
                | SocketType::Peer
                | SocketType::Channel
                | SocketType::Stream,
            ) => OnFull::Block,
        }
    }
}
