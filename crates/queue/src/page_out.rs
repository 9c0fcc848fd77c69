//! How messages move out of memory.

use crate::Queue;
use crate::members::Members;
use crate::page::{Compaction, Member, Page, Stage};
use crate::paged::{Logging, PageLimits, PageOut, PageSaved, PageState, PurgedPage};
use crate::placement::Returned;
use crate::ready::Spot;
use crate::run::{Run, record};
use model::PageNumber;
use std::collections::BTreeMap;

impl Queue {
    /// What its messages in memory are charged with.
    #[must_use]
    pub fn resident_bytes(&self) -> usize {
        let absent = self.holdings.pages.as_ref().map_or(0, |pages| {
            let paged = usize::try_from(pages.cost_bytes).unwrap_or(usize::MAX);
            paged.saturating_add(pages.away_bytes)
        });
        self.holdings.bytes.saturating_sub(absent)
    }

    /// Picks messages to be moved out of memory and returns what is to be written; none if there is nothing that
    /// is worth it. They go on as before until [`page_saved`](Self::page_saved) and [`shed`](Self::shed).
    ///
    /// Taken are ready messages that stand side by side in the lowest lane, the oldest first; then of the delayed
    /// ones those that wait longest; then, if they are within [reach](PageLimits::reach), those in subscribers' hands.
    /// Never taken is what stands in a page, and what belongs to a queue with a last-value header: there it must be
    /// known of every message what it is about.
    ///
    /// # Panics
    /// When the queue has a page of this number.
    pub fn page_out(&mut self, page: PageNumber, limits: PageLimits) -> Option<PageOut> {
        if self.rules.last_value_header.is_some() {
            return None;
        }
        let run = self.choose_run(&limits)?;
        let record = record(page, run.lane, run.is_delayed, &run.messages)?;
        let is_unlogged = limits.logging == Logging::Unlogged;
        self.mark_paged(page, &run, &record.members);
        let written = Page::being_written(record, is_unlogged, run.is_of_hands);
        let pages = self.holdings.pages.get_or_insert_default();
        pages.insert(page, written);
        Some(PageOut {
            page,
            messages: run.messages,
        })
    }

    /// A page is durable and takes so many bytes. Says what is to be done.
    ///
    /// # Panics
    /// When the page is known, but not being saved.
    pub fn page_saved(&mut self, page: PageNumber, stored_bytes: u64) -> PageSaved {
        let Some(pages) = &mut self.holdings.pages else {
            return PageSaved::Unneeded;
        };
        let Some(known) = pages.get(page) else {
            return PageSaved::Unneeded;
        };
        if pages.merged == Some(page) {
            return pages.finish_merge(page, stored_bytes);
        }
        let is_new = known.stage == Stage::Writing;
        assert!(
            is_new || known.compaction == Compaction::Writing,
            "page {page} was to be saved"
        );
        if known.live_count() == 0 {
            pages.remove(page);
            return PageSaved::Unneeded;
        }
        let (record, is_of_hands) = (known.record(page), known.is_of_hands());
        pages.change(page, |known| {
            if is_new {
                known.stage = Stage::Saved;
            } else {
                known.rewritten();
            }
            known.set_stored_bytes(stored_bytes);
        });
        if !is_new {
            return PageSaved::Rewritten;
        }
        pages.note_saved(page);
        if is_of_hands {
            self.strip_in_hands(page);
        }
        PageSaved::Log(record)
    }

    /// A page was not saved: its messages stay in memory as they were; or, if it was being written anew, it is as
    /// it was.
    pub fn page_not_saved(&mut self, page: PageNumber) {
        let Some(pages) = &mut self.holdings.pages else {
            return;
        };
        match pages.get(page).map(|known| known.stage) {
            Some(Stage::Writing) => {
                pages.remove(page);
                if pages.merged == Some(page) {
                    pages.end_merge();
                }
            }
            Some(Stage::Saved | Stage::Reading | Stage::Damaged) => {
                pages.change(page, Page::end_compaction);
            }
            None => {}
        }
    }

    /// Tells the pages that nobody needs any more, once what the queue has told so far (what left, what pages are to
    /// be logged) is durable. Each is told once.
    pub fn take_freed_pages(&mut self, freed: &mut Vec<PageNumber>) {
        if let Some(pages) = &mut self.holdings.pages {
            pages.take_freed(freed);
            if pages.is_empty() {
                // There may be very many queues, most of which have no pages for most of the time.
                self.holdings.pages = None;
                self.ready.shrink();
            }
        }
    }

    /// The saved pages, ascending, as a snapshot must know them. Those of a queue that stands in no log are not
    /// among them.
    pub fn page_states(&self) -> impl Iterator<Item = PageState> {
        let mut returned = self.returned_in_memory();
        let pages = self.holdings.pages.iter().flat_map(|pages| pages.iter());
        pages
            .filter(|(_, page)| page.is_saved() && !page.is_unlogged() && page.live_count() > 0)
            .map(move |(number, page)| {
                page.state(number, returned.remove(&number).unwrap_or_default())
            })
    }

    /// Whether it has so many pages, saved or being saved.
    #[must_use]
    pub fn has_pages(&self, count: usize) -> bool {
        let pages = self.holdings.pages.as_ref();
        pages.map_or(count == 0, |pages| pages.has(count))
    }

    /// All its pages, saved or being saved, ascending: for when the queue is deleted. Without those that
    /// [`take_freed_pages`](Self::take_freed_pages) has yet to tell.
    pub fn page_numbers(&self) -> impl Iterator<Item = PageNumber> {
        let pages = self.holdings.pages.iter().flat_map(|pages| pages.iter());
        pages.map(|(number, _)| number)
    }

    pub(crate) fn purge_pages(&mut self, purged: &mut Vec<PurgedPage>) {
        let holdings = &mut self.holdings;
        let Some(pages) = &mut holdings.pages else {
            return;
        };
        let waiting = pages.iter().filter(|(_, page)| page.standing().count > 0);
        let waiting: Vec<_> = waiting.map(|(number, _)| number).collect();
        for number in waiting {
            let cost_bytes = pages.cost_bytes;
            let Some(told) = pages.change(number, |page| PurgedPage {
                page: number,
                count: page.purge(),
                except: page.members_in(Member::Out),
            }) else {
                continue;
            };
            let cost_bytes = cost_bytes - pages.cost_bytes;
            holdings.bytes -= usize::try_from(cost_bytes).unwrap_or(usize::MAX);
            holdings.count -= usize::try_from(told.count).unwrap_or(usize::MAX);
            purged.push(told);
        }
        pages.owes_drops = false;
        pages.is_damaged = false;
    }

    fn mark_paged(&mut self, page: PageNumber, run: &Run, members: &Members) {
        let lane = run.lane;
        if run.is_of_hands {
            for subscription in self.subscriptions.values_mut() {
                for sequence in members.iter() {
                    if let Some(entry) = subscription.unsettled.get_mut(sequence.0) {
                        entry.set_page(page);
                    }
                }
            }
        } else if run.is_delayed {
            for sequence in members.iter() {
                if let Some(entry) = self.ready.delayed_mut(Spot { lane, sequence }) {
                    entry.set_page(page);
                }
            }
        } else {
            let range = (members.first(), members.last());
            self.ready
                .for_each_in_lane(lane, range, |entry| entry.set_page(page));
        }
    }

    /// What has changed, since their pages were written, of messages that are in memory.
    fn returned_in_memory(&self) -> BTreeMap<PageNumber, Vec<Returned>> {
        let mut returned = BTreeMap::<_, Vec<_>>::new();
        if self.holdings.pages.is_none() {
            return returned;
        }
        let hands = self.subscriptions.values();
        let hands = hands.map(|subscription| &subscription.unsettled);
        let hands = hands.chain([&self.prepared]).flat_map(|held| held.iter());
        let hands = hands.map(|(_, entry)| entry);
        for entry in self.ready.iter().chain(hands) {
            let Some(page) = entry.page() else {
                continue;
            };
            if entry.delivery_count() > 0 {
                returned.entry(page).or_default().push(Returned {
                    sequence: entry.sequence,
                    delivery_count: entry.delivery_count(),
                    available_at: entry.available_at(),
                });
            }
        }
        returned
    }
}
