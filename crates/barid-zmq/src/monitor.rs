//! What happens to a socket's connections, as a stream of events.

use crate::endpoint::Endpoint;
use futures_core::Stream;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use zmtp::StatusCode;

/// Events that a monitor keeps for who reads it; older ones make room for newer ones.
const EVENTS_MAX: usize = 1024;

/// Something that happened to a socket's connections.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MonitorEvent {
    /// The socket listens.
    Listening {
        /// Where, with the port that was found.
        endpoint: Endpoint,
    },
    /// A peer has connected; it has yet to shake hands.
    Accepted {
        /// Where the socket listens.
        endpoint: Endpoint,
    },
    /// A connection was not taken.
    AcceptFailed {
        /// Where the socket listens.
        endpoint: Endpoint,
        /// Why.
        reason: String,
    },
    /// The transport to a peer is there; hands are to be shaken.
    Connected {
        /// The peer's.
        endpoint: Endpoint,
    },
    /// A connection could not be made, and will be tried again.
    ConnectRetried {
        /// The peer's.
        endpoint: Endpoint,
        /// After how long.
        after: Duration,
        /// Why.
        reason: String,
    },
    /// Messages flow.
    HandshakeSucceeded {
        /// The listener's or the peer's.
        endpoint: Endpoint,
    },
    /// The peer is not one to speak with.
    HandshakeFailed {
        /// The listener's or the peer's.
        endpoint: Endpoint,
        /// In short.
        failure: HandshakeFailure,
        /// Why.
        reason: String,
    },
    /// A connection over which messages flowed has ended.
    Disconnected {
        /// The listener's or the peer's.
        endpoint: Endpoint,
        /// Why.
        reason: String,
    },
    /// A connection has ended and will not be tried again, or the socket does not listen any more.
    Closed {
        /// The peer's, or where the socket has listened.
        endpoint: Endpoint,
    },
}

/// Why hands were not shaken, in short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandshakeFailure {
    /// The peer has gone, or took too long.
    Lost,
    /// The peer is not let in, or does not let this socket in.
    Authentication(StatusCode),
    /// The two speak different mechanisms.
    Mechanism,
    /// What the peer has encrypted cannot be opened.
    Curve,
    /// The peer has broken the protocol in another way.
    Protocol,
}

#[derive(Default)]
struct Kept {
    events: VecDeque<MonitorEvent>,
    missed: u64,
    is_over: bool,
    waker: Option<Waker>,
}

/// Events of one socket from when it was asked for. Slow readers miss the oldest ones.
pub struct Monitor(Arc<Mutex<Kept>>);

impl Monitor {
    /// How many events were missed since this was asked last.
    pub fn take_missed(&mut self) -> u64 {
        std::mem::take(&mut self.0.lock().missed)
    }

    /// The next event, if it is there.
    pub fn try_next(&mut self) -> Option<MonitorEvent> {
        self.0.lock().events.pop_front()
    }

    /// The next event; none when the socket is gone.
    pub async fn next(&mut self) -> Option<MonitorEvent> {
        std::future::poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&self, cx: &Context<'_>) -> Poll<Option<MonitorEvent>> {
        let mut kept = self.0.lock();
        if let Some(event) = kept.events.pop_front() {
            return Poll::Ready(Some(event));
        }
        if kept.is_over {
            return Poll::Ready(None);
        }
        kept.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Stream for Monitor {
    type Item = MonitorEvent;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<MonitorEvent>> {
        self.poll(cx)
    }
}

impl std::fmt::Debug for Monitor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Monitor").finish_non_exhaustive()
    }
}

/// The monitors of a socket.
#[derive(Default)]
pub(crate) struct Monitors {
    any: AtomicBool,
    all: Mutex<Vec<Weak<Mutex<Kept>>>>,
}

impl Monitors {
    pub(crate) fn add(&self) -> Monitor {
        let kept = Arc::new(Mutex::new(Kept::default()));
        let mut all = self.all.lock();
        // Nothing may happen for long, and monitors come and go.
        all.retain(|kept| kept.strong_count() > 0);
        all.push(Arc::downgrade(&kept));
        drop(all);
        self.any.store(true, Ordering::Release);
        Monitor(kept)
    }

    /// Tells all monitors, if there are any.
    pub(crate) fn tell(&self, event: impl FnOnce() -> MonitorEvent) {
        if !self.any.load(Ordering::Acquire) {
            return;
        }
        let event = event();
        self.each(|kept| {
            if kept.events.len() == EVENTS_MAX {
                kept.events.pop_front();
                kept.missed += 1;
            }
            kept.events.push_back(event.clone());
        });
    }

    fn each(&self, mut change: impl FnMut(&mut Kept)) {
        let mut wakers = Vec::new();
        self.all.lock().retain(|kept| {
            let Some(kept) = kept.upgrade() else {
                return false;
            };
            let mut kept = kept.lock();
            change(&mut kept);
            wakers.extend(kept.waker.take());
            true
        });
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl Drop for Monitors {
    fn drop(&mut self) {
        self.each(|kept| kept.is_over = true);
    }
}
