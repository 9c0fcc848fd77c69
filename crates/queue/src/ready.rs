//! The messages that wait: ready ones in lanes, delayed ones beside them, and when something is due.

use crate::entry::Entry;
use crate::lane::Lane;
use model::{Instant, Message, QueueRules, Sequence};
use std::collections::{BTreeMap, BTreeSet};

/// Where a waiting message stands: in the lane of its priority, at its sequence.
///
/// Ordered by lane first: the least is what a full queue drops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Spot {
    pub(crate) lane: u8,
    pub(crate) sequence: Sequence,
}

/// A message whose delay has ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// It is ready.
    Ready(Spot),
    /// It is taken away: only its page has it.
    Away(Spot, Entry),
}

/// The messages that wait to be delivered, as far as they are in memory.
///
/// Invariants: each is either in the lane of its priority or delayed; `delayed_until` has each delayed one
/// once, `expiring` each one that expires.
#[derive(Debug)]
pub(crate) struct Ready {
    /// By priority.
    lanes: Box<[Lane]>,
    delayed: BTreeMap<Spot, Entry>,
    delayed_until: BTreeSet<(Instant, Spot)>,
    expiring: BTreeSet<(Instant, Spot)>,
    /// All, in the lanes and delayed.
    count: usize,
    /// Those in lanes that belong to a group.
    grouped_count: usize,
    /// Bytes of bodies; only counted if a rule needs it.
    body_bytes: u64,
    counts_body_bytes: bool,
    /// Whether messages have come that a page has, since that was last asked.
    has_new_paged: bool,
}

impl Ready {
    pub(crate) fn new(rules: &QueueRules) -> Self {
        Self {
            lanes: (0..=rules.priority_max).map(|_| Lane::default()).collect(),
            delayed: BTreeMap::new(),
            delayed_until: BTreeSet::new(),
            expiring: BTreeSet::new(),
            count: 0,
            grouped_count: 0,
            body_bytes: 0,
            counts_body_bytes: rules.bytes_max.is_some(),
            has_new_paged: false,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.count
    }

    pub(crate) fn body_bytes(&self) -> u64 {
        self.body_bytes
    }

    /// Gives back the memory for far more messages than there are.
    pub(crate) fn shrink(&mut self) {
        self.lanes.iter_mut().for_each(Lane::shrink);
    }

    /// Whether messages have come that a page has, since [`forget_new_paged`](Self::forget_new_paged).
    pub(crate) fn has_new_paged(&self) -> bool {
        self.has_new_paged
    }

    pub(crate) fn forget_new_paged(&mut self) {
        self.has_new_paged = false;
    }

    /// Whether no message is in a lane.
    pub(crate) fn is_empty(&self) -> bool {
        self.count == self.delayed.len()
    }

    /// Whether some have a time to live.
    pub(crate) fn has_expiring(&self) -> bool {
        !self.expiring.is_empty()
    }

    pub(crate) fn has_grouped(&self) -> bool {
        self.grouped_count > 0
    }

    /// The lanes, by priority.
    pub(crate) fn lanes(&self) -> &[Lane] {
        &self.lanes
    }

    /// The lanes with their numbers, the highest first.
    pub(crate) fn by_lane(&self) -> impl Iterator<Item = (u8, &Lane)> {
        // There are at most 256.
        let number = |number| u8::try_from(number).unwrap_or(u8::MAX);
        let lanes = self.lanes.iter().enumerate().rev();
        lanes.map(move |(at, lane)| (number(at), lane))
    }

    /// Where a message stands, or would.
    #[inline]
    pub(crate) fn spot(&self, sequence: Sequence, message: &Message) -> Spot {
        let lane = match self.lanes.len() {
            1 => 0,
            lanes => {
                let highest = u8::try_from(lanes - 1).unwrap_or(u8::MAX);
                message.envelope().priority.min(highest)
            }
        };
        Spot { lane, sequence }
    }

    /// Puts a message to its place: to the delayed ones if it is to wait.
    #[inline]
    pub(crate) fn insert(&mut self, entry: Entry) -> Spot {
        let spot = self.spot(entry.sequence, entry.message());
        self.insert_at(spot, entry);
        spot
    }

    /// Puts a message to this place. One that only its page has must be delayed.
    #[inline]
    pub(crate) fn insert_at(&mut self, spot: Spot, entry: Entry) {
        self.count += 1;
        self.has_new_paged |= entry.page().is_some();
        if self.counts_body_bytes {
            self.body_bytes += entry.body_bytes();
        }
        if let Some(rare) = entry.rare() {
            if let Some(at) = rare.expires_at {
                self.expiring.insert((at, spot));
            }
            if let Some(at) = rare.available_at {
                self.delayed_until.insert((at, spot));
                let previous = self.delayed.insert(spot, entry);
                assert!(previous.is_none(), "{spot:?} is in the queue once");
                return;
            }
            self.grouped_count += usize::from(rare.group.is_some());
        }
        self.lanes[usize::from(spot.lane)].insert(entry);
    }

    /// Takes a message, the first of its lane, if there is nothing rare about it and bodies are not counted: no more
    /// is to be noted than that it is gone.
    #[inline]
    pub(crate) fn pop_plain(&mut self, first: Spot) -> Option<Entry> {
        let lane = self.lanes.get_mut(usize::from(first.lane))?;
        if self.counts_body_bytes || lane.first()?.rare().is_some() {
            return None;
        }
        self.count -= 1;
        lane.pop_first()
    }

    /// Takes a message, ready or delayed.
    pub(crate) fn take(&mut self, spot: Spot) -> Option<Entry> {
        let entry = match self.lanes[usize::from(spot.lane)].remove(spot.sequence) {
            Some(entry) => {
                self.note_left_lane(&entry);
                entry
            }
            None => {
                let entry = self.delayed.remove(&spot)?;
                if let Some(at) = entry.available_at() {
                    self.delayed_until.remove(&(at, spot));
                }
                entry
            }
        };
        self.note_taken(spot, &entry);
        Some(entry)
    }

    /// The message that goes first where one must go: of the lowest lane, ready or delayed, the oldest.
    pub(crate) fn least(&self) -> Option<Spot> {
        let delayed = self.delayed.keys().next().copied();
        let mut ready = self.lanes.iter().filter_map(Lane::first);
        let ready = ready
            .next()
            .map(|entry| self.spot(entry.sequence, entry.message()));
        [ready, delayed].into_iter().flatten().min()
    }

    /// A message whose time was over at `now`, if there is one.
    pub(crate) fn expired(&self, now: Instant) -> Option<Spot> {
        let (at, spot) = self.expiring.first()?;
        (*at <= now).then_some(*spot)
    }

    /// Ends the delay of a message whose delay was over at `now`, if there is one.
    pub(crate) fn end_delay(&mut self, now: Instant) -> Option<Ended> {
        let (at, spot) = *self.delayed_until.first()?;
        if at > now {
            return None;
        }
        self.delayed_until.remove(&(at, spot));
        let mut entry = self.delayed.remove(&spot)?;
        entry.clear_available_at();
        if entry.message_here().is_none() {
            self.note_taken(spot, &entry);
            return Some(Ended::Away(spot, entry));
        }
        self.grouped_count += usize::from(entry.group().is_some());
        self.has_new_paged |= entry.page().is_some();
        self.lanes[usize::from(spot.lane)].insert(entry);
        Some(Ended::Ready(spot))
    }

    /// The delayed ones, those that are due first before.
    pub(crate) fn delayed_first(&self) -> impl Iterator<Item = (Spot, &Entry)> {
        let first = self.delayed_until.iter();
        first.filter_map(|(_, spot)| Some((*spot, self.delayed.get(spot)?)))
    }

    /// The delayed ones, those that wait longest first.
    pub(crate) fn delayed_last(&self) -> impl Iterator<Item = (Spot, &Entry)> {
        let last = self.delayed_until.iter().rev();
        last.filter_map(|(_, spot)| Some((*spot, self.delayed.get(spot)?)))
    }

    /// The delayed ones of a lane from a first to a last.
    pub(crate) fn delayed_in(
        &self,
        lane: u8,
        first: Sequence,
        last: Sequence,
    ) -> impl Iterator<Item = &Entry> {
        let spot = |sequence| Spot { lane, sequence };
        let delayed = self.delayed.range(spot(first)..=spot(last));
        delayed.map(|(_, entry)| entry)
    }

    /// A message that is delayed.
    pub(crate) fn delayed_mut(&mut self, spot: Spot) -> Option<&mut Entry> {
        self.delayed.get_mut(&spot)
    }

    /// Shows each ready message of a lane from a first to a last, to change it.
    pub(crate) fn for_each_in_lane(
        &mut self,
        lane: u8,
        (first, last): (Sequence, Sequence),
        change: impl FnMut(&mut Entry),
    ) {
        if let Some(lane) = self.lanes.get_mut(usize::from(lane)) {
            lane.range_mut(first, last.next()).for_each(change);
        }
    }

    /// When something is due: a message expires or becomes ready.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let due = [self.expiring.first(), self.delayed_until.first()];
        due.into_iter().flatten().map(|(at, _)| *at).min()
    }

    /// All, in no particular order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Entry> {
        let ready = self.lanes.iter().flat_map(Lane::iter);
        ready.chain(self.delayed.values())
    }

    /// Those from one sequence to before another, in no particular order.
    pub(crate) fn range(&self, from: Sequence, until: Sequence) -> impl Iterator<Item = &Entry> {
        let until = until.max(from);
        let ready = self
            .lanes
            .iter()
            .flat_map(move |lane| lane.range(from, until));
        let delayed = (0..=u8::MAX)
            .take(self.delayed_lanes())
            .flat_map(move |lane| self.delayed.range(spots(lane, from, until)));
        ready.chain(delayed.map(|(_, entry)| entry))
    }

    /// Shows each of these, to change it.
    pub(crate) fn for_each_mut(
        &mut self,
        from: Sequence,
        until: Sequence,
        mut change: impl FnMut(&mut Entry),
    ) {
        let until = until.max(from);
        for lane in &mut self.lanes {
            lane.range_mut(from, until).for_each(&mut change);
        }
        for lane in (0..=u8::MAX).take(self.delayed_lanes()) {
            let delayed = self.delayed.range_mut(spots(lane, from, until));
            delayed.for_each(|(_, entry)| change(entry));
        }
    }

    /// The lanes that delayed messages may belong to.
    fn delayed_lanes(&self) -> usize {
        if self.delayed.is_empty() {
            0
        } else {
            self.lanes.len()
        }
    }

    fn note_left_lane(&mut self, entry: &Entry) {
        if entry.group().is_some() {
            self.grouped_count -= 1;
        }
    }

    fn note_taken(&mut self, spot: Spot, entry: &Entry) {
        self.count -= 1;
        if self.counts_body_bytes {
            self.body_bytes -= entry.body_bytes();
        }
        if let Some(at) = entry.expires_at() {
            self.expiring.remove(&(at, spot));
        }
    }
}

fn spots(lane: u8, from: Sequence, until: Sequence) -> std::ops::Range<Spot> {
    let spot = |sequence| Spot { lane, sequence };
    spot(from)..spot(until)
}
