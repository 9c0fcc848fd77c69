//! The functions of the interface. Each only takes apart what C hands over, and puts together what C gets.

mod context;
mod curve;
mod io;
mod message;
mod socket;
mod timers;
mod tools;

use crate::errno::{Errno, Result};
use crate::handle::{Handle, Held};
use crate::socket::Socket;
use std::ffi::{CStr, c_char, c_void};
use std::sync::Arc;

/// The socket behind a pointer of the program.
///
/// # Safety
/// As that of [`Handle::get`].
unsafe fn socket(pointer: *mut c_void) -> Result<Arc<Socket>> {
    // SAFETY: the caller's.
    unsafe { Handle::get(pointer) }.ok_or(Errno::ENOTSOCK)
}

/// The socket behind a pointer of the program, for what does not take long.
///
/// # Safety
/// As that of [`Handle::enter`].
#[inline]
unsafe fn enter(pointer: *mut c_void) -> Result<Held<Socket>> {
    // SAFETY: the caller's.
    unsafe { Handle::enter(pointer) }.ok_or(Errno::ENOTSOCK)
}

/// A text of the program.
///
/// # Safety
/// The pointer is null or to a text with a zero at its end, which does not change meanwhile.
unsafe fn text<'a>(pointer: *const c_char) -> Result<&'a str> {
    if pointer.is_null() {
        return Err(Errno::EINVAL);
    }
    // SAFETY: the caller's.
    let text = unsafe { CStr::from_ptr(pointer) };
    text.to_str().map_err(|_| Errno::EINVAL)
}

/// Bytes of the program.
///
/// # Safety
/// The pointer is null, or to so many readable bytes, which do not change meanwhile.
unsafe fn bytes<'a>(pointer: *const c_void, len: usize) -> Result<&'a [u8]> {
    if len == 0 {
        return Ok(&[]);
    }
    if pointer.is_null() || isize::try_from(len).is_err() {
        return Err(Errno::EFAULT);
    }
    // SAFETY: the caller's.
    Ok(unsafe { std::slice::from_raw_parts(pointer.cast(), len) })
}

/// A size as a call returns it.
fn returned(size: usize) -> i32 {
    i32::try_from(size).unwrap_or(i32::MAX)
}
