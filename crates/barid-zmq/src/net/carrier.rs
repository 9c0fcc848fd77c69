//! A connection over which messages flow, and who moves them.
//!
//! Its task does, on an I/O thread. Where each message waits for the answer to the one before, to wake the task for it costs
//! more than to write it: there the thread that sends writes by itself what it has sent, while the task sleeps.

use super::Ends;
use super::connection::{End, Topics, Wire};
use super::transport::Stream;
use crate::pipe::Carry;
use parking_lot::Mutex;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

struct Body<S> {
    wire: Wire<S>,
    ends: Ends,
    topics: Topics,
    /// Of the task.
    waker: Waker,
    /// Why it ends, if another thread has found that.
    end: Option<End>,
}

struct Carrier<S>(Mutex<Option<Body<S>>>);

/// Carries messages until the connection ends. Of what is handed back `topics` is what the peer was told to send, for the
/// next connection.
pub(super) async fn carry<S: Stream>(
    mut wire: Wire<S>,
    mut ends: Ends,
    topics: Topics,
    senders_write: bool,
) -> (End, Ends, Topics) {
    if let Err(end) = wire.begin(&mut ends, &topics) {
        return (end, ends, topics);
    }
    let body = Body {
        wire,
        ends,
        topics,
        waker: Waker::noop().clone(),
        end: None,
    };
    let carrier = Arc::new(Carrier(Mutex::new(Some(body))));
    if senders_write {
        let this = Arc::downgrade(&carrier);
        if let Some(body) = &*carrier.0.lock() {
            body.ends.outgoing.set_carrier(this);
        }
    }
    poll_fn(|cx| carrier.poll(cx)).await
}

impl<S: Stream> Carrier<S> {
    fn poll(&self, cx: &mut Context<'_>) -> Poll<(End, Ends, Topics)> {
        let mut place = self.0.lock();
        let Some(body) = &mut *place else {
            return Poll::Pending;
        };
        body.waker.clone_from(cx.waker());
        body.ends.incoming.register(cx.waker());
        body.ends.outgoing.register(cx.waker());
        let end = match body.end.take() {
            None => match body.wire.poll_run(&mut body.ends, &mut body.topics, cx) {
                Ok(()) => return Poll::Pending,
                Err(end) => end,
            },
            Some(end) => end,
        };
        match place.take() {
            Some(Body { ends, topics, .. }) => Poll::Ready((end, ends, topics)),
            None => Poll::Pending,
        }
    }
}

impl<S: Stream> Carry for Carrier<S> {
    fn carry_now(&self) -> bool {
        // Whoever has it looks after all that was sent before it lies down.
        let Some(mut place) = self.0.try_lock() else {
            return false;
        };
        let Some(body) = &mut *place else {
            return false;
        };
        let waker = body.waker.clone();
        let mut cx = Context::from_waker(&waker);
        let carried = body
            .wire
            .write_now(&mut body.ends, &mut body.topics, &mut cx);
        carried.unwrap_or_else(|end| {
            body.end = Some(end);
            false
        })
    }
}
