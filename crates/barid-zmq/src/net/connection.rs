//! One connection: the handshake, then bytes between a transport and two pipes.

use super::Ends;
use super::input::{Input, InputError, Taken};
use super::output::Output;
use super::settings::settings;
use super::transport::Stream;
use crate::hub::Hub;
use crate::message::Message;
use crate::monitor::HandshakeFailure;
use crate::options::Options;
use crate::pipe::{Notice, Popped, Ring, Rings};
use crate::security::{Applicant, Decision, NoRandom};
use bytes::{Buf as _, Bytes};
use std::collections::BTreeSet;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::time::{Instant, Sleep, sleep_until};
use zmtp::{Connection, Event, Peer, Step, Verdict};

/// Rounds of reading and writing before others of the thread get their turn.
const ROUNDS_MAX: usize = 16;

/// Bytes of answers that wait to be written before nothing more is read.
const ANSWERS_BYTES_MAX: usize = 64 << 10;

/// How a connection ends.
#[derive(Debug, thiserror::Error)]
pub(super) enum End {
    /// All that the socket has sent is written, and it sends no more.
    #[error("the socket has closed")]
    Done,
    /// The socket sends no more, and the time for what is left is over.
    #[error("the linger time is over")]
    Lingered,
    #[error("the peer has closed")]
    PeerClosed,
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Input(#[from] InputError),
    #[error("{0}")]
    NoRandom(#[from] NoRandom),
    #[error("{0}")]
    Output(#[from] zmtp::SendError),
}

impl From<zmtp::Error> for End {
    fn from(error: zmtp::Error) -> Self {
        Self::Input(error.into())
    }
}

impl End {
    /// Whether to connect again makes sense.
    pub(super) const fn is_temporary(&self) -> bool {
        match self {
            Self::PeerClosed | Self::Io(_) | Self::Output(_) | Self::NoRandom(_) => true,
            Self::Input(InputError::Protocol(error)) => error.is_temporary(),
            Self::Input(InputError::Unfinished(_)) => true,
            Self::Done | Self::Lingered | Self::Input(InputError::TooLarge(_)) => false,
        }
    }
}

impl End {
    /// What a monitor says of a handshake that ends so.
    pub(super) fn failure(&self) -> HandshakeFailure {
        match self {
            Self::Input(InputError::Protocol(error)) => match error {
                zmtp::Error::NotAuthenticated(code) => HandshakeFailure::Authentication(*code),
                zmtp::Error::Refused(reason) => reason
                    .status_code()
                    .map_or(HandshakeFailure::Protocol, HandshakeFailure::Authentication),
                zmtp::Error::Mechanism { .. } => HandshakeFailure::Mechanism,
                zmtp::Error::Curve(_) => HandshakeFailure::Curve,
                zmtp::Error::HandshakeTimeout(_) | zmtp::Error::Silent => HandshakeFailure::Lost,
                zmtp::Error::Frame(_)
                | zmtp::Error::Command(_)
                | zmtp::Error::Metadata(_)
                | zmtp::Error::Identity(_)
                | zmtp::Error::Version { .. }
                | zmtp::Error::SocketTypes { .. }
                | zmtp::Error::UnknownSocketType
                | zmtp::Error::Unexpected(_)
                | zmtp::Error::Malformed(_)
                | zmtp::Error::GroupMessage => HandshakeFailure::Protocol,
            },
            Self::Input(InputError::TooLarge(_) | InputError::Unfinished(_)) => {
                HandshakeFailure::Protocol
            }
            Self::Done
            | Self::Lingered
            | Self::PeerClosed
            | Self::Io(_)
            | Self::NoRandom(_)
            | Self::Output(_) => HandshakeFailure::Lost,
        }
    }
}

/// A connected transport that speaks ZMTP.
pub(super) struct Wire<S> {
    stream: S,
    connection: Connection,
    options: Arc<Options>,
    /// The peer's, without the port.
    address: String,
    input: Input,
    output: Output,
    began: Instant,
    timer: Option<Pin<Box<Sleep>>>,
    /// When what is left is given up, once the socket sends no more.
    linger_until: Option<Instant>,
    /// Whether the peer is let in, while that is not known.
    deciding: Option<Pin<Box<dyn Future<Output = Verdict> + Send>>>,
    is_ending: bool,
    /// What was answered since all was written.
    answered_bytes: usize,
}

impl<S: Stream> Wire<S> {
    pub(super) fn new(hub: &Hub, stream: S, address: String) -> Result<Self, NoRandom> {
        let mut output = Output::default();
        let has_pulse = stream.has_pulse();
        Ok(Self {
            stream,
            connection: Connection::new(settings(hub, has_pulse)?, 0, &mut output.heads),
            options: Arc::clone(&hub.options),
            address,
            input: Input::new(hub),
            output,
            began: Instant::now(),
            timer: None,
            linger_until: None,
            deciding: None,
            is_ending: false,
            answered_bytes: 0,
        })
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Shakes hands; says who the peer is.
    pub(super) async fn shake_hands(&mut self) -> Result<Box<Peer>, End> {
        std::future::poll_fn(|cx| {
            let result = self.poll_shake_hands(cx);
            if let Poll::Ready(Err(_)) = result {
                // The peer may be told why. What does not go out now does not.
                let _is_written = self.output.poll_write(&mut self.stream, cx);
            }
            result
        })
        .await
    }

    fn poll_shake_hands(&mut self, cx: &mut Context<'_>) -> Poll<Result<Box<Peer>, End>> {
        loop {
            if let Some(peer) = self.step_handshake(cx)? {
                return Poll::Ready(Ok(peer));
            }
            let is_written = self.output.poll_write(&mut self.stream, cx)?.is_ready();
            // What a peer sends before it is let in stays with the system.
            if self.deciding.is_none() {
                match self.input.poll_read(&mut self.stream, cx)? {
                    Poll::Ready(true) => {
                        let now_ms = self.now_ms();
                        self.connection.handle_received(now_ms);
                        continue;
                    }
                    Poll::Ready(false) => return Poll::Ready(Err(End::PeerClosed)),
                    Poll::Pending => {}
                }
            }
            if self.poll_timer(cx)?.is_pending() || !is_written {
                return Poll::Pending;
            }
        }
    }

    fn step_handshake(&mut self, cx: &mut Context<'_>) -> Result<Option<Box<Peer>>, End> {
        loop {
            let out = &mut self.output.heads;
            if let Some(deciding) = &mut self.deciding {
                let Poll::Ready(verdict) = deciding.as_mut().poll(cx) else {
                    return Ok(None);
                };
                self.deciding = None;
                self.connection.handle_verdict(&verdict, out)?;
            }
            let (event, taken) = match self.connection.handle_input(&mut self.input.bytes, out)? {
                Step::Event(event, taken) => (event, taken),
                Step::Incomplete { .. } | Step::AwaitVerdict => return Ok(None),
            };
            let (mut peer, mut decision) = (None, None);
            match event {
                Event::Ready(found) => peer = Some(found),
                Event::Authenticate(credentials) => {
                    let address = &self.address;
                    decision = Some(self.options.security.decision(&Applicant {
                        credentials,
                        address,
                    }));
                }
                Event::Version(_)
                | Event::Handshake
                | Event::Frame(_)
                | Event::Group(_)
                | Event::Subscribe(_)
                | Event::Cancel(_)
                | Event::Join(_)
                | Event::Leave(_)
                | Event::Ping
                | Event::Pong(_)
                | Event::Ignored => {}
            }
            self.input.bytes.advance(taken);
            match decision {
                Some(Decision::Now(verdict)) => self.connection.handle_verdict(&verdict, out)?,
                Some(Decision::Later(deciding)) => self.deciding = Some(deciding),
                None => {}
            }
            if peer.is_some() {
                return Ok(peer);
            }
        }
    }

    /// Does what is due by time; ready if that has changed something.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        let deadline = self
            .connection
            .deadline_ms()
            .map(|ms| self.began + std::time::Duration::from_millis(ms));
        let deadline = [deadline, self.linger_until].into_iter().flatten().min();
        let Some(deadline) = deadline else {
            return Poll::Pending;
        };
        let timer = match &mut self.timer {
            Some(timer) => {
                if timer.deadline() != deadline {
                    timer.as_mut().reset(deadline);
                }
                timer
            }
            None => self.timer.insert(Box::pin(sleep_until(deadline))),
        };
        if timer.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        if self
            .linger_until
            .is_some_and(|until| until <= Instant::now())
        {
            return Poll::Ready(Err(End::Lingered));
        }
        let now_ms = self.now_ms();
        self.connection
            .handle_deadline(now_ms, &mut self.output.heads)?;
        Poll::Ready(Ok(()))
    }

    /// Takes what came behind the handshake, without which the connection may not be open, and tells the topics.
    pub(super) fn begin(&mut self, ends: &mut Ends, topics: &Topics) -> Result<(), End> {
        let out = &mut self.output.heads;
        self.input.take(&mut self.connection, ends, out)?;
        topics.announce(&mut self.connection, &mut self.output)?;
        Ok(())
    }

    /// Reads and writes until both have to wait.
    pub(super) fn poll_run(
        &mut self,
        ends: &mut Ends,
        topics: &mut Topics,
        cx: &mut Context<'_>,
    ) -> Result<(), End> {
        for _ in 0..ROUNDS_MAX {
            self.fill(ends, topics)?;
            // All was written: there was something, and the socket may have more, which has not been asked since.
            let is_written =
                !self.output.is_empty() && self.output.poll_write(&mut self.stream, cx)?.is_ready();
            if self.is_ending && self.output.is_empty() {
                return self.end(cx);
            }
            let is_read = self.read(ends, cx)?;
            if is_written || is_read {
                continue;
            }
            // Reading may have left an answer.
            if !self.output.is_empty() && self.output.poll_write(&mut self.stream, cx)?.is_ready() {
                continue;
            }
            match self.poll_timer(cx) {
                Poll::Ready(result) => result?,
                Poll::Pending => return Ok(()),
            }
        }
        cx.waker().wake_by_ref();
        Ok(())
    }

    /// Writes what the socket has, if nothing is before it. False if the connection's task has to look after it.
    pub(super) fn write_now(
        &mut self,
        ends: &mut Ends,
        topics: &mut Topics,
        cx: &mut Context<'_>,
    ) -> Result<bool, End> {
        if !self.output.is_empty() {
            return Ok(false);
        }
        let is_drained = self.fill(ends, topics)?;
        if self.is_ending || self.linger_until.is_some() {
            return Ok(false);
        }
        if !self.output.is_empty()
            && let Poll::Ready(result) = self.output.poll_write_once(&mut self.stream, cx)
        {
            result?;
        }
        Ok(is_drained && self.output.is_empty())
    }

    /// Takes from the socket until the output is full, or nothing is left: then the socket rings when there is more, and
    /// it is true.
    fn fill(&mut self, ends: &mut Ends, topics: &mut Topics) -> Result<bool, End> {
        let mut rings = Rings::new();
        let result = self.fill_from(ends, topics, &mut rings);
        // Whatever came of it: the socket may wait for the room.
        rings.into_iter().for_each(Ring::ring);
        if self.linger_until.is_none() {
            self.linger_until = ends.linger_until();
        }
        result
    }

    fn fill_from(
        &mut self,
        ends: &mut Ends,
        topics: &mut Topics,
        rings: &mut Rings,
    ) -> Result<bool, End> {
        let mut message = Message::new();
        while !self.is_ending && !self.output.is_full() {
            match ends.outgoing.pop(&mut message, rings) {
                Popped::Message => self.output.put(&mut self.connection, &mut message)?,
                Popped::Notice(notice) => {
                    topics.put(notice, &mut self.connection, &mut self.output)?;
                }
                Popped::Empty => {
                    if ends.outgoing.sleep() {
                        return Ok(true);
                    }
                }
                Popped::Closed => self.is_ending = true,
            }
        }
        Ok(false)
    }

    /// Reads once and takes what is whole; true if there may be more.
    fn read(&mut self, ends: &mut Ends, cx: &mut Context<'_>) -> Result<bool, End> {
        if self.output.is_empty() {
            self.answered_bytes = 0;
        }
        // Who asks and does not read the answers is not read from either.
        if self.answered_bytes >= ANSWERS_BYTES_MAX {
            return Ok(false);
        }
        if self.take(ends)? == Taken::Full {
            // What it says of its life is behind what waits.
            let now_ms = self.now_ms();
            self.connection.handle_received(now_ms);
            return Ok(false);
        }
        match self.input.poll_read(&mut self.stream, cx)? {
            Poll::Ready(true) => {
                let now_ms = self.now_ms();
                self.connection.handle_received(now_ms);
                Ok(self.take(ends)? == Taken::All)
            }
            Poll::Ready(false) => Err(End::PeerClosed),
            Poll::Pending => Ok(false),
        }
    }

    /// Takes what was read and is whole, and counts what that is answered by.
    fn take(&mut self, ends: &mut Ends) -> Result<Taken, End> {
        let before = self.output.heads.len();
        let out = &mut self.output.heads;
        let taken = self.input.take(&mut self.connection, ends, out);
        self.answered_bytes += self.output.heads.len() - before;
        Ok(taken?)
    }

    /// Tells the peer that nothing more comes.
    fn end(&mut self, cx: &mut Context<'_>) -> Result<(), End> {
        match Pin::new(&mut self.stream).poll_shutdown(cx)? {
            Poll::Ready(()) => Err(End::Done),
            Poll::Pending => Ok(()),
        }
    }
}

/// What a subscriber has told its peer: on a new connection it is told again.
#[derive(Default)]
pub(super) struct Topics {
    topics: BTreeSet<Bytes>,
    groups: BTreeSet<Bytes>,
}

impl Topics {
    /// Tells all of them.
    fn announce(
        &self,
        connection: &mut Connection,
        output: &mut Output,
    ) -> Result<(), zmtp::SendError> {
        for topic in &self.topics {
            connection.put_subscribe(&mut output.heads, topic)?;
        }
        for group in &self.groups {
            connection.put_join(&mut output.heads, group)?;
        }
        Ok(())
    }

    fn put(
        &mut self,
        notice: Notice,
        connection: &mut Connection,
        output: &mut Output,
    ) -> Result<(), zmtp::SendError> {
        let heads = &mut output.heads;
        match notice {
            Notice::Subscribe(topic) => {
                connection.put_subscribe(heads, &topic)?;
                self.topics.insert(topic);
            }
            Notice::Cancel(topic) => {
                connection.put_cancel(heads, &topic)?;
                self.topics.remove(&topic);
            }
            Notice::Join(group) => {
                connection.put_join(heads, &group)?;
                self.groups.insert(group);
            }
            Notice::Leave(group) => {
                connection.put_leave(heads, &group)?;
                self.groups.remove(&group);
            }
            Notice::Opened(_) => {}
        }
        Ok(())
    }
}
