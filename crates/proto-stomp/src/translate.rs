//! Between STOMP's words and the model's: destinations, SEND into a message, a message into MESSAGE,
//! what SUBSCRIBE asks for. Nothing else in this crate knows both vocabularies.

mod address;
mod deaths;
mod deliver;
mod destination;
mod foreign;
mod headers;
mod heads;
mod options;
mod publish;
mod queue_arguments;
mod subscription;
mod value;

pub(crate) use address::{Address, LIST_LEN_MAX};
pub(crate) use deliver::{BrowserEnd, Opening, put_message};
pub(crate) use destination::{Destination, KeyReading, percent_encode};
pub use foreign::put_foreign_headers;
pub use heads::StompHeads;
pub(crate) use options::Options;
pub(crate) use publish::{Publication, envelope_of, message_of};
pub(crate) use queue_arguments::QueueParameters;
pub(crate) use subscription::{AckMode, Wish};
pub(crate) use value::{boolean, invalid};

/// Bit of a message's dialect flags: no name or value of the head holds a backslash or a carriage
/// return, no value a colon, so every version of STOMP reads it in the same way.
///
/// Written to disk, never given another meaning.
pub(crate) const FLAG_PLAIN: u8 = 1;
