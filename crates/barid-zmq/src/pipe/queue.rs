//! An unbounded queue between one writer and one reader, without locks.
//!
//! Items stand in blocks that are linked one to the next:
//!
//! ```text
//!   reader ─► [x x o o] ─► [o o o o] ─► [o o . .] ◄─ writer      x taken, o written, . free
//! ```
//!
//! 1. The writer fills slots and counts them; nobody else looks at them yet.
//! 2. [`Writer::publish`] stores the count: all up to it now belong to the reader, however many they are.
//! 3. The reader takes up to the count that it saw last, and looks again only when it has reached it.
//! 4. A reader that finds nothing lies down ([`Reader::sleep`]): it marks the count that it has seen, if it is still
//!    that. The writer, which exchanges the count for a new one, sees whether the former was marked. Both change one
//!    word, so that a wake-up is never lost, and none is sent to a reader that is awake.
//! 5. A block that has been read goes back to the writer through the one spare place.

#![expect(
    unsafe_code,
    reason = "slots change hands without a lock; a model checks the order"
)]

use crate::prefetch::prefetch;
use crate::sync::{Arc, AtomicPtr, AtomicU64, Ordering, SLOTS, UnsafeCell};
use std::mem::MaybeUninit;
use std::ptr;

/// The mark of a reader that sleeps.
const SLEEPS: u64 = 1;

/// Begins where a line of cache does, so that the writer does not write to a line that the reader reads: a message fills one.
#[repr(C, align(64))]
struct Block<T> {
    slots: [UnsafeCell<MaybeUninit<T>>; SLOTS],
    next: AtomicPtr<Self>,
}

impl<T> Block<T> {
    fn allocate() -> *mut Self {
        Box::into_raw(Box::new(Self {
            slots: std::array::from_fn(|_| UnsafeCell::new(MaybeUninit::uninit())),
            next: AtomicPtr::new(ptr::null_mut()),
        }))
    }
}

/// What both ends reach. The writer's and the reader's words are kept on different lines of cache.
#[repr(C)]
struct Shared<T> {
    /// Twice the items that the reader may take, counted from the first one ever; one more if it sleeps.
    published: Line<AtomicU64>,
    /// A block that was read and may be written again.
    spare: AtomicPtr<Block<T>>,
    /// Where each end stood when it went; whoever is last frees the rest.
    left: UnsafeCell<Option<(*mut Block<T>, usize, u64)>>,
    written: UnsafeCell<u64>,
}

#[repr(align(64))]
struct Line<T>(T);

// SAFETY: items go from the writer's thread to the reader's, and each is touched by one of them at a time:
// by the writer before `published` counts it, by the reader after. `left` is touched by the reader's drop,
// `written` by the writer's, and both by the drop of `Shared`, which is after both.
unsafe impl<T: Send> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Shared<T> {}

/// The end that items are put in at.
pub(crate) struct Writer<T> {
    shared: Arc<Shared<T>>,
    block: *mut Block<T>,
    slot: usize,
    written: u64,
    /// How many the reader was told of.
    told: u64,
}

/// The end that items are taken out at.
pub(crate) struct Reader<T> {
    shared: Arc<Shared<T>>,
    block: *mut Block<T>,
    slot: usize,
    taken: u64,
    /// How many were published when the reader looked last.
    seen: u64,
}

// SAFETY: the raw pointers lead to blocks that only this end touches at these places; see `Shared`.
unsafe impl<T: Send> Send for Writer<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for Reader<T> {}

/// An empty queue, whose reader is awake.
pub(crate) fn queue<T>() -> (Writer<T>, Reader<T>) {
    let block = Block::allocate();
    let shared = Arc::new(Shared {
        published: Line(AtomicU64::new(0)),
        spare: AtomicPtr::new(ptr::null_mut()),
        left: UnsafeCell::new(None),
        written: UnsafeCell::new(0),
    });
    let writer = Writer {
        shared: Arc::clone(&shared),
        block,
        slot: 0,
        written: 0,
        told: 0,
    };
    let reader = Reader {
        shared,
        block,
        slot: 0,
        taken: 0,
        seen: 0,
    };
    (writer, reader)
}

impl<T> Writer<T> {
    /// Puts an item in; the reader sees it after the next [`Self::publish`].
    #[inline]
    pub(crate) fn write(&mut self, item: T) {
        self.write_with(|| item);
    }

    /// As [`Self::write`], made in its place.
    #[inline]
    pub(crate) fn write_with(&mut self, make: impl FnOnce() -> T) {
        if self.slot == SLOTS {
            self.link();
        }
        // SAFETY: the block is the last one, which only the reader of its published slots may free; this
        // slot is not published yet.
        let block = unsafe { &*self.block };
        block.slots[self.slot].with_mut(|slot| {
            // SAFETY: the slot is free and nobody else looks at it before it is published.
            unsafe { (*slot).write(make()) };
        });
        self.slot += 1;
        self.written += 1;
    }

    #[cold]
    fn link(&mut self) {
        let spare = self.shared.spare.swap(ptr::null_mut(), Ordering::Acquire);
        let next = if spare.is_null() {
            Block::allocate()
        } else {
            // SAFETY: the reader is done with a block that it puts there, and the swap made it ours.
            unsafe { &*spare }
                .next
                .store(ptr::null_mut(), Ordering::Relaxed);
            spare
        };
        // SAFETY: the reader does not leave the last block before `next` is published with an item in it.
        unsafe { &*self.block }.next.store(next, Ordering::Relaxed);
        self.block = next;
        self.slot = 0;
    }

    /// Hands all that was written to the reader; true if it slept and must be woken.
    #[inline]
    #[must_use]
    pub(crate) fn publish(&mut self) -> bool {
        if self.written == self.told {
            return false;
        }
        self.told = self.written;
        let former = self
            .shared
            .published
            .0
            .swap(self.written << 1, Ordering::AcqRel);
        former & SLEEPS != 0
    }
}

impl<T> Reader<T> {
    /// Shows the next item, if one is published, in its place, and lets go of what is left of it there. Before, the one
    /// behind it is shown to `fetch`, if that is easily reached: who reads many queues in turn finds each gone from the
    /// cache when its turn comes again, unless it was fetched in time.
    #[inline]
    pub(crate) fn take<R>(
        &mut self,
        fetch: impl FnOnce(&T),
        f: impl FnOnce(&mut T) -> R,
    ) -> Option<R> {
        if self.taken == self.seen {
            self.seen = self.shared.published.0.load(Ordering::Acquire) >> 1;
            if self.taken == self.seen {
                return None;
            }
        }
        if self.slot == SLOTS {
            self.follow();
        }
        // SAFETY: the block is not freed before the reader leaves it.
        let block = unsafe { &*self.block };
        if self.taken + 1 < self.seen
            && let Some(next) = block.slots.get(self.slot + 1)
        {
            // SAFETY: the item is published.
            next.with_mut(|slot| fetch(unsafe { (*slot).assume_init_ref() }));
        }
        // A line that the writer still writes is left to it.
        if self.taken + 2 < self.seen
            && let Some(later) = block.slots.get(self.slot + 2)
        {
            prefetch(later);
        }
        let result = block.slots[self.slot].with_mut(|slot| {
            // SAFETY: the item is published; it is dropped once, as it counts as taken from then on.
            unsafe {
                let result = f((*slot).assume_init_mut());
                (*slot).assume_init_drop();
                result
            }
        });
        self.slot += 1;
        self.taken += 1;
        Some(result)
    }

    #[cold]
    fn follow(&mut self) {
        let done = self.block;
        // SAFETY: an item is published behind the last slot of this block, and with it the link.
        self.block = unsafe { &*done }.next.load(Ordering::Relaxed);
        self.slot = 0;
        let former = self.shared.spare.swap(done, Ordering::AcqRel);
        if !former.is_null() {
            // SAFETY: a block in the spare place belongs to whoever takes it out.
            drop(unsafe { Box::from_raw(former) });
        }
    }

    /// Whether nothing is there to take.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.taken == self.seen
            && self.taken == self.shared.published.0.load(Ordering::Acquire) >> 1
    }

    /// Lies down: the next publish asks for a wake-up. False if something came meanwhile.
    #[must_use]
    pub(crate) fn sleep(&mut self) -> bool {
        if self.taken != self.seen {
            return false;
        }
        let (awake, asleep) = (self.taken << 1, self.taken << 1 | SLEEPS);
        let published = &self.shared.published.0;
        match published.compare_exchange(awake, asleep, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => true,
            // It lies there already.
            Err(found) => found == asleep,
        }
    }
}

impl<T> Drop for Writer<T> {
    fn drop(&mut self) {
        self.shared.written.with_mut(|written| {
            // SAFETY: only this drop and that of `Shared` touch it.
            unsafe { *written = self.written }
        });
    }
}

impl<T> Drop for Reader<T> {
    fn drop(&mut self) {
        self.shared.left.with_mut(|left| {
            // SAFETY: only this drop and that of `Shared` touch it.
            unsafe { *left = Some((self.block, self.slot, self.taken)) }
        });
    }
}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        // SAFETY: both ends are gone.
        let (left, written) = unsafe {
            (
                self.left.with_mut(|left| (*left).take()),
                self.written.with_mut(|written| *written),
            )
        };
        let Some((mut block, mut slot, mut taken)) = left else {
            return;
        };
        while taken < written {
            // SAFETY: items up to `written` stand in slots that follow each other; nobody else is there.
            unsafe {
                if slot == SLOTS {
                    let next = (*block).next.load(Ordering::Relaxed);
                    drop(Box::from_raw(block));
                    block = next;
                    slot = 0;
                }
                (*block).slots[slot].with_mut(|item| (*item).assume_init_drop());
            }
            slot += 1;
            taken += 1;
        }
        // SAFETY: the last block and the spare one are nobody's now.
        unsafe {
            drop(Box::from_raw(block));
            let spare = self.spare.load(Ordering::Relaxed);
            if !spare.is_null() {
                drop(Box::from_raw(spare));
            }
        }
    }
}
