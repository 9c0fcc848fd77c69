//! The shared metadata of shard 0: which queues, exchanges and bindings there are.

mod announce;
mod bindings;
pub(crate) mod check;
mod exchanges;
mod keeping;
mod recovery;

use crate::Node;
use crate::entry;
use crate::keeps::Keeps;
use crate::routes::QueueTarget;
use crate::shard::Shard;
use crate::shared_queue::SharedQueue;
use crate::transaction::Asker;
use announce::{Change, Pending};
pub(crate) use bindings::{bind_of, binding_of};
use broker_api::{Bind, DeclareExchange, DeclareQueue, DeleteExchange, Refusal, Reply};
use model::{Applied, Durability, ExchangeName, Lifetime, LogIndex, QueueId, QueueName, ShardId};
use queue::SubscriberId;
use routing::{Destination, Table};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// So many ids of transient queues are reserved with one record.
const QUEUE_IDS_AHEAD: u64 = 1024;

/// What is asked of shard 0.
pub(crate) enum Request {
    DeclareQueue(DeclareQueue, QueueName),
    /// Its host has ended the queue.
    RemoveQueue {
        queue: Arc<SharedQueue>,
        message_count: u64,
    },
    DeclareExchange(DeclareExchange),
    DeleteExchange(DeleteExchange),
    /// The last binding of somebody's own has gone from the exchange.
    ExchangeUnused(ExchangeName),
    Bind(Bind),
    Unbind(Bind),
    /// The owner of one queue wants another to be kept by it, or not any more.
    Keep {
        queue: QueueName,
        keeper: Arc<SharedQueue>,
        wish: Wish,
    },
    ListExchanges,
}

/// What is to become of a queue that another keeps, or is to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    Keep,
    LetGo,
}

/// The shared metadata of shard 0, beside the shard on its executor.
///
/// A change is decided at once and announced once its record is durable: a declared queue first to the
/// executor that hosts it, then in the routes, then to whoever asked. So a publish that finds the route finds
/// the queue. Changes are announced in the order in which they were decided.
pub(crate) struct Topology {
    node: Arc<Node>,
    /// All that is decided and shared; connections' own routes stand only in the announced ones.
    decided: Table<SubscriberId, Arc<SharedQueue>, ()>,
    exchanges: BTreeMap<ExchangeName, Kept>,
    /// What applies to exchanges, where anything does.
    applied: BTreeMap<ExchangeName, Applied>,
    binding_count: usize,
    keeps: Keeps,
    /// The queues that are kept by others.
    kept: BTreeMap<QueueId, Arc<SharedQueue>>,
    next_queue: QueueId,
    /// Ids below this one are not given out after a restart, whatever else stands in the log.
    reserved_queue: QueueId,
    /// Decided and not yet announced.
    pending: VecDeque<Pending>,
    /// The last record that was appended.
    last_index: LogIndex,
    /// Where queues may live.
    homes: Vec<ShardId>,
}

/// What routing need not know of an exchange.
#[derive(Clone, Copy)]
struct Kept {
    durability: Durability,
    lifetime: Lifetime,
}

impl Topology {
    pub(crate) fn new(node: &Arc<Node>, next_queue: QueueId, homes: Vec<ShardId>) -> Self {
        let decided = Table::default();
        let kept = Kept {
            durability: Durability::Durable,
            lifetime: Lifetime::Permanent,
        };
        let predeclared = decided.exchanges().map(|(name, _)| (name.clone(), kept));
        let mut topology = Self {
            node: Arc::clone(node),
            exchanges: predeclared.collect(),
            applied: BTreeMap::new(),
            decided,
            binding_count: 0,
            keeps: Keeps::default(),
            kept: BTreeMap::new(),
            next_queue,
            reserved_queue: next_queue,
            pending: VecDeque::new(),
            last_index: LogIndex(0),
            homes,
        };
        topology.apply_to_predeclared();
        topology
    }

    /// Makes the queues that composite destinations stand for, where they are not there.
    pub(crate) fn declare_composites(&mut self, shard: &mut Shard) {
        let node = Arc::clone(&self.node);
        let composites = node.settings.composites.iter();
        for to in composites.flat_map(|composite| &composite.to) {
            if to.exchange.as_bytes().is_empty()
                && let Ok(name) = QueueName::new(&to.key)
            {
                let declare = DeclareQueue::durable(name.clone());
                self.handle(shard, Request::DeclareQueue(declare, name), None);
            }
        }
    }

    /// Does what is asked, and answers when that is durable.
    pub(crate) fn handle(&mut self, shard: &mut Shard, request: Request, asker: Option<Asker>) {
        let answer = match request {
            Request::DeclareQueue(declare, name) => self.declare_queue(shard, declare, &name),
            Request::RemoveQueue {
                queue,
                message_count,
            } => {
                self.remove_queue(shard, &queue);
                Ok(Reply::Count(message_count))
            }
            Request::DeclareExchange(declare) => self.declare_exchange(shard, declare),
            Request::DeleteExchange(delete) => self.delete_exchange(shard, &delete),
            Request::ExchangeUnused(name) => {
                self.remove_if_unused(shard, &name);
                Ok(Reply::Nothing)
            }
            Request::Bind(bind) => self.bind(shard, bind),
            Request::Unbind(bind) => self.unbind(shard, bind),
            Request::Keep {
                queue,
                keeper,
                wish,
            } => match wish {
                Wish::Keep => self.keep(shard, &queue, &keeper),
                Wish::LetGo => Ok(self.let_go(shard, &queue, &keeper)),
            },
            Request::ListExchanges => Ok(self.list_exchanges()),
        };
        let answer = asker.map(|asker| (asker, answer));
        self.pend(Change::None, answer);
    }

    fn declare_queue(
        &mut self,
        shard: &mut Shard,
        declare: DeclareQueue,
        name: &QueueName,
    ) -> Result<Reply, Refusal> {
        if let Some(shared) = self.decided.queue(name.as_bytes()).cloned() {
            if !shared.is_ended() {
                check::equal_queue(&shared, &declare)?;
                return Ok(Reply::Queue(Box::new(shared.status())));
            }
            // Its host has said so, or will; the name is free.
            self.remove_queue(shard, &shared);
        }
        check::new_queue(&self.node, &declare, name, self.decided.queue_count())?;
        let id = self.next_queue;
        self.next_queue = QueueId(id.0 + 1);
        let home = self.place(id);
        let target = QueueTarget {
            executor: self.node.executor_of(home),
            shard: home,
            queue: id,
        };
        if declare.definition.durability == Durability::Durable {
            self.last_index = shard.append(entry::QUEUE_DECLARED, |to| {
                entry::encode_queue_declared(to, id, home, &declare.definition, name);
            });
        } else {
            self.reserve_id(shard, id);
        }
        let policies = &self.node.settings.policies;
        let shared = SharedQueue::new(name.clone(), declare.definition, policies, target);
        let shared = Arc::new(shared);
        let status = shared.status();
        self.decided = self.decided.with_queue(name.clone(), Arc::clone(&shared));
        self.pend(Change::AddQueue(shared), None);
        if let Some(bind) = check::virtual_topic(&self.node, name) {
            self.bind(shard, bind)?;
        }
        Ok(Reply::Queue(Box::new(status)))
    }

    /// Logs that the id of a queue that stands in no log itself is used: other logs may name it.
    fn reserve_id(&mut self, shard: &mut Shard, id: QueueId) {
        if id >= self.reserved_queue {
            self.reserved_queue = QueueId(id.0 + QUEUE_IDS_AHEAD);
            let reserved = self.reserved_queue;
            self.last_index = shard.append(entry::QUEUE_IDS, |to| {
                entry::encode_queue_ids(to, reserved);
            });
        }
    }

    fn remove_queue(&mut self, shard: &mut Shard, shared: &Arc<SharedQueue>) {
        let known = self.decided.queue(shared.name.as_bytes());
        if !known.is_some_and(|known| Arc::ptr_eq(known, shared)) {
            return;
        }
        let destination = Destination::Queue(shared.name.clone());
        let sources: Vec<_> = self
            .decided
            .bindings_to(&destination)
            .map(|(source, _)| source.clone())
            .collect();
        self.binding_count -= sources.len();
        self.decided = self.decided.without_queue(&shared.name);
        if shared.definition.durability == Durability::Durable {
            let id = shared.target.queue;
            self.last_index = shard.append(entry::QUEUE_DELETED, |to| {
                entry::encode_queue_deleted(to, id);
            });
        }
        self.pend(Change::RemoveQueue(Arc::clone(shared)), None);
        self.kept.remove(&shared.target.queue);
        for kept in self.keeps.remove_queue(shared.target.queue) {
            self.pend_let_go(kept);
        }
        for source in sources {
            self.remove_if_unused(shard, &source);
        }
    }

    /// Where a new queue is to live: in turn.
    fn place(&self, queue: QueueId) -> ShardId {
        let place = queue.0 % self.homes.len().max(1) as u64;
        let place = usize::try_from(place).unwrap_or_default();
        self.homes.get(place).copied().unwrap_or_default()
    }
}
