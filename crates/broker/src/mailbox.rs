//! The input of an executor.

use crate::outbox::Outbox;
use crate::routes::QueueTarget;
use broker_api::Grant;
use model::{CommandId, ConnectionId, Message, Outcome, QueueName, Sequence};
use parking_lot::Mutex;
use queue::SubscriberId;
use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Wake, Waker};

/// Publishes may wait in a mailbox up to this many bytes; more are refused.
const PUBLISH_BYTES_MAX: usize = 4 << 20;

/// What is always admitted.
pub(crate) enum Control {
    Subscribe {
        outbox: Arc<Outbox>,
        subscriber: SubscriberId,
        target: QueueTarget,
        grant: Grant,
        command: CommandId,
    },
    Cancel {
        subscriber: SubscriberId,
        target: QueueTarget,
        command: CommandId,
    },
    Grant {
        subscriber: SubscriberId,
        target: QueueTarget,
        grant: Grant,
    },
    Settle(Settlement),
    /// The connection's outbox has room again.
    Room(ConnectionId),
    /// The connection has ended.
    Closed(ConnectionId),
    /// For the executor of shard 0: make a queue unless there is one of that name.
    Declare {
        name: QueueName,
        outbox: Arc<Outbox>,
        command: CommandId,
    },
    /// A queue was declared; its executor hosts it from now on.
    Adopt(QueueTarget),
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

/// A message for a shared queue.
pub(crate) struct Publish {
    pub(crate) target: QueueTarget,
    pub(crate) message: Message,
    pub(crate) confirm: Option<CommandId>,
}

/// The publishes that one read batch of one connection has for one executor.
pub(crate) struct PublishBatch {
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) publishes: Vec<Publish>,
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
