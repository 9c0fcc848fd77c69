//! The types of sockets, as types.

use crate::socket::Socket;
use zmtp::SocketType;

mod sealed {
    #[expect(unnameable_types, reason = "nobody else is to implement it")]
    pub trait Sealed {}
}

/// A type of socket.
pub trait Kind: sealed::Sealed + Send + Sync + 'static {
    /// Its name among all.
    const TYPE: SocketType;
}

/// A type whose sockets send messages to whom the type says.
pub trait Sends: Kind {}

/// A type whose sockets receive messages.
pub trait Receives: Kind {}

/// A type whose sockets know peers by numbers that each message carries.
pub trait Numbers: Kind {}

/// A type whose sockets have a routing id that peers are told.
pub trait Named: Kind {}

/// A type whose sockets may keep the newest message only.
pub trait Conflates: Kind {}

/// A type whose sockets find out who wants what.
pub trait Audience: Kind {}

/// A type whose sockets subscribe to what begins so.
pub trait Subscribes: Kind {}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident: $($role:ident),*;)*) => {
        /// What [`Socket`] is a socket of.
        pub mod kinds {
            use super::*;
            $(
                $(#[$doc])*
                #[derive(Debug)]
                pub enum $name {}
                impl sealed::Sealed for $name {}
                impl Kind for $name {
                    const TYPE: SocketType = SocketType::$name;
                }
                $(impl $role for $name {})*
            )*
        }
        $(
            $(#[$doc])*
            pub type $name = Socket<kinds::$name>;
        )*
    };
}

kinds! {
    /// Asks one of its peers in turn, and waits for the reply.
    Req: Sends, Receives, Named;
    /// Is asked, and replies to who asked.
    Rep: Sends, Receives;
    /// Sends to its peers in turn, receives from all fairly.
    Dealer: Sends, Receives, Named, Conflates;
    /// Receives from all fairly, and sends to the peer that the first frame names.
    Router: Sends, Receives, Named;
    /// Sends to all who have subscribed to a prefix of the message.
    Pub: Sends, Conflates, Audience;
    /// Receives what it has subscribed to.
    Sub: Receives, Conflates, Subscribes;
    /// A [`Pub`] that receives subscriptions.
    XPub: Sends, Receives, Audience;
    /// A [`Sub`] that sends subscriptions as messages.
    XSub: Sends, Receives, Subscribes;
    /// Sends to its peers in turn.
    Push: Sends, Conflates;
    /// Receives from its peers fairly.
    Pull: Receives, Conflates;
    /// Speaks with one peer.
    Pair: Sends, Receives;
    /// Speaks with servers in turn, in messages of one frame.
    Client: Sends, Receives;
    /// Receives from clients, and sends to the one that a message is for.
    Server: Numbers;
    /// Sends to all who have joined the group of the message.
    Radio: Audience;
    /// Receives messages of the groups that it has joined.
    Dish: ;
    /// Sends to its peers in turn, in messages of one frame.
    Scatter: Sends;
    /// Receives from its peers fairly, in messages of one frame.
    Gather: Receives;
    /// Receives from peers like it, and sends to the one that a message is for.
    Peer: Numbers;
    /// Speaks with one peer, in messages of one frame.
    Channel: Sends, Receives;
    /// Carries bytes of TCP as they are: the first frame of a message says who sent them or is to have them.
    Stream: Sends, Receives;
}
