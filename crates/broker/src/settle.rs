//! Settle: what becomes of deliveries.

use crate::connection::{Connection, Leaving, Subscription};
use crate::mailbox::{Control, Settlement};
use crate::routes::{PrivateQueueId, QueueTarget};
use broker_api::{Confirm, Event, Refusal, Settle};
use model::{CommandId, Instant, Outcome, Sequence};
use queue::SubscriberId;
use std::sync::Arc;

impl Connection {
    pub(crate) fn settle(&mut self, now: Instant, command: CommandId, settle: Settle) {
        let Settle {
            subscription,
            sequences,
            outcome,
            confirm,
        } = settle;
        let subscriber = self.subscriber(subscription);
        let wanted = confirm == Confirm::Wanted;
        match self.subscriptions.get(&subscription) {
            Some(Subscription::Queue { target, .. }) => {
                let settlement = Settlement {
                    subscriber,
                    target: *target,
                    sequences,
                    outcome,
                    confirm: wanted.then(|| (Arc::clone(&self.outbox), command)),
                };
                self.control(settlement.target.executor, Control::Settle(settlement));
            }
            Some(Subscription::Private { queue, .. }) => {
                self.settle_private(now, *queue, subscriber, &sequences, outcome);
                self.answers
                    .extend(wanted.then_some(Event::Confirmed(command)));
            }
            Some(Subscription::Direct { .. }) | None => {
                self.refuse(command, Refusal::SubscriptionNotFound(subscription));
            }
        }
    }

    pub(crate) fn settle_private(
        &mut self,
        now: Instant,
        queue: PrivateQueueId,
        subscriber: SubscriberId,
        sequences: &[Sequence],
        outcome: Outcome,
    ) {
        self.change_private(now, queue, |private| {
            private.settle(now, subscriber, sequences, outcome);
        });
        self.queue_private(queue);
    }

    /// The transport has taken all that the peer was given: presettled deliveries are accepted, and
    /// subscriptions that waited for it end.
    pub(crate) fn accept_sent(&mut self) {
        let mut presettled = std::mem::take(&mut self.presettled);
        for subscription in presettled.drain(..) {
            let subscriber = self.subscriber(subscription);
            let Some(Subscription::Queue { target, handed, .. }) =
                self.subscriptions.get_mut(&subscription)
            else {
                continue;
            };
            let (target, handed) = (*target, std::mem::take(handed));
            self.accept(subscriber, target, handed);
        }
        self.presettled = presettled;
        for Leaving {
            subscriber,
            target,
            handed,
            command,
        } in std::mem::take(&mut self.leaving)
        {
            self.accept(subscriber, target, handed);
            self.cancel_at_host(subscriber, target, command);
        }
    }

    fn accept(&mut self, subscriber: SubscriberId, target: QueueTarget, sequences: Vec<Sequence>) {
        let settlement = Settlement {
            subscriber,
            target,
            sequences,
            outcome: Outcome::Accept,
            confirm: None,
        };
        self.control(target.executor, Control::Settle(settlement));
    }
}
