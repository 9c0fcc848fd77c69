//! One MQTT connection as a state machine.
//!
//! ```text
//!  AwaitConnect ──CONNECT, then Done──► Open ──DISCONNECT──► Closed
//!       │                                │                     ▲
//!       └────────────────────────────────┴── error, refusal ───┘
//! ```
//!
//! - `AwaitConnect`: nothing but CONNECT is read, and that within a time; behind one that asks for an enhanced
//!   authentication, nothing but AUTH and DISCONNECT, within the same time.
//! - `Open`: packets become commands, answers become PUBACK, PUBREC, SUBACK and UNSUBACK, deliveries PUBLISH.
//! - `Closed`: the driver has been asked to close; nothing is read or written.
//!
//! The session of the protocol ends with the connection (whatever its end was but a normal DISCONNECT, the will is
//! published then), or outlives it: then `kept` says what of it does, and the broker publishes the will.

mod aliases;
mod authentication;
mod await_connect;
mod confirms;
mod deliver;
mod ending;
mod given_aliases;
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

use crate::frame::{ConnackReason, Packet, Property, PropertyList, Text};
use crate::violation::{Answer, DecodeError};
use crate::{
    Codec, Decoded, Disconnect, DisconnectReason, MqttHeads, SessionLimits, Told, Version,
};
use await_connect::AwaitConnect;
use broker_api::{Command, Event, Heads, Numbering, Out, Session};
use bytes::{Buf, BytesMut};
use ending::Ending;
pub(crate) use given_aliases::Alias;
use model::{CommandId, ConnectionId, ConversationId, Instant};
use open::Open;
use std::sync::Arc;

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
    limits: Arc<SessionLimits>,
    /// Reads the heads of messages that came by other protocols.
    heads: Heads,
    /// None for nothing.
    told: Option<Arc<Told>>,
    /// When what is being handled came.
    now: Instant,
    numbering: Numbering,
}

#[derive(Debug)]
enum State {
    AwaitConnect(AwaitConnect),
    Open(Box<Open>),
    Closed,
}

impl State {
    /// Whether nothing may be read until the broker answers.
    fn is_waiting(&self) -> bool {
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

/// Why a client should go elsewhere. §4.11
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Elsewhere {
    /// For the time being.
    UseAnotherServer,
    /// For good.
    ServerMoved,
}

impl From<Elsewhere> for DisconnectReason {
    fn from(elsewhere: Elsewhere) -> Self {
        match elsewhere {
            Elsewhere::UseAnotherServer => Self::UseAnotherServer,
            Elsewhere::ServerMoved => Self::ServerMoved,
        }
    }
}

impl From<Elsewhere> for ConnackReason {
    fn from(elsewhere: Elsewhere) -> Self {
        match elsewhere {
            Elsewhere::UseAnotherServer => Self::UseAnotherServer,
            Elsewhere::ServerMoved => Self::ServerMoved,
        }
    }
}

impl Link {
    /// Where the client should go, if it is that the broker stops and there is such a place.
    fn elsewhere(&self, ending: &Ending) -> Option<(Elsewhere, &str)> {
        let told = self.told.as_ref()?;
        let is_told = ending.is_stop() && !told.server_reference.is_empty();
        let elsewhere = match told.has_moved {
            true => Elsewhere::ServerMoved,
            false => Elsewhere::UseAnotherServer,
        };
        is_told.then_some((elsewhere, &*told.server_reference))
    }

    /// A command's id for what the broker is not asked.
    fn skip(&mut self) -> CommandId {
        self.numbering.skip()
    }

    fn submit(&mut self, out: &mut Out, command: Command) -> CommandId {
        self.numbering.submit(out, ConversationId(0), command)
    }

    fn barrier(&mut self, out: &mut Out, command: Command) -> CommandId {
        self.numbering.barrier(out, ConversationId(0), command)
    }
}

impl Mqtt {
    /// A session at the start of its connection. With `seed`, a number of this process, it makes up
    /// client identifiers. Sessions may share their limits.
    #[must_use]
    pub fn new(
        now: Instant,
        connection: ConnectionId,
        limits: impl Into<Arc<SessionLimits>>,
        seed: u64,
    ) -> Self {
        let limits = limits.into();
        let deadline = now + limits.connect_timeout;
        Self {
            codec: Codec::of_server(limits.packets),
            link: Link {
                connection,
                seed,
                limits,
                heads: |_| &MqttHeads,
                told: None,
                now,
                numbering: Numbering::default(),
            },
            state: State::AwaitConnect(AwaitConnect::new(deadline)),
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

    /// The same session with what its client is told.
    #[must_use]
    pub fn with_told(mut self, told: Arc<Told>) -> Self {
        self.link.told = Some(told);
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
            if matches!(state, State::Open(open) if open.waits(link, &packet)) {
                out.hold();
                break;
            }
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
                let text = error.to_string();
                await_connect::put_refused((version, usize::MAX), (reason, None), &text, out);
            }
            Answer::Disconnect(reason) => match &self.state {
                // CONNACK has not been sent. §4.13
                State::AwaitConnect(await_connect) => {
                    await_connect.put_violation(reason, &error.to_string(), out);
                }
                State::Open(_) | State::Closed => {
                    self.put_disconnect((reason, None), &error.to_string(), out);
                }
            },
        }
        self.close(out);
    }

    /// Tells the client why the connection ends, as its version can, and closes.
    fn fail(&mut self, ending: &Ending, out: &mut Out) {
        let elsewhere = self.link.elsewhere(ending);
        match &self.state {
            State::AwaitConnect(await_connect) => {
                await_connect.put_refused(ending, elsewhere, out);
            }
            State::Open(_) => {
                let told = match elsewhere {
                    Some((code, server)) => (code.into(), Some(server)),
                    None => (ending.disconnect_reason(), None),
                };
                self.put_disconnect(told, &ending.to_string(), out);
            }
            State::Closed => return,
        }
        self.close(out);
    }

    /// A DISCONNECT, with a Server Reference if there is one; 3.x has none for a server. [MQTT-3.14.0-1]
    fn put_disconnect(
        &self,
        (reason, server): (DisconnectReason, Option<&str>),
        text: &str,
        out: &mut Out,
    ) {
        let State::Open(open) = &self.state else {
            return;
        };
        if !open.version.has_properties() {
            return;
        }
        let mut properties = PropertyList::new();
        push_server(&mut properties, server);
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
                let open = await_connect.handle_event(link, event, out)?;
                if let Some(version) = await_connect.version() {
                    self.codec.set_version(version);
                }
                if let Some(open) = open {
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
                if open.is_waiting() {
                    out.hold();
                }
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

/// Tells where to go instead.
fn push_server(properties: &mut PropertyList, server: Option<&str>) {
    if let Some(Ok(server)) = server.map(Text::new) {
        properties.push(Property::ServerReference(server));
    }
}

/// Tells a reason as text, as far as it is one that the protocol takes.
fn push_reason(properties: &mut PropertyList, text: &str) {
    let end = text.floor_char_boundary(REASON_BYTES_MAX);
    if let Ok(text) = Text::new(&text[..end]) {
        properties.push(Property::ReasonString(text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_small() {
        let bytes = size_of::<Mqtt>();
        assert!(bytes <= 160, "{bytes} bytes");
        let bytes = size_of::<Open>();
        assert!(bytes <= 512, "{bytes} bytes");
    }
}
