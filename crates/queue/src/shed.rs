//! How messages leave memory that a page has.

use crate::Queue;
use crate::entry::Entry;
use crate::lane::Lane;
use crate::machine::Holdings;
use crate::page::{Member, Page, Stage, Sunk};
use crate::pages::Pages;
use crate::ready::Spot;
use model::{PageNumber, Sequence};
use std::collections::BTreeSet;

impl Queue {
    /// Drops from memory what stands in saved pages and is not about to be delivered: of each lane, and of the delayed
    /// messages, all but about `keep_bytes` in front, and but what a subscription that chooses is looking at. Needs no
    /// writing; returns what those are charged with.
    ///
    /// What is kept should not be less than what is read ahead, or it goes and comes again. Costs a look at each message
    /// in memory, unless only pages have been saved since the last time: then, a look at theirs.
    pub fn shed(&mut self, keep_bytes: usize) -> usize {
        let looked_at = self.looked_at();
        let Some(pages) = self.holdings.pages.as_deref_mut() else {
            return 0;
        };
        let saved = std::mem::take(&mut pages.saved);
        let is_rest_known =
            pages.shed_keep.is_some_and(|kept| kept <= keep_bytes) && !self.ready.has_new_paged();
        let spots = match is_rest_known {
            true => self.cold_in_pages(&saved, keep_bytes, &looked_at),
            false => None,
        };
        let spots = spots.unwrap_or_else(|| self.cold_anywhere(keep_bytes, &looked_at));
        if let Some(pages) = self.holdings.pages.as_deref_mut() {
            // What was looked at now is kept in front as far as this says, whatever was kept of the rest.
            let kept = pages
                .shed_keep
                .filter(|_| is_rest_known && saved.is_empty());
            pages.shed_keep = looked_at.is_empty().then_some(kept.unwrap_or(keep_bytes));
            self.ready.forget_new_paged();
        }
        self.sink_all(&spots)
    }

    /// Of these pages, what of their messages is to leave memory, ascending; none if more must be looked at.
    fn cold_in_pages(
        &self,
        saved: &[PageNumber],
        keep_bytes: usize,
        looked_at: &BTreeSet<PageNumber>,
    ) -> Option<Vec<Spot>> {
        let pages = self.holdings.pages.as_deref()?;
        let mut spots = Vec::new();
        for number in saved {
            let Some(page) = pages.get(*number) else {
                continue;
            };
            let lane = page.lane;
            // The delayed ones stand elsewhere, be it that they were delayed while the page was being written.
            let is_delayed = |entry: &Entry| entry.page() == Some(*number);
            if page.available_first().is_some()
                || self
                    .ready
                    .delayed_in(lane, page.first(), page.last())
                    .any(is_delayed)
            {
                return None;
            }
            let (_, messages) = self.ready.by_lane().find(|(own, _)| *own == lane)?;
            let Some(begin) = first_behind(messages, keep_bytes) else {
                continue;
            };
            let begin = begin.max(page.first());
            let cold = messages
                .range(begin, page.last().next())
                .filter(|entry| entry.page() == Some(*number) && page.holds(entry))
                .map(|entry| entry.sequence);
            if !looked_at.contains(number) {
                spots.extend(cold.map(|sequence| Spot { lane, sequence }));
            }
        }
        spots.sort_unstable();
        Some(spots)
    }

    /// The same of all pages.
    fn cold_anywhere(&self, keep_bytes: usize, looked_at: &BTreeSet<PageNumber>) -> Vec<Spot> {
        let mut spots = Vec::new();
        let Some(pages) = self.holdings.pages.as_deref() else {
            return spots;
        };
        // Most stand beside others of the same page.
        let mut last = None;
        let mut is_held = |lane: u8, entry: &Entry| {
            let Some(number) = entry.page() else {
                return false;
            };
            let page = match last {
                Some((known, page)) if known == number => page,
                Some(_) | None => {
                    let page = pages.get(number).filter(|page| page.lane == lane);
                    last = Some((number, page));
                    page
                }
            };
            page.is_some_and(|page| page.lane == lane && page.holds(entry))
                && !looked_at.contains(&number)
        };
        for (lane, messages) in self.ready.by_lane() {
            let mut kept = 0usize;
            for entry in messages.ordered() {
                kept = kept.saturating_add(entry.cost_bytes());
                if kept > keep_bytes && is_held(lane, entry) {
                    let sequence = entry.sequence;
                    spots.push(Spot { lane, sequence });
                }
            }
        }
        let mut kept = 0usize;
        for (spot, entry) in self.ready.delayed_first() {
            kept = kept.saturating_add(entry.cost_bytes());
            let has_page = |page| {
                let is_read = pages.get(page).is_some_and(|page| page.lane == spot.lane);
                is_read && pages.holds(page, entry)
            };
            if kept > keep_bytes && entry.page().is_some_and(has_page) {
                spots.push(spot);
            }
        }
        spots
    }

    /// Only their pages have these messages from now on. Returns what those are charged with.
    fn sink_all(&mut self, spots: &[Spot]) -> usize {
        if spots.is_empty() {
            return 0;
        }
        let before = self.resident_bytes();
        let mut sunk = Vec::new();
        // From behind: so each leaves the end of its lane.
        for spot in spots.iter().rev() {
            if let Some(entry) = self.ready.take(*spot) {
                sunk.extend(self.holdings.let_go(&entry));
            }
        }
        if let Some(pages) = &mut self.holdings.pages {
            for run in sunk.chunk_by(|(one, _), (two, _)| one == two) {
                let sink = |page: &mut Page| run.iter().for_each(|(_, sunk)| page.sink(sunk));
                pages.change(run[0].0, sink);
            }
            let touched: BTreeSet<_> = sunk.iter().map(|(page, _)| *page).collect();
            for page in touched {
                pages.change(page, Page::come_to_rest);
            }
        }
        self.ready.shrink();
        before - self.resident_bytes()
    }

    /// A message that only its page has goes back there, or waits until its delay is over.
    pub(crate) fn put_back_away(&mut self, entry: Entry) -> Spot {
        let pages = self.holdings.pages.as_deref();
        let page = entry.page().and_then(|page| pages?.get(page));
        let lane = page.map_or(0, |page| page.lane);
        let sequence = entry.sequence;
        let spot = Spot { lane, sequence };
        if entry.available_at().is_some() {
            self.ready.insert_at(spot, entry);
        } else {
            self.holdings.sink(&entry);
        }
        spot
    }

    /// Drops the bodies of messages in subscribers' hands that saved pages have. Those that become dead letters are read
    /// [once more](Self::next_body_page). Needs no writing; returns what they are charged with.
    pub fn strip_hands(&mut self) -> usize {
        let before = self.resident_bytes();
        let Some(pages) = &mut self.holdings.pages else {
            return 0;
        };
        for page in std::mem::take(&mut pages.in_hands) {
            self.strip_in_hands(page);
        }
        before - self.resident_bytes()
    }

    /// The same of one page, once it is saved.
    pub(crate) fn strip_in_hands(&mut self, page: PageNumber) {
        let Some(pages) = self.holdings.pages.as_deref_mut() else {
            return;
        };
        let Some(known) = pages.get(page) else {
            return;
        };
        if !known.is_saved() {
            pages.in_hands.insert(page);
            return;
        }
        let members = known.members_in(Member::Out);
        for subscription in self.subscriptions.values_mut() {
            let unsettled = &mut subscription.unsettled;
            // There may be many subscriptions that have little each.
            let few = (unsettled.len() < members.len()).then(|| {
                let own = unsettled.iter().map(|(sequence, _)| Sequence(sequence));
                own.filter(|sequence| members.binary_search(sequence).is_ok())
                    .collect::<Vec<_>>()
            });
            for sequence in few.as_ref().unwrap_or(&members) {
                if let Some(entry) = unsettled.get_mut(sequence.0) {
                    self.holdings.strip(entry);
                }
            }
        }
    }

    /// The pages of the messages that subscriptions look at that choose.
    fn looked_at(&self) -> BTreeSet<PageNumber> {
        if !self.has_cursors && self.browsers.is_empty() {
            return BTreeSet::new();
        }
        let looks = self.subscriptions.values().flat_map(|subscription| {
            let lanes = self.ready.by_lane();
            lanes.map(|(number, lane)| lane.first_from(subscription.cursor(number)))
        });
        let browses = self.browsers.values().map(|browser| {
            let (lane, from, _) = browser.place()?;
            self.ready.lanes().get(usize::from(lane))?.first_from(from)
        });
        let looked_at = looks.chain(browses).flatten();
        looked_at.filter_map(Entry::page).collect()
    }
}

impl Holdings {
    /// Whether a saved page, readable or not, has a message that is in memory.
    pub(crate) fn is_in_saved_page(&self, entry: &Entry) -> bool {
        let pages = self.pages.as_deref();
        let page = entry.page().and_then(|page| pages?.get(page));
        page.is_some_and(|page| page.is_saved() && page.member(entry.sequence) == Some(Member::Out))
    }

    /// Lets go of a message itself if its page has it.
    pub(crate) fn strip(&mut self, entry: &mut Entry) {
        if let Some(pages) = &mut self.pages
            && let Some(page) = entry.page()
            && pages.holds(page, entry)
        {
            pages.away_bytes += entry.strip();
        }
    }

    /// A message that is in memory, and does not wait there, is from now on only in its page.
    pub(crate) fn sink(&mut self, entry: &Entry) {
        if let Some((page, sunk)) = self.let_go(entry)
            && let Some(pages) = &mut self.pages
        {
            pages.change(page, |page| page.sink(&sunk));
        }
    }

    /// The same, but for what its page is to be told.
    fn let_go(&mut self, entry: &Entry) -> Option<(PageNumber, Sunk)> {
        let (pages, page) = self.pages.as_mut().zip(entry.page())?;
        if entry.message_here().is_none() {
            pages.away_bytes -= entry.cost_bytes();
        }
        if let Some(group) = entry.group() {
            self.groups.leave(group);
        }
        let was_delivered = entry.acquired_count() > 0
            || entry.delivery_count() > 0
            || entry.is_redelivered() && entry.sequence > pages.recovered_mark;
        let sunk = Sunk {
            sequence: entry.sequence,
            cost_bytes: entry.cost_bytes() as u64,
            body_bytes: entry.body_bytes(),
            expires_at: entry.expires_at(),
            available_at: entry.available_at(),
            is_known: entry.message_here().is_some(),
            counts: was_delivered.then(|| (entry.delivery_count(), entry.acquired_count())),
        };
        Some((page, sunk))
    }

    /// A message that is in memory leaves, and with it its page's claim.
    #[cold]
    pub(crate) fn leave_page(&mut self, page: PageNumber, entry: &Entry) {
        if let Some(pages) = &mut self.pages {
            if entry.message_here().is_none() {
                pages.away_bytes -= entry.cost_bytes();
            }
            pages.leave(page, entry.sequence);
        }
    }
}

/// Where the messages begin that have so many bytes of others in front.
fn first_behind(messages: &Lane, keep_bytes: usize) -> Option<Sequence> {
    let mut kept = 0usize;
    let mut behind = messages.ordered().skip_while(|entry| {
        kept = kept.saturating_add(entry.cost_bytes());
        kept <= keep_bytes
    });
    behind.next().map(|entry| entry.sequence)
}

impl Page {
    /// Whether it is durable, can be read, and has this message, which is in memory.
    fn holds(&self, entry: &Entry) -> bool {
        let is_readable = matches!(self.stage, Stage::Saved | Stage::Reading);
        is_readable && self.member(entry.sequence) == Some(Member::Out)
    }
}

impl Pages {
    /// Whether the page is durable, can be read, and has this message, which is in memory.
    pub(crate) fn holds(&self, page: PageNumber, entry: &Entry) -> bool {
        self.get(page).is_some_and(|page| page.holds(entry))
    }

    /// Whether a page has this message, or is to have it.
    pub(crate) fn has_member(&self, entry: &Entry) -> bool {
        let page = entry.page().and_then(|page| self.get(page));
        page.is_some_and(|page| page.member(entry.sequence) == Some(Member::Out))
    }
}
