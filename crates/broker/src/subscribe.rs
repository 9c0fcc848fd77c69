//! Subscriptions of a connection: begin, end, credit.

use crate::connection::{Connection, Leaving, Subscription};
use crate::get::subscribed;
use crate::head::MessageFilter;
use crate::mailbox::{Control, Subscribing};
use crate::private::PrivateQueue;
use crate::routes::{PrivateQueueId, QueueRoute, QueueTarget, SubscriberTarget};
use crate::show::{Showing, pattern_of, place_of};
use crate::topology::check::invalid_binding;
use broker_api::{
    Event, Grant, OwnMessages, Refusal, Retained, SettleMode, Sharing, Source, Subscribe,
};
use model::{
    Applied, CommandId, Durability, ExchangeName, Instant, Lifetime, Message, Ownership,
    QueueDefinition, QueueName, QueueRules, SubscriptionId,
};
use queue::{Filter, InUse, SubscriberId, SubscriptionOptions};
use routing::{Binding, BindingError, Destination};
use std::sync::Arc;

/// The queue of a subscription to an exchange.
const OWN_QUEUE: QueueDefinition = QueueDefinition {
    durability: Durability::Transient,
    ownership: Ownership::Exclusive,
    lifetime: Lifetime::Permanent,
    expires_ms: None,
    kind: None,
    rules: QueueRules::PLAIN,
};

/// Where a queue is.
pub(crate) enum Place {
    /// With this connection.
    Private(PrivateQueueId),
    Shared(QueueTarget),
}

/// What a subscription asks for, beside where it reads.
struct Asked {
    command: CommandId,
    subscriber: SubscriberId,
    settle_mode: SettleMode,
    grant: Grant,
    filter: Option<Arc<MessageFilter>>,
    sharing: Sharing,
    own_messages: OwnMessages,
    retained: Retained,
}

impl Asked {
    fn options(&self) -> SubscriptionOptions {
        let filter = self.filter.clone();
        SubscriptionOptions {
            granted_total: self.grant.total(),
            filter: filter.map(|filter| -> Arc<dyn Filter> { filter }),
            sharing: match self.sharing {
                Sharing::Competing { priority } => queue::Sharing::Competing { priority },
                Sharing::Exclusive | Sharing::Takeover => queue::Sharing::Exclusive,
                Sharing::Browse => queue::Sharing::Browse,
            },
        }
    }
}

impl Connection {
    pub(crate) fn subscribe(&mut self, now: Instant, command: CommandId, subscribe: Subscribe) {
        let id = subscribe.subscription;
        match self.try_subscribe(now, command, subscribe) {
            Ok(subscribed) => {
                self.subscription_max = Some(id);
                self.subscriptions.insert(id, subscribed);
            }
            Err(refusal) => self.refuse(command, refusal),
        }
    }

    fn try_subscribe(
        &mut self,
        now: Instant,
        command: CommandId,
        subscribe: Subscribe,
    ) -> Result<Subscription, Refusal> {
        let id = subscribe.subscription;
        if self.subscription_max.is_some_and(|max| id <= max) {
            return Err(Refusal::SubscriptionExists(id));
        }
        let selector = subscribe.selector.as_deref();
        let filter = selector
            .map(|text| MessageFilter::parse(text, &self.node.settings))
            .transpose()?;
        if let Some(filter) = &filter {
            let is_live = |id| self.subscriptions.contains_key(&id);
            self.selector_memory.take(id, filter, is_live)?;
        }
        let asked = Asked {
            command,
            subscriber: self.subscriber(id),
            settle_mode: subscribe.settle_mode,
            grant: subscribe.grant,
            filter: filter.map(Arc::new),
            sharing: subscribe.sharing,
            own_messages: subscribe.own_messages,
            retained: subscribe.retained,
        };
        match subscribe.source {
            Source::Queue(name) => self.subscribe_queue(now, &asked, name),
            Source::Exchange {
                exchange,
                key,
                arguments,
            } => {
                let binding = Binding {
                    destination: Destination::Subscriber(asked.subscriber),
                    key,
                    arguments,
                };
                self.subscribe_exchange(now, &asked, &exchange, &binding)
            }
        }
    }

    fn subscribe_queue(
        &mut self,
        now: Instant,
        asked: &Asked,
        name: QueueName,
    ) -> Result<Subscription, Refusal> {
        let takes_over = asked.sharing == Sharing::Takeover;
        let target = match self.find_queue(&name)? {
            Place::Private(_) if takes_over => {
                let text = "only a shared queue can be taken over".to_owned();
                return Err(Refusal::Invalid(text));
            }
            Place::Private(queue) => return self.subscribe_private(now, asked, name, queue),
            Place::Shared(target) => target,
        };
        let subscribing = Subscribing {
            outbox: Arc::clone(&self.outbox),
            subscriber: asked.subscriber,
            target,
            name,
            options: asked.options(),
            drain: asked.grant.drain,
            takes_over: takes_over.then(|| self.user()),
            command: asked.command,
        };
        self.control(target.executor, Control::Subscribe(subscribing));
        let is_browsing = asked.sharing == Sharing::Browse;
        Ok(Subscription::Queue {
            target,
            // What is only shown is not settled.
            settle_mode: if is_browsing {
                SettleMode::Explicit
            } else {
                asked.settle_mode
            },
            takes_over,
            handed: Vec::new(),
        })
    }

    /// Where a queue is that the connection may read from.
    pub(crate) fn find_queue(&self, name: &QueueName) -> Result<Place, Refusal> {
        match self.node.routes.load().queue(name.as_bytes()) {
            None => Err(Refusal::QueueNotFound(name.clone())),
            Some(QueueRoute::Private(target)) if !Arc::ptr_eq(&target.outbox, &self.outbox) => {
                Err(Refusal::QueueLocked(name.clone()))
            }
            Some(QueueRoute::Private(target)) => Ok(Place::Private(target.queue)),
            Some(QueueRoute::Shared(shared)) if shared.is_ended() => {
                Err(Refusal::QueueNotFound(name.clone()))
            }
            Some(QueueRoute::Shared(shared)) => {
                shared.check()?;
                Ok(Place::Shared(shared.target))
            }
        }
    }

    /// Subscribes to a queue of the connection's own.
    fn subscribe_private(
        &mut self,
        now: Instant,
        asked: &Asked,
        name: QueueName,
        id: PrivateQueueId,
    ) -> Result<Subscription, Refusal> {
        let Some(private) = self.private_queues.get_mut(&id) else {
            return Err(Refusal::QueueNotFound(name));
        };
        private
            .subscribe(now, asked.subscriber, asked.settle_mode, asked.options())
            .map_err(|InUse| Refusal::QueueInUse(name))?;
        let reply = subscribed(private.settle_ms());
        self.answer(asked.command, Ok(reply));
        if asked.grant.drain {
            self.drain_private(now, id, asked.subscriber.subscription);
        }
        self.queue_private(id);
        Ok(Subscription::Private {
            queue: id,
            is_own: false,
        })
    }

    fn subscribe_exchange(
        &mut self,
        now: Instant,
        asked: &Asked,
        exchange: &ExchangeName,
        binding: &Binding<SubscriberId>,
    ) -> Result<Subscription, Refusal> {
        let text = match asked.sharing {
            Sharing::Browse => Some("only a queue can be browsed"),
            Sharing::Takeover => Some("only a shared queue can be taken over"),
            Sharing::Competing { .. } | Sharing::Exclusive => None,
        };
        if let Some(text) = text {
            return Err(Refusal::Invalid(text.to_owned()));
        }
        let is_direct =
            asked.settle_mode == SettleMode::Presettled && asked.grant == Grant::UNLIMITED;
        let queue = (!is_direct).then(|| self.new_private_id());
        let target = SubscriberTarget {
            outbox: Arc::clone(&self.outbox),
            subscription: asked.subscriber.subscription,
            queue,
            filter: asked.filter.clone(),
            own_messages: asked.own_messages,
        };
        self.node
            .routes
            .add_subscriber(exchange.as_bytes(), binding, asked.subscriber, &target)
            .map_err(|error| {
                if error == BindingError::SourceNotFound {
                    Refusal::ExchangeNotFound(exchange.clone())
                } else {
                    invalid_binding(error)
                }
            })?;
        self.done(asked.command);
        // It stands in the routes: what comes from now on is held back until it has been shown the rest.
        if asked.retained == Retained::Send && *exchange == ExchangeName::topic() {
            let to = place_of(asked.subscriber.subscription, queue);
            let showing = Showing::new(&pattern_of(&binding.key), asked.own_messages)
                .with_filter(asked.filter.clone());
            self.showings.begin(to, showing);
        }
        let Some(queue) = queue else {
            return Ok(Subscription::Direct { delayed: None });
        };
        self.add_own_queue(now, asked, queue);
        if asked.grant.drain {
            self.drain_private(now, queue, asked.subscriber.subscription);
        }
        Ok(Subscription::Private {
            queue,
            is_own: true,
        })
    }

    /// Keeps a message for a subscription without a queue until its delay is over.
    pub(crate) fn delay(&mut self, now: Instant, subscription: SubscriptionId, message: Message) {
        let Some(Subscription::Direct { delayed }) = self.subscriptions.get(&subscription) else {
            return;
        };
        let queue = match *delayed {
            Some(queue) => queue,
            None => self.add_delayed_queue(now, subscription),
        };
        self.enqueue_private(now, queue, message);
    }

    /// Makes the queue in which a subscription without one has its delayed messages.
    fn add_delayed_queue(&mut self, now: Instant, subscription: SubscriptionId) -> PrivateQueueId {
        let queue = self.new_private_id();
        let asked = Asked {
            command: CommandId(0),
            subscriber: self.subscriber(subscription),
            settle_mode: SettleMode::Presettled,
            grant: Grant::UNLIMITED,
            filter: None,
            sharing: Sharing::Competing { priority: 0 },
            own_messages: OwnMessages::Deliver,
            retained: Retained::Skip,
        };
        self.add_own_queue(now, &asked, queue);
        let delayed = Some(queue);
        self.subscriptions
            .insert(subscription, Subscription::Direct { delayed });
        queue
    }

    /// Makes the queue of a subscription to an exchange.
    fn add_own_queue(&mut self, now: Instant, asked: &Asked, queue: PrivateQueueId) {
        let seed = self.node.settings.seed;
        // Nobody gave it a name, so no policy means it.
        let applied = Applied::default();
        let definition = Arc::new(OWN_QUEUE);
        let mut private = PrivateQueue::new(now, None, definition, &applied, seed);
        let options = SubscriptionOptions {
            // Whoever publishes has asked the selector.
            filter: None,
            sharing: queue::Sharing::Competing { priority: 0 },
            ..asked.options()
        };
        let subscribed = private.subscribe(now, asked.subscriber, asked.settle_mode, options);
        assert!(subscribed.is_ok(), "a new queue has no other subscription");
        self.private_queues.insert(queue, private);
    }

    pub(crate) fn cancel(
        &mut self,
        now: Instant,
        command: CommandId,
        subscription: SubscriptionId,
    ) {
        let subscriber = self.subscriber(subscription);
        match self.subscriptions.remove(&subscription) {
            None => self.refuse(command, Refusal::SubscriptionNotFound(subscription)),
            Some(Subscription::Queue { target, handed, .. }) if handed.is_empty() => {
                self.cancel_at_host(subscriber, target, command);
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
            Some(Subscription::Direct { delayed }) => {
                self.end_showing(now, place_of(subscription, None));
                self.unsubscribe(subscriber);
                let delayed = delayed.and_then(|queue| self.private_queues.remove(&queue));
                self.private_bytes -= delayed.map_or(0, |delayed| delayed.bytes());
                self.done(command);
            }
            Some(Subscription::Private {
                queue,
                is_own: true,
            }) => {
                self.end_showing(now, place_of(subscription, Some(queue)));
                self.unsubscribe(subscriber);
                if let Some(private) = self.private_queues.remove(&queue) {
                    self.private_bytes -= private.bytes();
                }
                self.done(command);
            }
            Some(Subscription::Private {
                queue,
                is_own: false,
            }) => {
                self.cancel_private(now, queue, subscriber);
                self.done(command);
            }
        }
    }

    /// Has the executor of a shared queue end a subscription to it, and answer.
    pub(crate) fn cancel_at_host(
        &mut self,
        subscriber: SubscriberId,
        target: QueueTarget,
        command: CommandId,
    ) {
        let outbox = Arc::clone(&self.outbox);
        let cancel = Control::Cancel {
            outbox,
            subscriber,
            target,
            command,
        };
        self.control(target.executor, cancel);
    }

    /// Takes a subscription to an exchange out of the routes.
    fn unsubscribe(&mut self, subscriber: SubscriberId) {
        let sources = self.sources_to(&Destination::Subscriber(subscriber));
        self.node
            .routes
            .change(|table| table.without_subscriber(&subscriber));
        sources
            .into_iter()
            .for_each(|source| self.note_unbound(source));
    }

    fn cancel_private(&mut self, now: Instant, id: PrivateQueueId, subscriber: SubscriberId) {
        self.end_gets(id, subscriber);
        let was_last = self.change_private(now, id, |private| private.cancel(now, subscriber));
        self.note_left(id, was_last == Some(true));
    }

    /// A subscription to a queue of the connection's own has gone, perhaps the last.
    pub(crate) fn note_left(&mut self, id: PrivateQueueId, was_last: bool) {
        let private = self.private_queues.get(&id).filter(|_| was_last);
        if private.is_some_and(|it| it.definition.lifetime == Lifetime::UntilUnused) {
            self.end_private(id);
        } else {
            self.queue_private(id);
        }
    }

    pub(crate) fn grant(
        &mut self,
        now: Instant,
        command: CommandId,
        subscription: SubscriptionId,
        grant: Grant,
    ) {
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
            Some(Subscription::Private { queue, .. }) => {
                let queue = *queue;
                if let Some(private) = self.private_queues.get_mut(&queue) {
                    private.grant(subscriber, grant.total());
                }
                if grant.drain {
                    self.drain_private(now, queue, subscription);
                } else {
                    self.queue_private(queue);
                }
            }
            // What is delivered directly is never short of credit.
            Some(Subscription::Direct { .. }) => {}
            None => self.refuse(command, Refusal::SubscriptionNotFound(subscription)),
        }
    }

    fn drain_private(&mut self, now: Instant, queue: PrivateQueueId, subscription: SubscriptionId) {
        let subscriber = self.subscriber(subscription);
        let mut events = Vec::new();
        let drained = self.change_private(now, queue, |private| {
            let mut bytes_left = usize::MAX;
            while private.pump(now, &mut bytes_left, &mut |event| events.push(event)) {}
            private.use_up_grant(subscriber);
        });
        self.answers.extend(events);
        self.answers
            .extend(drained.map(|()| Event::Drained(subscription)));
    }
}
