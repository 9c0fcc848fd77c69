//! What leaves of itself, and what is there after a restart, beside the naive model.

use super::naive::State;
use super::property::Pair;
use super::store::Record;
use crate::{LeaveReason, Left};
use model::{Outcome, Sequence};

impl Pair {
    pub(super) fn tick(&mut self, count_max: usize) {
        let mut left = Vec::new();
        while self.queue.tick(self.naive.now, count_max, &mut left) {}
        if self.owes_drops {
            left = self.drop_heads(left);
        }
        let expired = self.naive.tick();
        self.assert_same(&left, &mut [], (expired, Vec::new()));
    }

    /// Takes out what was dropped for want of place: always the least. Returns the others.
    pub(super) fn drop_heads(&mut self, left: Vec<Left>) -> Vec<Left> {
        let (dropped, others): (Vec<_>, Vec<_>) = left
            .into_iter()
            .partition(|left| left.reason == LeaveReason::MaxLength);
        for left in &dropped {
            self.pass_least();
            assert!(
                self.naive.is_too_long() || self.is_estimated(),
                "{left:?} is dropped in vain"
            );
            assert_eq!(
                self.naive.least(),
                Some(left.sequence),
                "the least is dropped"
            );
            self.naive.leave(left.sequence, LeaveReason::MaxLength);
        }
        self.pass_least();
        self.store.note_left(&dropped);
        self.look();
        let least = self.naive.least();
        let is_cold = least.is_some_and(|least| self.naive.cold.contains(&least));
        let pages = self.queue.holdings.pages.as_ref();
        self.owes_drops = pages.is_some_and(|pages| pages.owes_drops);
        assert!(!self.owes_drops || is_cold);
        others
    }

    /// What is dropped for want of place, and is to be a dead letter without a body, is only out of reach.
    fn pass_least(&mut self) {
        while let Some(least) = self.naive.least()
            && self.queue.leaving().contains(&least)
        {
            assert!(self.naive.is_too_long() || self.is_estimated());
            assert_eq!(self.naive.depart(least, LeaveReason::MaxLength), None);
        }
    }

    /// Whether bytes that the queue is bounded by are only known when pages are read.
    pub(super) fn is_estimated(&self) -> bool {
        !self.store.is_exact && self.naive.rules.bytes_max.is_some()
    }

    pub(super) fn drop_oldest(&mut self) {
        let here = self
            .naive
            .waiting()
            .filter(|known| !self.naive.cold.contains(&known.sequence));
        let least = here.min_by_key(|known| (self.naive.lane(known), known.sequence));
        let least = least.map(|known| (known.sequence, known.logged.is_some()));
        let dropped = self.queue.drop_oldest();
        // The body of one whose delay goes on may be in its page only.
        assert!(dropped.is_none() || least.is_some());
        if let Some((least, is_logged)) = least {
            self.naive.leave(least, LeaveReason::MaxLength);
            self.store.homes.remove(&least);
            if is_logged {
                self.store.log.push(Record::Settled(least));
            }
        }
    }

    /// The process ends, and the queue is what the log says.
    pub(super) fn restart(&mut self) {
        let prepared: Vec<_> = self.prepared(usize::MAX);
        let mark = self.queue.delivery_mark();
        let rules = self.naive.rules.clone();
        self.queue = self.store.recover(&self.queue, &rules);
        self.naive.restart(mark);
        let kept = |sequence: &Sequence| self.naive.known(*sequence).is_some();
        let prepared: Vec<_> = prepared.into_iter().filter(kept).collect();
        let before = self.queue.resident_bytes();
        self.queue.prepare_ready(&prepared);
        assert_eq!(self.queue.resident_bytes(), before);
        // What was prepared is charged with the mean of its page.
        self.store.is_exact &= prepared.is_empty();
        for known in &mut self.naive.messages {
            let home = self.store.homes.get(&known.sequence);
            let page = home.and_then(|home| self.store.saved.get(home));
            let mut paged = page.into_iter().flatten();
            let paged = paged.find(|one| one.placement.sequence == known.sequence);
            // One that was prepared is so without being read.
            if known.state == State::Waiting {
                known.acquired_count = paged.map_or(0, |one| one.acquired_count);
            }
        }
        self.owes_drops = false;
        self.look();
        self.await_bodies(usize::MAX, Outcome::Reject);
        self.read_what_is_due();
        assert_eq!(self.queue.awaited(&prepared), []);
    }
}
