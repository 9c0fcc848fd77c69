//! Messages of frames as messages of the broker, and back.

mod frames;
mod head;
mod heads;
mod publish;

pub(crate) use frames::{Frames, Shown};
pub(crate) use heads::Request;
pub use heads::ZmqHeads;
pub(crate) use publish::{
    Content, Gathered, answer_message, envelope_frames, first_word, published_message,
    pushed_message, request_message,
};

/// In the flags of the envelope: the key is the first frame, and the body is all others.
const FLAG_KEY_IS_FRAME: u8 = 1;
/// In the flags of the envelope: the first frame begins with the key.
const FLAG_KEY_BEGINS_FRAME: u8 = 2;
/// The longest key that is made of a frame, in bytes: what all protocols can spell.
pub(crate) const KEY_BYTES_MAX: usize = 255;
