//! One executor: runs its shards, a step at a time.

use crate::Node;
use crate::deliver::Deliveries;
use crate::mailbox::{Admission, Control, Mailbox, PublishBatch, Taken};
use crate::outbox::Outbox;
use crate::recovery::RecoveredShards;
use crate::routes::QueueTarget;
use crate::shard::{Confirms, Enqueued, Shard, tell};
use crate::topology::Topology;
use broker_api::{Event, Grant};
use log_store::{ShardLog, StoreFailed};
use model::{CommandId, Instant, ShardId};
use queue::{Age, Queue, SubscriberId};
use std::sync::Arc;
use std::task::{Context, Waker};

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
    mailbox: Arc<Mailbox>,
    /// Shard `i * executors + index` is at `i`.
    shards: Vec<Shard>,
    /// On the executor of shard 0.
    topology: Option<Topology>,
    deliveries: Deliveries,
    taken: Taken,
    news: Vec<Confirms>,
    /// When what rides along is to be logged without a batch to ride with.
    ride_deadline: Option<Instant>,
}

/// The executors of a node.
pub(crate) fn assemble(
    node: &Arc<Node>,
    logs: Vec<Box<dyn ShardLog>>,
    recovered: RecoveredShards,
) -> Vec<Executor> {
    let count = node.mailboxes.len();
    let shard_count = logs.len();
    let mut executors: Vec<_> = node
        .mailboxes
        .iter()
        .map(|m| Executor::new(node, m))
        .collect();
    for (index, mut log) in logs.into_iter().enumerate() {
        let executor = &mut executors[index % count];
        log.wake_on_commit(Waker::from(Arc::clone(&executor.mailbox)));
        executor.shards.push(Shard::new(log));
    }
    let mut topology = Topology::new(recovered.next_queue, shard_count, count);
    for (name, queue, shard, state) in recovered.queues {
        let target = QueueTarget {
            queue,
            shard,
            executor: usize::from(shard.0) % count,
        };
        executors[target.executor]
            .shard(shard)
            .host(queue, state.into_queue());
        node.routes.add_queue(&name, target);
        topology.recover(name, target);
    }
    for executor in &executors {
        let bytes = executor.shards.iter().map(Shard::queued_bytes).sum();
        node.queued.add(bytes);
    }
    if let Some(first) = executors.first_mut() {
        first.topology = Some(topology);
    }
    executors
}

impl Executor {
    fn new(node: &Arc<Node>, mailbox: &Arc<Mailbox>) -> Self {
        Self {
            node: Arc::clone(node),
            mailbox: Arc::clone(mailbox),
            shards: Vec::new(),
            topology: None,
            deliveries: Deliveries::new(node, mailbox),
            taken: Taken::default(),
            news: Vec::new(),
            ride_deadline: None,
        }
    }

    /// When it wants to be stepped even if nobody wakes it.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.ride_deadline
    }

    /// Does what there is to do.
    ///
    /// # Errors
    /// [`StoreFailed`]: nothing more is promised, and the process is to end.
    pub fn step(&mut self, now: Instant, cx: &Context<'_>) -> Result<Step, StoreFailed> {
        let is_due = self.ride_deadline.is_some_and(|deadline| deadline <= now);
        let mut taken = std::mem::take(&mut self.taken);
        let any = self.mailbox.take(&mut taken, self.admission(), cx.waker());
        if !any && !is_due {
            self.taken = taken;
            return Ok(Step::Idle);
        }
        for control in taken.controls.drain(..) {
            self.control(control);
        }
        for batch in taken.publishes.drain(..) {
            self.publish(batch);
        }
        if std::mem::take(&mut taken.is_store_news) {
            self.handle_store_news()?;
        }
        self.taken = taken;
        if is_due {
            self.shards
                .iter_mut()
                .for_each(|shard| shard.log_riders(Age::Known));
            self.ride_deadline = None;
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
        tell(&mut self.news);
        Ok(())
    }

    /// Whether all that was submitted is durable and nothing waits to be.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.shards.iter().all(Shard::is_settled)
    }

    /// Delivers, submits, and tells those who wait.
    fn finish(&mut self, now: Instant) -> Result<(), StoreFailed> {
        let mut has_riders = false;
        for shard in &mut self.shards {
            shard.pump(&mut self.deliveries);
            shard.submit(&mut self.news)?;
            has_riders |= shard.has_riders();
        }
        self.deliveries.flush();
        tell(&mut self.news);
        if has_riders && self.ride_deadline.is_none() {
            self.ride_deadline = Some(now + self.node.settings.ride_delay);
        }
        Ok(())
    }

    /// Whether publishes are taken: not while the store or the memory has to catch up.
    fn admission(&self) -> Admission {
        let behind: usize = self.shards.iter().map(Shard::uncommitted_bytes).sum();
        if behind > UNCOMMITTED_BYTES_MAX
            || self.node.queued.get() >= self.node.settings.queued_bytes
        {
            Admission::Closed
        } else {
            Admission::Open
        }
    }

    fn handle_store_news(&mut self) -> Result<(), StoreFailed> {
        for (index, shard) in self.shards.iter_mut().enumerate() {
            shard.handle_committed(&mut self.news)?;
            if index == 0
                && let Some(topology) = &mut self.topology
            {
                let (mailboxes, routes) = (&self.node.mailboxes, &self.node.routes);
                topology.handle_committed(shard.log.committed(), mailboxes, routes);
            }
            if shard.log.wants_snapshot() {
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

    fn publish(&mut self, batch: PublishBatch) {
        let count = self.node.mailboxes.len();
        let mut at_once = Vec::new();
        let mut queued_bytes = 0;
        for publish in batch.publishes {
            let shard = &mut self.shards[usize::from(publish.target.shard.0) / count];
            let confirm = publish.confirm;
            match shard.publish(publish) {
                Enqueued::InBatch { bytes } => {
                    queued_bytes += bytes;
                    if let Some(command) = confirm {
                        shard.confirm_with_batch(&batch.outbox, command);
                    }
                }
                Enqueued::AtOnce { bytes } => {
                    queued_bytes += bytes;
                    at_once.extend(confirm.map(Event::Confirmed));
                }
                Enqueued::Nowhere => at_once.extend(confirm.map(Event::Confirmed)),
            }
        }
        self.node.queued.add(queued_bytes);
        if !at_once.is_empty() {
            batch.outbox.push(&mut at_once);
        }
    }

    fn control(&mut self, control: Control) {
        match control {
            Control::Subscribe {
                outbox,
                subscriber,
                target,
                grant,
                command,
            } => {
                self.subscribe(outbox, subscriber, target, grant, command);
            }
            Control::Cancel {
                subscriber,
                target,
                command,
            } => {
                self.shard(target.shard).cancel(target.queue, subscriber);
                self.deliveries.forget(subscriber);
                self.deliveries
                    .answer(subscriber.connection, Event::Done(command, Ok(())));
            }
            Control::Grant {
                subscriber,
                target,
                grant,
            } => self.grant(subscriber, target, grant),
            Control::Settle(settlement) => {
                let freed_bytes = self.shard(settlement.target.shard).settle(settlement);
                let limit = self.node.settings.queued_bytes;
                if self.node.queued.subtract(freed_bytes, limit) {
                    self.node
                        .mailboxes
                        .iter()
                        .for_each(|mailbox| mailbox.nudge());
                }
            }
            Control::Room(connection) => {
                for target in self.deliveries.handle_room(connection) {
                    self.shard(target.shard).touch(target.queue);
                }
            }
            Control::Closed(connection) => {
                for (subscriber, target) in self.deliveries.remove(connection) {
                    self.shard(target.shard).cancel(target.queue, subscriber);
                }
            }
            Control::Declare {
                name,
                outbox,
                command,
            } => {
                if let (Some(topology), Some(shard)) = (&mut self.topology, self.shards.first_mut())
                {
                    topology.declare(shard, name, outbox, command);
                }
            }
            Control::Adopt(target) => self.shard(target.shard).host(target.queue, Queue::new()),
        }
    }

    fn subscribe(
        &mut self,
        outbox: Arc<Outbox>,
        subscriber: SubscriberId,
        target: QueueTarget,
        grant: Grant,
        command: CommandId,
    ) {
        self.deliveries.add(outbox, subscriber, target);
        self.deliveries
            .answer(subscriber.connection, Event::Done(command, Ok(())));
        if let Some(queue) = self.shard(target.shard).touch(target.queue) {
            queue.subscribe(subscriber, grant.total());
        }
    }

    fn grant(&mut self, subscriber: SubscriberId, target: QueueTarget, grant: Grant) {
        let count = self.node.mailboxes.len();
        let shard = &mut self.shards[usize::from(target.shard.0) / count];
        let Some(queue) = shard.touch(target.queue) else {
            return;
        };
        queue.grant(subscriber, grant.total());
        if grant.drain {
            shard.pump(&mut self.deliveries);
            if let Some(queue) = shard.touch(target.queue) {
                queue.use_up_grant(subscriber);
            }
            let drained = Event::Drained(subscriber.subscription);
            self.deliveries.answer(subscriber.connection, drained);
        }
    }
}
