//! One STOMP connection as a state machine.
//!
//! ```text
//!  AwaitConnect ──CONNECT, then Done──► Open ──DISCONNECT──► Closing ──all answers──► Closed
//!       │                                │                      │                        ▲
//!       └────────────────────────────────┴── error, refusal ────┴────────────────────────┘
//! ```
//!
//! - `AwaitConnect`: nothing but CONNECT or STOMP is read, and that within a time.
//! - `Open`: frames become commands, answers become RECEIPTs, deliveries MESSAGEs.
//! - `Closing`: input is discarded; what was asked before DISCONNECT is still answered.
//! - `Closed`: the driver has been asked to close; nothing is read or written.
//!
//! Every error writes an ERROR frame and goes to `Closed`.

mod await_connect;
mod awaited;
mod closing;
mod delivery_id;
mod durable;
mod heart_beat;
mod known_queues;
mod open;
mod receipt;
mod returned;
mod send;
mod settle;
mod subscribe;
mod subscriptions;
mod temporary;
mod transaction;
mod unsubscribe;

use crate::frame::HeaderName;
use crate::render::{ErrorFrame, put_error};
use crate::violation::Violation;
use crate::{Codec, HostRule, Limits, StompHeads, Version, refusal};
use await_connect::AwaitConnect;
use broker_api::{Command, Event, Heads, Numbering, Out, Refusal, Session};
use bytes::{Buf, BytesMut};
use closing::Closing;
use heart_beat::HeartBeat;
use model::{CommandId, ConnectionId, ConversationId, Instant};
use open::Open;
use receipt::Receipt;

/// One STOMP connection: bytes and events in, bytes and commands out.
///
/// Owned by the driver of one transport, from accept to close. What it may hold is bounded by its
/// [`Limits`]; beyond these it holds one entry per delivery that the client has not settled and per
/// receipt that the broker has not answered.
#[derive(Debug)]
pub struct Stomp {
    link: Link,
    codec: Codec,
    state: State,
    /// Bytes that the last call left in the input: more than these have come since.
    left_bytes: usize,
}

/// What all states share.
#[derive(Debug)]
struct Link {
    connection: ConnectionId,
    limits: Limits,
    hosts: HostRule,
    /// Reads the heads of messages that came by other protocols.
    heads: Heads,
    /// When what is being read came.
    now: Instant,
    numbering: Numbering,
    /// Set by CONNECT.
    version: Option<Version>,
    heart_beat: HeartBeat,
}

#[derive(Debug)]
enum State {
    AwaitConnect(AwaitConnect),
    Open(Box<Open>),
    Closing(Closing),
    Closed,
}

impl State {
    /// Whether nothing may be read until the broker answers.
    const fn is_waiting(&self) -> bool {
        match self {
            Self::AwaitConnect(await_connect) => await_connect.is_waiting(),
            Self::Open(open) => open.is_waiting(),
            Self::Closing(_) | Self::Closed => false,
        }
    }
}

/// What a frame has done.
enum Step {
    /// It is dealt with.
    Taken,
    /// It must be read again when the barrier is away.
    Kept,
    /// It was the client's last.
    Disconnected(Option<Receipt>),
}

/// What ends the connection, on the way to its ERROR frame.
struct Failure {
    summary: &'static str,
    detail: String,
    receipt: Option<Receipt>,
    /// The client's name of the subscription that has ended.
    subscription: Option<Box<[u8]>>,
}

impl Failure {
    fn refused(refusal: &Refusal, receipt: Option<Receipt>) -> Self {
        Self {
            summary: refusal::summary(refusal),
            detail: refusal.to_string(),
            receipt,
            subscription: None,
        }
    }

    /// The broker answered what was not asked.
    fn internal() -> Self {
        Self {
            summary: "internal error",
            detail: "a queue was declared, and nothing was told of it".into(),
            receipt: None,
            subscription: None,
        }
    }

    fn violated(violation: &Violation, receipt: Option<Receipt>) -> Self {
        Self {
            summary: violation.summary(),
            detail: violation.to_string(),
            receipt,
            subscription: None,
        }
    }
}

impl Link {
    fn submit(&mut self, out: &mut Out, command: Command) -> CommandId {
        self.numbering.submit(out, ConversationId(0), command)
    }

    fn barrier(&mut self, out: &mut Out, command: Command) -> CommandId {
        self.numbering.barrier(out, ConversationId(0), command)
    }
}

impl Stomp {
    /// A session at the start of its connection.
    #[must_use]
    pub fn new(now: Instant, connection: ConnectionId, limits: Limits) -> Self {
        Self {
            link: Link {
                connection,
                limits,
                hosts: HostRule::default(),
                heads: |_| &StompHeads,
                now,
                numbering: Numbering::default(),
                version: None,
                heart_beat: HeartBeat::new(now),
            },
            codec: Codec::new(limits),
            state: State::AwaitConnect(AwaitConnect::new(now + limits.connect_timeout)),
            left_bytes: 0,
        }
    }

    /// The same session with a rule for the `host` header; without one, any host means the default vhost.
    #[must_use]
    pub fn with_host_rule(mut self, hosts: HostRule) -> Self {
        self.link.hosts = hosts;
        self
    }

    /// The same session with who reads the heads of messages of other protocols; without, it shows
    /// nothing of them but what the broker knows.
    #[must_use]
    pub fn with_heads(mut self, heads: Heads) -> Self {
        self.link.heads = heads;
        self
    }

    /// Reads frames until the input holds no whole one, or none may be read. Returns the number of
    /// bytes dealt with.
    fn read_frames(&mut self, input: &[u8], out: &mut Out) -> usize {
        let mut at = 0;
        match &self.state {
            // Nothing means anything behind DISCONNECT or ERROR.
            State::Closing(_) | State::Closed => return input.len(),
            State::Open(_) if self.state.is_waiting() => return at,
            State::AwaitConnect(_) | State::Open(_) => {}
        }
        while !out.is_held() {
            let Self {
                link, codec, state, ..
            } = self;
            let rest = &input[at..];
            let decoded = match codec.decode(rest) {
                Ok(decoded) => decoded,
                Err(error) => {
                    let receipt = codec.receipt_in_error(rest).map(Receipt::new);
                    self.fail(&Failure::violated(&error.into(), receipt), out);
                    break;
                }
            };
            let Some(frame) = decoded.frame else {
                at += decoded.consumed;
                break;
            };
            let step = match state {
                State::AwaitConnect(await_connect) => await_connect.handle_frame(link, &frame, out),
                State::Open(open) => open.handle_frame(link, &frame, out),
                State::Closing(_) | State::Closed => break,
            };
            match step {
                Ok(Step::Taken) => at += decoded.consumed,
                Ok(Step::Kept) => break,
                Ok(Step::Disconnected(receipt)) => {
                    at += decoded.consumed;
                    self.start_closing(receipt, out);
                    break;
                }
                Err(violation) => {
                    let receipt = frame.spelled(HeaderName::Receipt).map(Receipt::new);
                    self.fail(&Failure::violated(&violation, receipt), out);
                    break;
                }
            }
        }
        at
    }

    fn start_closing(&mut self, receipt: Option<Receipt>, out: &mut Out) {
        let State::Open(open) = std::mem::replace(&mut self.state, State::Closed) else {
            return;
        };
        let mut closing = open.into_closing(&mut self.link, receipt, out);
        if !closing.finish_if_answered(out) {
            self.state = State::Closing(closing);
        }
    }

    /// Writes the ERROR frame and asks to close. Settlements that came before it still count.
    fn fail(&mut self, failure: &Failure, out: &mut Out) {
        if let State::Open(open) = &mut self.state {
            open.flush(&mut self.link, out);
        }
        let error = ErrorFrame {
            summary: failure.summary,
            detail: &failure.detail,
            receipt: failure.receipt.as_ref().map(Receipt::as_bytes),
            subscription: failure.subscription.as_deref(),
            version: self.link.version,
        };
        put_error(out.wire.buffer(), &error);
        out.close();
        self.state = State::Closed;
    }

    fn event_in_state(&mut self, now: Instant, event: Event, out: &mut Out) -> Result<(), Failure> {
        let link = &mut self.link;
        match &mut self.state {
            State::AwaitConnect(await_connect) => {
                if let Some(open) = await_connect.handle_event(now, link, &event, out)? {
                    self.codec.set_version(open.version());
                    self.state = State::Open(Box::new(open));
                }
            }
            State::Open(open) => open.handle_event(link, event, out)?,
            State::Closing(closing) => {
                closing.handle_event(link, event, out)?;
                if closing.finish_if_answered(out) {
                    self.state = State::Closed;
                }
            }
            State::Closed => {}
        }
        Ok(())
    }
}

impl Session for Stomp {
    fn handle_input(&mut self, now: Instant, input: &mut BytesMut, out: &mut Out) {
        self.link.now = now;
        if input.len() > self.left_bytes {
            self.link.heart_beat.handle_received(now);
        }
        let written = out.wire.len();
        let taken = self.read_frames(input, out);
        match &mut self.state {
            State::AwaitConnect(_) => input.advance(taken),
            State::Open(open) => {
                open.flush(&mut self.link, out);
                input.advance(taken);
            }
            State::Closing(_) | State::Closed => input.clear(),
        }
        self.left_bytes = input.len();
        if out.wire.len() > written {
            self.link.heart_beat.handle_sent(now);
        }
    }

    fn handle_event(&mut self, now: Instant, event: Event, out: &mut Out) {
        let written = out.wire.len();
        if let Err(failure) = self.event_in_state(now, event, out) {
            self.fail(&failure, out);
        }
        if out.wire.len() > written {
            self.link.heart_beat.handle_sent(now);
        }
    }

    fn handle_deadline(&mut self, now: Instant, out: &mut Out) {
        let violation = match &self.state {
            State::AwaitConnect(await_connect) => await_connect.handle_deadline(now, &self.link),
            State::Open(_) if self.state.is_waiting() => {
                // Nothing was read meanwhile, so silence says nothing of the peer.
                self.link.heart_beat.handle_received(now);
                None
            }
            State::Open(_) => self.link.heart_beat.silence(now).map(Violation::PeerSilent),
            State::Closing(_) => None,
            State::Closed => return,
        };
        if let Some(violation) = violation {
            self.fail(&Failure::violated(&violation, None), out);
        } else if self.link.heart_beat.is_due(now) {
            out.wire.put(b"\n");
            self.link.heart_beat.handle_sent(now);
        }
    }

    fn unanswered_bytes(&self) -> usize {
        match &self.state {
            State::Open(open) => open.unanswered_bytes(),
            State::Closing(closing) => closing.unanswered_bytes(),
            State::AwaitConnect(_) | State::Closed => 0,
        }
    }

    fn handle_paused(&mut self, now: Instant) {
        self.link.heart_beat.handle_received(now);
    }

    fn handle_close(&mut self, _now: Instant, _out: &mut Out) {
        // The attachment releases what the subscriptions hold.
        self.state = State::Closed;
    }

    fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::AwaitConnect(await_connect) => await_connect.deadline(),
            State::Open(_) => self.link.heart_beat.deadline(),
            State::Closing(_) => self.link.heart_beat.send_deadline(),
            State::Closed => None,
        }
    }

    fn missing_bytes(&self) -> usize {
        self.codec.missing_bytes()
    }
}
