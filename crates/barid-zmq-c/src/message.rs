//! `zmq_msg_t`: 64 octets of the program's memory, in which one frame lives.

use crate::errno::{Errno, Result};
use crate::socket::Sender;
use barid_zmq::{Blank, Frame, Message, Slice};
use bytes::{Bytes, BytesMut};
use std::ffi::{CStr, c_void};
use std::ptr::NonNull;

/// Bytes that stand in the program's memory itself.
const INLINE_MAX: usize = 46;

/// Tells memory that was made a message of from other memory.
const TAG: u32 = 0x6d73_6721;

enum Body {
    Inline {
        len: u8,
        bytes: [u8; INLINE_MAX],
    },
    /// The program's alone, who writes to it; in memory that is used again.
    Blank(Blank),
    /// Likewise, of more bytes.
    Room(BytesMut),
    /// Likewise, with memory of its own.
    Own(Vec<u8>),
    /// Read only, and perhaps somewhere else as well.
    Slice(Slice),
    /// Likewise.
    Shared(Bytes),
}

impl Body {
    const EMPTY: Self = Self::Inline {
        len: 0,
        bytes: [0; INLINE_MAX],
    };
}

/// What a `zmq_msg_t` holds.
#[repr(C, align(8))]
pub(crate) struct Msg {
    tag: u32,
    has_more: bool,
    /// There was a copy with the same bytes, or this is one.
    is_copied: bool,
    body: Body,
    sender: Sender,
}

const _: () = assert!(size_of::<Msg>() <= 64 && align_of::<Msg>() == 8);

impl Msg {
    pub(crate) const fn new() -> Self {
        Self::of(Body::EMPTY)
    }

    const fn of(body: Body) -> Self {
        Self {
            tag: TAG,
            has_more: false,
            is_copied: false,
            body,
            sender: None,
        }
    }

    /// One of more octets than stand in a slice, which are what they happen to be.
    #[cold]
    fn with_size(size: usize) -> Result<Self> {
        if let Some(room) = barid_zmq::room(size) {
            return Ok(Self::of(Body::Room(room)));
        }
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(size).map_err(|_| Errno::ENOMEM)?;
        bytes.resize(size, 0);
        Ok(Self::of(Body::Own(bytes)))
    }

    /// Makes a message of so many octets of a program's memory, whatever was there. It is put together in its place.
    ///
    /// # Safety
    /// As that of [`Self::get`].
    #[inline]
    pub(crate) unsafe fn put_size(pointer: *mut Self, size: usize) -> Result<()> {
        if size > INLINE_MAX {
            // SAFETY: the caller's.
            return unsafe { Self::put_long(pointer, size) };
        }
        // SAFETY: the caller's.
        unsafe { Self::new().put(pointer) }?;
        // SAFETY: it is a message since then.
        if let Body::Inline { len, .. } = unsafe { &mut (*pointer).body } {
            *len = u8::try_from(size).unwrap_or(0);
        }
        Ok(())
    }

    /// # Safety
    /// As that of [`Self::get`].
    #[inline]
    unsafe fn put_long(pointer: *mut Self, size: usize) -> Result<()> {
        // What is made in two ways is put together in two places, and moved. This is not.
        if let Some(blank) = barid_zmq::blank(size) {
            // SAFETY: the caller's.
            return unsafe { Self::put_body(pointer, Body::Blank(blank)) };
        }
        // SAFETY: the caller's.
        unsafe { Self::with_size(size)?.put(pointer) }
    }

    pub(crate) fn from_bytes(bytes: Bytes) -> Self {
        Self::of(Body::Shared(bytes))
    }

    /// Puts a received frame, the only one of a message, in the place of what was here; returns how long it is.
    #[inline]
    pub(crate) fn fill(&mut self, message: &mut Message, has_more: bool) -> usize {
        self.has_more = has_more;
        self.is_copied = false;
        let frame = message.first();
        let count = frame.len();
        if let Ok(short) = u8::try_from(count)
            && count <= INLINE_MAX
        {
            if !matches!(self.body, Body::Inline { .. }) {
                self.body = Body::EMPTY;
            }
            if let Body::Inline { len, bytes } = &mut self.body {
                *len = short;
                bytes[..count].copy_from_slice(frame);
            }
            return count;
        }
        self.body = if let Some(slice) = message.take_slice() {
            Body::Slice(slice)
        } else if let Some(bytes) = message.take_bytes() {
            Body::Shared(bytes)
        } else {
            Body::Shared(message.pop_front().unwrap_or_default().into_bytes())
        };
        count
    }

    /// Who it came from, over a connection.
    pub(crate) const fn sender(&mut self) -> &mut Sender {
        &mut self.sender
    }

    /// Sends its bytes as a message of one frame, and is empty from then on. If that fails it is as it was.
    #[inline]
    pub(crate) fn send_by(&mut self, send: impl FnOnce(&mut Message) -> Result<()>) -> Result<()> {
        match &mut self.body {
            Body::Inline { len, bytes } => {
                let mut message = Message::new();
                message.copy_into(&bytes[..usize::from(*len)]);
                send(&mut message)?;
                *len = 0;
            }
            Body::Blank(blank) => {
                // SAFETY: it is read once: nothing is in its place from here on.
                let blank = unsafe { std::ptr::read(blank) };
                // SAFETY: what was there is read, and not to be dropped.
                unsafe { (&raw mut self.body).write(Body::EMPTY) };
                self.send_or_fill(Message::of_slice(blank.into_slice()), send)?;
            }
            Body::Slice(_) | Body::Shared(_) | Body::Room(_) | Body::Own(_) => {
                self.share();
                let message = match std::mem::replace(&mut self.body, Body::EMPTY) {
                    Body::Slice(slice) => Message::of_slice(slice),
                    Body::Shared(bytes) => Frame::shared(bytes).into(),
                    Body::Blank(_) | Body::Room(_) | Body::Own(_) | Body::Inline { .. } => {
                        Message::new()
                    }
                };
                self.send_or_fill(message, send)?;
            }
        }
        self.has_more = false;
        self.is_copied = false;
        self.sender = None;
        Ok(())
    }

    /// What is not sent comes back.
    #[inline]
    fn send_or_fill(
        &mut self,
        mut message: Message,
        send: impl FnOnce(&mut Message) -> Result<()>,
    ) -> Result<()> {
        let sent = send(&mut message);
        if sent.is_err() {
            self.fill_back(message);
        }
        sent
    }

    #[cold]
    fn fill_back(&mut self, mut message: Message) {
        if let Some(slice) = message.take_slice() {
            self.body = Body::Slice(slice);
        } else if let Some(bytes) = message.take_bytes() {
            self.body = Body::Shared(bytes);
        }
    }

    /// A second one with the same bytes.
    pub(crate) fn copy(&mut self) -> Self {
        self.share();
        self.is_copied = !matches!(self.body, Body::Inline { .. });
        let body = match &self.body {
            Body::Inline { len, bytes } => Body::Inline {
                len: *len,
                bytes: *bytes,
            },
            Body::Blank(_) | Body::Room(_) | Body::Own(_) => Body::EMPTY,
            Body::Slice(slice) => Body::Slice(slice.clone()),
            Body::Shared(bytes) => Body::Shared(bytes.clone()),
        };
        Self {
            tag: TAG,
            has_more: self.has_more,
            is_copied: self.is_copied,
            body,
            sender: self.sender.clone(),
        }
    }

    /// Makes long bytes such that several may have them. They stay where they are.
    #[inline]
    fn share(&mut self) {
        if matches!(self.body, Body::Blank(_) | Body::Room(_) | Body::Own(_)) {
            self.body = match std::mem::replace(&mut self.body, Body::EMPTY) {
                Body::Blank(blank) => Body::Slice(blank.into_slice()),
                Body::Room(room) => Body::Shared(room.freeze()),
                Body::Own(bytes) => Body::Shared(Bytes::from(bytes)),
                other @ (Body::Inline { .. } | Body::Slice(_) | Body::Shared(_)) => other,
            };
        }
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        match &self.body {
            Body::Inline { len, bytes } => &bytes[..usize::from(*len)],
            Body::Blank(blank) => blank.as_slice(),
            Body::Room(bytes) => bytes,
            Body::Own(bytes) => bytes,
            Body::Slice(slice) => slice.as_slice(),
            Body::Shared(bytes) => bytes,
        }
    }

    /// Where the bytes are, for a program that may write to them as long as nobody else has them.
    pub(crate) fn data(&mut self) -> *mut c_void {
        match &mut self.body {
            Body::Inline { bytes, .. } => bytes.as_mut_ptr().cast(),
            Body::Blank(blank) => blank.as_mut_slice().as_mut_ptr().cast(),
            Body::Room(bytes) => bytes.as_mut_ptr().cast(),
            Body::Own(bytes) => bytes.as_mut_ptr().cast(),
            Body::Slice(slice) => slice.as_slice().as_ptr().cast_mut().cast(),
            Body::Shared(bytes) => bytes.as_ptr().cast_mut().cast(),
        }
    }

    pub(crate) const fn has_more(&self) -> bool {
        self.has_more
    }

    /// A property of whom it came from.
    pub(crate) fn property(&self, name: &str) -> Option<&CStr> {
        self.sender.as_ref()?.get(name)
    }

    /// Whether its bytes are those of another one, or were: as libzmq tells it.
    pub(crate) const fn is_shared(&self) -> bool {
        self.is_copied
    }

    /// The message in a program's memory.
    ///
    /// # Safety
    /// The pointer is null or to 64 readable and writable octets, which nobody else uses meanwhile.
    #[inline]
    pub(crate) unsafe fn get<'a>(pointer: *mut Self) -> Result<&'a mut Self> {
        if pointer.is_null() || !pointer.is_aligned() {
            return Err(Errno::EFAULT);
        }
        // SAFETY: the tag is an integer in memory that can be read.
        let tag = unsafe { (&raw const (*pointer).tag).read() };
        if tag != TAG {
            return Err(Errno::EFAULT);
        }
        // SAFETY: what has the tag was put there, and not taken away since; the memory is the caller's.
        Ok(unsafe { &mut *pointer })
    }

    /// As [`Self::get`], to be read only: several threads may at once.
    ///
    /// # Safety
    /// As that of [`Self::get`], but that others may read meanwhile.
    pub(crate) unsafe fn look<'a>(pointer: *const Self) -> Result<&'a Self> {
        if pointer.is_null() || !pointer.is_aligned() {
            return Err(Errno::EFAULT);
        }
        // SAFETY: the tag is an integer in memory that can be read.
        let tag = unsafe { (&raw const (*pointer).tag).read() };
        if tag != TAG {
            return Err(Errno::EFAULT);
        }
        // SAFETY: what has the tag was put there, and not taken away since; the memory is the caller's.
        Ok(unsafe { &*pointer })
    }

    /// Makes a message of a program's memory, whatever was there.
    ///
    /// # Safety
    /// As that of [`Self::get`].
    #[inline]
    pub(crate) unsafe fn put(self, pointer: *mut Self) -> Result<()> {
        // SAFETY: the caller's.
        unsafe { Self::put_body(pointer, self.body) }
    }

    /// Makes a message with a body, part by part: nothing has to be moved.
    ///
    /// # Safety
    /// As that of [`Self::get`].
    #[inline]
    unsafe fn put_body(pointer: *mut Self, body: Body) -> Result<()> {
        if pointer.is_null() || !pointer.is_aligned() {
            return Err(Errno::EFAULT);
        }
        // SAFETY: the memory is the caller's to write to, and aligned.
        unsafe {
            (&raw mut (*pointer).body).write(body);
            (&raw mut (*pointer).sender).write(None);
            (&raw mut (*pointer).is_copied).write(false);
            (&raw mut (*pointer).has_more).write(false);
            (&raw mut (*pointer).tag).write(TAG);
        }
        Ok(())
    }

    /// Ends the message in a program's memory, which is none from here on.
    ///
    /// # Safety
    /// As that of [`Self::get`].
    #[inline]
    pub(crate) unsafe fn close(pointer: *mut Self) -> Result<()> {
        // SAFETY: the caller's.
        let this = unsafe { Self::get(pointer) }?;
        this.tag = 0;
        // SAFETY: it is not used again: what has no tag is no message.
        unsafe { std::ptr::drop_in_place(this) };
        Ok(())
    }
}

/// `zmq_free_fn`
pub(crate) type FreeFn = unsafe extern "C" fn(data: *mut c_void, hint: *mut c_void);

/// Memory of a program, given back when nobody reads it any more.
pub(crate) struct Lent {
    data: NonNull<u8>,
    size: usize,
    free: Option<FreeFn>,
    hint: *mut c_void,
}

// SAFETY: the program has handed the memory over, to be read and given back by any thread, as the interface says.
unsafe impl Send for Lent {}
// SAFETY: it is only read.
unsafe impl Sync for Lent {}

impl Lent {
    /// # Safety
    /// The memory is readable and does not change until the function is called with it, or for ever if there is none.
    pub(crate) unsafe fn new(
        data: *mut c_void,
        size: usize,
        free: Option<FreeFn>,
        hint: *mut c_void,
    ) -> Self {
        Self {
            data: NonNull::new(data.cast()).unwrap_or(NonNull::dangling()),
            size: if data.is_null() { 0 } else { size },
            free,
            hint,
        }
    }
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: what `new` asks for.
        unsafe { std::slice::from_raw_parts(self.data.as_ptr(), self.size) }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(free) = self.free {
            let data = if self.size == 0 && self.data == NonNull::dangling() {
                std::ptr::null_mut()
            } else {
                self.data.as_ptr()
            };
            // SAFETY: the program's own function, for its own memory, once.
            unsafe { free(data.cast(), self.hint) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_stay_where_they_are_when_they_are_shared() {
        for size in [0, 1, INLINE_MAX, INLINE_MAX + 1, 54, 55, 100_000] {
            let mut first = Msg::new();
            // SAFETY: it is a message, and holds nothing that would have to be dropped.
            assert_eq!(unsafe { Msg::put_size(&raw mut first, size) }, Ok(()));
            let data = first.data();
            // SAFETY: there are so many octets, and they are to be written.
            unsafe { data.cast::<u8>().write_bytes(0, size) };
            let mut second = first.copy();
            assert_eq!(first.data(), data, "{size}");
            assert_eq!(second.as_slice(), vec![0; size], "{size}");
            assert_eq!(second.data() == data, size > INLINE_MAX, "{size}");
            assert_eq!(first.is_shared(), size > INLINE_MAX, "{size}");
            assert_eq!(second.is_shared(), size > INLINE_MAX, "{size}");
            drop(second);
            let refused = first.send_by(|message| {
                assert_eq!(message.first(), vec![0; size], "{size}");
                Err(Errno::EAGAIN)
            });
            assert_eq!(refused, Err(Errno::EAGAIN));
            assert_eq!(first.data(), data, "{size}");
            let mut received = Msg::new();
            let sent = first.send_by(|message| {
                assert_eq!(received.fill(message, true), size);
                Ok(())
            });
            assert_eq!(sent, Ok(()));
            assert!(received.has_more() && !received.is_shared());
            assert_eq!(received.as_slice(), vec![0; size], "{size}");
            assert_eq!(received.data() == data, size > INLINE_MAX, "{size}");
            assert_eq!(first.as_slice(), b"");
            assert!(!first.is_shared());
        }
    }

    #[test]
    fn memory_that_is_no_message_is_told_from_one() {
        let mut memory = std::mem::MaybeUninit::<Msg>::zeroed();
        let pointer = memory.as_mut_ptr();
        // SAFETY: the memory is there, and nobody else's.
        unsafe {
            assert!(Msg::get(std::ptr::null_mut()).is_err());
            assert!(Msg::get(pointer).is_err());
            assert!(Msg::new().put(pointer).is_ok());
            assert!(Msg::get(pointer).is_ok());
            assert!(Msg::close(pointer).is_ok());
            assert!(Msg::get(pointer).is_err());
        }
    }
}
