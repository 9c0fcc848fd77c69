//! How small pages that stand side by side become one.
//!
//! Where many queues share little memory, each of their pages holds a message or two; there would soon be nearly as
//! many pages as messages. So once a lane ends with enough pages of about one size, they are read and written anew
//! as one:
//!
//! 1. Sizes are compared by their class, powers of sixteen. The pages of a lane are walked from the last one back; the
//!    walk goes on to larger classes only while too few have been met. So each message is written once per class, and
//!    a lane has few pages of each.
//! 2. Only pages that nobody has touched since they were written take part, and they stay what they are meanwhile:
//!    they may be read, and emptied. Those to which that happens drop out when the one is saved.
//! 3. When it is saved it takes the place of the others, which are freed once that stands in the log.

use crate::Queue;
use crate::members::Members;
use crate::page::{Compaction, Page, Stage, earlier};
use crate::paged::{MergeLimits, PageOut, PageRecord, PageSaved, Paged};
use crate::pages::Pages;
use crate::run::{SPAN_MAX, record};
use model::{PageNumber, Sequence};

/// So many pages become one at most, so that reading them takes nobody else's turn.
const PAGES_MAX: usize = 64;

impl Queue {
    /// Small pages that are worth being one, in their order. The caller reads them all and brings what they hold to
    /// [`merge`](Self::merge), or says of one that it is [damaged](Self::page_damaged). None while others are being
    /// merged.
    pub fn pages_to_merge(&mut self, limits: MergeLimits) -> Option<Vec<PageNumber>> {
        let pages = self.holdings.pages.as_deref_mut()?;
        if pages.is_merging() {
            return None;
        }
        let mut lanes = self.ready.by_lane().map(|(lane, _)| lane);
        let chosen = lanes.find_map(|lane| pages.small_ones(lane, limits))?;
        for page in &chosen {
            pages.change(*page, |page| page.compaction = Compaction::Chosen);
        }
        pages.merging.clone_from(&chosen);
        Some(chosen)
    }

    /// Returns what is to be saved as one page of this number: [`page_saved`](Self::page_saved) says then that it is
    /// to be logged. None if too little of what [`pages_to_merge`](Self::pages_to_merge) chose is still as it was; all
    /// stays as it is then.
    ///
    /// # Panics
    /// When the queue has a page of this number.
    pub fn merge(
        &mut self,
        page: PageNumber,
        parts: Vec<(PageNumber, Vec<Paged>)>,
    ) -> Option<PageOut> {
        let pages = self.holdings.pages.as_deref_mut()?;
        let (mut messages, mut sources) = (Vec::new(), Vec::new());
        for (number, part) in parts {
            let known = pages.get(number).filter(|known| known.is_to_be_merged());
            let Some(known) = known else {
                continue;
            };
            if let Some(mut part) = whole(known, part) {
                messages.append(&mut part);
                sources.push(number);
            }
        }
        let first = sources.first().and_then(|first| pages.get(*first));
        let record = first
            .map(|first| (first.lane, first.is_unlogged()))
            .filter(|_| sources.len() > 1)
            .and_then(|(lane, is_unlogged)| {
                Some((record(page, lane, false, &messages)?, is_unlogged))
            });
        let Some((record, is_unlogged)) = record else {
            pages.end_merge();
            return None;
        };
        pages.merging.retain(|chosen| sources.contains(chosen));
        pages.insert(page, Page::being_written(record, is_unlogged, false));
        pages.merged = Some(page);
        Some(PageOut { page, messages })
    }
}

/// What a page that nobody has touched holds, ascending; none if a message is missing, or there twice.
fn whole(page: &Page, mut messages: Vec<Paged>) -> Option<Vec<Paged>> {
    messages.retain(|one| page.member(one.placement.sequence).is_some());
    messages.sort_by_key(|one| one.placement.sequence);
    let found = messages.iter().map(|one| one.placement.sequence);
    found.eq(page.sequences()).then_some(messages)
}

impl Page {
    /// Whether it is as it was when it was written, and nothing of it is under way.
    fn is_at_rest(&self) -> bool {
        self.stage == Stage::Saved && self.is_untouched() && self.available_first().is_none()
    }

    fn is_to_be_merged(&self) -> bool {
        self.compaction == Compaction::Chosen && self.is_at_rest()
    }

    /// The power of sixteen that its size is beyond.
    fn class(&self) -> u32 {
        self.standing().cost_bytes.max(1).ilog2() / 4
    }
}

impl Pages {
    fn is_merging(&self) -> bool {
        !self.merging.is_empty()
    }

    /// The pages at the end of a lane that are worth being one, in their order.
    fn small_ones(&self, lane: u8, limits: MergeLimits) -> Option<Vec<PageNumber>> {
        let (mut chosen, mut class, mut bytes) = (Vec::new(), 0, 0u64);
        let mut last = None;
        for (number, page) in self.last_ones(lane) {
            let cost_bytes = page.standing().cost_bytes;
            let last = *last.get_or_insert(page.last());
            let is_small = cost_bytes < limits.bytes_max / 2
                && bytes + cost_bytes <= limits.bytes_max
                && last.0 - page.first().0 < u64::from(SPAN_MAX);
            let is_larger = page.class() > class;
            let is_enough = chosen.len()
                >= if is_larger {
                    limits.pages_min
                } else {
                    PAGES_MAX
                };
            if !is_small || is_enough || page.compaction != Compaction::No || !page.is_at_rest() {
                break;
            }
            class = class.max(page.class());
            bytes += cost_bytes;
            chosen.push(number);
        }
        chosen.reverse();
        (chosen.len() >= limits.pages_min).then_some(chosen)
    }

    /// The page that stands for several is durable: it takes their place, unless too little of them is still as it
    /// was.
    pub(crate) fn finish_merge(&mut self, page: PageNumber, stored_bytes: u64) -> PageSaved {
        let written = self.remove(page);
        let is_ready = |number: &PageNumber| self.get(*number).is_some_and(Page::is_to_be_merged);
        let sources: Vec<_> = self.merging.iter().copied().filter(is_ready).collect();
        let records = sources.iter();
        let records = records.filter_map(|number| Some(self.get(*number)?.record(*number)));
        let record = together(page, records);
        let record = record.zip(written).filter(|(record, written)| {
            // What is not needed of it is not to be more than a page is rewritten for.
            sources.len() > 1 && record.members.len() * 4 >= written.count() * 3
        });
        let Some((record, written)) = record else {
            self.end_merge();
            return PageSaved::Unneeded;
        };
        for source in sources {
            self.free(source);
        }
        self.end_merge();
        let mut merged = Page::new(record.clone());
        merged.set_stored_bytes(stored_bytes);
        merged.set_unlogged(written.is_unlogged());
        self.insert(page, merged);
        self.shrink();
        PageSaved::Log(record)
    }

    /// Leaves those alone that were to be merged.
    pub(crate) fn end_merge(&mut self) {
        for page in std::mem::take(&mut self.merging) {
            self.change(page, |page| {
                if page.compaction == Compaction::Chosen {
                    page.end_compaction();
                }
            });
        }
        self.merged = None;
    }
}

/// One record in place of several, which ascend.
fn together(page: PageNumber, mut records: impl Iterator<Item = PageRecord>) -> Option<PageRecord> {
    let mut whole = records.next()?;
    whole.page = page;
    let mut sequences: Vec<Sequence> = whole.members.iter().collect();
    for record in records {
        sequences.extend(record.members.iter());
        whole.cost_bytes += record.cost_bytes;
        whole.body_bytes += record.body_bytes;
        whole.expires_first = earlier(whole.expires_first, record.expires_first);
    }
    whole.members = Members::from_sequences(&sequences)?;
    Some(whole)
}
