//! A queue as it is being rebuilt from its records.

use crate::entry::Entry;
use crate::page::{Member, Page};
use crate::paged::{PageRecord, PageState};
use crate::pages::Pages;
use crate::{Keys, Placement, Queue, Returned};
use model::{Instant, LogIndex, Message, PageNumber, QueueRules, Sequence, SequenceMap};
use std::sync::Arc;

/// A queue as it is being rebuilt from its records, in their order.
#[derive(Debug)]
pub struct RecoveredQueue {
    messages: SequenceMap<Entry>,
    /// What those are charged with.
    resident_bytes: usize,
    /// All members of these are cold or gone.
    pages: Pages,
    /// The highest lane that a page belongs to.
    lane_max: u8,
    next: Sequence,
    delivery_mark: Sequence,
}

impl Default for RecoveredQueue {
    fn default() -> Self {
        Self::new()
    }
}

impl RecoveredQueue {
    /// A queue without messages, whose next message gets the first sequence.
    #[must_use]
    pub fn new() -> Self {
        Self {
            messages: SequenceMap::new(),
            resident_bytes: 0,
            pages: Pages::default(),
            lane_max: 0,
            next: Sequence(1),
            delivery_mark: Sequence(0),
        }
    }

    /// A message was enqueued.
    pub fn enqueued(&mut self, placement: Placement, message: Message) {
        let sequence = placement.sequence;
        self.next = self.next.max(sequence.next());
        self.resident_bytes += message.cost_bytes();
        let entry = Entry::placed(placement, Some(LogIndex(0)), message);
        let previous = self.messages.insert(sequence.0, entry);
        self.resident_bytes -= previous.map_or(0, |entry| entry.cost_bytes());
    }

    /// A page was saved: those of its messages that are still in the queue stand there from now on, and leave
    /// memory, or the older page that they stood in.
    pub fn paged(&mut self, record: PageRecord) {
        let number = record.page;
        let previous = self.pages.remove(number);
        let (mut gone, mut returned) = (Vec::new(), Vec::new());
        for sequence in record.members.iter() {
            self.next = self.next.max(sequence.next());
            if let Some(entry) = self.take(sequence) {
                if entry.delivery_count() > 0 {
                    returned.push(Returned {
                        sequence,
                        delivery_count: entry.delivery_count(),
                        available_at: entry.available_at(),
                    });
                }
                continue;
            }
            let is_there = match &previous {
                Some(previous) if previous.member(sequence) == Some(Member::Cold) => {
                    returned.extend(previous.returned(sequence));
                    true
                }
                Some(_) | None => self.leave_older(sequence, &mut returned),
            };
            if !is_there {
                gone.push((sequence, sequence));
            }
        }
        self.page(PageState {
            record,
            gone,
            returned,
        });
    }

    /// A snapshot knows a page.
    pub fn page(&mut self, state: PageState) {
        let PageState {
            record,
            gone,
            returned,
        } = state;
        let number = record.page;
        self.next = self.next.max(record.members.last().next());
        self.lane_max = self.lane_max.max(record.lane);
        let mut page = Page::recovering(record);
        for (first, last) in gone {
            page.drop_cold(first, last);
        }
        for one in &returned {
            page.note_returned(one);
        }
        self.pages.remove(number);
        if page.live_count() > 0 {
            self.pages.insert(number, page);
        }
    }

    /// All messages of a page left the queue but these, ascending.
    pub fn page_left(&mut self, page: PageNumber, except: &[Sequence]) {
        self.pages.change(page, |page| page.drop_all_but(except));
    }

    /// The messages from `first` to `last` left the queue, if they were there.
    pub fn settled(&mut self, first: Sequence, last: Sequence) {
        self.next = self.next.max(last.next());
        let is_wide = last.0.saturating_sub(first.0) > 2 * self.messages.len() as u64;
        if is_wide {
            let within = |key: &u64| (first.0..=last.0).contains(key);
            let keys: Vec<_> = self
                .messages
                .iter()
                .map(|(key, _)| key)
                .filter(within)
                .collect();
            keys.into_iter()
                .for_each(|key| drop(self.take(Sequence(key))));
        } else {
            (first.0..=last.0).for_each(|key| drop(self.take(Sequence(key))));
        }
        if self.pages.count == 0 {
            return;
        }
        for lane in 0..=self.lane_max {
            while let Some(cold) = self.pages.first_cold_from(lane, first)
                && cold.sequence <= last
            {
                let from = cold.sequence;
                self.pages
                    .change(cold.page, |page| page.drop_cold(from, last));
                if first == last {
                    return;
                }
            }
        }
    }

    /// Messages up to this one may have been delivered.
    pub fn marked(&mut self, sequence: Sequence) {
        self.delivery_mark = self.delivery_mark.max(sequence);
    }

    /// So many deliveries of a message have failed; it waits until `available_at`. Passed over if the message
    /// is not there.
    pub fn returned(
        &mut self,
        sequence: Sequence,
        delivery_count: u32,
        available_at: Option<Instant>,
    ) {
        if let Some(entry) = self.messages.get_mut(sequence.0) {
            let rare = entry.rare_mut();
            rare.delivery_count = delivery_count;
            rare.available_at = available_at;
            return;
        }
        if let Some(page) = self.page_of(sequence) {
            let returned = Returned {
                sequence,
                delivery_count,
                available_at,
            };
            self.pages
                .change(page, |page| page.note_returned(&returned));
        }
    }

    /// The sequence that the next message gets is at least this.
    pub fn next_is(&mut self, sequence: Sequence) {
        self.next = self.next.max(sequence);
    }

    /// The number of messages.
    #[must_use]
    pub fn len(&self) -> usize {
        self.messages.len() + self.pages.count
    }

    /// Whether it holds no message.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What its messages in memory are charged with.
    #[must_use]
    pub fn resident_bytes(&self) -> usize {
        self.resident_bytes
    }

    /// Appends the pages that still hold a message, ascending.
    pub fn page_numbers(&self, to: &mut Vec<PageNumber>) {
        to.extend(self.pages.iter().map(|(number, _)| number));
    }

    /// The queue, with all its messages waiting. None leaves here: expired ones leave at the next tick, and
    /// a queue that is too long shrinks when the next message comes, or [as told](Queue::shrink). `keys` is asked for
    /// what a message's head says if it is grouped, or the queue has a last-value header.
    #[must_use]
    pub fn into_queue(
        mut self,
        rules: Arc<QueueRules>,
        seed: u64,
        mut keys: impl FnMut(&Message) -> Keys,
    ) -> Queue {
        // A message that was never logged may have had a sequence below the mark, and been delivered.
        let next = self.next.max(self.delivery_mark.next());
        let has_values = rules.last_value_header.is_some();
        let lane_max = rules.priority_max;
        let mut queue = Queue::recovered(rules, seed, next, self.delivery_mark);
        for (_, mut entry) in self.messages.drain() {
            if entry.sequence <= self.delivery_mark || entry.delivery_count() > 0 {
                entry.set_redelivered();
            }
            if has_values || entry.message().envelope().is_grouped {
                let keys = keys(entry.message());
                queue.note_keys(keys, &mut entry);
            }
            queue.admit(entry);
        }
        if self.pages.count > 0 {
            queue.holdings.pages = Some(Box::new(self.into_pages(lane_max)));
            queue.count_pages();
        }
        queue
    }

    fn into_pages(mut self, lane_max: u8) -> Pages {
        let numbers: Vec<_> = self.pages.iter().map(|(number, _)| number).collect();
        for number in numbers {
            self.pages.change(number, |page| {
                page.lane = page.lane.min(lane_max);
                page.recovered();
            });
        }
        // Those that nobody needs were never told of in `page_numbers`.
        self.pages.take_freed(&mut Vec::new());
        self.pages.recovered_mark = self.delivery_mark;
        self.pages
    }

    fn take(&mut self, sequence: Sequence) -> Option<Entry> {
        let entry = self.messages.remove(sequence.0)?;
        self.resident_bytes -= entry.cost_bytes();
        Some(entry)
    }

    /// The page that a message stands in.
    fn page_of(&self, sequence: Sequence) -> Option<PageNumber> {
        if self.pages.count == 0 {
            return None;
        }
        let mut lanes = 0..=self.lane_max;
        lanes.find_map(|lane| {
            let cold = self.pages.first_cold_from(lane, sequence)?;
            (cold.sequence == sequence).then_some(cold.page)
        })
    }

    /// A message leaves the page that it stands in for another, with what is known of it. Says whether there was
    /// one.
    fn leave_older(&mut self, sequence: Sequence, returned: &mut Vec<Returned>) -> bool {
        let Some(page) = self.page_of(sequence) else {
            return false;
        };
        self.pages.change(page, |page| {
            returned.extend(page.returned(sequence));
            page.drop_cold(sequence, sequence);
        });
        true
    }
}

impl Queue {
    /// Counts what its pages hold among its messages.
    fn count_pages(&mut self) {
        if let Some(pages) = &self.holdings.pages {
            self.holdings.count += pages.count;
            self.holdings.bytes += usize::try_from(pages.cost_bytes).unwrap_or(usize::MAX);
        }
    }
}
