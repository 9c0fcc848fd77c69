//! What sockets carry: messages of one or more frames.

use crate::buffers::{Buffers, Rooms};
use crate::chunk::{self, Blank, Chunks, Slice};
use crate::prefetch::prefetch;
use bytes::{Bytes, BytesMut};
use smallvec::SmallVec;
use std::cell::RefCell;
use std::fmt;
use std::ops::Deref;

/// Bytes that a frame holds in itself; longer ones are shared.
const INLINE_MAX: usize = 54;
/// Bodies too long for a chunk have a buffer each, which is used again up to this length.
const REUSED_MAX: usize = 256 << 10;
/// What a thread keeps of these.
const LONG_BYTES_MAX: usize = 4 << 20;

/// One part of a message: immutable bytes, cheap to clone.
///
/// Up to 54 bytes stand in the frame itself; longer ones are counted, and stand in memory that is used again if they were
/// copied.
#[derive(Clone)]
pub struct Frame(Repr);

#[derive(Clone)]
enum Repr {
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
    fn detach(&mut self) {
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
fn copied(bytes: &[u8]) -> Repr {
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

/// The unit that sockets send and receive: all frames of it arrive, or none.
///
/// A message of one frame takes no memory beside itself. One without frames is sent as one empty frame.
///
/// ```
/// use barid_zmq::Message;
///
/// let message = Message::from_iter(["topic", "body"]);
/// assert_eq!(message.frames()[1], "body");
/// assert_eq!(Message::from("one frame").len(), 1);
/// ```
#[derive(Clone, Default)]
pub struct Message {
    parts: Parts,
    /// Whom a message of a SERVER or PEER came from or goes to; 0 is nobody.
    peer: u32,
}

/// How many frames there are decides which it is.
#[derive(Clone, Default)]
enum Parts {
    #[default]
    None,
    One(Frame),
    Many(Vec<Frame>),
}

impl Message {
    /// A message without frames, to add some.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A message of one frame with a copy of these bytes, put together in a place where there is none yet: nothing has to
    /// be moved.
    #[expect(clippy::cast_possible_truncation, reason = "the length is at most 54")]
    #[doc(hidden)]
    #[inline]
    pub fn copy_into(&mut self, content: &[u8]) {
        if content.len() > INLINE_MAX {
            *self = Frame(copied(content)).into();
            return;
        }
        self.parts = Parts::One(Frame::new());
        if let Parts::One(Frame(Repr::Inline { len, bytes })) = &mut self.parts {
            *len = content.len() as u8;
            bytes[..content.len()].copy_from_slice(content);
        }
    }

    /// A message of one frame whose bytes are these.
    #[doc(hidden)]
    #[must_use]
    #[inline]
    pub const fn of_slice(slice: Slice) -> Self {
        Self {
            parts: Parts::One(Frame(Repr::Chunked(slice))),
            peer: 0,
        }
    }

    /// Takes the bytes of the only frame, if they are such: less is moved than with the frame.
    #[doc(hidden)]
    #[inline]
    pub fn take_slice(&mut self) -> Option<Slice> {
        if !matches!(self.parts, Parts::One(Frame(Repr::Chunked(_)))) {
            return None;
        }
        match std::mem::take(&mut self.parts) {
            Parts::One(Frame(Repr::Chunked(slice))) => Some(slice),
            Parts::None
            | Parts::One(Frame(Repr::Inline { .. } | Repr::Shared(_)))
            | Parts::Many(_) => None,
        }
    }

    /// As [`Self::take_slice`].
    #[doc(hidden)]
    #[inline]
    pub fn take_bytes(&mut self) -> Option<Bytes> {
        let Parts::One(Frame(Repr::Shared(bytes))) = &mut self.parts else {
            return None;
        };
        let bytes = std::mem::take(bytes);
        self.parts = Parts::None;
        Some(bytes)
    }

    /// The frames, in order.
    #[must_use]
    #[inline]
    pub fn frames(&self) -> &[Frame] {
        match &self.parts {
            Parts::None => &[],
            Parts::One(frame) => std::slice::from_ref(frame),
            Parts::Many(frames) => frames,
        }
    }

    /// How many frames there are.
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        self.frames().len()
    }

    /// Whether there are no frames at all.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.frames().is_empty()
    }

    /// The frame at a place.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&Frame> {
        self.frames().get(index)
    }

    /// The bytes of the first frame, which are what subscriptions match; none if there is no frame.
    #[must_use]
    #[inline]
    pub fn first(&self) -> &[u8] {
        self.frames().first().map_or(&[], Frame::as_slice)
    }

    /// The bytes of all frames together.
    #[must_use]
    #[inline]
    pub fn byte_count(&self) -> usize {
        match &self.parts {
            Parts::None => 0,
            Parts::One(frame) => frame.len(),
            Parts::Many(frames) => frames.iter().map(|frame| frame.len()).sum(),
        }
    }

    /// Adds a frame at the end.
    pub fn push_back(&mut self, frame: impl Into<Frame>) {
        let frame = frame.into();
        self.parts = match std::mem::take(&mut self.parts) {
            Parts::None => Parts::One(frame),
            Parts::One(first) => Parts::Many(vec![first, frame]),
            Parts::Many(mut frames) => {
                frames.push(frame);
                Parts::Many(frames)
            }
        };
    }

    /// Adds a frame before all others.
    pub fn push_front(&mut self, frame: impl Into<Frame>) {
        let frame = frame.into();
        self.parts = match std::mem::take(&mut self.parts) {
            Parts::None => Parts::One(frame),
            Parts::One(last) => Parts::Many(vec![frame, last]),
            Parts::Many(mut frames) => {
                frames.insert(0, frame);
                Parts::Many(frames)
            }
        };
    }

    /// Takes the first frame off.
    pub fn pop_front(&mut self) -> Option<Frame> {
        match std::mem::take(&mut self.parts) {
            Parts::None => None,
            Parts::One(frame) => Some(frame),
            Parts::Many(mut frames) => {
                let first = frames.remove(0);
                self.set(frames);
                Some(first)
            }
        }
    }

    /// Takes the frames before a place off.
    pub(crate) fn split_front(&mut self, count: usize) -> SmallVec<[Frame; 2]> {
        let mut rest = self.take_frames();
        let front = rest.drain(..count.min(rest.len())).collect();
        self.set(rest);
        front
    }

    /// Puts frames before all others.
    pub(crate) fn prepend(&mut self, front: impl IntoIterator<Item = Frame>) {
        let rest = self.take_frames();
        let frames = front.into_iter().chain(rest).collect();
        self.set(frames);
    }

    /// The frames, by value.
    #[must_use]
    pub fn into_frames(mut self) -> Vec<Frame> {
        self.take_frames()
    }

    fn take_frames(&mut self) -> Vec<Frame> {
        match std::mem::take(&mut self.parts) {
            Parts::None => Vec::new(),
            Parts::One(frame) => vec![frame],
            Parts::Many(frames) => frames,
        }
    }

    fn set(&mut self, mut frames: Vec<Frame>) {
        self.parts = match frames.len() {
            0 | 1 => frames.pop().map_or(Parts::None, Parts::One),
            _ => Parts::Many(frames),
        };
    }

    /// Begins to bring the first and the last bytes near, if they stand elsewhere.
    #[inline]
    pub(crate) fn fetch(&self) {
        match &self.parts {
            Parts::One(frame @ Frame(Repr::Chunked(_) | Repr::Shared(_))) => {
                let ends = frame.as_slice().as_ptr_range();
                prefetch(ends.start);
                prefetch(ends.end.wrapping_sub(1));
            }
            Parts::One(Frame(Repr::Inline { .. })) | Parts::None => {}
            Parts::Many(frames) => prefetch(frames.as_ptr()),
        }
    }

    /// Moves each frame to memory of its own.
    pub(crate) fn detach(&mut self) {
        match &mut self.parts {
            Parts::None => {}
            Parts::One(frame) => frame.detach(),
            Parts::Many(frames) => frames.iter_mut().for_each(Frame::detach),
        }
    }

    /// So many more of it, counted at once.
    pub(crate) fn copies(&self, count: usize) -> Copies<'_> {
        let slices = match &self.parts {
            Parts::One(Frame(Repr::Chunked(slice))) => Some(slice.copies(count as u64)),
            Parts::One(Frame(Repr::Inline { .. } | Repr::Shared(_)))
            | Parts::Many(_)
            | Parts::None => None,
        };
        Copies {
            of: self,
            slices,
            left: count,
        }
    }

    /// Whom a message of a SERVER or PEER came from or goes to.
    pub(crate) const fn peer(&self) -> u32 {
        self.peer
    }

    pub(crate) const fn set_peer(&mut self, peer: u32) {
        self.peer = peer;
    }
}

/// Copies of a message.
pub(crate) struct Copies<'a> {
    of: &'a Message,
    /// Those of its only frame, if they could be counted at once.
    slices: Option<chunk::Copies<'a>>,
    left: usize,
}

impl Iterator for Copies<'_> {
    type Item = Message;

    #[inline]
    fn next(&mut self) -> Option<Message> {
        self.left = self.left.checked_sub(1)?;
        let Some(slices) = &mut self.slices else {
            return Some(self.of.clone());
        };
        Some(Message {
            parts: Parts::One(Frame(Repr::Chunked(slices.next()?))),
            peer: self.of.peer,
        })
    }
}

impl<F: Into<Frame>> From<F> for Message {
    #[inline]
    fn from(frame: F) -> Self {
        Self {
            parts: Parts::One(frame.into()),
            peer: 0,
        }
    }
}

impl<F: Into<Frame>> FromIterator<F> for Message {
    fn from_iter<I: IntoIterator<Item = F>>(frames: I) -> Self {
        let mut message = Self::new();
        message.extend(frames);
        message
    }
}

impl<F: Into<Frame>> Extend<F> for Message {
    fn extend<I: IntoIterator<Item = F>>(&mut self, frames: I) {
        for frame in frames {
            self.push_back(frame);
        }
    }
}

impl From<Vec<Frame>> for Message {
    fn from(frames: Vec<Frame>) -> Self {
        let mut message = Self::new();
        message.set(frames);
        message
    }
}

impl PartialEq for Message {
    fn eq(&self, other: &Self) -> bool {
        self.frames() == other.frames()
    }
}

impl Eq for Message {}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.frames()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_fills_one_line_of_cache() {
        assert_eq!(size_of::<Message>(), 64);
        assert_eq!(size_of::<Option<Message>>(), 64);
    }

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

    #[test]
    fn frames_are_added_and_taken_at_both_ends() {
        let mut message = Message::new();
        assert_eq!(message.len(), 0);
        assert_eq!(message.first(), b"");
        message.push_back("b");
        message.push_front("a");
        message.push_back("c");
        assert_eq!(message, Message::from_iter(["a", "b", "c"]));
        assert_eq!(message.byte_count(), 3);
        let front = message.split_front(2);
        assert_eq!(front.len(), 2);
        assert_eq!(message, Message::from("c"));
        message.prepend(front);
        assert_eq!(message.pop_front().unwrap(), "a");
        assert_eq!(message.pop_front().unwrap(), "b");
        assert_eq!(message.pop_front().unwrap(), "c");
        assert_eq!(message.pop_front(), None::<Frame>);
        assert_eq!(Message::from(Vec::<Frame>::new()).len(), 0);
        assert_eq!(Message::from(vec![Frame::from("x")]), Message::from("x"));
    }
}
