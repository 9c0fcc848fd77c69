//! One part of a message, and the memory that it stands in.

use crate::buffers::{Buffers, Rooms};
use crate::chunk::{self, Blank, Chunks, Slice};
use bytes::{Bytes, BytesMut};
use std::cell::RefCell;
use std::fmt;
use std::ops::Deref;

/// Bytes that a frame holds in itself; longer ones are shared.
pub(crate) const INLINE_MAX: usize = 54;
/// Bodies too long for a chunk have a buffer each, which is used again up to this length.
const REUSED_MAX: usize = 256 << 10;
/// What a thread keeps of these.
const LONG_BYTES_MAX: usize = 4 << 20;

/// One part of a message: immutable bytes, cheap to clone.
///
/// Up to 54 bytes stand in the frame itself; longer ones are counted, and stand in memory that is used again if they were
/// copied.
#[derive(Clone)]
pub struct Frame(pub(crate) Repr);

#[derive(Clone)]
pub(crate) enum Repr {
    Inline { len: u8, bytes: [u8; INLINE_MAX] },
    Chunked(Slice),
    Shared(Bytes),
}

impl Frame {
    /// A frame of no bytes.
    #[must_use]
    pub const fn new() -> Self {
        Self(Repr::Inline {
            len: 0,
            bytes: [0; INLINE_MAX],
        })
    }

    /// A frame with a copy of these bytes.
    #[must_use]
    #[inline]
    pub fn copy_from(bytes: &[u8]) -> Self {
        if bytes.len() > INLINE_MAX {
            return Self(copied(bytes));
        }
        Self::inline(bytes)
    }

    /// A frame that holds these bytes where they are, however few: their owner is told when they are done with.
    #[must_use]
    pub const fn shared(bytes: Bytes) -> Self {
        Self(Repr::Shared(bytes))
    }

    /// Filled in its place: there is nothing to be moved then.
    #[expect(clippy::cast_possible_truncation, reason = "the length is at most 54")]
    #[inline]
    fn inline(content: &[u8]) -> Self {
        let mut frame = Self::new();
        if let Repr::Inline { len, bytes } = &mut frame.0 {
            *len = content.len() as u8;
            bytes[..content.len()].copy_from_slice(content);
        }
        frame
    }

    /// The bytes.
    #[must_use]
    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        match &self.0 {
            Repr::Inline { len, bytes } => &bytes[..usize::from(*len)],
            Repr::Chunked(body) => body.as_slice(),
            Repr::Shared(bytes) => bytes,
        }
    }

    /// The bytes as a counted buffer; those of more than 2 KiB are not copied.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        match self.0 {
            Repr::Inline { len, bytes } => Bytes::copy_from_slice(&bytes[..usize::from(len)]),
            Repr::Chunked(body) => Bytes::copy_from_slice(body.as_slice()),
            Repr::Shared(bytes) => bytes,
        }
    }
}

impl Frame {
    /// Moves the bytes to memory of their own: what is kept long then keeps nothing that they came with.
    pub(crate) fn detach(&mut self) {
        if let Repr::Chunked(_) | Repr::Shared(_) = &self.0 {
            *self = Self(Repr::Shared(Bytes::copy_from_slice(self)));
        }
    }
}

/// Memory for a short body that nobody else has, to be filled by whoever has asked for it: so many bytes, which are what
/// they happen to be. None where memory is not used again: there are many bytes, or the thread is ending.
#[doc(hidden)]
#[must_use]
#[inline]
pub fn blank(bytes: usize) -> Option<Blank> {
    if bytes > chunk::BODY_MAX {
        return None;
    }
    let blank = BODIES.try_with(|bodies| bodies.borrow_mut().short.blank(bytes));
    blank.ok()
}

/// As [`blank`], for more of them.
#[doc(hidden)]
#[must_use]
pub fn room(bytes: usize) -> Option<BytesMut> {
    if bytes > REUSED_MAX {
        return None;
    }
    let room = BODIES.try_with(|bodies| bodies.borrow_mut().rooms.cut(bytes));
    room.ok()
}

/// Where a thread copies bodies to.
struct Bodies {
    short: Chunks,
    long: Buffers,
    /// Those that others fill.
    rooms: Rooms,
}

thread_local! {
    static BODIES: RefCell<Bodies> = RefCell::new(Bodies {
        short: Chunks::default(),
        long: Buffers::new(LONG_BYTES_MAX),
        rooms: Rooms::new(LONG_BYTES_MAX),
    });
}

impl Bodies {
    fn copy(&mut self, bytes: &[u8]) -> Repr {
        if bytes.len() <= chunk::BODY_MAX {
            return Repr::Chunked(self.short.copy(bytes));
        }
        let room = bytes.len().next_power_of_two();
        let mut buffer = self.long.take(room);
        let buffer_bytes = buffer.capacity();
        buffer.extend_from_slice(bytes);
        let body = buffer.split().freeze();
        self.long.keep(buffer, buffer_bytes);
        Repr::Shared(body)
    }
}

/// A copy of bytes that do not stand in the frame.
pub(crate) fn copied(bytes: &[u8]) -> Repr {
    if bytes.len() > REUSED_MAX {
        return Repr::Shared(Bytes::copy_from_slice(bytes));
    }
    let copy = |bodies: &RefCell<Bodies>| bodies.borrow_mut().copy(bytes);
    // What else a thread drops at its end may still send.
    let copied = BODIES.try_with(copy);
    copied.unwrap_or_else(|_| Repr::Shared(Bytes::copy_from_slice(bytes)))
}

impl Default for Frame {
    fn default() -> Self {
        Self::new()
    }
}

impl Deref for Frame {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl AsRef<[u8]> for Frame {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b\"{}\"", self.as_slice().escape_ascii())
    }
}

impl<B: AsRef<[u8]> + ?Sized> PartialEq<B> for Frame {
    fn eq(&self, other: &B) -> bool {
        self.as_slice() == other.as_ref()
    }
}

impl Eq for Frame {}

impl From<Bytes> for Frame {
    #[inline]
    fn from(bytes: Bytes) -> Self {
        if bytes.len() > INLINE_MAX {
            return Self(Repr::Shared(bytes));
        }
        Self::inline(&bytes)
    }
}

impl From<Vec<u8>> for Frame {
    fn from(bytes: Vec<u8>) -> Self {
        Self::from(Bytes::from(bytes))
    }
}

impl From<String> for Frame {
    fn from(text: String) -> Self {
        Self::from(text.into_bytes())
    }
}

impl From<&[u8]> for Frame {
    #[inline]
    fn from(bytes: &[u8]) -> Self {
        Self::copy_from(bytes)
    }
}

impl<const N: usize> From<&[u8; N]> for Frame {
    fn from(bytes: &[u8; N]) -> Self {
        Self::copy_from(bytes)
    }
}

impl From<&str> for Frame {
    fn from(text: &str) -> Self {
        Self::copy_from(text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Message;

    #[test]
    fn frames_are_held_inline_up_to_their_limit() {
        for (len, is_shared) in [
            (0, false),
            (1, false),
            (54, false),
            (55, true),
            (1000, true),
        ] {
            let bytes = vec![7; len];
            for frame in [
                Frame::from(bytes.clone()),
                Frame::from(&*bytes),
                Frame::from(Bytes::from(bytes.clone())),
            ] {
                assert_eq!(frame, bytes, "{len}");
                assert_eq!(matches!(frame.0, Repr::Inline { .. }), !is_shared, "{len}");
                assert_eq!(frame.into_bytes(), bytes, "{len}");
            }
        }
    }

    #[test]
    fn few_bytes_stay_with_their_owner_if_that_is_asked_for() {
        let owner = Bytes::from(vec![7; 3]);
        let frame = Frame::shared(owner.clone());
        assert_eq!(frame, [7; 3]);
        assert!(!owner.is_unique());
        drop(frame);
        assert!(owner.is_unique());
    }

    #[test]
    fn a_thread_may_copy_up_to_its_end() {
        struct Last;
        impl Drop for Last {
            fn drop(&mut self) {
                assert_eq!(Frame::copy_from(&[7; 100]), [7; 100]);
            }
        }
        thread_local! {
            static LAST: Last = const { Last };
        }
        // What was touched first is dropped last.
        let thread = std::thread::spawn(|| {
            LAST.with(|_| {});
            Frame::copy_from(&[7; 100])
        });
        assert_eq!(thread.join().unwrap(), [7; 100]);
    }

    #[test]
    fn bytes_outside_of_a_frame_are_taken_as_what_they_are() {
        let mut blank = blank(100).unwrap();
        blank.as_mut_slice().fill(7);
        let mut message = Message::of_slice(blank.into_slice());
        assert!(message.take_bytes().is_none());
        assert_eq!(message.take_slice().unwrap().as_slice(), [7; 100]);
        assert!(message.is_empty());
        let mut message = Message::from(Bytes::from(vec![7; 5000]));
        assert!(message.take_slice().is_none());
        assert_eq!(message.take_bytes().unwrap(), [7; 5000][..]);
        assert!(message.is_empty());
        for len in [0, 54, 55, 5000] {
            message.copy_into(&vec![7; len]);
            assert_eq!(message, Message::from(vec![7; len]));
        }
        assert!(message.take_slice().is_none());
        assert_eq!(room(5000).unwrap().len(), 5000);
        assert!(super::blank(chunk::BODY_MAX + 1).is_none() && room(REUSED_MAX + 1).is_none());
    }
}
