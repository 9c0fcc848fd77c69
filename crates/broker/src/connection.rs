//! The broker's side of one connection.

use crate::Node;
use crate::mailbox::Control;
use crate::outbox::{Direct, Outbox, event_bytes};
use crate::permit::{Principal, authenticate, permit};
use crate::private::PrivateQueue;
use crate::publish::Publisher;
use crate::routes::QueueTarget;
use broker_api::{Attachment, Command, Confirm, Event, Peer, Refusal, SettleMode, Submission};
use model::{CommandId, ConnectionId, Instant, Pattern, Sequence, SubscriptionId};
use queue::SubscriberId;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::task::{Context, Poll};

/// The broker's side of one connection: carries out its commands and hands it events.
pub struct Connection {
    pub(crate) node: Arc<Node>,
    peer: Peer,
    pub(crate) outbox: Arc<Outbox>,
    principal: Option<Principal>,
    pub(crate) subscriptions: BTreeMap<SubscriptionId, Subscription>,
    /// Ids up to this one have been used.
    pub(crate) subscription_max: Option<SubscriptionId>,
    publisher: Publisher,
    /// Answers that needed nobody else.
    pub(crate) answers: VecDeque<Event>,
    /// What this call has for each executor.
    controls: Vec<Vec<Control>>,
    /// Private queues that may have something to deliver, in turn.
    pub(crate) ready_private: VecDeque<SubscriptionId>,
    /// What all private queues hold is charged with.
    pub(crate) private_bytes: usize,
    /// Subscriptions that end once the transport has taken what it was given.
    pub(crate) leaving: Vec<Leaving>,
    /// Drained from the outbox, being handed over.
    pub(crate) drained_events: Vec<Event>,
    pub(crate) drained_direct: Vec<Direct>,
    /// What was handed over since the transport took everything, as charged to the outbox.
    pub(crate) handed_bytes: usize,
    /// Subscriptions with presettled deliveries among them.
    pub(crate) presettled: Vec<SubscriptionId>,
}

/// Where a subscription of the connection reads.
pub(crate) enum Subscription {
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

/// A subscription to a queue that was cancelled while presettled deliveries were on the transport.
pub(crate) struct Leaving {
    pub(crate) subscriber: SubscriberId,
    pub(crate) target: QueueTarget,
    pub(crate) handed: Vec<Sequence>,
    pub(crate) command: CommandId,
}

impl Connection {
    pub(crate) fn new(node: Arc<Node>, id: ConnectionId, peer: Peer) -> Self {
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
            ready_private: VecDeque::new(),
            private_bytes: 0,
            leaving: Vec::new(),
            drained_events: Vec::new(),
            drained_direct: Vec::new(),
            handed_bytes: 0,
            presettled: Vec::new(),
        }
    }

    fn carry_out(&mut self, submission: Submission) {
        let id = submission.id;
        if let Err(refusal) = permit(self.principal.as_ref(), &submission.command) {
            self.answer(id, Err(refusal));
            return;
        }
        match submission.command {
            Command::Connect(connect) => {
                let principal = authenticate(connect.login.as_ref(), self.peer, &connect.vhost);
                let done = principal.map(|principal| {
                    tracing::debug!(
                        connection = self.outbox.connection().0,
                        user = %String::from_utf8_lossy(&principal.user),
                        vhost = %String::from_utf8_lossy(&principal.vhost),
                        "connected"
                    );
                    self.principal = Some(principal);
                });
                self.answer(id, done);
            }
            Command::DeclareQueue(name) => self.declare(id, name),
            Command::Subscribe(subscribe) => self.subscribe(id, subscribe),
            Command::Cancel(subscription) => self.cancel(id, subscription),
            Command::Grant(subscription, grant) => self.grant(id, subscription, grant),
            Command::Settle(settle) => self.settle(id, settle),
            Command::Publish(..) => unreachable!("publishes are carried out in batches"),
        }
    }

    pub(crate) fn answer(&mut self, command: CommandId, done: Result<(), Refusal>) {
        self.answers.push_back(Event::Done(command, done));
    }

    pub(crate) fn subscriber(&self, subscription: SubscriptionId) -> SubscriberId {
        SubscriberId {
            connection: self.outbox.connection(),
            subscription,
        }
    }

    /// Puts a control into what this call has for an executor.
    pub(crate) fn control(&mut self, executor: usize, control: Control) {
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
        let mut bytes_left = bytes_max;
        while bytes_left > 0
            && let Some(event) = self.answers.pop_front()
        {
            bytes_left = bytes_left.saturating_sub(event_bytes(&event));
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

    fn poll_disconnect(&mut self, cx: &mut Context<'_>) -> Poll<Refusal> {
        self.outbox.poll_cut(cx)
    }

    fn handle_sent(&mut self, now: Instant) {
        if self.handed_bytes > 0 {
            let bytes = std::mem::take(&mut self.handed_bytes);
            self.outbox.release(&self.node, now, bytes);
        }
        self.accept_sent();
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
        for leaving in self.leaving.drain(..) {
            executors[leaving.target.executor] = true;
        }
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
