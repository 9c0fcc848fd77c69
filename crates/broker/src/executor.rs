//! One executor: runs its shards, a step at a time.

mod assemble;
mod control;
mod fills;
mod memory;

use crate::Node;
use crate::deliver::Deliveries;
use crate::mailbox::{Control, Mailbox, Publish, PublishBatch, PublishTo, Taken};
use crate::outbox::Outbox;
use crate::shard::{Effect, Enqueued, OnItsWay, Shard, tell};
use crate::shared_queue::SharedQueue;
use crate::topology::Topology;
use crate::transaction::Asker;
use broker_api::{Event, Reply};
use log_store::StoreFailed;
use model::{CommandId, Instant, ShardId};
use queue::Age;
use std::sync::Arc;
use std::task::Context;

pub(crate) use assemble::assemble;
use fills::Fills;

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
