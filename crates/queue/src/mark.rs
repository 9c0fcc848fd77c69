//! What must stand in the log, and the delivery mark.

use crate::entry::Entry;
use crate::lane::Lane;
use crate::placement::{Age, Unlogged};
use crate::{Queue, gate::Gate};
use model::{Instant, LogIndex, Sequence};

/// The delivery mark is reserved this far ahead of what is delivered next.
pub(crate) const MARK_AHEAD: u64 = 4096;
/// It is reserved anew when less than this is left.
const MARK_LEFT_MIN: u64 = MARK_AHEAD / 2;

/// The delivery mark: up to where messages may have been delivered, as the log knows it.
///
/// It is one number for all lanes: what waits in a low lane below it counts as delivered after a crash,
/// though only messages of a high lane were. So a flag may be set in vain, but is never missing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mark {
    /// Durable up to here.
    durable: Sequence,
    /// Reserved up to here by the record at this index.
    reserved: Sequence,
    reserved_at: LogIndex,
    /// Deliveries that were chosen, not just the first of a lane, have reached or need this.
    reach: Sequence,
}

impl Mark {
    pub(crate) fn new(durable: Sequence) -> Self {
        Self {
            durable,
            reserved: durable,
            reserved_at: LogIndex(0),
            reach: Sequence(0),
        }
    }

    /// What a message must pass now.
    pub(crate) fn gate(&mut self, now: Instant, committed: LogIndex) -> Gate {
        if self.reserved_at <= committed {
            self.durable = self.reserved;
        }
        Gate {
            now,
            committed,
            durable: self.durable,
            reserved: self.reserved,
            reserved_at: self.reserved_at,
        }
    }

    /// A message that stands in the log is delivered, or waits for the mark, wherever it stands.
    pub(crate) fn reach(&mut self, sequence: Sequence) {
        self.reach = self.reach.max(sequence);
    }
}

/// Which waiting messages may lack a record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Riders {
    /// No message below this that waits lacks one.
    unlogged_from: Sequence,
    /// Messages at or above this came after the last call of `log_unlogged`.
    young_from: Sequence,
}

impl Riders {
    pub(crate) fn new(next: Sequence) -> Self {
        Self {
            unlogged_from: next,
            young_from: next,
        }
    }

    /// A message waits, from now on or again.
    pub(crate) fn note(&mut self, entry: &Entry) {
        if !entry.is_logged() {
            self.unlogged_from = self.unlogged_from.min(entry.sequence);
        }
    }
}

impl Queue {
    /// Up to where messages may have been delivered, as the log knows it or will.
    #[must_use]
    pub fn delivery_mark(&self) -> Sequence {
        self.mark.reserved
    }

    /// The mark that is to be logged now, if deliveries are about to reach the one there is. The
    /// caller logs it and says where with [`mark_logged`](Self::mark_logged).
    ///
    /// It covers what goes next in every lane, and what was chosen from further behind.
    #[must_use]
    pub fn wanted_mark(&self) -> Option<Sequence> {
        if self.takers.is_empty() {
            return None;
        }
        let has_logged = |lane: &Lane| {
            let ends = [lane.first(), lane.last()];
            ends.into_iter().flatten().any(Entry::is_logged)
        };
        let pages = self.holdings.pages.as_deref();
        let lanes = self.ready.by_lane().filter_map(|(number, lane)| {
            let cold = pages.and_then(|pages| pages.first_logged(number));
            let first = lane.first().filter(|_| cold.is_some() || has_logged(lane));
            first
                .map(|entry| entry.sequence)
                .into_iter()
                .chain(cold)
                .min()
        });
        let first = lanes.max();
        let needed = (self.mark.reach > self.mark.reserved).then_some(self.mark.reach);
        let reached = first.or(needed)?.max(self.mark.reach);
        let left = self.mark.reserved.0.saturating_sub(reached.0);
        (left < MARK_LEFT_MIN).then_some(Sequence(reached.0 + MARK_AHEAD))
    }

    /// The mark stands in the log at `index`.
    pub fn mark_logged(&mut self, mark: Sequence, index: LogIndex) {
        self.mark.reserved = mark;
        self.mark.reserved_at = index;
    }

    /// Whether waiting messages, ready or delayed, are yet to be logged.
    #[must_use]
    pub fn has_unlogged(&self) -> bool {
        self.riders.unlogged_from < self.next
    }

    /// The mark that must stand in the log before what [`log_unlogged`](Self::log_unlogged) is about to
    /// log: a message that was delivered and came back would else be unmarked after a crash.
    #[must_use]
    pub fn mark_for_unlogged(&self, age: Age) -> Option<Sequence> {
        self.ready
            .range(self.riders.unlogged_from, self.unlogged_until(age))
            .filter(|entry| !entry.is_logged() && entry.is_redelivered())
            .map(|entry| entry.sequence)
            .max()
            .filter(|sequence| *sequence > self.mark.reserved)
    }

    /// Hands waiting messages that stand in no log to `log`, which says where each stands now.
    pub fn log_unlogged(&mut self, age: Age, mut log: impl FnMut(Unlogged<'_>) -> LogIndex) {
        let until = self.unlogged_until(age);
        let from = self.riders.unlogged_from;
        self.ready.for_each_mut(from, until, |entry| {
            if !entry.is_logged()
                && let Some(message) = entry.message_here()
            {
                let unlogged = Unlogged {
                    sequence: entry.sequence,
                    placement: entry.placement(),
                    delivery_count: entry.delivery_count(),
                    message,
                };
                let index = log(unlogged);
                entry.set_logged(index);
            }
        });
        self.riders.unlogged_from = from.max(until);
        self.riders.young_from = self.next;
    }

    fn unlogged_until(&self, age: Age) -> Sequence {
        match age {
            Age::Known => self.riders.young_from,
            Age::Any => self.next,
        }
    }
}
