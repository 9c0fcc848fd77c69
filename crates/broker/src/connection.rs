//! The broker's side of one connection.

use crate::Node;
use crate::commit::{Abandoned, Commits};
use crate::event_bytes::event_bytes;
use crate::head::SelectorMemory;
use crate::lent;
use crate::login::Showing;
use crate::mailbox::Control;
use crate::outbox::{Direct, Outbox};
use crate::permit::{Principal, permit, permit_publish};
use crate::private::PrivateQueue;
use crate::publish::{Publisher, Way};
use crate::routes::{PrivateQueueId, QueueRoute, QueueTarget};
use crate::show::Showings;
use crate::topology::Wish;
use auth::UserChange;
use broker_api::{Attachment, Command, Event, Peer, Refusal, Reply, SettleMode, Submission};
use model::{CommandId, ConnectionId, Instant, Message, Sequence, SoloMap, SubscriptionId};
use queue::SubscriberId;
use routing::Destination;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::task::{Context, Poll};

/// The broker's side of one connection: carries out its commands and hands it events.
pub struct Connection {
    pub(crate) node: Arc<Node>,
    pub(crate) peer: Peer,
    /// Whether only who runs the broker can be at the other end.
    pub(crate) is_operators: bool,
    pub(crate) outbox: Arc<Outbox>,
    /// What is not settled of who is at the other end.
    pub(crate) showing: Option<Box<Showing>>,
    pub(crate) principal: Option<Box<Principal>>,
    /// What no other connection may be at the same time.
    pub(crate) identity: Option<Box<[u8]>>,
    pub(crate) subscriptions: SoloMap<SubscriptionId, Subscription>,
    pub(crate) selector_memory: SelectorMemory,
    /// Ids up to this one have been used.
    pub(crate) subscription_max: Option<SubscriptionId>,
    pub(crate) publisher: Publisher,
    pub(crate) commits: Commits,
    /// Answers that needed nobody else.
    pub(crate) answers: VecDeque<Event>,
    /// Nothing more is read until they, and those of executors, are taken.
    is_held_by_answers: bool,
    /// What this call has for each executor.
    controls: Vec<Vec<Control>>,
    pub(crate) private_queues: BTreeMap<PrivateQueueId, PrivateQueue>,
    pub(crate) private_last: u32,
    /// Private queues that may have something to deliver, in turn.
    pub(crate) ready_private: VecDeque<PrivateQueueId>,
    /// What all private queues hold is charged with.
    pub(crate) private_bytes: usize,
    /// When a private queue has something to do by itself.
    pub(crate) private_deadline: Option<Instant>,
    /// Dead letters of private queues that are to be published.
    pub(crate) letters: Vec<Message>,
    /// Subscriptions that end once the transport has taken what it was given.
    pub(crate) leaving: Vec<Leaving>,
    /// As many subscriptions were counted last.
    counted_subscriptions: u32,
    /// Drained from the outbox, being handed over.
    pub(crate) drained_events: Vec<Event>,
    pub(crate) drained_direct: Vec<Direct>,
    /// What was handed over since the transport took everything, as charged to the outbox.
    pub(crate) handed_bytes: usize,
    /// Subscriptions with presettled deliveries among them.
    pub(crate) presettled: Vec<SubscriptionId>,
    /// Subscriptions that are being shown what is retained.
    pub(crate) showings: Showings,
    /// For executors, once nothing that was published before is parked, or publishes are held back for long.
    behind: Vec<(usize, Control)>,
}

/// Where a subscription of the connection reads.
pub(crate) enum Subscription {
    /// A shared queue.
    Queue {
        target: QueueTarget,
        settle_mode: SettleMode,
        /// Whether it has taken the queue over, as far as the connection knows.
        takes_over: bool,
        /// Presettled deliveries that the transport has not taken yet.
        handed: Vec<Sequence>,
    },
    /// An exchange, directly.
    Direct {
        /// Where it has messages whose delay is not over, once there was one.
        delayed: Option<PrivateQueueId>,
    },
    /// A queue of the connection's own.
    Private {
        queue: PrivateQueueId,
        /// Whether it is the subscription's own, filled by an exchange.
        is_own: bool,
    },
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
            is_operators: false,
            outbox: Arc::new(Outbox::new(id)),
            showing: None,
            principal: None,
            identity: None,
            subscriptions: SoloMap::default(),
            selector_memory: SelectorMemory::default(),
            subscription_max: None,
            publisher: Publisher::default(),
            commits: Commits::default(),
            answers: VecDeque::new(),
            is_held_by_answers: false,
            controls: Vec::new(),
            private_queues: BTreeMap::new(),
            private_last: 0,
            ready_private: VecDeque::new(),
            private_bytes: 0,
            private_deadline: None,
            letters: Vec::new(),
            leaving: Vec::new(),
            counted_subscriptions: 0,
            drained_events: Vec::new(),
            drained_direct: Vec::new(),
            handed_bytes: 0,
            presettled: Vec::new(),
            showings: Showings::default(),
            behind: Vec::new(),
        }
    }

    fn carry_out(&mut self, now: Instant, submission: Submission) {
        let id = submission.id;
        let settings = &self.node.settings;
        if let Err(refusal) = permit(self.principal.as_deref(), &submission.command, settings) {
            self.refuse(id, refusal);
            return;
        }
        match submission.command {
            Command::Connect(connect) => self.connect(id, *connect),
            Command::Authenticate(step) => self.authenticate(id, *step),
            Command::PutUser(put) => self.put_user(id, *put),
            Command::DeleteUser(name) => self.change_users(id, UserChange::Delete { name }),
            Command::DeclareQueue(declare) => self.declare_queue(now, id, *declare),
            Command::DeleteQueue(delete) => self.delete_queue(now, id, delete),
            Command::PurgeQueue(name) => self.purge_queue(now, id, name),
            Command::DeclareExchange(declare) => self.declare_exchange(id, *declare),
            Command::DeleteExchange(delete) => self.delete_exchange(id, delete),
            Command::Bind(bind) => self.bind(id, *bind),
            Command::Unbind(bind) => self.unbind(id, *bind),
            Command::Keep(keep) => self.keep(id, *keep, Wish::Keep),
            Command::LetGo(keep) => self.keep(id, *keep, Wish::LetGo),
            Command::List(listing) => self.list(id, listing),
            Command::Commit(transaction) => self.commit(now, id, *transaction),
            Command::Subscribe(subscribe) => self.subscribe(now, id, *subscribe),
            Command::Get(get) => self.get(now, id, get),
            Command::Cancel(subscription) => self.cancel(now, id, subscription),
            Command::StepAside(subscription) => self.step_aside(now, id, subscription),
            Command::ShowRetained(show) => self.show_retained(id, &show),
            Command::QueueRetained(queue) => self.queue_retained(id, *queue),
            Command::Grant(subscription, grant) => self.grant(now, id, subscription, grant),
            Command::Settle(settle) => self.settle(now, id, settle),
            Command::Note(notes) => self.note(id, *notes),
            Command::Recall(subscription) => self.recall(id, subscription),
            Command::Bequeath(bequest) => self.bequeath(id, *bequest),
            Command::Publish(..) => unreachable!("publishes are carried out in batches"),
        }
    }

    pub(crate) fn answer(&mut self, command: CommandId, done: Result<Reply, Refusal>) {
        self.answers.push_back(Event::Done(command, done));
    }

    pub(crate) fn done(&mut self, command: CommandId) {
        self.answer(command, Ok(Reply::Nothing));
    }

    pub(crate) fn refuse(&mut self, command: CommandId, refusal: Refusal) {
        self.answer(command, Err(refusal));
    }

    pub(crate) fn subscriber(&self, subscription: SubscriptionId) -> SubscriberId {
        SubscriberId {
            connection: self.outbox.connection(),
            subscription,
        }
    }

    /// The same for a control that sees what this connection has published before.
    pub(crate) fn control_behind(&mut self, executor: usize, control: Control) {
        self.behind.push((executor, control));
    }

    /// Puts a control into what this call has for an executor.
    pub(crate) fn control(&mut self, executor: usize, control: Control) {
        if self.controls.is_empty() {
            self.controls
                .resize_with(self.node.mailboxes.len(), Vec::new);
        }
        self.controls[executor].push(control);
    }

    pub(crate) fn post_controls(&mut self) {
        // While publishes wait for others to consume, or for the disk, that may take for ever.
        if !self.publisher.has_parked() || self.node.blocked.cause().is_some() {
            for (executor, control) in std::mem::take(&mut self.behind) {
                self.control(executor, control);
            }
        }
        for (mailbox, controls) in self.node.mailboxes.iter().zip(&mut self.controls) {
            if !controls.is_empty() {
                mailbox.post(controls);
            }
        }
    }

    /// Publishes the dead letters of private queues, whatever becomes of them.
    fn publish_letters(&mut self, now: Instant) {
        if self.letters.is_empty() {
            return;
        }
        let letters = std::mem::take(&mut self.letters);
        let node = Arc::clone(&self.node);
        let table = node.routes.load();
        let way = Way {
            node: &node,
            table: &table,
            now,
            outbox: &self.outbox,
            skipped: &[],
        };
        for letter in letters {
            self.publisher.publish_letter(&way, letter);
        }
        self.publisher
            .flush(&node, now, &self.outbox, &mut self.answers);
    }

    /// Ends all subscriptions and private queues: the connection is gone.
    fn end_all(&mut self) {
        let mut executors = vec![false; self.node.mailboxes.len()];
        for leaving in self.leaving.drain(..) {
            executors[leaving.target.executor] = true;
        }
        let mut gone = Vec::new();
        let mut sources = Vec::new();
        for (subscription, subscribed) in std::mem::take(&mut self.subscriptions).iter() {
            match subscribed {
                Subscription::Queue { target, .. } => executors[target.executor] = true,
                Subscription::Direct { .. } | Subscription::Private { is_own: true, .. } => {
                    let subscriber = self.subscriber(*subscription);
                    sources.extend(self.sources_to(&Destination::Subscriber(subscriber)));
                    gone.push(subscriber);
                }
                Subscription::Private { is_own: false, .. } => {}
            }
        }
        // A few at a time: each try is over before another connection changes the routes.
        for gone in gone.chunks(64) {
            self.node.routes.change(|table| {
                let mut table = table.clone();
                for id in gone {
                    table = table.without_subscriber(id);
                }
                table
            });
        }
        for (id, private) in std::mem::take(&mut self.private_queues) {
            sources.extend(self.sources_of(&private));
            self.remove_private_route(id, &private);
        }
        sources
            .into_iter()
            .for_each(|source| self.note_unbound(source));
        let connection = self.outbox.connection();
        for (executor, has_subscription) in executors.into_iter().enumerate() {
            if has_subscription {
                self.control(executor, Control::Closed(connection));
            }
        }
        self.post_controls();
    }

    /// Counts what has come to the subscriptions, or gone from them.
    fn count_subscriptions(&mut self) {
        let count = u32::try_from(self.subscriptions.len()).unwrap_or(u32::MAX);
        let before = std::mem::replace(&mut self.counted_subscriptions, count);
        self.node
            .subscriptions
            .change(before as usize, count as usize);
    }

    /// Takes the name of a private queue out of the routes.
    pub(crate) fn remove_private_route(&self, id: PrivateQueueId, private: &PrivateQueue) {
        let Some(name) = &private.name else { return };
        self.node
            .routes
            .change(|table| match table.queue(name.as_bytes()) {
                Some(QueueRoute::Private(target))
                    if target.queue == id && Arc::ptr_eq(&target.outbox, &self.outbox) =>
                {
                    table.without_queue(name)
                }
                Some(QueueRoute::Private(_) | QueueRoute::Shared(_)) | None => table.clone(),
            });
    }

    /// Whether more may be asked for that is answered, at once or by executors. A client that does not read what comes
    /// back (returns of a message each, confirms, refusals) does not have them taken either, and is not to have them kept
    /// without limit.
    fn has_room_for_answers(&self) -> bool {
        let (limit, outbox) = (self.node.settings.parked_bytes, self.outbox.answer_bytes());
        let Some(mut left) = limit.checked_sub(outbox) else {
            return false;
        };
        self.answers.iter().all(|event| {
            let fits = left.checked_sub(event_bytes(event));
            left = fits.unwrap_or(0);
            fits.is_some()
        })
    }
}

impl Attachment for Connection {
    fn submit(&mut self, now: Instant, submissions: &mut Vec<Submission>) {
        lent::take(&mut self.answers);
        let node = Arc::clone(&self.node);
        // Loaded when it is needed, and again when a command may have changed it.
        let mut table = None;
        for submission in submissions.drain(..) {
            if self.commits.is_waiting() {
                self.commits.defer(submission);
                continue;
            }
            match submission {
                Submission {
                    id,
                    command: Command::Publish(message, publishing),
                    ..
                } => {
                    let principal = self.principal.as_deref();
                    if let Err(refusal) = permit_publish(principal, &message, &node.settings) {
                        self.refuse(id, refusal);
                        continue;
                    }
                    let own = self.own_queues(publishing.own_messages);
                    let way = Way {
                        node: &node,
                        table: table.get_or_insert_with(|| node.routes.load()),
                        now,
                        outbox: &self.outbox,
                        skipped: &own,
                    };
                    let published =
                        self.publisher
                            .publish(&way, id, message, publishing, &mut self.answers);
                    if let Err(message) = published {
                        self.commits.wait_for_key(id, message, publishing);
                    }
                }
                submission => {
                    self.carry_out(now, submission);
                    table = None;
                }
            }
        }
        self.publish_letters(now);
        self.publisher
            .flush(&node, now, &self.outbox, &mut self.answers);
        self.post_controls();
        self.count_subscriptions();
        lent::give_back(&mut self.answers);
    }

    fn poll_admission(&mut self, now: Instant, cx: &mut Context<'_>) -> Poll<()> {
        if self.tick_private(now) {
            // Events may have come of it, which are asked for before this.
            cx.waker().wake_by_ref();
        }
        self.publish_letters(now);
        let admission = self.publisher.poll_admission(&self.node, now, cx);
        if !self.behind.is_empty() {
            self.post_controls();
        }
        self.is_held_by_answers = !self.has_room_for_answers();
        if self.commits.holds_back(cx) || self.is_held_by_answers || !self.behind.is_empty() {
            return Poll::Pending;
        }
        admission
    }

    fn poll_events(
        &mut self,
        now: Instant,
        cx: &mut Context<'_>,
        bytes_max: usize,
        handle: &mut dyn FnMut(Event),
    ) -> Poll<()> {
        self.tick_private(now);
        let mut any = !self.answers.is_empty() || !self.ready_private.is_empty();
        let mut bytes_left = bytes_max;
        while bytes_left > 0
            && let Some(event) = self.answers.pop_front()
        {
            bytes_left = bytes_left.saturating_sub(event_bytes(&event));
            handle(event);
        }
        any |= self.show(now, bytes_max, handle);
        let (events, direct) = (&mut self.drained_events, &mut self.drained_direct);
        if self
            .outbox
            .poll_drain(cx, bytes_max, events, direct)
            .is_ready()
        {
            any = true;
            self.hand_over(now, handle);
            if self.commits.is_waiting() {
                // One may have asked what has reached its queues.
                let node = Arc::clone(&self.node);
                self.publisher
                    .flush(&node, now, &self.outbox, &mut self.answers);
            }
            self.post_controls();
            let mut deferred = self.commits.take_deferred();
            if !deferred.is_empty() {
                self.submit(now, &mut deferred);
            }
        }
        if !self.ready_private.is_empty() {
            self.pump_private(now, bytes_max, handle);
        }
        self.publish_letters(now);
        if self.is_held_by_answers && self.has_room_for_answers() {
            self.is_held_by_answers = false;
            cx.waker().wake_by_ref();
        }
        self.count_subscriptions();
        lent::give_back(&mut self.answers);
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
        self.publisher
            .deadline()
            .into_iter()
            .chain(self.private_deadline)
            .min()
    }

    fn close(&mut self, now: Instant) {
        let Abandoned { left, mut behind } = self.commits.abandon();
        self.push_all(now, left);
        self.publisher.wait_no_more();
        if !behind.is_empty() {
            self.submit(now, &mut behind);
        }
        self.publisher.close(&self.node);
        self.node.blocked.forget(&self.outbox);
        if let Some(identity) = self.identity.take() {
            self.node.identities.release(&identity, &self.outbox);
        }
        self.leave_user();
        self.outbox.close();
        self.end_all();
        self.count_subscriptions();
    }
}

impl Drop for Connection {
    /// A connection whose driver was aborted releases what it holds all the same.
    fn drop(&mut self) {
        self.close(Instant::default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_small() {
        let bytes = size_of::<Connection>();
        assert!(bytes <= 1024, "{bytes} bytes");
    }
}
