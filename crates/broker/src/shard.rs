//! One shard: its log, its queues, and what they have for each other.

mod batch;
mod bodies;
mod damage;
mod effect;
mod estates;
mod forwards;
mod held;
mod hosted;
mod leaving;
mod lifecycle;
mod memory;
mod merges;
mod pages;
mod publish;
mod pump;
mod retained;
mod riders;
mod snapshot;
mod transactions;

use crate::Node;
use crate::mailbox::Settlement;
use crate::shared_queue::SharedQueue;
use crate::transaction::Asker;
use bodies::Bodies;
use broker_api::{Event, Refusal};
use effect::answer;
pub(crate) use effect::{Effect, tell};
use forwards::Forwards;
pub use forwards::OnItsWay;
use held::{Holds, Then};
use hosted::{Hosted, keys};
use leaving::Shrinking;
pub(crate) use leaving::Turn;
use log_store::{Batch, ShardLog};
use memory::Memory;
pub(crate) use memory::Pressure;
use merges::Merges;
use model::{Instant, LogIndex, QueueId, Sequence, ShardId};
use pages::Pages;
use queue::{Left, Returned, SubscriberId};
use retained::Kept;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
pub(crate) use transactions::Fate;
use transactions::Transactions;

/// So many messages of one queue expire at once, before others have their turn.
const EXPIRED_MAX: usize = 1024;

/// One shard: a log, and the queues whose entries stand in it.
///
/// An entry takes effect in the machine when it is pushed into the open batch; its effects (confirms,
/// deliveries, what other shards are told) are released when the log says that it is durable.
pub(crate) struct Shard {
    node: Arc<Node>,
    id: ShardId,
    pub(crate) log: Box<dyn ShardLog>,
    /// Boxed: nodes of a map have room for eleven.
    queues: BTreeMap<QueueId, Box<Hosted>>,
    /// What this step appends.
    batch: Option<Batch>,
    /// What happens once the open batch is durable.
    batch_effects: Vec<Effect>,
    /// Queues that may go on once the open batch is durable.
    batch_queues: Vec<QueueId>,
    /// The same for batches that were submitted, in order.
    waiting_effects: VecDeque<(LogIndex, Effect)>,
    waiting_queues: VecDeque<(LogIndex, QueueId)>,
    waiting_bytes: VecDeque<(LogIndex, usize)>,
    /// The bytes of batches that were submitted and are not durable.
    uncommitted_bytes: usize,
    /// Queues to be pumped in this step.
    touched: Vec<QueueId>,
    /// Logged messages that left their queues; their records ride along with the next batch.
    settled: Vec<(QueueId, Sequence)>,
    /// Logged messages that came back with a count; likewise.
    returns: Vec<(QueueId, Returned)>,
    /// Queues with messages that stand in no log yet.
    riding: Vec<QueueId>,
    /// When which queue has something to do by itself.
    deadlines: BTreeSet<(Instant, QueueId)>,
    forwards: Forwards,
    transactions: Transactions,
    /// Who waits for notes that prepared transactions may change.
    recalls: Vec<(QueueId, SubscriberId, Asker)>,
    holds: Holds,
    bodies: Bodies,
    memory: Memory,
    pages: Pages,
    merges: Merges,
    shrinking: Shrinking,
    /// The last messages of keys whose records stand in this log.
    kept: Kept,
    /// How short memory was when this was last told.
    pressure: Pressure,
    /// Set where the log is damaged: the shard is out of service.
    refused: Option<Arc<str>>,
    /// Queues that are out of service.
    damaged: BTreeMap<QueueId, Arc<SharedQueue>>,
    /// Subscriptions that have ended with their queues, and why.
    ended: Vec<(SubscriberId, Refusal)>,
    /// What has come and gone in this step, as charged to memory.
    added_bytes: usize,
    freed_bytes: usize,
    /// Lent to the machine.
    left: Vec<Left>,
    returned: Vec<Returned>,
    /// Where the sequences of one record are put together.
    run: Vec<Sequence>,
}

impl Shard {
    pub(crate) fn new(node: &Arc<Node>, log: Box<dyn ShardLog>) -> Self {
        Self {
            node: Arc::clone(node),
            id: log.shard(),
            log,
            queues: BTreeMap::new(),
            batch: None,
            batch_effects: Vec::new(),
            batch_queues: Vec::new(),
            waiting_effects: VecDeque::new(),
            waiting_queues: VecDeque::new(),
            waiting_bytes: VecDeque::new(),
            uncommitted_bytes: 0,
            touched: Vec::new(),
            settled: Vec::new(),
            returns: Vec::new(),
            riding: Vec::new(),
            deadlines: BTreeSet::new(),
            forwards: Forwards::default(),
            transactions: Transactions::default(),
            recalls: Vec::new(),
            holds: Holds::default(),
            bodies: Bodies::default(),
            memory: Memory::default(),
            pages: Pages::new(node.settings.queued_bytes),
            merges: Merges::default(),
            shrinking: Shrinking::default(),
            kept: Kept::default(),
            pressure: Pressure::None,
            refused: None,
            damaged: BTreeMap::new(),
            ended: Vec::new(),
            added_bytes: 0,
            freed_bytes: 0,
            left: Vec::new(),
            returned: Vec::new(),
            run: Vec::new(),
        }
    }

    /// What has come and gone since the last call, as charged to memory.
    pub(crate) fn take_moved_bytes(&mut self) -> (usize, usize) {
        let moved = (self.added_bytes, self.freed_bytes);
        (self.added_bytes, self.freed_bytes) = (0, 0);
        moved
    }

    /// Subscriptions that have ended with their queues.
    pub(crate) fn take_ended(&mut self) -> Vec<(SubscriberId, Refusal)> {
        std::mem::take(&mut self.ended)
    }

    /// Ends deliveries.
    pub(crate) fn settle(&mut self, now: Instant, settlement: Settlement) {
        let Settlement {
            subscriber,
            target,
            sequences,
            outcome,
            confirm,
        } = settlement;
        if let Some(hosted) = self.queues.get_mut(&target.queue) {
            let (left, returned) = (&mut self.left, &mut self.returned);
            hosted
                .queue
                .settle(now, subscriber, &sequences, outcome, left, returned);
            let has_work = hosted.has_work();
            self.handle_moved(now, target.queue);
            if has_work {
                self.touch_released(target.queue);
            } else {
                self.note(target.queue);
            }
        }
        if let Some((outbox, command)) = confirm {
            if let Some(refusal) = self.damage_of(target.queue) {
                // What it had is in the queue again.
                outbox.push(&mut vec![Event::Done(command, Err(refusal))]);
                return;
            }
            self.log_settled();
            let awaited = self.awaited(target.queue, &sequences);
            self.when_here(now, awaited, Then::Confirm { outbox, command });
        }
    }

    /// Those of these messages that await their bodies.
    fn awaited(&self, id: QueueId, sequences: &[Sequence]) -> Vec<(QueueId, Sequence)> {
        let hosted = self.queues.get(&id);
        let awaited = hosted.map(|hosted| hosted.queue.awaited(sequences));
        let awaited = awaited.into_iter().flatten();
        awaited.map(|sequence| (id, sequence)).collect()
    }
}

/// Why a subscription cannot begin.
pub(crate) enum Subscribing {
    /// The queue has ended.
    NoQueue,
    /// It is out of service, or there are too many.
    Refused(Refusal),
    /// It, or another subscription, is to be the only one.
    InUse(Arc<SharedQueue>),
}

/// What became of a publish in the queues of one shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Enqueued {
    /// In the queues and in the open batch, which its confirm waits for.
    InBatch,
    /// In the queues, or they are gone; confirmed at once.
    AtOnce,
    /// A queue has no place for it.
    Refused(Refusal),
}
