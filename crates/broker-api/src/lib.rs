#![doc = include_str!("../README.md")]

mod attachment;
mod command;
mod event;
mod out;
mod refusal;
mod session;
mod wire;

pub use attachment::{Attachment, Peer};
pub use command::{
    Command, Confirm, Connect, Grant, Login, Settle, SettleMode, Source, Submission, Subscribe,
};
pub use event::{Delivery, Event};
pub use out::Out;
pub use refusal::Refusal;
pub use session::Session;
pub use wire::Wire;
