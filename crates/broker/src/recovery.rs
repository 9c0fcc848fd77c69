//! From records back to queues.

use crate::entry::{self, Change, Entry, EntryError, Forwarded};
use crate::estate::Estate;
use crate::keeps::Keeps;
use crate::retained::Setting;
use crate::topology::{bind_of, binding_of};
use crate::transaction::{Prepared, TransactionId};
use broker_api::Bind;
use log_store::Replayed;
use model::{
    ExchangeDefinition, ExchangeName, Lifetime, LogIndex, Message, PageNumber, QueueDefinition,
    QueueId, QueueName, ShardId,
};
use queue::{PurgedPage, RecoveredQueue, SubscriberId};
use routing::Table;
use std::collections::BTreeMap;

/// Takes the records of all shards, in the order of each shard's log, and keeps what they amount to.
#[derive(Default)]
pub struct Recovery {
    declared: BTreeMap<QueueId, DeclaredQueue>,
    next_queue: QueueId,
    exchanges: BTreeMap<ExchangeName, (ExchangeDefinition, Lifetime)>,
    /// Queues, exchanges and bindings, as they came about.
    table: Table<SubscriberId, (), ()>,
    keeps: Keeps,
    queues: BTreeMap<(ShardId, QueueId), RecoveredQueue>,
    estates: BTreeMap<(ShardId, QueueId), Estate>,
    shards: BTreeMap<ShardId, RecoveredShard>,
    /// Shards whose logs are damaged, and how.
    refused: BTreeMap<ShardId, String>,
    error: Option<RecoveryError>,
}

/// A page that a queue has messages in, and that is not on the disk as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostPage {
    /// Whose log refers to it.
    pub shard: ShardId,
    /// The page.
    pub page: PageNumber,
    /// The queue that has messages in it.
    pub name: QueueName,
    queue: QueueId,
}

impl LostPage {
    /// Appends the record by which the queue gives up what stands in the page; returns its kind.
    pub fn encode_given_up(&self, payload: &mut Vec<u8>) -> u8 {
        let purged = PurgedPage {
            page: self.page,
            count: 0,
            except: Vec::new(),
        };
        entry::encode_page_left(payload, self.queue, &purged);
        entry::PAGE_LEFT
    }
}

/// What was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Queues.
    pub queue_count: usize,
    /// Messages in them.
    pub message_count: usize,
}

/// Why the records do not make a broker.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecoveryError {
    /// A record makes no sense.
    #[error("shard {shard}, record {index}: {error}")]
    BadEntry {
        /// Whose log it stands in.
        shard: ShardId,
        /// Where.
        index: LogIndex,
        /// What is wrong with it.
        error: EntryError,
    },
    /// The shard that says which queues there are is damaged.
    #[error("shard 0, which says what queues and exchanges there are, is damaged: {reason}")]
    MetadataDamaged {
        /// What is wrong, and where.
        reason: String,
    },
    /// A shard holds messages of a queue that shard 0 does not know.
    #[error("shard {shard} holds queue {queue}, which was never declared")]
    UndeclaredQueue {
        /// The shard.
        shard: ShardId,
        /// The queue.
        queue: QueueId,
    },
    /// A queue was placed in a shard that does not exist.
    #[error("queue '{name}' is in shard {shard}, but there are only {count} shards")]
    NoSuchShard {
        /// The queue.
        name: QueueName,
        /// Where it is said to be.
        shard: ShardId,
        /// How many shards there are.
        count: usize,
    },
    /// A record names a shard that does not exist.
    #[error("shard {shard} has to do with shard {other}, but there are only {count} shards")]
    NoSuchOtherShard {
        /// Whose log it stands in.
        shard: ShardId,
        /// The shard that is named.
        other: ShardId,
        /// How many shards there are.
        count: usize,
    },
}

#[derive(Debug)]
struct DeclaredQueue {
    name: QueueName,
    shard: ShardId,
    definition: QueueDefinition,
}

/// A queue, as its executor takes it over.
pub(crate) struct RecoveredDeclared {
    pub(crate) name: QueueName,
    pub(crate) id: QueueId,
    pub(crate) shard: ShardId,
    pub(crate) definition: QueueDefinition,
    pub(crate) state: RecoveredQueue,
    pub(crate) estate: Option<Estate>,
}

/// What a shard has to do with others.
#[derive(Debug)]
pub(crate) struct RecoveredShard {
    pub(crate) next_forward: u64,
    pub(crate) outgoing: BTreeMap<u64, (Message, Vec<(ShardId, QueueId)>)>,
    pub(crate) received: BTreeMap<ShardId, u64>,
    pub(crate) next_transaction: u64,
    pub(crate) prepared: BTreeMap<TransactionId, Prepared>,
    pub(crate) decided: BTreeMap<u64, Vec<ShardId>>,
    pub(crate) next_page: PageNumber,
    /// The last that was set of each key.
    pub(crate) retained: BTreeMap<Box<[u8]>, Setting>,
}

impl Default for RecoveredShard {
    fn default() -> Self {
        Self {
            next_forward: 1,
            outgoing: BTreeMap::new(),
            received: BTreeMap::new(),
            next_transaction: 1,
            prepared: BTreeMap::new(),
            decided: BTreeMap::new(),
            next_page: PageNumber(1),
            retained: BTreeMap::new(),
        }
    }
}

/// All that the shards held, as the executors take it over.
pub(crate) struct RecoveredShards {
    pub(crate) queues: Vec<RecoveredDeclared>,
    pub(crate) next_queue: QueueId,
    pub(crate) exchanges: BTreeMap<ExchangeName, (ExchangeDefinition, Lifetime)>,
    pub(crate) bindings: Vec<Bind>,
    pub(crate) keeps: Keeps,
    pub(crate) shards: BTreeMap<ShardId, RecoveredShard>,
    pub(crate) refused: BTreeMap<ShardId, String>,
}

impl Recovery {
    /// A shard's log is damaged: the shard is out of service, whatever was replayed of it. All others are not
    /// touched by it.
    pub fn refuse(&mut self, shard: ShardId, reason: String) {
        self.queues.retain(|(of, _), _| *of != shard);
        self.estates.retain(|(of, _), _| *of != shard);
        let next_transaction = self.shard(shard).next_transaction;
        let kept = RecoveredShard {
            next_transaction,
            ..RecoveredShard::default()
        };
        self.shards.insert(shard, kept);
        self.refused.entry(shard).or_insert(reason);
    }

    /// The queues that live in a shard.
    #[must_use]
    pub fn queues_of(&self, shard: ShardId) -> Vec<QueueName> {
        let declared = self.declared.values();
        let here = declared.filter(|declared| declared.shard == shard);
        here.map(|declared| declared.name.clone()).collect()
    }

    /// The pages that queues of shards in service still have messages in, and that are not `there`.
    #[must_use]
    pub fn lost_pages(&self, there: &dyn Fn(ShardId, PageNumber) -> bool) -> Vec<LostPage> {
        let mut lost = Vec::new();
        let mut pages = Vec::new();
        for ((shard, queue), state) in &self.queues {
            let Some(declared) = self.declared.get(queue).filter(|it| it.shard == *shard) else {
                continue;
            };
            state.page_numbers(&mut pages);
            let missing = pages.drain(..).filter(|page| !there(*shard, *page));
            lost.extend(missing.map(|page| LostPage {
                shard: *shard,
                page,
                name: declared.name.clone(),
                queue: *queue,
            }));
        }
        lost
    }

    /// Takes the next record. After a bad one, nothing more is taken in;
    /// [`Broker::open`](crate::Broker::open) then says which it was.
    pub fn replay(&mut self, record: Replayed<'_>) {
        if self.error.is_some() || self.refused.contains_key(&record.shard) {
            return;
        }
        match Entry::decode(record.kind, record.payload) {
            Ok(entry) => self.apply(record.shard, entry),
            Err(error) => {
                let (shard, index) = (record.shard, record.index);
                self.error = Some(RecoveryError::BadEntry {
                    shard,
                    index,
                    error,
                });
            }
        }
    }

    fn apply(&mut self, at: ShardId, entry: Entry) {
        match entry {
            Entry::QueueDeclared { .. }
            | Entry::QueueDeleted(_)
            | Entry::QueueIds { .. }
            | Entry::ExchangeDeclared { .. }
            | Entry::ExchangeDeleted(_)
            | Entry::Bound(_)
            | Entry::Unbound(_)
            | Entry::Kept { .. }
            | Entry::LetGo { .. } => self.apply_topology(entry),
            Entry::Marked { queue, mark } => self.queue(at, queue).marked(mark),
            Entry::Queue { queue, next, mark } => {
                let recovered = self.queue(at, queue);
                recovered.next_is(next);
                recovered.marked(mark);
            }
            Entry::Change(change) => self.change(at, change),
            Entry::ForwardsDone(ids) => {
                let outgoing = &mut self.shard(at).outgoing;
                ids.iter().for_each(|id| drop(outgoing.remove(id)));
            }
            Entry::Received { from, id, enqueued } => {
                let received = self.shard(at).received.entry(from).or_default();
                *received = id.max(*received);
                if let Some(enqueued) = enqueued {
                    self.change(at, Change::Enqueued(enqueued));
                }
            }
            Entry::Numbers {
                next_forward,
                next_transaction,
            } => {
                let shard = self.shard(at);
                shard.next_forward = shard.next_forward.max(next_forward);
                shard.next_transaction = shard.next_transaction.max(next_transaction);
            }
            Entry::Transacted(changes) => {
                changes
                    .into_iter()
                    .for_each(|change| self.change(at, change));
            }
            Entry::Prepared(id, prepared) => {
                let coordinator = self.shard(id.coordinator);
                coordinator.next_transaction = coordinator.next_transaction.max(id.number + 1);
                self.shard(at).prepared.insert(id, prepared);
            }
            Entry::Committed(id, changes) => {
                self.shard(at).prepared.remove(&id);
                changes
                    .into_iter()
                    .for_each(|change| self.change(at, change));
            }
            Entry::Aborted(id) => drop(self.shard(at).prepared.remove(&id)),
            Entry::Decided { number, shards } => {
                let shard = self.shard(at);
                shard.next_transaction = shard.next_transaction.max(number + 1);
                shard.decided.insert(number, shards);
            }
            Entry::Finished { number } => drop(self.shard(at).decided.remove(&number)),
            Entry::Paged(queue, record) => {
                self.note_page(at, record.page);
                self.queue(at, queue).paged(record);
            }
            Entry::Page(queue, state) => {
                self.note_page(at, state.record.page);
                self.queue(at, queue).page(state);
            }
            Entry::PageLeft(queue, purged) => {
                self.queue(at, queue).page_left(purged.page, &purged.except);
            }
        }
    }

    /// The numbers of pages go on behind all that were ever told of.
    fn note_page(&mut self, at: ShardId, page: PageNumber) {
        let shard = self.shard(at);
        shard.next_page = shard.next_page.max(PageNumber(page.0 + 1));
    }

    fn apply_topology(&mut self, entry: Entry) {
        match entry {
            Entry::QueueDeclared {
                queue,
                shard,
                definition,
                name,
            } => {
                self.table = self.table.with_queue(name.clone(), ());
                let declared = DeclaredQueue {
                    name,
                    shard,
                    definition,
                };
                self.declared.insert(queue, declared);
                self.next_queue = self.next_queue.max(QueueId(queue.0 + 1));
            }
            Entry::QueueDeleted(queue) => {
                self.next_queue = self.next_queue.max(QueueId(queue.0 + 1));
                if let Some(declared) = self.declared.remove(&queue) {
                    self.table = self.table.without_queue(&declared.name);
                }
                self.keeps.remove_queue(queue);
            }
            Entry::QueueIds { next } => self.next_queue = self.next_queue.max(next),
            Entry::ExchangeDeclared {
                name,
                definition,
                lifetime,
            } => {
                // What does not fit is not there, and so are bindings from and to it.
                if let Ok(table) = self.table.with_exchange(&name, definition.clone()) {
                    self.table = table;
                    self.exchanges.insert(name, (definition, lifetime));
                }
            }
            Entry::ExchangeDeleted(name) => {
                self.exchanges.remove(&name);
                if let Ok(table) = self.table.without_exchange(&name) {
                    self.table = table;
                }
            }
            Entry::Bound(bind) => {
                let source = bind.source.as_bytes();
                if let Ok(table) = self.table.with_binding(source, binding_of(&bind)) {
                    self.table = table;
                }
            }
            Entry::Unbound(bind) => {
                let source = bind.source.as_bytes();
                self.table = self.table.without_binding(source, &binding_of(&bind));
            }
            Entry::Kept { queue, keeper } => {
                // One that has ended keeps nothing, and is kept by nobody.
                if self.declared.contains_key(&queue) && self.declared.contains_key(&keeper) {
                    self.keeps.insert(queue, keeper);
                }
            }
            Entry::LetGo { queue, keeper } => {
                self.keeps.remove(queue, keeper);
            }
            Entry::Marked { .. }
            | Entry::Queue { .. }
            | Entry::Change(_)
            | Entry::ForwardsDone(_)
            | Entry::Received { .. }
            | Entry::Numbers { .. }
            | Entry::Transacted(_)
            | Entry::Prepared(..)
            | Entry::Committed(..)
            | Entry::Aborted(_)
            | Entry::Decided { .. }
            | Entry::Finished { .. }
            | Entry::Paged(..)
            | Entry::Page(..)
            | Entry::PageLeft(..) => unreachable!("these are not of the topology"),
        }
    }

    fn change(&mut self, at: ShardId, change: Change) {
        match change {
            Change::Enqueued(enqueued) => {
                for (queue, place) in enqueued.places {
                    self.queue(at, queue)
                        .enqueued(place, enqueued.message.clone());
                }
            }
            Change::Settled { queue, ranges } => {
                let recovered = self.queue(at, queue);
                for (first, last) in ranges {
                    recovered.settled(first, last);
                }
            }
            Change::Returned(queue, returned) => self.queue(at, queue).returned(
                returned.sequence,
                returned.delivery_count,
                returned.available_at,
            ),
            Change::Forwarded(forwarded) => {
                let Forwarded {
                    id,
                    source,
                    to,
                    message,
                } = forwarded;
                if let Some((queue, sequence)) = source {
                    self.queue(at, queue).settled(sequence, sequence);
                }
                let shard = self.shard(at);
                shard.next_forward = shard.next_forward.max(id + 1);
                shard.outgoing.insert(id, (message, to));
            }
            Change::Noted(noted) => self.estate(at, noted.queue).note(noted.entries),
            Change::Bequeathed(queue, bequest) => self.estate(at, queue).bequeath(bequest),
            Change::Retained(setting) => {
                let retained = &mut self.shard(at).retained;
                let key = setting.message.key();
                if retained
                    .get(key)
                    .is_none_or(|before| before.version < setting.version)
                {
                    retained.insert(key.into(), setting);
                }
            }
        }
    }

    fn queue(&mut self, shard: ShardId, queue: QueueId) -> &mut RecoveredQueue {
        self.queues.entry((shard, queue)).or_default()
    }

    fn estate(&mut self, shard: ShardId, queue: QueueId) -> &mut Estate {
        self.estates.entry((shard, queue)).or_default()
    }

    fn shard(&mut self, shard: ShardId) -> &mut RecoveredShard {
        self.shards.entry(shard).or_default()
    }

    pub(crate) fn finish(
        mut self,
        shard_count: usize,
    ) -> Result<(RecoveredShards, Recovered), RecoveryError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        if let Some(reason) = self.refused.remove(&ShardId(0)) {
            return Err(RecoveryError::MetadataDamaged { reason });
        }
        check_shards(&self.shards, shard_count)?;
        let mut queues = Vec::with_capacity(self.declared.len());
        let mut message_count = 0;
        for (id, declared) in self.declared {
            let DeclaredQueue {
                name,
                shard,
                definition,
            } = declared;
            if usize::from(shard.0) >= shard_count {
                let count = shard_count;
                return Err(RecoveryError::NoSuchShard { name, shard, count });
            }
            let state = self.queues.remove(&(shard, id)).unwrap_or_default();
            let estate = self.estates.remove(&(shard, id));
            message_count += state.len();
            queues.push(RecoveredDeclared {
                name,
                id,
                shard,
                definition,
                state,
                estate,
            });
        }
        // What is left belonged to queues that were deleted; ids are never used again.
        let undeclared = self
            .queues
            .keys()
            .chain(self.estates.keys())
            .find(|(_, queue)| *queue >= self.next_queue);
        if let Some((shard, queue)) = undeclared.copied() {
            return Err(RecoveryError::UndeclaredQueue { shard, queue });
        }
        let recovered = Recovered {
            queue_count: queues.len(),
            message_count,
        };
        let bindings = self.table.bindings();
        let bindings = bindings.filter_map(|(source, binding)| bind_of(source, binding));
        Ok((
            RecoveredShards {
                queues,
                next_queue: self.next_queue,
                exchanges: self.exchanges,
                bindings: bindings.collect(),
                keeps: self.keeps,
                shards: self.shards,
                refused: self.refused,
            },
            recovered,
        ))
    }
}

/// Whether all shards that shards have to do with are there.
fn check_shards(
    shards: &BTreeMap<ShardId, RecoveredShard>,
    count: usize,
) -> Result<(), RecoveryError> {
    for (shard, recovered) in shards {
        let targets = recovered.outgoing.values().flat_map(|(_, to)| to);
        let named = targets
            .map(|(to, _)| *to)
            .chain(recovered.received.keys().copied())
            .chain(recovered.prepared.keys().map(|id| id.coordinator))
            .chain(recovered.decided.values().flatten().copied())
            .chain([*shard]);
        for other in named {
            if usize::from(other.0) >= count {
                let shard = *shard;
                return Err(RecoveryError::NoSuchOtherShard {
                    shard,
                    other,
                    count,
                });
            }
        }
    }
    Ok(())
}

impl std::fmt::Debug for Recovery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recovery")
            .field("queue_count", &self.declared.len())
            .field("error", &self.error)
            .finish_non_exhaustive()
    }
}
