//! A small AMQP 0-9-1 client, and its parts: [`Requests`] into bytes, bytes into [`Answer`]s.
//!
//! Read first: [`AmqpClient`]. Who has another transport uses [`Requests`] and [`Answers`] alone; who sends what no
//! client would, [`raw`].

mod answers;
mod confirms;
mod connection;
pub mod raw;
mod requests;

pub use answers::{Answer, Answers, Delivered};
pub use confirms::Confirms;
pub use connection::{AmqpClient, AmqpReader, AmqpWriter};
pub use requests::{Argument, Declare, Login, Publish, Requests};

/// The largest frame that both sides send.
const FRAME_BYTES_MAX: usize = 131_072;

/// What a frame has around its payload: type, channel, length and an octet at its end.
const FRAME_OVERHEAD_BYTES: usize = 8;

/// The last octet of a frame.
const FRAME_END: u8 = 0xce;

/// The class and the number of a method.
pub type MethodId = (u16, u16);

/// Methods by their names.
pub mod method {
    use super::MethodId;

    /// `channel.open-ok`.
    pub const CHANNEL_OPEN_OK: MethodId = (20, 11);
    /// `channel.close-ok`.
    pub const CHANNEL_CLOSE_OK: MethodId = (20, 41);
    /// `connection.open-ok`.
    pub const OPEN_OK: MethodId = (10, 41);
    /// `connection.close-ok`.
    pub const CLOSE_OK: MethodId = (10, 51);
    /// `queue.bind-ok`.
    pub const BIND_OK: MethodId = (50, 21);
    /// `queue.delete-ok`.
    pub const DELETE_OK: MethodId = (50, 41);
    /// `basic.qos-ok`.
    pub const QOS_OK: MethodId = (60, 11);
    /// `basic.consume-ok`.
    pub const CONSUME_OK: MethodId = (60, 21);
    /// `basic.get-empty`.
    pub const GET_EMPTY: MethodId = (60, 72);
    /// `basic.recover-ok`.
    pub const RECOVER_OK: MethodId = (60, 111);
    /// `confirm.select-ok`.
    pub const CONFIRM_SELECT_OK: MethodId = (85, 11);
    /// `tx.select-ok`.
    pub const TX_SELECT_OK: MethodId = (90, 11);
    /// `tx.commit-ok`.
    pub const COMMIT_OK: MethodId = (90, 21);
    /// `tx.rollback-ok`.
    pub const ROLLBACK_OK: MethodId = (90, 31);
}
