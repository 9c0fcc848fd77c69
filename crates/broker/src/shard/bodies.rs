//! Pages that are read once more for messages which are to be dead letters: when, and how much of it.
//!
//! Each shard reads one at a time, beside those that are read for deliveries. What they bring leaves memory again as dead
//! letters, and may fill it where these arrive: so while memory is full, or many dead letters are on their way, they are
//! held back.

use super::Shard;
use super::memory::Pressure;
use crate::LetterBytes;
use crate::transaction::{Prepared, TransactionId};
use broker_api::Refusal;
use model::{Instant, PageNumber, QueueId, Sequence};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// While they are held back, a page is read all the same so often: it may be something else that fills memory, and stays.
/// Longer than it takes to try again to save a page.
const HELD: Duration = Duration::from_millis(1000);

/// They are held back while so many pages' worth of dead letters is on its way to other queues.
const OUTGOING_PAGES_MAX: usize = 4;

/// What becomes dead letters in one transaction on one shard is charged with at most so much: all of it stands in one
/// record.
const LETTER_BYTES_MAX: usize = 256 << 20;

/// Messages that await their bodies.
pub(super) type Awaited = Vec<(QueueId, Sequence)>;

/// Pages that are read for bodies.
#[derive(Debug, Default)]
pub(super) struct Bodies {
    /// Queues that await some, and the one that had its turn last.
    awaiting: BTreeSet<QueueId>,
    served: QueueId,
    /// The page that is being read.
    page: Option<PageNumber>,
    /// While they are held back: when one is read all the same.
    pub(super) due_at: Option<Instant>,
    /// What is reserved for transactions that are prepared.
    reserved: BTreeMap<TransactionId, usize>,
}

impl Bodies {
    /// A queue awaits bodies.
    pub(super) fn want(&mut self, id: QueueId) {
        self.awaiting.insert(id);
    }

    /// How many pages are being read.
    pub(super) fn reading_count(&self) -> usize {
        usize::from(self.page.is_some())
    }

    /// A page was read, or cannot be.
    pub(super) fn note_read(&mut self, page: PageNumber) {
        self.page.take_if(|reading| *reading == page);
    }

    /// So much is reserved for a transaction.
    pub(super) fn note_reserved(&mut self, id: TransactionId, bytes: usize) {
        if bytes > 0 {
            self.reserved.insert(id, bytes);
        }
    }

    /// Takes out the queue whose turn it is.
    fn next(&mut self) -> Option<QueueId> {
        let behind = QueueId(self.served.0.saturating_add(1));
        let next = self.awaiting.range(behind..).next();
        let next = next.or_else(|| self.awaiting.first()).copied()?;
        self.awaiting.remove(&next);
        self.served = next;
        Some(next)
    }
}

impl Shard {
    /// Reads a page, of each queue that awaits bodies in its turn, unless that is held back.
    pub(super) fn read_bodies(&mut self, now: Instant, pressure: Pressure) {
        if self.bodies.page.is_some() || self.holds_bodies_back(now, pressure) {
            return;
        }
        self.bodies.due_at = None;
        while let Some(id) = self.bodies.next() {
            let Some(hosted) = self.queues.get_mut(&id) else {
                continue;
            };
            // If its pages are being read already, it is looked at again when they are.
            if let Some(page) = hosted.queue.next_body_page() {
                self.bodies.page = Some(page);
                self.read_page(id, page);
                return;
            }
        }
    }

    /// Whether more bodies in memory would be too many. While pages are being saved, or cannot be, memory will fall, and
    /// they wait for that, wherever it is: dead letters go anywhere.
    fn holds_bodies_back(&mut self, now: Instant, pressure: Pressure) -> bool {
        let is_full = pressure == Pressure::Full;
        let outgoing_bytes_max = self.pages.sizes.page_bytes * OUTGOING_PAGES_MAX;
        let is_much = self.forwards.outgoing_bytes >= outgoing_bytes_max;
        let bodies = &mut self.bodies;
        if bodies.awaiting.is_empty() || !is_full && !is_much {
            bodies.due_at = None;
            return false;
        }
        if is_full && self.node.saving.is_hopeful() {
            bodies.due_at = Some(now + HELD);
        }
        let due_at = bodies.due_at.get_or_insert(now + HELD);
        now < *due_at
    }

    /// Has the bodies read of what becomes dead letters in a transaction. Returns the messages that await theirs, and
    /// what is reserved for them in memory.
    pub(super) fn fetch_bodies(
        &mut self,
        prepared: &Prepared,
    ) -> Result<(Awaited, usize), Refusal> {
        let (mut here, mut away) = (0, 0);
        for settle in &prepared.settles {
            if let Some(hosted) = self.queues.get(&settle.queue) {
                let queue = &hosted.queue;
                let bytes = queue.letter_bytes(&settle.sequences, settle.outcome);
                (here, away) = (here + bytes.0, away + bytes.1);
            }
        }
        let too_much = |what, limit: usize| {
            let limit = limit as u64;
            Err(Refusal::LimitReached { what, limit })
        };
        if here + away > LETTER_BYTES_MAX {
            return too_much("bytes of dead letters in a transaction", LETTER_BYTES_MAX);
        }
        let max = LetterBytes::max(self.node.settings.queued_bytes);
        if !self.node.letters.reserve(away, max) {
            return too_much("bytes of dead letters in transactions", max);
        }
        Ok((self.await_bodies(prepared), away))
    }

    /// The same of one that was decided: nothing is to be said against it.
    pub(super) fn await_bodies(&mut self, prepared: &Prepared) -> Awaited {
        let mut all = Awaited::new();
        for settle in &prepared.settles {
            let id = settle.queue;
            let Some(hosted) = self.queues.get_mut(&id) else {
                continue;
            };
            let mut awaited = Vec::new();
            let queue = &mut hosted.queue;
            queue.await_bodies(&settle.sequences, settle.outcome, &mut awaited);
            if !awaited.is_empty() {
                self.touch(id);
            }
            all.extend(awaited.into_iter().map(|sequence| (id, sequence)));
        }
        all
    }

    /// A transaction is over: what was brought back into memory for it has left it, or waits in its queue.
    pub(super) fn release_letters(&mut self, id: TransactionId) {
        if let Some(bytes) = self.bodies.reserved.remove(&id) {
            self.node.letters.release(bytes);
        }
    }
}
