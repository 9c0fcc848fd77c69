//! Messages that need no place in the queue.

use crate::Queue;
use crate::port::SubscriberId;
use model::{Message, Sequence};

impl Queue {
    /// Passes a message on without giving it a place, to a subscription whose deliveries are accepted as they are made.
    /// `accepts` says whether that is so, and whether there is room for one.
    ///
    /// That is what [enqueuing](Self::enqueue) the message without a record, [pumping](Self::pump) and
    /// [settling](Self::settle) would come to where nothing is ready, no rule has a say, nobody chooses or looks on, and it
    /// is the turn of such a subscription. Returns whose delivery it is, and the message's sequence. In all other cases
    /// there is nothing, and nothing has changed.
    pub fn pass(
        &mut self,
        message: &Message,
        accepts: impl FnOnce(SubscriberId) -> bool,
    ) -> Option<(SubscriberId, Sequence)> {
        let envelope = message.envelope();
        let may_wait = envelope.ttl_ms.is_some() || envelope.delay_ms > 0;
        if may_wait || envelope.is_grouped || !self.is_open() {
            return None;
        }
        let (level, taker) = self.takers.find(|_| true)?;
        if !accepts(taker) {
            return None;
        }
        let subscription = self.subscriptions.get_mut(&taker)?;
        subscription.allowance.use_one();
        if subscription.allowance.left() == 0 {
            self.takers.remove(subscription.priority, taker);
        }
        self.takers.serve(level, taker);
        let sequence = self.next;
        self.next = sequence.next();
        Some((taker, sequence))
    }

    /// Whether nothing stands between a message that comes now and the next subscription in turn.
    fn is_open(&self) -> bool {
        let rules = &self.rules;
        let has_bound = rules.length_max.is_some() || rules.bytes_max.is_some();
        let has_rule = has_bound || rules.message_ttl_ms.is_some();
        self.ready.is_empty()
            && self.holdings.pages.is_none()
            && self.filtered_count == 0
            && self.browsers.is_empty()
            && self.bystanders.getting.is_empty()
            && !has_rule
            && rules.last_value_header.is_none()
    }
}
