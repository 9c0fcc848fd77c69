//! Sockets for threads: the same operations, which block where a task would wait.

use crate::error::{Closed, ReceiveError, SendError, SendRefusal, Unsent};
use crate::frame::Frame;
use crate::gate::Interest;
use crate::kind::{Audience, Kind, Numbers, Receives, Sends, kinds};
use crate::message::Message;
use crate::socket::Socket;
use crate::special::{GroupMessage, RoutingId, addressed, grouped, numbered, ungrouped};
use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// A socket as a thread uses it. Needs no runtime.
///
/// ```
/// use barid_zmq::{Context, Pull, Push};
///
/// let context = Context::new();
/// let (push, pull) = (Push::new(&context), Pull::new(&context));
/// pull.bind("inproc://work")?;
/// push.connect("inproc://work")?;
/// push.blocking().send("hello")?;
/// assert_eq!(pull.blocking().recv()?.first(), b"hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Blocking<'a, K>(&'a Socket<K>);

impl<K: Kind> fmt::Debug for Blocking<'_, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Blocking").field(self.0).finish()
    }
}

impl<K> Clone for Blocking<'_, K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K> Copy for Blocking<'_, K> {}

impl<'a, K> Blocking<'a, K> {
    pub(crate) const fn new(socket: &'a Socket<K>) -> Self {
        Self(socket)
    }
}

impl<K: Kind> Blocking<'_, K> {
    /// Waits until so many peers are connected; false if that takes longer than it may.
    ///
    /// # Errors
    /// [`Closed`]
    pub fn wait_connected(&self, count: usize, timeout: Duration) -> Result<bool, Closed> {
        let connected = wait_for(self.0.waiting_connected(count), Some(timeout));
        connected.map_or(Ok(false), |result| result.map(|()| true))
    }

    /// Closes the socket, for all its handles, and waits until what was to be sent is, or the linger time is over.
    pub fn close(&self) -> Unsent {
        wait_for(pin!(self.0.closing()), None).unwrap_or_default()
    }
}

impl<K: Sends> Blocking<'_, K> {
    /// Sends a message, once whom it is for has room.
    ///
    /// # Errors
    /// [`SendError`]
    #[inline]
    pub fn send(&self, message: impl Into<Message>) -> Result<(), SendError> {
        send(self.0, message.into(), None)
    }

    /// Sends a message, if whom it is for has room in time.
    ///
    /// # Errors
    /// [`SendError`]; [`SendRefusal::Full`] when the time is over.
    pub fn send_timeout(
        &self,
        message: impl Into<Message>,
        timeout: Duration,
    ) -> Result<(), SendError> {
        send(self.0, message.into(), Some(timeout))
    }
}

impl<K: Receives> Blocking<'_, K> {
    /// The next message.
    ///
    /// # Errors
    /// [`ReceiveError`]
    #[inline]
    pub fn recv(&self) -> Result<Message, ReceiveError> {
        recv(self.0, None)
    }

    /// The next message, if it comes in time.
    ///
    /// # Errors
    /// [`ReceiveError`]; [`ReceiveError::Empty`] when the time is over.
    pub fn recv_timeout(&self, timeout: Duration) -> Result<Message, ReceiveError> {
        recv(self.0, Some(timeout))
    }

    /// Waits for a message, then takes all that are there, up to so many, into a list; returns how many.
    ///
    /// # Errors
    /// As [`Self::recv`].
    pub fn recv_many(
        &self,
        messages: &mut Vec<Message>,
        max: usize,
    ) -> Result<usize, ReceiveError> {
        wait_for(self.0.receiving_many(messages, max), None).unwrap_or(Err(ReceiveError::Empty))
    }
}

impl<K: Numbers> Blocking<'_, K> {
    /// Sends a message of one frame to a peer, once that has room.
    ///
    /// # Errors
    /// [`SendError`]
    pub fn send_to(&self, peer: RoutingId, body: impl Into<Frame>) -> Result<(), SendError> {
        send(self.0, addressed(peer, body.into()), None)
    }

    /// The next message, and who it is from.
    ///
    /// # Errors
    /// [`ReceiveError`]
    pub fn recv_from(&self) -> Result<(RoutingId, Frame), ReceiveError> {
        numbered(recv(self.0, None)?)
    }

    /// The next message, if it comes in time, and who it is from.
    ///
    /// # Errors
    /// [`ReceiveError`]
    pub fn recv_from_timeout(&self, timeout: Duration) -> Result<(RoutingId, Frame), ReceiveError> {
        numbered(recv(self.0, Some(timeout))?)
    }
}

impl Blocking<'_, kinds::Radio> {
    /// Sends a message to all who have joined its group.
    ///
    /// # Errors
    /// [`SendError`]
    pub fn send_group(
        &self,
        group: impl Into<Frame>,
        body: impl Into<Frame>,
    ) -> Result<(), SendError> {
        send(self.0, grouped(group.into(), body.into()), None)
    }
}

impl Blocking<'_, kinds::Dish> {
    /// The next message of a group that was joined.
    ///
    /// # Errors
    /// [`ReceiveError`]
    pub fn recv_group(&self) -> Result<GroupMessage, ReceiveError> {
        Ok(ungrouped(recv(self.0, None)?))
    }

    /// The next message of a group that was joined, if it comes in time.
    ///
    /// # Errors
    /// [`ReceiveError`]
    pub fn recv_group_timeout(&self, timeout: Duration) -> Result<GroupMessage, ReceiveError> {
        Ok(ungrouped(recv(self.0, Some(timeout))?))
    }
}

impl<K: Audience> Blocking<'_, K> {
    /// Waits until so many peers would get a message of this topic, or this group; false if that takes longer than
    /// it may.
    ///
    /// # Errors
    /// [`Closed`]
    pub fn wait_subscribed(
        &self,
        topic: impl AsRef<[u8]>,
        count: usize,
        timeout: Duration,
    ) -> Result<bool, Closed> {
        let subscribed = wait_for(
            self.0.waiting_subscribed(topic.as_ref(), count),
            Some(timeout),
        );
        subscribed.map_or(Ok(false), |result| result.map(|()| true))
    }
}

#[inline]
fn send<K>(
    socket: &Socket<K>,
    mut message: Message,
    timeout: Option<Duration>,
) -> Result<(), SendError> {
    let cell = &socket.cell;
    let result = cell
        .try_sending_from(&mut message)
        .or_else(|| {
            cell.look_out(Interest::Send)
                .then(|| cell.try_sending_from(&mut message))?
        })
        .or_else(|| wait_for(cell.sending_from(&mut message), timeout))
        .unwrap_or(Err(SendRefusal::Full));
    result.map_err(|reason| SendError { reason, message })
}

#[inline]
fn recv<K>(socket: &Socket<K>, timeout: Option<Duration>) -> Result<Message, ReceiveError> {
    let cell = &socket.cell;
    let mut result = cell.try_receiving();
    if matches!(result, Err(ReceiveError::Empty)) && cell.look_out(Interest::Receive) {
        result = cell.try_receiving();
    }
    match result {
        Err(ReceiveError::Empty) => {
            wait_for(cell.receiving(), timeout).unwrap_or(Err(ReceiveError::Empty))
        }
        result => result,
    }
}

/// A thread that waits.
struct Sleeper {
    /// None once the thread is so near its end that it cannot be woken: then it looks by itself.
    thread: Option<Thread>,
    is_woken: AtomicBool,
}

impl Wake for Sleeper {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.is_woken.store(true, Ordering::Release);
        if let Some(thread) = &self.thread {
            thread.unpark();
        }
    }
}

impl Sleeper {
    /// A thread, and what wakes it.
    fn new(thread: Option<Thread>) -> (Arc<Self>, Waker) {
        let sleeper = Arc::new(Self {
            thread,
            is_woken: AtomicBool::new(false),
        });
        let waker = Waker::from(Arc::clone(&sleeper));
        (sleeper, waker)
    }

    /// Sleeps until it is woken, or for no reason at all; not longer than so long.
    #[expect(clippy::disallowed_methods, reason = "nothing can wake it there")]
    fn sleep(&self, timeout: Option<Duration>) {
        match (&self.thread, timeout) {
            (Some(_), None) => thread::park(),
            (Some(_), Some(timeout)) => thread::park_timeout(timeout),
            (None, timeout) => thread::sleep(timeout.unwrap_or(NAP).min(NAP)),
        }
    }
}

/// How long a thread that cannot be woken sleeps before it looks.
const NAP: Duration = Duration::from_millis(1);

thread_local! {
    static SLEEPER: (Arc<Sleeper>, Waker) = Sleeper::new(Some(thread::current()));
}

/// Runs a wait on this thread; none if it takes longer than it may.
#[expect(clippy::disallowed_methods, reason = "a thread waits by the clock")]
fn wait_for<F: Future + Unpin>(mut future: F, timeout: Option<Duration>) -> Option<F::Output> {
    let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let mut wait = |sleeper: &_| wait_until(&mut future, deadline, sleeper);
    // What else a thread drops at its end may still wait.
    let waited = SLEEPER.try_with(&mut wait);
    waited.unwrap_or_else(|_| wait(&Sleeper::new(None)))
}

#[expect(clippy::disallowed_methods, reason = "a thread waits by the clock")]
fn wait_until<F: Future + Unpin>(
    future: &mut F,
    deadline: Option<Instant>,
    (sleeper, waker): &(Arc<Sleeper>, Waker),
) -> Option<F::Output> {
    let mut cx = Context::from_waker(waker);
    loop {
        sleeper.is_woken.store(false, Ordering::Relaxed);
        if let Poll::Ready(output) = Pin::new(&mut *future).poll(&mut cx) {
            return Some(output);
        }
        while !sleeper.is_woken.load(Ordering::Acquire) {
            let Some(deadline) = deadline else {
                sleeper.sleep(None);
                continue;
            };
            let now = Instant::now();
            if now >= deadline {
                return None;
            }
            sleeper.sleep(Some(deadline - now));
        }
    }
}
