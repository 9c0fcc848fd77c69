//! How messages come back into memory.

use crate::Queue;
use crate::entry::Entry;
use crate::page::{Compaction, Member, Page, Stage};
use crate::paged::{PageMismatch, Paged};
use crate::pages::{Due, Pages};
use crate::placement::{Keys, Left, Placement};
use crate::ready::Ready;
use model::{Instant, LogIndex, Message, Overflow, PageNumber, Sequence};

/// A page is read for what expires in it at most this often.
const EXPIRY_MS: u64 = 10_000;

/// Where somebody looks for messages.
struct Front {
    lane: u8,
    from: Sequence,
    until: Sequence,
}

impl Queue {
    /// Tells pages that are to be read now. Each is told once until [`page_read`](Self::page_read) or
    /// [`page_damaged`](Self::page_damaged); call this after each pump, and when the [deadline](Self::deadline)
    /// has come, whatever the pump said.
    ///
    /// Those are, in this order: pages of delayed messages that are due, and pages of which a message has expired
    /// (each for this at most every ten seconds); the one at the head of a queue that is to drop its head; those in
    /// front of each lane, as those see it who may take messages or browse, until about `read_ahead_bytes` are in
    /// memory before. While pages of so many bytes are being read, no further one is told.
    pub fn wanted_pages(
        &mut self,
        now: Instant,
        read_ahead_bytes: usize,
        wanted: &mut Vec<PageNumber>,
    ) {
        let Some(mut pages) = self.holdings.pages.take_if(|pages| !pages.is_damaged) else {
            return;
        };
        let bytes_max = (read_ahead_bytes as u64).max(1);
        while pages.reading_bytes < bytes_max
            && let Some((page, due)) = pages.due(now)
        {
            if due == Due::Expiring {
                let until = now.plus_millis(EXPIRY_MS);
                pages.change(page, |page| page.put_expiry_off(until));
            }
            pages.ask(page, wanted);
        }
        let drops_head =
            self.rules.overflow.unwrap_or_default() == Overflow::DropHead && pages.owes_drops;
        if let Some((_, page)) = pages.least().filter(|_| drops_head) {
            pages.ask(page, wanted);
        }
        if pages.has_cold() {
            for front in self.fronts(&pages) {
                want_front(&mut pages, &self.ready, &front, bytes_max, wanted);
            }
        }
        self.holdings.pages = Some(pages);
    }

    /// A page was read: what waits in it is in memory from now on. `keys` is asked for what a message's head says
    /// if it is grouped. What the queue no longer needs of it is passed over, and so is a page that was not asked for.
    ///
    /// Messages that awaited their bodies have them. Those that were to leave have left, told to `left`; returns
    /// all of them.
    ///
    /// # Errors
    /// When a message is missing or there twice: then nothing has come, and the page is
    /// [damaged](Self::page_damaged), which the caller is to say.
    pub fn page_read(
        &mut self,
        page: PageNumber,
        messages: Vec<Paged>,
        keys: &mut dyn FnMut(&Message) -> Keys,
        left: &mut Vec<Left>,
    ) -> Result<Vec<Sequence>, PageMismatch> {
        let known = self.holdings.pages.as_ref();
        let known = known.and_then(|pages| pages.get(page));
        if known.is_none_or(|known| known.stage != Stage::Reading) {
            return Ok(Vec::new());
        }
        let bodies = self.bodies_in(page, &messages)?;
        let Some(pages) = &mut self.holdings.pages else {
            return Ok(Vec::new());
        };
        let entries = entries(pages, page, messages)?;
        let cost_bytes = pages.cost_bytes;
        pages.change(page, |page| {
            page.stage = Stage::Saved;
            page.rise();
        });
        let cost_bytes = cost_bytes - pages.cost_bytes;
        self.holdings.bytes -= usize::try_from(cost_bytes).unwrap_or(usize::MAX);
        let mut spots = Vec::new();
        // From behind: so each goes to the front of its lane.
        for (mut entry, member) in entries.into_iter().rev() {
            if entry.message().envelope().is_grouped {
                let keys = keys(entry.message());
                self.note_keys(keys, &mut entry);
            }
            self.holdings.bytes += entry.cost_bytes();
            let is_ready = entry.available_at().is_none();
            let spot = self.put(entry);
            if is_ready && member == Member::Delayed {
                spots.push(spot);
            }
        }
        self.look_again(&spots);
        Ok(self.embody(page, bodies, keys, left))
    }

    /// A page cannot be read. It is not asked for again, and all that waits is kept as it is until the queue is purged:
    /// nothing is delivered, expires or is dropped. Appends the messages that await their bodies in vain; those that were to leave wait
    /// in the page again.
    ///
    /// Returns whether a message stands in it. If not, its messages have left since it was asked for, and it is no
    /// loss.
    pub fn page_damaged(&mut self, page: PageNumber, given_up: &mut Vec<Sequence>) -> bool {
        self.give_up_bodies(page, given_up);
        let Some(pages) = &mut self.holdings.pages else {
            return false;
        };
        let is_needed = pages
            .get(page)
            .is_some_and(|known| known.is_saved() && known.live_count() > 0);
        if pages.merged.is_none() && pages.merging.contains(&page) {
            pages.end_merge();
        }
        if is_needed {
            pages.is_damaged = true;
            pages.change(page, |known| {
                known.stage = Stage::Damaged;
                if known.compaction == Compaction::Chosen {
                    known.end_compaction();
                }
            });
        }
        is_needed
    }

    /// Where those look who may take messages, or browse.
    fn fronts(&self, pages: &Pages) -> Vec<Front> {
        let until = Sequence(u64::MAX);
        let lanes = self.ready.by_lane().map(|(lane, _)| lane);
        let lanes = lanes.filter(|lane| pages.first_cold(*lane).is_some());
        let lanes: Vec<_> = lanes.collect();
        let mut fronts = Vec::new();
        if self.filtered_count == 0 && !self.ready.has_grouped() {
            let lanes = lanes.iter().filter(|_| !self.takers.is_empty());
            fronts.extend(lanes.map(|lane| Front {
                lane: *lane,
                from: Sequence(0),
                until,
            }));
        } else {
            let mut takers = Vec::new();
            self.takers.find(|id| {
                takers.extend(self.subscriptions.get(&id));
                false
            });
            for lane in &lanes {
                let mut cursors: Vec<_> = takers.iter().map(|taker| taker.cursor(*lane)).collect();
                cursors.sort_unstable();
                cursors.dedup();
                fronts.extend(cursors.into_iter().map(|from| Front {
                    lane: *lane,
                    from,
                    until,
                }));
            }
        }
        let browsers = self.browsers.values();
        let browsers = browsers.filter(|browser| browser.allowance.left() > 0);
        let places = browsers.filter_map(|browser| browser.place());
        fronts.extend(places.map(|(lane, from, until)| Front { lane, from, until }));
        fronts
    }
}

/// Asks for the pages in front of somebody: the one that is met first, and further ones until so much is ahead.
fn want_front(
    pages: &mut Pages,
    ready: &Ready,
    front: &Front,
    bytes_max: u64,
    wanted: &mut Vec<PageNumber>,
) {
    let Some(lane) = ready.lanes().get(usize::from(front.lane)) else {
        return;
    };
    let mut next = pages.first_cold_from(front.lane, front.from);
    let mut asked_bytes = 0u64;
    while let Some(cold) = next.filter(|cold| cold.sequence < front.until) {
        if pages.reading_bytes >= bytes_max {
            return;
        }
        let standing = pages.get(cold.page).map(Page::standing);
        let Some(standing) = standing.filter(|standing| standing.count > 0) else {
            return;
        };
        let first = lane.first_from(front.from);
        let is_met = asked_bytes == 0 && first.is_none_or(|first| cold.sequence < first.sequence);
        if !is_met {
            // What stands before is taken to be as large as what stands in the page.
            let each = (standing.cost_bytes / standing.count as u64).max(1);
            let count_max = usize::try_from(bytes_max / each).unwrap_or(usize::MAX);
            let before = lane.count_within(front.from, cold.sequence, count_max);
            let ahead = asked_bytes.saturating_add(each.saturating_mul(before as u64));
            if ahead >= bytes_max {
                return;
            }
        }
        if !pages.ask(cold.page, wanted) {
            return;
        }
        asked_bytes = asked_bytes.saturating_add(standing.cost_bytes.max(1));
        next = pages.cold_in(front.lane, cold.sequence.next());
    }
}

/// The messages of a page that wait in it, ascending, as they are now.
fn entries(
    pages: &Pages,
    number: PageNumber,
    mut messages: Vec<Paged>,
) -> Result<Vec<(Entry, Member)>, PageMismatch> {
    let Some(page) = pages.get(number) else {
        return Ok(Vec::new());
    };
    messages.sort_by_key(|one| one.placement.sequence);
    let mut waiting = [Member::Cold, Member::Delayed]
        .map(|state| {
            page.members_in(state)
                .into_iter()
                .map(move |sequence| (sequence, state))
        })
        .into_iter()
        .flatten()
        .collect::<Vec<_>>();
    waiting.sort_unstable_by_key(|(sequence, _)| *sequence);
    let mut messages = messages.into_iter().peekable();
    let mut entries = Vec::with_capacity(waiting.len());
    for (sequence, state) in waiting {
        let mut of_this = None;
        while let Some(one) = messages.next_if(|one| one.placement.sequence <= sequence) {
            if one.placement.sequence < sequence {
                continue;
            }
            if of_this.replace(one).is_some() {
                return Err(PageMismatch { sequence });
            }
        }
        let one = of_this.ok_or(PageMismatch { sequence })?;
        let mut entry = entry(page, state, one);
        if sequence <= pages.recovered_mark || entry.delivery_count() > 0 {
            entry.set_redelivered();
        }
        entry.set_page(number);
        entries.push((entry, state));
    }
    Ok(entries)
}

fn entry(page: &Page, state: Member, one: Paged) -> Entry {
    let sequence = one.placement.sequence;
    let (change, delay) = page.changed(sequence);
    let available_at = match state {
        Member::Delayed => delay.or(one.placement.available_at),
        Member::Cold | Member::Out | Member::Gone => None,
    };
    let placement = Placement {
        available_at,
        ..one.placement
    };
    let logged = (!page.is_unlogged()).then_some(LogIndex(0));
    let mut entry = Entry::placed(placement, logged, one.message);
    let (mut delivery_count, mut acquired_count) = (one.delivery_count, one.acquired_count);
    if let Some(change) = change {
        delivery_count = delivery_count.max(change.delivery_count);
        acquired_count = acquired_count.max(change.acquired_count);
    }
    if delivery_count > 0 || acquired_count > 0 {
        let rare = entry.rare_mut();
        (rare.delivery_count, rare.acquired_count) = (delivery_count, acquired_count);
    }
    if one.redelivered || change.is_some() {
        entry.set_redelivered();
    }
    entry
}
