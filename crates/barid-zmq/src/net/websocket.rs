//! `ws://`: a WebSocket as a transport that is read and written like TCP.
//!
//! What is on either side of it is `zmtp::zws`'s: here are the opening handshake, which is `tungstenite`'s, the pings by
//! which a dead peer is found, and the end.
//!
//! - What is written is taken in pieces, and a piece only counts as written once the system has it: nothing waits here
//!   without somebody who writes.
//! - A control frame stands between messages, never within one. Of several pings the last is answered.

mod opening;

pub(super) use opening::{accept, connect};

use super::transport::{Gathers, Stream};
use super::unfinished::Part;
use crate::cell::random;
use crate::hub::Hub;
use crate::options::{Heartbeat, Options};
use bytes::{Buf as _, BytesMut};
use std::future::Future as _;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};
use zmtp::MechanismName;
use zmtp::zws::{Control, Inbound, Outbound, Side};

/// Room that is made for a read.
const READ_BYTES: usize = 16 << 10;
/// The most that is taken to be written at once.
const PIECE_BYTES_MAX: usize = 64 << 10;
/// Reads in one poll that bring no message; then others get their turn.
const READS_MAX: usize = 16;

/// Room for what is decoded that is kept: a message that came in fragments may have needed more.
const KEPT_BYTES_MAX: usize = 64 << 10;

/// Longer than anybody waits.
const FAR: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// The code of a close that nothing is wrong with. [RFC 6455 7.4.1]
const CLOSE_NORMAL: u16 = 1000;
/// That of one for which there is no room at the moment. [IANA, WebSocket Close Code Number Registry]
const CLOSE_TRY_AGAIN: u16 = 1013;

/// A WebSocket that is open.
pub(super) struct WebSocket {
    stream: TcpStream,
    inbound: Inbound,
    outbound: Outbound,
    /// What came and is not decoded: a part of a head at most, once it was looked at.
    raw: BytesMut,
    /// What the reader gets.
    decoded: BytesMut,
    /// It has become larger than what is kept.
    is_large: bool,
    /// Of fragments, and of what was put together of them.
    unfinished: Part,
    /// What is to be written.
    out: BytesMut,
    /// How much of what the writer offers is in `out`.
    accepted: usize,
    /// The payload of a ping that is to be answered.
    ping: Option<Vec<u8>>,
    pulse: Option<Pulse>,
    /// The peer has ended.
    is_ended: bool,
    is_close_sent: bool,
}

/// Finds out whether the peer is there.
struct Pulse {
    heartbeat: Heartbeat,
    timer: Pin<Box<Sleep>>,
    /// A ping was sent, and nothing has come since.
    is_asked: bool,
    is_due: bool,
}

/// How both sides know each other, as a subprotocol says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subprotocol {
    /// Each side says its identity.
    Identity,
    Mechanism(MechanismName),
}

fn mask() -> [u8; 4] {
    random().to_be_bytes()
}

impl WebSocket {
    fn new(
        stream: TcpStream,
        early: BytesMut,
        side: Side,
        subprotocol: Subprotocol,
        hub: &Hub,
    ) -> Self {
        let (socket_type, options): (_, &Options) = (hub.socket_type, &hub.options);
        let limit = options.message_bytes_max;
        let (mut decoded, mut out) = (BytesMut::new(), BytesMut::new());
        let (inbound, outbound) = match subprotocol {
            Subprotocol::Identity => {
                let identity: &[u8] = if socket_type.has_identity() {
                    &options.name
                } else {
                    &[]
                };
                (
                    Inbound::identifying(side, socket_type, limit, &mut decoded),
                    Outbound::identifying(side, identity, &mut out, &mut mask),
                )
            }
            Subprotocol::Mechanism(name) => (
                Inbound::new(side, name, limit, &mut decoded),
                Outbound::new(side),
            ),
        };
        Self {
            stream,
            inbound,
            outbound,
            raw: early,
            decoded,
            is_large: false,
            unfinished: Part::new(Arc::clone(&hub.unfinished)),
            out,
            accepted: 0,
            ping: None,
            pulse: options.heartbeat.map(Pulse::new),
            is_ended: false,
            is_close_sent: false,
        }
    }

    /// Writes what is there, and control frames where they may stand.
    fn poll_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            while !self.out.is_empty() {
                let count = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.out))?;
                if count == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                self.out.advance(count);
            }
            if !self.outbound.is_between() || self.is_close_sent {
                return Poll::Ready(Ok(()));
            }
            if let Some(payload) = self.ping.take() {
                self.outbound.put_pong(&mut self.out, &payload, &mut mask);
            } else if let Some(pulse) = &mut self.pulse
                && std::mem::take(&mut pulse.is_due)
            {
                self.outbound.put_ping(&mut self.out, &mut mask);
            } else {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Puts a close frame behind all that is to be written, if that may stand there.
    fn put_close(&mut self, code: u16) {
        if !self.is_close_sent && self.outbound.is_between() {
            self.outbound.put_close(&mut self.out, code, &mut mask);
        }
        self.is_close_sent = true;
    }

    /// Decodes what was read; true if the reader gets something.
    fn decode(&mut self) -> io::Result<bool> {
        while !self.raw.is_empty() && !self.is_ended {
            let (taken, control) = match self.inbound.read(&self.raw, &mut self.decoded) {
                Ok(found) => found,
                Err(error) => {
                    self.put_close(error.close_code());
                    return Err(io::Error::new(io::ErrorKind::InvalidData, error));
                }
            };
            self.raw.advance(taken);
            match control {
                Some(Control::Ping(payload)) => self.ping = Some(payload),
                Some(Control::Pong) => {}
                Some(Control::Close) => {
                    self.put_close(CLOSE_NORMAL);
                    self.is_ended = true;
                }
                None => break,
            }
        }
        self.is_large |= self.decoded.capacity() > KEPT_BYTES_MAX;
        let kept = self.inbound.collected_bytes() + self.decoded.len();
        if let Err(error) = self.unfinished.set(kept) {
            self.put_close(CLOSE_TRY_AGAIN);
            return Err(io::Error::new(io::ErrorKind::QuotaExceeded, error));
        }
        Ok(!self.decoded.is_empty())
    }

    fn poll_decoded(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        for _ in 0..READS_MAX {
            let decoded = self.decode();
            // Nobody else writes while the socket has nothing to say. What does not go out now wakes this task.
            if let Poll::Ready(Err(error)) = self.poll_out(cx) {
                return Poll::Ready(Err(error));
            }
            if decoded? || self.is_ended {
                return Poll::Ready(Ok(()));
            }
            if self.raw.capacity() - self.raw.len() < READ_BYTES / 2 {
                self.raw.reserve(READ_BYTES);
            }
            let read = pin!(self.stream.read_buf(&mut self.raw)).poll(cx);
            if read.is_pending() {
                return self.poll_pulse(cx);
            }
            if ready!(read)? == 0 {
                self.is_ended = true;
                return Poll::Ready(Ok(()));
            }
            if let Some(pulse) = &mut self.pulse {
                pulse.hear();
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Asks whether the peer is there, if nothing of it is there to be read: what waits for the reader is a sign of life.
    fn poll_pulse(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(pulse) = &mut self.pulse {
            pulse.poll(cx)?;
            if pulse.is_due {
                // What does not go out now wakes this task.
                if let Poll::Ready(Err(error)) = self.poll_out(cx) {
                    return Poll::Ready(Err(error));
                }
            }
        }
        Poll::Pending
    }
}

/// When a time is over; as good as never if it is that long.
fn after(time: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(time).unwrap_or_else(|| now + FAR)
}

impl Pulse {
    fn new(heartbeat: Heartbeat) -> Self {
        Self {
            heartbeat,
            timer: Box::pin(sleep_until(after(heartbeat.interval))),
            is_asked: false,
            is_due: false,
        }
    }

    /// The peer is there.
    fn hear(&mut self) {
        if std::mem::take(&mut self.is_asked) {
            self.timer.as_mut().reset(after(self.heartbeat.interval));
        }
    }

    /// Asks the peer when it is time to; fails if it does not answer in time.
    fn poll(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        while self.timer.as_mut().poll(cx).is_ready() {
            if self.is_asked {
                let silent = "the peer does not answer";
                return Err(io::Error::new(io::ErrorKind::TimedOut, silent));
            }
            (self.is_asked, self.is_due) = (true, true);
            self.timer.as_mut().reset(after(self.heartbeat.timeout));
        }
        Ok(())
    }
}

impl Gathers for WebSocket {}

impl Stream for WebSocket {
    fn address(&self) -> String {
        self.stream.address()
    }

    fn has_pulse(&self) -> bool {
        true
    }
}

impl AsyncRead for WebSocket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.decoded.is_empty() {
            ready!(this.poll_decoded(cx))?;
        }
        let count = this.decoded.len().min(buffer.remaining());
        buffer.put_slice(&this.decoded[..count]);
        this.decoded.advance(count);
        if this.decoded.is_empty() && std::mem::take(&mut this.is_large) {
            this.decoded = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for WebSocket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.is_close_sent {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if this.accepted == 0 {
            let piece = &bytes[..bytes.len().min(PIECE_BYTES_MAX)];
            this.outbound.write(piece, &mut this.out, &mut mask);
            this.accepted = piece.len();
        }
        ready!(this.poll_out(cx))?;
        Poll::Ready(Ok(std::mem::take(&mut this.accepted)))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_out(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.put_close(CLOSE_NORMAL);
        // All that the writer has written is the system's. Who does not take what is left, an answer to a ping or the close,
        // is not waited for.
        if let Poll::Ready(Err(error)) = this.poll_out(cx) {
            return Poll::Ready(Err(error));
        }
        Pin::new(&mut this.stream).poll_shutdown(cx)
    }
}
