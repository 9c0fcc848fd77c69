//! One AMQP connection as a state machine.
//!
//! ```text
//!  AwaitHeader ──header──► Opening ──connection.open, then Done──► Open
//!       │                     │                                   │   │
//!       │                     │                   hard error ─────┘   │
//!       │                     │                        ▼              │
//!       │                     │                     Closing           │
//!       │ stranger            │ error, refusal         │ close-ok     │ connection.close
//!       └─────────────────────┴───────► Closed ◄───────┴──────────────┘
//! ```
//!
//! - `AwaitHeader`: eight bytes tell the protocol.
//! - `Opening`: who the client is, what both sides agree on, which vhost; all of that within a time.
//! - `Open`: methods become commands, answers become methods.
//! - `Closing`: `connection.close` has been sent; all but its answer is passed over.
//! - `Closed`: the driver has been asked to close; nothing is read or written.

mod awaited;
mod channel;
mod confirms;
mod consume;
mod consumers;
mod exchange;
mod failure;
mod get;
mod heartbeat;
mod login;
mod methods;
mod open;
mod opening;
mod pool;
mod publish;
mod queue;
mod replies;
mod server_properties;
mod settle;
mod timeouts;
mod transaction;

use crate::codec::{Codec, Decoded};
use crate::content::Content;
use crate::encode::{put_heartbeat, put_method};
use crate::frame::{Frame, Payload};
use crate::protocol_header::{PROTOCOL_HEADER, ProtocolHeader};
use crate::{Limits, Method, MethodId, Side, connection};
use broker_api::{Command, Event, Field, HeadReader, Heads, Numbering, Out, Session, Submission};
use bytes::{Buf, BytesMut};
pub(crate) use failure::Failure;
use heartbeat::Heartbeat;
use model::{CommandId, ConversationId, Instant, Message, Property, Value};
use open::Open;
use opening::{Opening, Progress};

/// One AMQP connection: bytes and events in, bytes and commands out.
///
/// Owned by the driver of one transport, from accept to close. What it may hold is bounded by its
/// [`Limits`].
#[derive(Debug)]
pub struct Amqp091 {
    link: Link,
    codec: Codec,
    state: State,
    /// Bytes that the last call left in the input: more than these have come since.
    left_bytes: usize,
    /// How many more make the next frame whole.
    missing_bytes: usize,
}

/// What all states share.
#[derive(Debug)]
struct Link {
    limits: Limits,
    /// Bytes of a frame that is sent, as was agreed on.
    frame_bytes_max: usize,
    /// Reads the heads of messages that came by other protocols.
    heads: Heads,
    /// Where properties are put together.
    scratch: BytesMut,
    numbering: Numbering,
    heartbeat: Heartbeat,
}

#[derive(Debug)]
enum State {
    AwaitHeader { until: Instant },
    Opening(Opening),
    Open(Box<Open>),
    Closing { until: Instant },
    Closed,
}

/// What a frame has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// It is dealt with.
    Taken,
    /// It was the client's last.
    Closed,
}

impl Link {
    fn next(&mut self, channel: u16, command: Command) -> Submission {
        self.numbering.next(ConversationId(channel.into()), command)
    }

    /// Sends a command of no channel's own.
    fn submit(&mut self, out: &mut Out, command: Command) {
        self.numbering.submit(out, ConversationId(0), command);
    }

    /// Sends a command whose answer the input behind it needs.
    fn barrier(&mut self, out: &mut Out, channel: u16, command: Command) -> CommandId {
        self.numbering
            .barrier(out, ConversationId(channel.into()), command)
    }
}

/// Reads nothing.
struct Headless;

impl HeadReader for Headless {
    fn header<'m>(&self, _: &'m Message, _: &[u8]) -> Option<Value<'m>> {
        None
    }

    fn property<'m>(&self, _: &'m Message, _: Property) -> Option<Value<'m>> {
        None
    }

    fn fields<'m>(&self, _: &'m Message, _: &mut dyn FnMut(Field<'m>)) {}
}

/// Sends a method.
fn put(out: &mut Out, channel: u16, method: &Method<'_>) {
    put_method(out.wire.buffer(), channel, method);
}

impl Amqp091 {
    /// A session at the start of its connection.
    #[must_use]
    pub fn new(now: Instant, limits: Limits) -> Self {
        let limits = limits.clamped();
        let until = now + limits.open_timeout;
        Self {
            codec: Codec::new(Side::Client, limits.opening_frame_bytes_max as usize),
            link: Link {
                frame_bytes_max: limits.frame_bytes_max as usize,
                limits,
                heads: |_| &Headless,
                scratch: BytesMut::new(),
                numbering: Numbering::default(),
                heartbeat: Heartbeat::new(now),
            },
            state: State::AwaitHeader { until },
            left_bytes: 0,
            missing_bytes: 0,
        }
    }

    /// The same session with who reads the heads of messages of other protocols; without, it shows
    /// nothing of them but what the broker knows.
    #[must_use]
    pub fn with_heads(mut self, heads: Heads) -> Self {
        self.link.heads = heads;
        self
    }

    /// Reads until the input holds no whole frame, or none may be read. Returns the number of bytes
    /// dealt with.
    fn read(&mut self, now: Instant, input: &[u8], out: &mut Out) -> usize {
        let mut at = 0;
        self.missing_bytes = 0;
        if let State::AwaitHeader { until } = self.state {
            match ProtocolHeader::read(input) {
                ProtocolHeader::Known => {
                    self.state = State::Opening(Opening::begin(until, out));
                    at = PROTOCOL_HEADER.len();
                }
                ProtocolHeader::Unknown => {
                    out.wire.put(&PROTOCOL_HEADER);
                    self.close(out);
                }
                ProtocolHeader::Incomplete { missing_bytes } => {
                    self.missing_bytes = missing_bytes;
                    return 0;
                }
            }
        }
        while !out.is_held() {
            if let Some(len) = self.take_whole_publish(now, &input[at..], out) {
                at += len;
                continue;
            }
            match self.codec.decode(&input[at..]) {
                Ok(Decoded::Frame(frame, len)) => {
                    at += len;
                    self.take(now, &frame, out);
                }
                Ok(Decoded::Incomplete { missing_bytes }) => {
                    self.missing_bytes = missing_bytes;
                    break;
                }
                Err(error) => {
                    // What comes behind cannot be read, an answer to `connection.close` neither.
                    if !matches!(self.state, State::Closing { .. }) {
                        put_close(&error.into(), out);
                    }
                    self.close(out);
                }
            }
        }
        at
    }

    /// Takes what a client publishes, if that lies at the front of the input whole and its channel has no other content under
    /// way. Returns how many bytes it takes.
    #[inline]
    fn take_whole_publish(&mut self, now: Instant, input: &[u8], out: &mut Out) -> Option<usize> {
        let State::Open(open) = &mut self.state else {
            return None;
        };
        let limit = self.link.limits.body_bytes_max;
        let (number, content, len) = Content::whole_publish(&self.codec, input, limit)?;
        // What it holds in pieces is a little less: that is found out frame by frame.
        if !open.takes_whole(&self.link, number, len - content.body.len()) {
            return None;
        }
        let published = open.handle_publish(&mut self.link, number, &content, out);
        if let Err(failure) = published {
            self.fail(now, &failure, out);
        }
        Some(len)
    }

    fn take(&mut self, now: Instant, frame: &Frame<'_>, out: &mut Out) {
        let Self {
            link, codec, state, ..
        } = self;
        let step = match state {
            State::Opening(opening) => opening.handle_frame(now, link, codec, frame, out),
            State::Open(open) => open.handle_frame(link, frame, out),
            State::Closing { .. } => Ok(close_answer(frame, out)),
            State::AwaitHeader { .. } | State::Closed => return,
        };
        match step {
            Ok(Step::Taken) => {}
            Ok(Step::Closed) => self.close(out),
            Err(failure) => self.fail(now, &failure, out),
        }
    }

    /// Says why the connection ends. Once it is open, the client's answer is waited for.
    fn fail(&mut self, now: Instant, failure: &Failure, out: &mut Out) {
        match &self.state {
            State::Opening(opening) => {
                if opening.is_told(failure) {
                    put_close(failure, out);
                }
                self.close(out);
            }
            State::Open(_) => {
                if let State::Open(open) = &mut self.state {
                    open.flush(&mut self.link, out);
                }
                put_close(failure, out);
                // What was waited for is of no interest any more, but the answer to this is.
                out.release_barrier();
                let until = now + self.link.limits.close_timeout;
                self.state = State::Closing { until };
            }
            State::AwaitHeader { .. } | State::Closing { .. } | State::Closed => self.close(out),
        }
    }

    fn close(&mut self, out: &mut Out) {
        self.state = State::Closed;
        out.close();
    }

    fn event_in_state(&mut self, event: Event, out: &mut Out) -> Result<(), Failure> {
        let Self { link, state, .. } = self;
        match state {
            State::Opening(opening) => match opening.handle_event(link, event, out)? {
                Progress::Goes => {}
                Progress::Opened(open) => self.state = State::Open(open),
            },
            State::Open(open) => open.handle_event(link, event, out)?,
            State::AwaitHeader { .. } => {
                if let Event::Disconnect(_) = event {
                    self.close(out);
                }
            }
            State::Closing { .. } | State::Closed => {}
        }
        Ok(())
    }
}

/// Sends `connection.close`.
fn put_close(failure: &Failure, out: &mut Out) {
    let close = connection::Close {
        reply_code: failure.code.number(),
        reply_text: failure.text(),
        class_id: failure.method.class_id,
        method_id: failure.method.method_id,
    };
    put(out, 0, &Method::ConnectionClose(close));
}

/// Passes over what comes behind `connection.close`, but for its answer, and for one that crossed it.
fn close_answer(frame: &Frame<'_>, out: &mut Out) -> Step {
    let id = match &frame.payload {
        Payload::Method(method) if frame.channel == 0 => method.id(),
        Payload::Method(_) | Payload::Header(_) | Payload::Body(_) | Payload::Heartbeat => {
            MethodId::NONE
        }
    };
    match id {
        connection::CloseOk::ID => Step::Closed,
        connection::Close::ID => {
            put(out, 0, &Method::ConnectionCloseOk(connection::CloseOk));
            Step::Closed
        }
        _ => Step::Taken,
    }
}

impl Amqp091 {
    /// Time has passed until now, in which nothing was read if the client waits for an answer.
    #[inline]
    fn pass(&mut self, now: Instant) {
        if let State::Open(open) = &mut self.state {
            let is_unheard = open.is_waiting();
            open.timeouts.pass(now, is_unheard);
        }
    }
}

impl Session for Amqp091 {
    fn handle_input(&mut self, now: Instant, input: &mut BytesMut, out: &mut Out) {
        if input.len() > self.left_bytes {
            self.link.heartbeat.handle_received(now);
        }
        self.pass(now);
        let written = out.wire.len();
        let taken = self.read(now, input, out);
        if let State::Open(open) = &mut self.state {
            open.flush(&mut self.link, out);
            open.timeouts.start(now, self.link.limits.consumer_timeout);
        }
        match self.state {
            State::Closed => input.clear(),
            State::AwaitHeader { .. }
            | State::Opening(_)
            | State::Open(_)
            | State::Closing { .. } => input.advance(taken),
        }
        self.left_bytes = input.len();
        if out.wire.len() > written {
            self.link.heartbeat.handle_sent(now);
        }
    }

    fn handle_event(&mut self, now: Instant, event: Event, out: &mut Out) {
        self.pass(now);
        let written = out.wire.len();
        if let Err(failure) = self.event_in_state(event, out) {
            self.fail(now, &failure, out);
        }
        if let State::Open(open) = &mut self.state {
            open.timeouts.start(now, self.link.limits.consumer_timeout);
            open.waits.start(now);
        }
        if out.wire.len() > written {
            self.link.heartbeat.handle_sent(now);
        }
    }

    fn handle_deadline(&mut self, now: Instant, out: &mut Out) {
        let is_over = match &self.state {
            State::AwaitHeader { until } | State::Closing { until } => *until <= now,
            State::Opening(opening) => opening.is_late(now),
            // Nothing is read while an answer is waited for: silence says nothing then.
            State::Open(open) => !open.is_waiting() && self.link.heartbeat.is_silent(now),
            State::Closed => return,
        };
        self.pass(now);
        if is_over {
            // As in RabbitMQ, nothing is said to somebody who does not listen.
            return self.close(out);
        }
        let written = out.wire.len();
        if let State::Open(open) = &mut self.state {
            open.release_waiting(&mut self.link, now, out);
        }
        if let State::Open(open) = &mut self.state
            && let Err(failure) = open.check_timeouts(&mut self.link, now, out)
        {
            self.fail(now, &failure, out);
        }
        if out.wire.len() > written {
            self.link.heartbeat.handle_sent(now);
        }
        if let State::Open(open) = &self.state {
            if open.is_waiting() {
                self.link.heartbeat.handle_received(now);
            }
            if self.link.heartbeat.is_due(now) {
                put_heartbeat(out.wire.buffer());
                self.link.heartbeat.handle_sent(now);
            }
        }
    }

    fn handle_paused(&mut self, now: Instant) {
        self.link.heartbeat.handle_received(now);
        if let State::Open(open) = &mut self.state {
            open.timeouts.pass(now, true);
        }
    }

    fn handle_close(&mut self, _now: Instant, _out: &mut Out) {
        self.state = State::Closed;
    }

    fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::AwaitHeader { until } | State::Closing { until } => Some(*until),
            State::Opening(opening) => opening.deadline(),
            State::Open(open) => {
                let deadlines = [
                    self.link.heartbeat.deadline(),
                    open.timeouts.deadline(),
                    open.waits.deadline(),
                ];
                deadlines.into_iter().flatten().min()
            }
            State::Closed => None,
        }
    }

    fn unanswered_bytes(&self) -> usize {
        match &self.state {
            State::Open(open) => open.awaited_confirms.bytes(),
            State::AwaitHeader { .. }
            | State::Opening(_)
            | State::Closing { .. }
            | State::Closed => 0,
        }
    }

    fn gathered_bytes(&self) -> usize {
        match &self.state {
            State::Open(open) => open.held_bytes,
            State::AwaitHeader { .. }
            | State::Opening(_)
            | State::Closing { .. }
            | State::Closed => 0,
        }
    }

    fn missing_bytes(&self) -> usize {
        self.missing_bytes
    }
}
