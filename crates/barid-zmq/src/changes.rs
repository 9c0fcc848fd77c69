//! Being told that a socket has changed.

use crate::gate::Interest;
use crate::hub::Hub;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Tells when something about a socket may have changed: messages have come, there is room again, peers came or went.
///
/// It tells too often rather than too seldom, but only what happens to the socket, not what its user does. To wait until
/// something can be done: poll this until it is pending, then try; if that is in vain, the waker is called when to try
/// again.
pub struct Changes {
    hub: Arc<Hub>,
    key: Option<u64>,
    /// How many signals there were when it was ready last.
    seen: u64,
}

impl Changes {
    pub(crate) fn new(hub: &Arc<Hub>) -> Self {
        Self {
            hub: Arc::clone(hub),
            key: None,
            seen: hub.gate.count(),
        }
    }

    /// Ready if something may have changed since it was ready last, or since it was made. Otherwise the waker is called,
    /// once, when something does; it is called by whoever changes it, on the I/O threads as well, and must not block.
    /// Always ready when the socket is closed.
    pub fn poll(&mut self, cx: &Context<'_>) -> Poll<()> {
        let gate = &self.hub.gate;
        if gate.wait(Interest::Change, &mut self.key, cx.waker(), self.seen) {
            return Poll::Pending;
        }
        self.seen = gate.count();
        Poll::Ready(())
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.hub.gate.forget(Interest::Change, key);
        }
    }
}

impl fmt::Debug for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Changes").finish_non_exhaustive()
    }
}
