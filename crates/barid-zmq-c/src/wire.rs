//! Sockets of all types behind one interface: C chooses the type when it runs.

use crate::errno::{Errno, Result};
use crate::options::Options;
use barid_zmq::{
    AnySocket, BindError, Changes, ConnectError, Context, Endpoint, Monitor, Socket, Unsent, kinds,
};
use bytes::Bytes;
use std::future::Future;
use std::pin::Pin;

/// Numbers of the types.
pub(crate) mod kind {
    pub(crate) const PAIR: i32 = 0;
    pub(crate) const PUB: i32 = 1;
    pub(crate) const SUB: i32 = 2;
    pub(crate) const REQ: i32 = 3;
    pub(crate) const REP: i32 = 4;
    pub(crate) const DEALER: i32 = 5;
    pub(crate) const ROUTER: i32 = 6;
    pub(crate) const PULL: i32 = 7;
    pub(crate) const PUSH: i32 = 8;
    pub(crate) const XPUB: i32 = 9;
    pub(crate) const XSUB: i32 = 10;
    pub(crate) const STREAM: i32 = 11;
}

/// A socket of any type. What a type cannot do fails with `ENOTSUP`.
pub(crate) trait Wire: Send + Sync {
    fn bind(&self, endpoint: &Endpoint) -> std::result::Result<Endpoint, BindError>;
    fn connect(
        &self,
        endpoint: &Endpoint,
        name: Option<Bytes>,
    ) -> std::result::Result<(), ConnectError>;
    /// False if it is not bound or connected there.
    fn end(&self, endpoint: &Endpoint, is_bound: bool) -> bool;
    /// The same socket for its messages. Whether it sends and receives any is said by the next two.
    fn messages(&self) -> AnySocket;
    fn sends(&self) -> bool;
    fn receives(&self) -> bool;
    fn admits(&self, first_frame: &[u8]) -> Result<()>;
    fn is_writable(&self) -> bool;
    /// What the peer is called that a STREAM has got last.
    fn newest_peer(&self) -> Option<Bytes>;
    /// Subscribes, or for an XPUB, lets the last who has asked subscribe.
    fn subscribe(&self, topic: Bytes, is_subscribed: bool) -> Result<()>;
    fn set_options(&self, context: &Context, options: &Options) -> Result<()>;
    fn changes(&self) -> Changes;
    fn monitor(&self) -> Monitor;
    /// Closes it; done when all is sent, or the linger time is over.
    fn close(&self) -> Pin<Box<dyn Future<Output = Unsent> + Send>>;
}

/// A new socket of a type.
pub(crate) fn new(context: &Context, number: i32) -> Result<Box<dyn Wire>> {
    Ok(match number {
        kind::PAIR => Box::new(barid_zmq::Pair::new(context)),
        kind::PUB => Box::new(barid_zmq::Pub::new(context)),
        kind::SUB => Box::new(barid_zmq::Sub::new(context)),
        kind::REQ => Box::new(barid_zmq::Req::new(context)),
        kind::REP => Box::new(barid_zmq::Rep::new(context)),
        kind::DEALER => Box::new(barid_zmq::Dealer::new(context)),
        kind::ROUTER => Box::new(barid_zmq::Router::new(context)),
        kind::PULL => Box::new(barid_zmq::Pull::new(context)),
        kind::PUSH => Box::new(barid_zmq::Push::new(context)),
        kind::XPUB => Box::new(barid_zmq::XPub::new(context)),
        kind::XSUB => Box::new(barid_zmq::XSub::new(context)),
        kind::STREAM => Box::new(barid_zmq::Stream::new(context)),
        _ => return Err(Errno::EINVAL),
    })
}

/// What comes of sending where nothing is ever sent.
const fn never_sent(_first_frame: &[u8]) -> Result<()> {
    Err(Errno::ENOTSUP)
}

/// Adds to a builder what only some types have.
macro_rules! with_options {
    ($builder:ident, $options:ident, named) => {
        $options.named($builder)?
    };
    ($builder:ident, $options:ident, conflates) => {
        $builder.conflate($options.is_conflating)
    };
    ($builder:ident, $options:ident, req) => {
        $builder
            .relaxed($options.is_relaxed)
            .correlate($options.is_correlated)
    };
    ($builder:ident, $options:ident, router) => {
        $builder
            .mandatory($options.is_mandatory)
            .handover($options.is_handover)
    };
    ($builder:ident, $options:ident, stream) => {
        $builder.notify($options.notifies)
    };
    ($builder:ident, $options:ident, xpub) => {
        $options.xpub($builder)
    };
    ($builder:ident, $options:ident, $other:ident) => {
        $builder
    };
}

macro_rules! if_sends {
    (receives_only, $sends:expr, $otherwise:expr) => {
        $otherwise
    };
    ($direction:ident, $sends:expr, $otherwise:expr) => {
        $sends
    };
}

macro_rules! if_receives {
    (sends_only, $receives:expr, $otherwise:expr) => {
        $otherwise
    };
    ($direction:ident, $receives:expr, $otherwise:expr) => {
        $receives
    };
}

macro_rules! connect_as {
    ($this:ident, $endpoint:ident, $name:ident, router) => {
        if let Some(name) = $name {
            return $this.connect_as($endpoint, name);
        }
    };
    ($this:ident, $endpoint:ident, $name:ident, stream) => {
        if let Some(name) = $name {
            return $this.connect_as($endpoint, name);
        }
    };
    ($this:ident, $endpoint:ident, $name:ident, $other:ident) => {
        let _for_routers: Option<Bytes> = $name;
    };
}

macro_rules! newest_peer {
    ($this:ident, stream) => {
        Self::newest_peer($this)
    };
    ($this:ident, $other:ident) => {
        None
    };
}

macro_rules! subscribe {
    ($this:ident, $topic:ident, $is_subscribed:ident, sub) => {{
        if $is_subscribed {
            Self::subscribe($this, $topic);
        } else {
            // That there was no such subscription is no error to libzmq.
            $this.unsubscribe($topic);
        }
        Ok(())
    }};
    ($this:ident, $topic:ident, $is_subscribed:ident, xpub) => {{
        let _is_there = if $is_subscribed {
            $this.grant($topic)
        } else {
            $this.revoke($topic)
        };
        Ok(())
    }};
    ($this:ident, $topic:ident, $is_subscribed:ident, $other:ident) => {{
        let _for_subscribers = ($topic, $is_subscribed);
        Err(Errno::EINVAL)
    }};
}

/// What a type is behind the interface: which way it speaks, whether it has a name, whether it conflates, what else it has.
macro_rules! wire {
    ($($kind:ident: $direction:ident, $named:ident, $conflates:ident, $special:ident;)*) => {
        $(impl Wire for Socket<kinds::$kind> {
            fn bind(&self, endpoint: &Endpoint) -> std::result::Result<Endpoint, BindError> {
                Self::bind(self, endpoint)
            }

            fn connect(
                &self,
                endpoint: &Endpoint,
                name: Option<Bytes>,
            ) -> std::result::Result<(), ConnectError> {
                connect_as!(self, endpoint, name, $special);
                Self::connect(self, endpoint)
            }

            fn end(&self, endpoint: &Endpoint, is_bound: bool) -> bool {
                let ended = if is_bound {
                    self.unbind(endpoint)
                } else {
                    self.disconnect(endpoint)
                };
                ended.unwrap_or(false)
            }

            fn messages(&self) -> AnySocket {
                self.any()
            }

            fn sends(&self) -> bool {
                if_sends!($direction, true, false)
            }

            fn receives(&self) -> bool {
                if_receives!($direction, true, false)
            }

            fn admits(&self, first_frame: &[u8]) -> Result<()> {
                if_sends!(
                    $direction,
                    Ok(Self::admits(self, first_frame)?),
                    never_sent(first_frame)
                )
            }

            fn is_writable(&self) -> bool {
                if_sends!($direction, Self::is_writable(self), false)
            }

            fn newest_peer(&self) -> Option<Bytes> {
                newest_peer!(self, $special)
            }

            fn subscribe(&self, topic: Bytes, is_subscribed: bool) -> Result<()> {
                subscribe!(self, topic, is_subscribed, $special)
            }

            fn set_options(&self, context: &Context, options: &Options) -> Result<()> {
                let builder = options.common(Self::builder(context), context)?;
                let builder = with_options!(builder, options, $named);
                let builder = with_options!(builder, options, $conflates);
                let builder = with_options!(builder, options, $special);
                Self::set_options(self, builder);
                Ok(())
            }

            fn changes(&self) -> Changes {
                Self::changes(self)
            }

            fn monitor(&self) -> Monitor {
                Self::monitor(self)
            }

            fn close(&self) -> Pin<Box<dyn Future<Output = Unsent> + Send>> {
                Box::pin(Self::close(self.clone()))
            }
        })*
    };
}

wire! {
    Pair: both, unnamed, all, pair;
    Pub: sends_only, unnamed, conflates, publish;
    Sub: receives_only, unnamed, conflates, sub;
    Req: both, named, all, req;
    Rep: both, unnamed, all, rep;
    Dealer: both, named, conflates, dealer;
    Router: both, named, all, router;
    Pull: receives_only, unnamed, conflates, pull;
    Push: sends_only, unnamed, conflates, push;
    XPub: both, unnamed, all, xpub;
    XSub: both, unnamed, all, xsub;
    Stream: both, unnamed, all, stream;
}
