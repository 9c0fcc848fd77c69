//! Messages and commands behind the handshake.

use super::inbound::Inbound;
use super::{Event, Step};
use crate::command::Command;
use crate::curve::{self, Cipher};
use crate::error::{Error, SendError};
use crate::frame::{Decoded, Frame, FrameKind, Framing, decode, put_frame};
use crate::heartbeat::{Beat, Heartbeat, HeartbeatSettings};
use crate::settings::Settings;
use crate::socket_type::SocketType;
use crate::version::Version;
use bytes::BytesMut;
use std::ops::Range;

/// What is spoken behind the handshake.
#[derive(Debug)]
pub(super) struct Traffic {
    pub(super) version: Version,
    socket_type: SocketType,
    link: Link,
    inbound: Inbound,
    frame_bytes_max: usize,
    heartbeat_settings: HeartbeatSettings,
    heartbeat: Heartbeat,
    received_ms: u64,
}

/// How frames lie on the wire.
#[derive(Debug)]
enum Link {
    Clear(Framing),
    Curve(Box<Cipher>),
}

impl Traffic {
    pub(super) fn new(
        settings: &Settings,
        version: Version,
        framing: Framing,
        cipher: Option<Box<Cipher>>,
    ) -> Self {
        let heartbeat_settings = if version.has_commands() {
            settings.heartbeat
        } else {
            HeartbeatSettings::default()
        };
        Self {
            version,
            socket_type: settings.socket_type,
            link: cipher.map_or(Link::Clear(framing), Link::Curve),
            inbound: Inbound::new(settings.socket_type, settings.only_first_subscribe),
            frame_bytes_max: settings.limits.frame_bytes_max,
            heartbeat_settings,
            heartbeat: Heartbeat::new(HeartbeatSettings::default(), 0),
            received_ms: 0,
        }
    }

    /// From here on heartbeats count.
    pub(super) fn begin(&mut self, now_ms: u64) {
        self.received_ms = now_ms;
        self.heartbeat = Heartbeat::new(self.heartbeat_settings, now_ms);
    }

    pub(super) const fn handle_received(&mut self, now_ms: u64) {
        self.received_ms = now_ms;
        self.heartbeat.handle_received();
    }

    pub(super) fn deadline_ms(&self) -> Option<u64> {
        self.heartbeat.deadline_ms()
    }

    pub(super) fn handle_deadline(&mut self, now_ms: u64, out: &mut BytesMut) -> Result<(), Error> {
        match self.heartbeat.handle_deadline(now_ms) {
            Beat::None => Ok(()),
            Beat::Dead => Err(Error::Silent),
            Beat::Ping => {
                let ping = Command::Ping {
                    ttl_ds: self.heartbeat.ttl_ds(),
                    context: &[],
                };
                // Without a number for it the peer's answer does not come.
                self.put_command(out, &ping).map_err(|_| Error::Silent)
            }
        }
    }

    /// The first frame, if it is whole and of a message that this socket takes as it is: whether more follow, and where
    /// its body is. [`Self::handle_input`] takes all others.
    #[inline]
    pub(super) fn find_message(&self, input: &[u8]) -> Option<(bool, Range<usize>)> {
        let (Link::Clear(framing), Inbound::Messages) = (&self.link, &self.inbound) else {
            return None;
        };
        match decode(*framing, input, self.frame_bytes_max) {
            Ok(Decoded::Frame(FrameKind::Last, body)) => Some((false, body)),
            Ok(Decoded::Frame(FrameKind::More, body)) => Some((true, body)),
            Ok(Decoded::Frame(FrameKind::Command, _) | Decoded::Incomplete { .. }) | Err(_) => None,
        }
    }

    /// Takes the first frame.
    pub(super) fn handle_input<'a>(
        &mut self,
        input: &'a mut [u8],
        out: &mut BytesMut,
    ) -> Result<Step<'a>, Error> {
        match &mut self.link {
            Link::Clear(framing) => {
                let (kind, body) = match decode(*framing, input, self.frame_bytes_max)? {
                    Decoded::Frame(kind, body) => (kind, body),
                    Decoded::Incomplete { missing_bytes } => {
                        return Ok(Step::Incomplete { missing_bytes });
                    }
                };
                let taken = body.end;
                let event = self.take(kind, &input[body], out)?;
                Ok(Step::Event(event, taken))
            }
            Link::Curve(cipher) => {
                let limit = self.frame_bytes_max;
                let limit = limit.saturating_add(curve::OVERHEAD_BYTES);
                let body = match decode(Framing::V3, input, limit)? {
                    // libzmq sends them as messages, the text wants commands.
                    Decoded::Frame(FrameKind::Last | FrameKind::Command, body) => body,
                    Decoded::Frame(FrameKind::More, _) => {
                        return Err(Error::Unexpected("MESSAGE"));
                    }
                    Decoded::Incomplete { missing_bytes } => {
                        return Ok(Step::Incomplete { missing_bytes });
                    }
                };
                let taken = body.end;
                let (kind, body) = cipher.open(&mut input[body])?;
                let event = self.take(kind, body, out)?;
                Ok(Step::Event(event, taken))
            }
        }
    }

    #[inline]
    fn take<'a>(
        &mut self,
        kind: FrameKind,
        body: &'a [u8],
        out: &mut BytesMut,
    ) -> Result<Event<'a>, Error> {
        match kind {
            FrameKind::Last => self.inbound.take(Frame::last(body)),
            FrameKind::More => self.inbound.take(Frame::more(body)),
            FrameKind::Command => self.handle_command(body, out),
        }
    }

    fn handle_command<'a>(
        &mut self,
        body: &'a [u8],
        out: &mut BytesMut,
    ) -> Result<Event<'a>, Error> {
        let takes_subscriptions = matches!(self.socket_type, SocketType::Pub | SocketType::XPub);
        let takes_groups = self.socket_type == SocketType::Radio;
        Ok(match Command::read(body)? {
            Command::Subscribe(topic) if takes_subscriptions => Event::Subscribe(topic),
            Command::Cancel(topic) if takes_subscriptions => Event::Cancel(topic),
            Command::Join(group) if takes_groups => Event::Join(group),
            Command::Leave(group) if takes_groups => Event::Leave(group),
            Command::Ping { ttl_ds, context } => {
                self.heartbeat.handle_ping(ttl_ds, self.received_ms);
                let pong = Command::Pong { context };
                // Without a number for it nothing can be sent any more; the next frame says so.
                let _is_put = self.put_command(out, &pong);
                Event::Ping
            }
            Command::Pong { context } => Event::Pong(context),
            Command::Ready(_)
            | Command::Error { .. }
            | Command::Subscribe(_)
            | Command::Cancel(_)
            | Command::Join(_)
            | Command::Leave(_)
            | Command::Other { .. } => Event::Ignored,
        })
    }

    pub(super) const fn framing(&self) -> Option<Framing> {
        match &self.link {
            Link::Clear(framing) => Some(*framing),
            Link::Curve(_) => None,
        }
    }

    #[inline]
    pub(super) fn put_frame(
        &mut self,
        out: &mut BytesMut,
        frame: Frame<'_>,
    ) -> Result<(), SendError> {
        match &mut self.link {
            Link::Clear(framing) => {
                put_frame(out, *framing, frame);
                Ok(())
            }
            Link::Curve(cipher) => {
                let kind = if frame.more {
                    FrameKind::More
                } else {
                    FrameKind::Last
                };
                put_encrypted(cipher, out, kind, &[frame.body])
            }
        }
    }

    pub(super) fn put_command(
        &mut self,
        out: &mut BytesMut,
        command: &Command<'_>,
    ) -> Result<(), SendError> {
        match &mut self.link {
            Link::Clear(Framing::V3) => {
                command.put(out);
                Ok(())
            }
            Link::Clear(Framing::V1 | Framing::V2) => Err(SendError::NoCommands),
            Link::Curve(cipher) => {
                command.with_pieces(|pieces| put_encrypted(cipher, out, FrameKind::Command, pieces))
            }
        }
    }

    /// Writes a command for a peer of 3.1, and for older ones a message with an octet before the topic.
    pub(super) fn put_subscription(
        &mut self,
        out: &mut BytesMut,
        command: &Command<'_>,
        octet: &[u8; 1],
        topic: &[u8],
    ) -> Result<(), SendError> {
        if self.version >= Version::V3_1 {
            return self.put_command(out, command);
        }
        match &mut self.link {
            Link::Clear(framing) => {
                let len = octet.len() + topic.len();
                let head = crate::FrameHead::message(*framing, false, len);
                out.extend_from_slice(head.as_bytes());
                out.extend_from_slice(octet);
                out.extend_from_slice(topic);
                Ok(())
            }
            Link::Curve(cipher) => put_encrypted(cipher, out, FrameKind::Last, &[octet, topic]),
        }
    }
}

fn put_encrypted(
    cipher: &mut Cipher,
    out: &mut BytesMut,
    kind: FrameKind,
    pieces: &[&[u8]],
) -> Result<(), SendError> {
    if cipher.put(out, kind, pieces) {
        Ok(())
    } else {
        Err(SendError::NoNonce)
    }
}
