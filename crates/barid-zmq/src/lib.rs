#![doc = include_str!("../README.md")]

mod any;
mod attachment;
mod blocking;
mod buffers;
mod builder;
mod cell;
mod changes;
mod chunk;
mod context;
mod core;
mod endpoint;
mod error;
mod frame;
mod gate;
mod hub;
mod inproc;
mod kind;
mod message;
mod monitor;
mod net;
mod options;
mod peers;
mod pipe;
mod prefetch;
mod properties;
mod proxy;
mod routing;
mod security;
mod socket;
mod special;
mod spin;
mod sync;
mod wait;

#[doc(hidden)]
pub use any::AnySocket;
pub use blocking::Blocking;
pub use builder::{RoutingIdError, SocketBuilder};
pub use changes::Changes;
#[doc(hidden)]
pub use chunk::{Blank, Slice};
pub use context::Context;
pub use core::Counters;
pub use endpoint::{Endpoint, EndpointError, ToEndpoint};
pub use error::{
    BindError, Closed, ConnectError, LongGroup, ReceiveError, SendError, SendRefusal, Unsent,
};
pub use frame::Frame;
#[doc(hidden)]
pub use frame::{blank, room};
pub use kind::{
    Audience, Channel, Client, Conflates, Dealer, Dish, Gather, Kind, Named, Numbers, Pair, Peer,
    Pub, Pull, Push, Radio, Receives, Rep, Req, Router, Scatter, Sends, Server, Stream, Sub,
    Subscribes, XPub, XSub, kinds,
};
pub use message::Message;
pub use monitor::{HandshakeFailure, Monitor, MonitorEvent};
pub use options::{Heartbeat, IpVersions, OnFull, Reconnect, Subscriptions};
pub use pipe::credit::Hwm;
pub use properties::PeerProperties;
pub use proxy::{ProxyEnd, forward, proxy};
pub use security::{Applicant, Authenticator, Decision, NoRandom, curve_keypair};
pub use socket::Socket;
pub use special::{GroupMessage, RoutingId};
pub use zmtp::curve::{PublicKey, SecretKey, z85};
pub use zmtp::{Credentials, LoginTooLong, SocketType, StatusCode, Verdict, zap};
