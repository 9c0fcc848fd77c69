//! What each type of socket promises, over inproc: nothing here waits for anything but the other side.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

mod changes;
mod lifecycle;
mod pipeline;
mod proxies;
mod pubsub;
mod reqrep;
mod routing;

use barid_zmq::{Context, Frame, Hwm, Message, ReceiveError, SendRefusal, Socket};
use barid_zmq::{Kind, Receives, Sends};

/// A socket that is bound to a name.
fn bound<K: Kind>(context: &Context, name: &str) -> Socket<K> {
    let socket = Socket::new(context);
    socket.bind(format!("inproc://{name}")).unwrap();
    socket
}

/// A socket that is connected to a name.
fn connected<K: Kind>(context: &Context, name: &str) -> Socket<K> {
    let socket = Socket::new(context);
    socket.connect(format!("inproc://{name}")).unwrap();
    socket
}

fn frames(message: &Message) -> Vec<String> {
    let text = |frame: &Frame| String::from_utf8_lossy(frame).into_owned();
    message.frames().iter().map(text).collect()
}

/// The next message, which must be there.
#[track_caller]
fn next<K: Receives>(socket: &Socket<K>) -> Vec<String> {
    frames(&socket.try_recv().unwrap())
}

/// All messages of one frame that are there.
fn all<K: Receives>(socket: &Socket<K>) -> Vec<String> {
    let next = || {
        socket
            .try_recv()
            .ok()
            .map(|message| frames(&message).join("|"))
    };
    std::iter::from_fn(next).collect()
}

#[track_caller]
fn assert_empty<K: Receives>(socket: &Socket<K>) {
    assert_eq!(socket.try_recv(), Err(ReceiveError::Empty));
}

#[track_caller]
fn refused<K: Sends>(socket: &Socket<K>, message: impl Into<Message>) -> SendRefusal {
    socket.try_send(message).unwrap_err().reason
}

/// A limit of so many messages for both sides together.
const fn hwm(messages: u64) -> Hwm {
    Hwm::messages(messages)
}
