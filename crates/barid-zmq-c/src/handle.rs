//! What a program holds of a context or a socket: a pointer to a handle, which is told from other memory by its tag.
//!
//! Handles are never given back to the allocator, but used again. So the pointer to one that was closed still points to a
//! handle, and to use it is an error and not undefined.

use parking_lot::Mutex;
use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// What handles of one type have in common.
pub(crate) trait Handled: Send + Sync + Sized + 'static {
    /// Tells its handles from everything else.
    const TAG: u32;

    /// Those that nothing is behind.
    fn free() -> &'static Mutex<Vec<&'static Handle<Self>>>;
}

#[repr(C)]
pub(crate) struct Handle<T> {
    tag: AtomicU32,
    value: Mutex<Option<Arc<T>>>,
}

impl<T: Handled> Handle<T> {
    /// A handle of something, for the program.
    pub(crate) fn give(value: Arc<T>) -> *mut c_void {
        let free = T::free().lock().pop();
        let handle: &'static Self = free.unwrap_or_else(|| {
            Box::leak(Box::new(Self {
                tag: AtomicU32::new(0),
                value: Mutex::new(None),
            }))
        });
        *handle.value.lock() = Some(value);
        handle.tag.store(T::TAG, Ordering::Release);
        std::ptr::from_ref(handle).cast_mut().cast()
    }

    /// The handle behind a pointer, if it is one.
    ///
    /// # Safety
    /// The pointer is null, was given by [`Self::give`], or points to as much readable memory as a handle takes.
    unsafe fn find(pointer: *mut c_void) -> Option<&'static Self> {
        let pointer: *const Self = pointer.cast_const().cast();
        if pointer.is_null() || !pointer.is_aligned() {
            return None;
        }
        // SAFETY: the tag is the first of what the pointer points to, which is readable, aligned, and an integer.
        let tag = unsafe { &*pointer.cast::<AtomicU32>() };
        if tag.load(Ordering::Acquire) != T::TAG {
            return None;
        }
        // SAFETY: what has the tag is a handle, and handles are for ever.
        Some(unsafe { &*pointer })
    }

    /// What is behind a pointer.
    ///
    /// # Safety
    /// As that of `find`.
    pub(crate) unsafe fn get(pointer: *mut c_void) -> Option<Arc<T>> {
        // SAFETY: the caller's.
        unsafe { Self::find(pointer) }?.value.lock().clone()
    }

    /// Takes what is behind a pointer: from here on there is nothing.
    ///
    /// # Safety
    /// As that of `find`.
    pub(crate) unsafe fn take(pointer: *mut c_void) -> Option<Arc<T>> {
        // SAFETY: the caller's.
        let handle = unsafe { Self::find(pointer) }?;
        let value = handle.value.lock().take()?;
        handle.tag.store(0, Ordering::Release);
        T::free().lock().push(handle);
        Some(value)
    }
}

/// Declares the handles of a type.
macro_rules! handled {
    ($type:ty, $tag:expr) => {
        impl $crate::handle::Handled for $type {
            const TAG: u32 = $tag;

            fn free() -> &'static parking_lot::Mutex<Vec<&'static $crate::handle::Handle<Self>>> {
                static FREE: parking_lot::Mutex<Vec<&'static $crate::handle::Handle<$type>>> =
                    parking_lot::Mutex::new(Vec::new());
                &FREE
            }
        }
    };
}
pub(crate) use handled;
