//! A connection over which messages flow, and who moves them.
//!
//! Its task does, on an I/O thread. Where each message waits for the answer to the one before, to wake the task for it costs
//! more than to write it: there the thread that sends writes by itself what it has sent, while the task sleeps.
//!
//! - Whoever finds the other at work lets it be: a sender wakes the task, which looks again at its end; the task waits for
//!   a moment, then until the sender wakes it. So a sender that the system has stopped stops no other connection.
//! - A sender asks the transport once, and does not wait for it. What is left is the task's.

use super::Ends;
use super::connection::{End, Topics, Wire};
use super::transport::Stream;
use crate::pipe::Carry;
use futures_util::task::AtomicWaker;
use parking_lot::{Mutex, MutexGuard};
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// How long the task waits, and its thread with it, for a sender that is writing: longer than that takes.
const PATIENCE: Duration = Duration::from_micros(50);

struct Body<S> {
    wire: Wire<S>,
    ends: Ends,
    topics: Topics,
    /// Of the task.
    waker: Waker,
    /// Why it ends, if another thread has found that, or was stopped by a panic while it wrote.
    end: Option<End>,
}

struct Carrier<S> {
    body: Mutex<Option<Body<S>>>,
    /// The task, if it has found another thread at work.
    waiting: AtomicWaker,
}

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
    let carrier = Arc::new(Carrier::new(wire, ends, topics));
    if senders_write {
        let this = Arc::downgrade(&carrier);
        if let Some(body) = &*carrier.body.lock() {
            body.ends.outgoing.set_carrier(this);
        }
    }
    poll_fn(|cx| carrier.poll(cx)).await
}

impl<S: Stream> Carrier<S> {
    fn new(wire: Wire<S>, ends: Ends, topics: Topics) -> Self {
        let body = Body {
            wire,
            ends,
            topics,
            waker: Waker::noop().clone(),
            end: None,
        };
        Self {
            body: Mutex::new(Some(body)),
            waiting: AtomicWaker::new(),
        }
    }

    /// For the task; none if it is woken when another thread is done.
    fn lock(&self, cx: &Context<'_>) -> Option<MutexGuard<'_, Option<Body<S>>>> {
        let place = self.body.try_lock_for(PATIENCE);
        if place.is_some() {
            return place;
        }
        self.waiting.register(cx.waker());
        // It may have been done before it could see that.
        self.body.try_lock()
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<(End, Ends, Topics)> {
        let Some(mut place) = self.lock(cx) else {
            return Poll::Pending;
        };
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

/// A sender at work.
struct Held<'a, S> {
    carrier: &'a Carrier<S>,
    place: Option<MutexGuard<'a, Option<Body<S>>>>,
}

impl<S: Stream> Held<'_, S> {
    fn write(&mut self) -> bool {
        let Some(body) = self.place.as_mut().and_then(|place| place.as_mut()) else {
            return false;
        };
        if body.end.is_some() {
            return false;
        }
        // What a panic leaves half done is not gone on with.
        body.end = Some(End::Io(io::ErrorKind::Other.into()));
        let mut cx = Context::from_waker(&body.waker);
        let carried = body
            .wire
            .write_now(&mut body.ends, &mut body.topics, &mut cx);
        body.end = None;
        carried.unwrap_or_else(|end| {
            body.end = Some(end);
            false
        })
    }
}

impl<S> Drop for Held<'_, S> {
    fn drop(&mut self) {
        let Some(place) = self.place.take() else {
            return;
        };
        let ended = place.as_ref().filter(|body| body.end.is_some());
        let ended = ended.map(|body| body.waker.clone());
        drop(place);
        self.carrier.waiting.wake();
        if let Some(waker) = ended {
            waker.wake();
        }
    }
}

impl<S: Stream> Carry for Carrier<S> {
    fn carry_now(&self) -> bool {
        // Whoever has it looks after all that was sent before it lies down.
        let place = self.body.try_lock();
        place.is_some()
            && Held {
                carrier: self,
                place,
            }
            .write()
    }
}

#[cfg(test)]
mod tests {
    use super::super::transport::Gathers;
    use super::*;
    use crate::attachment::Attachment;
    use crate::context::Context as Sockets;
    use crate::hub::Hub;
    use crate::message::Message;
    use crate::options::Options;
    use crate::pipe::Rings;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::pin::Pin;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;
    use std::task::Wake;
    use std::thread;
    use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
    use tokio::net::UnixStream;
    use zmtp::SocketType;

    /// Does something before each write, which says how many bytes are taken at most.
    type Before = Arc<Mutex<Box<dyn FnMut() -> usize + Send>>>;

    struct Watched {
        stream: UnixStream,
        before: Before,
    }

    impl AsyncRead for Watched {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Pin::new(&mut self.stream).poll_read(cx, buffer)
        }
    }

    impl AsyncWrite for Watched {
        fn poll_write(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            let count = (self.before.lock())().min(bytes.len());
            Pin::new(&mut self.stream).poll_write(cx, &bytes[..count])
        }

        fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.stream).poll_flush(cx)
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.stream).poll_shutdown(cx)
        }
    }

    impl Gathers for Watched {}

    impl Stream for Watched {
        fn address(&self) -> String {
            String::new()
        }
    }

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// A connection whose task sleeps, with a message of its socket.
    struct Stage {
        carrier: Carrier<Watched>,
        before: Before,
        wakes: Arc<Count>,
        waker: Waker,
        _socket: Attachment,
    }

    impl Stage {
        async fn new() -> Self {
            let hub = |socket_type| {
                let options = Arc::new(Options::default());
                Arc::new(Hub::new(socket_type, options, Sockets::new().0))
            };
            let (req, rep) = (hub(SocketType::Req), hub(SocketType::Rep));
            let (stream, peer) = UnixStream::pair().unwrap();
            let before: Before = Arc::new(Mutex::new(Box::new(|| usize::MAX)));
            let stream = Watched {
                stream,
                before: Arc::clone(&before),
            };
            let mut wire = Wire::new(&req, stream, String::new()).unwrap();
            tokio::spawn(async move {
                let mut wire = Wire::new(&rep, peer, String::new()).unwrap();
                wire.shake_hands().await.unwrap();
                let (_socket, ends) = Ends::new(&rep, 0, None);
                carry(wire, ends, Topics::default(), false).await
            });
            wire.shake_hands().await.unwrap();
            let (mut socket, ends) = Ends::new(&req, 0, None);
            let carrier = Carrier::new(wire, ends, Topics::default());
            let wakes = Arc::<Count>::default();
            let waker = Waker::from(Arc::clone(&wakes));
            assert!(carrier.poll(&mut Context::from_waker(&waker)).is_pending());
            socket.sender.push(Message::from_iter(["", "request"]));
            socket.sender.publish(&mut Rings::new());
            Self {
                carrier,
                before,
                wakes,
                waker,
                _socket: socket,
            }
        }

        fn do_before(&self, f: impl FnMut() -> usize + Send + 'static) {
            *self.before.lock() = Box::new(f);
        }

        fn poll(&self) -> Poll<(End, Ends, Topics)> {
            self.carrier.poll(&mut Context::from_waker(&self.waker))
        }

        fn wakes(&self) -> usize {
            self.wakes.0.load(Ordering::SeqCst)
        }
    }

    #[tokio::test]
    async fn a_sender_that_is_stopped_stops_no_other_connection() {
        let stage = Stage::new().await;
        let (entered, is_entered) = mpsc::channel();
        let (go_on, may_go_on) = mpsc::channel();
        stage.do_before(move || {
            entered.send(()).unwrap();
            may_go_on.recv().unwrap();
            usize::MAX
        });
        thread::scope(|scope| {
            let sender = scope.spawn(|| stage.carrier.carry_now());
            is_entered.recv().unwrap();
            assert!(stage.poll().is_pending());
            assert_eq!(stage.wakes(), 0);
            go_on.send(()).unwrap();
            assert!(sender.join().unwrap());
        });
        assert_eq!(stage.wakes(), 1);
        assert!(stage.poll().is_pending());
        assert!(stage.carrier.carry_now(), "there is nothing to do");
        assert_eq!(stage.wakes(), 1);
    }

    #[tokio::test]
    async fn a_sender_asks_the_transport_once() {
        let stage = Stage::new().await;
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        stage.do_before(move || {
            count.fetch_add(1, Ordering::SeqCst);
            1
        });
        assert!(!stage.carrier.carry_now(), "the rest is the task's");
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        assert!(stage.poll().is_pending());
        assert_eq!(asked.load(Ordering::SeqCst), 2 + 2 + "request".len());
    }

    #[tokio::test]
    async fn what_a_panic_leaves_half_done_ends() {
        let stage = Stage::new().await;
        stage.do_before(|| panic!("on purpose"));
        let carried = catch_unwind(AssertUnwindSafe(|| stage.carrier.carry_now()));
        assert!(carried.is_err());
        assert!(!stage.carrier.carry_now());
        assert!(matches!(stage.poll(), Poll::Ready((End::Io(_), ..))));
    }
}
