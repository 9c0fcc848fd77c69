//! Handing events over: from the outbox and the private queues to the session.

use crate::connection::{Connection, Subscription};
use crate::counters;
use crate::outbox::Direct;
use broker_api::{Delivery, Event, SettleMode};
use model::{Instant, Sequence, SubscriptionId};

impl Connection {
    /// Hands over what was drained from the outbox.
    pub(crate) fn hand_over(&mut self, now: Instant, handle: &mut dyn FnMut(Event)) {
        let mut events = std::mem::take(&mut self.drained_events);
        let mut direct = std::mem::take(&mut self.drained_direct);
        let mut unused_bytes = 0;
        let mut delivered_count = 0;
        for event in events.drain(..) {
            if let Event::Delivery(delivery) = &event {
                let bytes = delivery.message.cost_bytes();
                if !self.note_handed(delivery) {
                    // It was cancelled meanwhile; the queue gets the message back.
                    unused_bytes += bytes;
                    continue;
                }
                self.handed_bytes += bytes;
                delivered_count += 1;
            }
            handle(event);
        }
        for Direct {
            subscription,
            message,
        } in direct.drain(..)
        {
            let bytes = message.cost_bytes();
            match self.subscriptions.get_mut(&subscription) {
                Some(Subscription::Direct(_)) => {
                    self.handed_bytes += bytes;
                    delivered_count += 1;
                    let (sequence, redelivered) = (Sequence(0), false);
                    handle(Event::Delivery(Delivery {
                        subscription,
                        sequence,
                        redelivered,
                        message,
                    }));
                }
                Some(Subscription::Private(_, private)) => {
                    unused_bytes += bytes;
                    let before = private.bytes();
                    private.enqueue(message, self.private_bytes - before, &self.node);
                    self.private_bytes = self.private_bytes - before + private.bytes();
                    self.queue_private(subscription);
                }
                Some(Subscription::Queue { .. }) | None => unused_bytes += bytes,
            }
        }
        (self.drained_events, self.drained_direct) = (events, direct);
        counters::add(&self.node.counters.delivered, delivered_count);
        if unused_bytes > 0 {
            self.outbox.release(&self.node, now, unused_bytes);
        }
    }

    /// Notes a delivery from a shared queue that the session is about to be given. Returns false if
    /// its subscription is no more.
    fn note_handed(&mut self, delivery: &Delivery) -> bool {
        let Some(Subscription::Queue {
            settle_mode,
            handed,
            ..
        }) = self.subscriptions.get_mut(&delivery.subscription)
        else {
            return false;
        };
        if *settle_mode == SettleMode::Presettled {
            if handed.is_empty() {
                self.presettled.push(delivery.subscription);
            }
            handed.push(delivery.sequence);
        }
        true
    }

    /// Gives a private queue its turn to deliver.
    pub(crate) fn queue_private(&mut self, subscription: SubscriptionId) {
        if let Some(Subscription::Private(_, private)) = self.subscriptions.get_mut(&subscription)
            && !std::mem::replace(&mut private.is_queued, true)
        {
            self.ready_private.push_back(subscription);
        }
    }

    /// Lets the private queues that wait for it deliver, in turn, up to about `bytes_max`.
    pub(crate) fn pump_private(&mut self, bytes_max: usize, handle: &mut dyn FnMut(Event)) {
        let mut bytes_left = bytes_max;
        let mut delivered_count = 0;
        while bytes_left > 0
            && let Some(subscription) = self.ready_private.pop_front()
        {
            let Some(Subscription::Private(_, private)) = self.subscriptions.get_mut(&subscription)
            else {
                continue;
            };
            private.is_queued = false;
            let before = private.bytes();
            private.pump(&mut bytes_left, &mut |event| {
                delivered_count += 1;
                handle(event);
            });
            self.private_bytes = self.private_bytes - before + private.bytes();
            if bytes_left == 0 {
                self.queue_private(subscription);
            }
        }
        counters::add(&self.node.counters.delivered, delivered_count);
    }
}
