//! 45/ZWS 2.0: each frame is one binary message of a WebSocket, whose first octet tells what it is.
//!
//! [`Inbound`] and [`Outbound`] stand between a WebSocket, once it is open, and a [`Connection`](crate::Connection), which
//! speaks as over TCP.

mod inbound;
mod outbound;
mod websocket;

pub use inbound::{Control, Inbound};
pub use outbound::Outbound;
pub use websocket::{Side, WebSocketError};

use crate::frame::{Frame, FrameKind};
use bytes::{BufMut as _, BytesMut};

/// The sub-protocol without a mechanism: the first message of each side is its identity.
pub const PROTOCOL: &str = "ZWS2.0";
/// The sub-protocol with NULL.
pub const PROTOCOL_NULL: &str = "ZWS2.0/NULL";
/// The sub-protocol with PLAIN.
pub const PROTOCOL_PLAIN: &str = "ZWS2.0/PLAIN";
/// The sub-protocol with CURVE. It is not in the text, but libzmq has it.
pub const PROTOCOL_CURVE: &str = "ZWS2.0/CURVE";

/// The first octet of a message.
#[must_use]
pub const fn octet(kind: FrameKind) -> u8 {
    match kind {
        FrameKind::Last => 0,
        FrameKind::More => 1,
        FrameKind::Command => 2,
    }
}

/// What a binary message is; nothing if it is none of ZWS.
#[must_use]
pub fn read(message: &[u8]) -> Option<(FrameKind, &[u8])> {
    let (octet, body) = message.split_first()?;
    let kind = match octet {
        0 => FrameKind::Last,
        1 => FrameKind::More,
        2 => FrameKind::Command,
        _ => return None,
    };
    Some((kind, body))
}

/// Writes a binary message with a frame of a message.
pub fn put_frame(out: &mut BytesMut, frame: Frame<'_>) {
    let kind = if frame.more {
        FrameKind::More
    } else {
        FrameKind::Last
    };
    out.reserve(1 + frame.body.len());
    out.put_u8(octet(kind));
    out.put_slice(frame.body);
}

/// Writes a binary message with a command.
pub fn put_command(out: &mut BytesMut, command: &crate::Command<'_>) {
    command.with_pieces(|pieces| {
        out.put_u8(octet(FrameKind::Command));
        for piece in pieces {
            out.put_slice(piece);
        }
    });
}
