//! Whether publishes to shared queues wait, and who has been told.

use crate::outbox::Outbox;
use broker_api::{BlockCause, Event};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

const NOT: u8 = 0;
const MEMORY: u8 = 1;
const DISK: u8 = 2;

/// Why publishes to shared queues of a node wait, if they do; and the connections that published meanwhile,
/// which are told, and told again when they go on.
#[derive(Default)]
pub(crate) struct Blocked {
    cause: AtomicU8,
    told: Mutex<Vec<Arc<Outbox>>>,
}

impl Blocked {
    /// Why publishes wait.
    pub(crate) fn cause(&self) -> Option<BlockCause> {
        match self.cause.load(Ordering::Acquire) {
            MEMORY => Some(BlockCause::Memory),
            DISK => Some(BlockCause::Disk),
            _ => None,
        }
    }

    /// Publishes wait for this from now on, or for nothing. Returns whether they do and did not before.
    pub(crate) fn set(&self, cause: Option<BlockCause>) -> bool {
        if self.cause() == cause {
            return false;
        }
        let number = match cause {
            None => NOT,
            Some(BlockCause::Memory) => MEMORY,
            Some(BlockCause::Disk) => DISK,
        };
        let mut told = self.told.lock();
        let before = self.cause.swap(number, Ordering::AcqRel);
        if cause.is_some() {
            return before == NOT;
        }
        let told = std::mem::take(&mut *told);
        for outbox in told {
            if outbox.set_blocked(false) {
                outbox.push(&mut vec![Event::Unblocked]);
            }
        }
        false
    }

    /// A connection has published to a shared queue: it is told if that waits, once.
    pub(crate) fn tell(&self, outbox: &Arc<Outbox>) {
        if self.cause().is_none() {
            return;
        }
        let mut told = self.told.lock();
        // It may have ended before the lock was there.
        if let Some(cause) = self.cause()
            && !outbox.set_blocked(true)
        {
            told.push(Arc::clone(outbox));
            outbox.push(&mut vec![Event::Blocked(cause)]);
        }
    }

    /// A connection has ended.
    pub(crate) fn forget(&self, outbox: &Arc<Outbox>) {
        if outbox.set_blocked(false) {
            self.told.lock().retain(|told| !Arc::ptr_eq(told, outbox));
        }
    }
}
