//! The input of an executor.

use crate::outbox::Outbox;
use crate::retained::{Setting, UnderWay};
use crate::routes::{QueueTarget, Targets};
use crate::shared_queue::SharedQueue;
use crate::topology::{Request, Wish};
use crate::transaction::{Asker, Decision, OfferId, Part, TransactionId};
use broker_api::{DeleteIf, Grant, Note, Refusal, Will};
use model::{
    CommandId, ConnectionId, Message, Outcome, Pattern, QueueId, QueueName, Sequence, ShardId,
};
use parking_lot::Mutex;
use queue::{SubscriberId, SubscriptionOptions};
use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Wake, Waker};

/// Publishes may wait in a mailbox up to this many bytes; more are refused.
const PUBLISH_BYTES_MAX: usize = 4 << 20;

/// What is always admitted.
pub(crate) enum Control {
    Subscribe(Subscribing),
    Cancel {
        /// Who is answered.
        outbox: Arc<Outbox>,
        subscriber: SubscriberId,
        target: QueueTarget,
        command: CommandId,
    },
    /// End a subscription but for what it has not settled.
    StepAside {
        /// Who is answered.
        outbox: Arc<Outbox>,
        subscriber: SubscriberId,
        target: QueueTarget,
        command: CommandId,
    },
    Grant {
        subscriber: SubscriberId,
        target: QueueTarget,
        grant: Grant,
    },
    /// Go on delivering what is ready to a subscription, then take the rest of its grant away.
    Drain {
        subscriber: SubscriberId,
        target: QueueTarget,
    },
    Settle(Settlement),
    /// Change notes beside a queue.
    Note(Noting),
    /// Tell what is kept beside a queue.
    Recall {
        subscriber: SubscriberId,
        target: QueueTarget,
        asker: Asker,
    },
    /// Keep what is to happen once a subscription is gone.
    Bequeath(Box<Bequeathing>),
    /// Have a queue kept by the one that a subscription has taken over, or not any more.
    Keep(Box<Keeping>),
    /// The connection's outbox has room again.
    Room(ConnectionId),
    /// The connection has ended.
    Closed(ConnectionId),
    /// For the executor of shard 0: change what there is, or tell of it.
    Topology(Box<Request>, Option<Asker>),
    /// A queue was declared; its executor hosts it from now on.
    Adopt(Arc<SharedQueue>),
    /// For the host: a queue was declared again, which counts as a use; tell what it holds.
    Declared {
        queue: Arc<SharedQueue>,
        asker: Asker,
    },
    /// For the host: no other queue keeps it any more.
    LetGo(QueueTarget),
    /// For the host: the end of a queue is durable.
    FreePages(QueueTarget),
    /// For the host: end a queue, on a condition.
    End {
        queue: Arc<SharedQueue>,
        condition: DeleteIf,
        asker: Option<Asker>,
    },
    /// For the host: take the ready messages out of a queue.
    Purge {
        target: QueueTarget,
        asker: Asker,
    },
    /// What is retained goes into a queue.
    Fill(Box<Filling>),
    /// A message from another shard.
    Forward(Box<Forward>),
    /// A shard has what was forwarded to it.
    Forwarded {
        from: ShardId,
        id: u64,
        by: ShardId,
    },
    /// A transaction on one shard.
    Transact {
        shard: ShardId,
        part: Box<Part>,
        asker: Asker,
    },
    /// What a shard will have to prepare: from here on, nothing else ends the deliveries in it.
    Offer {
        shard: ShardId,
        offer: OfferId,
        part: Box<Part>,
    },
    /// A transaction on several shards, for its coordinator. Each has been offered its part.
    Begin {
        coordinator: ShardId,
        shards: Vec<ShardId>,
        offer: OfferId,
        asker: Asker,
    },
    /// A shard has to prepare what it was offered.
    Prepare {
        shard: ShardId,
        id: TransactionId,
        offer: OfferId,
    },
    /// A shard has prepared its part, or cannot.
    Voted {
        id: TransactionId,
        by: ShardId,
        vote: Result<(), Refusal>,
    },
    /// What is to become of what a shard has prepared.
    Decided(Box<Decided>),
    /// A shard has done as decided.
    Applied {
        id: TransactionId,
        by: ShardId,
    },
}

/// What is to become of what a shard has prepared.
pub(crate) struct Decided {
    pub(crate) shard: ShardId,
    pub(crate) id: TransactionId,
    pub(crate) decision: Decision,
    /// What has been set of what is retained in the shard's log, in order; nothing after a crash.
    pub(crate) settings: Vec<Setting>,
}

/// A subscription to a shared queue, as its host is told.
pub(crate) struct Subscribing {
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) subscriber: SubscriberId,
    pub(crate) target: QueueTarget,
    pub(crate) name: QueueName,
    pub(crate) options: SubscriptionOptions,
    pub(crate) drain: bool,
    /// All others end, and the queue is kept for this user.
    pub(crate) takes_over: Option<Box<str>>,
    pub(crate) command: CommandId,
}

/// Notes that a subscription changes.
pub(crate) struct Noting {
    pub(crate) subscriber: SubscriberId,
    pub(crate) target: QueueTarget,
    pub(crate) entries: Vec<Note>,
    pub(crate) accepted: Vec<Sequence>,
    pub(crate) asker: Asker,
}

/// What is retained under some keys, and is to go into a queue.
pub(crate) struct Filling {
    pub(crate) target: QueueTarget,
    pub(crate) pattern: Pattern,
    pub(crate) asker: Asker,
}

/// What a subscription bequeaths.
pub(crate) struct Bequeathing {
    pub(crate) subscriber: SubscriberId,
    pub(crate) target: QueueTarget,
    pub(crate) expires_ms: Option<u64>,
    pub(crate) will: Option<Will>,
    pub(crate) asker: Asker,
}

/// A queue that a subscription wants to have kept, or not any more.
pub(crate) struct Keeping {
    pub(crate) subscriber: SubscriberId,
    /// The keeper.
    pub(crate) target: QueueTarget,
    pub(crate) queue: QueueName,
    pub(crate) wish: Wish,
    pub(crate) asker: Asker,
}

/// Deliveries that have ended.
pub(crate) struct Settlement {
    pub(crate) subscriber: SubscriberId,
    pub(crate) target: QueueTarget,
    pub(crate) sequences: Vec<Sequence>,
    pub(crate) outcome: Outcome,
    /// Who is told once it is durable.
    pub(crate) confirm: Option<(Arc<Outbox>, CommandId)>,
}

/// A message that a shard sends to queues of another (or of its own).
pub(crate) struct Forward {
    /// The shard that it is for.
    pub(crate) shard: ShardId,
    pub(crate) queues: Vec<QueueId>,
    pub(crate) message: Message,
    /// What has been set, where the message is retained in the shard's log.
    pub(crate) setting: Option<Box<Setting>>,
    /// Who keeps it until it is told that it has come; nobody does if the message may be lost.
    pub(crate) from: Option<(ShardId, u64)>,
}

/// A message for shared queues, or for the log as a retained one.
pub(crate) struct Publish {
    pub(crate) to: PublishTo,
    pub(crate) message: Message,
    pub(crate) confirm: Option<CommandId>,
}

/// Where a publish goes. Each shard of several answers by itself.
pub(crate) enum PublishTo {
    One(QueueTarget),
    Many(Arc<Targets>),
    /// It is the last of its key; the log is that of this shard.
    Log(ShardId, Box<Setting>),
}

/// The publishes that one read batch of one connection has for one executor.
pub(crate) struct PublishBatch {
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) publishes: Vec<Publish>,
    /// A command that is confirmed, in part, once all these and all before them have been taken.
    pub(crate) mark: Option<CommandId>,
    /// The key of the one among them that is retained, which transactions wait for.
    pub(crate) under_way: Option<Arc<UnderWay>>,
    pub(crate) bytes: usize,
}

/// The input of one executor: what is always admitted, and publishes up to a limit.
#[derive(Default)]
pub(crate) struct Mailbox {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    controls: Vec<Control>,
    publishes: VecDeque<PublishBatch>,
    publish_bytes: usize,
    /// The store has news (a commit, a failure, the wish for a snapshot).
    is_store_news: bool,
    /// Something else has changed that the executor looks at by itself.
    is_nudged: bool,
    /// The executor waits.
    waker: Option<Waker>,
    /// Connections whose publishes were refused.
    refused: Vec<Waker>,
}

/// What an executor takes out of its mailbox at once.
#[derive(Default)]
pub(crate) struct Taken {
    pub(crate) controls: Vec<Control>,
    pub(crate) publishes: VecDeque<PublishBatch>,
    pub(crate) is_store_news: bool,
}

impl Mailbox {
    /// Puts controls in and leaves the list empty.
    pub(crate) fn post(&self, controls: &mut Vec<Control>) {
        let mut state = self.state.lock();
        state.controls.append(controls);
        let waker = state.waker.take();
        drop(state);
        waker.into_iter().for_each(Waker::wake);
    }

    /// Puts publishes in, unless there are too many; then hands them back and keeps `waker` to be
    /// called when there is room.
    pub(crate) fn offer(&self, batch: PublishBatch, refused: &Waker) -> Result<(), PublishBatch> {
        let mut state = self.state.lock();
        if state.publish_bytes >= PUBLISH_BYTES_MAX {
            if !state.refused.iter().any(|waker| waker.will_wake(refused)) {
                state.refused.push(refused.clone());
            }
            return Err(batch);
        }
        Self::admit(state, batch);
        Ok(())
    }

    /// Has connections whose publishes were refused look again at what they wait for.
    pub(crate) fn wake_refused(&self) {
        let refused = std::mem::take(&mut self.state.lock().refused);
        refused.into_iter().for_each(Waker::wake);
    }

    /// Puts publishes in whatever there is: the last words of a connection that has ended.
    pub(crate) fn force(&self, batch: PublishBatch) {
        Self::admit(self.state.lock(), batch);
    }

    fn admit(mut state: parking_lot::MutexGuard<'_, State>, batch: PublishBatch) {
        state.publish_bytes += batch.bytes;
        state.publishes.push_back(batch);
        let waker = state.waker.take();
        drop(state);
        waker.into_iter().for_each(Waker::wake);
    }

    /// Has the executor look again at what it looks at by itself. Not lost if it is about to wait.
    pub(crate) fn nudge(&self) {
        let mut state = self.state.lock();
        state.is_nudged = true;
        let waker = state.waker.take();
        drop(state);
        waker.into_iter().for_each(Waker::wake);
    }

    /// Takes everything, but the publishes only if `admission` is open. If there is nothing to take,
    /// keeps the waker and returns false.
    pub(crate) fn take(&self, taken: &mut Taken, admission: Admission, waker: &Waker) -> bool {
        let mut state = self.state.lock();
        let has_publishes = admission == Admission::Open && !state.publishes.is_empty();
        let is_nudged = std::mem::take(&mut state.is_nudged);
        if state.controls.is_empty() && !has_publishes && !state.is_store_news && !is_nudged {
            if state
                .waker
                .as_ref()
                .is_none_or(|known| !known.will_wake(waker))
            {
                state.waker = Some(waker.clone());
            }
            return false;
        }
        std::mem::swap(&mut state.controls, &mut taken.controls);
        taken.is_store_news = std::mem::take(&mut state.is_store_news);
        let mut refused = Vec::new();
        if has_publishes {
            std::mem::swap(&mut state.publishes, &mut taken.publishes);
            state.publish_bytes = 0;
            refused = std::mem::take(&mut state.refused);
        }
        drop(state);
        refused.into_iter().for_each(Waker::wake);
        true
    }
}

/// The store's news wake the executor.
impl Wake for Mailbox {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let mut state = self.state.lock();
        state.is_store_news = true;
        let waker = state.waker.take();
        drop(state);
        waker.into_iter().for_each(Waker::wake);
    }
}

/// Whether an executor takes publishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    Open,
    /// The store or the memory has to catch up first.
    Closed,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nudge_is_not_lost_between_the_look_and_the_wait() {
        let mailbox = Mailbox::default();
        let outbox = Arc::new(Outbox::new(ConnectionId(1)));
        let batch = PublishBatch {
            outbox,
            publishes: Vec::new(),
            mark: None,
            under_way: None,
            bytes: 1,
        };
        assert!(mailbox.offer(batch, Waker::noop()).is_ok());
        // The executor has found admission closed; then it opens, and only then does it take.
        mailbox.nudge();
        let mut taken = Taken::default();
        assert!(
            mailbox.take(&mut taken, Admission::Closed, Waker::noop()),
            "it waits"
        );
        assert!(mailbox.take(&mut taken, Admission::Open, Waker::noop()));
        assert_eq!(taken.publishes.len(), 1);
    }
}
