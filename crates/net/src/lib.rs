//! Listeners, and the one driver that runs any [`Session`](broker_api::Session) over a transport.
//!
//! This crate knows tokio, sockets and the waist. It must not know a protocol, and not the broker: a
//! [`Protocol`] hands it a session and an attachment for each connection, and it carries bytes,
//! commands and events between a socket and these two.
//!
//! How data flows through one connection, all in one task:
//!
//! ```text
//!              read              handle_input                submit
//!   socket ───────────► input ────────────────► session ───────────────► attachment
//!          ◄─────────── wire  ◄──────────────── session ◄───────────────
//!              write             handle_event              poll_events
//! ```
//!
//! What holds for every connection:
//! - Reading stops while the session waits at a barrier, while the attachment does not admit more,
//!   and while [`Driver::WIRE_BYTES_MAX`] bytes wait to be sent: a peer that does not read cannot
//!   make the broker buffer for it. One that accepts nothing for [`Limits::send_timeout`] is cut.
//! - Events are taken only when everything before them has been handed to the transport.
//! - Written once per batch of input or events, never per message.
//! - An idle connection holds no buffer and, if nobody wants a deadline, no timer.
//! - However a connection ends, its attachment is closed exactly once.
//!
//! A [`Transport`] may stand between the socket and the driver: a WebSocket carries the bytes of any
//! session as messages, and neither the driver nor the session knows.
//!
//! Read first: [`Driver`] (one connection), then [`Server`] (accepting them). [`Endpoint`] and
//! [`bind`] turn the addresses that a user writes into listeners; [`bind_unix`] listens for programs of
//! this machine.

mod clock;
mod counters;
mod driver;
mod endpoint;
mod kept;
mod limits;
mod listener;
mod pool;
mod server;
mod stop;
#[cfg(test)]
mod toy;
mod unix;
mod websocket;

pub use clock::Clock;
pub use counters::Counters;
pub use driver::{Driver, End, Environment};
pub use endpoint::{Endpoint, EndpointError};
pub use kept::KeptInput;
pub use limits::Limits;
pub use listener::{Address, BindError, BindWarning, Bound, Listener, bind};
pub use server::{Carried, Protocol, Server, Transport};
pub use stop::{StopSignal, Stopper};
pub use unix::bind_unix;
#[doc(hidden)]
pub use websocket::decode_pieces;
pub use websocket::{Messages, WebSocketRules};
