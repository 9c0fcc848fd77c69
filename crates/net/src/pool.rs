//! Buffers that a thread's connections lend each other, so that an idle one holds none.

use broker_api::Submission;
use bytes::BytesMut;
use std::cell::{Cell, RefCell};

/// The least capacity of a lent buffer, in bytes.
pub(crate) const BUFFER_BYTES_MIN: usize = 64 * 1024;

/// A larger buffer goes back to the allocator.
const BUFFER_BYTES_MAX: usize = 512 * 1024;

/// Buffers a thread keeps. A connection that is being polled holds two; those that wait hold none.
const BUFFERS_MAX: usize = 4;

/// A longer list of commands goes back to the allocator.
const COMMANDS_MAX: usize = 8 * 1024;

thread_local! {
    static BUFFERS: RefCell<Vec<BytesMut>> = const { RefCell::new(Vec::new()) };
    static COMMANDS: Cell<Vec<Submission>> = const { Cell::new(Vec::new()) };
}

/// An empty buffer with at least [`BUFFER_BYTES_MIN`] of room.
pub(crate) fn take_buffer() -> BytesMut {
    BUFFERS
        .with_borrow_mut(Vec::pop)
        .unwrap_or_else(|| BytesMut::with_capacity(BUFFER_BYTES_MIN))
}

/// Takes a buffer back, whatever is in it. One that somebody still refers to is let go.
pub(crate) fn give_buffer(mut buffer: BytesMut) {
    buffer.clear();
    if !buffer.try_reclaim(BUFFER_BYTES_MIN) || buffer.capacity() > BUFFER_BYTES_MAX {
        return;
    }
    BUFFERS.with_borrow_mut(|buffers| {
        if buffers.len() < BUFFERS_MAX {
            buffers.push(buffer);
        }
    });
}

/// An empty list of commands, perhaps with room.
pub(crate) fn take_commands() -> Vec<Submission> {
    COMMANDS.take()
}

/// Takes an empty list of commands back.
pub(crate) fn give_commands(commands: Vec<Submission>) {
    if commands.is_empty() && commands.capacity() <= COMMANDS_MAX {
        COMMANDS.set(commands);
    }
}
