//! Runs one session over one transport.

mod ending;
mod input;
mod output;
#[cfg(test)]
mod tests;
mod timer;

use crate::clock::Clock;
use crate::counters::{Counters, add};
use crate::kept::{KeptInput, KeptPart};
use crate::limits::Limits;
use crate::pool;
use crate::stop::{StopSignal, StopWatch};
use broker_api::{Attachment, Event, Out, Refusal, Session};
use bytes::BytesMut;
use ending::Phase;
use input::Input;
use model::Instant;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use timer::Timer;
use tokio::io::{AsyncRead, AsyncWrite};

/// Bytes of messages taken from the attachment at a time.
const EVENT_BYTES_MAX: usize = 256 * 1024;

/// Rounds in one poll; then others get their turn.
const ROUNDS_MAX: usize = 16;

/// Bytes moved in one poll; then others get their turn.
const POLL_BYTES_MAX: usize = 1024 * 1024;

/// Runs one session over one transport until the connection has ended, and says how it ended.
///
/// It owns the transport, the session and the attachment and calls them from one task. A poll is a
/// number of rounds, until a round finds nothing to do; a round is:
///
/// 1. The session's deadline, if it has passed.
/// 2. Events, if all bytes before them have been handed to the transport.
/// 3. Write.
/// 4. Read a batch and let the session handle it, if that is allowed now.
///
/// After each call of the session its commands are carried out before anything else happens.
///
/// Invariants:
/// - The attachment is closed exactly once, also when the driver is dropped early.
/// - `handle_close` is called at most once, as the last call, and only if the session did not ask
///   to close itself.
/// - `handle_sent` is called only when all that was made of the events is with the transport.
/// - The future holds a buffer while there is something in it, else none.
pub struct Driver<T> {
    io: T,
    /// Its part of what all connections keep of frames that are not whole.
    kept: KeptPart,
    session: Box<dyn Session>,
    attachment: Box<dyn Attachment>,
    environment: Arc<Environment>,
    out: Out,
    /// What was read and not yet parsed.
    input: BytesMut,
    reading: input::Reading,
    writing: output::Writing,
    phase: Phase,
    is_attachment_closed: bool,
    timer: Timer,
    stop: StopWatch,
    /// When the connection is cut because the broker stops; set once it does.
    stop_deadline: Option<Instant>,
    /// The peer has ended its side; it gets its answers until then.
    answers_until: Option<Instant>,
    /// Bytes of this poll, not yet counted.
    moved: Moved,
}

/// What the connections of one protocol share.
#[derive(Debug)]
pub struct Environment {
    /// Tells the machines the time.
    pub clock: Clock,
    /// What a connection may take.
    pub limits: Limits,
    /// Where its bytes are counted.
    pub counters: Arc<Counters>,
    /// What all connections keep of frames that are not whole.
    pub kept: KeptInput,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The session asked for it, and all it had written was sent.
    Closed,
    /// The session asked for it, but what it had written was not sent in time.
    Unsent,
    /// The peer ended its side.
    PeerClosed,
    /// The transport failed.
    Failed(std::io::ErrorKind),
    /// The peer took nothing for too long.
    Stalled,
    /// The broker stopped, and the session did not end in time.
    Stopped,
}

#[derive(Default)]
struct Moved {
    read: usize,
    written: usize,
}

/// What a round came to.
enum Round {
    /// Something was done; there may be more.
    Busy,
    /// Nothing can be done until a waker is called or a deadline passes.
    Idle,
    /// The connection is over.
    Ended(End),
}

impl<T: AsyncRead + AsyncWrite + Unpin> Driver<T> {
    /// The most bytes that wait to be sent before reading stops.
    pub const WIRE_BYTES_MAX: usize = 256 * 1024;

    /// The most that a session may keep for answers that its peer waits for before reading stops: a
    /// peer that asks and does not read cannot make the broker keep its answers without limit.
    pub const UNANSWERED_BYTES_MAX: usize = 4 * 1024 * 1024;

    /// A connection that begins. Whoever makes it has the session and the attachment for itself.
    #[must_use]
    pub fn new(
        io: T,
        session: Box<dyn Session>,
        attachment: Box<dyn Attachment>,
        environment: Arc<Environment>,
        stop: StopSignal,
    ) -> Self {
        let kept = KeptPart::new(environment.kept.clone());
        Self {
            io,
            kept,
            session,
            attachment,
            environment,
            out: Out::new(),
            input: BytesMut::new(),
            reading: input::Reading::default(),
            writing: output::Writing::default(),
            phase: Phase::Open,
            is_attachment_closed: false,
            timer: Timer::default(),
            stop: StopWatch::new(stop),
            stop_deadline: None,
            answers_until: None,
            moved: Moved::default(),
        }
    }

    fn poll_rounds(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        for _ in 0..ROUNDS_MAX {
            let now = self.environment.clock.now();
            self.hear_stop(now, cx);
            let round = match self.phase {
                Phase::Open => self.round_open(now, cx),
                Phase::Flushing { .. } | Phase::Ending { .. } | Phase::Discarding { .. } => {
                    self.round_closing(now, cx)
                }
            };
            match round {
                Round::Ended(end) => return Poll::Ready(end),
                Round::Idle => {
                    let deadline = self.next_deadline(now);
                    if self
                        .timer
                        .poll(deadline, &self.environment.clock, cx)
                        .is_pending()
                    {
                        return Poll::Pending;
                    }
                }
                Round::Busy => {
                    if self.moved.read + self.moved.written >= POLL_BYTES_MAX {
                        break;
                    }
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn round_open(&mut self, now: Instant, cx: &mut Context<'_>) -> Round {
        if is_due(self.stop_deadline, now) {
            return self.cut(now, End::Stopped);
        }
        if is_due(self.answers_until, now) {
            self.end_session(now);
            self.begin_closing(now, End::PeerClosed);
            return Round::Busy;
        }
        self.tell_paused(now);
        if is_due(self.session.deadline(), now) {
            self.session.handle_deadline(now, &mut self.out);
            self.submit(now);
        }
        self.hear_disconnect(now, cx);
        let mut is_busy = self.take_events(now, cx);
        match self.write(now, cx) {
            Ok(progress) => is_busy |= progress,
            Err(kind) => return self.cut(now, End::Failed(kind)),
        }
        if is_due(self.send_deadline(), now) {
            return self.cut(now, End::Stalled);
        }
        if self.out.is_closing() {
            self.begin_closing(now, End::Closed);
            return Round::Busy;
        }
        match self.read(now, cx) {
            Input::Handled => Round::Busy,
            Input::Ended if self.is_answering(now) => {
                if is_busy {
                    Round::Busy
                } else {
                    Round::Idle
                }
            }
            Input::Ended => {
                self.end_session(now);
                self.begin_closing(now, End::PeerClosed);
                Round::Busy
            }
            Input::Failed(kind) => self.cut(now, End::Failed(kind)),
            Input::Waits if is_busy => Round::Busy,
            Input::Waits => Round::Idle,
        }
    }

    /// Whether a peer that has said everything may still get the answers that it waits for.
    fn is_answering(&mut self, now: Instant) -> bool {
        let linger = self.environment.limits.linger;
        let until = *self.answers_until.get_or_insert(now + linger);
        self.session.unanswered_bytes() > 0 && now < until
    }

    /// Events wait while bytes do. The broker may want the connection ended in spite of that.
    fn hear_disconnect(&mut self, now: Instant, cx: &mut Context<'_>) {
        if self.writing.is_drained(&self.out) || self.out.is_closing() {
            return;
        }
        if let Poll::Ready(refusal) = self.attachment.poll_disconnect(cx) {
            let event = Event::Disconnect(refusal);
            self.session.handle_event(now, event, &mut self.out);
            self.submit(now);
        }
    }

    /// Hands events to the session if the transport has taken all bytes so far. Whether there were
    /// any.
    fn take_events(&mut self, now: Instant, cx: &mut Context<'_>) -> bool {
        if !self.writing.is_drained(&self.out) || self.out.is_closing() {
            return false;
        }
        let (session, out, writing) = (&mut self.session, &mut self.out, &mut self.writing);
        let mut handle = |event| {
            // A session that has asked to close has no use for what comes behind.
            if out.is_closing() {
                writing.lose_event();
            } else {
                session.handle_event(now, event, out);
            }
        };
        let polled = self
            .attachment
            .poll_events(now, cx, EVENT_BYTES_MAX, &mut handle);
        if polled.is_pending() {
            return false;
        }
        self.writing.expect_sent();
        self.submit(now);
        true
    }

    /// Carries out what the session has asked for.
    fn submit(&mut self, now: Instant) {
        if !self.out.commands.is_empty() {
            self.attachment.submit(now, &mut self.out.commands);
        }
    }

    /// Once the broker stops, tells the session so and limits what is left of the connection.
    fn hear_stop(&mut self, now: Instant, cx: &mut Context<'_>) {
        if self.stop_deadline.is_some() || !self.stop.poll_stopping(cx) {
            return;
        }
        self.stop_deadline = Some(now + self.environment.limits.grace);
        if matches!(self.phase, Phase::Open) && !self.out.is_closing() {
            let event = Event::Disconnect(Refusal::ShuttingDown);
            self.session.handle_event(now, event, &mut self.out);
            self.submit(now);
        }
    }

    /// The next moment at which something happens by itself.
    fn next_deadline(&self, now: Instant) -> Option<Instant> {
        let own = match self.phase {
            // The attachment was asked in this round, so a deadline of its own that has passed is
            // no reason to ask it again.
            Phase::Open => [
                self.session.deadline(),
                self.attachment.deadline().filter(|at| *at > now),
                self.send_deadline(),
            ],
            Phase::Flushing { until, .. }
            | Phase::Ending { until, .. }
            | Phase::Discarding { until, .. } => [Some(until), None, None],
        };
        let answers = self
            .answers_until
            .filter(|_| matches!(self.phase, Phase::Open));
        own.into_iter()
            .flatten()
            .chain(self.stop_deadline)
            .chain(answers)
            .min()
    }

    /// Borrows from the thread what a busy connection needs.
    fn borrow_buffers(&mut self) {
        if self.out.wire.is_empty() {
            *self.out.wire.buffer() = pool::take_buffer();
        }
        self.out.commands = pool::take_commands();
    }

    /// Gives back what holds nothing.
    fn return_buffers(&mut self) {
        if self.out.wire.is_empty() {
            pool::give_buffer(std::mem::take(self.out.wire.buffer()));
        }
        pool::give_commands(std::mem::take(&mut self.out.commands));
        self.stow_input();
    }

    fn count_moved(&mut self) {
        let moved = std::mem::take(&mut self.moved);
        for (counter, bytes) in [
            (&self.environment.counters.bytes_in, moved.read),
            (&self.environment.counters.bytes_out, moved.written),
        ] {
            if bytes > 0 {
                add(counter, bytes as u64);
            }
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Future for Driver<T> {
    type Output = End;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<End> {
        let this = self.get_mut();
        this.borrow_buffers();
        let polled = this.poll_rounds(cx);
        this.return_buffers();
        this.count_moved();
        polled
    }
}

fn is_due(deadline: Option<Instant>, now: Instant) -> bool {
    deadline.is_some_and(|deadline| deadline <= now)
}
