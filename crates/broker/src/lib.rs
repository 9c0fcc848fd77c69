//! The core: routes, shards, outboxes. Composed of pure parts and stepped by a shell.
//!
//! A [`Broker`] attaches connections; each gets a [`Connection`], which carries out its commands:
//! - **direct**: a publish to topic subscribers is pushed into their outboxes by
//!   the publisher's own task;
//! - **private**: a topic subscription that settles by itself has a queue of its own, run by its own
//!   connection and fed through its outbox;
//! - **sharded**: a publish to a shared queue goes to the mailbox of the [`Executor`] that runs the
//!   queue's shard, into its log, and is confirmed and delivered once the log is durable.
//!
//! Passwords are checked by a [`LoginWorker`] beside all of that.
//!
//! What is absent: no socket, no task, no clock, no disk, no protocol. A shell calls
//! [`Executor::step`] when its waker is woken or its deadline passed, and the store's journal makes
//! its rounds beside it; the simulator does both in one thread.
//!
//! Locks: an outbox and a mailbox each have one, held for pushes and takes only, never together. Who publishes what is to
//! be retained holds a turn with its key meanwhile (`retained`).

mod blocked;
mod commit;
mod connection;
mod counters;
mod dead_letter;
mod declare;
mod deliver;
mod entropy;
mod entry;
mod estate;
mod event_bytes;
mod executor;
mod follow;
mod get;
mod hand_over;
mod head;
mod hold;
mod holding;
mod identities;
mod keeps;
mod lent;
mod login;
mod logins;
mod mailbox;
mod outbox;
mod permit;
mod present;
mod private;
mod publish;
mod recovery;
mod retained;
mod routes;
mod settings;
mod settle;
mod shard;
mod shared_queue;
mod show;
mod subscribe;
mod topology;
mod transaction;

pub use connection::Connection;
pub use counters::{Counters, Totals};
pub use entropy::Entropy;
pub use entry::EntryError;
pub use executor::{Executor, Step};
pub use logins::{LoginWorker, UserKeeper};
pub use recovery::{LostPage, Recovered, Recovery, RecoveryError};
pub use settings::{Address, Composite, Settings, StalledPolicy, VirtualTopics};
pub use shard::OnItsWay;

use blocked::Blocked;
use counters::Gauge;
use estate::{EstateBytes, KeptQueues};
use identities::Identities;
use log_store::ShardLog;
use logins::Logins;
use mailbox::Mailbox;
use model::{ConnectionId, Instant, QueueRules, ShardId};
use present::Present;
use retained::Retained;
use routes::{QueueRoute, Routes};
use shared_queue::SharedQueue;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The part of a node that all its connections and executors share.
pub(crate) struct Node {
    pub(crate) settings: Settings,
    pub(crate) routes: Routes,
    /// One per executor.
    pub(crate) mailboxes: Vec<Arc<Mailbox>>,
    pub(crate) queued: QueuedBytes,
    pub(crate) letters: LetterBytes,
    pub(crate) estates: EstateBytes,
    pub(crate) kept_queues: KeptQueues,
    pub(crate) saving: Saving,
    pub(crate) blocked: Blocked,
    pub(crate) identities: Identities,
    pub(crate) present: Present,
    pub(crate) retained: Retained,
    pub(crate) logins: Logins,
    pub(crate) subscriptions: Gauge,
    pub(crate) counters: Arc<Counters>,
    /// What the queues that ask for nothing special have in common: most, and often many.
    plain_rules: Arc<QueueRules>,
}

impl Node {
    /// The executor that runs a shard.
    pub(crate) fn executor_of(&self, shard: ShardId) -> usize {
        usize::from(shard.0) % self.mailboxes.len()
    }

    /// The rules that hold for a queue: what it was declared as, and what policies add.
    pub(crate) fn rules_of(&self, shared: &SharedQueue) -> Arc<QueueRules> {
        self.shared_rules(&shared.applied.rules(&shared.definition))
    }

    /// The rules of a queue, shared with the others that have none of their own.
    pub(crate) fn shared_rules(&self, rules: &QueueRules) -> Arc<QueueRules> {
        if *rules == *self.plain_rules {
            Arc::clone(&self.plain_rules)
        } else {
            Arc::new(rules.clone())
        }
    }
}

/// What the messages in all shared queues are charged with.
#[derive(Debug, Default)]
pub(crate) struct QueuedBytes(AtomicUsize);

impl QueuedBytes {
    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn add(&self, bytes: usize) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Returns whether this has brought the sum from `limit` or above to below it.
    #[must_use]
    pub(crate) fn subtract(&self, bytes: usize, limit: usize) -> bool {
        let before = self.0.fetch_sub(bytes, Ordering::AcqRel);
        before >= limit && before - bytes < limit
    }
}

/// Pages that are being saved, and shards that have just not been able to and will try again: memory will fall.
#[derive(Debug, Default)]
pub(crate) struct Saving(AtomicUsize);

impl Saving {
    pub(crate) fn begin(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn end(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether there are any.
    pub(crate) fn is_hopeful(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
}

/// What is brought back into memory for transactions that make dead letters of it: all at once, for each takes effect
/// with one record.
#[derive(Debug, Default)]
pub(crate) struct LetterBytes(AtomicUsize);

/// So many bytes at least may be brought back at a time, whatever the memory for queued messages.
const LETTER_BYTES_MIN: usize = 32 << 20;

impl LetterBytes {
    /// What may be brought back at a time, with so much memory for queued messages.
    pub(crate) fn max(queued_bytes: usize) -> usize {
        (queued_bytes / 4).max(LETTER_BYTES_MIN)
    }

    /// Whether so many bytes more may be brought back; if so, they count until they are released.
    #[must_use]
    pub(crate) fn reserve(&self, bytes: usize, max: usize) -> bool {
        let grown = |reserved: usize| {
            let sum = reserved.checked_add(bytes)?;
            (bytes == 0 || sum <= max).then_some(sum)
        };
        let order = Ordering::Relaxed;
        self.0.fetch_update(order, order, grown).is_ok()
    }

    pub(crate) fn release(&self, bytes: usize) {
        self.0.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// A handle to the core: attaches connections. Cheap to clone.
#[derive(Clone)]
pub struct Broker {
    node: Arc<Node>,
}

impl Broker {
    /// Puts a node together from its logs and what was replayed from them. The executors are to be
    /// stepped by the caller, each by one thread or task at a time.
    ///
    /// `logs` are those of all shards, by ascending id. `now` is when what queues have to do by themselves
    /// (expire, for want of use) begins to count again.
    ///
    /// # Errors
    /// [`RecoveryError`] when the records do not fit each other.
    pub fn open(
        settings: Settings,
        now: Instant,
        logs: Vec<Box<dyn ShardLog>>,
        recovery: Recovery,
    ) -> Result<(Self, Vec<Executor>, Recovered), RecoveryError> {
        let (shards, recovered) = recovery.finish(logs.len())?;
        let count = settings.executors.max(1).min(logs.len().max(1));
        let node = Arc::new(Node {
            routes: Routes::default(),
            mailboxes: (0..count).map(|_| Arc::default()).collect(),
            queued: QueuedBytes::default(),
            letters: LetterBytes::default(),
            estates: EstateBytes::default(),
            kept_queues: KeptQueues::default(),
            saving: Saving::default(),
            blocked: Blocked::default(),
            identities: Identities::default(),
            present: Present::default(),
            retained: Retained::new(logs.len()),
            logins: Logins::new(&settings),
            subscriptions: Gauge::default(),
            counters: Arc::default(),
            plain_rules: Arc::new(QueueRules::PLAIN),
            settings,
        });
        let executors = executor::assemble(&node, now, logs, shards);
        Ok((Self { node }, executors, recovered))
    }

    /// The broker's side of a new connection.
    #[must_use]
    pub fn attach(&self, id: ConnectionId, peer: broker_api::Peer) -> Connection {
        Connection::new(Arc::clone(&self.node), id, peer)
    }

    /// The broker's side of a new connection whose other end can only be who runs the broker.
    #[must_use]
    pub fn attach_operator(&self, id: ConnectionId, peer: broker_api::Peer) -> Connection {
        let mut connection = self.attach(id, peer);
        connection.is_operators = true;
        connection
    }

    /// What does the part of logins that takes long; there should be one.
    #[must_use]
    pub fn login_worker(&self) -> LoginWorker {
        LoginWorker::new(Arc::clone(&self.node))
    }

    /// The subscriptions of all connections.
    #[must_use]
    pub fn subscription_count(&self) -> usize {
        self.node.subscriptions.get()
    }

    /// How many messages are in all shared queues, and what they are charged with in memory, in bytes. Looks at
    /// every queue.
    #[must_use]
    pub fn queued(&self) -> (u64, u64) {
        let table = self.node.routes.load();
        let shared = table.queues().filter_map(|(_, route)| match route {
            QueueRoute::Shared(shared) => Some(shared.status()),
            QueueRoute::Private(_) => None,
        });
        shared.fold((0, 0), |(count, bytes), status| {
            let messages = status.ready_count + status.unsettled_count;
            (count + messages, bytes + status.bytes)
        })
    }

    /// The retained messages.
    #[must_use]
    pub fn retained_count(&self) -> usize {
        self.node.retained.count()
    }

    /// What the messages in all shared queues are charged with in memory, in bytes.
    #[must_use]
    pub fn queued_bytes(&self) -> usize {
        self.node.queued.get()
    }

    /// What has been counted since the start.
    #[must_use]
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.node.counters)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_much_is_brought_back_for_transactions_and_no_more() {
        let letters = LetterBytes::default();
        assert!(letters.reserve(60, 100) && !letters.reserve(41, 100));
        assert!(letters.reserve(40, 100) && letters.reserve(0, 100));
        letters.release(60);
        assert!(letters.reserve(60, 100) && !letters.reserve(usize::MAX, usize::MAX));
        assert_eq!(LetterBytes::max(0), 32 << 20);
        assert_eq!(LetterBytes::max(1 << 30), 256 << 20);
    }
}
