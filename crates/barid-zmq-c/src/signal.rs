//! A descriptor that is readable when something has happened: what threads sleep on, and what `ZMQ_FD` is.

use crate::errno::{Errno, Result};
use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Once};
use std::task::Wake;
use std::time::{Duration, Instant};

pub(crate) struct Signal {
    fd: OwnedFd,
    /// It may be readable: who lowers one that is not asks the system for nothing.
    is_raised: AtomicBool,
    process: Process,
}

/// A process that something belongs to. A child that it forks has none of its threads, and what these have locked stays so.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Process(u32);

/// How many forks lie between this process and the one that has loaded the library.
static FORKS: AtomicU32 = AtomicU32::new(0);

impl Process {
    pub(crate) fn this() -> Self {
        static IS_COUNTED: Once = Once::new();
        IS_COUNTED.call_once(|| {
            // SAFETY: what is called in each child does no more than count. Without memory for it nothing is counted.
            unsafe { libc::pthread_atfork(None, None, Some(count_fork)) };
        });
        Self(FORKS.load(Ordering::Relaxed))
    }

    /// Whether this is a child of it.
    #[inline]
    pub(crate) fn has_forked(self) -> bool {
        self.0 != FORKS.load(Ordering::Relaxed)
    }
}

extern "C" fn count_fork() {
    FORKS.fetch_add(1, Ordering::Relaxed);
}

impl Signal {
    pub(crate) fn new() -> Result<Self> {
        // SAFETY: no memory is handed over.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if fd < 0 {
            return Err(io::Error::last_os_error().into());
        }
        // SAFETY: the descriptor is new, and nobody else's.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        Ok(Self {
            fd,
            is_raised: AtomicBool::new(false),
            process: Process::this(),
        })
    }

    pub(crate) fn fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    /// Makes it readable.
    pub(crate) fn raise(&self) {
        let one = 1_u64;
        // Said before, for who lowers it meanwhile and is not to find it readable for ever, and after, since that one may
        // have been too early.
        self.is_raised.store(true, Ordering::Release);
        // SAFETY: eight octets are there to be read. That it is readable already is no error that matters.
        unsafe { libc::write(self.fd(), (&raw const one).cast(), 8) };
        self.is_raised.store(true, Ordering::Release);
    }

    /// Makes it not readable. What it was raised for is to be looked at after that.
    pub(crate) fn lower(&self) {
        if !self.is_raised.swap(false, Ordering::AcqRel) {
            return;
        }
        let mut count = 0_u64;
        // SAFETY: there is room for eight octets. That it is not readable is no error that matters.
        unsafe { libc::read(self.fd(), (&raw mut count).cast(), 8) };
    }

    /// Waits until it is readable.
    ///
    /// # Errors
    /// `EAGAIN` at the deadline, `EINTR` when a signal of the system came, and at once in a child of the process: nobody
    /// is there who would raise it.
    pub(crate) fn wait(&self, deadline: Deadline) -> Result<()> {
        if self.process.has_forked() {
            return Err(Errno::EINTR);
        }
        let mut polled = [readable(self.fd())];
        if poll(&mut polled, deadline)? == 0 {
            return Err(Errno::EAGAIN);
        }
        Ok(())
    }
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.raise();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.raise();
    }
}

/// Until when something is waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Deadline {
    Now,
    At(Instant),
    Never,
}

impl Deadline {
    /// In so many milliseconds; a negative number is never.
    #[expect(clippy::disallowed_methods, reason = "a thread waits by the clock")]
    pub(crate) fn after_ms(ms: i64) -> Self {
        match u64::try_from(ms) {
            Ok(0) => Self::Now,
            Ok(ms) => Instant::now()
                .checked_add(Duration::from_millis(ms))
                .map_or(Self::Never, Self::At),
            Err(_) => Self::Never,
        }
    }

    pub(crate) const fn is_now(self) -> bool {
        matches!(self, Self::Now)
    }

    #[expect(clippy::disallowed_methods, reason = "a thread waits by the clock")]
    fn left(self) -> Option<Duration> {
        match self {
            Self::Now => Some(Duration::ZERO),
            Self::At(at) => Some(at.saturating_duration_since(Instant::now())),
            Self::Never => None,
        }
    }
}

pub(crate) const fn readable(fd: RawFd) -> libc::pollfd {
    libc::pollfd {
        fd,
        events: libc::POLLIN,
        revents: 0,
    }
}

/// Waits for one of several descriptors; returns how many have something.
pub(crate) fn poll(polled: &mut [libc::pollfd], deadline: Deadline) -> Result<usize> {
    let left = deadline.left().map(|left| libc::timespec {
        tv_sec: libc::time_t::try_from(left.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: left.subsec_nanos().into(),
    });
    let timeout = left.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    let count = libc::nfds_t::try_from(polled.len()).map_err(|_| Errno::EINVAL)?;
    // SAFETY: the descriptors and the time are there for the call, and as many as is said.
    let found = unsafe { libc::ppoll(polled.as_mut_ptr(), count, timeout, std::ptr::null()) };
    usize::try_from(found).map_err(|_| Errno(Errno::last()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn it_is_readable_from_when_it_is_raised_until_it_is_lowered() {
        let signal = Signal::new().unwrap();
        for _ in 0..3 {
            assert_eq!(signal.wait(Deadline::Now), Err(Errno::EAGAIN));
            signal.raise();
            signal.raise();
            assert_eq!(signal.wait(Deadline::Now), Ok(()));
            signal.lower();
            signal.lower();
        }
    }

    #[test]
    fn one_that_is_lowered_while_it_is_raised_is_not_readable_for_ever() {
        let signal = Signal::new().unwrap();
        for _ in 0..200 {
            thread::scope(|scope| {
                let raising = scope.spawn(|| signal.raise());
                while !raising.is_finished() {
                    signal.lower();
                }
            });
            signal.lower();
            assert_eq!(signal.wait(Deadline::Now), Err(Errno::EAGAIN));
        }
    }
}
