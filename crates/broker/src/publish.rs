//! Publishing: from a connection to outboxes and mailboxes, a read batch at a time.

use crate::Node;
use crate::counters;
use crate::hold::Hold;
use crate::mailbox::{Publish, PublishBatch};
use crate::outbox::{Outbox, Pressure};
use crate::routes::{QueueTarget, Route, RouteCache, Snapshot, TopicTarget};
use broker_api::Event;
use model::{CommandId, Instant, Message};
use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};

/// The publishing side of a connection.
///
/// Order: messages of one publisher to one queue or one topic subscriber keep their order. Once a
/// mailbox has refused publishes, all that come later wait behind them.
#[derive(Default)]
pub(crate) struct Publisher {
    cache: RouteCache,
    /// Messages in a row that go to the same topic subscribers: pushed together, one lock each.
    run: Vec<Message>,
    run_targets: Option<Arc<[TopicTarget]>>,
    run_confirms: Vec<CommandId>,
    /// What this read batch has for each executor.
    batches: Vec<Vec<Publish>>,
    /// What a full mailbox refused, in order.
    parked: VecDeque<(usize, PublishBatch)>,
    parked_bytes: usize,
    /// Subscribers over their budget that this publisher waits for.
    held_by: Vec<Arc<Outbox>>,
    /// How long this publisher has been held, by whomever: many subscribers that stall one after the
    /// other hold it no longer than one.
    held: Hold,
    /// When the wait for them ends in any case.
    held_until: Option<Instant>,
}

impl Publisher {
    /// Routes a message. It is on its way after the next [`flush`](Self::flush).
    pub(crate) fn publish(
        &mut self,
        node: &Node,
        table: &Snapshot,
        now: Instant,
        message: Message,
        confirm: Option<CommandId>,
        answers: &mut VecDeque<Event>,
    ) {
        match self.cache.route(table, &message) {
            Route::Queue(target) => self.stage(node, target, message, confirm),
            Route::Topic(targets) => {
                if self
                    .run_targets
                    .as_ref()
                    .is_none_or(|known| !Arc::ptr_eq(known, &targets))
                {
                    self.flush_run(node, now, answers);
                    self.run_targets = Some(targets);
                }
                self.run.push(message);
                self.run_confirms.extend(confirm);
            }
            Route::Nowhere => {
                counters::add(&node.counters.published, 1);
                answers.extend(confirm.map(Event::Confirmed));
            }
        }
    }

    /// Puts a message into the batch for the executor that hosts its queue.
    fn stage(
        &mut self,
        node: &Node,
        target: QueueTarget,
        message: Message,
        confirm: Option<CommandId>,
    ) {
        if self.batches.is_empty() {
            self.batches.resize_with(node.mailboxes.len(), Vec::new);
        }
        self.batches[target.executor].push(Publish {
            target,
            message,
            confirm,
        });
    }

    /// Sends all that was published on its way.
    pub(crate) fn flush(
        &mut self,
        node: &Node,
        now: Instant,
        outbox: &Arc<Outbox>,
        answers: &mut VecDeque<Event>,
    ) {
        self.flush_run(node, now, answers);
        self.run_targets = None;
        for (executor, publishes) in self.batches.iter_mut().enumerate() {
            if publishes.is_empty() {
                continue;
            }
            let publishes = std::mem::take(publishes);
            counters::add(&node.counters.published, publishes.len());
            let bytes = publishes
                .iter()
                .map(|publish| publish.message.cost_bytes())
                .sum();
            let batch = PublishBatch {
                outbox: Arc::clone(outbox),
                publishes,
                bytes,
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

    fn flush_run(&mut self, node: &Node, now: Instant, answers: &mut VecDeque<Event>) {
        if self.run.is_empty() {
            return;
        }
        counters::add(&node.counters.published, self.run.len());
        for target in self.run_targets.iter().flat_map(|targets| targets.iter()) {
            let pressure = target
                .outbox
                .push_direct(node, now, target.subscription, &self.run);
            if pressure == Pressure::Hold
                && !self
                    .held_by
                    .iter()
                    .any(|known| Arc::ptr_eq(known, &target.outbox))
            {
                self.held_by.push(Arc::clone(&target.outbox));
            }
        }
        self.run.clear();
        answers.extend(self.run_confirms.drain(..).map(Event::Confirmed));
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
