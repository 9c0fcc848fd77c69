//! Memory that is filled again and again.
//!
//! What one thread fills, another one lets go: allocators are slow at that, and the memory of large buffers they hand
//! back to the system, which clears every page of it for the next one. So whoever fills a buffer keeps a handle to
//! it, and fills it again once all that was cut from it is dropped.
//!
//! ```text
//!   used:  [in use] [in use] [in use]      the oldest in front: looked at when a buffer is needed
//!   free:  [cold] [warm] [hot]             what was found free last, and so is still in the cache, is filled next
//! ```

#![expect(
    unsafe_code,
    reason = "memory that was written once need not be written again"
)]

use bytes::BytesMut;
use std::collections::VecDeque;

/// How many times larger than needed a buffer may be: what is cut from it keeps all of it alive.
const LARGER_MAX: usize = 4;
/// Buffers that are looked at for one that is free.
const LOOKS_MAX: usize = 4;

struct Kept {
    handle: BytesMut,
    /// All of its memory.
    bytes: usize,
}

/// Buffers of one thread.
pub(crate) struct Buffers {
    used: VecDeque<Kept>,
    free: VecDeque<Kept>,
    /// Of both.
    bytes: usize,
    bytes_max: usize,
}

impl Buffers {
    /// None yet; at most so many bytes are kept.
    pub(crate) const fn new(bytes_max: usize) -> Self {
        Self {
            used: VecDeque::new(),
            free: VecDeque::new(),
            bytes: 0,
            bytes_max,
        }
    }

    /// An empty buffer with room for so many bytes; its capacity is all of its memory.
    pub(crate) fn take(&mut self, room: usize) -> BytesMut {
        self.find(room)
            .unwrap_or_else(|| BytesMut::with_capacity(room))
    }

    /// One that is free.
    fn find(&mut self, room: usize) -> Option<BytesMut> {
        for _ in 0..LOOKS_MAX {
            // All of it, not what is free behind a part that is in use: that would keep the whole alive for less and less.
            let is_free = |oldest: &mut Kept| oldest.handle.try_reclaim(oldest.bytes);
            if !self.used.front_mut().is_some_and(is_free) {
                // It is in use, and so are those that were filled after it.
                break;
            }
            self.free.extend(self.used.pop_front());
        }
        let suits = |kept: &Kept| (room..=room.saturating_mul(LARGER_MAX)).contains(&kept.bytes);
        let latest = self.free.iter().rev().take(LOOKS_MAX);
        let behind = latest.enumerate().find(|(_, kept)| suits(kept))?.0;
        let found = self.free.remove(self.free.len() - 1 - behind)?;
        self.bytes -= found.bytes;
        Some(found.handle)
    }

    /// Keeps a buffer, whose memory is so many bytes in all, for when what was cut from it is dropped, and forgets
    /// others for it: those that nobody needs, then the oldest.
    pub(crate) fn keep(&mut self, mut handle: BytesMut, bytes: usize) {
        if bytes == 0 || bytes > self.bytes_max {
            return;
        }
        handle.clear();
        while self.bytes + bytes > self.bytes_max {
            let forgotten = self.free.pop_front().or_else(|| self.used.pop_front());
            self.bytes -= forgotten.map_or(0, |forgotten| forgotten.bytes);
        }
        self.bytes += bytes;
        self.used.push_back(Kept { handle, bytes });
    }
}

/// Buffers for others to fill. All of their memory was written when it was made.
pub(crate) struct Rooms(Buffers);

impl Rooms {
    /// As [`Buffers::new`].
    pub(crate) const fn new(bytes_max: usize) -> Self {
        Self(Buffers::new(bytes_max))
    }

    /// So many bytes that nobody else has, which are what they happen to be.
    pub(crate) fn cut(&mut self, bytes: usize) -> BytesMut {
        let room = bytes.next_power_of_two();
        let mut buffer = self.0.find(room).unwrap_or_else(|| {
            let mut buffer = BytesMut::zeroed(room);
            buffer.clear();
            buffer
        });
        let all = buffer.capacity();
        assert!(all >= bytes, "a buffer with too little room");
        // SAFETY: there is so much room, which was zeroed when this was made, here and nowhere else.
        unsafe { buffer.set_len(bytes) };
        let cut = buffer.split();
        self.0.keep(buffer, all);
        cut
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn fill(buffers: &mut Buffers, bytes: usize) -> Bytes {
        let mut buffer = buffers.take(bytes);
        let all = buffer.capacity();
        assert!(all >= bytes);
        assert_eq!(buffer, "");
        buffer.resize(bytes, 7);
        let content = buffer.split().freeze();
        buffers.keep(buffer, all);
        content
    }

    #[test]
    fn a_buffer_is_filled_again_when_all_of_it_is_dropped() {
        let mut buffers = Buffers::new(1000);
        let first = fill(&mut buffers, 100);
        let at = first.as_ptr();
        let second = fill(&mut buffers, 100);
        assert_ne!(second.as_ptr(), at, "it was in use");
        let part = first.slice(10..20);
        drop(first);
        assert_ne!(fill(&mut buffers, 100).as_ptr(), at, "a part of it was");
        drop(part);
        let again = fill(&mut buffers, 100);
        assert_eq!(again.as_ptr(), at);
        assert_eq!(second, [7; 100][..]);
    }

    #[test]
    fn no_more_is_kept_than_may_be_and_what_is_never_dropped_is_forgotten() {
        let mut buffers = Buffers::new(1000);
        let stuck = fill(&mut buffers, 100);
        for _ in 0..20 {
            let _dropped = fill(&mut buffers, 100);
            assert!(buffers.bytes <= 1000);
            assert_eq!(
                buffers.bytes,
                100 * (buffers.used.len() + buffers.free.len())
            );
        }
        let at = fill(&mut buffers, 100).as_ptr();
        let reused = (0..10).any(|_| fill(&mut buffers, 100).as_ptr() == at);
        assert!(reused);
        drop(stuck);
        drop(fill(&mut buffers, 2000));
        assert!(buffers.bytes <= 1000, "it was too large to be kept");
    }

    #[test]
    fn what_was_free_last_is_filled_next() {
        let mut buffers = Buffers::new(1000);
        let contents: Vec<_> = (0..4).map(|_| fill(&mut buffers, 100)).collect();
        let places: Vec<_> = contents.iter().map(|content| content.as_ptr()).collect();
        drop(contents);
        for _ in 0..10 {
            assert_eq!(fill(&mut buffers, 100).as_ptr(), places[3]);
        }
    }

    #[test]
    fn rooms_are_nobody_elses_and_used_again() {
        let mut rooms = Rooms::new(10_000);
        let mut first = rooms.cut(3000);
        assert_eq!(first, [0; 3000][..]);
        first.fill(1);
        let at = first.as_ptr();
        let mut second = rooms.cut(3001);
        second.fill(2);
        let first = first.freeze();
        assert_eq!(first, [1; 3000][..]);
        drop(first);
        let third = rooms.cut(4096);
        assert_eq!(third.as_ptr(), at);
        assert_eq!(third.len(), 4096);
        assert_eq!(second, [2; 3001][..]);
    }

    #[test]
    fn a_buffer_is_neither_too_small_nor_much_too_large() {
        let mut buffers = Buffers::new(10_000);
        drop(fill(&mut buffers, 100));
        drop(fill(&mut buffers, 4000));
        let content = fill(&mut buffers, 999);
        assert_eq!(content.len(), 999);
        assert_eq!(buffers.bytes, 5099, "both are left");
        assert_eq!(fill(&mut buffers, 90).len(), 90);
        assert_eq!(buffers.bytes, 5099);
    }

    #[test]
    fn a_large_buffer_with_little_in_it_stays_a_large_one() {
        let mut buffers = Buffers::new(10_000);
        drop(fill(&mut buffers, 1600));
        let small = fill(&mut buffers, 400);
        assert_eq!(buffers.bytes, 1600);
        let next = fill(&mut buffers, 400);
        assert_eq!(buffers.bytes, 2000, "what is free of one in use is left");
        drop((small, next));
        for _ in 0..10 {
            drop(fill(&mut buffers, 100));
        }
        assert_eq!(buffers.bytes, 2000);
        assert_eq!(buffers.take(1000).capacity(), 1600, "it was too large");
    }

    #[test]
    fn a_large_room_for_little_stays_a_large_one() {
        let mut rooms = Rooms::new(1 << 20);
        drop(rooms.cut(16_000));
        let small = rooms.cut(4_096);
        assert_eq!((rooms.0.bytes, rooms.0.used[0].bytes), (16_384, 16_384));
        let next = rooms.cut(4_096);
        assert_eq!(rooms.0.bytes, 16_384 + 4_096, "one in use is left");
        drop((small, next));
        for _ in 0..10 {
            drop(rooms.cut(1_024));
        }
        assert_eq!(rooms.0.bytes, 16_384 + 4_096);
        assert_eq!(
            rooms.cut(5_000).len(),
            5_000,
            "it was too large for so little"
        );
        assert_eq!(rooms.0.bytes, 16_384 + 4_096);
    }
}
