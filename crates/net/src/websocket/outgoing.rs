//! From what a session writes to messages.

use super::frame::{Opcode, SentHead};
use super::{Messages, WebSocketRules};
use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::str::from_utf8;
use std::task::{Context, Poll, ready};
use tokio::io::AsyncWrite;

/// Messages begun in one write.
const MESSAGES_MAX: usize = 32;

/// Pieces handed to the transport in one write.
const SLICES_MAX: usize = 128;

/// Pieces of what is to be written that are looked at in one write.
const BUFS_MAX: usize = 64;

/// No message is begun behind so many bytes in one write: the transport may not take it, and then
/// it was looked through for nothing.
const BATCH_BYTES_MAX: usize = 64 * 1024;

/// The writing side of a WebSocket.
///
/// Invariant: a control frame is begun only where a message is not half sent, and the other way
/// round.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    /// The message that is half sent.
    begun: Option<Begun>,
    /// The control frame that is being sent.
    control: Vec<u8>,
    control_sent: usize,
    /// What the next pong says, if one is due.
    pong: Option<Vec<u8>>,
    close: Close,
}

/// A message whose head has been made.
#[derive(Clone, Copy, Debug, Default)]
struct Begun {
    head: SentHead,
    payload_left: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Close {
    #[default]
    Open,
    Due(u16),
    /// It is the last frame; nothing goes behind it.
    Made,
}

impl Outgoing {
    /// Answers a ping as soon as possible, instead of an earlier one that waits for its answer.
    pub(super) fn answer(&mut self, ping: Vec<u8>) {
        if self.close == Close::Open {
            self.pong = Some(ping);
        }
    }

    /// Ends all with a close frame, which is sent by [`Self::poll_control`].
    pub(super) fn close(&mut self, code: u16) {
        if self.close == Close::Open {
            self.close = Close::Due(code);
            self.pong = None;
        }
    }

    /// Sends the control frames that are due, unless a message is half sent.
    pub(super) fn poll_control<T: AsyncWrite + Unpin>(
        &mut self,
        io: &mut T,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while self.begun.is_none() && self.has_control() {
            let bytes = &self.control[self.control_sent..];
            let count = ready!(Pin::new(&mut *io).poll_write(cx, bytes))?;
            if count == 0 {
                return Poll::Ready(Err(ErrorKind::WriteZero.into()));
            }
            self.control_sent += count;
        }
        Poll::Ready(Ok(()))
    }

    /// Whether a control frame is to be sent; makes the next one if there is none.
    fn has_control(&mut self) -> bool {
        if self.control_sent < self.control.len() {
            return true;
        }
        let (opcode, payload) = if let Some(ping) = self.pong.take() {
            (Opcode::Pong, ping)
        } else if let Close::Due(code) = self.close {
            self.close = Close::Made;
            (Opcode::Close, code.to_be_bytes().to_vec())
        } else {
            self.control = Vec::new();
            self.control_sent = 0;
            return false;
        };
        self.control.clear();
        self.control_sent = 0;
        let head = SentHead::new(opcode, payload.len());
        self.control.extend_from_slice(head.rest());
        self.control.extend_from_slice(&payload);
        true
    }

    /// Sends some of `bufs` as messages, one for each frame of the protocol, and returns how much.
    pub(super) fn poll_write<T: AsyncWrite + Unpin>(
        &mut self,
        io: &mut T,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
        rules: &WebSocketRules,
    ) -> Poll<io::Result<usize>> {
        if self.close != Close::Open {
            return Poll::Ready(Err(ErrorKind::BrokenPipe.into()));
        }
        if bufs.iter().all(|buf| buf.is_empty()) {
            return Poll::Ready(Ok(0));
        }
        // A head alone may be all that the transport takes, which is nothing of `bufs`.
        loop {
            ready!(self.poll_control(io, cx))?;
            let mut messages = [Begun::default(); MESSAGES_MAX];
            let count = match self.begun {
                Some(begun) => {
                    messages[0] = begun;
                    1
                }
                None => plan(bufs, rules, &mut messages),
            };
            let messages = &mut messages[..count];
            let mut slices = [IoSlice::new(&[]); SLICES_MAX];
            let filled = interleave(messages, bufs, &mut slices);
            let sent = ready!(Pin::new(&mut *io).poll_write_vectored(cx, &slices[..filled]))?;
            if sent == 0 {
                return Poll::Ready(Err(ErrorKind::WriteZero.into()));
            }
            let taken = self.handle_sent(messages, sent);
            if taken > 0 {
                return Poll::Ready(Ok(taken));
            }
        }
    }

    /// Notes that so many bytes of the messages are sent, and returns how many of them are payload.
    fn handle_sent(&mut self, messages: &mut [Begun], mut sent: usize) -> usize {
        let mut taken = 0;
        self.begun = None;
        for message in messages {
            if sent == 0 {
                break;
            }
            message.head.advance(&mut sent);
            let count = message.payload_left.min(sent);
            message.payload_left -= count;
            sent -= count;
            taken += count;
            if message.payload_left > 0 {
                self.begun = Some(*message);
            }
        }
        taken
    }
}

/// Makes heads for the frames of the protocol at the front of `bufs`, at least one; returns how many.
fn plan(
    bufs: &[IoSlice<'_>],
    rules: &WebSocketRules,
    messages: &mut [Begun; MESSAGES_MAX],
) -> usize {
    let mut place = [IoSlice::new(&[]); BUFS_MAX];
    let count = bufs.len().min(BUFS_MAX);
    place[..count].copy_from_slice(&bufs[..count]);
    let mut left = &mut place[..count];
    // Takes away those that are empty.
    IoSlice::advance_slices(&mut left, 0);
    let (mut planned, mut planned_bytes) = (0, 0);
    while planned < MESSAGES_MAX && planned_bytes < BATCH_BYTES_MAX && !left.is_empty() {
        let there: usize = left.iter().map(|slice| slice.len()).sum();
        let whole = (rules.frame_bytes)(left).filter(|bytes| (1..=there).contains(bytes));
        let (opcode, bytes) = match whole {
            Some(bytes) if rules.messages == Messages::TextIfPossible && is_text(left, bytes) => {
                (Opcode::Text, bytes)
            }
            Some(bytes) => (Opcode::Binary, bytes),
            // The end of the frame is not among the first slices, which no driver does. It goes out
            // in several messages, none of which need be text by itself.
            None if planned == 0 => (Opcode::Binary, there),
            None => break,
        };
        messages[planned] = Begun {
            head: SentHead::new(opcode, bytes),
            payload_left: bytes,
        };
        planned += 1;
        planned_bytes += bytes;
        IoSlice::advance_slices(&mut left, bytes);
    }
    planned
}

/// Whether the first `bytes` are UTF-8. Slices are taken to end where characters do.
fn is_text(slices: &[IoSlice<'_>], mut bytes: usize) -> bool {
    for slice in slices {
        let piece = &slice[..slice.len().min(bytes)];
        if from_utf8(piece).is_err() {
            return false;
        }
        bytes -= piece.len();
        if bytes == 0 {
            break;
        }
    }
    true
}

/// Fills `slices` with heads and the payload behind each, as far as there is room; returns how many.
fn interleave<'a>(
    messages: &'a [Begun],
    bufs: &'a [IoSlice<'a>],
    slices: &mut [IoSlice<'a>; SLICES_MAX],
) -> usize {
    let mut filled = 0;
    let mut push = |slice: &'a [u8]| {
        if slice.is_empty() {
            return true;
        }
        let Some(place) = slices.get_mut(filled) else {
            return false;
        };
        *place = IoSlice::new(slice);
        filled += 1;
        true
    };
    let mut bufs = bufs.iter();
    let mut rest: &[u8] = &[];
    for message in messages {
        if !push(message.head.rest()) {
            break;
        }
        let mut left = message.payload_left;
        while left > 0 {
            if rest.is_empty() {
                let Some(next) = bufs.next() else {
                    return filled;
                };
                rest = next;
                continue;
            }
            let (piece, behind) = rest.split_at(rest.len().min(left));
            if !push(piece) {
                return filled;
            }
            left -= piece.len();
            rest = behind;
        }
    }
    filled
}
