//! Transactions, as a connection commits them.
//!
//! What the connection is asked behind one is done when that has been answered. For each:
//!
//! 1. Wait until all that the connection has published before has reached its queues, so that nothing of the
//!    transaction overtakes it.
//! 2. Route what is published; gather what each shard has to do.
//! 3. One shard does it in one record; several are coordinated by one of them (`crate::transaction`).
//! 4. When that is decided, what goes to receivers directly, and what is settled in the connection's own
//!    queues, follows.

use crate::Node;
use crate::connection::{Connection, Subscription};
use crate::follow::{Follow, Push, post_to_others};
use crate::mailbox::Control;
use crate::publish::exchange_not_found;
use crate::retained::Retained;
use crate::routes::{
    DirectTarget, FilterWork, PrivateQueueId, QueueTarget, Route, RouteCache, Targets,
};
use crate::transaction::{Asker, OfferId, Part, PartSettle, PreparedNotes, PreparedPublish};
use broker_api::{Command, Event, Notes, Refusal, Reply, Settle, Submission, Transaction};
use model::{CommandId, ConnectionId, Instant, Message, Outcome, QueueId, Sequence, ShardId};
use queue::SubscriberId;
use std::collections::{BTreeMap, VecDeque};
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
    /// What was published before is on its way to its queues, or another commit is before it.
    Gathered(Transaction),
    /// The shards have their parts; this follows once it is decided.
    Sent(Following),
}

impl Commits {
    /// Whether one waits for anything.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
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
        for (_, stage) in self.waiting.drain(..) {
            if let Stage::Sent(following) = stage {
                left.extend(following.follow.leave(following.pushes));
            }
        }
        let mut behind = std::mem::take(&mut self.deferred);
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
        | Command::Cancel(_)
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

    /// Starts the first commit. Returns whether it waits for a decision; if not, it is over.
    fn start_first(&mut self, now: Instant) -> bool {
        match self.commits.waiting.pop_front() {
            Some((command, Stage::Gathered(transaction))) => {
                let sent = self.start_commit(now, command, transaction);
                let is_sent = sent.is_some();
                let sent = sent.map(|following| (command, Stage::Sent(following)));
                sent.into_iter()
                    .for_each(|sent| self.commits.waiting.push_front(sent));
                is_sent
            }
            Some(sent @ (_, Stage::Sent(_))) => {
                self.commits.waiting.push_front(sent);
                true
            }
            None => false,
        }
    }

    /// What an answer means to a commit, and what of it the session is told.
    pub(crate) fn committed(&mut self, now: Instant, event: Event) -> Option<Event> {
        match (&event, self.commits.waiting.front()) {
            (Event::Confirmed(command), Some((first, Stage::Gathered(_)))) if command == first => {
                if !self.start_first(now) {
                    self.start_commits(now);
                }
                None
            }
            (Event::Done(command, done), Some((first, Stage::Sent(_)))) if command == first => {
                let is_done = done.is_ok();
                if let Some((_, Stage::Sent(following))) = self.commits.waiting.pop_front()
                    && is_done
                {
                    self.follow(now, following);
                }
                self.start_commits(now);
                Some(event)
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
    ) -> Option<Following> {
        let mut parts = Parts::new();
        let mut following = Following::default();
        let own = self.own_queues(transaction.own_messages);
        let node = &self.node;
        let mut gathered = node
            .retained
            .check(&node.settings, transaction.publishes.iter());
        for message in &transaction.publishes {
            gathered =
                gathered.and_then(|()| self.route_part(message, &own, &mut parts, &mut following));
        }
        let gathered = gathered
            .and_then(|()| self.settle_part(transaction.settles, &mut parts, &mut following))
            .and_then(|()| self.note_part(transaction.notes, &mut parts));
        if let Err(refusal) = gathered {
            self.refuse(command, refusal);
            return None;
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
        message: &Message,
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
        match route.without(skipped) {
            Route::Queue(target) => publish(&[target], message),
            Route::Many(targets) => {
                publish(&targets.queues, message);
                if !is_retained {
                    let takers = takers(&node, self.outbox.connection(), &targets, message);
                    following
                        .pushes
                        .extend(takers.map(|target| Push::To(target.clone(), message.clone())));
                }
            }
            Route::Nowhere => {}
            Route::NoExchange => return Err(exchange_not_found(message)),
            Route::Internal => {
                let text = "cannot publish to an internal exchange".to_owned();
                return Err(Refusal::AccessRefused(text));
            }
        }
        if is_retained {
            let message = message.clone();
            following.pushes.push(Push::Retained { message, known });
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
            self.follow(now, following);
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

    fn follow(&mut self, now: Instant, following: Following) {
        let node = Arc::clone(&self.node);
        for push in following.pushes {
            match push {
                Push::To(target, message) => {
                    self.publisher.push_one(&node, now, &target, &message);
                }
                Push::Retained { message, known } => self.push_retained(now, &message, &known),
            }
        }
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

    /// Pushes a message that a shard has set as the last of its key, also to queues that were not known when it was routed.
    fn push_retained(&mut self, now: Instant, message: &Message, known: &[QueueId]) {
        let node = Arc::clone(&self.node);
        let _turn = node.retained.turn(message.key());
        let table = node.routes.load();
        let cache = self.commits.cache.get_or_insert_default();
        let route = cache.route(&node, &table, message);
        match route {
            Route::Queue(target) => post_to_others(&node, [target], known, message),
            Route::Many(targets) => {
                post_to_others(&node, targets.queues.iter().copied(), known, message);
                for target in takers(&node, self.outbox.connection(), &targets, message) {
                    self.publisher.push_one(&node, now, target, message);
                }
            }
            Route::Nowhere | Route::NoExchange | Route::Internal => {}
        }
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
