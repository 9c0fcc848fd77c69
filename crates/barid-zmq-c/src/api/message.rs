//! `zmq_msg_t`.

use super::{enter, returned, text};
use crate::errno::{Errno, call};
use crate::message::{FreeFn, Lent, Msg};
use crate::socket::Socket;
use barid_zmq::Message;
use bytes::Bytes;
use std::ffi::{c_char, c_int, c_void};

/// `ZMQ_MORE`, `ZMQ_SRCFD` and `ZMQ_SHARED`
mod property {
    pub(super) const MORE: i32 = 1;
    pub(super) const SHARED: i32 = 3;
}

/// `zmq_msg_init`
///
/// # Safety
/// The pointer is null or to 64 octets that may be written.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_msg_init(msg: *mut Msg) -> c_int {
    call(|| {
        // SAFETY: the caller's.
        unsafe { Msg::new().put(msg) }?;
        Ok(0)
    })
}

/// `zmq_msg_init_size`
///
/// # Safety
/// As that of [`zmq_msg_init`].
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_msg_init_size(msg: *mut Msg, size: usize) -> c_int {
    call(|| {
        // SAFETY: the caller's.
        unsafe { Msg::put_size(msg, size) }?;
        Ok(0)
    })
}

/// `zmq_msg_init_data`
///
/// # Safety
/// As that of [`zmq_msg_init`]; the data is readable and does not change until the function is called with it.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_msg_init_data(
    msg: *mut Msg,
    data: *mut c_void,
    size: usize,
    free: Option<FreeFn>,
    hint: *mut c_void,
) -> c_int {
    call(|| {
        if msg.is_null() {
            return Err(Errno::EFAULT);
        }
        // SAFETY: the caller's.
        unsafe {
            let lent = Lent::new(data, size, free, hint);
            Msg::from_bytes(Bytes::from_owner(lent)).put(msg)
        }?;
        Ok(0)
    })
}

/// `zmq_msg_send`
///
/// # Safety
/// The message is one that was made, the socket one that `zmq_socket` gave.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_msg_send(
    msg: *mut Msg,
    socket_pointer: *mut c_void,
    flags: c_int,
) -> c_int {
    call(|| {
        // SAFETY: the caller's.
        let msg = unsafe { Msg::get(msg) };
        // SAFETY: the caller's.
        let socket = unsafe { enter(socket_pointer) }?;
        let msg = msg?;
        let size = msg.as_slice().len();
        msg.send_by(|message| Socket::send(socket, message, flags))?;
        Ok(returned(size))
    })
}

/// `zmq_msg_recv`
///
/// # Safety
/// As that of [`zmq_msg_send`].
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_msg_recv(
    msg: *mut Msg,
    socket_pointer: *mut c_void,
    flags: c_int,
) -> c_int {
    call(|| {
        // SAFETY: the caller's.
        let msg = unsafe { Msg::get(msg) };
        // SAFETY: the caller's.
        let socket = unsafe { enter(socket_pointer) }?;
        let msg = msg?;
        let mut message = Message::new();
        let has_more = Socket::receive(socket, &mut message, Some(msg.sender()), flags)?;
        Ok(returned(msg.fill(&mut message, has_more)))
    })
}

/// `zmq_sendmsg`
///
/// # Safety
/// As that of [`zmq_msg_send`].
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_sendmsg(
    socket: *mut c_void,
    msg: *mut Msg,
    flags: c_int,
) -> c_int {
    // SAFETY: the caller's.
    unsafe { zmq_msg_send(msg, socket, flags) }
}

/// `zmq_recvmsg`
///
/// # Safety
/// As that of [`zmq_msg_send`].
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_recvmsg(
    socket: *mut c_void,
    msg: *mut Msg,
    flags: c_int,
) -> c_int {
    // SAFETY: the caller's.
    unsafe { zmq_msg_recv(msg, socket, flags) }
}

/// `zmq_msg_close`
///
/// # Safety
/// The pointer is null, or to a message that was made or 64 readable octets.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_msg_close(msg: *mut Msg) -> c_int {
    call(|| {
        // SAFETY: the caller's.
        unsafe { Msg::close(msg) }?;
        Ok(0)
    })
}

/// `zmq_msg_move`
///
/// # Safety
/// As that of [`zmq_msg_close`], for both.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_msg_move(to: *mut Msg, from: *mut Msg) -> c_int {
    call(|| {
        if std::ptr::eq(to, from) {
            return Ok(0);
        }
        // SAFETY: the caller's; they are two.
        let (to, from) = unsafe { (Msg::get(to)?, Msg::get(from)?) };
        *to = std::mem::replace(from, Msg::new());
        Ok(0)
    })
}

/// `zmq_msg_copy`
///
/// # Safety
/// As that of [`zmq_msg_close`], for both.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_msg_copy(to: *mut Msg, from: *mut Msg) -> c_int {
    call(|| {
        if std::ptr::eq(to, from) {
            return Ok(0);
        }
        // SAFETY: the caller's; they are two.
        let (to, from) = unsafe { (Msg::get(to)?, Msg::get(from)?) };
        *to = from.copy();
        Ok(0)
    })
}

/// `zmq_msg_data`
///
/// # Safety
/// As that of [`zmq_msg_close`].
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_msg_data(msg: *mut Msg) -> *mut c_void {
    // SAFETY: the caller's.
    call(|| Ok(unsafe { Msg::get(msg) }?.data()))
}

/// `zmq_msg_size`
///
/// # Safety
/// As that of [`zmq_msg_close`].
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_msg_size(msg: *const Msg) -> usize {
    // SAFETY: the caller's.
    let found = unsafe { Msg::look(msg) };
    found.map_or(0, |msg| msg.as_slice().len())
}

/// `zmq_msg_more`
///
/// # Safety
/// As that of [`zmq_msg_close`].
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_msg_more(msg: *const Msg) -> c_int {
    // SAFETY: the caller's.
    let found = unsafe { Msg::look(msg) };
    found.is_ok_and(|msg| msg.has_more()).into()
}

/// `zmq_msg_get`
///
/// # Safety
/// As that of [`zmq_msg_close`].
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_msg_get(msg: *const Msg, property: c_int) -> c_int {
    call(|| {
        // SAFETY: the caller's.
        let msg = unsafe { Msg::look(msg) }?;
        match property {
            property::MORE => Ok(msg.has_more().into()),
            property::SHARED => Ok(msg.is_shared().into()),
            _ => Err(Errno::EINVAL),
        }
    })
}

/// `zmq_msg_set`: there is no property that can be set, in libzmq neither.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn zmq_msg_set(_msg: *mut Msg, _property: c_int, _value: c_int) -> c_int {
    call(|| Err(Errno::EINVAL))
}

/// `zmq_msg_gets`
///
/// # Safety
/// As that of [`zmq_msg_close`]; the property is a text with a zero at its end.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_msg_gets(
    msg: *const Msg,
    property: *const c_char,
) -> *const c_char {
    call(|| {
        // SAFETY: the caller's.
        let (msg, property) = unsafe { (Msg::look(msg)?, text(property)?) };
        let found = msg.property(property).ok_or(Errno::EINVAL)?;
        Ok(found.as_ptr())
    })
}
