//! Signals of the system, which are the program's and not for the library's own threads.
//!
//! A thread has the mask of the one that starts it. Those that do I/O take none: no handler runs on them, a call of the
//! program that waits is interrupted, and a peer that is gone is an error and not a `SIGPIPE`, which would end the program.

use std::mem::MaybeUninit;

/// While it is there, this thread and those that it starts take no signals.
pub(crate) struct Masked(libc::sigset_t);

impl Masked {
    pub(crate) fn new() -> Self {
        let (mut all, mut before) = (MaybeUninit::uninit(), MaybeUninit::zeroed());
        // SAFETY: both sets are there for the calls; the first fills one, the second reads it and writes the other.
        unsafe {
            libc::sigfillset(all.as_mut_ptr());
            libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
            Self(before.assume_init())
        }
    }
}

impl Drop for Masked {
    fn drop(&mut self) {
        // SAFETY: the set is the one that this thread had.
        unsafe {
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.0, std::ptr::null_mut())
        };
    }
}
