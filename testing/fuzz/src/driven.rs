//! A session of any protocol, driven by fuzzed bytes, with a broker that answers as it likes.
//!
//! What holds for every session is checked here. A target says by its [`Broker`] what its session may ask for, what
//! that is answered by, and how much it may say.

mod messages;
mod subscriptions;

pub(crate) use messages::Messages;
pub(crate) use subscriptions::Subscriptions;

use crate::input::{Chance, Input, pieces};
use broker_api::{Event, Out, Refusal, Reply, Session, Submission};
use bytes::BytesMut;
use model::{CommandId, Instant};
use std::collections::VecDeque;

/// What the session of one protocol talks to, and what holds of that protocol alone.
pub(crate) trait Broker: Sized {
    /// The session.
    type Session: Session;
    /// What a command is answered by.
    type Answer;

    /// What a client may still send behind the end of its connection.
    const BEHIND_THE_END: &'static [u8];

    /// The most that the session may write in a call that brings it so many bytes.
    fn wire_bytes_max(&self, read_bytes: usize) -> usize;

    /// The most that it may ask for in such a call.
    fn commands_max(&self, read_bytes: usize) -> usize;

    /// The most that it may leave of its input until more comes.
    fn left_bytes_max(&self) -> usize;

    /// What an event brings to a session.
    fn event_bytes(event: &Event) -> usize;

    /// Takes a command; nothing if there is no answer to it.
    fn take(&mut self, command: broker_api::Command) -> Option<Self::Answer>;

    /// Carries out what a command asked for; returns what the session is told of it.
    fn answer(&mut self, id: CommandId, answer: Self::Answer) -> Vec<Event>;

    /// Does something that a broker or the clock may do.
    fn act(driven: &mut Driven<Self>, chance: &mut Chance);

    /// Takes bytes of the client; the chance is there if the broker may refuse something.
    fn feed(driven: &mut Driven<Self>, bytes: &[u8], _chance: Option<&mut Chance>) {
        driven.feed(bytes);
    }

    /// Leaves of what the client was sent what does not depend on the cuts.
    fn strip(&self, _sent: &mut Vec<u8>) {}
}

/// A session, its driver and its broker.
pub(crate) struct Driven<B: Broker> {
    pub(crate) session: B::Session,
    pub(crate) broker: B,
    pub(crate) now: Instant,
    pub(crate) is_closed: bool,
    pub(crate) input: BytesMut,
    /// In the order in which the session asked.
    pub(crate) unanswered: VecDeque<(CommandId, B::Answer)>,
    out: Out,
    last_command: CommandId,
    /// All bytes to the client.
    sent: Vec<u8>,
}

/// Bytes that are shown as text.
#[derive(PartialEq, Eq)]
struct Text<'a>(&'a [u8]);

impl std::fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

/// Feeds a stream in pieces to a session, with answers, refusals, deliveries and deadlines in between. `make` makes the
/// session for the seed of what the broker does.
///
/// Bytes: 1, the seed of the cuts; 1, the seed of what the broker does; the stream. With seed 0 it answers what the
/// session waits for, and all else at the end: then the session's output must be the same for the stream in one piece.
pub(crate) fn check<B: Broker>(mut input: Input<'_>, make: impl Fn(u8) -> Driven<B>) {
    let (cuts, script) = (input.u8(), input.u8());
    let stream = input.rest();
    let cut = make(script).converse(script, &pieces(cuts, stream));
    if script == 0 {
        let whole = make(script).converse(script, &[stream]);
        assert_eq!(Text(&whole), Text(&cut), "the cuts make a difference");
    }
}

impl<B: Broker> Driven<B> {
    pub(crate) fn new(now: Instant, session: B::Session, broker: B) -> Self {
        Self {
            session,
            broker,
            now,
            is_closed: false,
            input: BytesMut::new(),
            unanswered: VecDeque::new(),
            out: Out::new(),
            last_command: CommandId(0),
            sent: Vec::new(),
        }
    }

    /// A whole connection; returns what the client is sent.
    fn converse(mut self, script: u8, pieces: &[&[u8]]) -> Vec<u8> {
        let mut chance = Chance::new(script);
        for piece in pieces {
            // A driver does not read on when it has been asked to close.
            if self.is_closed {
                break;
            }
            B::feed(&mut self, piece, (script != 0).then_some(&mut chance));
            if script != 0 {
                B::act(&mut self, &mut chance);
            }
        }
        self.answer_all();
        if self.is_closed {
            self.check_silence();
        } else {
            self.call(0, |session, now, _, out| session.handle_close(now, out));
        }
        self.broker.strip(&mut self.sent);
        self.sent
    }

    /// Calls the session and checks what it puts out for `read_bytes` bytes of input.
    fn call(
        &mut self,
        read_bytes: usize,
        call: impl FnOnce(&mut B::Session, Instant, &mut BytesMut, &mut Out),
    ) {
        call(&mut self.session, self.now, &mut self.input, &mut self.out);
        let wire = self.out.wire.take();
        let commands = std::mem::take(&mut self.out.commands);
        let bytes_max = self.broker.wire_bytes_max(read_bytes);
        assert!(wire.len() <= bytes_max, "{} bytes", wire.len());
        let (count, commands_max) = (commands.len(), self.broker.commands_max(read_bytes));
        assert!(count <= commands_max, "{count} commands");
        if self.is_closed {
            assert!(wire.is_empty() && commands.is_empty(), "behind its end");
        }
        self.sent.extend_from_slice(&wire);
        for Submission { id, command, .. } in commands {
            assert!(id > self.last_command, "ids of commands ascend");
            self.last_command = id;
            let answer = self.broker.take(command);
            self.unanswered.extend(answer.map(|answer| (id, answer)));
        }
        self.is_closed |= self.out.is_closing();
    }

    /// Gives bytes to the session, answering all it waits for.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
        self.read();
        while self.out.is_held() && !self.is_closed {
            // In order and no more than it waits for: so it does not depend on the cuts.
            let (id, answer) = self.unanswered.pop_front().expect("it waits for an answer");
            self.answer(id, answer);
        }
        self.check_left();
    }

    /// Checks that no more is left of the input than may be.
    pub(crate) fn check_left(&self) {
        let (left, most) = (self.input.len(), self.broker.left_bytes_max());
        assert!(self.is_closed || left <= most, "{left} are left");
    }

    /// Offers what is in the input.
    pub(crate) fn read(&mut self) {
        let length = self.input.len();
        self.call(length, |session, now, input, out| {
            session.handle_input(now, input, out);
        });
        assert!(self.input.len() <= length);
    }

    /// Tells of an event, and offers what is in the input if the session has waited for that.
    pub(crate) fn tell(&mut self, event: Event) {
        let was_held = self.out.is_held();
        self.hand_over(event);
        if was_held && !self.out.is_held() && !self.is_closed {
            self.read();
        }
    }

    /// Tells of an event, and no more.
    pub(crate) fn hand_over(&mut self, event: Event) {
        self.call(B::event_bytes(&event), |session, now, _, out| {
            session.handle_event(now, event, out);
        });
    }

    pub(crate) fn answer(&mut self, id: CommandId, answer: B::Answer) {
        for event in self.broker.answer(id, answer) {
            self.tell(event);
        }
    }

    pub(crate) fn answer_all(&mut self) {
        while let Some((id, answer)) = self.unanswered.pop_front() {
            self.answer(id, answer);
        }
    }

    /// Lets time pass until then.
    pub(crate) fn pass(&mut self, until: Instant) {
        self.now = until;
        let is_due = self.session.deadline().is_some_and(|at| at <= until);
        if is_due && !self.is_closed {
            self.call(0, |session, now, _, out| session.handle_deadline(now, out));
            let next = self.session.deadline();
            assert!(next.is_none_or(|next| next > until), "it would spin");
        }
    }

    /// Checks that the session, which is closed, has nothing more to say.
    fn check_silence(&mut self) {
        self.input.extend_from_slice(B::BEHIND_THE_END);
        self.call(0, |session, now, input, out| {
            session.handle_input(now, input, out);
        });
        self.tell(Event::Done(self.last_command, Ok(Reply::Nothing)));
        self.tell(Event::Disconnect(Refusal::ShuttingDown));
        assert_eq!(self.session.deadline(), None, "it waits for nothing");
        self.call(0, |session, now, _, out| session.handle_deadline(now, out));
    }
}
