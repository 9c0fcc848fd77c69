//! A queue as it is being rebuilt from its records.

use crate::entry::Entry;
use crate::{Keys, Placement, Queue};
use model::{Instant, LogIndex, Message, QueueRules, Sequence, SequenceMap};
use std::sync::Arc;

/// A queue as it is being rebuilt from its records, in their order.
#[derive(Debug)]
pub struct RecoveredQueue {
    messages: SequenceMap<Entry>,
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
            next: Sequence(1),
            delivery_mark: Sequence(0),
        }
    }

    /// A message was enqueued.
    pub fn enqueued(&mut self, placement: Placement, message: Message) {
        let sequence = placement.sequence;
        self.next = self.next.max(sequence.next());
        let entry = Entry::placed(placement, Some(LogIndex(0)), message);
        self.messages.insert(sequence.0, entry);
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
                .for_each(|key| drop(self.messages.remove(key)));
        } else {
            (first.0..=last.0).for_each(|key| drop(self.messages.remove(key)));
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
        }
    }

    /// The sequence that the next message gets is at least this.
    pub fn next_is(&mut self, sequence: Sequence) {
        self.next = self.next.max(sequence);
    }

    /// The number of messages.
    #[must_use]
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether it holds no message.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// The queue, with all its messages waiting. None leaves here: expired ones leave at the next tick, and
    /// a queue that is too long shrinks when the next message comes. `keys` is asked for what a message's head
    /// says if it is grouped, or the queue has a last-value header.
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
        let mut queue = Queue::recovered(rules, seed, next, self.delivery_mark);
        for (_, mut entry) in self.messages.drain() {
            if entry.sequence <= self.delivery_mark || entry.delivery_count() > 0 {
                entry.set_redelivered();
            }
            if has_values || entry.message.envelope().is_grouped {
                let keys = keys(&entry.message);
                queue.note_keys(keys, &mut entry);
            }
            queue.admit(entry);
        }
        queue
    }
}
