//! Sending, receiving and polling without `zmq_msg_t`; proxies.

use super::{bytes, enter, returned, socket};
use crate::errno::{Errno, Failed as _, Result, call};
use crate::poll::{Item, Subject, poll_items};
use crate::proxy::Proxy;
use crate::signal::Deadline;
use crate::socket::{SNDMORE, Socket};
use barid_zmq::{Frame, Message};
use std::ffi::{c_int, c_long, c_short, c_void};

/// `zmq_send`
///
/// # Safety
/// The pointer is one that `zmq_socket` gave, or to readable memory; the buffer is as long as is said.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_send(
    pointer: *mut c_void,
    buffer: *const c_void,
    len: usize,
    flags: c_int,
) -> c_int {
    call(|| {
        // SAFETY: the caller's.
        let frame = unsafe { bytes(buffer, len) }.map(Frame::copy_from);
        // SAFETY: the caller's.
        let socket = unsafe { enter(pointer) }?;
        Socket::send(socket, &mut frame?.into(), flags)?;
        Ok(returned(len))
    })
}

/// `zmq_send_const`
///
/// # Safety
/// As that of [`zmq_send`]; the buffer is for ever, but is copied all the same.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_send_const(
    pointer: *mut c_void,
    buffer: *const c_void,
    len: usize,
    flags: c_int,
) -> c_int {
    // SAFETY: the caller's.
    unsafe { zmq_send(pointer, buffer, len, flags) }
}

/// `zmq_recv`
///
/// # Safety
/// As that of [`zmq_send`]; the buffer may be written.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_recv(
    pointer: *mut c_void,
    buffer: *mut c_void,
    len: usize,
    flags: c_int,
) -> c_int {
    call(|| {
        let mut message = Message::new();
        // SAFETY: the caller's.
        Socket::receive(unsafe { enter(pointer) }?, &mut message, None, flags)?;
        let frame = message.first();
        let count = frame.len().min(len);
        if count > 0 && !buffer.is_null() {
            // SAFETY: there is room for so many, as the caller says.
            unsafe { std::ptr::copy_nonoverlapping(frame.as_ptr(), buffer.cast::<u8>(), count) };
        }
        Ok(returned(frame.len()))
    })
}

/// `zmq_sendiov`
///
/// # Safety
/// As that of [`zmq_send`]; there are as many buffers as is said.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_sendiov(
    pointer: *mut c_void,
    buffers: *mut libc::iovec,
    count: usize,
    flags: c_int,
) -> c_int {
    call(|| {
        // SAFETY: the caller's. It is only looked whether it is one.
        drop(unsafe { enter(pointer) }?);
        if count == 0 || buffers.is_null() {
            return Err(Errno::EINVAL);
        }
        let mut sent = 0;
        for index in 0..count {
            // SAFETY: there are so many, as the caller says.
            let buffer = unsafe { buffers.add(index).read() };
            // SAFETY: the caller's.
            let frame = Frame::copy_from(unsafe { bytes(buffer.iov_base, buffer.iov_len) }?);
            let flags = if index + 1 == count {
                flags & !SNDMORE
            } else {
                flags
            };
            // SAFETY: the caller's.
            let socket = unsafe { enter(pointer) }?;
            Socket::send(socket, &mut frame.into(), flags)?;
            sent = returned(buffer.iov_len);
        }
        Ok(sent)
    })
}

/// `zmq_recviov`: the caller frees what it gets.
///
/// # Safety
/// As that of [`zmq_send`]; there is room for as many buffers as is said.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_recviov(
    pointer: *mut c_void,
    buffers: *mut libc::iovec,
    count: *mut usize,
    flags: c_int,
) -> c_int {
    call(|| {
        // SAFETY: the caller's. It is only looked whether it is one.
        drop(unsafe { enter(pointer) }?);
        if count.is_null() || buffers.is_null() {
            return Err(Errno::EINVAL);
        }
        // SAFETY: it is not null, and the caller's.
        let wanted = unsafe { count.read() };
        if wanted == 0 {
            return Err(Errno::EINVAL);
        }
        let mut received = 0;
        // SAFETY: as above. Nothing has been received yet, and perhaps nothing is.
        unsafe { count.write(received) };
        while received < wanted {
            let mut message = Message::new();
            // SAFETY: the caller's.
            let socket = unsafe { enter(pointer) }?;
            let has_more = Socket::receive(socket, &mut message, None, flags)?;
            let frame = message.first();
            // SAFETY: any size may be asked for; nothing at all is asked for as one.
            let memory = unsafe { libc::malloc(frame.len().max(1)) };
            if memory.is_null() {
                return Err(Errno::ENOMEM);
            }
            // SAFETY: there is so much memory, and so many buffers as the caller says.
            unsafe {
                std::ptr::copy_nonoverlapping(frame.as_ptr(), memory.cast::<u8>(), frame.len());
                buffers.add(received).write(libc::iovec {
                    iov_base: memory,
                    iov_len: frame.len(),
                });
            }
            received += 1;
            // SAFETY: as above.
            unsafe { count.write(received) };
            if !has_more {
                break;
            }
        }
        Ok(returned(received))
    })
}

/// `zmq_pollitem_t`
#[repr(C)]
pub(crate) struct PollItem {
    socket: *mut c_void,
    fd: c_int,
    events: c_short,
    revents: c_short,
}

/// `zmq_poll`
///
/// # Safety
/// There are as many items as is said; their sockets are ones that `zmq_socket` gave.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_poll(
    items: *mut PollItem,
    count: c_int,
    timeout: c_long,
) -> c_int {
    call(|| {
        let count = usize::try_from(count).map_err(|_| Errno::EINVAL)?;
        let items: &mut [PollItem] = match count {
            0 => &mut [],
            _ if items.is_null() => return Err(Errno::EFAULT),
            // SAFETY: the caller's.
            _ => unsafe { std::slice::from_raw_parts_mut(items, count) },
        };
        let mut looked: Vec<Item> = items.iter().map(item).collect::<Result<_>>()?;
        let found = poll_items(&mut looked, Deadline::after_ms(timeout))?;
        for (item, looked) in items.iter_mut().zip(&looked) {
            item.revents = looked.found;
        }
        Ok(returned(found))
    })
}

fn item(item: &PollItem) -> Result<Item> {
    let subject = if item.socket.is_null() {
        Subject::Descriptor(item.fd)
    } else {
        // SAFETY: the caller's of `zmq_poll`.
        Subject::Socket(unsafe { socket(item.socket) }?)
    };
    Ok(Item {
        subject,
        events: item.events,
        found: 0,
    })
}

/// `zmq_proxy`
///
/// # Safety
/// The pointers are ones that `zmq_socket` gave, or to readable memory; the last may be null.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_proxy(
    front: *mut c_void,
    back: *mut c_void,
    capture: *mut c_void,
) -> c_int {
    // SAFETY: the caller's.
    unsafe { zmq_proxy_steerable(front, back, capture, std::ptr::null_mut()) }
}

/// `zmq_proxy_steerable`
///
/// # Safety
/// The pointers are ones that `zmq_socket` gave, or to readable memory; the last two may be null.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_proxy_steerable(
    front: *mut c_void,
    back: *mut c_void,
    capture: *mut c_void,
    control: *mut c_void,
) -> c_int {
    if front.is_null() || back.is_null() {
        Errno::EFAULT.set();
        return c_int::FAILED;
    }
    call(|| {
        let some = |pointer: *mut c_void| {
            if pointer.is_null() {
                return Ok(None);
            }
            // SAFETY: the caller's.
            unsafe { socket(pointer) }.map(Some)
        };
        // SAFETY: the caller's.
        let (front, back) = unsafe { (socket(front)?, socket(back)?) };
        let proxy = Proxy {
            front,
            back,
            capture: some(capture)?,
            control: some(control)?,
        };
        proxy.run()?;
        Ok(0)
    })
}

/// `zmq_device`: a proxy, whatever its type is called.
///
/// # Safety
/// As that of [`zmq_proxy`].
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn zmq_device(
    _device_type: c_int,
    front: *mut c_void,
    back: *mut c_void,
) -> c_int {
    // SAFETY: the caller's.
    unsafe { zmq_proxy(front, back, std::ptr::null_mut()) }
}
