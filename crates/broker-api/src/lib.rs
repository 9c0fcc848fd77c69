#![doc = include_str!("../README.md")]

mod attachment;
mod command;
mod estate;
mod event;
mod excerpt;
mod head;
mod numbering;
mod out;
mod refusal;
mod session;
mod settle_run;
mod topology;
mod user;
mod wire;

pub use attachment::{Attachment, Peer};
pub use command::{
    Command, Confirm, Connect, Get, Grant, Login, OwnMessages, Publishing, QueueRetained, Retained,
    Settle, SettleMode, Sharing, ShowRetained, Source, Submission, Subscribe, Transaction,
    Unroutable,
};
pub use estate::{Bequest, Keep, Note, Notes, Recalled, Will};
pub use event::{BlockCause, Delivery, Event, Reply};
pub use excerpt::Excerpt;
pub use head::{AskedDelay, Field, HeadReader, Heads};
pub use numbering::Numbering;
pub use out::Out;
pub use refusal::Refusal;
pub use session::Session;
pub use settle_run::SettleRun;
pub use topology::{
    Bind, BindTo, DeclareExchange, DeclareQueue, DeleteExchange, DeleteIf, DeleteQueue, IfExists,
    IfMissing, ListedExchange, ListedQueue, Listing, QueueStatus,
};
pub use user::{Authenticate, Authenticated, ListedUser, PutUser};
pub use wire::Wire;
