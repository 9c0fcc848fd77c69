//! Subscriptions of a connection: begin, end, credit, settlement.

use crate::connection::{Connection, Leaving, Subscription};
use crate::mailbox::{Control, Settlement};
use crate::private::PrivateQueue;
use crate::routes::{QueueTarget, TopicTarget};
use broker_api::{Confirm, Event, Grant, Refusal, Settle, SettleMode, Source, Subscribe};
use model::{CommandId, Outcome, Pattern, QueueName, Sequence, SubscriptionId};
use queue::SubscriberId;
use routing::BindError;
use std::sync::Arc;

impl Connection {
    pub(crate) fn declare(&mut self, command: CommandId, name: QueueName) {
        if self.node.routes.load().queue(name.as_bytes()).is_some() {
            self.answer(command, Ok(()));
            return;
        }
        let outbox = Arc::clone(&self.outbox);
        self.control(
            0,
            Control::Declare {
                name,
                outbox,
                command,
            },
        );
    }

    pub(crate) fn subscribe(&mut self, command: CommandId, subscribe: Subscribe) {
        let Subscribe {
            subscription,
            source,
            settle_mode,
            grant,
        } = subscribe;
        if self.subscription_max.is_some_and(|max| subscription <= max) {
            self.answer(command, Err(Refusal::SubscriptionExists(subscription)));
            return;
        }
        let subscriber = self.subscriber(subscription);
        let subscribed = match source {
            Source::Queue(name) => {
                self.subscribe_queue(command, subscriber, name, settle_mode, grant)
            }
            Source::Topic(pattern) => {
                self.subscribe_topic(command, subscriber, pattern, settle_mode, grant)
            }
        };
        match subscribed {
            Ok(subscribed) => {
                self.subscription_max = Some(subscription);
                self.subscriptions.insert(subscription, subscribed);
            }
            Err(refusal) => self.answer(command, Err(refusal)),
        }
    }

    fn subscribe_queue(
        &mut self,
        command: CommandId,
        subscriber: SubscriberId,
        name: QueueName,
        settle_mode: SettleMode,
        grant: Grant,
    ) -> Result<Subscription, Refusal> {
        let target = self.node.routes.load().queue(name.as_bytes()).copied();
        let target = target.ok_or(Refusal::QueueNotFound(name))?;
        let outbox = Arc::clone(&self.outbox);
        let subscribe = Control::Subscribe {
            outbox,
            subscriber,
            target,
            grant,
            command,
        };
        self.control(target.executor, subscribe);
        Ok(Subscription::Queue {
            target,
            settle_mode,
            handed: Vec::new(),
        })
    }

    fn subscribe_topic(
        &mut self,
        command: CommandId,
        subscriber: SubscriberId,
        pattern: Pattern,
        settle_mode: SettleMode,
        grant: Grant,
    ) -> Result<Subscription, Refusal> {
        let subscription = subscriber.subscription;
        let target = TopicTarget {
            outbox: Arc::clone(&self.outbox),
            subscription,
        };
        self.node
            .routes
            .bind(&pattern, &target)
            .map_err(|error| match error {
                BindError::TooManyLevels { limit, .. } => Refusal::LimitReached {
                    what: "levels of a topic pattern",
                    limit: limit as u64,
                },
            })?;
        self.answer(command, Ok(()));
        Ok(match settle_mode {
            SettleMode::Presettled if grant == Grant::UNLIMITED => Subscription::Direct(pattern),
            SettleMode::Presettled | SettleMode::Explicit => {
                Subscription::Private(pattern, PrivateQueue::new(subscriber, settle_mode, grant))
            }
        })
    }

    pub(crate) fn cancel(&mut self, command: CommandId, subscription: SubscriptionId) {
        let subscriber = self.subscriber(subscription);
        match self.subscriptions.remove(&subscription) {
            None => self.answer(command, Err(Refusal::SubscriptionNotFound(subscription))),
            Some(Subscription::Queue { target, handed, .. }) if handed.is_empty() => {
                self.control(
                    target.executor,
                    Control::Cancel {
                        subscriber,
                        target,
                        command,
                    },
                );
            }
            Some(Subscription::Queue { target, handed, .. }) => {
                // What the peer was given is accepted once the transport has taken it; not before.
                self.leaving.push(Leaving {
                    subscriber,
                    target,
                    handed,
                    command,
                });
            }
            Some(Subscription::Direct(pattern)) => {
                self.node.routes.unbind(&pattern, subscriber);
                self.answer(command, Ok(()));
            }
            Some(Subscription::Private(pattern, private)) => {
                self.private_bytes -= private.bytes();
                self.node.routes.unbind(&pattern, subscriber);
                self.answer(command, Ok(()));
            }
        }
    }

    pub(crate) fn grant(&mut self, command: CommandId, subscription: SubscriptionId, grant: Grant) {
        let subscriber = self.subscriber(subscription);
        match self.subscriptions.get_mut(&subscription) {
            Some(Subscription::Queue { target, .. }) => {
                let target = *target;
                self.control(
                    target.executor,
                    Control::Grant {
                        subscriber,
                        target,
                        grant,
                    },
                );
            }
            Some(Subscription::Private(_, private)) => {
                private.grant(grant);
                if grant.drain {
                    self.drain_private(subscription);
                } else {
                    self.queue_private(subscription);
                }
            }
            // What is delivered directly is never short of credit.
            Some(Subscription::Direct(_)) => {}
            None => self.answer(command, Err(Refusal::SubscriptionNotFound(subscription))),
        }
    }

    fn drain_private(&mut self, subscription: SubscriptionId) {
        if let Some(Subscription::Private(_, private)) = self.subscriptions.get_mut(&subscription) {
            let before = private.bytes();
            let (mut bytes_left, answers) = (usize::MAX, &mut self.answers);
            private.pump(&mut bytes_left, &mut |event| answers.push_back(event));
            private.use_up_grant();
            self.private_bytes = self.private_bytes - before + private.bytes();
            self.answers.push_back(Event::Drained(subscription));
        }
    }

    pub(crate) fn settle(&mut self, command: CommandId, settle: Settle) {
        let Settle {
            subscription,
            sequences,
            outcome,
            confirm,
        } = settle;
        let subscriber = self.subscriber(subscription);
        let wanted = confirm == Confirm::Wanted;
        match self.subscriptions.get_mut(&subscription) {
            Some(Subscription::Queue { target, .. }) => {
                let target = *target;
                let confirm = wanted.then(|| (Arc::clone(&self.outbox), command));
                let settlement = Settlement {
                    subscriber,
                    target,
                    sequences,
                    outcome,
                    confirm,
                };
                self.control(target.executor, Control::Settle(settlement));
            }
            Some(Subscription::Private(_, private)) => {
                let before = private.bytes();
                private.settle(&sequences, outcome);
                self.private_bytes = self.private_bytes - before + private.bytes();
                self.queue_private(subscription);
                self.answers
                    .extend(wanted.then_some(Event::Confirmed(command)));
            }
            Some(Subscription::Direct(_)) | None => {
                self.answer(command, Err(Refusal::SubscriptionNotFound(subscription)));
            }
        }
    }

    /// The transport has taken all that the peer was given: presettled deliveries are accepted, and
    /// subscriptions that waited for it end.
    pub(crate) fn accept_sent(&mut self) {
        for subscription in std::mem::take(&mut self.presettled) {
            let subscriber = self.subscriber(subscription);
            let Some(Subscription::Queue { target, handed, .. }) =
                self.subscriptions.get_mut(&subscription)
            else {
                continue;
            };
            let (target, handed) = (*target, std::mem::take(handed));
            self.accept(subscriber, target, handed);
        }
        for Leaving {
            subscriber,
            target,
            handed,
            command,
        } in std::mem::take(&mut self.leaving)
        {
            self.accept(subscriber, target, handed);
            self.control(
                target.executor,
                Control::Cancel {
                    subscriber,
                    target,
                    command,
                },
            );
        }
    }

    fn accept(&mut self, subscriber: SubscriberId, target: QueueTarget, sequences: Vec<Sequence>) {
        let (outcome, confirm) = (Outcome::Accept, None);
        let settlement = Settlement {
            subscriber,
            target,
            sequences,
            outcome,
            confirm,
        };
        self.control(target.executor, Control::Settle(settlement));
    }
}
