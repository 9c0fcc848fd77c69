//! Sockets, but for what they send and receive.

use super::{bytes, socket, text};
use crate::errno::{Errno, Result, call};
use crate::handle::Handle;
use crate::options::{Options, Value, number};
use crate::socket::Socket;
use barid_zmq::PublicKey;
use std::ffi::{c_char, c_int, c_void};
use std::sync::Arc;

/// `zmq_close`
///
/// # Safety
/// The pointer is one that `zmq_socket` gave, or to readable memory.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_close(pointer: *mut c_void) -> c_int {
    call(|| {
        // SAFETY: the caller's.
        let closed: Option<Arc<Socket>> = unsafe { Handle::take(pointer) };
        let socket = closed.ok_or(Errno::ENOTSOCK)?;
        socket.context.close(&socket);
        Ok(0)
    })
}

/// `zmq_setsockopt`
///
/// # Safety
/// As that of [`zmq_close`]; the value is as long as is said.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_setsockopt(
    pointer: *mut c_void,
    option: c_int,
    value: *const c_void,
    len: usize,
) -> c_int {
    call(|| {
        // SAFETY: the caller's.
        let socket = unsafe { socket(pointer) }?;
        // SAFETY: the caller's.
        let octets = unsafe { bytes(value, len) }.map_err(|_| Errno::EINVAL)?;
        let is_login = matches!(option, number::PLAIN_USERNAME | number::PLAIN_PASSWORD);
        if is_login && octets.is_empty() && !value.is_null() {
            // None at all is said by null.
            return Err(Errno::EINVAL);
        }
        socket.set(option, octets)?;
        Ok(0)
    })
}

/// `zmq_getsockopt`
///
/// # Safety
/// As that of [`zmq_close`]; there is as much room for the value as is said.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_getsockopt(
    pointer: *mut c_void,
    option: c_int,
    value: *mut c_void,
    len: *mut usize,
) -> c_int {
    call(|| {
        // SAFETY: the caller's.
        let socket = unsafe { socket(pointer) }?;
        if value.is_null() || len.is_null() {
            return Err(Errno::EFAULT);
        }
        let found = socket.get(option)?;
        // SAFETY: it is not null, and the caller's.
        let room = unsafe { len.read_unaligned() };
        let octets = octets(&found, room)?;
        let is_number = matches!(found, Value::Int(_) | Value::Long(_));
        if octets.len() > room || (is_number && !Options::is_roomy(option) && octets.len() != room)
        {
            return Err(Errno::EINVAL);
        }
        // SAFETY: there is room for so many, as the caller says.
        unsafe {
            std::ptr::copy_nonoverlapping(octets.as_ptr(), value.cast::<u8>(), octets.len());
            // Who reads more than there is reads nothing old.
            std::ptr::write_bytes(value.cast::<u8>().add(octets.len()), 0, room - octets.len());
            len.write_unaligned(octets.len());
        }
        Ok(0)
    })
}

/// A value as C gets it.
fn octets(value: &Value, room: usize) -> Result<Vec<u8>> {
    Ok(match value {
        Value::Int(number) => number.to_ne_bytes().to_vec(),
        Value::Long(number) => number.to_ne_bytes().to_vec(),
        Value::Bytes(octets) | Value::Text(octets) => octets.clone(),
        Value::Key(key) if room == key.len() => key.to_vec(),
        Value::Key(key) if room == 41 => {
            let mut text = PublicKey(*key).to_z85().into_bytes();
            text.push(0);
            text
        }
        Value::Key(_) => return Err(Errno::EINVAL),
    })
}

/// `zmq_bind`
///
/// # Safety
/// As that of [`zmq_close`]; the address is a text with a zero at its end.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_bind(pointer: *mut c_void, address: *const c_char) -> c_int {
    call(|| {
        // SAFETY: the caller's.
        unsafe { socket(pointer)?.bind(text(address)?) }?;
        Ok(0)
    })
}

/// `zmq_connect`
///
/// # Safety
/// As that of [`zmq_bind`].
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_connect(pointer: *mut c_void, address: *const c_char) -> c_int {
    call(|| {
        // SAFETY: the caller's.
        unsafe { socket(pointer)?.connect(text(address)?) }?;
        Ok(0)
    })
}

/// `zmq_unbind`
///
/// # Safety
/// As that of [`zmq_bind`].
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_unbind(pointer: *mut c_void, address: *const c_char) -> c_int {
    call(|| {
        // SAFETY: the caller's.
        unsafe { socket(pointer)?.end(text(address)?, true) }?;
        Ok(0)
    })
}

/// `zmq_disconnect`
///
/// # Safety
/// As that of [`zmq_bind`].
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_disconnect(
    pointer: *mut c_void,
    address: *const c_char,
) -> c_int {
    call(|| {
        // SAFETY: the caller's.
        unsafe { socket(pointer)?.end(text(address)?, false) }?;
        Ok(0)
    })
}

/// `zmq_socket_monitor`
///
/// # Safety
/// As that of [`zmq_bind`]; a null address ends it.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_socket_monitor(
    pointer: *mut c_void,
    address: *const c_char,
    events: c_int,
) -> c_int {
    call(|| {
        let address = if address.is_null() {
            None
        } else {
            // SAFETY: the caller's.
            Some(unsafe { text(address) }?)
        };
        // SAFETY: the caller's.
        unsafe { socket(pointer) }?.monitor(address, events)?;
        Ok(0)
    })
}
