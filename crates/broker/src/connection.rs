//! The broker's side of one connection.

use crate::Node;
use crate::counters;
use crate::mailbox::{Control, Settlement};
use crate::outbox::{Direct, Outbox};
use crate::permit::{Principal, authenticate, permit};
use crate::private::PrivateQueue;
use crate::publish::Publisher;
use crate::routes::{QueueTarget, TopicTarget};
use broker_api::{
    Attachment, Command, Confirm, Delivery, Event, Grant, Peer, Refusal, Settle, SettleMode,
    Source, Submission, Subscribe,
};
use model::{
    CommandId, ConnectionId, Instant, Outcome, Pattern, QueueName, Sequence, SubscriptionId,
};
use queue::SubscriberId;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::task::{Context, Poll};

/// The broker's side of one connection: carries out its commands and hands it events.
pub struct Connection {
    node: Arc<Node>,
    peer: Peer,
    outbox: Arc<Outbox>,
    principal: Option<Principal>,
    subscriptions: BTreeMap<SubscriptionId, Subscription>,
    /// Ids up to this one have been used.
    subscription_max: Option<SubscriptionId>,
    publisher: Publisher,
    /// Answers that needed nobody else.
    answers: VecDeque<Event>,
    /// What this call has for each executor.
    controls: Vec<Vec<Control>>,
    /// Private queues that may have something to deliver.
    ready_private: Vec<SubscriptionId>,
    /// Drained from the outbox, being handed over.
    drained_events: Vec<Event>,
    drained_direct: Vec<Direct>,
    /// What was handed over since the transport took everything, as charged to the outbox.
    handed_bytes: usize,
    /// Subscriptions with presettled deliveries among them.
    presettled: Vec<SubscriptionId>,
}

/// Where a subscription of the connection reads.
enum Subscription {
    /// A shared queue.
    Queue {
        target: QueueTarget,
        settle_mode: SettleMode,
        /// Presettled deliveries that the transport has not taken yet.
        handed: Vec<Sequence>,
    },
    /// A topic, directly.
    Direct(Pattern),
    /// A topic, through a queue of its own.
    Private(Pattern, PrivateQueue),
}

impl Connection {
    pub(crate) fn new(node: Arc<Node>, _now: Instant, id: ConnectionId, peer: Peer) -> Self {
        Self {
            node,
            peer,
            outbox: Arc::new(Outbox::new(id)),
            principal: None,
            subscriptions: BTreeMap::new(),
            subscription_max: None,
            publisher: Publisher::default(),
            answers: VecDeque::new(),
            controls: Vec::new(),
            ready_private: Vec::new(),
            drained_events: Vec::new(),
            drained_direct: Vec::new(),
            handed_bytes: 0,
            presettled: Vec::new(),
        }
    }

    fn carry_out(&mut self, submission: Submission) {
        let id = submission.id;
        if let Err(refusal) = permit(self.principal.as_ref(), &submission.command) {
            self.answers.push_back(Event::Done(id, Err(refusal)));
            return;
        }
        match submission.command {
            Command::Connect(connect) => {
                let principal = authenticate(connect.login.as_ref(), self.peer, &connect.vhost);
                let done = principal.map(|principal| self.principal = Some(principal));
                self.answers.push_back(Event::Done(id, done));
            }
            Command::DeclareQueue(name) => self.declare(id, name),
            Command::Subscribe(subscribe) => self.subscribe(id, subscribe),
            Command::Cancel(subscription) => self.cancel(id, subscription),
            Command::Grant(subscription, grant) => self.grant(id, subscription, grant),
            Command::Settle(settle) => self.settle(id, settle),
            Command::Publish(..) => unreachable!("publishes are carried out in batches"),
        }
    }

    fn declare(&mut self, command: CommandId, name: QueueName) {
        if self.node.routes.load().queue(name.as_bytes()).is_some() {
            self.answers.push_back(Event::Done(command, Ok(())));
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

    fn subscribe(&mut self, command: CommandId, subscribe: Subscribe) {
        let Subscribe {
            subscription,
            source,
            settle_mode,
            grant,
        } = subscribe;
        if self.subscription_max.is_some_and(|max| subscription <= max) {
            let refusal = Refusal::SubscriptionExists(subscription);
            self.answers.push_back(Event::Done(command, Err(refusal)));
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
            Err(refusal) => self.answers.push_back(Event::Done(command, Err(refusal))),
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
        self.control(
            target.executor,
            Control::Subscribe {
                outbox,
                subscriber,
                target,
                grant,
                command,
            },
        );
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
                routing::BindError::TooManyLevels { limit, .. } => Refusal::LimitReached {
                    what: "levels of a topic pattern",
                    limit: limit as u64,
                },
            })?;
        self.answers.push_back(Event::Done(command, Ok(())));
        Ok(match settle_mode {
            SettleMode::Presettled if grant == Grant::UNLIMITED => Subscription::Direct(pattern),
            SettleMode::Presettled | SettleMode::Explicit => {
                Subscription::Private(pattern, PrivateQueue::new(subscriber, grant))
            }
        })
    }

    fn cancel(&mut self, command: CommandId, subscription: SubscriptionId) {
        let subscriber = self.subscriber(subscription);
        match self.subscriptions.remove(&subscription) {
            None => {
                let refusal = Refusal::SubscriptionNotFound(subscription);
                self.answers.push_back(Event::Done(command, Err(refusal)));
            }
            Some(Subscription::Queue { target, handed, .. }) => {
                self.accept_handed(subscriber, target, handed);
                self.control(
                    target.executor,
                    Control::Cancel {
                        subscriber,
                        target,
                        command,
                    },
                );
            }
            Some(Subscription::Direct(pattern) | Subscription::Private(pattern, _)) => {
                self.node.routes.unbind(&pattern, subscriber);
                self.answers.push_back(Event::Done(command, Ok(())));
            }
        }
    }

    fn grant(&mut self, command: CommandId, subscription: SubscriptionId, grant: Grant) {
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
                self.ready_private.push(subscription);
                if grant.drain {
                    self.drain_private(subscription);
                }
            }
            // What is delivered directly is never short of credit.
            Some(Subscription::Direct(_)) => {}
            None => {
                let refusal = Refusal::SubscriptionNotFound(subscription);
                self.answers.push_back(Event::Done(command, Err(refusal)));
            }
        }
    }

    fn drain_private(&mut self, subscription: SubscriptionId) {
        let Some(Subscription::Private(_, private)) = self.subscriptions.get_mut(&subscription)
        else {
            return;
        };
        let answers = &mut self.answers;
        let mut bytes_left = usize::MAX;
        private.pump(&mut bytes_left, &mut |event| answers.push_back(event));
        private.use_up_grant();
        answers.push_back(Event::Drained(subscription));
    }

    fn settle(&mut self, command: CommandId, settle: Settle) {
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
                private.settle(&sequences, outcome);
                self.ready_private.push(subscription);
                self.answers
                    .extend(wanted.then_some(Event::Confirmed(command)));
            }
            Some(Subscription::Direct(_)) | None => {
                let refusal = Refusal::SubscriptionNotFound(subscription);
                self.answers.push_back(Event::Done(command, Err(refusal)));
            }
        }
    }

    /// Settles presettled deliveries that the peer has been given.
    fn accept_handed(
        &mut self,
        subscriber: SubscriberId,
        target: QueueTarget,
        sequences: Vec<Sequence>,
    ) {
        if !sequences.is_empty() {
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

    fn subscriber(&self, subscription: SubscriptionId) -> SubscriberId {
        SubscriberId {
            connection: self.outbox.connection(),
            subscription,
        }
    }

    fn control(&mut self, executor: usize, control: Control) {
        if self.controls.is_empty() {
            self.controls
                .resize_with(self.node.mailboxes.len(), Vec::new);
        }
        self.controls[executor].push(control);
    }

    fn post_controls(&mut self) {
        for (mailbox, controls) in self.node.mailboxes.iter().zip(&mut self.controls) {
            if !controls.is_empty() {
                mailbox.post(controls);
            }
        }
    }

    /// Hands over what was drained from the outbox.
    fn hand_over(&mut self, now: Instant, handle: &mut dyn FnMut(Event)) {
        let mut delivered_count = 0;
        let mut moved_bytes = 0;
        for event in self.drained_events.drain(..) {
            let Event::Delivery(delivery) = &event else {
                handle(event);
                continue;
            };
            let bytes = delivery.message.cost_bytes();
            let Some(Subscription::Queue {
                settle_mode,
                handed,
                ..
            }) = self.subscriptions.get_mut(&delivery.subscription)
            else {
                // It was cancelled meanwhile; the queue has the message back.
                moved_bytes += bytes;
                continue;
            };
            delivered_count += 1;
            self.handed_bytes += bytes;
            if *settle_mode == SettleMode::Presettled {
                if handed.is_empty() {
                    self.presettled.push(delivery.subscription);
                }
                handed.push(delivery.sequence);
            }
            handle(event);
        }
        for Direct {
            subscription,
            message,
        } in self.drained_direct.drain(..)
        {
            let bytes = message.cost_bytes();
            match self.subscriptions.get_mut(&subscription) {
                Some(Subscription::Direct(_)) => {
                    delivered_count += 1;
                    self.handed_bytes += bytes;
                    handle(Event::Delivery(Delivery {
                        subscription,
                        sequence: Sequence(0),
                        redelivered: false,
                        message,
                    }));
                }
                Some(Subscription::Private(_, private)) => {
                    moved_bytes += bytes;
                    private.enqueue(message, &self.node.settings, &self.node.counters);
                    if self.ready_private.last() != Some(&subscription) {
                        self.ready_private.push(subscription);
                    }
                }
                Some(Subscription::Queue { .. }) | None => moved_bytes += bytes,
            }
        }
        counters::add(&self.node.counters.delivered, delivered_count);
        if moved_bytes > 0 {
            self.outbox.release(&self.node, now, moved_bytes);
        }
    }

    fn pump_private(&mut self, bytes_max: usize, handle: &mut dyn FnMut(Event)) {
        let mut bytes_left = bytes_max;
        let mut ready = std::mem::take(&mut self.ready_private);
        ready.sort_unstable();
        ready.dedup();
        for subscription in ready {
            if bytes_left == 0 {
                self.ready_private.push(subscription);
            } else if let Some(Subscription::Private(_, private)) =
                self.subscriptions.get_mut(&subscription)
            {
                private.pump(&mut bytes_left, handle);
                if bytes_left == 0 {
                    self.ready_private.push(subscription);
                }
            }
        }
    }
}

impl Attachment for Connection {
    fn submit(&mut self, now: Instant, submissions: &mut Vec<Submission>) {
        let node = Arc::clone(&self.node);
        let table = node.routes.load();
        for submission in submissions.drain(..) {
            match submission {
                Submission {
                    id,
                    command: Command::Publish(message, confirm),
                    ..
                } if self.principal.is_some() => {
                    let confirm = (confirm == Confirm::Wanted).then_some(id);
                    self.publisher
                        .publish(&node, &table, now, message, confirm, &mut self.answers);
                }
                Submission {
                    id,
                    command: Command::Publish(..),
                    ..
                } => {
                    self.answers
                        .push_back(Event::Done(id, Err(Refusal::NotConnected)));
                }
                submission => self.carry_out(submission),
            }
        }
        self.publisher
            .flush(&node, now, &self.outbox, &mut self.answers);
        self.post_controls();
    }

    fn poll_admission(&mut self, now: Instant, cx: &mut Context<'_>) -> Poll<()> {
        self.publisher.poll_admission(&self.node, now, cx)
    }

    fn poll_events(
        &mut self,
        now: Instant,
        cx: &mut Context<'_>,
        bytes_max: usize,
        handle: &mut dyn FnMut(Event),
    ) -> Poll<()> {
        let mut any = !self.answers.is_empty() || !self.ready_private.is_empty();
        for event in self.answers.drain(..) {
            handle(event);
        }
        let (events, direct) = (&mut self.drained_events, &mut self.drained_direct);
        if self
            .outbox
            .poll_drain(cx, bytes_max, events, direct)
            .is_ready()
        {
            any = true;
            self.hand_over(now, handle);
        }
        if !self.ready_private.is_empty() {
            self.pump_private(bytes_max, handle);
        }
        if any { Poll::Ready(()) } else { Poll::Pending }
    }

    fn handle_sent(&mut self, now: Instant) {
        if self.handed_bytes > 0 {
            let bytes = std::mem::take(&mut self.handed_bytes);
            self.outbox.release(&self.node, now, bytes);
        }
        for subscription in std::mem::take(&mut self.presettled) {
            let subscriber = self.subscriber(subscription);
            let Some(Subscription::Queue { target, handed, .. }) =
                self.subscriptions.get_mut(&subscription)
            else {
                continue;
            };
            let (target, handed) = (*target, std::mem::take(handed));
            self.accept_handed(subscriber, target, handed);
        }
        self.post_controls();
    }

    fn deadline(&self) -> Option<Instant> {
        self.publisher.deadline()
    }

    fn close(&mut self, _now: Instant) {
        self.publisher.close(&self.node);
        self.outbox.close();
        let id = self.outbox.connection();
        let subscriptions = std::mem::take(&mut self.subscriptions);
        let mut executors = vec![false; self.node.mailboxes.len()];
        for (subscription, subscribed) in subscriptions {
            match subscribed {
                Subscription::Queue { target, .. } => executors[target.executor] = true,
                Subscription::Direct(pattern) | Subscription::Private(pattern, _) => {
                    self.node
                        .routes
                        .unbind(&pattern, self.subscriber(subscription));
                }
            }
        }
        for (executor, has_subscription) in executors.into_iter().enumerate() {
            if has_subscription {
                self.control(executor, Control::Closed(id));
            }
        }
        self.post_controls();
    }
}

impl Drop for Connection {
    /// A connection whose driver was aborted releases what it holds all the same.
    fn drop(&mut self) {
        self.close(Instant::default());
    }
}
