//! A queue as it is being rebuilt from its records.

use crate::Queue;
use model::{Message, Sequence, SequenceMap};

/// A queue as it is being rebuilt from its records, in their order.
#[derive(Debug)]
pub struct RecoveredQueue {
    messages: SequenceMap<Message>,
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
    pub fn enqueued(&mut self, sequence: Sequence, message: Message) {
        self.next = self.next.max(sequence.next());
        self.messages.insert(sequence.0, message);
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

    /// The queue, with all its messages ready.
    #[must_use]
    pub fn into_queue(mut self) -> Queue {
        // A message that was never logged may have had a sequence below the mark, and been delivered.
        let next = self.next.max(self.delivery_mark.next());
        Queue::recovered(next, self.delivery_mark, self.messages.drain())
    }
}
