//! Whether a message may be delivered now.

use crate::entry::Entry;
use crate::port::Stop;
use model::{Instant, LogIndex, Sequence};

/// What a message must pass to be delivered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gate {
    pub(crate) now: Instant,
    /// Records up to here are durable.
    pub(crate) committed: LogIndex,
    /// The delivery mark that is durable.
    pub(crate) durable: Sequence,
    /// The delivery mark that will be when the record at `reserved_at` is.
    pub(crate) reserved: Sequence,
    pub(crate) reserved_at: LogIndex,
}

/// Whether a message may be delivered now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passage {
    Open,
    /// It never will: its time is over.
    Expired,
    /// Not yet.
    Held(Stop),
}

impl Gate {
    #[inline]
    pub(crate) fn passage(&self, entry: &Entry) -> Passage {
        if self.is_over(entry) {
            return Passage::Expired;
        }
        let Some(index) = entry.logged() else {
            return Passage::Open;
        };
        if index > self.committed {
            return Passage::Held(Stop::Uncommitted(index));
        }
        if entry.sequence <= self.durable {
            return Passage::Open;
        }
        // A mark that is on its way may cover it; then its commit pumps the queue.
        Passage::Held(if entry.sequence <= self.reserved {
            Stop::Uncommitted(self.reserved_at)
        } else {
            Stop::Unmarked
        })
    }

    /// Whether its time is over. One whose time ends right now may still go, so that a message may which has
    /// no time to wait at all.
    pub(crate) fn is_over(&self, entry: &Entry) -> bool {
        entry.expires_at().is_some_and(|at| at < self.now)
    }

    /// Whether its record, if it has one, is durable.
    pub(crate) fn uncommitted(&self, entry: &Entry) -> Option<LogIndex> {
        entry.logged().filter(|index| *index > self.committed)
    }
}

/// What a pump may cost beside what it delivers, in units of about ten nanoseconds: messages that it looks at
/// (by filters, because they belong to others, or because their time is over) and the filters themselves.
const WORK_MAX: u64 = 64 * 1024;
/// What looking at one message costs.
const LOOK_WORK: u64 = 16;

/// How much a pump may look at, and what it found to be needed.
#[derive(Debug)]
pub(crate) struct Budget {
    work_left: u64,
    /// A message up to here waits for the mark.
    pub(crate) mark_needed: Sequence,
}

impl Budget {
    pub(crate) fn new() -> Self {
        Self {
            work_left: WORK_MAX,
            mark_needed: Sequence(0),
        }
    }

    /// Uses up one look, if anything is left. Whoever looks first gets at least one look, whatever that costs.
    #[must_use]
    pub(crate) fn take(&mut self) -> bool {
        let is_left = self.work_left > 0;
        self.charge(LOOK_WORK);
        is_left
    }

    /// Uses up what a filter cost.
    pub(crate) fn charge(&mut self, work: u64) {
        self.work_left = self.work_left.saturating_sub(work);
    }
}
