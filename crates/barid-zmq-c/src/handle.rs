//! What a program holds of a context or a socket: a pointer to a handle, which is told from other memory by its tag.
//!
//! Handles are never given back to the allocator, but used again. So the pointer to one that was closed still points to a
//! handle, and to use it is an error and not undefined.
//!
//! The lock of a handle is the only one that is taken on the way to what is behind it. A socket lives at its handle from
//! beginning to end, and what its calls change is behind the same lock: one that sends takes no other on the way.
//!
//! ```text
//!   program ─► handle: tag, lock ─► socket ─► its desk     all from the lock on is only touched by who holds it
//! ```

use crate::lock::Lock;
use parking_lot::Mutex;
use std::cell::UnsafeCell;
use std::collections::VecDeque;
use std::ffi::c_void;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// So many handles rest before the one that was closed first is used again.
const RESTING_MIN: usize = 64;

/// What handles of one type have in common.
pub(crate) trait Handled: Send + Sync + Sized + 'static {
    /// Tells its handles from everything else.
    const TAG: u32;

    /// What is changed behind the lock of its handle.
    type Desk: Send;

    /// Those that nothing is behind.
    fn free() -> &'static Mutex<VecDeque<&'static Handle<Self>>>;

    /// The handle that it has from the beginning, if it has one.
    fn home(&self) -> Option<&Home<Self>>;
}

/// Handles of two threads do not share a line of cache, nor two that are fetched as one.
#[repr(C, align(128))]
pub(crate) struct Handle<T> {
    tag: AtomicU32,
    lock: Lock,
    value: UnsafeCell<Option<Arc<T>>>,
}

// SAFETY: the value is only touched by who holds the lock, and may go from thread to thread.
unsafe impl<T: Send + Sync> Sync for Handle<T> {}

impl<T: Handled> Handle<T> {
    /// One that nothing is behind.
    fn reserve() -> &'static Self {
        let mut free = T::free().lock();
        let rested = free.len() > RESTING_MIN;
        let free = rested.then(|| free.pop_front()).flatten();
        free.unwrap_or_else(|| {
            Box::leak(Box::new(Self {
                tag: AtomicU32::new(0),
                lock: Lock::new(),
                value: UnsafeCell::new(None),
            }))
        })
    }

    /// A handle of something, for the program.
    pub(crate) fn give(value: Arc<T>) -> *mut c_void {
        let handle = value.home().map_or_else(Self::reserve, |home| home.handle);
        let held = handle.hold();
        // SAFETY: the lock is held.
        unsafe { *handle.value.get() = Some(value) };
        drop(held);
        handle.tag.store(T::TAG, Ordering::Release);
        std::ptr::from_ref(handle).cast_mut().cast()
    }

    /// The handle behind a pointer, if it is one.
    ///
    /// # Safety
    /// The pointer is null, was given by [`Self::give`], or points to as much readable memory as a handle takes.
    #[inline]
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

    #[inline]
    fn hold(&'static self) -> Held<T> {
        self.lock.acquire();
        Held { handle: self }
    }

    /// What is behind a pointer.
    ///
    /// # Safety
    /// As that of `find`.
    pub(crate) unsafe fn get(pointer: *mut c_void) -> Option<Arc<T>> {
        // SAFETY: the caller's.
        let held = unsafe { Self::find(pointer) }?.hold();
        held.value().cloned()
    }

    /// What is behind a pointer, to be used at once.
    ///
    /// # Safety
    /// As that of `find`.
    #[inline]
    pub(crate) unsafe fn enter(pointer: *mut c_void) -> Option<Held<T>> {
        // SAFETY: the caller's.
        Some(unsafe { Self::find(pointer) }?.hold())
    }

    /// Takes what is behind a pointer: from here on there is nothing.
    ///
    /// # Safety
    /// As that of `find`.
    pub(crate) unsafe fn take(pointer: *mut c_void) -> Option<Arc<T>> {
        // SAFETY: the caller's.
        let handle = unsafe { Self::find(pointer) }?;
        let held = handle.hold();
        // SAFETY: the lock is held.
        let value = unsafe { (*handle.value.get()).take() }?;
        handle.tag.store(0, Ordering::Release);
        drop(held);
        if value.home().is_none() {
            T::free().lock().push_back(handle);
        }
        Some(value)
    }
}

/// A handle whose lock is held.
pub(crate) struct Held<T: Handled> {
    handle: &'static Handle<T>,
}

impl<T: Handled> Held<T> {
    #[inline]
    fn value(&self) -> Option<&Arc<T>> {
        // SAFETY: the lock is held as long as this is borrowed.
        unsafe { (*self.handle.value.get()).as_ref() }
    }

    /// What is behind it and the desk of that; none if it is closed.
    #[inline]
    pub(crate) fn open(&mut self) -> Option<(&Arc<T>, &mut T::Desk)> {
        // SAFETY: the lock is held as long as this is borrowed.
        let value = unsafe { (*self.handle.value.get()).as_ref() }?;
        let home = value.home()?;
        if !std::ptr::eq(home.handle, self.handle) {
            return None;
        }
        // SAFETY: the lock of its home is held, by this, which is borrowed alone.
        Some((value, unsafe { &mut *home.desk.get() }))
    }
}

impl<T: Handled> Drop for Held<T> {
    #[inline]
    fn drop(&mut self) {
        self.handle.lock.release();
    }
}

/// The handle of something from its beginning to its end, and what is behind the lock of that.
pub(crate) struct Home<T: Handled> {
    handle: &'static Handle<T>,
    desk: UnsafeCell<T::Desk>,
}

// SAFETY: the desk is only touched by who holds the lock, and may go from thread to thread.
unsafe impl<T: Handled> Sync for Home<T> {}

impl<T: Handled> Home<T> {
    pub(crate) fn new(desk: T::Desk) -> Self {
        Self {
            handle: Handle::reserve(),
            desk: UnsafeCell::new(desk),
        }
    }

    /// The desk, once nobody else has it.
    pub(crate) fn lock(&self) -> Seated<'_, T> {
        Seated {
            home: self,
            _held: self.handle.hold(),
            _desk: PhantomData,
        }
    }
}

impl<T: Handled> Drop for Home<T> {
    fn drop(&mut self) {
        T::free().lock().push_back(self.handle);
    }
}

/// Whoever has a desk.
pub(crate) struct Seated<'a, T: Handled> {
    home: &'a Home<T>,
    _held: Held<T>,
    /// It goes to other threads as the desk itself would.
    _desk: PhantomData<&'a mut T::Desk>,
}

impl<T: Handled> Deref for Seated<'_, T> {
    type Target = T::Desk;

    fn deref(&self) -> &T::Desk {
        // SAFETY: the lock is held as long as this is there.
        unsafe { &*self.home.desk.get() }
    }
}

impl<T: Handled> DerefMut for Seated<'_, T> {
    fn deref_mut(&mut self) -> &mut T::Desk {
        // SAFETY: the lock is held as long as this is there, which is borrowed alone.
        unsafe { &mut *self.home.desk.get() }
    }
}

/// Declares the handles of a type: one with a desk says which field is its home.
macro_rules! handled {
    ($type:ty, $tag:expr) => {
        $crate::handle::handled!($type, $tag, (), |_this| None);
    };
    ($type:ty, $tag:expr, $desk:ty, $home:ident) => {
        $crate::handle::handled!($type, $tag, $desk, |this| Some(&this.$home));
    };
    ($type:ty, $tag:expr, $desk:ty, |$this:ident| $home:expr) => {
        impl $crate::handle::Handled for $type {
            const TAG: u32 = $tag;

            type Desk = $desk;

            fn free() -> &'static parking_lot::Mutex<
                std::collections::VecDeque<&'static $crate::handle::Handle<Self>>,
            > {
                static FREE: parking_lot::Mutex<
                    std::collections::VecDeque<&'static $crate::handle::Handle<$type>>,
                > = parking_lot::Mutex::new(std::collections::VecDeque::new());
                &FREE
            }

            #[inline]
            fn home(&self) -> Option<&$crate::handle::Home<Self>> {
                let $this = self;
                $home
            }
        }
    };
}
pub(crate) use handled;

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    struct Thing {
        home: Home<Self>,
    }

    handled!(Thing, 0x7468_6e67, u64, home);

    fn give() -> (*mut c_void, Arc<Thing>) {
        let thing = Arc::new(Thing { home: Home::new(0) });
        (Handle::give(Arc::clone(&thing)), thing)
    }

    fn count(pointer: *mut c_void) -> Option<u64> {
        // SAFETY: it is a handle.
        let mut held: Held<Thing> = unsafe { Handle::enter(pointer) }?;
        let (_, desk) = held.open()?;
        *desk += 1;
        Some(*desk)
    }

    fn take(pointer: *mut c_void) -> Option<Arc<Thing>> {
        // SAFETY: it is a handle.
        unsafe { Handle::take(pointer) }
    }

    #[test]
    fn what_was_closed_is_an_error_and_its_handle_its_own_until_it_is_gone() {
        let (pointer, thing) = give();
        assert_eq!(count(pointer), Some(1));
        assert!(take(pointer).is_some());
        assert_eq!(count(pointer), None);
        assert!(take(pointer).is_none());
        assert_eq!(*thing.home.lock(), 1, "whoever has it yet");
        let others: Vec<_> = (0..2 * RESTING_MIN)
            .map(|_| {
                let (other, _) = give();
                assert_ne!(other, pointer);
                take(other);
                other
            })
            .collect();
        assert!(others.iter().skip(1).any(|other| others[0] == *other));
        drop(thing);
        let again = (0..2 * RESTING_MIN).any(|_| {
            let (other, _) = give();
            take(other);
            other == pointer
        });
        assert!(again);
    }

    #[test]
    fn memory_that_is_no_handle_is_told_from_one() {
        let memory = [0_u8; 1024];
        assert_eq!(count(std::ptr::null_mut()), None);
        let at = memory.as_ptr().align_offset(align_of::<Handle<Thing>>());
        assert_eq!(count(memory[at..].as_ptr().cast_mut().cast()), None);
    }

    #[test]
    fn who_uses_it_at_once_and_who_keeps_it_have_one_desk_in_turn() {
        let (pointer, thing) = give();
        let address = pointer.expose_provenance();
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    let pointer = std::ptr::with_exposed_provenance_mut(address);
                    for _ in 0..10_000 {
                        assert!(count(pointer).is_some());
                        *thing.home.lock() += 1;
                    }
                });
            }
        });
        assert_eq!(count(pointer), Some(60_001));
        let counted = thread::scope(|scope| {
            let counting = scope.spawn(|| {
                let pointer = std::ptr::with_exposed_provenance_mut(address);
                (0..).take_while(|_| count(pointer).is_some()).count()
            });
            while *thing.home.lock() < 70_000 {}
            assert!(take(pointer).is_some());
            counting.join()
        });
        assert_eq!(
            *thing.home.lock(),
            60_001 + counted.map_or(0, |counted| counted as u64)
        );
    }
}
