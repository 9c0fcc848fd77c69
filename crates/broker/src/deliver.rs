//! Deliveries from shared queues to the connections that subscribed.

use crate::Node;
use crate::event_bytes::answer_bytes;
use crate::mailbox::Mailbox;
use crate::outbox::Outbox;
use crate::routes::QueueTarget;
use broker_api::{Delivery, Event, Refusal, Reply};
use model::{CommandId, ConnectionId, SubscriptionId};
use queue::{Handover, Port, SubscriberId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What the executor's shards deliver in one step, gathered by connection.
pub(crate) struct Deliveries {
    node: Arc<Node>,
    mailbox: Arc<Mailbox>,
    receivers: BTreeMap<ConnectionId, Receiver>,
    /// Those with something to push at the end of the step.
    staged: Vec<ConnectionId>,
}

/// A connection with subscriptions here.
struct Receiver {
    outbox: Arc<Outbox>,
    subscriptions: BTreeMap<SubscriberId, QueueTarget>,
    /// Those of them that get one message, by what is answered then.
    gets: BTreeMap<SubscriberId, CommandId>,
    /// What this step has for it.
    events: Vec<Event>,
    /// What the messages in `events` are charged with.
    bytes: usize,
    /// What the answers in `events` count as.
    answer_bytes: usize,
    /// The bytes that its outbox keeps for this step.
    reserved: usize,
    is_staged: bool,
    /// Its outbox was full when last asked; it says when that changes.
    is_full: bool,
    /// The queues that asked in vain since then.
    starved: BTreeSet<QueueTarget>,
}

impl Receiver {
    fn new(outbox: Arc<Outbox>) -> Self {
        Self {
            outbox,
            subscriptions: BTreeMap::new(),
            gets: BTreeMap::new(),
            events: Vec::new(),
            bytes: 0,
            answer_bytes: 0,
            reserved: 0,
            is_staged: false,
            is_full: false,
            starved: BTreeSet::new(),
        }
    }

    /// Notes that a queue has something for a subscription that has no room.
    fn starve(&mut self, subscriber: SubscriberId) {
        self.starved
            .extend(self.subscriptions.get(&subscriber).copied());
    }

    fn answer(&mut self, event: Event) {
        self.answer_bytes += answer_bytes(&event);
        self.events.push(event);
    }

    fn push(&mut self) {
        let answers = std::mem::take(&mut self.answer_bytes);
        let (bytes, reserved) = (self.bytes, self.reserved);
        (self.bytes, self.reserved) = (0, 0);
        self.outbox
            .push_reserved(&mut self.events, answers, bytes, reserved);
    }
}

impl Deliveries {
    pub(crate) fn new(node: &Arc<Node>, mailbox: &Arc<Mailbox>) -> Self {
        Self {
            node: Arc::clone(node),
            mailbox: Arc::clone(mailbox),
            receivers: BTreeMap::new(),
            staged: Vec::new(),
        }
    }

    pub(crate) fn add(
        &mut self,
        outbox: Arc<Outbox>,
        subscriber: SubscriberId,
        target: QueueTarget,
    ) {
        let receivers = self.receivers.entry(subscriber.connection);
        let receiver = receivers.or_insert_with(|| Receiver::new(outbox));
        receiver.subscriptions.insert(subscriber, target);
    }

    pub(crate) fn forget(&mut self, subscriber: SubscriberId) {
        if let Some(receiver) = self.receivers.get_mut(&subscriber.connection) {
            receiver.subscriptions.remove(&subscriber);
        }
    }

    /// The command is answered when the subscription has got its message, or there is none.
    pub(crate) fn await_get(&mut self, subscriber: SubscriberId, command: CommandId) {
        if let Some(receiver) = self.receivers.get_mut(&subscriber.connection) {
            receiver.gets.insert(subscriber, command);
        }
    }

    /// A subscription gets nothing any more, at its own wish.
    pub(crate) fn end_get(&mut self, subscriber: SubscriberId) {
        self.answer_get(subscriber, Ok(Reply::Got(None)));
    }

    /// A subscription gets nothing any more, for this reason.
    pub(crate) fn refuse_get(&mut self, subscriber: SubscriberId, refusal: Refusal) {
        self.answer_get(subscriber, Err(refusal));
    }

    fn answer_get(&mut self, subscriber: SubscriberId, done: Result<Reply, Refusal>) {
        let receiver = self.receivers.get_mut(&subscriber.connection);
        let command = receiver.and_then(|receiver| receiver.gets.remove(&subscriber));
        if let Some(command) = command {
            self.tell(subscriber, Event::Done(command, done));
        }
    }

    /// The connection has ended; returns what it had subscribed.
    pub(crate) fn remove(
        &mut self,
        connection: ConnectionId,
    ) -> BTreeMap<SubscriberId, QueueTarget> {
        let receiver = self.receivers.remove(&connection);
        receiver
            .map(|receiver| receiver.subscriptions)
            .unwrap_or_default()
    }

    /// The connection has room again; returns the queues that may go on.
    pub(crate) fn handle_room(&mut self, connection: ConnectionId) -> BTreeSet<QueueTarget> {
        let Some(receiver) = self.receivers.get_mut(&connection) else {
            return BTreeSet::new();
        };
        receiver.is_full = false;
        std::mem::take(&mut receiver.starved)
    }

    /// Whether the subscription is there.
    pub(crate) fn knows(&self, subscriber: SubscriberId) -> bool {
        let receiver = self.receivers.get(&subscriber.connection);
        receiver.is_some_and(|receiver| receiver.subscriptions.contains_key(&subscriber))
    }

    /// Answers a connection behind what it has been delivered in this step; hands the answer back if the
    /// connection has no subscription here.
    pub(crate) fn answer(&mut self, connection: ConnectionId, event: Event) -> Result<(), Event> {
        let Some(receiver) = self.receivers.get_mut(&connection) else {
            return Err(event);
        };
        receiver.answer(event);
        Self::stage(&mut self.staged, connection, receiver);
        Ok(())
    }

    /// Tells a subscription something, if it is there.
    pub(crate) fn tell(&mut self, subscriber: SubscriberId, event: Event) {
        if self.knows(subscriber)
            && let Some(receiver) = self.receivers.get_mut(&subscriber.connection)
        {
            receiver.answer(event);
            Self::stage(&mut self.staged, subscriber.connection, receiver);
        }
    }

    /// Pushes what the step has for each connection.
    pub(crate) fn flush(&mut self) {
        for connection in self.staged.drain(..) {
            if let Some(receiver) = self.receivers.get_mut(&connection) {
                receiver.is_staged = false;
                receiver.push();
                if receiver.subscriptions.is_empty() {
                    self.receivers.remove(&connection);
                }
            }
        }
    }

    fn stage(staged: &mut Vec<ConnectionId>, connection: ConnectionId, receiver: &mut Receiver) {
        if !std::mem::replace(&mut receiver.is_staged, true) {
            staged.push(connection);
        }
    }
}

impl Port for Deliveries {
    fn has_room(&mut self, subscriber: SubscriberId) -> bool {
        let Some(receiver) = self.receivers.get_mut(&subscriber.connection) else {
            return false;
        };
        if receiver.bytes < receiver.reserved {
            return true;
        }
        if !receiver.is_full {
            receiver.push();
            receiver.reserved = receiver.outbox.reserve(&self.node, &self.mailbox);
            receiver.is_full = receiver.reserved == 0;
            Self::stage(&mut self.staged, subscriber.connection, receiver);
        }
        if receiver.is_full {
            receiver.starve(subscriber);
        }
        !receiver.is_full
    }

    fn deliver(&mut self, subscriber: SubscriberId, handover: Handover) {
        let Some(receiver) = self.receivers.get_mut(&subscriber.connection) else {
            return;
        };
        receiver.bytes += handover.message.cost_bytes();
        let delivered = delivery(subscriber.subscription, handover);
        receiver.events.push(delivered);
    }

    fn browsed(&mut self, subscriber: SubscriberId) {
        let drained = Event::Drained(subscriber.subscription);
        self.tell(subscriber, drained);
    }

    fn got(&mut self, subscriber: SubscriberId, ready_count: Option<usize>) {
        let ready_count = ready_count.map(|count| count as u64);
        self.answer_get(subscriber, Ok(Reply::Got(ready_count)));
    }
}

/// What a subscriber is told of a message that a queue hands over.
#[inline]
pub(crate) fn delivery(subscription: SubscriptionId, handover: Handover) -> Event {
    Event::Delivery(Delivery {
        subscription,
        sequence: handover.sequence,
        redelivered: handover.redelivered,
        delivery_count: handover.delivery_count,
        acquired_count: handover.acquired_count,
        expires_at: handover.expires_at,
        message: handover.message,
    })
}
