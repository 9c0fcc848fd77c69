//! Why there may be no room, and what is kept for when there is none.
//!
//! Spare segments are kept ready, [`SPARES_MAX`] of them, whose room is taken from the disk beforehand. As soon as less
//! than [`Options::free_bytes_min`](super::Options::free_bytes_min) is free, whoever adds to the store waits; what takes
//! away from it goes on, in the segment behind the current one and in the spares, though others take all the rest of
//! the disk. The last spare is the snapshots': they make that segments are not needed any more, which become spares.

use super::error::DiskError;
use super::journal::bytes_u64;
use std::io::ErrorKind;

/// The most segments that are kept to be used again.
pub(super) const SPARES_MAX: usize = 3;

/// A segment that is kept to be used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spare {
    pub(super) number: u64,
    /// Whether all of it was written before. If not, its room is only taken, and what stands in it means nothing.
    pub(super) is_filled: bool,
}

/// What a snapshot may take. When the next segment cannot be prepared, this is its share of all that is left, so that
/// none leaves nothing for the others that are needed to free a segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Budget {
    /// Bytes free on the disk.
    pub(super) free: u64,
    /// Bytes of the spare that it may use; 0 if there is none.
    pub(super) spare: u64,
    /// How many snapshots are needed to free a segment; `None` while there is no need to share.
    pub(super) sharers: Option<usize>,
}

impl Budget {
    /// The most bytes that it may have.
    pub(super) fn share(self) -> u64 {
        let left = self.free.saturating_add(self.spare);
        self.sharers.map_or(u64::MAX, |_| left / self.parts())
    }

    /// Whether it takes a spare's room: only where the disk has too little.
    pub(super) fn takes_spare(self) -> bool {
        self.spare > 0 && self.share() > self.free
    }

    /// How much must be free before it is worth trying again, after it has turned out to need so many bytes at least.
    pub(super) fn needs_free(self, bytes: u64) -> u64 {
        let needed = bytes.saturating_mul(self.parts());
        needed.saturating_sub(self.spare)
    }

    fn parts(self) -> u64 {
        self.sharers.map_or(1, |sharers| bytes_u64(sharers.max(1)))
    }
}

/// What stands against more being added; together they make the store low.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shortage {
    /// Less is free than the operator wants.
    Free,
    /// The next segment could not be prepared.
    Segment,
    /// A snapshot could not be written.
    Snapshot,
    /// The journal could not write a round.
    Round,
}

impl Shortage {
    pub(super) const fn bit(self) -> u8 {
        match self {
            Self::Free => 1,
            Self::Segment => 2,
            Self::Snapshot => 4,
            Self::Round => 8,
        }
    }
}

/// Whether the disk refused for want of room, which may come back.
pub(super) fn is_full(error: &DiskError) -> bool {
    matches!(
        error.source.kind(),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded
    )
}
