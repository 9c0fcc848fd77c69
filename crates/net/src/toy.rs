//! A session and an attachment for tests.

use crate::driver::{Driver, End, Environment};
use crate::{Clock, Counters, KeptInput, Limits, StopSignal, Stopper};
use broker_api::{Attachment, Command, Delivery, Event, Out, Refusal, Reply, Session, Submission};
use bytes::{Buf, BytesMut};
use model::{
    CommandId, ConversationId, Dialect, Envelope, Instant, Message, Parts, Persistence, Sequence,
    SubscriptionId,
};
use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinHandle;

/// What a test sees and steers of one connection, from outside.
#[derive(Clone, Default)]
pub(crate) struct Toy(Arc<Mutex<State>>);

#[derive(Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of its own for tests"
)]
pub(crate) struct State {
    /// What happened at the waist, in order.
    pub(crate) log: Vec<String>,
    /// The most bytes that waited to be sent.
    pub(crate) wire_bytes_max: usize,
    /// Input is not admitted.
    pub(crate) is_full: bool,
    /// Commands are answered at once.
    pub(crate) answers: bool,
    /// The session does not close when the broker stops.
    pub(crate) is_stubborn: bool,
    /// Idle time after which the session says "beat", once.
    pub(crate) beat: Option<Duration>,
    pub(crate) attachment_deadline: Option<Instant>,
    pub(crate) admissions_asked: usize,
    pub(crate) pauses_told: usize,
    /// What the session says that it keeps for answers.
    pub(crate) unanswered_bytes: usize,
    /// The broker wants the connection ended.
    pub(crate) is_cut: bool,
    events: VecDeque<Event>,
    waker: Option<Waker>,
}

impl Toy {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub(crate) fn log(&self) -> Vec<String> {
        self.state().log.clone()
    }

    pub(crate) fn push(&self, event: Event) {
        self.state().events.push_back(event);
        self.wake();
    }

    pub(crate) fn deliver(&self, body: &[u8]) {
        self.push(Event::Delivery(delivery(body)));
    }

    pub(crate) fn cut(&self) {
        self.state().is_cut = true;
        self.wake();
    }

    pub(crate) fn admit(&self) {
        self.state().is_full = false;
        self.wake();
    }

    fn wake(&self) {
        let waker = self.state().waker.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub(crate) fn session(&self) -> Box<dyn Session> {
        Box::new(Lines {
            toy: self.clone(),
            commands: 0,
            beat_at: None,
        })
    }

    pub(crate) fn attachment(&self) -> Box<dyn Attachment> {
        Box::new(self.clone())
    }
}

/// A connection under test.
pub(crate) struct Run {
    pub(crate) toy: Toy,
    pub(crate) stopper: Stopper,
    pub(crate) environment: Arc<Environment>,
    signal: StopSignal,
}

impl Run {
    pub(crate) fn new() -> Self {
        let (stopper, signal) = Stopper::new();
        Self {
            toy: Toy::default(),
            stopper,
            environment: Arc::new(Environment {
                clock: Clock::start(),
                limits: Limits::default(),
                counters: Arc::new(Counters::default()),
                kept: KeptInput::default(),
            }),
            signal,
        }
    }

    pub(crate) fn driver<T: AsyncRead + AsyncWrite + Unpin>(&self, io: T) -> Driver<T> {
        let environment = Arc::clone(&self.environment);
        let (session, attachment) = (self.toy.session(), self.toy.attachment());
        Driver::new(io, session, attachment, environment, self.signal.clone())
    }

    pub(crate) fn spawn<T>(&self, io: T) -> JoinHandle<End>
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        tokio::spawn(self.driver(io))
    }

    pub(crate) fn bytes_in(&self) -> u64 {
        self.environment.counters.bytes_in.load(Ordering::Relaxed)
    }
}

/// Echoes lines. `barrier` and `command` send a command, `close` closes; of `=N`, all that comes
/// back is N bytes.
struct Lines {
    toy: Toy,
    commands: u64,
    beat_at: Option<Instant>,
}

impl Lines {
    fn submission(&mut self) -> Submission {
        self.commands += 1;
        Submission {
            id: CommandId(self.commands),
            conversation: ConversationId(0),
            command: Command::Cancel(SubscriptionId(7)),
        }
    }

    fn handle_line(&mut self, line: &[u8], out: &mut Out) {
        match line {
            b"barrier" => out.barrier(self.submission()),
            b"command" => out.submit(self.submission()),
            b"close" => {
                out.wire.put(b"bye\n");
                out.close();
            }
            [b'=', count @ ..] => {
                let count = std::str::from_utf8(count).unwrap().parse().unwrap();
                out.wire.put(&vec![b'x'; count]);
            }
            _ => {
                out.wire.put(line);
                out.wire.put(b"\n");
            }
        }
        let mut state = self.toy.state();
        state.wire_bytes_max = state.wire_bytes_max.max(out.wire.len());
    }
}

impl Session for Lines {
    fn handle_input(&mut self, now: Instant, input: &mut BytesMut, out: &mut Out) {
        self.beat_at = self.toy.state().beat.map(|beat| now + beat);
        while !out.is_held()
            && let Some(end) = input.iter().position(|byte| *byte == b'\n')
        {
            let line = input.split_to(end);
            input.advance(1);
            self.handle_line(&line, out);
        }
    }

    fn handle_event(&mut self, _: Instant, event: Event, out: &mut Out) {
        match event {
            Event::Delivery(delivery) => out.wire.put_body(&delivery.message),
            Event::Done(id, _) => {
                out.wire.put(format!("done {id}\n").as_bytes());
                out.release_barrier();
            }
            Event::Disconnect(_) if self.toy.state().is_stubborn => {}
            Event::Disconnect(refusal) => {
                out.wire.put(format!("{refusal}\n").as_bytes());
                out.close();
            }
            Event::Confirmed(_)
            | Event::Returned(..)
            | Event::Drained(_)
            | Event::Blocked(_)
            | Event::Unblocked
            | Event::Ended(..) => {}
        }
    }

    fn handle_deadline(&mut self, _: Instant, out: &mut Out) {
        self.beat_at = None;
        out.wire.put(b"beat\n");
    }

    fn unanswered_bytes(&self) -> usize {
        self.toy.state().unanswered_bytes
    }

    fn handle_paused(&mut self, _now: Instant) {
        self.toy.state().pauses_told += 1;
    }

    fn handle_close(&mut self, _: Instant, out: &mut Out) {
        self.toy.state().log.push("handle_close".to_owned());
        out.submit(self.submission());
    }

    fn deadline(&self) -> Option<Instant> {
        self.beat_at
    }
}

impl Attachment for Toy {
    fn submit(&mut self, _: Instant, submissions: &mut Vec<Submission>) {
        for submission in submissions.drain(..) {
            let mut state = self.state();
            state.log.push(format!("command {}", submission.id));
            if state.answers {
                state
                    .events
                    .push_back(Event::Done(submission.id, Ok(Reply::Nothing)));
            }
        }
    }

    fn poll_admission(&mut self, _: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state();
        state.admissions_asked += 1;
        if !state.is_full {
            return Poll::Ready(());
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    fn poll_events(
        &mut self,
        _: Instant,
        cx: &mut Context<'_>,
        bytes_max: usize,
        handle: &mut dyn FnMut(Event),
    ) -> Poll<()> {
        let mut bytes = 0;
        let mut any = Poll::Pending;
        while bytes < bytes_max {
            let event = self.state().events.pop_front();
            let Some(event) = event else { break };
            if let Event::Delivery(delivery) = &event {
                bytes += delivery.message.cost_bytes();
            }
            handle(event);
            any = Poll::Ready(());
        }
        self.state().waker = Some(cx.waker().clone());
        any
    }

    fn poll_disconnect(&mut self, cx: &mut Context<'_>) -> Poll<Refusal> {
        let mut state = self.state();
        if state.is_cut {
            return Poll::Ready(Refusal::Stalled);
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    fn handle_sent(&mut self, _: Instant) {
        self.state().log.push("sent".to_owned());
    }

    fn deadline(&self) -> Option<Instant> {
        self.state().attachment_deadline
    }

    fn close(&mut self, _: Instant) {
        self.state().log.push("attachment closed".to_owned());
    }
}

pub(crate) fn delivery(body: &[u8]) -> Delivery {
    let envelope = Envelope::new(Dialect::Stomp12, Persistence::Transient);
    Delivery {
        subscription: SubscriptionId(7),
        sequence: Sequence(0),
        redelivered: false,
        delivery_count: 0,
        acquired_count: 0,
        expires_at: None,
        message: Message::new(&Parts {
            envelope,
            exchange: b"",
            key: b"q",
            annotations: &[],
            head: &[],
            body,
        }),
    }
}

/// Waits until nothing moves any more; time must be paused, and goes on by a millisecond.
pub(crate) async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}
