//! What is to be written, in one buffer that is used again and again.
//!
//! ```text
//!   heads:   [head small head small head | head | small ...]      one buffer
//!   bodies:                              ▲      ▲                 large ones, by reference
//! ```
//!
//! Small frames are copied behind each other; a large one stands beside the buffer, with the place where it
//! belongs. A vectored write takes them in their order.

use super::transport::Gathers;
use crate::frame::Frame;
use crate::message::Message;
use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;
use std::io::IoSlice;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::{io, mem};
use zmtp::Connection;

/// Bytes of the buffer from which on it is written before more is put in.
const HEADS_BYTES_MAX: usize = 64 << 10;
/// Bytes of large bodies likewise.
const BODIES_BYTES_MAX: usize = 512 << 10;
/// Large bodies likewise; a system call takes a multiple of them.
const BODIES_MAX: usize = 31;
/// From here on a body is not copied.
const LARGE_BYTES: usize = 8 << 10;
/// A buffer that became larger than this is not kept.
const KEPT_BYTES_MAX: usize = 256 << 10;

#[derive(Default)]
pub(super) struct Output {
    pub(super) heads: BytesMut,
    /// Bytes of `heads` that were written.
    written: usize,
    bodies: VecDeque<Body>,
    bodies_bytes: usize,
}

struct Body {
    /// How many bytes of `heads` come before it.
    at: usize,
    bytes: Bytes,
}

impl Output {
    pub(super) fn is_empty(&self) -> bool {
        self.written == self.heads.len() && self.bodies.is_empty()
    }

    /// Whether what is there should be written first.
    pub(super) fn is_full(&self) -> bool {
        self.heads.len() >= HEADS_BYTES_MAX
            || self.bodies_bytes >= BODIES_BYTES_MAX
            || self.bodies.len() >= BODIES_MAX
    }

    /// Puts a message in.
    #[inline]
    pub(super) fn put(
        &mut self,
        connection: &mut Connection,
        message: &mut Message,
    ) -> Result<(), zmtp::SendError> {
        if let [frame] = message.frames()
            && frame.len() < LARGE_BYTES
        {
            return connection.put_frame(&mut self.heads, zmtp::Frame::last(frame));
        }
        let count = message.len();
        for (index, frame) in mem::take(message).into_frames().into_iter().enumerate() {
            self.put_frame(connection, frame, index + 1 < count)?;
        }
        Ok(())
    }

    fn put_frame(
        &mut self,
        connection: &mut Connection,
        frame: Frame,
        more: bool,
    ) -> Result<(), zmtp::SendError> {
        if frame.len() >= LARGE_BYTES
            && let Some(head) = connection.frame_head(more, frame.len())
        {
            self.heads.extend_from_slice(head.as_bytes());
            let bytes = frame.into_bytes();
            self.bodies_bytes += bytes.len();
            self.bodies.push_back(Body {
                at: self.heads.len(),
                bytes,
            });
            return Ok(());
        }
        let body = &frame;
        connection.put_frame(&mut self.heads, zmtp::Frame { more, body })
    }

    /// Writes until all is written or the transport takes no more. Ready when all is written.
    pub(super) fn poll_write<S: Gathers>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.is_empty() {
            ready!(self.poll_write_once(stream, cx))?;
        }
        Poll::Ready(Ok(()))
    }

    /// Writes once. Ready when the transport has taken something.
    pub(super) fn poll_write_once<S: Gathers>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let count = if self.bodies.is_empty() {
            ready!(Pin::new(&mut *stream).poll_write(cx, &self.heads[self.written..]))?
        } else {
            let mut slices = [IoSlice::new(&[]); 2 * BODIES_MAX + 1];
            let used = self.slices(&mut slices);
            ready!(stream.poll_gather(cx, &slices[..used]))?
        };
        if count == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.advance(count);
        if self.is_empty() {
            self.clear();
        }
        Poll::Ready(Ok(()))
    }

    fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let (mut used, mut from) = (0, self.written);
        for body in &self.bodies {
            for piece in [&self.heads[from..body.at], &body.bytes] {
                if !piece.is_empty() && used < slices.len() {
                    slices[used] = IoSlice::new(piece);
                    used += 1;
                }
            }
            from = body.at;
        }
        if from < self.heads.len() && used < slices.len() {
            slices[used] = IoSlice::new(&self.heads[from..]);
            used += 1;
        }
        used
    }

    fn advance(&mut self, mut count: usize) {
        while let Some(body) = self.bodies.front_mut() {
            let head = body.at - self.written;
            if count < head {
                break;
            }
            self.written = body.at;
            count -= head;
            if count < body.bytes.len() {
                bytes::Buf::advance(&mut body.bytes, count);
                self.bodies_bytes -= count;
                return;
            }
            count -= body.bytes.len();
            self.bodies_bytes -= body.bytes.len();
            self.bodies.pop_front();
        }
        self.written += count;
    }

    /// Makes the buffer free for what comes next.
    fn clear(&mut self) {
        self.written = 0;
        if self.heads.capacity() > KEPT_BYTES_MAX {
            drop(mem::take(&mut self.heads));
        } else {
            self.heads.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::task::Waker;
    use tokio::io::AsyncWrite;
    use zmtp::{Event, Settings, SocketType, Step};

    /// Takes as many bytes at a time as it is told, then none for once.
    struct Slow {
        taken: Vec<u8>,
        sizes: Vec<usize>,
    }

    impl Gathers for Slow {}

    impl AsyncWrite for Slow {
        fn poll_write(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
        }

        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            _cx: &mut Context<'_>,
            slices: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            let Some(size) = self.sizes.pop() else {
                return Poll::Pending;
            };
            let before = self.taken.len();
            for byte in slices.iter().flat_map(|slice| slice.iter()).take(size) {
                self.taken.push(*byte);
            }
            Poll::Ready(Ok(self.taken.len() - before))
        }

        fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn take_all(end: &mut Connection, input: &mut BytesMut, out: &mut BytesMut) {
        while let Step::Event(_, taken) = end.handle_input(input, out).unwrap() {
            bytes::Buf::advance(input, taken);
        }
    }

    /// Two ends that have shaken hands.
    fn open() -> (Connection, Connection) {
        let (mut to_pull, mut to_push) = (BytesMut::new(), BytesMut::new());
        let mut push = Connection::new(Settings::new(SocketType::Push), 0, &mut to_pull);
        let mut pull = Connection::new(Settings::new(SocketType::Pull), 0, &mut to_push);
        while !(push.is_open() && pull.is_open()) {
            take_all(&mut pull, &mut to_pull, &mut to_push);
            take_all(&mut push, &mut to_push, &mut to_pull);
        }
        (push, pull)
    }

    proptest! {
        #[test]
        fn all_bytes_are_written_in_order_however_many_the_transport_takes(
            messages in prop::collection::vec(prop::collection::vec(prop_oneof![0..100_usize, LARGE_BYTES - 1..LARGE_BYTES + 2, 20_000..30_000_usize], 1..4), 0..20),
            sizes in prop::collection::vec(1..50_000_usize, 0..50),
        ) {
            let (mut push, mut pull) = open();
            let mut output = Output::default();
            let mut stream = Slow { taken: Vec::new(), sizes };
            let mut cx = Context::from_waker(Waker::noop());
            let mut expected = Vec::new();
            for (index, lengths) in messages.iter().enumerate() {
                let mut message: Message = lengths.iter().map(|len| vec![u8::try_from(index).unwrap(); *len]).collect();
                expected.extend(message.frames().iter().map(|frame| frame.to_vec()));
                output.put(&mut push, &mut message).unwrap();
                if output.is_full() {
                    let _is_done = output.poll_write(&mut stream, &mut cx);
                }
            }
            stream.sizes = vec![usize::MAX; 1000];
            prop_assert!(output.poll_write(&mut stream, &mut cx).is_ready());
            prop_assert!(output.is_empty());
            let (mut input, mut out) = (BytesMut::from(&*stream.taken), BytesMut::new());
            let mut found = Vec::new();
            while let Step::Event(event, taken) = pull.handle_input(&mut input, &mut out).unwrap() {
                if let Event::Frame(frame) = event {
                    found.push(frame.body.to_vec());
                }
                bytes::Buf::advance(&mut input, taken);
            }
            prop_assert!(found == expected);
        }
    }
}
