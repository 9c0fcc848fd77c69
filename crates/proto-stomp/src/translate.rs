//! Between STOMP's words and the model's: destinations, SEND into a message, a message into MESSAGE.
//! Nothing else in this crate knows both vocabularies.

mod deliver;
mod destination;
mod publish;

pub(crate) use deliver::{Opening, put_message};
pub(crate) use destination::Destination;
pub(crate) use publish::message_of;

/// Bit of a message's dialect flags: no name or value of the head holds a backslash or a carriage
/// return, no value a colon, so every version of STOMP reads it in the same way.
///
/// Written to disk, never given another meaning.
pub(crate) const FLAG_PLAIN: u8 = 1;
