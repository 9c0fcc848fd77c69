//! Short bodies, many in one piece of memory.
//!
//! ```text
//!   chunk:  [ body | body | body |  free ...  ]      cut off one by one by the thread that has the chunk
//!              ▲      ▲
//!            slices, each with a share in the count; dropped by any thread
//! ```
//!
//! The owner does not touch the count for each body: it begins with more shares than it will ever give away. So the count
//! stays in the cache of who drops the bodies. When a chunk is full its owner keeps it, and fills it again once all bodies
//! of it are dropped.

#![expect(
    unsafe_code,
    reason = "the parts of one allocation have different owners"
)]

mod shares;

use shares::Shares;
use std::cell::UnsafeCell;
use std::collections::VecDeque;
use std::mem::MaybeUninit;
use std::ptr::NonNull;

/// Bytes of a chunk.
const CHUNK_BYTES: usize = 16 << 10;
/// Bodies are at most so long: one that is kept keeps the whole chunk.
pub(crate) const BODY_MAX: usize = 2 << 10;
/// Full chunks that wait to be filled again.
const KEPT_MAX: usize = 64;

struct Memory {
    shares: Shares,
    bytes: UnsafeCell<[MaybeUninit<u8>; CHUNK_BYTES]>,
}

/// A body in a chunk.
pub(crate) struct Slice {
    memory: NonNull<Memory>,
    at: u32,
    len: u32,
}

// SAFETY: the bytes of a slice are written before it is made, and not again before it is dropped.
unsafe impl Send for Slice {}
// SAFETY: as above.
unsafe impl Sync for Slice {}

impl Slice {
    #[inline]
    pub(crate) const fn as_slice(&self) -> &[u8] {
        // SAFETY: the memory lives as long as the shares of its slices, this one among them; these bytes of it are
        // within it, were written, and nobody writes them meanwhile.
        unsafe {
            let bytes = (*self.memory.as_ptr()).bytes.get().cast::<u8>();
            std::slice::from_raw_parts(bytes.add(self.at as usize), self.len as usize)
        }
    }

    /// So many more of it, for which the count is changed once.
    pub(crate) fn copies(&self, count: u64) -> Copies<'_> {
        self.shares().add(count);
        Copies { of: self, count }
    }

    const fn shares(&self) -> &Shares {
        // SAFETY: as in `as_slice`.
        unsafe { &(*self.memory.as_ptr()).shares }
    }
}

impl Clone for Slice {
    #[inline]
    fn clone(&self) -> Self {
        self.shares().add(1);
        Self { ..*self }
    }
}

impl Drop for Slice {
    #[inline]
    fn drop(&mut self) {
        if self.shares().give_back(1) {
            free(self.memory);
        }
    }
}

/// Copies of a slice that are counted already.
pub(crate) struct Copies<'a> {
    of: &'a Slice,
    count: u64,
}

impl Iterator for Copies<'_> {
    type Item = Slice;

    #[inline]
    fn next(&mut self) -> Option<Slice> {
        self.count = self.count.checked_sub(1)?;
        Some(Slice { ..*self.of })
    }
}

impl Drop for Copies<'_> {
    fn drop(&mut self) {
        if self.count > 0 {
            // Never the last: there is the one that they are copies of.
            let _is_last: bool = self.of.shares().give_back(self.count);
        }
    }
}

#[cold]
fn free(memory: NonNull<Memory>) {
    // SAFETY: it was a box, and who calls this has given the last share back.
    drop(unsafe { Box::from_raw(memory.as_ptr()) });
}

/// A chunk in the hands of its owner.
struct Chunk {
    memory: NonNull<Memory>,
    used: usize,
    /// Shares that were given away.
    given: u64,
}

impl Chunk {
    fn allocate() -> Self {
        let memory: Box<MaybeUninit<Memory>> = Box::new_uninit();
        let memory = Box::into_raw(memory).cast::<Memory>();
        // SAFETY: the place is there and nobody else's; bytes may be anything.
        let memory = unsafe {
            (&raw mut (*memory).shares).write(Shares::new());
            NonNull::new_unchecked(memory)
        };
        Self {
            memory,
            used: 0,
            given: 0,
        }
    }

    const fn has_room(&self, bytes: usize) -> bool {
        CHUNK_BYTES - self.used >= bytes
    }

    /// Cuts a body off, for which there is room.
    #[expect(clippy::cast_possible_truncation, reason = "a chunk is short")]
    #[inline]
    fn cut(&mut self, body: &[u8]) -> Slice {
        assert!(self.has_room(body.len()), "a body longer than its chunk");
        let at = self.used;
        // SAFETY: there is room, and no slice reaches behind what was used so far. `body` is not within that: nobody has
        // seen it.
        unsafe {
            let bytes = (*self.memory.as_ptr()).bytes.get().cast::<u8>();
            bytes
                .add(at)
                .copy_from_nonoverlapping(body.as_ptr(), body.len());
        }
        self.used += body.len();
        self.given += 1;
        Slice {
            memory: self.memory,
            at: at as u32,
            len: body.len() as u32,
        }
    }

    /// Makes it empty, if all of its bodies are dropped.
    fn reclaim(&mut self) -> bool {
        let shares = self.shares();
        if !shares.are_back(self.given) {
            return false;
        }
        shares.reset();
        (self.used, self.given) = (0, 0);
        true
    }

    const fn shares(&self) -> &Shares {
        // SAFETY: the memory lives as long as the owner has shares.
        unsafe { &(*self.memory.as_ptr()).shares }
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        if self.shares().give_back_all_but(self.given) {
            free(self.memory);
        }
    }
}

/// The chunks of one thread.
#[derive(Default)]
pub(crate) struct Chunks {
    current: Option<Chunk>,
    /// Full ones, the oldest in front.
    full: VecDeque<Chunk>,
}

impl Chunks {
    /// A copy of a body of at most [`BODY_MAX`] bytes.
    #[inline]
    pub(crate) fn copy(&mut self, body: &[u8]) -> Slice {
        if let Some(current) = &mut self.current
            && current.has_room(body.len())
        {
            return current.cut(body);
        }
        self.next().cut(body)
    }

    #[cold]
    fn next(&mut self) -> &mut Chunk {
        let oldest = self.full.front_mut();
        let next = if oldest.is_some_and(Chunk::reclaim) {
            self.full.pop_front()
        } else {
            None
        };
        let next = next.unwrap_or_else(Chunk::allocate);
        if let Some(full) = self.current.replace(next) {
            // The oldest may be one that is kept by somebody for long.
            if self.full.len() == KEPT_MAX {
                self.full.pop_front();
            }
            self.full.push_back(full);
        }
        self.current.get_or_insert_with(Chunk::allocate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn bodies_stay_as_they_are_until_all_of_their_chunk_are_dropped() {
        let mut chunks = Chunks::default();
        let mut slices = Vec::new();
        for number in 0..1000_u32 {
            slices.push(chunks.copy(&number.to_le_bytes().repeat(100)));
        }
        for (number, slice) in (0..).zip(&slices) {
            assert_eq!(slice.as_slice(), u32::to_le_bytes(number).repeat(100));
        }
        let kept = slices[500].clone();
        thread::spawn(|| drop(slices)).join().unwrap();
        for _ in 0..1000 {
            assert_eq!(chunks.copy(&[9; 400]).as_slice(), [9; 400]);
        }
        assert_eq!(kept.as_slice(), 500_u32.to_le_bytes().repeat(100));
        drop(chunks);
        assert_eq!(kept.as_slice(), 500_u32.to_le_bytes().repeat(100));
    }

    #[test]
    fn a_chunk_is_filled_again() {
        let mut chunks = Chunks::default();
        let first = chunks.copy(&[1; BODY_MAX]);
        let memory = first.memory;
        drop(first);
        for _ in 0..CHUNK_BYTES / BODY_MAX {
            drop(chunks.copy(&[2; BODY_MAX]));
        }
        assert_ne!(chunks.current.as_ref().map(|it| it.memory), Some(memory));
        for _ in 0..CHUNK_BYTES / BODY_MAX {
            drop(chunks.copy(&[3; BODY_MAX]));
        }
        assert_eq!(chunks.current.as_ref().map(|it| it.memory), Some(memory));
    }

    #[test]
    fn what_nobody_drops_is_not_waited_for() {
        let mut chunks = Chunks::default();
        let kept: Vec<_> = (0..2000).map(|_| chunks.copy(&[7; BODY_MAX])).collect();
        assert_eq!(chunks.full.len(), KEPT_MAX);
        assert!(kept.iter().all(|slice| slice.as_slice() == [7; BODY_MAX]));
    }

    #[test]
    fn copies_that_are_not_taken_are_given_back() {
        let mut chunks = Chunks::default();
        let slice = chunks.copy(b"body");
        let mut copies = slice.copies(3);
        let first = copies.next().unwrap();
        drop(copies);
        drop(slice);
        assert_eq!(first.as_slice(), b"body");
        drop(first);
        assert!(chunks.current.as_mut().unwrap().reclaim());
    }
}
