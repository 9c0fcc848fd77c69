//! What a client of a run speaks. The clients know the frames of STOMP only; one that speaks AMQP has them put into
//! AMQP's methods, and what comes back into frames.

mod amqp;
mod echo;
mod publishing;
mod reading;

use crate::world::Wire;
pub use amqp::Amqp;
use client::{Frame, Version};

/// A client's end of its wire.
pub enum Line {
    /// STOMP 1.2.
    Stomp(Box<Wire>),
    /// AMQP 0-9-1.
    Amqp(Box<Amqp>),
}

impl Line {
    /// The client sends a frame.
    pub fn push(&mut self, frame: &Frame) {
        match self {
            Self::Stomp(wire) => {
                let mut bytes = Vec::new();
                frame.encode(Version::V1_2, &mut bytes);
                wire.push(&bytes);
            }
            Self::Amqp(amqp) => amqp.push(frame),
        }
    }

    /// The next frame that has come.
    ///
    /// # Panics
    /// When the broker has sent what is none, or what AMQP does not allow it.
    pub fn read(&mut self) -> Option<Frame> {
        match self {
            Self::Stomp(wire) => {
                let decoded = Frame::decode(Version::V1_2, &wire.to_client);
                let (frame, used) = decoded.expect("the broker sends frames")?;
                wire.to_client.drain(..used);
                Some(frame)
            }
            Self::Amqp(amqp) => amqp.read(),
        }
    }

    /// The wire.
    #[must_use]
    pub const fn wire(&self) -> &Wire {
        match self {
            Self::Stomp(wire) => wire,
            Self::Amqp(amqp) => &amqp.wire,
        }
    }

    /// The wire.
    pub const fn wire_mut(&mut self) -> &mut Wire {
        match self {
            Self::Stomp(wire) => wire,
            Self::Amqp(amqp) => &mut amqp.wire,
        }
    }

    /// Whether it is AMQP.
    #[must_use]
    pub const fn is_amqp(&self) -> bool {
        matches!(self, Self::Amqp(_))
    }

    /// Whether it can be asked for the receipt of a settlement: AMQP has none but that of a transaction.
    #[must_use]
    pub fn confirms_settlements(&self) -> bool {
        match self {
            Self::Stomp(_) => true,
            Self::Amqp(amqp) => amqp.confirms_settlements(),
        }
    }
}

/// A frame with the receipt of something.
fn receipt(id: &str) -> Frame {
    Frame::new("RECEIPT", &[("receipt-id", id)])
}
