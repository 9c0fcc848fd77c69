//! Passing messages on between sockets.

use crate::error::{ReceiveError, SendRefusal};
use crate::kind::{Receives, Sends};
use crate::message::Message;
use crate::socket::Socket;
use futures_util::future::{Either, select};
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

/// Messages that go one way before the other gets its turn.
const TURN_MESSAGES: usize = 1000;

/// Why a proxy has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyEnd {
    /// Nothing more can be received.
    #[error("cannot receive: {0}")]
    Receive(ReceiveError),
    /// Nothing more can be sent.
    #[error("cannot send: {0}")]
    Send(SendRefusal),
}

/// Passes all messages of one socket to another, until one of them is closed.
///
/// `watch` sees each message. To stop it, drop the future: at most one message, which was received and could not be
/// sent yet, is lost then. A message for a peer that is gone is dropped, as a router does.
pub async fn forward<A: Receives, B: Sends>(
    from: &Socket<A>,
    to: &Socket<B>,
    mut watch: impl FnMut(&Message),
) -> ProxyEnd {
    loop {
        for _ in 0..TURN_MESSAGES {
            let message = match from.recv().await {
                Ok(message) => message,
                Err(error) => return ProxyEnd::Receive(error),
            };
            watch(&message);
            match to.send(message).await.map_err(|error| error.reason) {
                Ok(()) | Err(SendRefusal::Unroutable) => {}
                Err(
                    refusal @ (SendRefusal::Closed
                    | SendRefusal::Full
                    | SendRefusal::OutOfTurn
                    | SendRefusal::ManyFrames
                    | SendRefusal::LongGroup),
                ) => return ProxyEnd::Send(refusal),
            }
        }
        let mut is_over = false;
        poll_fn(|cx| {
            if std::mem::replace(&mut is_over, true) {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }
}

/// Passes all messages both ways between two sockets, until one of them is closed: ROUTER and DEALER for requests,
/// XSUB and XPUB for topics.
///
/// ```no_run
/// use barid_zmq::{Context, XPub, XSub, proxy};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let context = Context::new();
/// let (publishers, subscribers) = (XSub::new(&context), XPub::new(&context));
/// publishers.bind("tcp://*:5555")?;
/// subscribers.bind("tcp://*:5556")?;
/// let end = proxy(&publishers, &subscribers).await;
/// # Ok(())
/// # }
/// ```
pub async fn proxy<A: Sends + Receives, B: Sends + Receives>(
    front: &Socket<A>,
    back: &Socket<B>,
) -> ProxyEnd {
    let there = pin!(forward(front, back, |_| {}));
    let back_again = pin!(forward(back, front, |_| {}));
    match select(there, back_again).await {
        Either::Left((end, _)) | Either::Right((end, _)) => end,
    }
}
