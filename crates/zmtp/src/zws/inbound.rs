//! From a WebSocket's bytes to those that a peer of ZMTP 3.0 over TCP would send.

use super::websocket::{CONTROL_BYTES_MAX, Head, Opcode, Side, WebSocketError, apply_mask};
use super::{octet, read};
use crate::command::Command;
use crate::curve;
use crate::frame::{FrameHead, FrameKind};
use crate::greeting::{MechanismName, put_rest, put_signature};
use crate::identity::IDENTITY_BYTES_MAX;
use crate::metadata;
use crate::settings::MetadataBuf;
use crate::socket_type::SocketType;
use crate::version::Version;
use bytes::{BufMut as _, BytesMut};

/// Octets of a message that is collected from somebody who has not shaken hands.
const HANDSHAKE_BYTES_MAX: usize = crate::Limits::HANDSHAKE_BYTES_MAX;

/// Something that a WebSocket says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Control {
    /// To be answered with the same payload.
    Ping(Vec<u8>),
    /// The answer to one's own.
    Pong,
    /// Nothing follows.
    Close,
}

/// Reads what comes behind the opening handshake of a WebSocket.
///
/// What it writes begins with a greeting of 3.0, so that a [`Connection`](crate::Connection) reads it: in ZWS there are
/// neither greetings nor versions, and subscriptions are messages. A message in one frame goes through as it comes;
/// only fragments, and the identity of a peer without a mechanism, are collected. A message in fragments may have 16 KiB
/// until as many commands have come as a handshake has.
#[derive(Debug)]
pub struct Inbound {
    side: Side,
    /// Of a message without its octet.
    limit: usize,
    state: State,
    /// A message that is collected, with its octet.
    collected: Option<BytesMut>,
    /// The first message is the peer's identity; this is the own type.
    identifies: Option<SocketType>,
    /// How many commands are to come before the peer can have shaken hands.
    handshake_left: u8,
}

#[derive(Debug)]
enum State {
    Head,
    /// The payload of a data frame.
    Payload {
        left: u64,
        at: u64,
        mask: [u8; 4],
        is_last: bool,
    },
}

impl Inbound {
    /// Of a peer with a mechanism. A frame may have `limit` octets.
    #[must_use]
    pub fn new(side: Side, mechanism: MechanismName, limit: usize, out: &mut BytesMut) -> Self {
        put_signature(out, 0);
        out.put_u8(Version::V3_0.revision());
        put_rest(out, Version::V3_0, mechanism, false);
        Self {
            side,
            limit: limit.saturating_add(curve::OVERHEAD_BYTES),
            state: State::Head,
            collected: None,
            identifies: None,
            handshake_left: if mechanism == MechanismName::NULL {
                1
            } else {
                2
            },
        }
    }

    /// Of a peer without one, whose identity comes first: it counts as one to speak with, and as having said READY.
    #[must_use]
    pub fn identifying(
        side: Side,
        socket_type: SocketType,
        limit: usize,
        out: &mut BytesMut,
    ) -> Self {
        Self {
            identifies: Some(socket_type),
            handshake_left: 0,
            ..Self::new(side, MechanismName::NULL, limit, out)
        }
    }

    /// How much of a message is collected.
    #[must_use]
    pub fn collected_bytes(&self) -> usize {
        self.collected.as_ref().map_or(0, BytesMut::len)
    }

    /// Takes what it can, up to the first control frame; says how much that was. Without one, more must come.
    ///
    /// # Errors
    /// [`WebSocketError`]; nothing more can be taken then.
    pub fn read(
        &mut self,
        input: &[u8],
        out: &mut BytesMut,
    ) -> Result<(usize, Option<Control>), WebSocketError> {
        let mut taken = 0;
        loop {
            let rest = &input[taken..];
            match &self.state {
                State::Head => {
                    let Some(head) = Head::read(self.side, rest)? else {
                        return Ok((taken, None));
                    };
                    if head.opcode.is_control() {
                        let Some((bytes, control)) = control(&head, rest) else {
                            return Ok((taken, None));
                        };
                        return Ok((taken + bytes, Some(control)));
                    }
                    let Some(bytes) = self.begin(&head, rest, out)? else {
                        return Ok((taken, None));
                    };
                    taken += bytes;
                }
                State::Payload { .. } => {
                    let (bytes, is_whole) = self.payload(rest, out)?;
                    taken += bytes;
                    if !is_whole {
                        return Ok((taken, None));
                    }
                }
            }
        }
    }

    /// Begins a data frame; none if not enough of it is there to know what it is.
    fn begin(
        &mut self,
        head: &Head,
        input: &[u8],
        out: &mut BytesMut,
    ) -> Result<Option<usize>, WebSocketError> {
        let has_begun = self.collected.is_some();
        match head.opcode {
            Opcode::Continuation if has_begun => {}
            Opcode::Binary if !has_begun => {}
            Opcode::Text => return Err(WebSocketError::NotBinary),
            Opcode::Continuation | Opcode::Binary | Opcode::Close | Opcode::Ping | Opcode::Pong => {
                return Err(WebSocketError::Fragments);
            }
        }
        let before = self.collected_bytes() as u64;
        let is_whole = head.is_final && !has_begun;
        self.check_len(before.saturating_add(head.payload_bytes), is_whole)?;
        let mut at = 0;
        if !has_begun {
            if self.identifies.is_some() || !head.is_final {
                self.collected = Some(BytesMut::new());
            } else {
                let Some(octet) = input.get(head.bytes).copied() else {
                    // One without an octet has no more to come.
                    return if head.payload_bytes == 0 {
                        Err(WebSocketError::NotZws)
                    } else {
                        Ok(None)
                    };
                };
                let body_len = head.payload_bytes.checked_sub(1);
                let body_len = body_len.and_then(|len| usize::try_from(len).ok());
                let body_len = body_len.ok_or(WebSocketError::NotZws)?;
                let kind = put_head(out, octet ^ head.mask[0], body_len)?;
                self.handle_kind(kind);
                at = 1;
            }
        }
        self.state = State::Payload {
            left: head.payload_bytes - at,
            at,
            mask: head.mask,
            is_last: head.is_final,
        };
        Ok(Some(head.bytes + usize::from(at > 0)))
    }

    /// Counts the commands of the handshake.
    fn handle_kind(&mut self, kind: FrameKind) {
        if kind == FrameKind::Command {
            self.handshake_left = self.handshake_left.saturating_sub(1);
        }
    }

    fn check_len(&self, len: u64, is_whole: bool) -> Result<(), WebSocketError> {
        let limit = if self.identifies.is_some() {
            IDENTITY_BYTES_MAX
        } else if self.handshake_left > 0 && !is_whole {
            self.limit.min(HANDSHAKE_BYTES_MAX)
        } else {
            self.limit
        };
        let limit = limit as u64;
        if len > limit.saturating_add(1) {
            return Err(WebSocketError::TooLarge { len, limit });
        }
        Ok(())
    }

    /// Takes what is there of a payload; says how much, and whether that was all.
    fn payload(
        &mut self,
        input: &[u8],
        out: &mut BytesMut,
    ) -> Result<(usize, bool), WebSocketError> {
        let State::Payload {
            left,
            at,
            mask,
            is_last,
        } = &mut self.state
        else {
            return Ok((0, true));
        };
        let count = usize::try_from(*left)
            .unwrap_or(usize::MAX)
            .min(input.len());
        let target = match &mut self.collected {
            Some(collected) => collected,
            None => &mut *out,
        };
        let start = target.len();
        target.extend_from_slice(&input[..count]);
        apply_mask(&mut target[start..], *mask, *at);
        *left -= count as u64;
        *at += count as u64;
        if *left > 0 {
            return Ok((count, false));
        }
        let is_last = *is_last;
        self.state = State::Head;
        if is_last && let Some(message) = self.collected.take() {
            self.finish(&message, out)?;
        }
        Ok((count, true))
    }

    /// Writes a message that was collected.
    fn finish(&mut self, message: &[u8], out: &mut BytesMut) -> Result<(), WebSocketError> {
        let (kind, body) = read(message).ok_or(WebSocketError::NotZws)?;
        if let Some(socket_type) = self.identifies.take() {
            return match kind {
                FrameKind::Last => put_ready(out, socket_type, body),
                FrameKind::More | FrameKind::Command => Err(WebSocketError::Identity),
            };
        }
        self.handle_kind(kind);
        put_head(out, octet(kind), body.len())?;
        out.extend_from_slice(body);
        Ok(())
    }
}

/// A control frame, once it is whole.
fn control(head: &Head, input: &[u8]) -> Option<(usize, Control)> {
    let len = usize::try_from(head.payload_bytes).unwrap_or(CONTROL_BYTES_MAX);
    let end = head.bytes + len;
    let payload = input.get(head.bytes..end)?;
    let control = match head.opcode {
        Opcode::Ping => {
            let mut payload = payload.to_vec();
            apply_mask(&mut payload, head.mask, 0);
            Control::Ping(payload)
        }
        Opcode::Pong => Control::Pong,
        Opcode::Close | Opcode::Continuation | Opcode::Text | Opcode::Binary => Control::Close,
    };
    Some((end, control))
}

/// Writes the head that a frame has over TCP; returns what it is.
fn put_head(out: &mut BytesMut, octet: u8, body_len: usize) -> Result<FrameKind, WebSocketError> {
    let (kind, _) = read(&[octet]).ok_or(WebSocketError::NotZws)?;
    let framing = crate::frame::Framing::V3;
    let head = match kind {
        FrameKind::Last => FrameHead::message(framing, false, body_len),
        FrameKind::More => FrameHead::message(framing, true, body_len),
        FrameKind::Command => FrameHead::command(body_len),
    };
    out.extend_from_slice(head.as_bytes());
    Ok(kind)
}

/// Writes the READY that a peer of an identity would say, whose type is one to speak with.
fn put_ready(out: &mut BytesMut, ours: SocketType, identity: &[u8]) -> Result<(), WebSocketError> {
    let theirs = SocketType::ALL.into_iter().find(|it| ours.accepts(*it));
    let theirs = theirs.ok_or(WebSocketError::Identity)?;
    let mut properties = MetadataBuf::default();
    for (name, value) in [
        (metadata::SOCKET_TYPE, theirs.name().as_bytes()),
        (metadata::IDENTITY, identity),
    ] {
        properties
            .push(name, value)
            .map_err(|_| WebSocketError::Identity)?;
    }
    Command::Ready(properties.as_bytes()).put(out);
    Ok(())
}
