//! The reading side of a driver.

use super::Driver;
use crate::pool::{self, BUFFER_BYTES_MIN};
use broker_api::{Event, Refusal};
use bytes::BytesMut;
use model::Instant;
use std::future::Future;
use std::io::ErrorKind;
use std::pin::pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

/// The most room made for one read, in bytes.
const READ_BYTES_MAX: usize = 256 * 1024;

/// A rest up to this size is copied into a lent buffer to be read on behind it; a longer one gets
/// its own buffer enlarged.
const REST_COPY_BYTES_MAX: usize = 16 * 1024;

/// How the reading goes.
pub(super) struct Reading {
    /// Room to make for the next read, in bytes.
    room: usize,
    /// What the buffer of the input takes of memory; 0 if there is none.
    buffer_bytes: usize,
    /// The session stopped within the input; it is offered again once it may go on.
    is_held: bool,
    /// Nothing was read last time because the broker or the transport has to catch up.
    is_paused: bool,
}

/// What came of an attempt to read.
pub(super) enum Input {
    /// The session has handled something.
    Handled,
    /// Nothing is there, or nothing may be read now.
    Waits,
    /// The peer has ended its side.
    Ended,
    /// The transport failed.
    Failed(ErrorKind),
}

impl Default for Reading {
    fn default() -> Self {
        Self {
            room: BUFFER_BYTES_MIN,
            buffer_bytes: 0,
            is_held: false,
            is_paused: false,
        }
    }
}

impl Reading {
    /// Reads that fill what they are given get more, up to the limit; a small one ends that.
    fn adapt(&mut self, room: usize, count: usize) {
        if count >= room {
            self.room = (self.room * 2).min(READ_BYTES_MAX);
        } else if count < self.room / 4 {
            self.room = BUFFER_BYTES_MIN;
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Driver<T> {
    /// Tells the session if reading has paused until now.
    pub(super) fn tell_paused(&mut self, now: Instant) {
        if self.reading.is_paused {
            self.session.handle_paused(now);
        }
    }

    /// Reads a batch and lets the session handle it, unless something stands against it: a barrier,
    /// too much that is not sent, an attachment that does not admit more.
    pub(super) fn read(&mut self, now: Instant, cx: &mut Context<'_>) -> Input {
        // Asked whatever else holds: what it keeps for lack of room goes on only when it is asked, and
        // the answers that a barrier or the session waits for may be to just that.
        let is_refused = self.attachment.poll_admission(now, cx).is_pending();
        let is_full = self.out.wire.len() >= Self::WIRE_BYTES_MAX
            || self.session.unanswered_bytes() >= Self::UNANSWERED_BYTES_MAX;
        self.reading.is_paused = is_full || is_refused;
        if is_full || is_refused || self.out.is_held() {
            return Input::Waits;
        }
        if std::mem::take(&mut self.reading.is_held) && !self.input.is_empty() {
            self.handle_input(now);
            return Input::Handled;
        }
        self.make_room();
        let room = self.input.capacity() - self.input.len();
        // The future keeps nothing between polls, so it need not be kept either.
        match pin!(self.io.read_buf(&mut self.input)).poll(cx) {
            Poll::Pending => Input::Waits,
            Poll::Ready(Ok(0)) => Input::Ended,
            Poll::Ready(Ok(count)) => {
                self.moved.read += count;
                self.reading.adapt(room, count);
                self.handle_input(now);
                Input::Handled
            }
            Poll::Ready(Err(error)) => Input::Failed(error.kind()),
        }
    }

    fn handle_input(&mut self, now: Instant) {
        self.session
            .handle_input(now, &mut self.input, &mut self.out);
        // Noted here, for the answer may come, and take the barrier away, before the next read.
        self.reading.is_held = self.out.is_held();
        let limit = self.environment.limits.input_bytes_max;
        let kept_bytes = self.input.len() + self.session.gathered_bytes();
        if self.kept.set(kept_bytes, limit) && !self.out.is_closing() {
            let what = "bytes of unfinished frames of all connections";
            let refusal = Refusal::LimitReached {
                what,
                limit: limit as u64,
            };
            let event = Event::Disconnect(refusal);
            self.session.handle_event(now, event, &mut self.out);
        }
        self.submit(now);
    }

    /// Makes room behind what is in the input.
    fn make_room(&mut self) {
        let hint = self.session.missing_bytes().min(READ_BYTES_MAX);
        let wanted = self.reading.room.max(hint);
        let rest = self.input.len();
        // Half the room is enough behind a rest, so that this is not moved at every read.
        if rest > 0 && self.input.capacity() - rest >= wanted / 2 {
            return;
        }
        if !self.input.try_reclaim(wanted) {
            if rest <= REST_COPY_BYTES_MAX {
                let mut buffer = pool::take_buffer();
                buffer.extend_from_slice(&self.input);
                pool::give_buffer(std::mem::replace(&mut self.input, buffer));
                self.reading.buffer_bytes = 0;
            }
            if self.input.capacity() - rest < wanted / 2 {
                self.input.reserve(wanted);
            }
        }
        self.reading.buffer_bytes = self.reading.buffer_bytes.max(self.input.capacity());
    }

    /// Keeps what the session left in not much more memory than it needs.
    pub(super) fn stow_input(&mut self) {
        let rest = self.input.len();
        if rest > self.reading.buffer_bytes / 4 || self.reading.buffer_bytes == 0 {
            return;
        }
        let kept = if rest == 0 {
            BytesMut::new()
        } else {
            BytesMut::from(&self.input[..])
        };
        pool::give_buffer(std::mem::replace(&mut self.input, kept));
        self.reading.buffer_bytes = rest;
    }
}
