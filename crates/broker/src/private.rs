//! A queue that lives and dies with one subscription of one connection.

use crate::counters;
use crate::{Counters, Settings};
use broker_api::{Delivery, Event, Grant};
use model::{LogIndex, Message, Outcome, Sequence, SubscriptionId};
use queue::{Handover, Port, Queue, SubscriberId};

/// A topic subscription that settles its deliveries itself: the queue machine, run by the
/// connection, without a log.
///
/// What it holds, unsettled deliveries included, is bounded by the subscriber's budget: over it, the
/// oldest message that waits is dropped.
pub(crate) struct PrivateQueue {
    id: SubscriberId,
    queue: Queue,
}

impl PrivateQueue {
    pub(crate) fn new(id: SubscriberId, grant: Grant) -> Self {
        let mut queue = Queue::new();
        queue.subscribe(id, grant.total());
        Self { id, queue }
    }

    /// Takes a message in.
    pub(crate) fn enqueue(&mut self, message: Message, settings: &Settings, counts: &Counters) {
        self.queue.enqueue(message, None);
        while self.queue.bytes() > settings.outbox_bytes && self.queue.drop_oldest().is_some() {
            counters::add(&counts.dropped, 1);
        }
    }

    pub(crate) fn grant(&mut self, grant: Grant) {
        self.queue.grant(self.id, grant.total());
    }

    /// Takes away what is granted and not used.
    pub(crate) fn use_up_grant(&mut self) {
        self.queue.use_up_grant(self.id);
    }

    pub(crate) fn settle(&mut self, sequences: &[Sequence], outcome: Outcome) {
        for sequence in sequences {
            self.queue.settle(self.id, *sequence, outcome);
        }
    }

    /// Hands over what may be delivered, while `bytes_left` lasts.
    pub(crate) fn pump(&mut self, bytes_left: &mut usize, handle: &mut dyn FnMut(Event)) {
        let subscription = self.id.subscription;
        self.queue.pump(
            LogIndex(0),
            &mut Transport {
                subscription,
                bytes_left,
                handle,
            },
        );
    }
}

/// Hands deliveries on, as far as bytes are left.
struct Transport<'a> {
    subscription: SubscriptionId,
    bytes_left: &'a mut usize,
    handle: &'a mut dyn FnMut(Event),
}

impl Port for Transport<'_> {
    fn has_room(&mut self, _: SubscriberId) -> bool {
        *self.bytes_left > 0
    }

    fn deliver(&mut self, _: SubscriberId, handover: Handover) {
        *self.bytes_left = self
            .bytes_left
            .saturating_sub(handover.message.cost_bytes());
        (self.handle)(Event::Delivery(Delivery {
            subscription: self.subscription,
            sequence: handover.sequence,
            redelivered: handover.redelivered,
            message: handover.message,
        }));
    }
}
