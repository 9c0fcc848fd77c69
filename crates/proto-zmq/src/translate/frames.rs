//! The frames that a message goes out as.

use super::head::Head;
use super::{FLAG_KEY_BEGINS_FRAME, FLAG_KEY_IS_FRAME};
use model::{Dialect, Message};

/// To whom a message is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// A SUB: its first frame is, or begins with, the topic.
    Topic,
    /// Whoever takes it out of a queue: as it was sent.
    Content,
}

/// The frames of a message, first to last. Never none.
#[derive(Clone, Debug)]
pub(crate) struct Frames<'a> {
    first: Option<&'a [u8]>,
    /// Lengths of all frames of the body but the last.
    lengths: &'a [u8],
    body: Option<&'a [u8]>,
}

impl<'a> Frames<'a> {
    /// Of a message of any dialect.
    pub(crate) fn of(message: &'a Message, shown: Shown) -> Self {
        let envelope = message.envelope();
        let is_ours = envelope.dialect == Dialect::Zmq;
        let flags = if is_ours { envelope.dialect_flags } else { 0 };
        let lengths = if is_ours {
            Head::read(message.head()).lengths
        } else {
            &[]
        };
        let key = message.key();
        let mut frames = Self {
            first: None,
            lengths,
            body: Some(message.body()),
        };
        let is_key_said = flags & FLAG_KEY_BEGINS_FRAME != 0
            && frames
                .clone()
                .next()
                .is_some_and(|it| it.0.starts_with(key));
        let is_first = match shown {
            Shown::Topic => !is_key_said,
            Shown::Content => flags & FLAG_KEY_IS_FRAME != 0,
        };
        frames.first = is_first.then_some(key);
        frames
    }

    /// The body, if it is the only frame or the second of two.
    pub(crate) const fn is_body_whole(&self) -> bool {
        self.lengths.is_empty() && self.body.is_some()
    }
}

impl<'a> Iterator for Frames<'a> {
    /// A frame, and whether more follow.
    type Item = (&'a [u8], bool);

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(first) = self.first.take() {
            return Some((first, true));
        }
        let body = self.body?;
        if let Some((length, lengths)) = self.lengths.split_first_chunk::<4>() {
            let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
            // Lengths that do not fit are none.
            if let Some((frame, rest)) = body.split_at_checked(length) {
                self.lengths = lengths;
                self.body = Some(rest);
                return Some((frame, true));
            }
        }
        self.body = None;
        Some((body, false))
    }
}
