//! Keys, Z85, and what the library has.

use super::text;
use crate::errno::{Errno, call};
use barid_zmq::{SecretKey, curve_keypair, z85};
use std::ffi::{c_char, c_int};

/// Writes a text with a zero at its end.
///
/// # Safety
/// There is room for it.
unsafe fn put(room: *mut c_char, text: &str) {
    // SAFETY: the caller's.
    unsafe {
        std::ptr::copy_nonoverlapping(text.as_ptr(), room.cast::<u8>(), text.len());
        room.add(text.len()).write(0);
    }
}

/// `zmq_z85_encode`
///
/// # Safety
/// There is room for five characters for each four octets, and a zero; there are as many octets as is said.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_z85_encode(
    room: *mut c_char,
    data: *const u8,
    size: usize,
) -> *mut c_char {
    call(|| {
        if room.is_null() {
            return Err(Errno::EINVAL);
        }
        // SAFETY: the caller's.
        let data = unsafe { super::bytes(data.cast(), size) }.map_err(|_| Errno::EINVAL)?;
        let text = z85::encode(data).ok_or(Errno::EINVAL)?;
        // SAFETY: the caller's.
        unsafe { put(room, &text) };
        Ok(room)
    })
}

/// `zmq_z85_decode`
///
/// # Safety
/// There is room for four octets for each five characters; the text has a zero at its end.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_z85_decode(room: *mut u8, string: *const c_char) -> *mut u8 {
    call(|| {
        if room.is_null() {
            return Err(Errno::EINVAL);
        }
        // SAFETY: the caller's.
        let text = unsafe { text(string) }?;
        let octets = z85::decode(text).ok_or(Errno::EINVAL)?;
        // SAFETY: the caller's.
        unsafe { std::ptr::copy_nonoverlapping(octets.as_ptr(), room, octets.len()) };
        Ok(room)
    })
}

/// `zmq_curve_keypair`
///
/// # Safety
/// There is room for 41 characters at each.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_curve_keypair(
    public: *mut c_char,
    secret: *mut c_char,
) -> c_int {
    call(|| {
        if public.is_null() || secret.is_null() {
            return Err(Errno::EINVAL);
        }
        let (public_key, secret_key) = curve_keypair().map_err(|_| Errno::EIO)?;
        // SAFETY: the caller's.
        unsafe {
            put(public, &public_key.to_z85());
            put(secret, &secret_key.to_z85());
        }
        Ok(0)
    })
}

/// `zmq_curve_public`
///
/// # Safety
/// There is room for 41 characters; the key is a text with a zero at its end.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_curve_public(
    public: *mut c_char,
    secret: *const c_char,
) -> c_int {
    call(|| {
        if public.is_null() {
            return Err(Errno::EINVAL);
        }
        // SAFETY: the caller's.
        let key = SecretKey::from_z85(unsafe { text(secret) }?).map_err(|_| Errno::EINVAL)?;
        // SAFETY: the caller's.
        unsafe { put(public, &key.public_key().to_z85()) };
        Ok(0)
    })
}

/// `zmq_has`
///
/// # Safety
/// The name is a text with a zero at its end.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_has(capability: *const c_char) -> c_int {
    // SAFETY: the caller's.
    let capability = unsafe { text(capability) };
    matches!(capability, Ok("ipc" | "curve")).into()
}
