//! Small tools of the interface that have nothing to do with sockets.

use crate::mask::Masked;
use std::ffi::{c_int, c_ulong, c_void};
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// # Safety
/// The pointer is one that [`zmq_atomic_counter_new`] gave.
unsafe fn counter<'a>(pointer: *mut c_void) -> &'a AtomicI32 {
    // SAFETY: the caller's.
    unsafe { &*pointer.cast::<AtomicI32>() }
}

/// `zmq_atomic_counter_new`
#[unsafe(no_mangle)]
pub(crate) extern "C" fn zmq_atomic_counter_new() -> *mut c_void {
    Box::into_raw(Box::new(AtomicI32::new(0))).cast()
}

/// `zmq_atomic_counter_set`
///
/// # Safety
/// The pointer is one that `zmq_atomic_counter_new` gave.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_atomic_counter_set(pointer: *mut c_void, value: c_int) {
    // SAFETY: the caller's.
    unsafe { counter(pointer) }.store(value, Ordering::SeqCst);
}

/// `zmq_atomic_counter_inc`: what it was.
///
/// # Safety
/// As that of [`zmq_atomic_counter_set`].
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_atomic_counter_inc(pointer: *mut c_void) -> c_int {
    // SAFETY: the caller's.
    unsafe { counter(pointer) }.fetch_add(1, Ordering::SeqCst)
}

/// `zmq_atomic_counter_dec`: 0 if it is 0 now, 1 otherwise.
///
/// # Safety
/// As that of [`zmq_atomic_counter_set`].
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_atomic_counter_dec(pointer: *mut c_void) -> c_int {
    // SAFETY: the caller's.
    let before = unsafe { counter(pointer) }.fetch_sub(1, Ordering::SeqCst);
    (before != 1).into()
}

/// `zmq_atomic_counter_value`
///
/// # Safety
/// As that of [`zmq_atomic_counter_set`].
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_atomic_counter_value(pointer: *mut c_void) -> c_int {
    // SAFETY: the caller's.
    unsafe { counter(pointer) }.load(Ordering::SeqCst)
}

/// `zmq_atomic_counter_destroy`
///
/// # Safety
/// The pointer is to one that `zmq_atomic_counter_new` gave, or null.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_atomic_counter_destroy(place: *mut *mut c_void) {
    // SAFETY: the caller's.
    unsafe { destroy::<AtomicI32>(place) };
}

/// Frees what a place points to, and makes it null.
///
/// # Safety
/// The place is null, or has null or what a box of the type was turned into.
unsafe fn destroy<T>(place: *mut *mut c_void) {
    if place.is_null() {
        return;
    }
    // SAFETY: it is not null, and the caller's.
    let pointer = unsafe { place.replace(std::ptr::null_mut()) };
    if !pointer.is_null() {
        // SAFETY: the caller's.
        drop(unsafe { Box::from_raw(pointer.cast::<T>()) });
    }
}

/// `zmq_stopwatch_start`
#[unsafe(no_mangle)]
#[expect(clippy::disallowed_methods, reason = "it is what a stopwatch is for")]
pub(crate) extern "C" fn zmq_stopwatch_start() -> *mut c_void {
    Box::into_raw(Box::new(Instant::now())).cast()
}

/// `zmq_stopwatch_intermediate`: microseconds.
///
/// # Safety
/// The pointer is one that `zmq_stopwatch_start` gave, or null.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_stopwatch_intermediate(pointer: *mut c_void) -> c_ulong {
    if pointer.is_null() {
        return 0;
    }
    // SAFETY: the caller's.
    let elapsed = unsafe { &*pointer.cast::<Instant>() }.elapsed();
    c_ulong::try_from(elapsed.as_micros()).unwrap_or(c_ulong::MAX)
}

/// `zmq_stopwatch_stop`: microseconds. It is no stopwatch any more.
///
/// # Safety
/// As that of [`zmq_stopwatch_intermediate`].
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_stopwatch_stop(mut pointer: *mut c_void) -> c_ulong {
    // SAFETY: the caller's.
    unsafe {
        let elapsed = zmq_stopwatch_intermediate(pointer);
        destroy::<Instant>(&raw mut pointer);
        elapsed
    }
}

/// `zmq_sleep`
#[unsafe(no_mangle)]
#[expect(clippy::disallowed_methods, reason = "it is what the function is for")]
pub(crate) extern "C" fn zmq_sleep(seconds: c_int) {
    thread::sleep(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)));
}

/// `zmq_thread_fn`
pub(crate) type ThreadFn = unsafe extern "C" fn(argument: *mut c_void);

/// A thread's argument, which the program has handed over to it.
struct Argument(*mut c_void);

// SAFETY: it is the program that says what it is, and that another thread may have it.
unsafe impl Send for Argument {}

impl Argument {
    /// The whole goes to the thread, not only the pointer in it.
    const fn get(self) -> *mut c_void {
        self.0
    }
}

/// `zmq_threadstart`: the thread takes no signals of the system.
///
/// # Safety
/// The function may be called with the argument by another thread.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_threadstart(
    function: Option<ThreadFn>,
    argument: *mut c_void,
) -> *mut c_void {
    let Some(function) = function else {
        return std::ptr::null_mut();
    };
    let argument = Argument(argument);
    let _masked = Masked::new();
    let spawned = thread::Builder::new().spawn(move || {
        let argument = argument.get();
        // SAFETY: the caller's.
        unsafe { function(argument) };
    });
    match spawned {
        Ok(thread) => Box::into_raw(Box::new(thread)).cast(),
        Err(_) => std::ptr::null_mut(),
    }
}

/// `zmq_threadclose`: waits for its end.
///
/// # Safety
/// The pointer is one that `zmq_threadstart` gave, or null.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_threadclose(pointer: *mut c_void) {
    if pointer.is_null() {
        return;
    }
    // SAFETY: the caller's.
    let thread = unsafe { Box::from_raw(pointer.cast::<JoinHandle<()>>()) };
    // How it ended is its own matter.
    let _end = thread.join();
}
