//! A queue that lives and dies with one subscription of one connection.

use crate::Node;
use crate::counters;
use broker_api::{Delivery, Event, Grant, SettleMode};
use model::{LogIndex, Message, Outcome, Sequence, SubscriptionId};
use queue::{Handover, Port, Queue, SubscriberId};

/// A topic subscription that settles its deliveries itself: the queue machine, run by the
/// connection, without a log.
///
/// What all private queues of a connection hold, unsettled deliveries included, is bounded by the
/// subscriber's budget: over it, the oldest message that waits in the queue that grew is dropped.
pub(crate) struct PrivateQueue {
    id: SubscriberId,
    settle_mode: SettleMode,
    queue: Queue,
    /// It waits for its turn to deliver.
    pub(crate) is_queued: bool,
}

impl PrivateQueue {
    pub(crate) fn new(id: SubscriberId, settle_mode: SettleMode, grant: Grant) -> Self {
        let mut queue = Queue::new();
        queue.subscribe(id, grant.total());
        Self {
            id,
            settle_mode,
            queue,
            is_queued: false,
        }
    }

    /// What it holds is charged with.
    pub(crate) fn bytes(&self) -> usize {
        self.queue.bytes()
    }

    /// Takes a message in; `others` is what the connection's other private queues hold. The only
    /// message of a connection is kept whatever its size.
    pub(crate) fn enqueue(&mut self, message: Message, others: usize, node: &Node) {
        self.queue.enqueue(message, None);
        let mut dropped_count = 0;
        while others + self.queue.bytes() > node.settings.outbox_bytes
            && (others > 0 || self.queue.len() > 1)
            && self.queue.drop_oldest().is_some()
        {
            dropped_count += 1;
        }
        counters::add(&node.counters.dropped, dropped_count);
    }

    pub(crate) fn grant(&mut self, grant: Grant) {
        self.queue.grant(self.id, grant.total());
    }

    /// Takes away what is granted and not used.
    pub(crate) fn use_up_grant(&mut self) {
        self.queue.use_up_grant(self.id);
    }

    pub(crate) fn settle(&mut self, sequences: &[Sequence], outcome: Outcome) {
        self.queue.settle(self.id, sequences, outcome, |_| {});
    }

    /// Hands over what may be delivered, while `bytes_left` lasts.
    pub(crate) fn pump(&mut self, bytes_left: &mut usize, handle: &mut dyn FnMut(Event)) {
        let subscription = self.id.subscription;
        let mut presettled = Vec::new();
        let settle_mode = self.settle_mode;
        let mut handle = |event| {
            if let (SettleMode::Presettled, Event::Delivery(delivery)) = (settle_mode, &event) {
                presettled.push(delivery.sequence);
            }
            handle(event);
        };
        let handle = &mut handle;
        self.queue.pump(
            LogIndex(0),
            &mut Transport {
                subscription,
                bytes_left,
                handle,
            },
        );
        self.settle(&presettled, Outcome::Accept);
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
