//! A WebSocket as a transport of bytes (RFC 6455, the server's side, without extensions).
//!
//! [`upgrade`] answers the HTTP request that every WebSocket begins with. What it returns is read
//! and written like a socket: a session behind it does not know that it is there.
//!
//! ```text
//!   in:   frames ──► unmasked where they were read ──► the payloads of all messages, as one stream
//!   out:  what is written ──► cut where the protocol's frames end ──► one message for each of them
//! ```
//!
//! What holds:
//! - No payload is buffered here. What is read is unmasked and moved together within the reader's own
//!   buffer; what is written goes to the socket by reference, behind headers that are made on the
//!   stack. Kept are at most a header and two control frames.
//! - A message is text if it is UTF-8, else binary: a client that takes only text can do with that
//!   whatever it can do at all. Where the protocol wants binary messages, all are ([`Messages`]). It holds one frame of the protocol, for there are clients that see
//!   only the first frame of a message, or none whose end is in the next message.
//! - Of several pings only the last is answered, if the answers have to wait. [RFC 6455 5.5.3]
//! - Who breaks the rules is told why by a close code, and has ended for the session. Memory is never
//!   taken by a length that a peer tells.

mod frame;
mod incoming;
mod outgoing;
mod request;
#[cfg(test)]
mod tests;
mod upgrade;
mod utf8;

pub(crate) use upgrade::upgrade;

use bytes::{Buf, BytesMut};
use frame::{CLOSE_NORMAL, Violation};
use incoming::{Ending, Incoming};
use outgoing::Outgoing;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tracing::debug;

/// Reads in one poll that bring no payload; then others get their turn.
const READS_MAX: usize = 16;

/// Bytes of a peer that broke the rules that are thrown away, so that it can see why.
const DISCARD_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What a protocol wants of each WebSocket that carries it.
#[derive(Clone, Debug)]
pub struct WebSocketRules {
    /// The paths that it is found at; a query behind them does not matter.
    pub paths: &'static [&'static str],
    /// The subprotocols it speaks, the best first. A client that names none of them is served, too.
    pub subprotocols: &'static [&'static str],
    /// The length of the first frame of the protocol in what its session has written, if all of it
    /// is there.
    pub frame_bytes: fn(&[IoSlice<'_>]) -> Option<usize>,
    /// The longest message that is taken from a client. It may hold several frames of the protocol,
    /// or a part of one.
    pub message_bytes_max: usize,
    /// What kind of messages carry the protocol.
    pub messages: Messages,
}

/// What kind of messages carry a protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Messages {
    /// To the client text where it is UTF-8, else binary; from the client both.
    TextIfPossible,
    /// Binary ones both ways; a client that sends text breaks the rules.
    Binary,
}

/// Decodes what a client sends behind its handshake, in these pieces: the payload of its messages, what
/// answers its pings, and how the input ended, if it did. For fuzzing; not a part of the interface.
#[doc(hidden)]
pub fn decode_pieces(
    pieces: &[&[u8]],
    message_bytes_max: usize,
) -> (Vec<u8>, Vec<Vec<u8>>, Option<String>) {
    let mut incoming = Incoming::new(message_bytes_max, Messages::TextIfPossible);
    let (mut payload, mut pings) = (Vec::new(), Vec::new());
    for piece in pieces {
        let mut raw = piece.to_vec();
        let decoded = incoming.decode(&mut raw);
        payload.extend_from_slice(&raw[..decoded.payload_bytes]);
        pings.extend(decoded.ping);
        if let Some(ending) = decoded.ending {
            return (payload, pings, Some(format!("{ending:?}")));
        }
    }
    (payload, pings, None)
}

/// A WebSocket after its handshake, as the transport of its payload.
///
/// The writer must offer again what was not taken, as [`Driver`](crate::Driver) does: a message that
/// has begun is of a length that has been told.
///
/// To shut it down sends a close frame and ends the transport's side. The reader sees the end of
/// input when the peer has sent a close frame, ended, or broken the rules; a close frame answers that
/// at shutdown.
#[derive(Debug)]
pub(crate) struct WebSocket<T> {
    io: T,
    rules: Arc<WebSocketRules>,
    /// What came behind the request and is not yet decoded.
    early: BytesMut,
    incoming: Incoming,
    outgoing: Outgoing,
    /// How the input has ended, once it has.
    ending: Option<Ending>,
    /// Bytes still to be thrown away at shutdown.
    discard_bytes_left: usize,
    is_shut_down: bool,
}

impl<T> WebSocket<T> {
    /// A WebSocket whose handshake is over. `early` is what the client sent behind its request.
    pub(crate) fn new(io: T, rules: Arc<WebSocketRules>, early: BytesMut) -> Self {
        Self {
            io,
            early,
            incoming: Incoming::new(rules.message_bytes_max, rules.messages),
            rules,
            outgoing: Outgoing::default(),
            ending: None,
            discard_bytes_left: 0,
            is_shut_down: false,
        }
    }

    fn end_input(&mut self, ending: Ending) {
        if let Ending::Violated(violation) = &ending {
            debug!(%violation, "a WebSocket is closed, its client broke the rules");
            self.discard_bytes_left = DISCARD_BYTES_MAX;
        }
        self.ending = Some(ending);
    }

    /// The code that the close frame of our side has.
    fn close_code(&self) -> u16 {
        match &self.ending {
            Some(Ending::Violated(violation)) => violation.close_code(),
            Some(Ending::Closed(Some(code))) => *code,
            Some(Ending::Closed(None) | Ending::Vanished) | None => CLOSE_NORMAL,
        }
    }
}

impl<T: AsyncRead + Unpin> WebSocket<T> {
    /// Fills `buf` with bytes as they came.
    fn poll_raw(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.early.is_empty() {
            return Pin::new(&mut self.io).poll_read(cx, buf);
        }
        let count = self.early.len().min(buf.remaining());
        buf.put_slice(&self.early[..count]);
        self.early.advance(count);
        if self.early.is_empty() {
            self.early = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }

    /// Throws away what a peer sends that broke the rules: a socket closed with unread input is
    /// reset, and the reset would overtake the close frame.
    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.discard_bytes_left > 0 {
            let mut place = [0; 4096];
            let mut buffer = ReadBuf::new(&mut place);
            match ready!(Pin::new(&mut self.io).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {
                    let count = buffer.filled().len();
                    self.discard_bytes_left = self.discard_bytes_left.saturating_sub(count);
                }
                Ok(()) | Err(_) => self.discard_bytes_left = 0,
            }
        }
        Poll::Ready(())
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncRead for WebSocket<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        for _ in 0..READS_MAX {
            // Nobody else writes while the session has nothing to say. If the socket takes nothing
            // now, it wakes this task when it does.
            if let Poll::Ready(Err(error)) = this.outgoing.poll_control(&mut this.io, cx) {
                return Poll::Ready(Err(error));
            }
            if this.ending.is_some() || buf.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
            let start = buf.filled().len();
            ready!(this.poll_raw(cx, buf))?;
            let raw = &mut buf.filled_mut()[start..];
            if raw.is_empty() {
                this.end_input(Ending::Vanished);
                return Poll::Ready(Ok(()));
            }
            let decoded = this.incoming.decode(raw);
            buf.set_filled(start + decoded.payload_bytes);
            if let Some(ping) = decoded.ping {
                this.outgoing.answer(ping);
            }
            if let Some(ending) = decoded.ending {
                this.end_input(ending);
            }
            if decoded.payload_bytes > 0 {
                return Poll::Ready(Ok(()));
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for WebSocket<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.outgoing
            .poll_write(&mut this.io, cx, bufs, &this.rules)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.outgoing.poll_control(&mut this.io, cx))?;
        Pin::new(&mut this.io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.is_shut_down {
            this.outgoing.close(this.close_code());
            ready!(this.outgoing.poll_control(&mut this.io, cx))?;
            ready!(Pin::new(&mut this.io).poll_shutdown(cx))?;
            this.is_shut_down = true;
        }
        ready!(this.poll_discard(cx));
        Poll::Ready(Ok(()))
    }
}
