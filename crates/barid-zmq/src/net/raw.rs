//! One connection of a STREAM: bytes between a transport and two pipes, as they are.

use super::Ends;
use super::connection::End;
use super::transport::Stream;
use crate::frame::Frame;
use crate::hub::Hub;
use crate::message::Message;
use crate::pipe::{Popped, Ring, Rings};
use bytes::{Buf as _, Bytes, BytesMut};
use std::future::{Future as _, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use tokio::io::AsyncReadExt as _;
use tokio::time::{Sleep, sleep_until};

/// Rounds of reading and writing before others of the thread get their turn.
const ROUNDS_MAX: usize = 16;
/// The most that one message to the user has.
const READ_BYTES: usize = 16 << 10;
/// From here on bytes to the user are not copied, but keep what they were read with alive.
const SLICED_BYTES: usize = 1 << 10;
/// Bytes that wait to be written from which on no more are put in.
const OUTPUT_BYTES_MAX: usize = 64 << 10;
/// From here on bytes from the user are not copied.
const LARGE_BYTES: usize = 8 << 10;

pub(super) struct Raw<S> {
    stream: S,
    notifies: bool,
    /// The user has been told that the peer is there.
    is_told: bool,
    input: BytesMut,
    output: BytesMut,
    /// Follows what is in `output`.
    large: Bytes,
    timer: Option<Pin<Box<Sleep>>>,
    is_ending: bool,
}

impl<S: Stream> Raw<S> {
    pub(super) fn new(hub: &Hub, stream: S) -> Self {
        Self {
            stream,
            notifies: hub.options.stream_notifies,
            is_told: false,
            input: BytesMut::new(),
            output: BytesMut::new(),
            large: Bytes::new(),
            timer: None,
            is_ending: false,
        }
    }

    /// Carries bytes until the connection ends; `is_last` is whether none follows it on these pipes.
    pub(super) async fn run(mut self, ends: &mut Ends, is_last: bool) -> End {
        let end = poll_fn(|cx| {
            ends.outgoing.register(cx.waker());
            ends.incoming.register(cx.waker());
            match self.poll_run(ends, cx) {
                Ok(()) => Poll::Pending,
                Err(end) => Poll::Ready(end),
            }
        })
        .await;
        if is_last {
            // Who has read that the peer is gone sends to it in vain.
            ends.outgoing.close();
        }
        if self.is_told {
            // There is always room for it: it is the last of this connection.
            push(ends, Message::from(""));
        }
        end
    }

    fn poll_run(&mut self, ends: &mut Ends, cx: &mut Context<'_>) -> Result<(), End> {
        for _ in 0..ROUNDS_MAX {
            self.fill(ends);
            let had_output = !self.is_written();
            let is_written = self.poll_write(cx)?.is_ready() && had_output;
            if self.is_ending && self.is_written() {
                return match Pin::new(&mut self.stream).poll_shutdown(cx)? {
                    Poll::Ready(()) => Err(End::Done),
                    Poll::Pending => self.poll_linger(cx),
                };
            }
            let is_read = self.read(ends, cx)?;
            if !is_written && !is_read {
                return self.poll_linger(cx);
            }
        }
        cx.waker().wake_by_ref();
        Ok(())
    }

    fn is_written(&self) -> bool {
        self.output.is_empty() && self.large.is_empty()
    }

    /// Takes from the socket until there is enough to write, or nothing is left.
    fn fill(&mut self, ends: &mut Ends) {
        let mut rings = Rings::new();
        let mut message = Message::new();
        while !self.is_ending && self.large.is_empty() && self.output.len() < OUTPUT_BYTES_MAX {
            match ends.outgoing.pop(&mut message, &mut rings) {
                Popped::Message => {
                    let bytes = message.pop_front().unwrap_or_default();
                    if bytes.len() < LARGE_BYTES {
                        self.output.extend_from_slice(&bytes);
                    } else {
                        self.large = bytes.into_bytes();
                    }
                }
                Popped::Notice(_) => {}
                Popped::Empty => {
                    if ends.outgoing.sleep() {
                        break;
                    }
                }
                Popped::Closed => self.is_ending = true,
            }
        }
        // The socket may wait for the room.
        rings.into_iter().for_each(Ring::ring);
        if self.timer.is_none()
            && let Some(until) = ends.linger_until()
        {
            self.timer = Some(Box::pin(sleep_until(until)));
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.is_written() {
            let stream = Pin::new(&mut self.stream);
            let is_first = !self.output.is_empty();
            let bytes = if is_first {
                &self.output[..]
            } else {
                &self.large[..]
            };
            let count = ready!(stream.poll_write(cx, bytes))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            if is_first {
                self.output.advance(count);
            } else {
                self.large.advance(count);
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Reads once, if the socket has room; true if there may be more.
    fn read(&mut self, ends: &mut Ends, cx: &mut Context<'_>) -> Result<bool, End> {
        // Who is not there any more takes nothing.
        let incoming = &mut ends.incoming;
        if !incoming.has_room() && (incoming.is_closed() || incoming.wait()) {
            return Ok(false);
        }
        if self.notifies && !self.is_told {
            self.is_told = true;
            push(ends, Message::from(""));
            return Ok(true);
        }
        if self.input.capacity() < READ_BYTES / 2 {
            self.input.reserve(READ_BYTES);
        }
        match pin!(self.stream.read_buf(&mut self.input)).poll(cx)? {
            Poll::Ready(0) => Err(End::PeerClosed),
            Poll::Ready(_) => {
                let bytes = if self.input.len() < SLICED_BYTES {
                    let bytes = Frame::copy_from(&self.input);
                    self.input.clear();
                    bytes
                } else {
                    Frame::from(self.input.split().freeze())
                };
                push(ends, Message::from(bytes));
                Ok(true)
            }
            Poll::Pending => Ok(false),
        }
    }

    /// Whether what is left is given up.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Result<(), End> {
        let is_over = self
            .timer
            .as_mut()
            .is_some_and(|timer| timer.as_mut().poll(cx).is_ready());
        if is_over { Err(End::Lingered) } else { Ok(()) }
    }
}

/// Hands a message to the socket.
fn push(ends: &mut Ends, message: Message) {
    let mut rings = Rings::new();
    ends.incoming.push(message);
    ends.incoming.publish(&mut rings);
    rings.into_iter().for_each(Ring::ring);
}
