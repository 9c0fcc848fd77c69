//! What goes over the wire: frames of four types.
//!
//! ```text
//!  0      1         3             7                  size+7
//!  ┌──────┬─────────┬─────────────┬──────────────────┬──────┐
//!  │ type │ channel │    size     │ payload, size B  │ 0xCE │
//!  └──────┴─────────┴─────────────┴──────────────────┴──────┘
//! ```

use crate::read::Reader;
use crate::violation::Problem;
use crate::{Method, Properties, basic};

/// The octet that every frame ends with. §4.2.3
pub const FRAME_END: u8 = 0xce;

/// Bytes that a frame has beside its payload.
pub const FRAME_OVERHEAD_BYTES: usize = 8;

/// The type of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum FrameKind {
    Method = 1,
    Header = 2,
    Body = 3,
    Heartbeat = 8,
}

impl FrameKind {
    #[inline]
    pub(crate) const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Method),
            2 => Some(Self::Header),
            3 => Some(Self::Body),
            8 => Some(Self::Heartbeat),
            _ => None,
        }
    }
}

/// A frame, read in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Which channel it belongs to; 0 is the connection's.
    pub channel: u16,
    /// What it says.
    pub payload: Payload<'a>,
}

/// What a frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload<'a> {
    /// A method.
    Method(Method<'a>),
    /// The header of the content that follows a method.
    Header(ContentHeader<'a>),
    /// A piece of a content's body.
    Body(&'a [u8]),
    /// A sign of life.
    Heartbeat,
}

/// What comes before the body of a content. Its class is always `basic`, the only one that has contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentHeader<'a> {
    /// Bytes of the body, in all frames together.
    pub body_len: u64,
    /// What is said of it.
    pub properties: Properties<'a>,
}

impl<'a> ContentHeader<'a> {
    #[inline]
    pub(crate) fn read(payload: &'a [u8]) -> Result<Self, Problem> {
        let mut reader = Reader::new(payload);
        let class_id = reader.short("class-id")?;
        if class_id != basic::CLASS_ID {
            return Err(Problem::ContentClass(class_id));
        }
        match reader.short("weight")? {
            0 => {}
            weight => return Err(Problem::ContentWeight(weight)),
        }
        let body_len = reader.longlong("body-size")?;
        let properties = Properties::read(&mut reader)?;
        reader.finish()?;
        Ok(Self {
            body_len,
            properties,
        })
    }
}
