//! How a connection ends.

use super::{Driver, End, Round, is_due};
use model::Instant;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes of a peer that are read and thrown away after a close.
const DISCARD_BYTES_MAX: usize = 4 * 1024 * 1024;

/// How long a peer's bytes are thrown away after a close.
const DISCARD_TIME_MAX: Duration = Duration::from_secs(1);

/// Where a connection stands.
///
/// ```text
///          session asks to close                  all is sent          shut down
///   Open ─────────────────────────► Flushing ───────────────► Ending ───────────► Discarding ─► end
///    │ ────────────────────────────►   │        attachment       │ the peer had ended   │
///    │  the peer ends its side;        │        closed           └──────► end           │ end of input,
///    │  attachment closed              └──────► end                                     │ too much, too
///    └──────► end                          linger over, failure                         ▼ long
///     failure, send timeout, stop: cut                                                 end
/// ```
///
/// Discarding is for the peer's sake: a socket closed with unread input is reset, and the reset
/// would overtake the error that was just sent.
pub(super) enum Phase {
    /// All goes both ways.
    Open,
    /// Sends what is written and takes nothing more.
    Flushing { until: Instant, end: End },
    /// Tells the peer that nothing more comes.
    Ending { until: Instant, end: End },
    /// Waits until the peer has seen that.
    Discarding {
        until: Instant,
        bytes_left: usize,
        end: End,
    },
}

impl<T: AsyncRead + AsyncWrite + Unpin> Driver<T> {
    /// Begins to send what is left.
    pub(super) fn begin_closing(&mut self, now: Instant, end: End) {
        self.input.clear();
        let until = now + self.environment.limits.linger;
        self.phase = Phase::Flushing { until, end };
    }

    /// Ends the connection here, with what is unsent.
    pub(super) fn cut(&mut self, now: Instant, end: End) -> Round {
        self.end_session(now);
        Round::Ended(end)
    }

    /// Tells the session that the transport has ended, unless it has asked for that itself, and
    /// closes the attachment.
    pub(super) fn end_session(&mut self, now: Instant) {
        if self.is_attachment_closed {
            return;
        }
        if !self.out.is_closing() {
            self.session.handle_close(now, &mut self.out);
            self.submit(now);
        }
        self.close_attachment(now);
    }

    /// One round of a connection that is being closed.
    pub(super) fn round_closing(&mut self, now: Instant, cx: &mut Context<'_>) -> Round {
        if is_due(self.stop_deadline, now) {
            return self.cut(now, End::Stopped);
        }
        match self.phase {
            Phase::Open => Round::Busy,
            Phase::Flushing { until, end } => match self.write(now, cx) {
                Err(kind) => self.cut(now, failed(end, kind)),
                Ok(_) if self.writing.is_drained(&self.out) => {
                    self.close_attachment(now);
                    self.phase = Phase::Ending { until, end };
                    Round::Busy
                }
                Ok(_) if until <= now => self.cut(now, unsent(end)),
                Ok(_) => Round::Idle,
            },
            Phase::Ending { until, end } => match Pin::new(&mut self.io).poll_shutdown(cx) {
                Poll::Ready(Ok(())) if end == End::PeerClosed => Round::Ended(end),
                Poll::Ready(Ok(())) => {
                    self.phase = Phase::Discarding {
                        until: now + DISCARD_TIME_MAX,
                        bytes_left: DISCARD_BYTES_MAX,
                        end,
                    };
                    Round::Busy
                }
                Poll::Ready(Err(_)) => Round::Ended(end),
                Poll::Pending if until <= now => Round::Ended(end),
                Poll::Pending => Round::Idle,
            },
            Phase::Discarding { .. } => self.discard(now, cx),
        }
    }

    fn discard(&mut self, now: Instant, cx: &mut Context<'_>) -> Round {
        let Phase::Discarding {
            until,
            bytes_left,
            end,
        } = &mut self.phase
        else {
            return Round::Busy;
        };
        if *until <= now || *bytes_left == 0 {
            return Round::Ended(*end);
        }
        let mut place = [0; 4096];
        let mut buffer = ReadBuf::new(&mut place);
        match Pin::new(&mut self.io).poll_read(cx, &mut buffer) {
            Poll::Pending => Round::Idle,
            Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                *bytes_left = bytes_left.saturating_sub(buffer.filled().len());
                self.moved.read += buffer.filled().len();
                Round::Busy
            }
            Poll::Ready(_) => Round::Ended(*end),
        }
    }
}

impl<T> Driver<T> {
    fn close_attachment(&mut self, now: Instant) {
        if !std::mem::replace(&mut self.is_attachment_closed, true) {
            self.attachment.close(now);
        }
    }
}

/// A driver dropped before its end (its runtime went away, its session panicked) still releases what
/// its subscriptions hold.
impl<T> Drop for Driver<T> {
    fn drop(&mut self) {
        let now = self.environment.clock.now();
        // If the panic came from the attachment, it may panic again, which must not end the process.
        let _closed = catch_unwind(AssertUnwindSafe(|| self.close_attachment(now)));
    }
}

fn unsent(end: End) -> End {
    if end == End::Closed { End::Unsent } else { end }
}

fn failed(end: End, kind: std::io::ErrorKind) -> End {
    if end == End::Closed {
        End::Failed(kind)
    } else {
        end
    }
}
