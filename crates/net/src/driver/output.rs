//! The writing side of a driver.

use super::Driver;
use broker_api::Out;
use model::Instant;
use std::io::{ErrorKind, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite};

/// Pieces handed to the transport in one call.
const SLICES_MAX: usize = 64;

/// How the writing goes.
#[derive(Default)]
pub(super) struct Writing {
    /// The transport has bytes that it may not have passed on (a TLS record, for one).
    is_flush_due: bool,
    /// Since when the peer has taken nothing although bytes wait for it.
    blocked_since: Option<Instant>,
    /// Events were handed over and the attachment has not been told that they are sent.
    is_sent_due: bool,
    /// The session asked to close before it had seen all events handed over.
    has_lost_event: bool,
}

impl Writing {
    /// Whether the transport has taken all bytes.
    pub(super) fn is_drained(&self, out: &Out) -> bool {
        out.wire.is_empty() && !self.is_flush_due
    }

    /// Notes that the attachment is to be told when the transport has taken all bytes.
    pub(super) fn expect_sent(&mut self) {
        self.is_sent_due = true;
    }

    /// Notes that an event was handed over which the session did not see: from here on the
    /// attachment cannot be told that all is sent.
    pub(super) fn lose_event(&mut self) {
        self.has_lost_event = true;
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Driver<T> {
    /// Writes what the transport takes, and tells the attachment when it took all. Whether it took
    /// anything, or the reason it failed.
    pub(super) fn write(&mut self, now: Instant, cx: &mut Context<'_>) -> Result<bool, ErrorKind> {
        let written_before = self.moved.written;
        let was_drained = self.writing.is_drained(&self.out);
        let polled = self.poll_write(cx);
        let has_progress = self.moved.written > written_before
            || was_drained != self.writing.is_drained(&self.out);
        match polled {
            Poll::Ready(Ok(())) => self.writing.blocked_since = None,
            Poll::Ready(Err(error)) => return Err(error.kind()),
            Poll::Pending => {
                if has_progress || self.writing.blocked_since.is_none() {
                    self.writing.blocked_since = Some(now);
                }
            }
        }
        let mut is_sent = false;
        if self.writing.is_sent_due && self.writing.is_drained(&self.out) {
            self.writing.is_sent_due = false;
            if !self.writing.has_lost_event && !self.is_attachment_closed {
                self.attachment.handle_sent(now);
                is_sent = true;
            }
        }
        Ok(has_progress || is_sent)
    }

    /// When the peer is cut unless it takes something.
    pub(super) fn send_deadline(&self) -> Option<Instant> {
        let timeout = self.environment.limits.send_timeout;
        self.writing.blocked_since.map(|since| since + timeout)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        while !self.out.wire.is_empty() {
            let mut slices = [IoSlice::new(&[]); SLICES_MAX];
            let filled = self.out.wire.io_slices(&mut slices);
            let io = Pin::new(&mut self.io);
            let count = ready!(io.poll_write_vectored(cx, &slices[..filled]))?;
            if count == 0 {
                return Poll::Ready(Err(ErrorKind::WriteZero.into()));
            }
            self.out.wire.advance(count);
            self.moved.written += count;
            self.writing.is_flush_due = true;
        }
        if self.writing.is_flush_due {
            ready!(Pin::new(&mut self.io).poll_flush(cx))?;
            self.writing.is_flush_due = false;
        }
        Poll::Ready(Ok(()))
    }
}
