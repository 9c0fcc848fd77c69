//! `zmq_socket_monitor`: what happens to a socket's connections, as messages of a PAIR.

use crate::errno::{Errno, Result};
use barid_zmq::{
    Changes, Context, Endpoint, Frame, HandshakeFailure, Hwm, Message, Monitor, MonitorEvent, Pair,
    SendError, StatusCode,
};
use parking_lot::Mutex;
use std::collections::{BTreeSet, VecDeque};
use std::future::Future as _;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{self, Wake, Waker};

/// Numbers of events.
mod event {
    pub(super) const CONNECTED: u16 = 0x0001;
    pub(super) const CONNECT_DELAYED: u16 = 0x0002;
    pub(super) const CONNECT_RETRIED: u16 = 0x0004;
    pub(super) const LISTENING: u16 = 0x0008;
    pub(super) const ACCEPTED: u16 = 0x0020;
    pub(super) const ACCEPT_FAILED: u16 = 0x0040;
    pub(super) const CLOSED: u16 = 0x0080;
    pub(super) const DISCONNECTED: u16 = 0x0200;
    pub(super) const MONITOR_STOPPED: u16 = 0x0400;
    pub(super) const HANDSHAKE_FAILED_NO_DETAIL: u16 = 0x0800;
    pub(super) const HANDSHAKE_SUCCEEDED: u16 = 0x1000;
    pub(super) const HANDSHAKE_FAILED_PROTOCOL: u16 = 0x2000;
    pub(super) const HANDSHAKE_FAILED_AUTH: u16 = 0x4000;
}

/// Values of `HANDSHAKE_FAILED_PROTOCOL`.
mod protocol_error {
    pub(super) const UNSPECIFIED: u32 = 0x1000_0000;
    pub(super) const CRYPTOGRAPHIC: u32 = 0x1100_0001;
    pub(super) const MECHANISM_MISMATCH: u32 = 0x1100_0002;
}

/// What stands in for the number of a descriptor, which nobody outside is to use.
const NO_DESCRIPTOR: u32 = 0;

/// Events that wait until somebody has connected to the monitor, or reads.
const WAITING_MAX: usize = 1000;

/// Passes on what one monitor sees. Whoever makes an event runs it, as a waker.
pub(crate) struct Forwarder {
    /// Those that are wanted.
    events: u16,
    state: Mutex<State>,
    /// Somebody has asked for what there is to be passed on.
    is_due: AtomicBool,
}

struct State {
    /// None once it has stopped.
    monitor: Option<Monitor>,
    /// The end that the program's PAIR connects to.
    pair: Pair,
    changes: Changes,
    waiting: VecDeque<Message>,
    /// Where a connection was there that has ended, of which that has been told.
    ended: BTreeSet<Endpoint>,
}

impl Forwarder {
    /// Binds the PAIR at an endpoint of inproc.
    pub(crate) fn start(
        context: &Context,
        monitor: Monitor,
        endpoint: &str,
        events: u16,
    ) -> Result<Arc<Self>> {
        if !endpoint.starts_with("inproc://") {
            return Err(if endpoint.contains("://") {
                Errno::EPROTONOSUPPORT
            } else {
                Errno::EINVAL
            });
        }
        let pair = Pair::builder(context).send_hwm(Hwm::messages(1000)).build();
        pair.bind(endpoint)?;
        let this = Arc::new(Self {
            events,
            is_due: AtomicBool::new(false),
            state: Mutex::new(State {
                changes: pair.changes(),
                monitor: Some(monitor),
                pair,
                waiting: VecDeque::new(),
                ended: BTreeSet::new(),
            }),
        });
        this.run();
        Ok(this)
    }

    /// Says that there will be no more, and closes.
    pub(crate) fn stop(&self) {
        let mut state = self.state.lock();
        // From here on nobody wakes it any more, nor keeps it.
        let mut monitor = state.monitor.take();
        while let Some(event) = monitor.as_mut().and_then(Monitor::try_next) {
            state.tell(&event, self.events);
        }
        if self.events & event::MONITOR_STOPPED != 0 {
            state.put(event::MONITOR_STOPPED, 0, "");
        }
        state.flush();
        let pair = state.pair.clone();
        drop(state);
        // What it has sent stays with the reader.
        let waker = Waker::noop();
        let _unsent = pin!(pair.close()).poll(&mut task::Context::from_waker(waker));
    }

    /// Passes on what there is. Passing on may change the PAIR, and so come here again: then it is gone on with outside.
    fn run(self: &Arc<Self>) {
        self.is_due.store(true, Ordering::Release);
        while self.is_due.load(Ordering::Acquire) {
            let Some(mut state) = self.state.try_lock() else {
                return;
            };
            self.is_due.store(false, Ordering::Release);
            self.pass_on(&mut state);
        }
    }

    fn pass_on(self: &Arc<Self>, state: &mut State) {
        let waker = Waker::from(Arc::clone(self));
        let mut cx = task::Context::from_waker(&waker);
        loop {
            let Some(monitor) = &mut state.monitor else {
                return;
            };
            let next = pin!(monitor.next()).poll(&mut cx);
            match next {
                task::Poll::Ready(Some(event)) => state.tell(&event, self.events),
                task::Poll::Ready(None) => return,
                task::Poll::Pending => break,
            }
        }
        // A PAIR that is closed has always changed.
        for _ in 0..16 {
            state.flush();
            if state.waiting.is_empty() || state.changes.poll(&cx).is_pending() {
                return;
            }
        }
    }
}

impl Wake for Forwarder {
    fn wake(self: Arc<Self>) {
        self.run();
    }
}

impl State {
    fn put(&mut self, event: u16, value: u32, endpoint: &str) {
        if self.waiting.len() == WAITING_MAX {
            return;
        }
        let mut head = [0; 6];
        head[..2].copy_from_slice(&event.to_ne_bytes());
        head[2..].copy_from_slice(&value.to_ne_bytes());
        let frames = [Frame::copy_from(&head), Frame::from(endpoint)];
        self.waiting.push_back(frames.into_iter().collect());
    }

    fn flush(&mut self) {
        while let Some(message) = self.waiting.pop_front() {
            if let Err(SendError { message, .. }) = self.pair.try_send(message) {
                self.waiting.push_front(message);
                return;
            }
        }
    }

    fn tell(&mut self, seen: &MonitorEvent, wanted: u16) {
        let mut has_ended = false;
        if let MonitorEvent::HandshakeFailed { endpoint, .. }
        | MonitorEvent::Disconnected { endpoint, .. } = seen
        {
            self.ended.insert(endpoint.clone());
        } else if let MonitorEvent::ConnectRetried { endpoint, .. }
        | MonitorEvent::Connected { endpoint, .. } = seen
        {
            has_ended = self.ended.remove(endpoint);
        }
        let mut put = |event: u16, value: u32, endpoint: &Endpoint| {
            if wanted & event != 0 {
                self.put(event, value, &endpoint.to_string());
            }
        };
        match seen {
            MonitorEvent::Listening { endpoint } => put(event::LISTENING, NO_DESCRIPTOR, endpoint),
            MonitorEvent::Accepted { endpoint } => put(event::ACCEPTED, NO_DESCRIPTOR, endpoint),
            MonitorEvent::AcceptFailed { endpoint, .. } => {
                put(event::ACCEPT_FAILED, number(libc::EMFILE), endpoint);
            }
            MonitorEvent::Connected { endpoint } => {
                // libzmq never connects at once.
                put(event::CONNECT_DELAYED, number(libc::EINPROGRESS), endpoint);
                put(event::CONNECTED, NO_DESCRIPTOR, endpoint);
            }
            MonitorEvent::ConnectRetried {
                endpoint, after, ..
            } => {
                // A connection that was there has said what became of it.
                if !has_ended {
                    put(event::CONNECT_DELAYED, number(libc::EINPROGRESS), endpoint);
                    put(event::CLOSED, NO_DESCRIPTOR, endpoint);
                }
                let ms = u32::try_from(after.as_millis()).unwrap_or(u32::MAX);
                put(event::CONNECT_RETRIED, ms, endpoint);
            }
            MonitorEvent::HandshakeSucceeded { endpoint } => {
                put(event::HANDSHAKE_SUCCEEDED, 0, endpoint);
            }
            MonitorEvent::HandshakeFailed {
                endpoint, failure, ..
            } => {
                let (event, value) = failed(*failure);
                put(event, value, endpoint);
                // The transport was there.
                put(event::DISCONNECTED, NO_DESCRIPTOR, endpoint);
            }
            MonitorEvent::Disconnected { endpoint, .. } => {
                put(event::DISCONNECTED, NO_DESCRIPTOR, endpoint);
            }
            MonitorEvent::Closed { endpoint } => put(event::CLOSED, NO_DESCRIPTOR, endpoint),
            _ => {}
        }
    }
}

const fn failed(failure: HandshakeFailure) -> (u16, u32) {
    use protocol_error as e;
    let protocol = event::HANDSHAKE_FAILED_PROTOCOL;
    match failure {
        HandshakeFailure::Lost => (event::HANDSHAKE_FAILED_NO_DETAIL, number(libc::EPIPE)),
        HandshakeFailure::Authentication(code) => {
            let code = match code {
                StatusCode::TemporaryError => 300,
                StatusCode::AuthenticationFailure => 400,
                StatusCode::InternalError => 500,
            };
            (event::HANDSHAKE_FAILED_AUTH, code)
        }
        HandshakeFailure::Mechanism => (protocol, e::MECHANISM_MISMATCH),
        HandshakeFailure::Curve => (protocol, e::CRYPTOGRAPHIC),
        HandshakeFailure::Protocol => (protocol, e::UNSPECIFIED),
    }
}

const fn number(errno: i32) -> u32 {
    errno.unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::*;
    use barid_zmq::Pull;

    #[test]
    fn one_that_has_stopped_is_free_though_its_socket_stays() {
        let context = Context::new();
        let pull = Pull::new(&context);
        let forwarder =
            Forwarder::start(&context, pull.monitor(), "inproc://monitor", 0xffff).unwrap();
        pull.bind("tcp://127.0.0.1:*").unwrap();
        assert!(Arc::strong_count(&forwarder) > 1);
        forwarder.stop();
        assert_eq!(Arc::strong_count(&forwarder), 1);
        drop(pull);
    }
}
