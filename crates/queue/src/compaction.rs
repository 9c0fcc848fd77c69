//! How pages of which much is dead become smaller.

use crate::Queue;
use crate::page::{Compaction, Member, Page};
use crate::paged::{PageOut, PageRecord, Paged};
use crate::run::record;
use model::PageNumber;

impl Queue {
    /// What its saved pages take where they are stored.
    #[must_use]
    pub fn stored_bytes(&self) -> u64 {
        let pages = self.holdings.pages.as_ref();
        pages.map_or(0, |pages| pages.stored_bytes)
    }

    /// What of that nobody needs, estimated by the number of messages that have left.
    #[must_use]
    pub fn dead_bytes(&self) -> u64 {
        let pages = self.holdings.pages.as_ref();
        pages.map_or(0, |pages| pages.dead_bytes)
    }

    /// The saved page of which the largest part, and more than a quarter, is dead; none if there is none that is
    /// not being read or written anew. The caller reads it and brings what it holds to [`rewrite`](Self::rewrite),
    /// or says that it is [damaged](Self::page_damaged).
    pub fn emptiest_page(&mut self) -> Option<PageNumber> {
        let pages = self.holdings.pages.as_mut()?;
        let emptiest = pages.emptiest()?;
        pages.change(emptiest, |page| page.compaction = Compaction::Chosen);
        Some(emptiest)
    }

    /// Returns what is left of a page, to be saved under the same number once what the queue has told so far is
    /// durable: [`page_saved`](Self::page_saved) says [`Rewritten`](crate::PageSaved::Rewritten) then. The counts are
    /// the present ones. None if the page went meanwhile, was not chosen by
    /// [`emptiest_page`](Self::emptiest_page), or a message is missing that should be there; it stays as it is.
    pub fn rewrite(&mut self, page: PageNumber, messages: Vec<Paged>) -> Option<PageOut> {
        let pages = self.holdings.pages.as_mut()?;
        let known = pages.get(page)?;
        if known.compaction != Compaction::Chosen {
            return None;
        }
        let mut kept: Vec<_> = messages
            .into_iter()
            .filter_map(|one| present(known, one))
            .collect();
        kept.sort_by_key(|one| one.placement.sequence);
        let is_whole = kept.len() == known.live_count() as usize;
        let available_first = known.available_first();
        let record = record(page, known.lane, false, &kept).filter(|_| is_whole);
        let is_begun = pages.change(page, |known| match record {
            Some(record) => {
                known.begin_rewrite(PageRecord {
                    available_first,
                    ..record
                });
                true
            }
            None => {
                known.end_compaction();
                false
            }
        });
        is_begun?.then_some(PageOut {
            page,
            messages: kept,
        })
    }
}

/// A message of a page as it is now, unless it is gone.
fn present(page: &Page, mut one: Paged) -> Option<Paged> {
    let sequence = one.placement.sequence;
    let member = page.member(sequence)?;
    let (change, delay) = page.changed(sequence);
    if let Some(change) = change {
        one.redelivered = true;
        one.delivery_count = one.delivery_count.max(change.delivery_count);
        one.acquired_count = one.acquired_count.max(change.acquired_count);
    }
    one.placement.available_at = match member {
        Member::Cold => None,
        Member::Delayed => delay.or(one.placement.available_at),
        // Its entry knows; what the page says does not matter unless it is lost.
        Member::Out => one.placement.available_at,
        Member::Gone => return None,
    };
    Some(one)
}
