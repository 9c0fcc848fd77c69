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
/// What is to be filled by others begins at a multiple of this, as memory of an allocator does.
const ALIGNMENT: usize = 16;
/// Full chunks that wait to be filled again.
const KEPT_MAX: usize = 256;
/// Full chunks that are looked at for free ones at a time.
const LOOKS_MAX: usize = 4;

/// The count has a line of cache to itself, which leaves the bytes aligned as well.
#[repr(C)]
struct Memory {
    shares: Line<Shares>,
    bytes: UnsafeCell<[MaybeUninit<u8>; CHUNK_BYTES]>,
}

#[repr(align(64))]
struct Line<T>(T);

/// A body in a chunk.
#[doc(hidden)]
pub struct Slice {
    memory: NonNull<Memory>,
    /// Where it begins, and in the lower half how long it is: so it is handed on in two registers.
    place: u64,
}

// SAFETY: the bytes of a slice are written before it is made, and not again before it is dropped.
unsafe impl Send for Slice {}
// SAFETY: as above.
unsafe impl Sync for Slice {}

impl Slice {
    /// The bytes.
    #[must_use]
    #[inline]
    pub const fn as_slice(&self) -> &[u8] {
        // SAFETY: the memory lives as long as the shares of its slices, this one among them; these bytes of it are
        // within it, were written, and nobody writes them meanwhile.
        unsafe {
            let bytes = (*self.memory.as_ptr()).bytes.get().cast::<u8>();
            std::slice::from_raw_parts(bytes.add(self.at()), self.len())
        }
    }

    const fn at(&self) -> usize {
        (self.place >> 32) as usize
    }

    #[expect(clippy::cast_possible_truncation, reason = "the lower half")]
    const fn len(&self) -> usize {
        self.place as u32 as usize
    }

    /// So many more of it, for which the count is changed once.
    pub(crate) fn copies(&self, count: u64) -> Copies<'_> {
        self.shares().add(count);
        Copies { of: self, count }
    }

    const fn shares(&self) -> &Shares {
        // SAFETY: as in `as_slice`.
        unsafe { &(*self.memory.as_ptr()).shares.0 }
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

/// Bytes in a chunk that nobody has seen yet.
#[doc(hidden)]
pub struct Blank(Slice);

impl Blank {
    /// What stands there now.
    #[must_use]
    #[inline]
    pub const fn as_slice(&self) -> &[u8] {
        self.0.as_slice()
    }

    /// To be filled.
    #[inline]
    pub const fn as_mut_slice(&mut self) -> &mut [u8] {
        let slice = &self.0;
        // SAFETY: as in `as_slice`, and there is no other slice of these bytes before this one is given out.
        unsafe {
            let bytes = (*slice.memory.as_ptr()).bytes.get().cast::<u8>();
            std::slice::from_raw_parts_mut(bytes.add(slice.at()), slice.len())
        }
    }

    /// From here on they do not change.
    #[must_use]
    #[inline]
    pub fn into_slice(self) -> Slice {
        self.0
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
        // SAFETY: the place is there and nobody else's.
        let memory = unsafe {
            (&raw mut (*memory).shares).write(Line(Shares::new()));
            (&raw mut (*memory).bytes).write_bytes(0, 1);
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
        self.give(body.len())
    }

    /// Likewise, as it is: all bytes of a chunk were written when it was made.
    #[inline]
    fn cut_blank(&mut self, bytes: usize) -> Blank {
        self.used = self.used.next_multiple_of(ALIGNMENT);
        assert!(
            self.used <= CHUNK_BYTES && self.has_room(bytes),
            "a body longer than its chunk"
        );
        Blank(self.give(bytes))
    }

    /// The next bytes, which are there and were written.
    #[inline]
    const fn give(&mut self, bytes: usize) -> Slice {
        let at = self.used;
        self.used += bytes;
        self.given += 1;
        Slice {
            memory: self.memory,
            place: (at as u64) << 32 | bytes as u64,
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
        unsafe { &(*self.memory.as_ptr()).shares.0 }
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
    /// Those of which all bodies are dropped. What was found so last, and is still in the cache, is filled next.
    free: Vec<Chunk>,
}

impl Chunks {
    /// A copy of a body of at most [`BODY_MAX`] bytes.
    #[inline]
    pub(crate) fn copy(&mut self, body: &[u8]) -> Slice {
        self.with_room(body.len()).cut(body)
    }

    /// So many bytes, at most [`BODY_MAX`], which are what they happen to be.
    #[inline]
    pub(crate) fn blank(&mut self, bytes: usize) -> Blank {
        self.with_room(bytes + ALIGNMENT - 1).cut_blank(bytes)
    }

    #[inline]
    fn with_room(&mut self, bytes: usize) -> &mut Chunk {
        match self.current.take_if(|current| !current.has_room(bytes)) {
            None if self.current.is_some() => {}
            full => self.next(full),
        }
        self.current.get_or_insert_with(Chunk::allocate)
    }

    #[cold]
    fn next(&mut self, full: Option<Chunk>) {
        for _ in 0..LOOKS_MAX {
            if !self.full.front_mut().is_some_and(Chunk::reclaim) {
                break;
            }
            self.free.extend(self.full.pop_front());
        }
        let next = self.free.pop();
        self.current = Some(next.unwrap_or_else(Chunk::allocate));
        if let Some(full) = full {
            // The oldest may be one that is kept by somebody for long.
            if self.full.len() + self.free.len() == KEPT_MAX && self.free.pop().is_none() {
                self.full.pop_front();
            }
            self.full.push_back(full);
        }
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
    fn a_blank_is_nobody_elses() {
        let mut chunks = Chunks::default();
        let before = chunks.copy(b"before");
        let mut blank = chunks.blank(5);
        let behind = chunks.copy(b"behind");
        assert_eq!(blank.as_slice(), [0; 5]);
        assert!(blank.as_slice().as_ptr().addr().is_multiple_of(ALIGNMENT));
        blank.as_mut_slice().copy_from_slice(b"blank");
        assert_eq!(before.as_slice(), b"before");
        assert_eq!(behind.as_slice(), b"behind");
        let slice = thread::spawn(|| blank.into_slice()).join().unwrap();
        drop((before, behind));
        assert!(!chunks.current.as_mut().unwrap().reclaim());
        assert_eq!(slice.as_slice(), b"blank");
        drop(slice);
        assert!(chunks.current.as_mut().unwrap().reclaim());
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
        let count = (KEPT_MAX + 2) * CHUNK_BYTES / BODY_MAX;
        let kept: Vec<_> = (0..count).map(|_| chunks.copy(&[7; BODY_MAX])).collect();
        assert_eq!(chunks.full.len(), KEPT_MAX);
        assert!(kept.iter().all(|slice| slice.as_slice() == [7; BODY_MAX]));
    }

    #[test]
    fn other_threads_read_and_drop_while_the_owner_fills_on() {
        let rounds: u32 = if cfg!(miri) { 300 } else { 100_000 };
        let channels = || std::sync::mpsc::sync_channel::<(u32, Slice)>(8);
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..2).map(|_| channels()).unzip();
        let readers = receivers.into_iter().map(|receiver| {
            thread::spawn(move || {
                let mut last = None;
                for (number, slice) in receiver {
                    assert_eq!(slice.as_slice(), number.to_le_bytes().repeat(200));
                    // Dropped later, by turns after and before those that came with it.
                    last = Some(slice.clone());
                }
                last
            })
        });
        let readers: Vec<_> = readers.collect();
        let mut chunks = Chunks::default();
        for number in 0..rounds {
            let slice = chunks.copy(&number.to_le_bytes().repeat(200));
            for (sender, copy) in senders.iter().zip(slice.copies(3)) {
                sender.send((number, copy)).unwrap();
            }
        }
        drop((senders, chunks));
        for reader in readers {
            let last = reader.join().unwrap().unwrap();
            assert_eq!(last.as_slice(), (rounds - 1).to_le_bytes().repeat(200));
        }
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
