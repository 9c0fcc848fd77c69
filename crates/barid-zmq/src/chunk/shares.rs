//! How many own a piece of memory.

use crate::sync::{AtomicU64, Ordering};

/// What the owner has at first: more than it will ever give away.
const OWN: u64 = 1 << 40;

/// Shares in a piece of memory, most of which its owner has. Whoever gives the last one back frees it.
pub(crate) struct Shares(AtomicU64);

impl Shares {
    /// All of them the owner's.
    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(OWN))
    }

    /// Adds so many, for copies that somebody makes who has one.
    #[inline]
    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// Gives so many back; true if they were the last.
    #[inline]
    #[must_use]
    pub(crate) fn give_back(&self, count: u64) -> bool {
        // Whatever was done with the memory is done before it is freed or filled again.
        self.0.fetch_sub(count, Ordering::AcqRel) == count
    }

    /// Gives the owner's back, who has given some away; true if they were the last.
    #[must_use]
    pub(crate) fn give_back_all_but(&self, given: u64) -> bool {
        self.give_back(OWN - given)
    }

    /// Whether nobody has a share but the owner, who has given so many away.
    #[must_use]
    pub(crate) fn are_back(&self, given: u64) -> bool {
        self.0.load(Ordering::Acquire) == OWN - given
    }

    /// Begins anew. Nobody has a share but the owner.
    pub(crate) fn reset(&self) {
        self.0.store(OWN, Ordering::Relaxed);
    }
}
