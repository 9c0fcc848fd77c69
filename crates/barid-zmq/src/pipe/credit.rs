//! How far a writer may be ahead of its reader.
//!
//! The reader gives room back in batches of half the limit, so that the two touch a common word once
//! in many items. A writer that finds no room asks to be woken ([`Spent::wait`]), in the same way as a
//! reader of the queue lies down.
//!
//! Either side may change the limit. The writer sees that when it is woken or finds no room, the reader when it finds nothing;
//! so whoever changes it wakes both.

use crate::sync::{Arc, AtomicBool, AtomicU64, Ordering, fence};

/// How much may wait in a queue. It is full when either number is reached.
///
/// A frame counts what it holds and 64 bytes. A message that is larger than `bytes` passes when nothing else waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hwm {
    /// Messages; 0 is no limit.
    pub messages: u64,
    /// Bytes; 0 is no limit.
    pub bytes: u64,
}

impl Hwm {
    /// What a new socket has: 1,000 messages and 64 MiB.
    pub const DEFAULT: Self = Self {
        messages: 1000,
        bytes: 64 << 20,
    };

    /// No limit at all.
    pub const UNLIMITED: Self = Self {
        messages: 0,
        bytes: 0,
    };

    /// So many messages, and any number of bytes.
    #[must_use]
    pub const fn messages(messages: u64) -> Self {
        Self { messages, bytes: 0 }
    }

    /// The limit of two queues, one behind the other.
    #[must_use]
    pub(crate) const fn with(self, other: Self) -> Self {
        Self {
            messages: sum(self.messages, other.messages),
            bytes: sum(self.bytes, other.bytes),
        }
    }
}

impl Default for Hwm {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// No limit with any other is no limit.
const fn sum(a: u64, b: u64) -> u64 {
    if a == 0 || b == 0 {
        0
    } else {
        a.saturating_add(b)
    }
}

/// Neither number is ever reached: what stands for "no limit" inside.
const fn or_max(limit: u64) -> u64 {
    if limit == 0 { u64::MAX } else { limit }
}

struct Returned {
    items: AtomicU64,
    bytes: AtomicU64,
    /// The writer has found no room and waits to be woken.
    waits: AtomicBool,
    items_max: AtomicU64,
    bytes_max: AtomicU64,
}

impl Returned {
    /// The limit as it is now: items and bytes.
    #[inline]
    fn limit(&self) -> (u64, u64) {
        (
            self.items_max.load(Ordering::Relaxed),
            self.bytes_max.load(Ordering::Relaxed),
        )
    }

    /// True if that changes it.
    fn set_limit(&self, hwm: Hwm) -> bool {
        let limit = (or_max(hwm.messages), or_max(hwm.bytes));
        let is_new = limit != self.limit();
        self.items_max.store(limit.0, Ordering::Relaxed);
        self.bytes_max.store(limit.1, Ordering::Relaxed);
        is_new
    }
}

/// The writer's side.
pub(crate) struct Spent {
    returned: Arc<Returned>,
    items_max: u64,
    bytes_max: u64,
    items: u64,
    bytes: u64,
    /// What had come back when the writer looked last.
    items_back: u64,
    bytes_back: u64,
}

/// The reader's side.
pub(crate) struct Earned {
    returned: Arc<Returned>,
    /// What the steps are half of.
    limit: (u64, u64),
    items_step: u64,
    bytes_step: u64,
    items: u64,
    bytes: u64,
    items_told: u64,
    bytes_told: u64,
}

/// A budget of which nothing is spent.
pub(crate) fn credit(hwm: Hwm) -> (Spent, Earned) {
    let (items_max, bytes_max) = (or_max(hwm.messages), or_max(hwm.bytes));
    let returned = Arc::new(Returned {
        items: AtomicU64::new(0),
        bytes: AtomicU64::new(0),
        waits: AtomicBool::new(false),
        items_max: AtomicU64::new(items_max),
        bytes_max: AtomicU64::new(bytes_max),
    });
    let spent = Spent {
        returned: Arc::clone(&returned),
        items_max,
        bytes_max,
        items: 0,
        bytes: 0,
        items_back: 0,
        bytes_back: 0,
    };
    let earned = Earned {
        returned,
        limit: (items_max, bytes_max),
        items_step: items_max.div_ceil(2),
        bytes_step: bytes_max.div_ceil(2),
        items: 0,
        bytes: 0,
        items_told: 0,
        bytes_told: 0,
    };
    (spent, earned)
}

impl Spent {
    /// Counts an item.
    #[inline]
    pub(crate) const fn spend(&mut self, bytes: u64) {
        self.items += 1;
        self.bytes += bytes;
    }

    /// Whether one more item may be spent.
    #[inline]
    pub(crate) fn has_room(&mut self) -> bool {
        self.has_room_as_seen() || {
            self.look();
            self.has_room_as_seen()
        }
    }

    const fn has_room_as_seen(&self) -> bool {
        self.items - self.items_back < self.items_max
            && self.bytes - self.bytes_back < self.bytes_max
    }

    /// How far the writer is ahead: items and bytes.
    pub(crate) fn ahead(&mut self) -> (u64, u64) {
        self.look();
        (self.items - self.items_back, self.bytes - self.bytes_back)
    }

    fn look(&mut self) {
        self.items_back = self.returned.items.load(Ordering::Acquire);
        self.bytes_back = self.returned.bytes.load(Ordering::Acquire);
        self.refresh();
    }

    /// Sees whether the limit is another one.
    #[inline]
    pub(crate) fn refresh(&mut self) {
        (self.items_max, self.bytes_max) = self.returned.limit();
    }

    /// Changes the limit; true if that is another one, and the reader must be woken.
    pub(crate) fn set_limit(&mut self, hwm: Hwm) -> bool {
        let is_new = self.returned.set_limit(hwm);
        self.look();
        is_new
    }

    /// Asks to be woken when there is room. False if there is some meanwhile.
    #[must_use]
    pub(crate) fn wait(&mut self) -> bool {
        self.returned.waits.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if !self.has_room() {
            return true;
        }
        self.returned.waits.store(false, Ordering::Relaxed);
        false
    }
}

impl Earned {
    /// Counts an item that was taken; true if the writer waits for it and must be woken.
    #[inline]
    #[must_use]
    pub(crate) fn earn(&mut self, bytes: u64) -> bool {
        self.items += 1;
        self.bytes += bytes;
        let is_due = self.items - self.items_told >= self.items_step
            || self.bytes - self.bytes_told >= self.bytes_step;
        is_due && self.tell()
    }

    /// Changes the limit; true if that is another one, or the writer waits for what it gives back, and must be woken.
    pub(crate) fn set_limit(&mut self, hwm: Hwm) -> bool {
        let is_new = self.returned.set_limit(hwm);
        // The writer's side may have set the same one, which is new here.
        let is_awaited = self.refresh();
        is_new || is_awaited
    }

    /// Sees whether the limit is another one; true if the writer waits for what that gives back, and must be woken.
    #[inline]
    #[must_use]
    pub(crate) fn refresh(&mut self) -> bool {
        let limit = self.returned.limit();
        limit != self.limit && self.follow(limit)
    }

    #[cold]
    fn follow(&mut self, limit: (u64, u64)) -> bool {
        self.limit = limit;
        (self.items_step, self.bytes_step) = (limit.0.div_ceil(2), limit.1.div_ceil(2));
        let is_due = self.items - self.items_told >= self.items_step
            || self.bytes - self.bytes_told >= self.bytes_step;
        is_due && self.tell()
    }

    fn tell(&mut self) -> bool {
        (self.items_told, self.bytes_told) = (self.items, self.bytes);
        self.returned.items.store(self.items, Ordering::Release);
        self.returned.bytes.store(self.bytes, Ordering::Release);
        fence(Ordering::SeqCst);
        let waits = &self.returned.waits;
        waits.load(Ordering::Relaxed) && waits.swap(false, Ordering::Relaxed)
    }
}
