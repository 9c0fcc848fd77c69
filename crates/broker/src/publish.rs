//! Publishing: from a connection to outboxes and mailboxes, a read batch at a time.

use crate::Node;
use crate::counters;
use crate::dead_letter;
use crate::hold::Hold;
use crate::mailbox::{Publish, PublishBatch, PublishTo};
use crate::outbox::{Outbox, Pressure};
use crate::permit::is_own_topic;
use crate::retained::{Limit, Retained, UnderWay};
use crate::routes::{
    self, DirectTarget, FilterWork, QueueTarget, Route, RouteCache, Snapshot, Targets,
};
use broker_api::{Confirm, Event, Publishing, Refusal, Reply, Unroutable};
use model::{CommandId, ConnectionId, Deaths, ExchangeName, Instant, Message, SequenceMap};
use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};

/// The publishing side of a connection.
///
/// Order: messages of one publisher to one queue or one topic subscriber keep their order. Once a
/// mailbox has refused publishes, all that come later wait behind them.
#[derive(Default)]
pub(crate) struct Publisher {
    /// Made with the first message: many connections only receive.
    cache: Option<Box<RouteCache>>,
    /// Messages in a row that are pushed to the same receivers: together, one lock each.
    run: Vec<Message>,
    run_targets: Option<Arc<Targets>>,
    run_confirms: Vec<CommandId>,
    /// What this read batch has for each executor.
    batches: Vec<Vec<Publish>>,
    /// Executors that have been given publishes since they were last asked for a mark.
    unmarked: Vec<bool>,
    /// The marks that are to be asked for.
    marks: Vec<Option<CommandId>>,
    /// Confirms that come in several parts.
    counted: SequenceMap<Counted>,
    /// What a full mailbox refused, in order.
    parked: VecDeque<(usize, PublishBatch)>,
    /// The key of what is retained and about to be sent on its way.
    under_way: Option<Arc<UnderWay>>,
    parked_bytes: usize,
    /// Subscribers over their budget that this publisher waits for.
    held_by: Vec<Arc<Outbox>>,
    /// How long this publisher has been held, by whomever: many subscribers that stall one after the
    /// other hold it no longer than one.
    held: Hold,
    /// When the wait for them ends in any case.
    held_until: Option<Instant>,
    /// The connection ends: nothing is waited for.
    is_last: bool,
}

impl Publisher {
    /// Routes a message. It is on its way after the next [`flush`](Self::flush).
    ///
    /// # Errors
    /// The message, where it is to be retained and a transaction holds its key: the command is confirmed when that is
    /// over.
    pub(crate) fn publish(
        &mut self,
        to: &Way<'_>,
        id: CommandId,
        message: Message,
        publishing: Publishing,
        answers: &mut VecDeque<Event>,
    ) -> Result<(), Message> {
        if Retained::takes(&message) {
            return self.publish_retained(to, id, message, publishing, answers);
        }
        let route = self.route(to, &message);
        self.send(to, route, (id, message, publishing), Kept::No, answers);
        Ok(())
    }

    fn route(&mut self, to: &Way<'_>, message: &Message) -> Route {
        let cache = self.cache.get_or_insert_default();
        let route = cache.route(to.node, to.table, message);
        if to.skipped.is_empty() {
            return route;
        }
        let route = route.without(to.skipped);
        cache.note_made(&route);
        route
    }

    /// Sets a message as the last of its key, and sends it on its way before another can be set.
    fn publish_retained(
        &mut self,
        to: &Way<'_>,
        id: CommandId,
        message: Message,
        publishing: Publishing,
        answers: &mut VecDeque<Event>,
    ) -> Result<(), Message> {
        let Way {
            node, now, outbox, ..
        } = *to;
        let turn = node.retained.turn(message.key());
        if !self.is_last && turn.is_held(message.key(), outbox, id) {
            drop(turn);
            return Err(message);
        }
        let publisher = Some(outbox.connection());
        // What the broker tells of itself is few, and worth nothing behind a restart.
        let is_own = is_own_topic(&message, &node.settings.own_topics);
        let limit = if is_own {
            Limit::Passed
        } else {
            Limit::Checked
        };
        let set = node
            .retained
            .set(&node.settings, now, &message, publisher, limit);
        let kept = match set {
            Ok(_) if is_own => {
                node.retained.logged(message.key());
                Kept::No
            }
            Ok(setting) => {
                let shard = node.retained.shard_of(message.key());
                let publish = Publish {
                    message: setting.message.clone(),
                    to: PublishTo::Log(shard, Box::new(setting)),
                    confirm: (publishing.confirm == Confirm::Wanted).then_some(id),
                };
                self.stage(node, node.executor_of(shard), publish);
                Kept::Yes
            }
            Err(refusal) if publishing.confirm == Confirm::Wanted => {
                answers.push_back(Event::Done(id, Err(refusal)));
                return Ok(());
            }
            // Nobody would be told; who is there gets it all the same.
            Err(_) => {
                counters::add(&node.counters.not_retained, 1);
                Kept::No
            }
        };
        // Whoever had looked before it was set stands in these.
        let table = &node.routes.load();
        let to = Way { table, ..*to };
        let route = self.route(&to, &message);
        let is_queued = match &route {
            Route::Queue(_) => true,
            Route::Many(targets) => !targets.queues.is_empty(),
            Route::Nowhere | Route::NoExchange | Route::Internal => false,
        };
        let key = is_queued.then(|| message.key());
        let under_way = key.map(|key| Arc::new(node.retained.under_way(&turn, key)));
        self.send(&to, route, (id, message, publishing), kept, answers);
        if is_queued {
            self.under_way = under_way;
            self.flush(node, now, outbox, answers);
        } else {
            self.flush_run(node, now, outbox.connection(), answers);
        }
        drop(turn);
        Ok(())
    }

    /// Sends a dead letter of a private queue on its way, as [`publish`](Self::publish) does.
    pub(crate) fn publish_letter(&mut self, to: &Way<'_>, letter: Message) {
        let deaths = Deaths::decode(letter.annotations()).unwrap_or_default();
        let cache = self.cache.get_or_insert_default();
        let random = cache.draw(to.node);
        let route = Route::to(dead_letter::resolve(to.node, &letter, &deaths, random));
        cache.note_made(&route);
        let (nobody, publishing) = (CommandId(0), Publishing::new(Confirm::Unwanted));
        let (letter, answers) = ((nobody, letter, publishing), &mut VecDeque::new());
        self.send(to, route, letter, Kept::No, answers);
    }

    fn send(
        &mut self,
        to: &Way<'_>,
        route: Route,
        (id, message, publishing): (CommandId, Message, Publishing),
        kept: Kept,
        answers: &mut VecDeque<Event>,
    ) {
        let confirm = (publishing.confirm == Confirm::Wanted).then_some(id);
        match route {
            Route::Queue(target) => {
                self.count(confirm, 1, kept);
                let message = routes::delayed(to.node, to.table, &message).unwrap_or(message);
                let publish = Publish {
                    to: PublishTo::One(target),
                    message,
                    confirm,
                };
                self.stage(to.node, target.executor, publish);
            }
            Route::Many(targets) => {
                let message = routes::delayed(to.node, to.table, &message).unwrap_or(message);
                self.publish_to_many(to, targets, message, (confirm, kept), answers);
            }
            Route::Nowhere if kept == Kept::Yes => {
                counters::add(&to.node.counters.published, 1);
            }
            Route::Nowhere => {
                counters::add(&to.node.counters.published, 1);
                if publishing.unroutable == Unroutable::Return {
                    answers.push_back(Event::Returned(id, message));
                }
                answers.extend(confirm.map(Event::Confirmed));
            }
            Route::NoExchange => {
                answers.push_back(Event::Done(id, Err(exchange_not_found(&message))));
            }
            Route::Internal => {
                answers.push_back(Event::Done(id, Err(exchange_internal(&message))));
            }
        }
    }

    /// Sends a message to several queues, or to receivers that are pushed to.
    fn publish_to_many(
        &mut self,
        to: &Way<'_>,
        targets: Arc<Targets>,
        message: Message,
        (confirm, kept): (Option<CommandId>, Kept),
        answers: &mut VecDeque<Event>,
    ) {
        let is_logged = !targets.queues.is_empty() || kept == Kept::Yes;
        self.count(confirm, targets.shard_count, kept);
        for run in targets
            .queues
            .chunk_by(|one, two| one.executor == two.executor)
        {
            let [first, ..] = run else { continue };
            let publish = Publish {
                to: PublishTo::Many(Arc::clone(&targets)),
                message: message.clone(),
                confirm,
            };
            self.stage(to.node, first.executor, publish);
        }
        if targets.direct.is_empty() {
            return;
        }
        if self
            .run_targets
            .as_ref()
            .is_none_or(|known| !Arc::ptr_eq(known, &targets))
        {
            self.flush_run(to.node, to.now, to.outbox.connection(), answers);
            self.run_targets = Some(targets);
        }
        self.run.push(message);
        if !is_logged {
            self.run_confirms.extend(confirm);
        }
    }

    /// Notes in how many parts a confirm comes, if they are several.
    fn count(&mut self, confirm: Option<CommandId>, shard_count: u32, kept: Kept) {
        let parts = shard_count + u32::from(kept == Kept::Yes);
        if let Some(command) = confirm
            && parts > 1
        {
            self.counted.insert(command.0, Counted::new(parts));
        }
    }

    /// Puts a message into the batch for an executor.
    fn stage(&mut self, node: &Node, executor: usize, publish: Publish) {
        if self.batches.is_empty() {
            self.batches.resize_with(node.mailboxes.len(), Vec::new);
            self.unmarked.resize(node.mailboxes.len(), false);
            self.marks.resize(node.mailboxes.len(), None);
        }
        self.unmarked[executor] = true;
        self.batches[executor].push(publish);
    }

    /// Asks the executors that were given publishes to say so, under the command's id, once they have taken
    /// all of them. Returns whether there is something to wait for.
    pub(crate) fn mark(&mut self, command: CommandId) -> bool {
        let mut count = 0;
        for (is_unmarked, mark) in self.unmarked.iter_mut().zip(&mut self.marks) {
            if std::mem::take(is_unmarked) {
                *mark = Some(command);
                count += 1;
            }
        }
        if count > 0 {
            self.counted.insert(command.0, Counted::new(count));
        }
        count > 0
    }

    /// A part of an answer has come; returns the answer if it was the last, or the only one.
    pub(crate) fn handle_part(&mut self, event: Event) -> Option<Event> {
        if self.counted.is_empty() {
            return Some(event);
        }
        let (command, refusal) = match &event {
            Event::Confirmed(command) => (*command, None),
            Event::Done(command, Err(refusal)) => (*command, Some(refusal)),
            Event::Done(_, Ok(_))
            | Event::Delivery(_)
            | Event::Returned(..)
            | Event::Drained(_)
            | Event::Ended(..)
            | Event::Blocked(_)
            | Event::Unblocked
            | Event::Disconnect(_) => return Some(event),
        };
        let Some(counted) = self.counted.get_mut(command.0) else {
            return Some(event);
        };
        counted.left -= 1;
        if counted.refusal.is_none() {
            counted.refusal = refusal.cloned();
        }
        if counted.left > 0 {
            return None;
        }
        let refusal = self.counted.remove(command.0)?.refusal;
        Some(refusal.map_or(Event::Confirmed(command), |refusal| {
            Event::Done(command, Err::<Reply, _>(refusal))
        }))
    }

    /// Sends all that was published on its way.
    pub(crate) fn flush(
        &mut self,
        node: &Node,
        now: Instant,
        outbox: &Arc<Outbox>,
        answers: &mut VecDeque<Event>,
    ) {
        self.flush_run(node, now, outbox.connection(), answers);
        self.run_targets = None;
        let under_way = self.under_way.take();
        let cache = self.cache.as_mut();
        let route_bytes = cache.map_or(0, |cache| cache.take_made_bytes());
        for (executor, publishes) in self.batches.iter_mut().enumerate() {
            let mark = self.marks[executor].take();
            if publishes.is_empty() && mark.is_none() {
                continue;
            }
            let publishes = std::mem::take(publishes);
            node.blocked.tell(outbox);
            let is_message = |publish: &&Publish| !matches!(publish.to, PublishTo::Log(..));
            let message_count = publishes.iter().filter(is_message).count();
            counters::add(&node.counters.published, message_count);
            let message_bytes: usize = publishes
                .iter()
                .map(|publish| publish.message.cost_bytes())
                .sum();
            let batch = PublishBatch {
                outbox: Arc::clone(outbox),
                publishes,
                mark,
                under_way: under_way.clone(),
                bytes: message_bytes + route_bytes,
            };
            let refused = if self.parked.is_empty() {
                node.mailboxes[executor]
                    .offer(batch, std::task::Waker::noop())
                    .err()
            } else {
                Some(batch)
            };
            if let Some(batch) = refused {
                self.parked_bytes += batch.bytes;
                self.parked.push_back((executor, batch));
            }
        }
    }

    /// Pushes what waits to be pushed together.
    pub(crate) fn flush_run(
        &mut self,
        node: &Node,
        now: Instant,
        connection: ConnectionId,
        answers: &mut VecDeque<Event>,
    ) {
        if self.run.is_empty() {
            return;
        }
        counters::add(&node.counters.published, self.run.len());
        let targets = self.run_targets.iter().flat_map(|targets| &targets.direct);
        let mut work = FilterWork::new(&node.counters);
        for target in targets {
            if push(node, now, connection, target, &self.run, &mut work) == Pressure::Hold {
                hold(&mut self.held_by, &target.outbox);
            }
        }
        self.run.clear();
        answers.extend(self.run_confirms.drain(..).map(Event::Confirmed));
    }

    /// Waits for subscribers that are over their budget by what was pushed to them.
    pub(crate) fn wait_for(&mut self, outboxes: &[Arc<Outbox>]) {
        let outboxes = outboxes.iter();
        outboxes.for_each(|outbox| hold(&mut self.held_by, outbox));
    }

    /// The connection ends: from now on no transaction is waited for.
    pub(crate) fn wait_no_more(&mut self) {
        self.is_last = true;
    }

    /// Whether more may be published: nobody is waited for, and little is parked.
    pub(crate) fn poll_admission(
        &mut self,
        node: &Node,
        now: Instant,
        cx: &Context<'_>,
    ) -> Poll<()> {
        while let Some((executor, batch)) = self.parked.pop_front() {
            let bytes = batch.bytes;
            match node.mailboxes[executor].offer(batch, cx.waker()) {
                Ok(()) => self.parked_bytes -= bytes,
                Err(batch) => {
                    self.parked.push_front((executor, batch));
                    break;
                }
            }
        }
        self.wait_for_room(node, now, cx);
        if self.held_by.is_empty() && self.parked_bytes <= node.settings.parked_bytes {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    /// Waits for subscribers over their budget, as far as their allowances and this publisher's own
    /// reach.
    fn wait_for_room(&mut self, node: &Node, now: Instant, cx: &Context<'_>) {
        self.held_until = None;
        if self.held_by.is_empty() {
            return;
        }
        let Some(own) = self.held.begin(now, &node.settings) else {
            self.held_by
                .drain(..)
                .for_each(|outbox| outbox.stop_holding(node, now));
            return;
        };
        let mut until = own;
        self.held_by
            .retain(|outbox| match outbox.poll_room(node, now, cx) {
                Ok(()) => false,
                Err(theirs) => {
                    until = until.min(theirs);
                    true
                }
            });
        if self.held_by.is_empty() {
            self.held.end(now, &node.settings);
        } else {
            self.held_until = Some(until);
        }
    }

    /// Whether publishes wait for room in a mailbox.
    pub(crate) fn has_parked(&self) -> bool {
        !self.parked.is_empty()
    }

    /// When a wait ends in any case.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.held_until
    }

    /// The connection has ended: what is parked goes to the mailboxes whatever they hold.
    pub(crate) fn close(&mut self, node: &Node) {
        for (executor, batch) in self.parked.drain(..) {
            node.mailboxes[executor].force(batch);
        }
        self.parked_bytes = 0;
        self.held_by.clear();
    }
}

/// Where a publisher stands.
pub(crate) struct Way<'a> {
    pub(crate) node: &'a Node,
    pub(crate) table: &'a Snapshot,
    pub(crate) now: Instant,
    pub(crate) outbox: &'a Arc<Outbox>,
    /// Queues of its own that get nothing of it.
    pub(crate) skipped: &'a [QueueTarget],
}

/// Whether a message was set as the last of its key, which its confirm waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    No,
    Yes,
}

/// An answer that comes in several parts.
#[derive(Debug)]
struct Counted {
    left: u32,
    refusal: Option<Refusal>,
}

impl Counted {
    const fn new(left: u32) -> Self {
        Self {
            left,
            refusal: None,
        }
    }
}

pub(crate) fn exchange_internal(message: &Message) -> Refusal {
    let name = String::from_utf8_lossy(message.exchange());
    Refusal::AccessRefused(format!("cannot publish to internal exchange '{name}'"))
}

pub(crate) fn exchange_not_found(message: &Message) -> Refusal {
    match ExchangeName::new(message.exchange()) {
        Ok(name) => Refusal::ExchangeNotFound(name),
        Err(error) => Refusal::Invalid(error.to_string()),
    }
}

/// Notes a subscriber that a publisher waits for.
fn hold(held_by: &mut Vec<Arc<Outbox>>, outbox: &Arc<Outbox>) {
    if !held_by.iter().any(|known| Arc::ptr_eq(known, outbox)) {
        held_by.push(Arc::clone(outbox));
    }
}

/// Pushes messages to a receiver, those that it takes.
fn push(
    node: &Node,
    now: Instant,
    connection: ConnectionId,
    target: &DirectTarget,
    messages: &[Message],
    work: &mut FilterWork<'_>,
) -> Pressure {
    if target.takes_all(connection) {
        return target.outbox.push_direct(node, now, target.to, messages);
    }
    let taken: Vec<_> = messages
        .iter()
        .enumerate()
        .filter(|nth| target.takes(connection, *nth, work))
        .map(|(_, message)| message.clone())
        .collect();
    if taken.is_empty() {
        return Pressure::None;
    }
    target.outbox.push_direct(node, now, target.to, &taken)
}
