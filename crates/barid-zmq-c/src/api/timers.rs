//! Timers, which the program looks after itself.

use crate::errno::{Errno, Result, call};
use crate::handle::{Handle, handled};
use parking_lot::Mutex;
use std::ffi::{c_int, c_long, c_void};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// `zmq_timer_fn`
pub(crate) type TimerFn = unsafe extern "C" fn(id: c_int, argument: *mut c_void);

#[derive(Clone, Copy)]
struct Timer {
    id: c_int,
    due: Instant,
    interval: Duration,
    function: TimerFn,
    argument: *mut c_void,
}

// SAFETY: the argument goes back to the program's own function, by the thread that asks for that.
unsafe impl Send for Timer {}

#[derive(Default)]
struct State {
    timers: Vec<Timer>,
    last_id: c_int,
}

#[derive(Default)]
struct Timers(Mutex<State>);

handled!(Timers, 0x6261_7274);

#[expect(clippy::disallowed_methods, reason = "timers go by the clock")]
fn now() -> Instant {
    Instant::now()
}

/// After so many milliseconds; what cannot be reckoned never comes.
fn due(interval: Duration) -> Instant {
    let now = now();
    now.checked_add(interval)
        .unwrap_or_else(|| now + Duration::from_secs(1 << 32))
}

/// # Safety
/// As that of [`Handle::get`].
unsafe fn timers(pointer: *mut c_void) -> Result<Arc<Timers>> {
    // SAFETY: the caller's.
    unsafe { Handle::get(pointer) }.ok_or(Errno::EFAULT)
}

impl Timers {
    fn change(&self, id: c_int, change: impl FnOnce(&mut Timer)) -> Result<()> {
        let mut state = self.0.lock();
        let timer = state.timers.iter_mut().find(|timer| timer.id == id);
        timer.map(change).ok_or(Errno::EINVAL)
    }
}

fn millis(interval: usize) -> Duration {
    Duration::from_millis(u64::try_from(interval).unwrap_or(u64::MAX))
}

/// `zmq_timers_new`
#[unsafe(no_mangle)]
pub(crate) extern "C" fn zmq_timers_new() -> *mut c_void {
    call(|| Ok(Handle::give(Arc::new(Timers::default()))))
}

/// `zmq_timers_destroy`
///
/// # Safety
/// The pointer is to one that `zmq_timers_new` gave, or null.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_timers_destroy(place: *mut *mut c_void) -> c_int {
    call(|| {
        if place.is_null() {
            return Err(Errno::EFAULT);
        }
        // SAFETY: the caller's.
        let taken: Option<Arc<Timers>> = unsafe { Handle::take(*place) };
        let timers = taken.ok_or(Errno::EFAULT)?;
        // A function of one may do this: then none of the others is called.
        timers.0.lock().timers.clear();
        // SAFETY: it is not null, and the caller's.
        unsafe { place.write(std::ptr::null_mut()) };
        Ok(0)
    })
}

/// `zmq_timers_add`
///
/// # Safety
/// The pointer is one that `zmq_timers_new` gave; the function may be called with the argument.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_timers_add(
    pointer: *mut c_void,
    interval: usize,
    function: Option<TimerFn>,
    argument: *mut c_void,
) -> c_int {
    call(|| {
        // SAFETY: the caller's.
        let timers = unsafe { timers(pointer) }?;
        let function = function.ok_or(Errno::EFAULT)?;
        let interval = millis(interval);
        let mut state = timers.0.lock();
        state.last_id = state.last_id.wrapping_add(1).max(1);
        let id = state.last_id;
        state.timers.push(Timer {
            id,
            due: due(interval),
            interval,
            function,
            argument,
        });
        Ok(id)
    })
}

/// `zmq_timers_cancel`
///
/// # Safety
/// The pointer is one that `zmq_timers_new` gave.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_timers_cancel(pointer: *mut c_void, id: c_int) -> c_int {
    call(|| {
        // SAFETY: the caller's.
        let timers = unsafe { timers(pointer) }?;
        let mut state = timers.0.lock();
        let found = state.timers.iter().position(|timer| timer.id == id);
        state.timers.remove(found.ok_or(Errno::EINVAL)?);
        Ok(0)
    })
}

/// `zmq_timers_set_interval`
///
/// # Safety
/// As that of [`zmq_timers_cancel`].
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_timers_set_interval(
    pointer: *mut c_void,
    id: c_int,
    interval: usize,
) -> c_int {
    call(|| {
        // SAFETY: the caller's.
        unsafe { timers(pointer) }?.change(id, |timer| {
            timer.interval = millis(interval);
            timer.due = due(timer.interval);
        })?;
        Ok(0)
    })
}

/// `zmq_timers_reset`
///
/// # Safety
/// As that of [`zmq_timers_cancel`].
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_timers_reset(pointer: *mut c_void, id: c_int) -> c_int {
    call(|| {
        // SAFETY: the caller's.
        unsafe { timers(pointer) }?.change(id, |timer| timer.due = due(timer.interval))?;
        Ok(0)
    })
}

/// `zmq_timers_timeout`: milliseconds until the next is due, or -1 if there is none.
///
/// # Safety
/// As that of [`zmq_timers_cancel`].
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_timers_timeout(pointer: *mut c_void) -> c_long {
    call(|| {
        // SAFETY: the caller's.
        let timers = unsafe { timers(pointer) }?;
        let next = timers.0.lock().timers.iter().map(|timer| timer.due).min();
        let Some(next) = next else {
            return Ok(-1);
        };
        // Not less than a millisecond too late rather than one too early.
        let left = next
            .saturating_duration_since(now())
            .as_micros()
            .div_ceil(1000);
        Ok(c_long::try_from(left).unwrap_or(c_long::MAX))
    })
}

/// `zmq_timers_execute`: calls the functions of those that are due.
///
/// # Safety
/// As that of [`zmq_timers_cancel`].
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_timers_execute(pointer: *mut c_void) -> c_int {
    call(|| {
        // SAFETY: the caller's.
        let timers = unsafe { timers(pointer) }?;
        let now = now();
        let mut state = timers.0.lock();
        state.timers.sort_by_key(|timer| timer.due);
        let mut called = Vec::new();
        for timer in state.timers.iter_mut().filter(|timer| timer.due <= now) {
            called.push(*timer);
            timer.due = due(timer.interval);
        }
        drop(state);
        for timer in called {
            // Another one may have canceled it, and what its argument points to may be gone.
            let is_there = timers.0.lock().timers.iter().any(|it| it.id == timer.id);
            if !is_there {
                continue;
            }
            // SAFETY: the caller's of `zmq_timers_add`. Nothing is locked: it may change the timers.
            unsafe { (timer.function)(timer.id, timer.argument) };
        }
        Ok(0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

    static TIMERS: AtomicPtr<c_void> = AtomicPtr::new(std::ptr::null_mut());
    static CALLS: AtomicUsize = AtomicUsize::new(0);

    unsafe extern "C" fn destroy(_id: c_int, _argument: *mut c_void) {
        CALLS.fetch_add(1, Ordering::SeqCst);
        let mut pointer = TIMERS.load(Ordering::SeqCst);
        // SAFETY: the pointer is what `zmq_timers_new` gave.
        assert_eq!(unsafe { zmq_timers_destroy(&raw mut pointer) }, 0);
    }

    #[test]
    fn a_function_may_end_them_all() {
        let pointer = zmq_timers_new();
        TIMERS.store(pointer, Ordering::SeqCst);
        // SAFETY: the pointer is what `zmq_timers_new` gave; the function takes any argument.
        unsafe {
            for _ in 0..3 {
                zmq_timers_add(pointer, 0, Some(destroy), std::ptr::null_mut());
            }
            assert_eq!(zmq_timers_execute(pointer), 0);
            assert_eq!(CALLS.load(Ordering::SeqCst), 1);
            assert_eq!(zmq_timers_execute(pointer), -1);
        }
    }
}
