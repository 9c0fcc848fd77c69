//! `zmq_msg_t`: 64 octets of the program's memory, in which one frame lives.

use crate::errno::{Errno, Result};
use barid_zmq::{Frame, PeerProperties};
use bytes::Bytes;
use std::ffi::{CStr, c_void};
use std::ptr::NonNull;
use std::sync::Arc;

/// Bytes that stand in the program's memory itself.
const INLINE_MAX: usize = 46;

/// Tells memory that was made a message of from other memory.
const TAG: u32 = 0x6d73_6721;

enum Body {
    Inline {
        len: u8,
        bytes: [u8; INLINE_MAX],
    },
    /// The program's alone, who writes to it.
    Own(Vec<u8>),
    /// Read only, and perhaps somewhere else as well.
    Shared(Bytes),
}

/// What a `zmq_msg_t` holds.
#[repr(C, align(8))]
pub(crate) struct Msg {
    tag: u32,
    has_more: bool,
    body: Body,
    /// Who it came from, over a connection.
    sender: Option<Arc<PeerProperties>>,
}

const _: () = assert!(size_of::<Msg>() <= 64 && align_of::<Msg>() == 8);

impl Msg {
    pub(crate) const fn new() -> Self {
        Self::of(Body::Inline {
            len: 0,
            bytes: [0; INLINE_MAX],
        })
    }

    const fn of(body: Body) -> Self {
        Self {
            tag: TAG,
            has_more: false,
            body,
            sender: None,
        }
    }

    /// One of so many octets, all zero.
    pub(crate) fn with_size(size: usize) -> Result<Self> {
        if let Ok(len) = u8::try_from(size)
            && size <= INLINE_MAX
        {
            let bytes = [0; INLINE_MAX];
            return Ok(Self::of(Body::Inline { len, bytes }));
        }
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(size).map_err(|_| Errno::ENOMEM)?;
        bytes.resize(size, 0);
        Ok(Self::of(Body::Own(bytes)))
    }

    pub(crate) fn from_bytes(bytes: Bytes) -> Self {
        Self::of(Body::Shared(bytes))
    }

    pub(crate) fn from_frame(
        frame: Frame,
        has_more: bool,
        sender: Option<Arc<PeerProperties>>,
    ) -> Self {
        let mut this = match u8::try_from(frame.len()) {
            Ok(len) if frame.len() <= INLINE_MAX => {
                let mut bytes = [0; INLINE_MAX];
                bytes[..frame.len()].copy_from_slice(&frame);
                Self::of(Body::Inline { len, bytes })
            }
            Ok(_) | Err(_) => Self::from_bytes(frame.into_bytes()),
        };
        this.has_more = has_more;
        this.sender = sender;
        this
    }

    /// A frame with the same bytes; those that are not short are shared from here on.
    pub(crate) fn frame(&mut self) -> Frame {
        self.share();
        match &self.body {
            Body::Inline { .. } | Body::Own(_) => Frame::copy_from(self.as_slice()),
            Body::Shared(bytes) => Frame::shared(bytes.clone()),
        }
    }

    /// A second one with the same bytes.
    pub(crate) fn copy(&mut self) -> Self {
        self.share();
        let body = match &self.body {
            Body::Inline { len, bytes } => Body::Inline {
                len: *len,
                bytes: *bytes,
            },
            Body::Own(bytes) => Body::Own(bytes.clone()),
            Body::Shared(bytes) => Body::Shared(bytes.clone()),
        };
        Self {
            tag: TAG,
            has_more: self.has_more,
            body,
            sender: self.sender.clone(),
        }
    }

    /// Makes long bytes such that several may have them. They stay where they are.
    fn share(&mut self) {
        if let Body::Own(bytes) = &mut self.body {
            self.body = Body::Shared(Bytes::from(std::mem::take(bytes)));
        }
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        match &self.body {
            Body::Inline { len, bytes } => &bytes[..usize::from(*len)],
            Body::Own(bytes) => bytes,
            Body::Shared(bytes) => bytes,
        }
    }

    /// Where the bytes are, for a program that may write to them as long as nobody else has them.
    pub(crate) fn data(&mut self) -> *mut c_void {
        match &mut self.body {
            Body::Inline { bytes, .. } => bytes.as_mut_ptr().cast(),
            Body::Own(bytes) => bytes.as_mut_ptr().cast(),
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

    pub(crate) fn is_shared(&self) -> bool {
        match &self.body {
            Body::Inline { .. } | Body::Own(_) => false,
            Body::Shared(bytes) => !bytes.is_unique(),
        }
    }

    /// The message in a program's memory.
    ///
    /// # Safety
    /// The pointer is null or to 64 readable and writable octets, which nobody else uses meanwhile.
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
    pub(crate) unsafe fn put(self, pointer: *mut Self) -> Result<()> {
        if pointer.is_null() || !pointer.is_aligned() {
            return Err(Errno::EFAULT);
        }
        // SAFETY: the memory is the caller's to write to, and aligned.
        unsafe { pointer.write(self) };
        Ok(())
    }

    /// Takes the message out of a program's memory, which is none from here on.
    ///
    /// # Safety
    /// As that of [`Self::get`].
    pub(crate) unsafe fn take(pointer: *mut Self) -> Result<Self> {
        // SAFETY: the caller's.
        let this = unsafe { Self::get(pointer) }?;
        let taken = std::mem::replace(this, Self::new());
        this.tag = 0;
        Ok(taken)
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
            let mut first = Msg::with_size(size).unwrap_or_else(|_| Msg::new());
            let data = first.data();
            let mut second = first.copy();
            assert_eq!(first.data(), data, "{size}");
            assert_eq!(second.as_slice(), vec![0; size], "{size}");
            assert_eq!(second.data() == data, size > INLINE_MAX, "{size}");
            assert_eq!(first.is_shared(), size > INLINE_MAX, "{size}");
            drop(second);
            assert!(!first.is_shared(), "{size}");
            let frame = first.frame();
            assert_eq!(frame.len(), size);
            assert_eq!(
                Msg::from_frame(frame, true, None).as_slice(),
                first.as_slice()
            );
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
            assert!(Msg::take(pointer).is_ok());
            assert!(Msg::get(pointer).is_err());
        }
    }
}
