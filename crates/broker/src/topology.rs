//! The shared metadata of shard 0: which queues, exchanges and bindings there are.

pub(crate) mod check;
mod keeping;

use crate::Node;
use crate::entry;
use crate::keeps::Keeps;
use crate::mailbox::Control;
use crate::routes::{QueueRoute, QueueTarget, Snapshot};
use crate::shard::Shard;
use crate::shared_queue::SharedQueue;
use crate::transaction::Asker;
use broker_api::{
    Bind, BindTo, DeclareExchange, DeclareQueue, DeleteExchange, DeleteIf, Event, ListedExchange,
    Refusal, Reply,
};
use model::{
    Applied, Durability, ExchangeDefinition, ExchangeName, Lifetime, LogIndex, QueueId, QueueName,
    ShardId,
};
use queue::SubscriberId;
use routing::{Binding, Destination, Table};
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

/// What is announced when the log is durable up to an index.
struct Pending {
    index: LogIndex,
    change: Change,
    answer: Option<(Asker, Result<Reply, Refusal>)>,
}

/// A change of the announced routes.
enum Change {
    None,
    AddQueue(Arc<SharedQueue>),
    RemoveQueue(Arc<SharedQueue>),
    AddExchange(ExchangeName, ExchangeDefinition),
    RemoveExchange(ExchangeName),
    Bind(Bind),
    Unbind(Bind),
    /// One queue less keeps it.
    LetGo(Arc<SharedQueue>),
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

    /// Has policies apply to the exchanges that are always there.
    fn apply_to_predeclared(&mut self) {
        let predeclared = self.decided.clone();
        for (name, definition) in predeclared.exchanges() {
            self.note_applied(name);
            let alternate = self.holding(name, definition).alternate;
            if alternate.is_some() {
                let change = |table: &Snapshot| table.with_alternate(name, alternate.clone());
                self.node.routes.change(change);
            }
        }
    }

    /// Finds the policies that apply to an exchange.
    fn note_applied(&mut self, name: &ExchangeName) {
        let applied = self.node.settings.policies.for_exchange(name);
        if applied != Applied::default() {
            self.applied.insert(name.clone(), applied);
        }
    }

    /// What holds for an exchange that was declared as this. What is decided, logged and compared is what was
    /// declared; routes follow what holds.
    fn holding(&self, name: &ExchangeName, declared: &ExchangeDefinition) -> ExchangeDefinition {
        match self.applied.get(name) {
            Some(applied) => applied.exchange(declared.clone()),
            None => declared.clone(),
        }
    }

    /// Takes over a queue that was declared before.
    pub(crate) fn recover_queue(&mut self, shared: Arc<SharedQueue>) {
        self.announce(&Change::AddQueue(Arc::clone(&shared)));
        self.decided = self.decided.with_queue(shared.name.clone(), shared);
    }

    /// Takes over an exchange that was declared before. What does not fit any more is passed over.
    pub(crate) fn recover_exchange(
        &mut self,
        name: ExchangeName,
        definition: ExchangeDefinition,
        lifetime: Lifetime,
    ) {
        if let Ok(decided) = self.decided.with_exchange(&name, definition.clone()) {
            self.decided = decided;
            let durability = Durability::Durable;
            let kept = Kept {
                durability,
                lifetime,
            };
            self.exchanges.insert(name.clone(), kept);
            self.note_applied(&name);
            self.announce(&Change::AddExchange(name, definition));
        }
    }

    /// Takes over a binding that was made before. One whose ends are not there any more is passed over.
    pub(crate) fn recover_binding(&mut self, bind: Bind) {
        let (source, binding) = (bind.source.as_bytes(), binding_of(&bind));
        if let Ok(decided) = self.decided.with_binding(source, binding) {
            self.decided = decided;
            self.binding_count += 1;
            self.announce(&Change::Bind(bind));
        }
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

    /// Notes a change that is to be announced behind all that was appended.
    fn pend(&mut self, change: Change, answer: Option<(Asker, Result<Reply, Refusal>)>) {
        if matches!((&change, &answer), (Change::None, None)) {
            return;
        }
        self.pending.push_back(Pending {
            index: self.last_index,
            change,
            answer,
        });
    }

    /// Announces what has become durable.
    pub(crate) fn handle_committed(&mut self, committed: LogIndex) {
        while let Some(pending) = self.pending.front()
            && pending.index <= committed
        {
            let Some(Pending { change, answer, .. }) = self.pending.pop_front() else {
                break;
            };
            self.announce(&change);
            if let Some((asker, done)) = answer {
                self.answer(asker, done);
            }
        }
    }

    /// Answers, or has the host of a declared queue tell what that holds; refuses if the name has been taken since it was
    /// decided.
    fn answer(&self, asker: Asker, done: Result<Reply, Refusal>) {
        let mut done = done;
        if let Ok(Reply::Queue(status)) = &done {
            if is_private(&self.node.routes.load(), &status.name) {
                done = Err(Refusal::QueueLocked(status.name.clone()));
            } else if let Some(shared) = self.decided.queue(status.name.as_bytes()) {
                let queue = Arc::clone(shared);
                let mailbox = &self.node.mailboxes[queue.target.executor];
                mailbox.post(&mut vec![Control::Declared { queue, asker }]);
                return;
            }
        }
        let event = Event::Done(asker.command, done);
        asker.outbox.push(&mut vec![event]);
    }

    fn announce(&self, change: &Change) {
        let routes = &self.node.routes;
        match change {
            Change::None => {}
            Change::AddQueue(shared) => {
                let mailbox = &self.node.mailboxes[shared.target.executor];
                mailbox.post(&mut vec![Control::Adopt(Arc::clone(shared))]);
                let added = routes.try_change(|table| {
                    if is_private(table, &shared.name) {
                        return Err(());
                    }
                    let route = QueueRoute::Shared(Arc::clone(shared));
                    Ok(table.with_queue(shared.name.clone(), route))
                });
                if added.is_err() {
                    // A connection has made a queue of its own of that name meanwhile.
                    shared.end();
                    mailbox.post(&mut vec![Control::End {
                        queue: Arc::clone(shared),
                        condition: DeleteIf::default(),
                        asker: None,
                    }]);
                }
            }
            Change::RemoveQueue(shared) => {
                let gone = Control::FreePages(shared.target);
                self.node.mailboxes[shared.target.executor].post(&mut vec![gone]);
                routes.change(|table| match table.queue(shared.name.as_bytes()) {
                    Some(QueueRoute::Shared(known)) if Arc::ptr_eq(known, shared) => {
                        table.without_queue(&shared.name)
                    }
                    _ => table.clone(),
                });
            }
            Change::AddExchange(name, definition) => {
                let definition = self.holding(name, definition);
                routes.change(|table| {
                    let changed = table.with_exchange(name, definition.clone());
                    changed.unwrap_or_else(|_| table.clone())
                });
            }
            Change::RemoveExchange(name) => routes.change(|table| {
                let changed = table.without_exchange(name);
                changed.unwrap_or_else(|_| table.clone())
            }),
            Change::Bind(bind) => routes.change(|table| {
                if leads_to_private(table, bind) {
                    return table.clone();
                }
                let changed = table.with_binding(bind.source.as_bytes(), binding_of(bind));
                changed.unwrap_or_else(|_| table.clone())
            }),
            Change::Unbind(bind) => routes.change(|table| {
                if leads_to_private(table, bind) {
                    return table.clone();
                }
                table.without_binding(bind.source.as_bytes(), &binding_of(bind))
            }),
            Change::LetGo(shared) => {
                if shared.let_go() {
                    let mailbox = &self.node.mailboxes[shared.target.executor];
                    mailbox.post(&mut vec![Control::LetGo(shared.target)]);
                }
            }
        }
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

    fn declare_exchange(
        &mut self,
        shard: &mut Shard,
        declare: DeclareExchange,
    ) -> Result<Reply, Refusal> {
        let DeclareExchange {
            name,
            definition,
            durability,
            lifetime,
            if_missing,
        } = declare;
        let kept = Kept {
            durability,
            lifetime,
        };
        if let Some(present) = self.decided.exchange(name.as_bytes()) {
            if if_missing == broker_api::IfMissing::Create {
                check::equal_exchange(&name, present, &definition)?;
                check::equal_kept(&name, self.exchanges.get(&name), kept)?;
            }
            return Ok(Reply::Nothing);
        }
        check::new_exchange(&name, if_missing, self.exchanges.len())?;
        self.decided = self
            .decided
            .with_exchange(&name, definition.clone())
            .map_err(|error| Refusal::Invalid(error.to_string()))?;
        if durability == Durability::Durable {
            self.last_index = shard.append(entry::EXCHANGE_DECLARED, |to| {
                entry::encode_exchange_declared(to, &name, &definition, lifetime);
            });
        }
        self.exchanges.insert(name.clone(), kept);
        self.note_applied(&name);
        self.pend(Change::AddExchange(name, definition), None);
        Ok(Reply::Nothing)
    }

    fn delete_exchange(
        &mut self,
        shard: &mut Shard,
        delete: &DeleteExchange,
    ) -> Result<Reply, Refusal> {
        let name = &delete.name;
        check::not_predeclared(name)?;
        if self.decided.exchange(name.as_bytes()).is_none() {
            return Ok(Reply::Nothing);
        }
        if delete.condition.unused && self.is_used(name) {
            return Err(Refusal::ExchangeInUse(name.clone()));
        }
        self.remove_exchange(shard, name);
        Ok(Reply::Nothing)
    }

    /// Whether bindings lead from the exchange, shared or somebody's own.
    fn is_used(&self, name: &ExchangeName) -> bool {
        if self.decided.binding_count_from(name.as_bytes()) > 0 {
            return true;
        }
        let announced = self.node.routes.load();
        let mut bindings = announced.bindings_from(name.as_bytes());
        bindings.any(|binding| match &binding.destination {
            Destination::Subscriber(_) => true,
            Destination::Queue(name) => is_private(&announced, name),
            Destination::Exchange(_) => false,
        })
    }

    fn remove_if_unused(&mut self, shard: &mut Shard, name: &ExchangeName) {
        let ends = self
            .exchanges
            .get(name)
            .is_some_and(|kept| kept.lifetime == Lifetime::UntilUnused);
        if ends && !self.is_used(name) {
            self.remove_exchange(shard, name);
        }
    }

    /// Removes an exchange with its bindings; those from which one led to it may end with it.
    fn remove_exchange(&mut self, shard: &mut Shard, name: &ExchangeName) {
        let mut ending = vec![name.clone()];
        while let Some(name) = ending.pop() {
            let Some(kept) = self.exchanges.remove(&name) else {
                continue;
            };
            let destination = Destination::Exchange(name.clone());
            let inbound = self.decided.bindings_to(&destination);
            let sources: Vec<_> = inbound.map(|(source, _)| source.clone()).collect();
            // A binding that leads back to where it comes from is counted once.
            let others = sources.iter().filter(|source| **source != name).count();
            self.binding_count -= self.decided.binding_count_from(name.as_bytes()) + others;
            if let Ok(decided) = self.decided.without_exchange(&name) {
                self.decided = decided;
            }
            if kept.durability == Durability::Durable {
                self.last_index = shard.append(entry::EXCHANGE_DELETED, |to| {
                    entry::encode_exchange_deleted(to, &name);
                });
            }
            self.applied.remove(&name);
            self.pend(Change::RemoveExchange(name), None);
            ending.extend(sources.into_iter().filter(|source| {
                let kept = self.exchanges.get(source);
                kept.is_some_and(|kept| kept.lifetime == Lifetime::UntilUnused)
                    && !self.is_used(source)
            }));
        }
    }

    fn bind(&mut self, shard: &mut Shard, bind: Bind) -> Result<Reply, Refusal> {
        check::binding_count(self.binding_count)?;
        check::arguments(&bind)?;
        let (source, binding) = (bind.source.as_bytes(), binding_of(&bind));
        let decided = self
            .decided
            .with_binding(source, binding)
            .map_err(|error| check::binding_refusal(&bind, error))?;
        if decided.version() == self.decided.version() {
            return Ok(Reply::Nothing);
        }
        self.decided = decided;
        self.binding_count += 1;
        if self.is_durable(&bind) {
            self.last_index = shard.append(entry::BOUND, |to| entry::encode_binding(to, &bind));
        }
        self.pend(Change::Bind(bind), None);
        Ok(Reply::Nothing)
    }

    fn unbind(&mut self, shard: &mut Shard, bind: Bind) -> Result<Reply, Refusal> {
        check::not_default(&bind.source)?;
        let decided = self
            .decided
            .without_binding(bind.source.as_bytes(), &binding_of(&bind));
        if decided.version() == self.decided.version() {
            return Ok(Reply::Nothing);
        }
        if self.is_durable(&bind) {
            self.last_index = shard.append(entry::UNBOUND, |to| entry::encode_binding(to, &bind));
        }
        self.decided = decided;
        self.binding_count -= 1;
        let source = bind.source.clone();
        self.pend(Change::Unbind(bind), None);
        self.remove_if_unused(shard, &source);
        Ok(Reply::Nothing)
    }

    /// Whether both ends of a binding are durable.
    fn is_durable(&self, bind: &Bind) -> bool {
        let exchange = |name: &ExchangeName| {
            let kept = self.exchanges.get(name);
            kept.is_some_and(|kept| kept.durability == Durability::Durable)
        };
        exchange(&bind.source)
            && match &bind.destination {
                BindTo::Exchange(name) => exchange(name),
                BindTo::Queue(name) => {
                    let shared = self.decided.queue(name.as_bytes());
                    shared.is_some_and(|shared| shared.definition.durability == Durability::Durable)
                }
            }
    }

    fn list_exchanges(&self) -> Reply {
        let listed = |(name, definition): (&ExchangeName, &ExchangeDefinition)| {
            let kept = self.exchanges.get(name)?;
            Some(ListedExchange {
                name: name.clone(),
                definition: definition.clone(),
                durability: kept.durability,
                lifetime: kept.lifetime,
                applied: self.applied.get(name).cloned().unwrap_or_default(),
                binding_count: self.decided.binding_count_from(name.as_bytes()) as u64,
            })
        };
        Reply::Exchanges(self.decided.exchanges().filter_map(listed).collect())
    }

    /// The records that a snapshot of shard 0 begins with.
    pub(crate) fn snapshot(&self) -> Vec<(u8, Vec<u8>)> {
        let mut records = Vec::new();
        let mut push = |kind, encode: &dyn Fn(&mut Vec<u8>)| {
            let mut record = Vec::new();
            encode(&mut record);
            records.push((kind, record));
        };
        push(entry::QUEUE_IDS, &|to| {
            entry::encode_queue_ids(to, self.next_queue.max(self.reserved_queue));
        });
        for (name, definition) in self.decided.exchanges() {
            let Some(kept) = self.exchanges.get(name) else {
                continue;
            };
            if kept.durability == Durability::Durable && check::not_predeclared(name).is_ok() {
                push(entry::EXCHANGE_DECLARED, &|to| {
                    entry::encode_exchange_declared(to, name, definition, kept.lifetime);
                });
            }
        }
        for (name, shared) in self.decided.queues() {
            if shared.definition.durability == Durability::Durable {
                let QueueTarget { queue, shard, .. } = shared.target;
                push(entry::QUEUE_DECLARED, &|to| {
                    entry::encode_queue_declared(to, queue, shard, &shared.definition, name);
                });
            }
        }
        for (source, binding) in self.decided.bindings() {
            if let Some(bind) = bind_of(source, binding)
                && self.is_durable(&bind)
            {
                push(entry::BOUND, &|to| entry::encode_binding(to, &bind));
            }
        }
        for (queue, keeper) in self.keeps.iter() {
            push(entry::KEPT, &|to| entry::encode_keep(to, queue, keeper));
        }
        records
    }

    /// Where a new queue is to live: in turn.
    fn place(&self, queue: QueueId) -> ShardId {
        let place = queue.0 % self.homes.len().max(1) as u64;
        let place = usize::try_from(place).unwrap_or_default();
        self.homes.get(place).copied().unwrap_or_default()
    }
}

/// Whether the name is that of a queue of some connection's own.
fn is_private(table: &Snapshot, name: &QueueName) -> bool {
    matches!(table.queue(name.as_bytes()), Some(QueueRoute::Private(_)))
}

/// Whether a shared binding would lead to a queue that has taken the name of the one it was made for.
fn leads_to_private(table: &Snapshot, bind: &Bind) -> bool {
    match &bind.destination {
        BindTo::Queue(name) => is_private(table, name),
        BindTo::Exchange(_) => false,
    }
}

/// A binding as routing keeps it.
pub(crate) fn binding_of<K>(bind: &Bind) -> Binding<K> {
    Binding {
        destination: match &bind.destination {
            BindTo::Queue(name) => Destination::Queue(name.clone()),
            BindTo::Exchange(name) => Destination::Exchange(name.clone()),
        },
        key: bind.key.clone(),
        arguments: bind.arguments.clone(),
    }
}

/// A binding as the waist names it; none for somebody's own subscription.
pub(crate) fn bind_of<K>(source: &ExchangeName, binding: &Binding<K>) -> Option<Bind> {
    Some(Bind {
        source: source.clone(),
        destination: match &binding.destination {
            Destination::Queue(name) => BindTo::Queue(name.clone()),
            Destination::Exchange(name) => BindTo::Exchange(name.clone()),
            Destination::Subscriber(_) => return None,
        },
        key: binding.key.clone(),
        arguments: binding.arguments.clone(),
    })
}
