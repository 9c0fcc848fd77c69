//! What a session puts out.

use crate::{Submission, Wire};

/// What a session puts out: bytes for the peer, commands for the broker, the wish to close.
///
/// Reused from call to call, so that a busy connection allocates nothing for it.
#[derive(Debug, Default)]
pub struct Out {
    /// Bytes for the peer, in order.
    pub wire: Wire,
    /// Commands for the broker, in order.
    pub commands: Vec<Submission>,
    barrier: bool,
    close: bool,
}

impl Out {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sends a command to the broker.
    pub fn submit(&mut self, submission: Submission) {
        self.commands.push(submission);
    }

    /// Sends a command and stops parsing until the session has handled its answer and called
    /// [`release_barrier`](Self::release_barrier): for a command that the input behind it relies on.
    pub fn barrier(&mut self, submission: Submission) {
        self.commands.push(submission);
        self.barrier = true;
    }

    /// Stops parsing likewise, for what comes of a command that was sent before.
    pub fn hold(&mut self) {
        self.barrier = true;
    }

    /// Asks for the connection to be closed once the bytes written so far are sent. No input is
    /// parsed after it.
    pub fn close(&mut self) {
        self.close = true;
    }

    /// Whether parsing must stop here: a barrier was set, or the connection is to be closed.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.barrier || self.close
    }

    /// Whether the session asked to close.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.close
    }

    /// Takes the barrier away: the session has handled the answer it waited for.
    pub fn release_barrier(&mut self) {
        self.barrier = false;
    }
}
