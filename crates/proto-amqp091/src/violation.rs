//! What a peer sent that no frame can be: one value per cause, with the code that it is answered by.

pub use broker_api::Excerpt;

use crate::table::NESTING_MAX;
use crate::{MethodId, ReplyCode, Side};

/// Why the input cannot be read on. All of these close the connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{problem}", Prefix(*.method))]
pub struct DecodeError {
    /// The frame's, if it has one.
    pub method: MethodId,
    /// What is wrong.
    pub problem: Problem,
}

impl DecodeError {
    /// The code that `connection.close` tells.
    #[must_use]
    pub const fn reply_code(&self) -> ReplyCode {
        self.problem.reply_code()
    }
}

/// The name of a method before what is wrong with it.
struct Prefix(MethodId);

impl std::fmt::Display for Prefix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            MethodId::NONE => Ok(()),
            id => write!(f, "{id}: "),
        }
    }
}

/// What is wrong with a frame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// There is no such type of frame.
    #[error("there is no frame of type {0}")]
    UnknownFrame(u8),
    /// The frame is over the limit.
    #[error("a frame's payload of {len} bytes is over the limit of {limit}")]
    FrameTooLarge {
        /// Of the payload, in bytes.
        len: usize,
        /// In bytes.
        limit: usize,
    },
    /// The frame does not end where it says.
    #[error("a frame ends with {octet:#04x} instead of 0xce")]
    FrameEnd {
        /// What stands there.
        octet: u8,
    },
    /// A heartbeat has a payload, or a channel.
    #[error(
        "a heartbeat has {len} bytes of payload on channel {channel}, but must be empty and on channel 0"
    )]
    Heartbeat {
        /// Of the payload, in bytes.
        len: usize,
        /// Its channel.
        channel: u16,
    },
    /// There is no such method.
    #[error("there is no such method")]
    UnknownMethod,
    /// The method is for the other side to send.
    #[error("a {from} does not send it")]
    WrongSide {
        /// Who sent it.
        from: Side,
    },
    /// The payload ends within a field.
    #[error("the field '{field}' needs {needed} bytes, {left} are left")]
    Truncated {
        /// Which.
        field: &'static str,
        /// In bytes.
        needed: usize,
        /// In bytes.
        left: usize,
    },
    /// Something stands behind the last field.
    #[error("{count} bytes stand behind its last field")]
    Trailing {
        /// In bytes.
        count: usize,
    },
    /// A short string is not UTF-8.
    #[error("the field '{field}' is '{value}', which is not UTF-8")]
    NotUtf8 {
        /// Which.
        field: &'static str,
        /// What it is.
        value: Excerpt,
    },
    /// A table cannot be read.
    #[error("the table '{field}' {problem}")]
    Table {
        /// Which.
        field: &'static str,
        /// Why.
        problem: TableProblem,
    },
    /// The content's class has no contents.
    #[error("a content header is of class {0}, but only 60 has contents")]
    ContentClass(u16),
    /// The content's weight is not 0.
    #[error("a content header has the weight {0}, but must have 0")]
    ContentWeight(u16),
    /// The flags of the properties have a bit that means nothing.
    #[error("the property flags {0:#018b} have bits that mean nothing")]
    PropertyFlags(u16),
}

impl Problem {
    /// The code that `connection.close` tells.
    #[must_use]
    pub const fn reply_code(&self) -> ReplyCode {
        match self {
            Self::UnknownFrame(_)
            | Self::FrameTooLarge { .. }
            | Self::FrameEnd { .. }
            | Self::Heartbeat { .. }
            | Self::Truncated { .. }
            | Self::Trailing { .. }
            | Self::NotUtf8 { .. } => ReplyCode::FrameError,
            Self::UnknownMethod => ReplyCode::NotImplemented,
            Self::WrongSide { .. } => ReplyCode::CommandInvalid,
            Self::Table { .. } | Self::ContentWeight(_) | Self::PropertyFlags(_) => {
                ReplyCode::SyntaxError
            }
            Self::ContentClass(_) => ReplyCode::UnexpectedFrame,
        }
    }
}

/// Why bytes are no table, or no array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableProblem {
    /// A value is of no known type.
    #[error("has a value of the unknown type {tag:#04x} at byte {at}")]
    UnknownType {
        /// The type.
        tag: u8,
        /// Where it stands.
        at: usize,
    },
    /// A name or a value is longer than what it stands in.
    #[error("ends within what begins at byte {at}")]
    Truncated {
        /// Where that begins.
        at: usize,
    },
    /// Tables and arrays stand within each other too deep.
    #[error("has tables and arrays within each other deeper than {NESTING_MAX} at byte {at}")]
    TooDeep {
        /// Where the first that is too deep begins.
        at: usize,
    },
}
