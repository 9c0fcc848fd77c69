//! Handing events over: from the outbox and the private queues to the session.

use crate::connection::{Connection, Subscription};
use crate::counters;
use crate::outbox::{Direct, DirectTo};
use crate::routes::PrivateQueueId;
use broker_api::{Delivery, Event, SettleMode};
use model::{Instant, Message, Sequence, SubscriptionId};
use std::sync::Arc;

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
                handle(event);
            } else if let Some(event) = self.answered(now, event) {
                handle(event);
            }
        }
        for Direct { to, message } in direct.drain(..) {
            let bytes = message.cost_bytes();
            let Some(message) = self.showings.hold_back(to, message) else {
                continue;
            };
            match to {
                DirectTo::Subscription(subscription) => {
                    if message.envelope().delay_ms > 0 {
                        unused_bytes += bytes;
                        self.delay(now, subscription, message);
                    } else if self.is_direct(subscription) {
                        self.handed_bytes += bytes;
                        delivered_count += 1;
                        handle(direct_delivery(subscription, message));
                    } else {
                        unused_bytes += bytes;
                    }
                }
                DirectTo::Queue(queue) => {
                    let private = self.private_queues.get_mut(&queue);
                    if let Some((id, sequence)) = private.and_then(|it| it.pass(&message)) {
                        self.handed_bytes += bytes;
                        delivered_count += 1;
                        handle(delivery(id, sequence, message));
                    } else {
                        unused_bytes += bytes;
                        self.enqueue_private(now, queue, message);
                    }
                }
            }
        }
        (self.drained_events, self.drained_direct) = (events, direct);
        counters::add(&self.node.counters.delivered, delivered_count);
        if unused_bytes > 0 {
            self.outbox.release(&self.node, now, unused_bytes);
        }
    }

    /// Has what this connection has published before come to its own queues.
    pub(crate) fn fill_private(&mut self, now: Instant) {
        let node = Arc::clone(&self.node);
        let connection = self.outbox.connection();
        self.publisher
            .flush_run(&node, now, connection, &mut self.answers);
        let mut bytes = 0;
        for Direct { to, message } in self.outbox.take_for_queues() {
            let DirectTo::Queue(queue) = to else { continue };
            bytes += message.cost_bytes();
            if let Some(message) = self.showings.hold_back(to, message) {
                self.enqueue_private(now, queue, message);
            }
        }
        if bytes > 0 {
            self.outbox.release(&node, now, bytes);
        }
    }

    /// What an answer means to the connection itself, and what of it the session is told.
    fn answered(&mut self, now: Instant, event: Event) -> Option<Event> {
        if let Event::Ended(subscription, _) = &event {
            self.subscriptions.remove(subscription)?;
        }
        let event = self.publisher.handle_part(event)?;
        let event = self.password_checked(event)?;
        self.committed(now, event)
    }

    fn is_direct(&self, subscription: SubscriptionId) -> bool {
        let found = self.subscriptions.get(&subscription);
        matches!(found, Some(Subscription::Direct { .. }))
    }

    pub(crate) fn enqueue_private(&mut self, now: Instant, id: PrivateQueueId, message: Message) {
        if let Some(private) = self.private_queues.get_mut(&id) {
            let before = private.bytes();
            let others = self.private_bytes - before;
            private.enqueue(now, message, others, &self.node);
            self.private_bytes = others + private.bytes();
            self.queue_private(id);
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
    pub(crate) fn queue_private(&mut self, id: PrivateQueueId) {
        if let Some(private) = self.private_queues.get_mut(&id)
            && !std::mem::replace(&mut private.is_queued, true)
        {
            self.ready_private.push_back(id);
        }
    }

    /// Lets the private queues that wait for it deliver, in turn, up to about `bytes_max`.
    pub(crate) fn pump_private(
        &mut self,
        now: Instant,
        bytes_max: usize,
        handle: &mut dyn FnMut(Event),
    ) {
        let mut bytes_left = bytes_max;
        let mut delivered_count = 0;
        while bytes_left > 0
            && let Some(id) = self.ready_private.pop_front()
        {
            let Some(private) = self.private_queues.get_mut(&id) else {
                continue;
            };
            private.is_queued = false;
            let before = private.bytes();
            let is_busy = private.pump(now, &mut bytes_left, &mut |event| {
                delivered_count += usize::from(matches!(event, Event::Delivery(_)));
                handle(event);
            });
            private.take_letters(self.node.settings.heads, now, &mut self.letters);
            let deadline = private.deadline();
            self.private_bytes = self.private_bytes - before + private.bytes();
            self.private_deadline = self.private_deadline.into_iter().chain(deadline).min();
            if bytes_left == 0 || is_busy {
                self.queue_private(id);
            }
        }
        counters::add(&self.node.counters.delivered, delivered_count);
    }

    /// Lets private queues do what they have to do by themselves by now.
    ///
    /// Returns whether any had something to do.
    pub(crate) fn tick_private(&mut self, now: Instant) -> bool {
        if self.private_deadline.is_none_or(|deadline| deadline > now) {
            return false;
        }
        let mut next = None;
        let mut due = Vec::new();
        let mut unused = Vec::new();
        for (id, private) in &mut self.private_queues {
            if private.deadline().is_some_and(|deadline| deadline <= now) {
                if private.is_over(now) {
                    unused.push(*id);
                    continue;
                }
                let before = private.bytes();
                private.tick(now);
                private.take_letters(self.node.settings.heads, now, &mut self.letters);
                self.private_bytes = self.private_bytes - before + private.bytes();
                due.push(*id);
            }
            next = next.into_iter().chain(private.deadline()).min();
        }
        self.private_deadline = next;
        due.into_iter().for_each(|id| self.queue_private(id));
        if !unused.is_empty() {
            unused.into_iter().for_each(|id| self.end_private(id));
            self.post_controls();
        }
        true
    }
}

pub(crate) fn direct_delivery(subscription: SubscriptionId, message: Message) -> Event {
    delivery(subscription, Sequence(0), message)
}

/// A first delivery.
fn delivery(subscription: SubscriptionId, sequence: Sequence, message: Message) -> Event {
    Event::Delivery(Delivery {
        subscription,
        sequence,
        redelivered: false,
        delivery_count: 0,
        acquired_count: 0,
        expires_at: None,
        message,
    })
}
