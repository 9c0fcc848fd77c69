//! Sockets over TCP and Unix sockets, in two contexts, and what happens when peers come and go.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

mod bounds;
mod closing;
mod datagrams;
mod hostile;
mod messages;
mod reconnect;
mod security;
mod stream;
mod websocket;

use barid_zmq::{Context, Endpoint, Kind, Message, Receives, Sends, Socket};
use std::time::Duration;

/// Never waited out when all is well.
const LONG: Duration = Duration::from_secs(60);

/// One wildcard endpoint of each transport.
const TRANSPORTS: [&str; 3] = ["tcp://127.0.0.1:*", "ipc://*", "ws://127.0.0.1:*/zmq"];

/// A socket that listens, and where.
fn bound<K: Kind>(endpoint: &str) -> (Socket<K>, Endpoint) {
    let socket = Socket::new(&Context::new());
    let endpoint = socket.bind(endpoint).unwrap();
    (socket, endpoint)
}

/// A connected socket of a context of its own.
fn connected<K: Kind>(endpoint: &Endpoint) -> Socket<K> {
    let socket = Socket::new(&Context::new());
    socket.connect(endpoint).unwrap();
    socket
}

#[track_caller]
fn recv<K: Receives>(socket: &Socket<K>) -> Message {
    socket.blocking().recv_timeout(LONG).unwrap()
}

#[track_caller]
fn send<K: Sends>(socket: &Socket<K>, message: impl Into<Message>) {
    socket.blocking().send_timeout(message, LONG).unwrap();
}

fn message(frames: &[&str]) -> Message {
    frames.iter().copied().collect()
}
