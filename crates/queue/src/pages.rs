//! The pages of a queue, and where they are found when they are needed.

use crate::bodies::Awaiting;
use crate::page::{Compaction, Page, Stage, Standing};
use crate::ready::Spot;
use crate::sorted::Sorted;
use model::{Instant, PageNumber, Sequence};
use std::collections::{BTreeMap, BTreeSet};

/// So many pages that were saved are remembered one by one.
const SAVED_MAX: usize = 16;

/// The pages of a queue.
///
/// Invariants: `order` and `wide` have, together, each page with a cold member once, at its first; the ranges
/// of those in `order` do not overlap within a lane. `delayed` has each with a delayed member at the first of
/// those. The sums are those of the pages.
#[derive(Debug, Default)]
pub(crate) struct Pages {
    pages: Sorted<PageNumber, Page>,
    order: Sorted<Spot, PageNumber>,
    wide: Sorted<Spot, PageNumber>,
    delayed: Sorted<Spot, PageNumber>,
    due: BTreeSet<(Instant, PageNumber)>,
    expiring: BTreeSet<(Instant, PageNumber)>,
    /// Those of which more than a quarter is dead.
    worn: BTreeSet<PageNumber>,
    freed: Vec<PageNumber>,
    /// Those that are to become one, in their order.
    pub(crate) merging: Vec<PageNumber>,
    /// That one, once it is being written.
    pub(crate) merged: Option<PageNumber>,
    /// Messages whose bodies are to be read; all are among the prepared ones.
    pub(crate) awaited: BTreeMap<Sequence, Awaiting>,
    /// The pages that have those.
    pub(crate) bodiless: BTreeSet<PageNumber>,
    /// Those of which messages may be in subscribers' hands with their bodies.
    pub(crate) in_hands: BTreeSet<PageNumber>,
    /// Those that were saved since messages last left memory for pages.
    pub(crate) saved: Vec<PageNumber>,
    /// What was kept in front then, if nothing else was.
    pub(crate) shed_keep: Option<usize>,
    /// Messages that only pages have: cold and delayed.
    pub(crate) count: usize,
    pub(crate) cost_bytes: u64,
    pub(crate) body_bytes: u64,
    /// What messages are charged with that are in somebody's hands, or delayed, without their bodies.
    pub(crate) away_bytes: usize,
    pub(crate) stored_bytes: u64,
    pub(crate) dead_bytes: u64,
    /// What is charged for messages that are being read.
    pub(crate) reading_bytes: u64,
    /// One that is needed is damaged.
    pub(crate) is_damaged: bool,
    /// Cold messages are still to be dropped for want of place.
    pub(crate) owes_drops: bool,
    /// Messages up to here count as delivered before: so a crash left it.
    pub(crate) recovered_mark: Sequence,
}

/// A page with a cold message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cold {
    /// The first of those that were asked for.
    pub(crate) sequence: Sequence,
    pub(crate) page: PageNumber,
}

impl Pages {
    pub(crate) fn get(&self, page: PageNumber) -> Option<&Page> {
        self.pages.get(page)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (PageNumber, &Page)> {
        self.pages.iter()
    }

    /// Whether there are so many.
    pub(crate) fn has(&self, count: usize) -> bool {
        self.pages.has(count)
    }

    pub(crate) fn insert(&mut self, number: PageNumber, page: Page) {
        let standing = page.standing();
        let previous = self.pages.insert(number, page);
        assert!(previous.is_none(), "page {number} is a new one");
        self.restand(number, &Standing::default(), &standing);
    }

    /// A new page is durable: what it has may leave memory.
    pub(crate) fn note_saved(&mut self, number: PageNumber) {
        if self.saved.len() < SAVED_MAX {
            self.saved.push(number);
        } else {
            self.saved.clear();
            self.shed_keep = None;
        }
    }

    /// Forgets a page.
    pub(crate) fn remove(&mut self, number: PageNumber) -> Option<Page> {
        let standing = self.pages.get(number)?.standing();
        self.restand(number, &standing, &Standing::default());
        self.worn.remove(&number);
        self.bodiless.remove(&number);
        self.in_hands.remove(&number);
        self.pages.remove(number)
    }

    /// Changes a page, and frees it if nothing of it is needed any more.
    pub(crate) fn change<T>(
        &mut self,
        number: PageNumber,
        change: impl FnOnce(&mut Page) -> T,
    ) -> Option<T> {
        let page = self.pages.get_mut(number)?;
        let before = page.standing();
        let result = change(page);
        let after = page.standing();
        let is_over = page.is_over();
        self.restand(number, &before, &after);
        if is_over {
            self.free(number);
        }
        Some(result)
    }

    /// A message that is in memory and stands in this page leaves the queue.
    pub(crate) fn leave(&mut self, number: PageNumber, sequence: Sequence) {
        let Some(page) = self.pages.get_mut(number) else {
            return;
        };
        let before = page.dead_bytes();
        if !page.leave(sequence) {
            return;
        }
        let after = page.dead_bytes();
        if page.is_over() {
            self.dead_bytes -= before;
            self.dead_bytes += after;
            self.free(number);
        } else {
            self.note_dead(number, before, after);
        }
    }

    pub(crate) fn free(&mut self, number: PageNumber) {
        self.remove(number);
        self.freed.push(number);
    }

    /// Gives back the memory for far more pages than there are.
    pub(crate) fn shrink(&mut self) {
        self.pages.shrink();
        self.order.shrink();
    }

    /// Whether there is no page, and nothing to be told of one.
    pub(crate) fn is_empty(&self) -> bool {
        self.pages.is_empty() && self.freed.is_empty()
    }

    /// Pages that nobody needs, as of what was told so far.
    pub(crate) fn take_freed(&mut self, freed: &mut Vec<PageNumber>) {
        freed.append(&mut self.freed);
    }

    /// The first cold message of a lane.
    pub(crate) fn first_cold(&self, lane: u8) -> Option<Cold> {
        self.cold_in(lane, Sequence(0))
    }

    /// The same, if it stands in the log.
    pub(crate) fn first_logged(&self, lane: u8) -> Option<Sequence> {
        let cold = self.first_cold(lane)?;
        let is_logged = self.get(cold.page).is_some_and(|page| !page.is_unlogged());
        is_logged.then_some(cold.sequence)
    }

    /// The first cold message of a lane at or behind a sequence.
    pub(crate) fn first_cold_from(&self, lane: u8, from: Sequence) -> Option<Cold> {
        let behind = self.cold_in(lane, from);
        if from == Sequence(0) {
            return behind;
        }
        let (start, end) = (spot(lane, Sequence(0)), spot(lane, from));
        let within = |number: &PageNumber| {
            let sequence = self.get(*number)?.first_cold_from(from)?;
            let page = *number;
            Some(Cold { sequence, page })
        };
        let last = self.order.last_before(end);
        let last = last.filter(|(spot, _)| *spot >= start);
        let last = last.and_then(|(_, number)| within(number));
        let wide = self.wide.range(start, end);
        let wide = wide.filter_map(|(_, number)| within(number)).min();
        [behind, last, wide].into_iter().flatten().min()
    }

    /// The first page of a lane whose cold messages begin at or behind a sequence.
    pub(crate) fn cold_in(&self, lane: u8, from: Sequence) -> Option<Cold> {
        let firsts = [&self.order, &self.wide].map(|map| map.first_from(spot(lane, from)));
        let firsts = firsts.into_iter().flatten();
        firsts
            .filter(|(spot, _)| spot.lane == lane)
            .map(|(spot, page)| Cold {
                sequence: spot.sequence,
                page: *page,
            })
            .min()
    }

    /// The pages of a lane with cold messages, the last one first, up to the first that may overlap another.
    pub(crate) fn last_ones(&self, lane: u8) -> impl Iterator<Item = (PageNumber, &Page)> {
        let end = spot(lane, Sequence(u64::MAX));
        let behind = self.order.before(end);
        let lane = behind.take_while(move |(spot, _)| spot.lane == lane);
        lane.filter_map(|(_, number)| Some((*number, self.get(*number)?)))
    }

    /// Whether a message is cold.
    pub(crate) fn has_cold(&self) -> bool {
        !self.order.is_empty() || !self.wide.is_empty()
    }

    /// The message that goes first where one must go: of the lowest lane the oldest.
    pub(crate) fn least(&self) -> Option<(Spot, PageNumber)> {
        let maps = [&self.order, &self.wide, &self.delayed];
        let firsts = maps.into_iter().filter_map(Sorted::first);
        firsts.map(|(spot, page)| (spot, *page)).min()
    }

    /// When a page is to be read because of what stands in it. None while any is being read: that comes first.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        if self.reading_bytes > 0 {
            return None;
        }
        let firsts = [self.due.first(), self.expiring.first()];
        firsts.into_iter().flatten().map(|(at, _)| *at).min()
    }

    /// Asks for a page, unless it is asked for, or cannot be read; says whether it is on its way.
    pub(crate) fn ask(&mut self, page: PageNumber, wanted: &mut Vec<PageNumber>) -> bool {
        let stage = self.get(page).map(|page| page.stage);
        if stage == Some(Stage::Saved) {
            self.change(page, |page| page.stage = Stage::Reading);
            wanted.push(page);
        }
        matches!(stage, Some(Stage::Saved | Stage::Reading))
    }

    /// A page that is to be read by now for what is delayed, or for what expires.
    pub(crate) fn due(&self, now: Instant) -> Option<(PageNumber, Due)> {
        let is_due = |first: Option<&(Instant, PageNumber)>| {
            first.filter(|(at, _)| *at <= now).map(|(_, page)| *page)
        };
        let delayed = is_due(self.due.first()).map(|page| (page, Due::Delayed));
        delayed.or_else(|| is_due(self.expiring.first()).map(|page| (page, Due::Expiring)))
    }

    /// Of the pages that are worn and left alone, the one of which the largest part is dead.
    pub(crate) fn emptiest(&self) -> Option<PageNumber> {
        let worn = self.worn.iter().filter_map(|number| {
            let page = self.get(*number)?;
            let is_idle = page.stage == Stage::Saved && page.compaction == Compaction::No;
            let stored = page.standing().stored_bytes.max(1);
            is_idle.then(|| (page.dead_bytes().saturating_mul(1 << 20) / stored, *number))
        });
        // Of equal ones the oldest.
        worn.max_by_key(|(share, number)| (*share, std::cmp::Reverse(*number)))
            .map(|(_, number)| number)
    }

    fn restand(&mut self, number: PageNumber, before: &Standing, after: &Standing) {
        if before == after {
            return;
        }
        self.restand_cold(number, before.cold, after.cold);
        if before.delayed != after.delayed {
            before.delayed.map(|spot| self.delayed.remove(spot));
            after.delayed.map(|spot| self.delayed.insert(spot, number));
        }
        if before.due != after.due {
            before.due.map(|at| self.due.remove(&(at, number)));
            after.due.map(|at| self.due.insert((at, number)));
        }
        if before.expires != after.expires {
            before.expires.map(|at| self.expiring.remove(&(at, number)));
            after.expires.map(|at| self.expiring.insert((at, number)));
        }
        self.count = self.count + after.count - before.count;
        self.cost_bytes = self.cost_bytes + after.cost_bytes - before.cost_bytes;
        self.body_bytes = self.body_bytes + after.body_bytes - before.body_bytes;
        self.stored_bytes = self.stored_bytes + after.stored_bytes - before.stored_bytes;
        self.reading_bytes = self.reading_bytes + after.reading_bytes - before.reading_bytes;
        self.note_dead(number, before.dead_bytes, after.dead_bytes);
    }

    fn restand_cold(&mut self, number: PageNumber, before: Option<Spot>, after: Option<Spot>) {
        if before == after {
            return;
        }
        let was_wide = self.get(number).is_some_and(|page| page.is_wide);
        before.map(|spot| self.cold_map(was_wide).remove(spot));
        let Some(at) = after else {
            return;
        };
        let stays = before.is_some_and(|before| before.lane == at.lane);
        let is_wide = if stays {
            was_wide
        } else {
            self.overlaps(number, at)
        };
        self.cold_map(is_wide).insert(at, number);
        if let Some(page) = self.pages.get_mut(number) {
            page.is_wide = is_wide;
        }
    }

    fn cold_map(&mut self, is_wide: bool) -> &mut Sorted<Spot, PageNumber> {
        if is_wide {
            &mut self.wide
        } else {
            &mut self.order
        }
    }

    /// Whether the range of a page that begins with this cold message overlaps that of one in `order`. Those do
    /// not overlap each other, so that one of its neighbors would be it.
    fn overlaps(&self, number: PageNumber, at: Spot) -> bool {
        let Some(page) = self.get(number) else {
            return false;
        };
        let neighbors = [self.order.last_before(at), self.order.first_from(at)];
        let neighbors = neighbors.into_iter().flatten();
        let mut neighbors = neighbors.filter(|(spot, _)| spot.lane == at.lane);
        neighbors.any(|(_, other)| {
            let other = self.get(*other);
            other.is_some_and(|other| other.first() <= page.last() && page.first() <= other.last())
        })
    }

    fn note_dead(&mut self, number: PageNumber, before: u64, after: u64) {
        if before == after {
            return;
        }
        self.dead_bytes = self.dead_bytes + after - before;
        let stored = self
            .get(number)
            .map_or(0, |page| page.standing().stored_bytes);
        if after > stored / 4 {
            self.worn.insert(number);
        } else {
            self.worn.remove(&number);
        }
    }
}

/// Why a page is to be read whatever is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// A delayed message's time has come.
    Delayed,
    /// A message expires.
    Expiring,
}

fn spot(lane: u8, sequence: Sequence) -> Spot {
    Spot { lane, sequence }
}
