//! Contexts, errors, versions.

use crate::context::Context;
use crate::errno::{Errno, Result, call};
use crate::handle::Handle;
use std::ffi::{c_char, c_int, c_void};
use std::sync::Arc;

/// The version of libzmq whose interface this is.
const VERSION: [c_int; 3] = [4, 3, 5];

/// # Safety
/// As that of [`Handle::get`].
unsafe fn context(pointer: *mut c_void) -> Result<Arc<Context>> {
    // SAFETY: the caller's.
    unsafe { Handle::get(pointer) }.ok_or(Errno::EFAULT)
}

/// `zmq_errno`
#[unsafe(no_mangle)]
pub(crate) extern "C" fn zmq_errno() -> c_int {
    Errno::last()
}

/// `zmq_strerror`
#[unsafe(no_mangle)]
pub(crate) extern "C" fn zmq_strerror(number: c_int) -> *const c_char {
    match Errno::text(number) {
        Some(text) => text.as_ptr(),
        // SAFETY: it takes any number, and gives back a text.
        None => unsafe { libc::strerror(number) },
    }
}

/// `zmq_version`
///
/// # Safety
/// Each pointer is null or to a number that may be written.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_version(
    major: *mut c_int,
    minor: *mut c_int,
    patch: *mut c_int,
) {
    for (pointer, number) in [major, minor, patch].into_iter().zip(VERSION) {
        if !pointer.is_null() {
            // SAFETY: the caller's.
            unsafe { pointer.write(number) };
        }
    }
}

/// `zmq_ctx_new`
#[unsafe(no_mangle)]
pub(crate) extern "C" fn zmq_ctx_new() -> *mut c_void {
    call(|| Ok(Handle::give(Arc::new(Context::new()?))))
}

/// `zmq_init`
#[unsafe(no_mangle)]
pub(crate) extern "C" fn zmq_init(io_threads: c_int) -> *mut c_void {
    call(|| {
        let context = Context::new()?;
        context.set(1, io_threads)?;
        Ok(Handle::give(Arc::new(context)))
    })
}

/// `zmq_ctx_term`
///
/// # Safety
/// The pointer is one that `zmq_ctx_new` gave, or to readable memory.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_ctx_term(pointer: *mut c_void) -> c_int {
    call(|| {
        // SAFETY: the caller's.
        let found = unsafe { context(pointer) }?;
        found.terminate()?;
        // SAFETY: the caller's. Another thread may have been as far.
        let _taken: Option<Arc<Context>> = unsafe { Handle::take(pointer) };
        Ok(0)
    })
}

/// `zmq_term`
///
/// # Safety
/// As that of [`zmq_ctx_term`].
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_term(pointer: *mut c_void) -> c_int {
    // SAFETY: the caller's.
    unsafe { zmq_ctx_term(pointer) }
}

/// `zmq_ctx_destroy`
///
/// # Safety
/// As that of [`zmq_ctx_term`].
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_ctx_destroy(pointer: *mut c_void) -> c_int {
    // SAFETY: the caller's.
    unsafe { zmq_ctx_term(pointer) }
}

/// `zmq_ctx_shutdown`
///
/// # Safety
/// As that of [`zmq_ctx_term`].
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_ctx_shutdown(pointer: *mut c_void) -> c_int {
    call(|| {
        // SAFETY: the caller's.
        unsafe { context(pointer) }?.shutdown();
        Ok(0)
    })
}

/// `zmq_ctx_set`
///
/// # Safety
/// As that of [`zmq_ctx_term`].
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_ctx_set(
    pointer: *mut c_void,
    option: c_int,
    value: c_int,
) -> c_int {
    call(|| {
        // SAFETY: the caller's.
        unsafe { context(pointer) }?.set(option, value)?;
        Ok(0)
    })
}

/// `zmq_ctx_get`
///
/// # Safety
/// As that of [`zmq_ctx_term`].
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_ctx_get(pointer: *mut c_void, option: c_int) -> c_int {
    call(|| {
        // SAFETY: the caller's.
        unsafe { context(pointer) }?.get(option)
    })
}

/// `zmq_socket`
///
/// # Safety
/// As that of [`zmq_ctx_term`].
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_socket(
    pointer: *mut c_void,
    socket_type: c_int,
) -> *mut c_void {
    call(|| {
        // SAFETY: the caller's.
        let context = unsafe { context(pointer) }?;
        Ok(Handle::give(context.open(socket_type)?))
    })
}
