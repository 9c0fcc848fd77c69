//! Transactions, as a connection commits them.
//!
//! What the connection is asked behind one is done when that has been answered. For each:
//!
//! 1. Wait until all that the connection has published before has reached its queues, so that nothing of the
//!    transaction overtakes it; and until no other transaction holds keys of what it retains.
//! 2. Route what is published; gather what each shard has to do.
//! 3. One shard does it in one record; several are coordinated by one of them (`crate::transaction`).
//! 4. When that is decided, what goes to receivers directly, and what is settled in the connection's own
//!    queues, follows.
//!
//! What is published alone, and is to be retained, waits here as well while a transaction holds its key.

use crate::Node;
use crate::connection::{Connection, Subscription};
use crate::follow::{Follow, Left, Push, Pushing, Sets};
use crate::mailbox::Control;
use crate::publish::{Way, exchange_internal, exchange_not_found};
use crate::retained::{HeldKeys, Retained};
use crate::routes::{
    self, DirectTarget, FilterWork, PrivateQueueId, QueueTarget, Route, RouteCache, Targets,
};
use crate::transaction::{Asker, OfferId, Part, PartSettle, PreparedNotes, PreparedPublish};
use broker_api::{
    Command, Event, Notes, Publishing, Refusal, Reply, Settle, Submission, Transaction, Unroutable,
};
use model::{
    CommandId, ConnectionId, ConversationId, Instant, Message, Outcome, Sequence, ShardId,
};
use queue::SubscriberId;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::task::{Context, Waker};

/// Commits under way, in order. Only the first is being done.
#[derive(Default)]
pub(crate) struct Commits {
    waiting: VecDeque<(CommandId, Stage)>,
    /// What was asked behind them.
    deferred: Vec<Submission>,
    /// The connection waits with reading until that has been done.
    held: Option<Waker>,
    /// Made when the first transaction is routed: most connections have none.
    cache: Option<Box<RouteCache>>,
}

/// How far a commit is.
enum Stage {
    /// What was published before is on its way to its queues, or another transaction holds keys that it needs.
    Gathered(Transaction),
    /// A message that is no part of a transaction: one holds its key.
    Published(Message, Publishing),
    /// The shards have their parts; this follows once it is decided.
    Sent(Following),
}

impl Commits {
    /// Whether one waits for anything.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// A message waits until no transaction holds its key.
    pub(crate) fn wait_for_key(
        &mut self,
        command: CommandId,
        message: Message,
        publishing: Publishing,
    ) {
        let stage = Stage::Published(message, publishing);
        self.waiting.push_back((command, stage));
    }

    /// Keeps what is asked behind a commit until that has been answered.
    pub(crate) fn defer(&mut self, submission: Submission) {
        self.deferred.push(submission);
    }

    /// Whether something waits behind a commit, so that no more is to be read. If so, keeps the waker to be
    /// called when that is over.
    pub(crate) fn holds_back(&mut self, cx: &Context<'_>) -> bool {
        if self.deferred.is_empty() {
            return false;
        }
        self.held = Some(cx.waker().clone());
        true
    }

    /// What was asked behind commits, once none waits.
    pub(crate) fn take_deferred(&mut self) -> Vec<Submission> {
        if self.is_waiting() {
            return Vec::new();
        }
        self.held.take().into_iter().for_each(Waker::wake);
        std::mem::take(&mut self.deferred)
    }

    /// The connection has ended: what is not sent is not done. What was sent is decided without the connection.
    pub(crate) fn abandon(&mut self) -> Abandoned {
        let mut left = Vec::new();
        let mut behind = Vec::new();
        for (id, stage) in self.waiting.drain(..) {
            match stage {
                Stage::Sent(following) => left.extend(following.follow.leave(following.pushes)),
                Stage::Published(message, publishing) => behind.push(Submission {
                    id,
                    conversation: ConversationId(0),
                    command: Command::Publish(message, publishing),
                }),
                Stage::Gathered(_) => {}
            }
        }
        behind.append(&mut self.deferred);
        behind.retain(|submission| is_last_wish(&submission.command));
        Abandoned { left, behind }
    }
}

/// What a connection that ends leaves of its commits.
pub(crate) struct Abandoned {
    /// What follows those that are decided already.
    pub(crate) left: Vec<Push>,
    /// What was asked behind them and is still to be done.
    pub(crate) behind: Vec<Submission>,
}

/// Whether this is done even if the connection ends before its turn comes.
fn is_last_wish(command: &Command) -> bool {
    match command {
        Command::Publish(..) | Command::Settle(_) | Command::Note(_) | Command::Bequeath(_) => true,
        Command::Connect(_)
        | Command::Authenticate(_)
        | Command::PutUser(_)
        | Command::DeleteUser(_)
        | Command::DeclareQueue(_)
        | Command::DeleteQueue(_)
        | Command::PurgeQueue(_)
        | Command::DeclareExchange(_)
        | Command::DeleteExchange(_)
        | Command::Bind(_)
        | Command::Unbind(_)
        | Command::Keep(_)
        | Command::LetGo(_)
        | Command::List(_)
        | Command::Commit(_)
        | Command::Subscribe(_)
        | Command::Get(_)
        | Command::Cancel(_)
        | Command::StepAside(_)
        | Command::Grant(..)
        | Command::Recall(_)
        | Command::ShowRetained(_)
        | Command::QueueRetained(_) => false,
    }
}

/// What follows once a transaction is decided.
#[derive(Default)]
struct Following {
    pushes: Vec<Push>,
    settles: Vec<PrivateSettle>,
    /// What goes nowhere and is given back.
    returned: Vec<Message>,
    /// Whether some of it is retained.
    is_retained: bool,
    follow: Arc<Follow>,
}

struct PrivateSettle {
    queue: PrivateQueueId,
    subscriber: SubscriberId,
    sequences: Vec<Sequence>,
    outcome: Outcome,
}

/// What each shard has to do.
type Parts = BTreeMap<ShardId, Part>;

impl Connection {
    pub(crate) fn commit(&mut self, now: Instant, command: CommandId, transaction: Transaction) {
        let stage = Stage::Gathered(transaction);
        self.commits.waiting.push_back((command, stage));
        if self.commits.waiting.len() == 1 {
            self.start_commits(now);
        }
    }

    /// Starts the first commit, and those behind it as long as nothing is to be waited for.
    fn start_commits(&mut self, now: Instant) {
        let node = Arc::clone(&self.node);
        let connection = self.outbox.connection();
        while let Some((command, Stage::Gathered(_))) = self.commits.waiting.front() {
            let command = *command;
            self.publisher
                .flush_run(&node, now, connection, &mut self.answers);
            if self.publisher.mark(command) || self.start_first(now) {
                return;
            }
        }
    }

    /// Starts the first commit, or publishes what has waited. Returns whether it still waits for anything; if not, it is
    /// over.
    fn start_first(&mut self, now: Instant) -> bool {
        match self.commits.waiting.pop_front() {
            Some((command, Stage::Gathered(transaction))) => {
                let publishes = transaction.publishes.iter();
                let retained = publishes.filter(|message| Retained::takes(message));
                let needed: BTreeSet<_> = retained.map(Message::key).collect();
                let retained = &self.node.retained;
                let Some(keys) = retained.hold(needed.into_iter(), &self.outbox, command) else {
                    let stage = Stage::Gathered(transaction);
                    self.commits.waiting.push_front((command, stage));
                    return true;
                };
                let sent = self.start_commit(now, command, transaction, keys);
                let is_sent = sent.is_some();
                let sent = sent.map(|following| (command, Stage::Sent(following)));
                sent.into_iter()
                    .for_each(|sent| self.commits.waiting.push_front(sent));
                is_sent
            }
            Some((command, Stage::Published(message, publishing))) => {
                self.publish_again(now, command, message, publishing)
            }
            Some(sent @ (_, Stage::Sent(_))) => {
                self.commits.waiting.push_front(sent);
                true
            }
            None => false,
        }
    }

    /// Publishes a message that has waited for its key. Returns whether it has to wait again.
    fn publish_again(
        &mut self,
        now: Instant,
        command: CommandId,
        message: Message,
        publishing: Publishing,
    ) -> bool {
        let node = Arc::clone(&self.node);
        let own = self.own_queues(publishing.own_messages);
        let way = Way {
            node: &node,
            table: &node.routes.load(),
            now,
            outbox: &self.outbox,
            skipped: &own,
        };
        let answers = &mut self.answers;
        let published = self
            .publisher
            .publish(&way, command, message, publishing, answers);
        if let Err(message) = published {
            self.commits.wait_for_key(command, message, publishing);
            return true;
        }
        self.publisher.flush(&node, now, &self.outbox, answers);
        false
    }

    /// What an answer means to a commit, and what of it the session is told.
    pub(crate) fn committed(&mut self, now: Instant, event: Event) -> Option<Event> {
        match (&event, self.commits.waiting.front()) {
            (
                Event::Confirmed(command),
                Some((first, Stage::Gathered(_) | Stage::Published(..))),
            ) if command == first => {
                if !self.start_first(now) {
                    self.start_commits(now);
                }
                None
            }
            (Event::Done(command, done), Some((first, Stage::Sent(_)))) if command == first => {
                let (command, is_done) = (*command, done.is_ok());
                let mut event = Some(event);
                if let Some((_, Stage::Sent(following))) = self.commits.waiting.pop_front()
                    && is_done
                {
                    let is_behind_others = !following.returned.is_empty();
                    self.follow(now, command, following);
                    if is_behind_others {
                        self.answers.extend(event.take());
                    }
                }
                self.start_commits(now);
                event
            }
            _ => Some(event),
        }
    }

    /// Routes a transaction and sends the shards their parts. Returns what follows, unless it is over.
    fn start_commit(
        &mut self,
        now: Instant,
        command: CommandId,
        transaction: Transaction,
        keys: HeldKeys,
    ) -> Option<Following> {
        let mut parts = Parts::new();
        let mut following = Following::default();
        let own = self.own_queues(transaction.own_messages);
        let node = &self.node;
        let mut gathered = node
            .retained
            .check(&node.settings, transaction.publishes.iter());
        let mut returns = transaction.returns.into_iter().peekable();
        for (at, message) in transaction.publishes.iter().enumerate() {
            let unroutable = match returns.next_if_eq(&at) {
                Some(_) => Unroutable::Return,
                None => Unroutable::Drop,
            };
            gathered = gathered.and_then(|()| {
                self.route_part((message, unroutable), &own, &mut parts, &mut following)
            });
        }
        let gathered = gathered
            .and_then(|()| self.settle_part(transaction.settles, &mut parts, &mut following))
            .and_then(|()| self.note_part(transaction.notes, &mut parts));
        if let Err(refusal) = gathered {
            self.refuse(command, refusal);
            return None;
        }
        if following.is_retained {
            // Its keys are not to be held by a connection that takes its time.
            let pushes = std::mem::take(&mut following.pushes);
            let keys = Some(keys);
            following.follow = Arc::new(Follow::leaving(Left { pushes, keys }));
        }
        self.send_parts(now, command, parts, following)
    }

    /// Adds notes to what the shards of their queues have to do.
    fn note_part(&self, notes: Vec<Notes>, parts: &mut Parts) -> Result<(), Refusal> {
        for notes in notes {
            let target = self.noting_target(&notes)?;
            let part = parts.entry(target.shard).or_default();
            let subscriber = self.subscriber(notes.subscription);
            part.settles.push(PartSettle {
                subscriber,
                queue: target.queue,
                sequences: notes.accepted,
                outcome: Outcome::Accept,
            });
            part.notes.push(PreparedNotes {
                queue: target.queue,
                subscriber: Some(subscriber),
                entries: notes.entries,
            });
        }
        Ok(())
    }

    /// Adds settlements to what the shards of their queues have to do, or to what follows.
    fn settle_part(
        &self,
        settles: Vec<Settle>,
        parts: &mut Parts,
        following: &mut Following,
    ) -> Result<(), Refusal> {
        for settle in settles {
            let subscriber = self.subscriber(settle.subscription);
            match self.subscriptions.get(&settle.subscription) {
                Some(Subscription::Queue { target, .. }) => {
                    let part = parts.entry(target.shard).or_default();
                    part.settles.push(PartSettle {
                        subscriber,
                        queue: target.queue,
                        sequences: settle.sequences,
                        outcome: settle.outcome,
                    });
                }
                Some(Subscription::Private { queue, .. }) => {
                    following.settles.push(PrivateSettle {
                        queue: *queue,
                        subscriber,
                        sequences: settle.sequences,
                        outcome: settle.outcome,
                    });
                }
                // The subscription has ended, and what it had not settled went back.
                Some(Subscription::Direct { .. }) | None => {
                    return Err(Refusal::SubscriptionNotFound(settle.subscription));
                }
            }
        }
        Ok(())
    }

    /// Adds a message to what the shards of its queues have to do, or to what follows.
    fn route_part(
        &mut self,
        (message, unroutable): (&Message, Unroutable),
        skipped: &[QueueTarget],
        parts: &mut Parts,
        following: &mut Following,
    ) -> Result<(), Refusal> {
        let node = Arc::clone(&self.node);
        let table = node.routes.load();
        let is_retained = Retained::takes(message);
        if is_retained {
            let shard = node.retained.shard_of(message.key());
            parts
                .entry(shard)
                .or_default()
                .publishes
                .push(PreparedPublish {
                    queues: Vec::new(),
                    message: message.clone(),
                });
        }
        let mut known: Vec<_> = skipped.iter().map(|target| target.queue).collect();
        let mut publish = |queues: &[QueueTarget], message: &Message| {
            known.extend(queues.iter().map(|target| target.queue));
            for run in queues.chunk_by(|one, two| one.shard == two.shard) {
                let [first, ..] = run else { continue };
                let part = parts.entry(first.shard).or_default();
                part.publishes.push(PreparedPublish {
                    queues: run.iter().map(|target| target.queue).collect(),
                    message: message.clone(),
                });
            }
        };
        let cache = self.commits.cache.get_or_insert_default();
        let route = cache.route(&node, &table, message);
        let later = routes::delayed(&node, &table, message);
        let given_on = later.as_ref().unwrap_or(message);
        match route.without(skipped) {
            Route::Queue(target) => publish(&[target], given_on),
            Route::Many(targets) => {
                publish(&targets.queues, given_on);
                if !is_retained {
                    let takers = takers(&node, self.outbox.connection(), &targets, given_on);
                    following
                        .pushes
                        .extend(takers.map(|target| Push::To(target.clone(), given_on.clone())));
                }
            }
            Route::Nowhere if !is_retained && unroutable == Unroutable::Return => {
                following.returned.push(message.clone());
            }
            Route::Nowhere => {}
            Route::NoExchange => return Err(exchange_not_found(message)),
            Route::Internal => return Err(exchange_internal(message)),
        }
        if is_retained {
            let message = message.clone();
            following.pushes.push(Push::Retained { message, known });
            following.is_retained = true;
        }
        Ok(())
    }

    fn send_parts(
        &mut self,
        now: Instant,
        command: CommandId,
        mut parts: Parts,
        following: Following,
    ) -> Option<Following> {
        let asker = Asker {
            outbox: Arc::clone(&self.outbox),
            command,
            follow: Some(Arc::clone(&following.follow)),
        };
        let Some((&first, _)) = parts.first_key_value() else {
            self.follow(now, command, following);
            self.answer(command, Ok(Reply::Nothing));
            return None;
        };
        let executor = self.node.executor_of(first);
        if parts.len() > 1 {
            let shards: Vec<_> = parts.keys().copied().collect();
            let offer = OfferId {
                connection: self.outbox.connection(),
                command,
            };
            for (shard, part) in parts {
                let executor = self.node.executor_of(shard);
                let part = Box::new(part);
                self.control(executor, Control::Offer { shard, offer, part });
            }
            // Before the coordinator asks for them, and before anything else that this connection does.
            self.post_controls();
            let begin = Control::Begin {
                coordinator: first,
                shards,
                offer,
                asker,
            };
            self.control(executor, begin);
        } else if let Some(part) = parts.remove(&first) {
            let transact = Control::Transact {
                shard: first,
                part: Box::new(part),
                asker,
            };
            self.control(executor, transact);
        }
        Some(following)
    }

    fn follow(&mut self, now: Instant, command: CommandId, following: Following) {
        let returned = following.returned.into_iter();
        let returned = returned.map(|message| Event::Returned(command, message));
        self.answers.extend(returned);
        self.push_all(now, following.pushes);
        self.publisher.wait_for(&following.follow.take_held_by());
        for settle in following.settles {
            let PrivateSettle {
                queue,
                subscriber,
                sequences,
                outcome,
            } = settle;
            self.settle_private(now, queue, subscriber, &sequences, outcome);
        }
    }

    pub(crate) fn push_all(&mut self, now: Instant, pushes: Vec<Push>) {
        let node = Arc::clone(&self.node);
        let connection = self.outbox.connection();
        let mut pushing = Pushing::new(&node, now, connection, Sets::Shard);
        pushes.into_iter().for_each(|push| pushing.push(push));
        self.publisher.wait_for(&pushing.held_by);
    }
}

/// The receivers that are pushed to and take a message.
fn takers<'t>(
    node: &'t Node,
    connection: ConnectionId,
    targets: &'t Targets,
    message: &'t Message,
) -> impl Iterator<Item = &'t DirectTarget> {
    let mut work = FilterWork::new(&node.counters);
    let direct = targets.direct.iter();
    direct.filter(move |target| target.takes(connection, (0, message), &mut work))
}
