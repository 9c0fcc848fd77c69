//! Types of sockets, and who may speak with whom.

use std::fmt;

/// A type of socket. All but [`Self::Stream`] speak ZMTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SocketType {
    /// Exclusive pair, 31/EXPAIR.
    Pair,
    /// Publisher, 29/PUBSUB.
    Pub,
    /// Subscriber.
    Sub,
    /// Requester, 28/REQREP.
    Req,
    /// Replier.
    Rep,
    /// Requester of many.
    Dealer,
    /// Replier to many, by identity.
    Router,
    /// Sink, 30/PIPELINE.
    Pull,
    /// Source.
    Push,
    /// Publisher that is told subscriptions.
    XPub,
    /// Subscriber that sends subscriptions itself.
    XSub,
    /// 41/CLISRV.
    Server,
    /// 41/CLISRV.
    Client,
    /// 48/RADIO-DISH.
    Radio,
    /// 48/RADIO-DISH.
    Dish,
    /// 49/SCATTER-GATHER.
    Gather,
    /// 49/SCATTER-GATHER.
    Scatter,
    /// 51/P2P.
    Peer,
    /// 52/CHANNEL.
    Channel,
    /// Bytes of TCP as they are: it speaks with nobody by this protocol.
    Stream,
}

impl SocketType {
    /// All that speak ZMTP.
    pub const ALL: [Self; 19] = [
        Self::Pair,
        Self::Pub,
        Self::Sub,
        Self::Req,
        Self::Rep,
        Self::Dealer,
        Self::Router,
        Self::Pull,
        Self::Push,
        Self::XPub,
        Self::XSub,
        Self::Server,
        Self::Client,
        Self::Radio,
        Self::Dish,
        Self::Gather,
        Self::Scatter,
        Self::Peer,
        Self::Channel,
    ];

    /// Its name, as the property `Socket-Type` says it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pair => "PAIR",
            Self::Pub => "PUB",
            Self::Sub => "SUB",
            Self::Req => "REQ",
            Self::Rep => "REP",
            Self::Dealer => "DEALER",
            Self::Router => "ROUTER",
            Self::Pull => "PULL",
            Self::Push => "PUSH",
            Self::XPub => "XPUB",
            Self::XSub => "XSUB",
            Self::Server => "SERVER",
            Self::Client => "CLIENT",
            Self::Radio => "RADIO",
            Self::Dish => "DISH",
            Self::Gather => "GATHER",
            Self::Scatter => "SCATTER",
            Self::Peer => "PEER",
            Self::Channel => "CHANNEL",
            Self::Stream => "STREAM",
        }
    }

    /// The type of that name, of those that speak ZMTP.
    #[must_use]
    pub fn from_name(name: &[u8]) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|it| it.name().as_bytes() == name)
    }

    /// Whether it may speak with a peer of that type. 37/ZMTP, "The Socket-Type Property"
    #[must_use]
    pub const fn accepts(self, peer: Self) -> bool {
        match self {
            Self::Pair => matches!(peer, Self::Pair),
            Self::Pub | Self::XPub => matches!(peer, Self::Sub | Self::XSub),
            Self::Sub | Self::XSub => matches!(peer, Self::Pub | Self::XPub),
            Self::Req => matches!(peer, Self::Rep | Self::Router),
            Self::Rep => matches!(peer, Self::Req | Self::Dealer),
            Self::Dealer => matches!(peer, Self::Rep | Self::Dealer | Self::Router),
            Self::Router => matches!(peer, Self::Req | Self::Dealer | Self::Router),
            Self::Pull => matches!(peer, Self::Push),
            Self::Push => matches!(peer, Self::Pull),
            Self::Server => matches!(peer, Self::Client),
            Self::Client => matches!(peer, Self::Server),
            Self::Radio => matches!(peer, Self::Dish),
            Self::Dish => matches!(peer, Self::Radio),
            Self::Gather => matches!(peer, Self::Scatter),
            Self::Scatter => matches!(peer, Self::Gather),
            Self::Peer => matches!(peer, Self::Peer),
            Self::Channel => matches!(peer, Self::Channel),
            Self::Stream => false,
        }
    }

    /// Whether a peer may be told its identity. 37/ZMTP, "The Identity Property"
    #[must_use]
    pub const fn has_identity(self) -> bool {
        matches!(self, Self::Req | Self::Dealer | Self::Router)
    }

    /// Whether it is of the family whose messages have one frame.
    #[must_use]
    pub const fn is_thread_safe(self) -> bool {
        matches!(
            self,
            Self::Client
                | Self::Server
                | Self::Radio
                | Self::Dish
                | Self::Scatter
                | Self::Gather
                | Self::Peer
                | Self::Channel
        )
    }

    /// The octet of a greeting of 2.0. XPUB and XSUB are told as PUB and SUB; newer types have none.
    pub(crate) const fn octet(self) -> Option<u8> {
        match self {
            Self::Pair => Some(0),
            Self::Pub | Self::XPub => Some(1),
            Self::Sub | Self::XSub => Some(2),
            Self::Req => Some(3),
            Self::Rep => Some(4),
            Self::Dealer => Some(5),
            Self::Router => Some(6),
            Self::Pull => Some(7),
            Self::Push => Some(8),
            Self::Server
            | Self::Client
            | Self::Radio
            | Self::Dish
            | Self::Gather
            | Self::Scatter
            | Self::Peer
            | Self::Channel
            | Self::Stream => None,
        }
    }

    /// The type of an octet; libzmq tells XPUB and XSUB by octets of their own.
    pub(crate) fn from_octet(octet: u8) -> Option<Self> {
        match octet {
            9 => Some(Self::XPub),
            10 => Some(Self::XSub),
            _ => Self::ALL.into_iter().find(|it| it.octet() == Some(octet)),
        }
    }
}

impl fmt::Display for SocketType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
