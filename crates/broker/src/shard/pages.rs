//! The backlog out of memory: pages on their way to the disk and back.
//!
//! ```text
//!   page_out ──save──▶ Saved: PAGED logged, memory freed
//!   wanted ──read──▶ Read: back in the queue, about to be delivered
//!   more dead than alive ──read──▶ Read ──what is told of it is durable──▶ save under the same number
//!   nobody left ──what is told of it is durable──▶ freed
//! ```
//! A shard waits for none of it: what the store has done comes as news.

use super::memory::Pressure;
use super::{EXPIRED_MAX, Hosted, Shard};
use crate::entry;
use log_store::{PageNews, PageSource};
use model::{Instant, LogIndex, Message, PageNumber, QueueId};
use queue::{Logging, PageLimits, PageOut, PageReach, PageSaved, Queue};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// So many queues are looked at in one step for something to move out.
const LOOKS_MAX: usize = 64;
/// After the disk was full, pages are saved again so much later.
const RETRY: Duration = Duration::from_millis(500);
/// Pages that are rewritten at once.
const REWRITING_MAX: usize = 2;
/// Pages that are read at once for queues, beside one for bodies: what is on its way is charged to memory only when it is there. Half as
/// many where memory is short.
const READING_MAX: usize = 2;

/// How much is moved at once, as the memory for queued messages allows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    /// What a page holds at most, unless it is one message.
    pub(super) page_bytes: usize,
}

impl Sizes {
    /// With so much memory for queued messages.
    fn of(memory_bytes: usize) -> Self {
        Self {
            page_bytes: (memory_bytes / 128).clamp(1 << 10, 1 << 20),
        }
    }

    /// Smaller pages are not made before memory is short.
    const fn page_bytes_min(self) -> usize {
        self.page_bytes / 16
    }

    /// How far ahead of deliveries pages are read.
    const fn ahead_bytes(self) -> usize {
        self.page_bytes * 4
    }

    /// What a shard has on its way to the disk at once.
    const fn saving_bytes(self) -> usize {
        self.page_bytes * 8
    }

    /// What pages are merged into is no larger: each shard may have one in memory, beside what memory is bounded for.
    fn merged_bytes_max(self) -> u64 {
        self.page_bytes.min(256 << 10) as u64
    }

    /// A shard rewrites pages once so much of what it has stored is dead, and more than a fifth of all.
    const fn dead_bytes_min(self) -> u64 {
        self.page_bytes as u64 * 2
    }
}

/// Pages on their way.
#[derive(Debug)]
pub(super) struct Pages {
    pub(super) next: PageNumber,
    /// Being saved for the first time: whose, and what that frees in memory.
    saving: BTreeMap<PageNumber, (QueueId, usize)>,
    saving_bytes: usize,
    /// Being read for a queue.
    reading: BTreeMap<PageNumber, QueueId>,
    /// Wanted, and not asked for yet for want of memory.
    wanted: VecDeque<(QueueId, PageNumber)>,
    /// Being read, then saved again without what has left.
    rewriting: BTreeMap<PageNumber, QueueId>,
    /// What is to be done once what was told of the queues so far is logged and durable.
    told: Vec<Then>,
    batch: Vec<Then>,
    waiting: VecDeque<(LogIndex, Then)>,
    /// The pages of queues that have ended, until the end is durable.
    ended: BTreeMap<QueueId, Vec<PageNumber>>,
    /// Lent.
    news: Vec<PageNews>,
    found: Vec<PageNumber>,
    pub(super) sizes: Sizes,
    /// The disk was full: nothing is moved out before.
    pub(super) retry_at: Option<Instant>,
    /// The same of rewriting, which a copy of the store also stops.
    pub(super) rewrite_at: Option<Instant>,
}

/// What is done to a page once the log allows it.
#[derive(Debug)]
enum Then {
    Free(PageNumber),
    Save(QueueId, PageOut),
}

impl Pages {
    /// With so much memory for queued messages of the node.
    pub(super) fn new(memory_bytes: usize) -> Self {
        Self {
            next: PageNumber(1),
            saving: BTreeMap::new(),
            saving_bytes: 0,
            reading: BTreeMap::new(),
            wanted: VecDeque::new(),
            rewriting: BTreeMap::new(),
            told: Vec::new(),
            batch: Vec::new(),
            waiting: VecDeque::new(),
            ended: BTreeMap::new(),
            news: Vec::new(),
            found: Vec::new(),
            sizes: Sizes::of(memory_bytes),
            retry_at: None,
            rewrite_at: None,
        }
    }

    /// How large the pages are at most that small ones are merged into.
    pub(super) fn merged_bytes_max(&self) -> u64 {
        self.sizes.merged_bytes_max()
    }

    /// A queue has ended: its pages go when that is durable.
    pub(super) fn end(&mut self, id: QueueId, queue: &Queue) {
        let pages: Vec<_> = queue.page_numbers().collect();
        if !pages.is_empty() {
            self.ended.insert(id, pages);
        }
    }

    /// A page is not what was written; says whose it is.
    pub(super) fn forget(&mut self, page: PageNumber) -> Option<QueueId> {
        let reading = self.reading.remove(&page);
        reading.or_else(|| self.rewriting.remove(&page))
    }

    /// Whether something waits for what was told of queues to be logged.
    pub(super) fn has_told(&self) -> bool {
        !self.told.is_empty()
    }

    /// What was told so far stands in the open batch, or in batches before it.
    pub(super) fn told_is_logged(&mut self) {
        self.batch.append(&mut self.told);
    }

    /// The open batch ends at this index, or there is none and this is the last.
    pub(super) fn submitted(&mut self, last: LogIndex) {
        let batch = self.batch.drain(..);
        self.waiting.extend(batch.map(|then| (last, then)));
    }
}

/// The messages of a page, encoded by the store's own thread.
pub(super) struct Source {
    pub(super) queue: QueueId,
    pub(super) out: PageOut,
}

impl PageSource for Source {
    fn encode(&mut self, payload: &mut Vec<u8>) {
        entry::encode_messages(payload, self.queue, &self.out);
    }
}

impl Hosted {
    fn page_limits(&self, sizes: Sizes, pressure: Pressure, committed: LogIndex) -> PageLimits {
        let is_short = pressure >= Pressure::High;
        PageLimits {
            bytes_max: sizes.page_bytes,
            bytes_min: if is_short { 0 } else { sizes.page_bytes_min() },
            keep_bytes: self.keep_bytes(sizes, pressure),
            reach: if is_short {
                PageReach::InHands
            } else {
                PageReach::Waiting
            },
            logging: if self.is_durable() {
                Logging::Logged { committed }
            } else {
                Logging::Unlogged
            },
        }
    }

    fn keep_bytes(&self, sizes: Sizes, pressure: Pressure) -> usize {
        // Somebody takes: what was read for that must not go before it is taken, or it is read again and again.
        let is_taken = self.queue.subscription_count() > 0;
        match pressure {
            Pressure::None | Pressure::Some if is_taken => sizes.page_bytes,
            Pressure::None | Pressure::Some => sizes.page_bytes_min(),
            Pressure::High if is_taken => sizes.page_bytes_min(),
            Pressure::High | Pressure::Full => 0,
        }
    }
}

impl Shard {
    /// Moves messages out of memory, of the fullest queues first. `excess` is what memory should lose; returns what
    /// it has lost, and what is on its way to the disk.
    pub(crate) fn move_out(&mut self, pressure: Pressure, excess: usize) -> usize {
        let before = self.memory.resident_bytes;
        self.move_out_fullest(pressure, excess);
        before.saturating_sub(self.memory.resident_bytes) + self.pages.saving_bytes
    }

    fn move_out_fullest(&mut self, pressure: Pressure, excess: usize) {
        let mut freed = 0;
        // Before memory is short, small queues are left alone.
        let bytes_min = if pressure >= Pressure::High {
            0
        } else {
            self.pages.sizes.page_bytes_min() * 2
        };
        if self.pages.retry_at.is_some() {
            self.shed_fullest(pressure, bytes_min);
            return;
        }
        let room = self.pages.sizes.saving_bytes().min(excess);
        for _ in 0..LOOKS_MAX {
            if freed >= excess {
                return;
            }
            if self.pages.saving_bytes >= room {
                // What is on its way leaves memory as it is saved; what was read, and is not taken, leaves it now.
                self.shed_fullest(pressure, bytes_min);
                return;
            }
            let Some(id) = self.memory.fullest(bytes_min).next() else {
                return;
            };
            let before = self.memory.resident_bytes;
            let saved = self.move_out_queue(id, pressure);
            self.note_memory(id);
            let shed = before - self.memory.resident_bytes;
            freed += shed;
            if saved == 0 && shed == 0 {
                self.pass_over(id);
            }
        }
    }

    /// The disk is behind, or full: what pages hold already leaves memory nevertheless.
    fn shed_fullest(&mut self, pressure: Pressure, bytes_min: usize) {
        let fullest: Vec<_> = self.memory.fullest(bytes_min).take(LOOKS_MAX / 8).collect();
        for id in fullest {
            self.shed_queue(id, pressure);
            self.note_memory(id);
        }
    }

    fn shed_queue(&mut self, id: QueueId, pressure: Pressure) -> usize {
        let sizes = self.pages.sizes;
        let Some(hosted) = self.queues.get_mut(&id) else {
            return 0;
        };
        let shed = hosted.queue.shed(hosted.keep_bytes(sizes, pressure));
        let stripped = if pressure < Pressure::High {
            0
        } else {
            hosted.queue.strip_hands()
        };
        if shed > 0 && hosted.queue.has_pages(self.node.settings.merged_pages_min) {
            self.note_mergeable(id);
        }
        shed + stripped
    }

    /// Moves one queue out: what pages hold already, else one page more. Returns the bytes that are on their way
    /// to the disk.
    fn move_out_queue(&mut self, id: QueueId, pressure: Pressure) -> usize {
        let committed = self.log.committed();
        if self.shed_queue(id, pressure) > 0 {
            return 0;
        }
        let sizes = self.pages.sizes;
        let page = self.pages.next;
        let Some(hosted) = self.queues.get_mut(&id) else {
            return 0;
        };
        let limits = hosted.page_limits(sizes, pressure, committed);
        let Some(out) = hosted.queue.page_out(page, limits) else {
            return 0;
        };
        self.pages.next = PageNumber(page.0 + 1);
        let messages = out.messages.iter();
        let bytes = messages.map(|paged| paged.message.cost_bytes()).sum();
        self.pages.saving.insert(page, (id, bytes));
        self.pages.saving_bytes += bytes;
        self.node.saving.begin();
        self.log
            .save_page(page, Box::new(Source { queue: id, out }));
        bytes
    }

    /// Asks for the pages that a queue is about to need.
    pub(super) fn note_pages(&mut self, now: Instant, id: QueueId, pressure: Pressure) {
        let Some(hosted) = self.queues.get_mut(&id) else {
            return;
        };
        let sizes = self.pages.sizes;
        let ahead = match pressure {
            Pressure::None => sizes.ahead_bytes(),
            // No more than stays when the queue is moved out, or pages would go and come again.
            Pressure::Some => sizes.page_bytes,
            Pressure::High | Pressure::Full => 1,
        };
        let found = &mut self.pages.found;
        hosted.queue.wanted_pages(now, ahead, found);
        self.pages
            .wanted
            .extend(found.drain(..).map(|page| (id, page)));
        if hosted.queue.awaits_bodies() {
            self.bodies.want(id);
        }
        self.read_wanted(pressure);
        self.read_bodies(now, pressure);
    }

    /// Notes the pages of a queue that nobody needs any more.
    pub(super) fn note_freed_pages(&mut self, id: QueueId) {
        if let Some(hosted) = self.queues.get_mut(&id) {
            let found = &mut self.pages.found;
            hosted.queue.take_freed_pages(found);
            self.pages.told.extend(found.drain(..).map(Then::Free));
        }
    }

    /// Reads what is wanted, a few pages at a time: many queues may want theirs at once.
    pub(crate) fn read_wanted(&mut self, pressure: Pressure) {
        let count_max = match pressure {
            Pressure::None => READING_MAX,
            Pressure::Some | Pressure::High | Pressure::Full => READING_MAX / 2,
        };
        let count_max = count_max + self.bodies.reading_count();
        while self.pages.reading.len() < count_max {
            let Some((id, page)) = self.pages.wanted.pop_front() else {
                return;
            };
            if self.queues.contains_key(&id) {
                self.read_page(id, page);
            }
        }
    }

    /// Reads a page for a queue.
    pub(super) fn read_page(&mut self, id: QueueId, page: PageNumber) {
        self.pages.reading.insert(page, id);
        self.log.read_page(page);
    }

    /// The disk may have room again by now.
    pub(super) fn retry(&mut self, now: Instant) {
        if self.pages.retry_at.take_if(|at| *at <= now).is_some() {
            self.node.saving.end();
        }
        self.pages.rewrite_at.take_if(|at| *at <= now);
    }

    /// Has pages rewritten that are more dead than alive, while too much of what is stored is dead.
    pub(crate) fn rewrite_pages(&mut self) {
        if self.pages.rewrite_at.is_some() {
            return;
        }
        let dead_bytes_min = self.pages.sizes.dead_bytes_min();
        let is_much = |memory: &super::memory::Memory| {
            memory.dead_bytes > dead_bytes_min && memory.dead_bytes > memory.stored_bytes / 5
        };
        while is_much(&self.memory) && self.pages.rewriting.len() < REWRITING_MAX {
            // One whose pages are all a little worn, or cannot be read, is not to keep the others from their turn.
            let emptiest = self.memory.deadest().take(LOOKS_MAX).find_map(|id| {
                let hosted = self.queues.get_mut(&id)?;
                Some((hosted.queue.emptiest_page()?, id))
            });
            let Some((page, id)) = emptiest else {
                return;
            };
            self.pages.rewriting.insert(page, id);
            self.log.read_page(page);
        }
    }

    /// Takes what the store has done.
    pub(crate) fn handle_page_news(&mut self, now: Instant) {
        let mut news = std::mem::take(&mut self.pages.news);
        self.log.take_page_news(&mut news);
        for news in news.drain(..) {
            match news {
                PageNews::Saved { page, bytes } => self.handle_saved(page, bytes),
                PageNews::NotSaved { page } => self.handle_not_saved(now, page),
                PageNews::Read { page, payload } => {
                    self.bodies.note_read(page);
                    self.handle_read(now, page, &payload);
                }
                PageNews::Damaged { page, corruption } => {
                    self.bodies.note_read(page);
                    self.handle_damage(now, page, &corruption.to_string());
                }
            }
        }
        self.pages.news = news;
    }

    fn handle_saved(&mut self, page: PageNumber, bytes: u64) {
        let saving = self.pages.saving.remove(&page);
        let is_first = saving.is_some();
        let id = match saving {
            Some((id, cost)) => {
                self.pages.saving_bytes -= cost;
                self.node.saving.end();
                id
            }
            None => match self.pages.rewriting.remove(&page) {
                Some(id) => id,
                None => return self.handle_merged(page, bytes),
            },
        };
        let Some(hosted) = self.queues.get_mut(&id) else {
            return;
        };
        let is_durable = hosted.is_durable();
        match hosted.queue.page_saved(page, bytes) {
            PageSaved::Log(record) if is_durable => {
                self.append(entry::PAGED, |to| entry::encode_paged(to, id, &record));
            }
            PageSaved::Unneeded if is_first => self.log.free_page(page),
            // The log refers to it until the end of its last messages is durable.
            PageSaved::Unneeded => self.pages.told.push(Then::Free(page)),
            PageSaved::Log(_) | PageSaved::Rewritten => {}
        }
        if self.has_passed_over() {
            self.reconsider_one(id);
        }
        if self.pressure != Pressure::None {
            self.shed_queue(id, self.pressure);
        }
        self.touch(id);
    }

    fn handle_not_saved(&mut self, now: Instant, page: PageNumber) {
        // Trying all the time would help nobody.
        let retry_at = Some(now + RETRY);
        self.pages.rewrite_at = retry_at;
        let id = match self.pages.saving.remove(&page) {
            Some((id, cost)) => {
                // The disk is full. Publishers wait.
                if self.pages.retry_at.is_none() {
                    self.node.saving.begin();
                }
                self.pages.retry_at = retry_at;
                self.pages.saving_bytes -= cost;
                self.node.saving.end();
                Some(id)
            }
            None => {
                let rewriting = self.pages.rewriting.remove(&page);
                rewriting.or_else(|| self.merges.end(page))
            }
        };
        if let Some((id, hosted)) = id.and_then(|id| Some((id, self.queues.get_mut(&id)?))) {
            hosted.queue.page_not_saved(page);
            self.reconsider_one(id);
        }
    }

    fn handle_read(&mut self, now: Instant, page: PageNumber, payload: &[u8]) {
        let is_wanted = self.pages.reading.contains_key(&page);
        let waiting = if is_wanted {
            &self.pages.reading
        } else {
            &self.pages.rewriting
        };
        let merging = || self.merges.reader_of(page);
        let is_rewritten = waiting.contains_key(&page);
        let Some(id) = waiting.get(&page).copied().or_else(merging) else {
            return;
        };
        let messages = match entry::decode_messages(id, payload) {
            Ok(messages) => messages,
            Err(error) => return self.handle_damage(now, page, &error.to_string()),
        };
        if !is_rewritten {
            return self.handle_read_to_merge(page, messages);
        }
        let Some(hosted) = self.queues.get_mut(&id) else {
            self.pages.reading.remove(&page);
            self.pages.rewriting.remove(&page);
            return;
        };
        if !is_wanted {
            match hosted.queue.rewrite(page, messages) {
                Some(out) => self.pages.told.push(Then::Save(id, out)),
                None => drop(self.pages.rewriting.remove(&page)),
            }
            return;
        }
        let node = &self.node;
        let rules = node.shared_rules(hosted.queue.rules());
        let mut keys = |message: &Message| super::keys(node, &rules, message);
        let left = &mut self.left;
        match hosted.queue.page_read(page, messages, &mut keys, left) {
            Ok(embodied) => {
                self.pages.reading.remove(&page);
                // What is due leaves or becomes ready before the page may be let go of again.
                hosted.queue.tick(now, EXPIRED_MAX, left);
                self.handle_moved(now, id);
                self.note_here(id, &embodied, None);
                self.touch(id);
            }
            Err(mismatch) => {
                let reason = format!(
                    "page {page} lacks message {} or has it twice",
                    mismatch.sequence
                );
                self.handle_damage(now, page, &reason);
            }
        }
    }

    /// Does to pages what has become safe to do.
    pub(super) fn handle_pages_committed(&mut self, committed: LogIndex) {
        while let Some((index, _)) = self.pages.waiting.front()
            && *index <= committed
        {
            match self.pages.waiting.pop_front() {
                Some((_, Then::Free(page))) => self.log.free_page(page),
                Some((_, Then::Save(queue, out))) => {
                    let page = out.page;
                    if self.queues.contains_key(&queue) {
                        self.log.save_page(page, Box::new(Source { queue, out }));
                    } else {
                        self.pages.rewriting.remove(&page);
                    }
                }
                None => break,
            }
        }
    }

    /// Numbers go on behind those that were used before a restart, as far as the log knows.
    pub(crate) fn recover_pages(&mut self, next: PageNumber) {
        self.pages.next = self.pages.next.max(next);
    }

    /// The same of those that are on the disk, whether the log knows them or not: where the newest copy of a page is lost,
    /// an older one must be of the same messages.
    pub(crate) fn number_pages_behind(&mut self, last: PageNumber) {
        self.recover_pages(PageNumber(last.0 + 1));
    }

    /// The end of a queue is durable.
    pub(crate) fn free_pages_of(&mut self, id: QueueId) {
        for page in self.pages.ended.remove(&id).unwrap_or_default() {
            self.log.free_page(page);
        }
    }
}
