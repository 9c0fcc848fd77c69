//! Small pages of a queue that become one.
//!
//! ```text
//!   shed ─▶ due ──pages_to_merge──▶ read, all of them ──merge──▶ save ──page_saved──▶ PAGED logged,
//!                                                                                     the small ones freed
//! ```
//! One queue of a shard at a time: what is read for it stands in memory beside what memory is bounded for.

use super::Shard;
use super::pages::Source;
use crate::entry;
use model::{PageNumber, QueueId};
use queue::{MergeLimits, PageSaved, Paged};
use std::collections::BTreeSet;
use std::ops::Bound;

/// Pages that are becoming one.
#[derive(Debug, Default)]
pub(super) struct Merges {
    /// Queues that may have pages to be merged; they take turns.
    due: BTreeSet<QueueId>,
    last: QueueId,
    running: Option<Merge>,
}

#[derive(Debug)]
struct Merge {
    queue: QueueId,
    /// The pages, and what was read of them.
    parts: Vec<(PageNumber, Option<Vec<Paged>>)>,
    /// The number of the one that they become, once it is being saved.
    page: Option<PageNumber>,
}

impl Merge {
    fn has_read_all(&self) -> bool {
        self.parts.iter().all(|(_, messages)| messages.is_some())
    }
}

impl Merges {
    fn take_due(&mut self) -> Option<QueueId> {
        let behind = (Bound::Excluded(self.last), Bound::Unbounded);
        let next = self.due.range(behind).next().or(self.due.first());
        self.last = *next?;
        self.due.take(&self.last)
    }

    /// Whose page this is, if it is being read to be merged.
    pub(super) fn reader_of(&self, page: PageNumber) -> Option<QueueId> {
        let merge = self.running.as_ref()?;
        let is_awaited = |(number, read): &(PageNumber, Option<Vec<Paged>>)| {
            *number == page && read.is_none() && merge.page.is_none()
        };
        merge.parts.iter().any(is_awaited).then_some(merge.queue)
    }

    /// Ends what is under way, if this page takes part: it has been saved, cannot be, or cannot be read. Says whose it is.
    pub(super) fn end(&mut self, page: PageNumber) -> Option<QueueId> {
        let merge = self.running.as_ref()?;
        let takes_part = match merge.page {
            Some(merged) => merged == page,
            None => merge.parts.iter().any(|(number, _)| *number == page),
        };
        takes_part.then_some(())?;
        self.running.take().map(|merge| merge.queue)
    }
}

impl Shard {
    /// Messages of a queue have come to stand in pages only: there may be small ones to be merged.
    pub(super) fn note_mergeable(&mut self, id: QueueId) {
        self.merges.due.insert(id);
    }

    /// Begins to merge pages, if none are being merged.
    pub(crate) fn merge_pages(&mut self) {
        if self.merges.running.is_some() || self.pages.rewrite_at.is_some() {
            return;
        }
        while let Some(queue) = self.merges.take_due() {
            let Some(hosted) = self.queues.get_mut(&queue) else {
                continue;
            };
            let limits = MergeLimits {
                pages_min: self.node.settings.merged_pages_min,
                bytes_max: self.pages.merged_bytes_max(),
            };
            if let Some(pages) = hosted.queue.pages_to_merge(limits) {
                pages.iter().for_each(|page| self.log.read_page(*page));
                self.merges.running = Some(Merge {
                    queue,
                    parts: pages.into_iter().map(|page| (page, None)).collect(),
                    page: None,
                });
                return;
            }
        }
    }

    /// A page has been saved, perhaps one that is to take the place of small ones.
    pub(super) fn handle_merged(&mut self, page: PageNumber, bytes: u64) {
        let Some(id) = self.merges.end(page) else {
            return;
        };
        if let Some(hosted) = self.queues.get_mut(&id) {
            let is_durable = hosted.is_durable();
            match hosted.queue.page_saved(page, bytes) {
                PageSaved::Log(record) if is_durable => {
                    self.append(entry::PAGED, |to| entry::encode_paged(to, id, &record));
                }
                PageSaved::Unneeded => self.log.free_page(page),
                PageSaved::Log(_) | PageSaved::Rewritten => {}
            }
            self.note_mergeable(id);
            self.touch(id);
        }
        self.merge_pages();
    }

    /// A page was read that is to be merged.
    pub(super) fn handle_read_to_merge(&mut self, page: PageNumber, messages: Vec<Paged>) {
        let Some(merge) = &mut self.merges.running else {
            return;
        };
        if let Some((_, read)) = merge.parts.iter_mut().find(|(number, _)| *number == page) {
            *read = Some(messages);
        }
        if !merge.has_read_all() {
            return;
        }
        let queue = merge.queue;
        let parts = merge.parts.iter_mut();
        let parts = parts.map(|(number, read)| (*number, read.take().unwrap_or_default()));
        let parts = parts.collect();
        let merged = self.pages.next;
        let hosted = self.queues.get_mut(&queue);
        let out = hosted.and_then(|hosted| hosted.queue.merge(merged, parts));
        match out {
            Some(out) => {
                self.pages.next = PageNumber(merged.0 + 1);
                merge.page = Some(merged);
                self.log.save_page(merged, Box::new(Source { queue, out }));
            }
            None => {
                self.merges.running = None;
                self.merge_pages();
            }
        }
    }
}
