//! The lock of a socket, for the shortest of times.
//!
//! A socket has one user at a time, as the interface asks for. So the lock is there for programs that break that, and for
//! whoever closes a socket under another one's hands: to take it is one exchange, to give it back one store, and who
//! finds it taken tries again, and sleeps between if that takes long.

use std::hint;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// Attempts in a row, and then with other threads in between, before it is slept.
const LOOKS: u32 = 100;
const YIELDS: u32 = 20;
const SLEEP: Duration = Duration::from_micros(50);

#[derive(Default)]
pub(crate) struct Lock {
    is_held: AtomicBool,
}

impl Lock {
    pub(crate) const fn new() -> Self {
        Self {
            is_held: AtomicBool::new(false),
        }
    }

    /// Takes it, once nobody has it. To be given back by [`Self::release`].
    #[inline]
    pub(crate) fn acquire(&self) {
        if self.is_held.swap(true, Ordering::Acquire) {
            self.wait();
        }
    }

    #[cold]
    #[expect(
        clippy::disallowed_methods,
        reason = "whoever has the lock tells nobody when it is given back"
    )]
    fn wait(&self) {
        let mut attempts = 0_u32;
        loop {
            if !self.is_held.load(Ordering::Relaxed) && !self.is_held.swap(true, Ordering::Acquire)
            {
                return;
            }
            attempts = attempts.saturating_add(1);
            if attempts < LOOKS {
                hint::spin_loop();
            } else if attempts < LOOKS + YIELDS {
                thread::yield_now();
            } else {
                thread::sleep(SLEEP);
            }
        }
    }

    /// Gives it back. Only by who has it.
    #[inline]
    pub(crate) fn release(&self) {
        self.is_held.store(false, Ordering::Release);
    }
}
