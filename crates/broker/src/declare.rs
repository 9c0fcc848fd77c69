//! Queues, exchanges and bindings, as a connection asks for them. What is shared goes to shard 0; what belongs
//! to the connection alone stands only in the routes.

use crate::Node;
use crate::connection::{Connection, Subscription};
use crate::mailbox::Control;
use crate::private::PrivateQueue;
use crate::routes::{PrivateQueueId, PrivateTarget, QueueRoute};
use crate::topology::check::{self, GENERATED};
use crate::topology::{Request, bind_of, binding_of};
use crate::transaction::Asker;
use broker_api::{
    Bind, BindTo, DeclareExchange, DeclareQueue, DeleteExchange, DeleteQueue, Event, IfExists,
    Listing, Refusal, Reply,
};
use model::{CommandId, ExchangeName, Instant, Ownership, QueueName};
use queue::SubscriberId;
use routing::Destination;
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

/// Names that are always there begin so; they never end for want of use.
const PREDECLARED: &[u8] = b"amq.";

impl Connection {
    pub(crate) fn asker(&self, command: CommandId) -> Asker {
        Asker {
            outbox: Arc::clone(&self.outbox),
            command,
            follow: None,
        }
    }

    /// Asks shard 0.
    fn ask(&mut self, command: CommandId, request: Request) {
        let asker = self.asker(command);
        self.control(0, Control::Topology(Box::new(request), Some(asker)));
    }

    pub(crate) fn declare_queue(
        &mut self,
        now: Instant,
        command: CommandId,
        declare: DeclareQueue,
    ) {
        let name = match &declare.name {
            Some(start) if declare.if_exists == IfExists::Another => {
                match secret_name(&self.node, start) {
                    Ok(name) => name,
                    Err(refusal) => return self.refuse(command, refusal),
                }
            }
            Some(name) => name.clone(),
            None => self.generated_name(),
        };
        let route = self.node.routes.load().queue(name.as_bytes()).cloned();
        let done = match route {
            Some(QueueRoute::Private(target)) => {
                self.declare_known_private(now, &target, &name, &declare)
            }
            Some(QueueRoute::Shared(shared)) if !shared.is_ended() => {
                let equal = shared
                    .check()
                    .and_then(|()| check::equal_definition(&name, &shared.definition, &declare));
                match equal {
                    Ok(()) => {
                        let (executor, asker) = (shared.target.executor, self.asker(command));
                        let queue = shared;
                        self.control_behind(executor, Control::Declared { queue, asker });
                        return;
                    }
                    Err(refusal) => Err(refusal),
                }
            }
            Some(QueueRoute::Shared(_)) | None => {
                if declare.definition.ownership == Ownership::Shared {
                    self.ask(command, Request::DeclareQueue(declare, name));
                    return;
                }
                self.declare_private(now, &declare, name)
            }
        };
        self.answer(command, done);
    }

    /// A name that no other queue has: from what the process, the connection and the connection's queues are
    /// numbered by, spread so that nobody guesses it.
    fn generated_name(&mut self) -> QueueName {
        loop {
            let id = self.new_private_id();
            let mut hash = Sha256::new();
            let (connection, queue) = (self.outbox.connection().0, u64::from(id.0));
            for number in [self.node.settings.seed, connection, queue] {
                hash.update(number.to_le_bytes());
            }
            let text = with_digits(GENERATED, &hash.finalize()[..16]);
            let name = QueueName::new(&text).expect("it is short");
            // One from before a restart may have it, were both processes numbered by the same.
            if self.node.routes.load().queue(name.as_bytes()).is_none() {
                return name;
            }
        }
    }

    pub(crate) fn new_private_id(&mut self) -> PrivateQueueId {
        self.private_last += 1;
        PrivateQueueId(self.private_last)
    }

    fn declare_known_private(
        &mut self,
        now: Instant,
        target: &PrivateTarget,
        name: &QueueName,
        declare: &DeclareQueue,
    ) -> Result<Reply, Refusal> {
        let own = Arc::ptr_eq(&target.outbox, &self.outbox);
        let private = self.private_queues.get_mut(&target.queue);
        let private = private.filter(|_| own);
        let private = private.ok_or_else(|| Refusal::QueueLocked(name.clone()))?;
        check::equal_definition(name, &target.definition, declare)?;
        private.note_use(now);
        self.fill_private(now);
        let private = self.private_queues.get(&target.queue);
        let private = private.ok_or_else(|| Refusal::QueueNotFound(name.clone()))?;
        Ok(Reply::Queue(Box::new(private.status(name.clone()))))
    }

    fn declare_private(
        &mut self,
        now: Instant,
        declare: &DeclareQueue,
        name: QueueName,
    ) -> Result<Reply, Refusal> {
        check::queue_name(declare, &name)?;
        let id = self.new_private_id();
        let definition = Arc::new(declare.definition.clone());
        let target = PrivateTarget {
            outbox: Arc::clone(&self.outbox),
            queue: id,
            definition: Arc::clone(&definition),
        };
        self.node
            .routes
            .try_change(|table| match table.queue(name.as_bytes()) {
                Some(QueueRoute::Shared(shared)) if shared.is_ended() => {
                    // Its bindings end with it.
                    let table = table.without_queue(&name);
                    Ok(table.with_queue(name.clone(), QueueRoute::Private(target.clone())))
                }
                None => Ok(table.with_queue(name.clone(), QueueRoute::Private(target.clone()))),
                Some(QueueRoute::Shared(_) | QueueRoute::Private(_)) => {
                    Err(Refusal::QueueLocked(name.clone()))
                }
            })?;
        let seed = self.node.settings.seed;
        let policies = &self.node.settings.policies;
        let applied = policies.for_queue(name.as_bytes(), &definition);
        let private = PrivateQueue::new(now, Some(name.clone()), definition, &applied, seed);
        let status = private.status(name);
        self.private_queues.insert(id, private);
        // It may have to end by itself.
        self.queue_private(id);
        Ok(Reply::Queue(Box::new(status)))
    }

    pub(crate) fn delete_queue(&mut self, now: Instant, command: CommandId, delete: DeleteQueue) {
        let DeleteQueue { name, condition } = delete;
        let route = self.node.routes.load().queue(name.as_bytes()).cloned();
        let done = match route {
            None => Ok(Reply::Count(0)),
            Some(QueueRoute::Shared(queue)) => {
                let asker = Some(self.asker(command));
                let end = Control::End {
                    condition,
                    asker,
                    queue: Arc::clone(&queue),
                };
                self.control_behind(queue.target.executor, end);
                return;
            }
            Some(QueueRoute::Private(target)) => {
                let own = Arc::ptr_eq(&target.outbox, &self.outbox);
                self.fill_private(now);
                let status = |private: &mut PrivateQueue| {
                    private.tick(now);
                    private.status(name.clone())
                };
                let status = if own {
                    self.change_private(now, target.queue, status)
                } else {
                    None
                };
                match status {
                    None => Err(Refusal::QueueLocked(name)),
                    Some(status) => {
                        if condition.unused && status.subscription_count > 0 {
                            Err(Refusal::QueueInUse(name))
                        } else if condition.empty && status.ready_count > 0 {
                            Err(Refusal::QueueNotEmpty(name))
                        } else {
                            self.end_private(target.queue);
                            Ok(Reply::Count(status.ready_count))
                        }
                    }
                }
            }
        };
        self.answer(command, done);
    }

    /// Ends a queue of the connection's own, and the subscriptions to it.
    pub(crate) fn end_private(&mut self, id: PrivateQueueId) {
        let Some(mut private) = self.private_queues.remove(&id) else {
            return;
        };
        self.private_bytes -= private.bytes();
        for command in private.take_gets(None) {
            if let Some(name) = &private.name {
                self.refuse(command, Refusal::QueueDeleted(name.clone()));
            }
        }
        let sources = self.sources_of(&private);
        self.remove_private_route(id, &private);
        for subscription in private.subscriptions() {
            if let Some(Subscription::Private { .. }) = self.subscriptions.remove(&subscription)
                && let Some(name) = &private.name
            {
                let refusal = Refusal::QueueDeleted(name.clone());
                self.answers.push_back(Event::Ended(subscription, refusal));
            }
        }
        for source in sources {
            self.note_unbound(source);
        }
    }

    /// Lets a private queue change, with an eye on what it holds and on what becomes dead letters.
    pub(crate) fn change_private<T>(
        &mut self,
        now: Instant,
        id: PrivateQueueId,
        change: impl FnOnce(&mut PrivateQueue) -> T,
    ) -> Option<T> {
        let private = self.private_queues.get_mut(&id)?;
        let before = private.bytes();
        let changed = change(private);
        private.take_letters(self.node.settings.heads, now, &mut self.letters);
        self.private_bytes = self.private_bytes - before + private.bytes();
        Some(changed)
    }

    /// The exchanges that fill a queue.
    pub(crate) fn sources_of(&self, private: &PrivateQueue) -> Vec<ExchangeName> {
        let Some(name) = &private.name else {
            return Vec::new();
        };
        self.sources_to(&Destination::Queue(name.clone()))
    }

    /// The exchanges from which bindings lead to a destination of the connection's own.
    pub(crate) fn sources_to(&self, destination: &Destination<SubscriberId>) -> Vec<ExchangeName> {
        let table = self.node.routes.load();
        let inbound = table.bindings_to(destination);
        inbound.map(|(source, _)| source.clone()).collect()
    }

    pub(crate) fn purge_queue(&mut self, now: Instant, command: CommandId, name: QueueName) {
        let route = self.node.routes.load().queue(name.as_bytes()).cloned();
        match route {
            None => self.refuse(command, Refusal::QueueNotFound(name)),
            Some(QueueRoute::Shared(shared)) => {
                let (target, asker) = (shared.target, self.asker(command));
                self.control_behind(target.executor, Control::Purge { target, asker });
            }
            Some(QueueRoute::Private(target)) => {
                let own = Arc::ptr_eq(&target.outbox, &self.outbox);
                self.fill_private(now);
                let purge = |private: &mut PrivateQueue| {
                    private.tick(now);
                    private.purge()
                };
                let count = if own {
                    self.change_private(now, target.queue, purge)
                } else {
                    None
                };
                let done = count.ok_or(Refusal::QueueLocked(name));
                self.answer(command, done.map(Reply::Count));
            }
        }
    }

    pub(crate) fn declare_exchange(&mut self, command: CommandId, declare: DeclareExchange) {
        self.ask(command, Request::DeclareExchange(declare));
    }

    pub(crate) fn delete_exchange(&mut self, command: CommandId, delete: DeleteExchange) {
        self.ask(command, Request::DeleteExchange(delete));
    }

    pub(crate) fn bind(&mut self, command: CommandId, bind: Bind) {
        let own = self.is_own(&bind.destination);
        match own {
            Ok(false) => self.ask(command, Request::Bind(bind)),
            Ok(true) => {
                let bound = self.node.routes.try_change(|table| {
                    table.with_binding(bind.source.as_bytes(), binding_of(&bind))
                });
                let done = bound.map_err(|error| check::binding_refusal(&bind, error));
                self.answer(command, done.map(|()| Reply::Nothing));
            }
            Err(refusal) => self.refuse(command, refusal),
        }
    }

    pub(crate) fn unbind(&mut self, command: CommandId, bind: Bind) {
        match self.is_own(&bind.destination) {
            Ok(false) => self.ask(command, Request::Unbind(bind)),
            Ok(true) => {
                let mut was_bound = false;
                self.node.routes.change(|table| {
                    let changed = table.without_binding(bind.source.as_bytes(), &binding_of(&bind));
                    was_bound = changed.version() != table.version();
                    changed
                });
                if was_bound {
                    self.note_unbound(bind.source);
                }
                self.done(command);
            }
            Err(refusal) => self.refuse(command, refusal),
        }
    }

    /// Whether a binding leads to a queue of the connection's own.
    fn is_own(&self, destination: &BindTo) -> Result<bool, Refusal> {
        let BindTo::Queue(name) = destination else {
            return Ok(false);
        };
        match self.node.routes.load().queue(name.as_bytes()) {
            Some(QueueRoute::Private(target)) if Arc::ptr_eq(&target.outbox, &self.outbox) => {
                Ok(true)
            }
            Some(QueueRoute::Private(_)) => Err(Refusal::QueueLocked(name.clone())),
            Some(QueueRoute::Shared(_)) | None => Ok(false),
        }
    }

    /// A binding of the connection's own from the exchange has gone: it may end with that.
    pub(crate) fn note_unbound(&mut self, source: ExchangeName) {
        if !source.as_bytes().starts_with(PREDECLARED) {
            let request = Box::new(Request::ExchangeUnused(source));
            self.control(0, Control::Topology(request, None));
        }
    }

    pub(crate) fn list(&mut self, command: CommandId, listing: Listing) {
        let table = self.node.routes.load();
        let reply = match listing {
            Listing::Exchanges => {
                drop(table);
                self.ask(command, Request::ListExchanges);
                return;
            }
            Listing::Queues => {
                let listed = |(_, route): (_, &QueueRoute)| match route {
                    QueueRoute::Shared(shared) => Some(shared.listed()),
                    QueueRoute::Private(_) => None,
                };
                Reply::Queues(table.queues().filter_map(listed).collect())
            }
            Listing::Bindings => {
                let bindings = table.bindings();
                let binds = bindings.filter_map(|(source, binding)| bind_of(source, binding));
                Reply::Bindings(binds.collect())
            }
            Listing::Users => Reply::Users(self.node.logins.listed()),
        };
        drop(table);
        self.answer(command, Ok(reply));
    }
}

/// A name that begins so, and ends with what nobody can foresee.
fn secret_name(node: &Node, start: &QueueName) -> Result<QueueName, Refusal> {
    let text = with_digits(start.as_bytes(), &node.settings.entropy.draw()[..16]);
    QueueName::new(&text).map_err(|error| Refusal::Invalid(error.to_string()))
}

/// The start of a name with bytes in hexadecimal behind it.
fn with_digits(start: &[u8], bytes: &[u8]) -> Vec<u8> {
    let mut text = start.to_vec();
    for byte in bytes {
        text.extend_from_slice(format!("{byte:02x}").as_bytes());
    }
    text
}
