//! What was read, and what it is to the socket.

use super::Ends;
use super::unfinished::{Part, TooMuchUnfinished};
use crate::buffers::Buffers;
use crate::frame::Frame;
use crate::hub::Hub;
use crate::message::Message;
use crate::pipe::{Notice, Ring, Rings};
use bytes::{Buf as _, Bytes, BytesMut};
use std::cell::RefCell;
use std::mem;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::{future::Future as _, io};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use zmtp::{Connection, Event, Step};

/// Room that is made for a read; as much as twice what the last one took, in between.
const READ_BYTES_MIN: usize = 64 << 10;
const READ_BYTES_MAX: usize = 512 << 10;
/// A buffer that became larger than this is not kept behind the frame that it was made for, if no more than `READ_BYTES_MIN` of
/// the next are there.
const KEPT_BYTES_MAX: usize = 2 << 20;
/// From here on a body is not copied, but keeps what it was read with alive.
const SLICED_BYTES: usize = 1 << 10;
/// What a frame counts beside its body, so that empty ones are not free.
const FRAME_BYTES: usize = 64;

/// What a thread keeps of buffers that were read to.
const THREAD_BYTES_MAX: usize = 4 << 20;

thread_local! {
    /// What the connections of a thread have read to.
    static BUFFERS: RefCell<Buffers> = const { RefCell::new(Buffers::new(THREAD_BYTES_MAX)) };
}

/// Why nothing more can be taken from a peer.
#[derive(Debug, thiserror::Error)]
pub(super) enum InputError {
    #[error(transparent)]
    Protocol(#[from] zmtp::Error),
    #[error("a message has more than {0} bytes")]
    TooLarge(usize),
    #[error(transparent)]
    Unfinished(#[from] TooMuchUnfinished),
}

/// What keeps the input from being taken further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// More must be read.
    All,
    /// The socket has no room.
    Full,
}

pub(super) struct Input {
    pub(super) bytes: BytesMut,
    /// All bytes of the buffer that these stand in.
    buffer_bytes: usize,
    /// Room to be made for the next read.
    room: usize,
    /// How much the frame that has begun still needs.
    missing: usize,
    /// The frames of the message that has begun.
    message: Message,
    message_bytes: usize,
    message_bytes_max: usize,
    unfinished: Part,
    /// Bytes that were read and count for nobody, such as those of commands. A slice would keep them alive beside itself.
    uncounted_bytes: usize,
}

impl Input {
    pub(super) fn new(hub: &Hub) -> Self {
        Self {
            bytes: BytesMut::new(),
            buffer_bytes: 0,
            room: READ_BYTES_MIN,
            missing: 0,
            message: Message::new(),
            message_bytes: 0,
            message_bytes_max: hub.options.message_bytes_max,
            unfinished: Part::new(Arc::clone(&hub.unfinished)),
            uncounted_bytes: 0,
        }
    }

    /// Reads once; false at the end of the stream.
    pub(super) fn poll_read<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<bool>> {
        // Room for a large frame is made as its bytes come: no more than has come already.
        let wanted = self.missing.min(self.bytes.len()).max(self.room);
        if self.bytes.is_empty() {
            // From the beginning, if nothing that was cut from it is in use.
            let _is_reclaimed: bool = self.bytes.try_reclaim(self.room);
        }
        // What is cut from a buffer keeps all of it alive: at least half of it is filled before there is another.
        if self.bytes.capacity() - self.bytes.len() < self.room / 2 {
            self.make_room(wanted);
        }
        let count = ready!(pin!(stream.read_buf(&mut self.bytes)).poll(cx))?;
        self.room = (2 * count).clamp(READ_BYTES_MIN, READ_BYTES_MAX);
        Poll::Ready(Ok(count > 0))
    }

    /// Makes room for so many bytes behind those that are there.
    fn make_room(&mut self, room: usize) {
        if self.bytes.try_reclaim(room) {
            return;
        }
        BUFFERS.with_borrow_mut(|buffers| {
            let wanted = (self.bytes.len() + room).next_multiple_of(READ_BYTES_MIN);
            let mut buffer = buffers.take(wanted);
            let buffer_bytes = buffer.capacity();
            buffer.extend_from_slice(&self.bytes);
            let former = mem::replace(&mut self.bytes, buffer);
            let former_bytes = mem::replace(&mut self.buffer_bytes, buffer_bytes);
            buffers.keep(former, former_bytes);
        });
    }

    /// Takes all that is whole and that the socket has room for, and hands it over at once.
    pub(super) fn take(
        &mut self,
        connection: &mut Connection,
        ends: &mut Ends,
        out: &mut BytesMut,
    ) -> Result<Taken, InputError> {
        let result = self.take_all(connection, ends, out);
        let mut rings = Rings::new();
        ends.incoming.publish(&mut rings);
        rings.into_iter().for_each(Ring::ring);
        result
    }

    fn take_all(
        &mut self,
        connection: &mut Connection,
        ends: &mut Ends,
        out: &mut BytesMut,
    ) -> Result<Taken, InputError> {
        // How much of the bytes was taken; they are moved on once for many small frames.
        let mut at = 0;
        let result = self.take_from(&mut at, connection, ends, out);
        self.bytes.advance(at);
        if self.buffer_bytes > KEPT_BYTES_MAX && self.bytes.len() <= READ_BYTES_MIN {
            self.bytes = BytesMut::from(&self.bytes[..]);
            self.buffer_bytes = self.bytes.capacity();
        }
        let taken = result?;
        // What waits for room is whole, and no more than was read at once.
        let begun = match taken {
            Taken::All => self.bytes.len(),
            Taken::Full => 0,
        };
        self.unfinished.set(begun + self.message_bytes)?;
        Ok(taken)
    }

    fn take_from(
        &mut self,
        at: &mut usize,
        connection: &mut Connection,
        ends: &mut Ends,
        out: &mut BytesMut,
    ) -> Result<Taken, InputError> {
        loop {
            // Who is not there any more takes nothing.
            let incoming = &mut ends.incoming;
            if !incoming.has_room() && (incoming.is_closed() || incoming.wait()) {
                return Ok(Taken::Full);
            }
            let (event, taken) = match connection.handle_input(&mut self.bytes[*at..], out)? {
                Step::Event(event, taken) => (event, taken),
                Step::Incomplete { missing_bytes } => {
                    self.missing = missing_bytes;
                    return Ok(Taken::All);
                }
                // A verdict is given in the handshake.
                Step::AwaitVerdict => return Ok(Taken::All),
            };
            let notice = match event {
                Event::Frame(zmtp::Frame { more, body }) => {
                    let len = body.len();
                    let is_sliced = len >= SLICED_BYTES && self.uncounted_bytes <= len;
                    if len >= SLICED_BYTES {
                        self.uncounted_bytes = self.uncounted_bytes.saturating_sub(len);
                    }
                    let frame = if !is_sliced {
                        *at += taken;
                        Frame::copy_from(body)
                    } else {
                        self.bytes.advance(mem::take(at) + taken - len);
                        Frame::from(self.bytes.split_to(len).freeze())
                    };
                    if !more && self.message.is_empty() {
                        ends.incoming.push(Message::from(frame));
                        continue;
                    }
                    self.add(frame)?;
                    if !more {
                        self.message_bytes = 0;
                        let message = mem::take(&mut self.message);
                        ends.incoming.push(message);
                    }
                    continue;
                }
                Event::Group(group) => {
                    let frame = Frame::copy_from(group);
                    *at += taken;
                    self.add(frame)?;
                    continue;
                }
                Event::Subscribe(topic) => Some(Notice::Subscribe(Bytes::copy_from_slice(topic))),
                Event::Cancel(topic) => Some(Notice::Cancel(Bytes::copy_from_slice(topic))),
                Event::Join(group) => Some(Notice::Join(Bytes::copy_from_slice(group))),
                Event::Leave(group) => Some(Notice::Leave(Bytes::copy_from_slice(group))),
                Event::Version(_)
                | Event::Handshake
                | Event::Authenticate(_)
                | Event::Ready(_)
                | Event::Ping
                | Event::Pong(_)
                | Event::Ignored => None,
            };
            *at += taken;
            self.uncounted_bytes = self.uncounted_bytes.saturating_add(taken);
            if let Some(notice) = notice {
                ends.incoming.push_notice(notice);
            }
        }
    }

    fn add(&mut self, frame: Frame) -> Result<(), InputError> {
        self.message_bytes += frame.len() + FRAME_BYTES;
        if self.message_bytes > self.message_bytes_max.saturating_add(FRAME_BYTES)
            && !self.message.is_empty()
        {
            return Err(InputError::TooLarge(self.message_bytes_max));
        }
        self.message.push_back(frame);
        Ok(())
    }
}
