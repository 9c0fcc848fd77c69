//! One MQTT connection as a state machine.
//!
//! ```text
//!  AwaitConnect ──CONNECT, then Done──► Open ──DISCONNECT──► Closed
//!       │                                │                     ▲
//!       └────────────────────────────────┴── error, refusal ───┘
//! ```
//!
//! - `AwaitConnect`: nothing but CONNECT is read, and that within a time.
//! - `Open`: packets become commands, answers become PUBACK, PUBREC, SUBACK and UNSUBACK, deliveries PUBLISH.
//! - `Closed`: the driver has been asked to close; nothing is read or written.
//!
//! The session of the protocol ends with the connection (whatever its end was but a normal DISCONNECT, the will is
//! published then), or outlives it: then `kept` says what of it does, and the broker publishes the will.

mod aliases;
mod await_connect;
mod confirms;
mod deliver;
mod ending;
mod in_flight;
mod keep_alive;
mod kept;
mod open;
mod opening;
mod publish;
mod received;
mod settle;
mod share;
mod subscribe;
mod subscriptions;

use crate::frame::{Packet, Property, PropertyList, Text};
use crate::violation::{Answer, DecodeError};
use crate::{Codec, Decoded, Disconnect, MqttHeads, SessionLimits, Version};
use await_connect::AwaitConnect;
use broker_api::{Command, Event, Heads, Out, Session, Submission};
use bytes::{Buf, BytesMut};
use ending::Ending;
use model::{CommandId, ConnectionId, ConversationId, Instant};
use open::Open;

/// The longest text that tells a peer what it did wrong, in bytes.
const REASON_BYTES_MAX: usize = 512;

/// One MQTT connection: bytes and events in, bytes and commands out.
///
/// Owned by the driver of one transport, from accept to close. What it may hold is bounded by its
/// [`SessionLimits`]; beyond these it holds one entry per PUBLISH that the broker has not answered.
#[derive(Debug)]
pub struct Mqtt {
    link: Link,
    codec: Codec,
    state: State,
    /// Bytes that the last call left in the input: more than these have come since.
    left_bytes: usize,
    /// Bytes that complete the packet in the input.
    missing_bytes: usize,
}

/// What all states share.
#[derive(Debug)]
struct Link {
    connection: ConnectionId,
    /// A number of this process, for names that are made up.
    seed: u64,
    limits: SessionLimits,
    /// Reads the heads of messages that came by other protocols.
    heads: Heads,
    /// When what is being handled came.
    now: Instant,
    next_command: u64,
}

#[derive(Debug)]
enum State {
    AwaitConnect(AwaitConnect),
    Open(Box<Open>),
    Closed,
}

impl State {
    /// Whether nothing may be read until the broker answers.
    const fn is_waiting(&self) -> bool {
        match self {
            Self::AwaitConnect(await_connect) => await_connect.is_waiting(),
            Self::Open(open) => open.is_waiting(),
            Self::Closed => false,
        }
    }
}

/// What a packet has done.
enum Step {
    /// It is dealt with.
    Taken,
    /// It was the client's last.
    Disconnected,
}

impl Link {
    fn next(&mut self, command: Command) -> Submission {
        self.next_command += 1;
        Submission {
            id: CommandId(self.next_command),
            conversation: ConversationId(0),
            command,
        }
    }

    fn submit(&mut self, out: &mut Out, command: Command) -> CommandId {
        let submission = self.next(command);
        let id = submission.id;
        out.submit(submission);
        id
    }

    fn barrier(&mut self, out: &mut Out, command: Command) -> CommandId {
        let submission = self.next(command);
        let id = submission.id;
        out.barrier(submission);
        id
    }
}

impl Mqtt {
    /// A session at the start of its connection. With `seed`, a number of this process, it makes up
    /// client identifiers.
    #[must_use]
    pub fn new(now: Instant, connection: ConnectionId, limits: SessionLimits, seed: u64) -> Self {
        Self {
            link: Link {
                connection,
                seed,
                limits,
                heads: |_| &MqttHeads,
                now,
                next_command: 0,
            },
            codec: Codec::of_server(limits.packets),
            state: State::AwaitConnect(AwaitConnect::new(now + limits.connect_timeout)),
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

    /// Reads packets until the input holds no whole one, or none may be read. Returns the number of
    /// bytes dealt with.
    fn read_packets(&mut self, input: &[u8], out: &mut Out) -> usize {
        let mut at = 0;
        if self.state.is_waiting() {
            return at;
        }
        self.missing_bytes = 0;
        while at < input.len() && !out.is_held() {
            let Self {
                link, codec, state, ..
            } = self;
            let (packet, len) = match codec.decode(&input[at..]) {
                Ok(Decoded::Packet(packet, len)) => (packet, len),
                Ok(Decoded::Incomplete { missing_bytes }) => {
                    self.missing_bytes = missing_bytes;
                    break;
                }
                Err(error) => {
                    self.refuse_input(&error, out);
                    break;
                }
            };
            at += len;
            let step = match state {
                State::AwaitConnect(await_connect) => {
                    await_connect.handle_packet(link, &packet, out)
                }
                State::Open(open) => open.handle_packet(link, &packet, out),
                State::Closed => break,
            };
            match step {
                Ok(Step::Taken) => {}
                Ok(Step::Disconnected) => {
                    // [MQTT-3.14.4-1]: nothing is said to a client that has said its last.
                    self.close(out);
                    break;
                }
                Err(ending) => {
                    self.fail(&ending, out);
                    break;
                }
            }
        }
        at
    }

    /// Answers input that is no packet, or none that may come here, and closes.
    fn refuse_input(&mut self, error: &DecodeError, out: &mut Out) {
        match error.answer() {
            Answer::Nothing => {}
            Answer::Connack(version, reason) => {
                await_connect::put_refused(version, reason, &error.to_string(), out);
            }
            Answer::Disconnect(reason) => {
                self.put_disconnect(reason, &error.to_string(), out);
            }
        }
        self.close(out);
    }

    /// Tells the client why the connection ends, as its version can, and closes.
    fn fail(&mut self, ending: &Ending, out: &mut Out) {
        match &self.state {
            State::AwaitConnect(await_connect) => await_connect.put_refused(ending, out),
            State::Open(_) => {
                self.put_disconnect(ending.disconnect_reason(), &ending.to_string(), out);
            }
            State::Closed => return,
        }
        self.close(out);
    }

    /// A DISCONNECT; 3.x has none for a server. [MQTT-3.14.0-1]
    fn put_disconnect(&self, reason: crate::DisconnectReason, text: &str, out: &mut Out) {
        let State::Open(open) = &self.state else {
            return;
        };
        if !open.version.has_properties() {
            return;
        }
        let mut properties = PropertyList::new();
        push_reason(&mut properties, text);
        let mut packet = Disconnect {
            reason,
            properties: properties.as_properties(),
        };
        // [MQTT-3.14.2-3]
        if Packet::Disconnect(packet).packet_len(open.version) > open.packet_bytes_max {
            packet.properties = crate::Properties::NONE;
        }
        put(open.version, &Packet::Disconnect(packet), out);
    }

    /// Ends the session: what was settled before counts, the will is published unless it was taken back.
    fn close(&mut self, out: &mut Out) {
        if let State::Open(open) = &mut self.state {
            open.end(&mut self.link, out);
        }
        out.close();
        self.state = State::Closed;
    }

    fn event_in_state(&mut self, event: Event, out: &mut Out) -> Result<(), Ending> {
        let link = &mut self.link;
        match &mut self.state {
            State::AwaitConnect(await_connect) => {
                if let Some(open) = await_connect.handle_event(link, event, out)? {
                    self.codec.set_version(open.version);
                    self.state = State::Open(Box::new(open));
                }
                Ok(())
            }
            State::Open(open) => open.handle_event(link, event, out),
            State::Closed => Ok(()),
        }
    }
}

impl Session for Mqtt {
    fn handle_input(&mut self, now: Instant, input: &mut BytesMut, out: &mut Out) {
        self.link.now = now;
        if let State::Open(open) = &mut self.state
            && input.len() > self.left_bytes
        {
            open.keep_alive.handle_received(now);
        }
        let taken = self.read_packets(input, out);
        match &mut self.state {
            State::AwaitConnect(_) => input.advance(taken),
            State::Open(open) => {
                open.flush(&mut self.link, out);
                input.advance(taken);
            }
            State::Closed => input.clear(),
        }
        self.left_bytes = input.len();
    }

    fn handle_event(&mut self, now: Instant, event: Event, out: &mut Out) {
        self.link.now = now;
        if let Err(ending) = self.event_in_state(event, out) {
            self.fail(&ending, out);
        }
    }

    fn handle_deadline(&mut self, now: Instant, out: &mut Out) {
        self.link.now = now;
        let is_waiting = self.state.is_waiting();
        let ending = match &mut self.state {
            State::AwaitConnect(await_connect) => {
                await_connect.handle_deadline(now, &self.link.limits)
            }
            State::Open(open) if is_waiting => {
                // Nothing was read meanwhile, so silence says nothing of the peer.
                open.keep_alive.handle_received(now);
                None
            }
            State::Open(open) => open.keep_alive.silence(now).map(Ending::Silent),
            State::Closed => None,
        };
        if let Some(ending) = ending {
            self.fail(&ending, out);
        }
    }

    fn handle_paused(&mut self, now: Instant) {
        if let State::Open(open) = &mut self.state {
            open.keep_alive.handle_received(now);
        }
    }

    fn handle_close(&mut self, now: Instant, out: &mut Out) {
        self.link.now = now;
        if let State::Open(open) = &mut self.state {
            open.end(&mut self.link, out);
        }
        self.state = State::Closed;
    }

    fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::AwaitConnect(await_connect) => await_connect.deadline(),
            State::Open(open) => open.keep_alive.deadline(),
            State::Closed => None,
        }
    }

    fn unanswered_bytes(&self) -> usize {
        match &self.state {
            State::Open(open) => open.unanswered_bytes(),
            State::AwaitConnect(_) | State::Closed => 0,
        }
    }

    fn missing_bytes(&self) -> usize {
        self.missing_bytes
    }
}

/// Appends a packet.
fn put(version: Version, packet: &Packet<'_>, out: &mut Out) {
    // What fails is longer than any packet, which none of ours is, or unknown to the version; then
    // nothing is told.
    let _unsaid = packet.put(version, out.wire.buffer());
}

/// Tells a reason as text, as far as it is one that the protocol takes.
fn push_reason(properties: &mut PropertyList, text: &str) {
    let end = text.floor_char_boundary(REASON_BYTES_MAX);
    if let Ok(text) = Text::new(&text[..end]) {
        properties.push(Property::ReasonString(text));
    }
}
