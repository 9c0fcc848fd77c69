//! What sockets carry: messages of one or more frames.

use crate::chunk::{self, Slice};
use crate::frame::{Frame, INLINE_MAX, Repr, copied};
use crate::prefetch::prefetch;
use bytes::Bytes;
use smallvec::SmallVec;
use std::fmt;

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
#[derive(Default)]
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

impl Clone for Message {
    /// A short frame is copied as it stands there.
    #[inline]
    fn clone(&self) -> Self {
        match &self.parts {
            Parts::One(Frame(Repr::Inline { len, bytes })) => Self {
                parts: Parts::One(Frame(Repr::Inline {
                    len: *len,
                    bytes: *bytes,
                })),
                peer: self.peer,
            },
            Parts::One(Frame(Repr::Chunked(_) | Repr::Shared(_)))
            | Parts::Many(_)
            | Parts::None => self.clone_counted(),
        }
    }
}

impl Message {
    #[inline(never)]
    fn clone_counted(&self) -> Self {
        Self {
            parts: self.parts.clone(),
            peer: self.peer,
        }
    }

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
        Copies { of: self, slices }
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
}

impl Copies<'_> {
    /// One of them.
    #[inline]
    pub(crate) fn copy(&mut self) -> Message {
        let Some(slice) = self.slices.as_mut().and_then(Iterator::next) else {
            return self.of.clone();
        };
        Message {
            parts: Parts::One(Frame(Repr::Chunked(slice))),
            peer: self.of.peer,
        }
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
