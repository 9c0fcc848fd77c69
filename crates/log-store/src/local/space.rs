//! Why there may be no room.

use super::error::DiskError;
use std::io::ErrorKind;

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
