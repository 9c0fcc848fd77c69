//! What is like a subscription and does not count as one: who gets one message, and who only settles.

use crate::connection::{Connection, Subscription};
use crate::mailbox::{Control, Subscribing};
use crate::routes::PrivateQueueId;
use crate::subscribe::Place;
use broker_api::{Get, Refusal, Reply};
use model::{CommandId, Instant, SubscriptionId};
use queue::{InUse, Sharing, SubscriberId, SubscriptionOptions};
use std::sync::Arc;

/// What gets one message.
pub(crate) const fn options() -> SubscriptionOptions {
    SubscriptionOptions {
        granted_total: 1,
        filter: None,
        sharing: Sharing::Get,
    }
}

/// What who subscribes is told, where the queue's rules say this.
pub(crate) fn subscribed(settle_ms: Option<u64>) -> Reply {
    settle_ms.map_or(Reply::Nothing, Reply::SettleWithin)
}

impl Connection {
    pub(crate) fn get(&mut self, now: Instant, command: CommandId, get: Get) {
        let id = get.subscription;
        match self.try_get(now, command, get) {
            Ok(subscribed) => {
                self.subscription_max = Some(id);
                self.subscriptions.insert(id, subscribed);
            }
            Err(refusal) => self.refuse(command, refusal),
        }
    }

    fn try_get(
        &mut self,
        now: Instant,
        command: CommandId,
        get: Get,
    ) -> Result<Subscription, Refusal> {
        let Get {
            subscription: id,
            queue: name,
            settle_mode,
        } = get;
        if self.subscription_max.is_some_and(|max| id <= max) {
            return Err(Refusal::SubscriptionExists(id));
        }
        let subscriber = self.subscriber(id);
        match self.find_queue(&name)? {
            Place::Private(queue) => {
                self.fill_private(now);
                let Some(private) = self.private_queues.get_mut(&queue) else {
                    return Err(Refusal::QueueNotFound(name));
                };
                private
                    .get(now, subscriber, settle_mode, command)
                    .map_err(|InUse| Refusal::QueueInUse(name))?;
                self.queue_private(queue);
                let is_own = false;
                Ok(Subscription::Private { queue, is_own })
            }
            Place::Shared(target) => {
                let subscribing = Subscribing {
                    outbox: Arc::clone(&self.outbox),
                    subscriber,
                    target,
                    name,
                    options: options(),
                    drain: false,
                    takes_over: None,
                    command,
                };
                self.control(target.executor, Control::Subscribe(subscribing));
                Ok(Subscription::Queue {
                    target,
                    settle_mode,
                    takes_over: false,
                    handed: Vec::new(),
                })
            }
        }
    }

    /// A subscription to a queue of the connection's own that got no message yet gets none.
    pub(crate) fn end_gets(&mut self, queue: PrivateQueueId, subscriber: SubscriberId) {
        let private = self.private_queues.get_mut(&queue);
        let gets = private.map(|private| private.take_gets(Some(subscriber.subscription)));
        for command in gets.into_iter().flatten() {
            self.answer(command, Ok(Reply::Got(None)));
        }
    }

    pub(crate) fn step_aside(
        &mut self,
        now: Instant,
        command: CommandId,
        subscription: SubscriptionId,
    ) {
        let subscriber = self.subscriber(subscription);
        match self.subscriptions.get(&subscription) {
            None => self.refuse(command, Refusal::SubscriptionNotFound(subscription)),
            Some(Subscription::Queue { target, .. }) => {
                let target = *target;
                self.control(
                    target.executor,
                    Control::StepAside {
                        outbox: Arc::clone(&self.outbox),
                        subscriber,
                        target,
                        command,
                    },
                );
            }
            Some(Subscription::Private {
                queue,
                is_own: false,
            }) => {
                let queue = *queue;
                self.end_gets(queue, subscriber);
                let was_last =
                    self.change_private(now, queue, |private| private.step_aside(now, subscriber));
                self.done(command);
                self.note_left(queue, was_last == Some(true));
            }
            Some(Subscription::Direct { .. } | Subscription::Private { is_own: true, .. }) => {
                let text = "only a subscription to a queue can step aside".to_owned();
                self.refuse(command, Refusal::Invalid(text));
            }
        }
    }
}
