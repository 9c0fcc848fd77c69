//! One executor: runs its shards, a step at a time.

mod assemble;
mod fills;

use crate::Node;
use crate::deliver::Deliveries;
use crate::get::subscribed;
use crate::mailbox::{
    Admission, Control, Mailbox, Publish, PublishBatch, PublishTo, Subscribing, Taken,
};
use crate::outbox::Outbox;
use crate::routes::QueueTarget;
use crate::shard::{self, Effect, Enqueued, OnItsWay, Pressure, Shard, Turn, tell};
use crate::shared_queue::SharedQueue;
use crate::topology::Topology;
use crate::transaction::Asker;
use broker_api::{BlockCause, Event, Grant, Refusal, Reply};
use log_store::{Space, StoreFailed};
use model::{CommandId, Instant, ShardId};
use queue::{Age, CancelCause, Queue, Sharing, SubscriberId};
use std::sync::Arc;
use std::task::Context;

pub(crate) use assemble::assemble;
use fills::Fills;

/// The store may be this many bytes behind an executor before publishes wait for it.
const UNCOMMITTED_BYTES_MAX: usize = 16 << 20;

/// Whether a step found something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It did; there may be more.
    Worked,
    /// It did not; the waker is kept.
    Idle,
}

/// Runs the shards of one core: takes from its mailbox, appends to logs, delivers to outboxes.
///
/// It waits for nobody. One step handles what the mailbox holds (at most some MiB of publishes),
/// submits what it appends and pushes what it delivers, each once per shard and per connection.
pub struct Executor {
    node: Arc<Node>,
    index: usize,
    mailbox: Arc<Mailbox>,
    /// Shard `i * executors + index` is at `i`.
    shards: Vec<Shard>,
    /// On the executor of shard 0.
    topology: Option<Topology>,
    deliveries: Deliveries,
    fills: Fills,
    taken: Taken,
    news: Vec<Effect>,
    /// What has been taken and waits for no log, by who is to be told.
    confirmed: Vec<(Arc<Outbox>, Vec<Event>)>,
    /// Who is to be told what queues hold.
    declared: Vec<(Arc<SharedQueue>, Asker)>,
    /// When what rides along is to be logged without a batch to ride with.
    ride_deadline: Option<Instant>,
    /// When a queue has something to do by itself.
    queue_deadline: Option<Instant>,
    /// When it was stepped last.
    now: Instant,
}

impl Executor {
    /// When it wants to be stepped even if nobody wakes it.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.ride_deadline
            .into_iter()
            .chain(self.queue_deadline)
            .min()
    }

    /// Does what there is to do.
    ///
    /// # Errors
    /// [`StoreFailed`]: nothing more is promised, and the process is to end.
    pub fn step(&mut self, now: Instant, cx: &Context<'_>) -> Result<Step, StoreFailed> {
        self.now = now;
        let is_due = self.deadline().is_some_and(|deadline| deadline <= now);
        let mut taken = std::mem::take(&mut self.taken);
        let any = self.mailbox.take(&mut taken, self.admission(), cx.waker());
        let has_fill = self.has_fill();
        if !any && !is_due && !has_fill {
            self.taken = taken;
            return Ok(Step::Idle);
        }
        let mut behind = Vec::new();
        for control in taken.controls.drain(..) {
            if matches!(control, Control::End { .. } | Control::Purge { .. }) {
                behind.push(control);
            } else {
                self.control(now, control);
            }
        }
        for batch in taken.publishes.drain(..) {
            self.publish(now, batch);
        }
        // Who asks for these sees what it has published before, as far as that is admitted.
        for control in behind {
            self.control(now, control);
        }
        if has_fill {
            self.fill(now);
        }
        if std::mem::take(&mut taken.is_store_news) {
            self.handle_store_news(now)?;
        }
        self.taken = taken;
        if self.ride_deadline.is_some_and(|deadline| deadline <= now) {
            self.shards
                .iter_mut()
                .for_each(|shard| shard.log_riders(Age::Known));
            self.ride_deadline = None;
        }
        if self.queue_deadline.is_some_and(|deadline| deadline <= now) {
            self.tick(now);
        }
        self.finish(now)?;
        Ok(Step::Worked)
    }

    /// Logs everything that waits to ride along: the broker stops.
    ///
    /// # Errors
    /// [`StoreFailed`].
    pub fn flush(&mut self) -> Result<(), StoreFailed> {
        for shard in &mut self.shards {
            shard.log_riders(Age::Any);
            shard.submit(&mut self.news)?;
        }
        tell(&self.node, self.now, &mut self.news);
        Ok(())
    }

    /// Whether all that was submitted is durable and nothing waits to be.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.shards.iter().all(Shard::is_settled)
    }

    /// Messages that its shards have sent to others, which have not said that they have them: dead letters, and wills.
    pub fn on_their_way(&self) -> impl Iterator<Item = OnItsWay> {
        self.shards.iter().flat_map(Shard::on_their_way)
    }

    /// Whether one of its shards has taken in a message that is on its way.
    #[must_use]
    pub fn has_received(&self, one: &OnItsWay) -> bool {
        self.shards.iter().any(|shard| shard.has_received(one))
    }

    /// Lets queues do what they have to do by themselves.
    fn tick(&mut self, now: Instant) {
        for shard in &mut self.shards {
            if shard.tick(now) {
                self.mailbox.nudge();
            }
        }
    }

    /// Delivers, submits, and tells those who wait.
    fn finish(&mut self, now: Instant) -> Result<(), StoreFailed> {
        let mut has_riders = false;
        self.queue_deadline = None;
        for shard in &mut self.shards {
            if shard.pump(now, &mut self.deliveries) {
                self.mailbox.nudge();
            }
        }
        for (queue, asker) in std::mem::take(&mut self.declared) {
            self.shard(queue.target.shard).note_held(queue.target.queue);
            let reply = Reply::Queue(Box::new(queue.status()));
            let event = Event::Done(asker.command, Ok(reply));
            asker.outbox.push(&mut vec![event]);
        }
        // What is confirmed is told behind what the queues hold: who asks for that then finds it.
        for (outbox, mut confirms) in self.confirmed.drain(..) {
            outbox.push(&mut confirms);
        }
        // What has come counts before it is asked how short memory is: there may be no other step.
        self.note_moved_bytes();
        self.move_out(now);
        for index in 0..self.shards.len() {
            let shard = &mut self.shards[index];
            for (subscriber, refusal) in shard.take_ended() {
                self.deliveries.refuse_get(subscriber, refusal.clone());
                let ended = Event::Ended(subscriber.subscription, refusal);
                self.deliveries.tell(subscriber, ended);
                self.deliveries.forget(subscriber);
            }
            shard.submit(&mut self.news)?;
            has_riders |= shard.has_riders();
            let deadline = shard.deadline();
            self.queue_deadline = self.queue_deadline.into_iter().chain(deadline).min();
        }
        self.note_moved_bytes();
        self.deliveries.flush();
        tell(&self.node, now, &mut self.news);
        if self.has_fill() {
            self.mailbox.nudge();
        }
        if has_riders && self.ride_deadline.is_none() {
            self.ride_deadline = Some(now + self.node.settings.ride_delay);
        }
        Ok(())
    }

    /// Moves messages out of memory where there are too many.
    fn move_out(&mut self, now: Instant) {
        let queued = self.node.queued.get();
        let limit = self.node.settings.queued_bytes;
        let pressure = pressure(queued, limit);
        for shard in &mut self.shards {
            shard.set_pressure(now, pressure);
        }
        if pressure == Pressure::None {
            return;
        }
        // What is over three eighths, as far as this executor's shards have their share in it.
        let excess = queued - limit / 8 * 3;
        let mut fullest: Vec<_> = self.shards.iter_mut().collect();
        fullest.sort_unstable_by_key(|shard| std::cmp::Reverse(shard.resident_bytes()));
        let mut left = excess;
        for shard in fullest {
            let share = left.min(shard.resident_bytes());
            if share == 0 {
                break;
            }
            let moved = shard.move_out(pressure, share);
            // One that cannot be moved out is not to keep the others where memory is short.
            left -= if pressure >= Pressure::High {
                moved.min(share)
            } else {
                share
            };
        }
    }

    /// Charges memory with what has come, and wakes who waits for what has gone.
    fn note_moved_bytes(&mut self) {
        let (mut added, mut freed) = (0, 0);
        for shard in &mut self.shards {
            let moved = shard.take_moved_bytes();
            added += moved.0;
            freed += moved.1;
        }
        let limit = self.node.settings.queued_bytes;
        let before = pressure(self.node.queued.get(), limit);
        if added > 0 {
            self.node.queued.add(added);
        }
        let has_room = freed > 0 && self.node.queued.subtract(freed, limit);
        let after = pressure(self.node.queued.get(), limit);
        // Others are to move out what they hold, whether they have anything else to do or not.
        let is_short = after > before && after >= Pressure::High;
        if has_room || is_short {
            let mailboxes = self.node.mailboxes.iter();
            mailboxes.for_each(|mailbox| mailbox.nudge());
        }
    }

    /// Whether publishes are taken: not while the store or the memory has to catch up, or the disk is full.
    fn admission(&self) -> Admission {
        let behind: usize = self.shards.iter().map(Shard::uncommitted_bytes).sum();
        let is_low = |shard: &Shard| shard.log.space() == Space::Low;
        let cause = if self.shards.iter().any(is_low) {
            Some(BlockCause::Disk)
        } else if self.node.queued.get() >= self.node.settings.queued_bytes {
            Some(BlockCause::Memory)
        } else {
            None
        };
        if self.node.blocked.set(cause) {
            let mailboxes = self.node.mailboxes.iter();
            mailboxes.for_each(|mailbox| mailbox.wake_refused());
        }
        if cause.is_some() || behind > UNCOMMITTED_BYTES_MAX {
            Admission::Closed
        } else {
            Admission::Open
        }
    }

    fn handle_store_news(&mut self, now: Instant) -> Result<(), StoreFailed> {
        for (index, shard) in self.shards.iter_mut().enumerate() {
            shard.handle_committed(&mut self.news)?;
            shard.handle_page_news(now);
            if index == 0
                && let Some(topology) = &mut self.topology
            {
                topology.handle_committed(shard.log.committed());
            }
            if shard.log.wants_snapshot() && !shard.is_refused() {
                // What is open goes first, so that the snapshot is of what has been submitted.
                shard.submit(&mut self.news)?;
                let topology = self.topology.as_ref().filter(|_| index == 0);
                let ahead = topology.map(Topology::snapshot).unwrap_or_default();
                let snapshot = shard.snapshot(ahead);
                shard.log.save_snapshot(Box::new(snapshot));
            }
        }
        Ok(())
    }

    fn shard(&mut self, shard: ShardId) -> &mut Shard {
        let count = self.node.mailboxes.len();
        &mut self.shards[usize::from(shard.0) / count]
    }

    fn publish(&mut self, now: Instant, batch: PublishBatch) {
        let PublishBatch {
            outbox,
            publishes,
            mark,
            under_way,
            ..
        } = batch;
        let mut at_once = Vec::new();
        for Publish {
            to,
            message,
            confirm,
        } in publishes
        {
            match to {
                PublishTo::Log(shard, setting) => {
                    let shard = self.shard(shard);
                    let enqueued = shard.retain(*setting);
                    confirm_publish(shard, &outbox, enqueued, confirm, &mut at_once);
                }
                PublishTo::One(target) => {
                    let shard = self.shard(target.shard);
                    let enqueued = shard.publish_one(now, target.queue, message);
                    confirm_publish(shard, &outbox, enqueued, confirm, &mut at_once);
                }
                PublishTo::Many(targets) => {
                    let index = self.index;
                    let here = targets.queues.iter().position(|to| to.executor == index);
                    let here = &targets.queues[here.unwrap_or(targets.queues.len())..];
                    for run in here.chunk_by(|one, two| one.shard == two.shard) {
                        let [first, ..] = run else { continue };
                        if first.executor != index {
                            break;
                        }
                        let shard = self.shard(first.shard);
                        let enqueued = shard.publish(now, run, &message);
                        confirm_publish(shard, &outbox, enqueued, confirm, &mut at_once);
                    }
                }
            }
        }
        // What a transaction does with the key comes behind it from now on.
        drop(under_way);
        at_once.extend(mark.map(Event::Confirmed));
        if !at_once.is_empty() {
            self.confirmed.push((outbox, at_once));
        }
    }

    fn control(&mut self, now: Instant, control: Control) {
        match control {
            Control::Subscribe(subscribing) => self.subscribe(now, subscribing),
            Control::Cancel {
                outbox,
                subscriber,
                target,
                command,
            } => {
                let cause = CancelCause::Asked;
                self.shard(target.shard)
                    .cancel(now, target.queue, subscriber, cause);
                self.deliveries.end_get(subscriber);
                self.deliveries.forget(subscriber);
                self.answer_end(&outbox, subscriber, command);
            }
            Control::StepAside {
                outbox,
                subscriber,
                target,
                command,
            } => {
                self.shard(target.shard)
                    .step_aside(now, target.queue, subscriber);
                self.deliveries.end_get(subscriber);
                self.answer_end(&outbox, subscriber, command);
            }
            Control::Grant {
                subscriber,
                target,
                grant,
            } => self.grant(now, subscriber, target, grant),
            Control::Drain { subscriber, target } => self.drain(now, subscriber, target),
            Control::Settle(settlement) => {
                self.shard(settlement.target.shard).settle(now, settlement);
            }
            Control::Note(noting) => {
                self.shard(noting.target.shard).change_notes(now, noting);
            }
            Control::Recall {
                subscriber,
                target,
                asker,
            } => self
                .shard(target.shard)
                .recall(target.queue, subscriber, asker),
            Control::Bequeath(bequeathing) => {
                self.shard(bequeathing.target.shard).bequeath(*bequeathing);
            }
            Control::Keep(keeping) => self.shard(keeping.target.shard).ask_to_keep(*keeping),
            Control::Room(connection) => {
                for target in self.deliveries.handle_room(connection) {
                    self.shard(target.shard).touch(target.queue);
                }
            }
            Control::Closed(connection) => {
                let cause = CancelCause::ConnectionLost;
                for (subscriber, target) in self.deliveries.remove(connection) {
                    self.shard(target.shard)
                        .cancel(now, target.queue, subscriber, cause);
                }
            }
            Control::Topology(request, asker) => {
                if let (Some(topology), Some(shard)) = (&mut self.topology, self.shards.first_mut())
                {
                    topology.handle(shard, *request, asker);
                    topology.handle_committed(shard.log.committed());
                }
            }
            Control::Adopt(shared) => {
                let target = shared.target;
                let rules = self.node.rules_of(&shared);
                let seed = self.node.settings.seed ^ target.queue.0;
                let queue = Queue::new(rules, seed);
                self.shard(target.shard).host(now, &shared, queue);
            }
            Control::FreePages(target) => self.shard(target.shard).free_pages_of(target.queue),
            Control::LetGo(target) => self.shard(target.shard).let_go(now, target.queue),
            Control::Declared { queue, asker } => {
                let target = queue.target;
                self.shard(target.shard).use_queue(now, target.queue);
                self.declared.push((queue, asker));
            }
            Control::End {
                queue,
                condition,
                asker,
            } => {
                let target = queue.target;
                self.shard(target.shard)
                    .end_if(now, target.queue, condition, asker);
            }
            Control::Purge { target, asker } => {
                self.shard(target.shard).purge(now, target.queue, asker);
            }
            Control::Fill(filling) => self.begin_fill(*filling),
            Control::Forward(..)
            | Control::Forwarded { .. }
            | Control::Transact { .. }
            | Control::Offer { .. }
            | Control::Begin { .. }
            | Control::Prepare { .. }
            | Control::Voted { .. }
            | Control::Decided(_)
            | Control::Applied { .. } => self.control_between_shards(now, control),
        }
    }

    fn control_between_shards(&mut self, now: Instant, control: Control) {
        match control {
            Control::Forward(forward) => self.shard(forward.shard).receive(now, *forward),
            Control::Forwarded { from, id, by } => self.shard(from).handle_forwarded(id, by),
            Control::Transact { shard, part, asker } => {
                self.shard(shard).transact(now, *part, asker);
            }
            Control::Offer { shard, offer, part } => self.shard(shard).offer(offer, *part),
            Control::Begin {
                coordinator,
                shards,
                offer,
                asker,
            } => self.shard(coordinator).begin(shards, offer, asker),
            Control::Prepare { shard, id, offer } => self.shard(shard).prepare(now, id, offer),
            Control::Voted { id, by, vote } => {
                self.shard(id.coordinator).handle_vote(id, by, vote);
            }
            Control::Decided(decided) => {
                self.shard(decided.shard).handle_decision(now, *decided);
            }
            Control::Applied { id, by } => self.shard(id.coordinator).handle_applied(id, by),
            Control::Subscribe(_)
            | Control::Cancel { .. }
            | Control::StepAside { .. }
            | Control::Grant { .. }
            | Control::Drain { .. }
            | Control::Settle(_)
            | Control::Note(_)
            | Control::Recall { .. }
            | Control::Bequeath(_)
            | Control::Keep(_)
            | Control::Room(_)
            | Control::Closed(_)
            | Control::Topology(..)
            | Control::Adopt(_)
            | Control::Declared { .. }
            | Control::LetGo(_)
            | Control::FreePages(_)
            | Control::End { .. }
            | Control::Fill(_)
            | Control::Purge { .. } => unreachable!("these are of one shard"),
        }
    }

    /// Answers who has asked for the end of a subscription, behind what it was delivered.
    fn answer_end(&mut self, outbox: &Arc<Outbox>, subscriber: SubscriberId, command: CommandId) {
        let done = Event::Done(command, Ok(Reply::Nothing));
        if let Err(done) = self.deliveries.answer(subscriber.connection, done) {
            // Its queue has ended before.
            outbox.push(&mut vec![done]);
        }
    }

    fn subscribe(&mut self, now: Instant, subscribing: Subscribing) {
        let Subscribing {
            outbox,
            subscriber,
            target,
            name,
            options,
            drain,
            takes_over,
            command,
        } = subscribing;
        self.deliveries.add(outbox, subscriber, target);
        let is_get = options.sharing == Sharing::Get;
        let shard = self.shard(target.shard);
        let done = if let Some(user) = takes_over {
            shard.take_over(now, target.queue, (subscriber, &user), options)
        } else {
            shard.subscribe(now, target.queue, subscriber, options)
        };
        let is_ok = done.is_ok();
        let settle_ms = shard.settle_ms(target.queue);
        let done = done.map(|()| subscribed(settle_ms));
        let done = done.map_err(|error| match error {
            shard::Subscribing::NoQueue => Refusal::QueueDeleted(name.clone()),
            shard::Subscribing::Refused(refusal) => refusal,
            shard::Subscribing::InUse(shared) => Refusal::QueueInUse(shared.name.clone()),
        });
        if is_get && is_ok {
            self.deliveries.await_get(subscriber, command);
            return;
        }
        self.deliveries.tell(subscriber, Event::Done(command, done));
        if !is_ok {
            self.deliveries.forget(subscriber);
        }
        if drain && is_ok {
            self.drain(now, subscriber, target);
        }
    }

    fn grant(&mut self, now: Instant, subscriber: SubscriberId, target: QueueTarget, grant: Grant) {
        let Some(queue) = self.shard(target.shard).touch(target.queue) else {
            return;
        };
        queue.grant(subscriber, grant.total());
        if grant.drain {
            self.drain(now, subscriber, target);
        }
    }

    /// Delivers what is ready and takes the rest of a grant away.
    fn drain(&mut self, now: Instant, subscriber: SubscriberId, target: QueueTarget) {
        let count = self.node.mailboxes.len();
        let shard = &mut self.shards[usize::from(target.shard.0) / count];
        match shard.pump_queue(now, target.queue, &mut self.deliveries) {
            Turn::Done => {}
            Turn::Busy => {
                // There is more to look at: others have their turn first.
                let drain = Control::Drain { subscriber, target };
                self.mailbox.post(&mut vec![drain]);
                return;
            }
            Turn::Held => {
                shard.touch(target.queue);
                shard.hold_drain(subscriber, target);
                return;
            }
        }
        if let Some(queue) = shard.touch(target.queue) {
            queue.use_up_grant(subscriber);
        }
        let drained = Event::Drained(subscriber.subscription);
        self.deliveries.tell(subscriber, drained);
    }
}

/// How short memory is.
fn pressure(queued: usize, limit: usize) -> Pressure {
    let eighth = limit / 8;
    if queued >= limit {
        Pressure::Full
    } else if queued >= eighth * 6 {
        Pressure::High
    } else if queued >= eighth * 4 {
        Pressure::Some
    } else {
        Pressure::None
    }
}

/// Confirms a publish, or sees to it that it is.
fn confirm_publish(
    shard: &mut Shard,
    outbox: &Arc<Outbox>,
    enqueued: Enqueued,
    confirm: Option<CommandId>,
    at_once: &mut Vec<Event>,
) {
    let Some(command) = confirm else { return };
    match enqueued {
        Enqueued::InBatch => shard.confirm_with_batch(outbox, command),
        Enqueued::AtOnce => at_once.push(Event::Confirmed(command)),
        Enqueued::Refused(refusal) => at_once.push(Event::Done(command, Err(refusal))),
    }
}
