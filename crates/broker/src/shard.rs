//! One shard: a log, and the queues whose entries stand in it.

use crate::entry;
use crate::mailbox::{Publish, Settlement};
use crate::outbox::Outbox;
use broker_api::Event;
use log_store::{Batch, ShardLog, SnapshotSource, StoreFailed};
use model::{CommandId, LogIndex, Message, Persistence, QueueId, Sequence};
use queue::{Age, Port, Queue, Stop, SubscriberId};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Settlements that wait to ride along are logged at the latest when they are this many.
const SETTLED_MAX: usize = 8192;

/// Commands of one connection that are confirmed together.
pub(crate) struct Confirms {
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) commands: Vec<CommandId>,
}

/// One shard: a log, and the queues whose entries stand in it.
///
/// An entry takes effect in the machine when it is pushed into the open batch; its effects (confirms,
/// deliveries) are released when the log says that it is durable.
pub(crate) struct Shard {
    pub(crate) log: Box<dyn ShardLog>,
    queues: BTreeMap<QueueId, Hosted>,
    /// What this step appends.
    batch: Option<Batch>,
    /// What is confirmed once the open batch is durable.
    batch_confirms: Vec<Confirms>,
    /// Queues that may go on once the open batch is durable.
    batch_queues: Vec<QueueId>,
    /// The same for batches that were submitted, in order.
    waiting_confirms: VecDeque<(LogIndex, Confirms)>,
    waiting_queues: VecDeque<(LogIndex, QueueId)>,
    waiting_bytes: VecDeque<(LogIndex, usize)>,
    /// The bytes of batches that were submitted and are not durable.
    uncommitted_bytes: usize,
    /// Queues to be pumped in this step.
    touched: Vec<QueueId>,
    /// Logged messages that left their queues; their records ride along with the next batch.
    settled: Vec<(QueueId, Sequence)>,
    /// Queues with messages that stand in no log yet.
    riding: Vec<QueueId>,
}

/// A queue in its shard.
#[derive(Default)]
struct Hosted {
    queue: Queue,
    is_touched: bool,
    is_in_batch: bool,
    is_riding: bool,
}

impl Shard {
    pub(crate) fn new(log: Box<dyn ShardLog>) -> Self {
        Self {
            log,
            queues: BTreeMap::new(),
            batch: None,
            batch_confirms: Vec::new(),
            batch_queues: Vec::new(),
            waiting_confirms: VecDeque::new(),
            waiting_queues: VecDeque::new(),
            waiting_bytes: VecDeque::new(),
            uncommitted_bytes: 0,
            touched: Vec::new(),
            settled: Vec::new(),
            riding: Vec::new(),
        }
    }

    pub(crate) fn host(&mut self, id: QueueId, queue: Queue) {
        self.queues.entry(id).or_insert_with(|| Hosted {
            queue,
            ..Hosted::default()
        });
    }

    /// The queue, to be pumped at the end of the step.
    pub(crate) fn touch(&mut self, id: QueueId) -> Option<&mut Queue> {
        let hosted = self.queues.get_mut(&id)?;
        if !std::mem::replace(&mut hosted.is_touched, true) {
            self.touched.push(id);
        }
        Some(&mut hosted.queue)
    }

    /// The bytes that were submitted and are not durable.
    pub(crate) fn uncommitted_bytes(&self) -> usize {
        self.uncommitted_bytes
    }

    pub(crate) fn queued_bytes(&self) -> usize {
        self.queues
            .values()
            .map(|hosted| hosted.queue.bytes())
            .sum()
    }

    /// Enqueues a message. Returns whether its confirm must wait for the open batch.
    pub(crate) fn publish(&mut self, publish: Publish) -> Enqueued {
        let Publish {
            target, message, ..
        } = publish;
        let id = target.queue;
        let Some(hosted) = self.queues.get_mut(&id) else {
            return Enqueued::Nowhere;
        };
        let bytes = message.cost_bytes();
        let enqueued = match message.envelope().persistence {
            Persistence::Persistent => {
                let batch = self.batch.get_or_insert_with(|| self.log.batch());
                let sequence = hosted.queue.next_sequence();
                let index = batch.push(entry::ENQUEUED, |to| {
                    entry::encode_enqueued(to, id, sequence, &message);
                });
                hosted.queue.enqueue(message, Some(index));
                if !std::mem::replace(&mut hosted.is_in_batch, true) {
                    self.batch_queues.push(id);
                }
                Enqueued::InBatch { bytes }
            }
            Persistence::Transient => {
                hosted.queue.enqueue(message, None);
                if !std::mem::replace(&mut hosted.is_riding, true) {
                    self.riding.push(id);
                }
                Enqueued::AtOnce { bytes }
            }
        };
        if !std::mem::replace(&mut hosted.is_touched, true) {
            self.touched.push(id);
        }
        enqueued
    }

    /// Confirms the command when the open batch is durable.
    pub(crate) fn confirm_with_batch(&mut self, outbox: &Arc<Outbox>, command: CommandId) {
        match self.batch_confirms.last_mut() {
            Some(last) if Arc::ptr_eq(&last.outbox, outbox) => last.commands.push(command),
            _ => {
                let outbox = Arc::clone(outbox);
                self.batch_confirms.push(Confirms {
                    outbox,
                    commands: vec![command],
                });
            }
        }
    }

    /// Ends deliveries. Returns the bytes that left the queue.
    pub(crate) fn settle(&mut self, settlement: Settlement) -> usize {
        let Settlement {
            subscriber,
            target,
            sequences,
            outcome,
            confirm,
        } = settlement;
        let mut freed_bytes = 0;
        if let Some(hosted) = self.queues.get_mut(&target.queue) {
            let settled = &mut self.settled;
            hosted
                .queue
                .settle(subscriber, &sequences, outcome, |ended| {
                    freed_bytes += ended.message.cost_bytes();
                    if ended.is_logged {
                        settled.push((target.queue, ended.sequence));
                    }
                });
            self.touch_released(target.queue);
        }
        if let Some((outbox, command)) = confirm {
            self.log_settled();
            self.confirm_with_batch(&outbox, command);
        }
        freed_bytes
    }

    /// Ends a subscription; what it has not settled goes back to the queue.
    pub(crate) fn cancel(&mut self, id: QueueId, subscriber: SubscriberId) {
        if let Some(hosted) = self.queues.get_mut(&id) {
            hosted.queue.cancel(subscriber);
            self.touch_released(id);
        }
    }

    /// Notes that messages may have come back to the queue.
    fn touch_released(&mut self, id: QueueId) {
        let Some(hosted) = self.queues.get_mut(&id) else {
            return;
        };
        if hosted.queue.has_unlogged() && !std::mem::replace(&mut hosted.is_riding, true) {
            self.riding.push(id);
        }
        if !std::mem::replace(&mut hosted.is_touched, true) {
            self.touched.push(id);
        }
    }

    /// Whether something waits for a batch to ride along with.
    pub(crate) fn has_riders(&self) -> bool {
        !self.settled.is_empty() || !self.riding.is_empty()
    }

    /// Logs what has waited long enough for a batch to ride along with.
    pub(crate) fn log_riders(&mut self, age: Age) {
        self.log_settled();
        for id in std::mem::take(&mut self.riding) {
            let Some(hosted) = self.queues.get_mut(&id) else {
                continue;
            };
            let (batch, log) = (&mut self.batch, &mut self.log);
            if let Some(mark) = hosted.queue.mark_for_unlogged(age) {
                let batch = batch.get_or_insert_with(|| log.batch());
                let index = batch.push(entry::MARKED, |to| entry::encode_marked(to, id, mark));
                hosted.queue.mark_logged(mark, index);
            }
            let mut any = false;
            hosted.queue.log_unlogged(age, |unlogged| {
                any = true;
                batch
                    .get_or_insert_with(|| log.batch())
                    .push(entry::ENQUEUED, |to| {
                        entry::encode_enqueued(to, id, unlogged.sequence, unlogged.message);
                    })
            });
            hosted.is_riding = hosted.queue.has_unlogged();
            if hosted.is_riding {
                self.riding.push(id);
            }
            if any && !std::mem::replace(&mut hosted.is_in_batch, true) {
                self.batch_queues.push(id);
            }
        }
    }

    fn log_settled(&mut self) {
        if self.settled.is_empty() {
            return;
        }
        self.settled.sort_unstable();
        let batch = self.batch.get_or_insert_with(|| self.log.batch());
        let mut sequences = Vec::new();
        for run in self.settled.chunk_by(|one, other| one.0 == other.0) {
            sequences.clear();
            sequences.extend(run.iter().map(|(_, sequence)| *sequence));
            if let [(queue, _), ..] = run {
                batch.push(entry::SETTLED, |to| {
                    entry::encode_settled(to, *queue, &sequences);
                });
            }
        }
        self.settled.clear();
    }

    /// Appends a record that is none of a queue's messages.
    pub(crate) fn append(&mut self, kind: u8, encode: impl FnOnce(&mut Vec<u8>)) -> LogIndex {
        self.batch
            .get_or_insert_with(|| self.log.batch())
            .push(kind, encode)
    }

    /// Delivers what can be delivered from the queues that were touched, and reserves delivery marks
    /// ahead of it.
    pub(crate) fn pump(&mut self, port: &mut impl Port) {
        let committed = self.log.committed();
        for id in std::mem::take(&mut self.touched) {
            let Some(hosted) = self.queues.get_mut(&id) else {
                continue;
            };
            hosted.is_touched = false;
            if hosted.queue.pump(committed, port) == Stop::Empty && self.batch.is_none() {
                continue;
            }
            if let Some(mark) = hosted.queue.wanted_mark() {
                let batch = self.batch.get_or_insert_with(|| self.log.batch());
                let index = batch.push(entry::MARKED, |to| entry::encode_marked(to, id, mark));
                hosted.queue.mark_logged(mark, index);
                if !std::mem::replace(&mut hosted.is_in_batch, true) {
                    self.batch_queues.push(id);
                }
            }
        }
    }

    /// Submits what this step appends. What waits to ride along rides along.
    pub(crate) fn submit(&mut self, news: &mut Vec<Confirms>) -> Result<(), StoreFailed> {
        if self.batch.is_some() || self.settled.len() >= SETTLED_MAX {
            self.log_settled();
        }
        let Some(batch) = self.batch.take() else {
            news.append(&mut self.batch_confirms);
            return Ok(());
        };
        let bytes = batch.size_bytes();
        let last = self.log.submit(batch)?;
        self.waiting_bytes.push_back((last, bytes));
        self.uncommitted_bytes += bytes;
        self.waiting_confirms.extend(
            self.batch_confirms
                .drain(..)
                .map(|confirms| (last, confirms)),
        );
        for id in self.batch_queues.drain(..) {
            if let Some(hosted) = self.queues.get_mut(&id) {
                hosted.is_in_batch = false;
                self.waiting_queues.push_back((last, id));
            }
        }
        Ok(())
    }

    /// Releases the effects of what has become durable.
    pub(crate) fn handle_committed(&mut self, news: &mut Vec<Confirms>) -> Result<(), StoreFailed> {
        if self.log.is_failed() {
            return Err(StoreFailed);
        }
        let committed = self.log.committed();
        while let Some((index, _)) = self.waiting_confirms.front()
            && *index <= committed
        {
            news.extend(
                self.waiting_confirms
                    .pop_front()
                    .map(|(_, confirms)| confirms),
            );
        }
        while let Some((index, bytes)) = self.waiting_bytes.front().copied()
            && index <= committed
        {
            self.waiting_bytes.pop_front();
            self.uncommitted_bytes -= bytes;
        }
        while let Some((index, id)) = self.waiting_queues.front().copied()
            && index <= committed
        {
            self.waiting_queues.pop_front();
            self.touch(id);
        }
        Ok(())
    }

    /// Whether everything submitted is durable and nothing waits to be.
    pub(crate) fn is_settled(&self) -> bool {
        !self.has_riders() && LogIndex(self.log.committed().0 + 1) >= self.log.next_index()
    }

    /// The state of all queues, for a snapshot of what has been submitted so far; `ahead` goes first.
    pub(crate) fn snapshot(&self, ahead: Vec<(u8, Vec<u8>)>) -> Snapshot {
        assert!(self.batch.is_none(), "a snapshot is taken between batches");
        let mut messages = Vec::new();
        let mut states = ahead;
        for (id, hosted) in &self.queues {
            let queue = &hosted.queue;
            let mut state = Vec::new();
            entry::encode_queue(
                &mut state,
                *id,
                queue.next_sequence(),
                queue.delivery_mark(),
            );
            states.push((entry::QUEUE, state));
            messages.extend(
                queue
                    .messages()
                    .filter(|(.., is_logged)| *is_logged)
                    .map(|(sequence, message, _)| (*id, sequence, message.clone())),
            );
        }
        Snapshot {
            states: states.into_iter(),
            messages: messages.into_iter(),
        }
    }
}

/// What became of a publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Enqueued {
    /// In the queue and in the open batch, which its confirm waits for.
    InBatch { bytes: usize },
    /// In the queue; confirmed at once.
    AtOnce { bytes: usize },
    /// The queue is gone; there is nothing to wait for.
    Nowhere,
}

/// The state of a shard's queues at one moment.
pub(crate) struct Snapshot {
    states: std::vec::IntoIter<(u8, Vec<u8>)>,
    messages: std::vec::IntoIter<(QueueId, Sequence, Message)>,
}

impl SnapshotSource for Snapshot {
    fn next_record(&mut self, payload: &mut Vec<u8>) -> Option<u8> {
        if let Some((kind, state)) = self.states.next() {
            payload.extend_from_slice(&state);
            return Some(kind);
        }
        let (queue, sequence, message) = self.messages.next()?;
        entry::encode_enqueued(payload, queue, sequence, &message);
        Some(entry::ENQUEUED)
    }
}

/// Tells those who wait.
pub(crate) fn tell(news: &mut Vec<Confirms>) {
    let mut events = Vec::new();
    for Confirms { outbox, commands } in news.drain(..) {
        events.extend(commands.into_iter().map(Event::Confirmed));
        outbox.push(&mut events);
    }
}
