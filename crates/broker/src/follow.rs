//! What follows a transaction once it is decided, whether its connection is still there or not.

use crate::Node;
use crate::mailbox::{Control, Forward};
use crate::outbox::{Outbox, Pressure};
use crate::retained::{HeldKeys, Limit, Setting};
use crate::routes::{self, DirectTarget, FilterWork, QueueTarget};
use model::{ConnectionId, Instant, Message, QueueId};
use parking_lot::Mutex;
use std::sync::Arc;

/// What goes to receivers directly.
pub(crate) enum Push {
    To(DirectTarget, Message),
    /// One that is retained: to whomever stands in the routes once it is.
    Retained {
        message: Message,
        /// The queues that got it with the transaction, or are not to get it.
        known: Vec<QueueId>,
    },
}

/// Pushes what follows a transaction.
pub(crate) struct Pushing<'a> {
    node: &'a Node,
    now: Instant,
    publisher: ConnectionId,
    sets: Sets,
    /// What was set, in order.
    pub(crate) settings: Vec<Setting>,
    /// Those who are over their budget by it, each once.
    pub(crate) held_by: Vec<Arc<Outbox>>,
}

/// Who sets what a transaction retains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sets {
    /// The shard that has carried it out, before anything is pushed.
    Shard,
    /// Who pushes it, in its turn: shards carry it out afterwards.
    Pusher,
}

impl<'a> Pushing<'a> {
    pub(crate) fn new(node: &'a Node, now: Instant, publisher: ConnectionId, sets: Sets) -> Self {
        Self {
            node,
            now,
            publisher,
            sets,
            settings: Vec::new(),
            held_by: Vec::new(),
        }
    }

    pub(crate) fn push(&mut self, push: Push) {
        match push {
            Push::To(target, message) => self.push_to(&target, &message),
            Push::Retained { message, known } => self.push_retained(&message, &known),
        }
    }

    /// Pushes a message that is retained, also to queues that were not known when it was routed.
    fn push_retained(&mut self, message: &Message, known: &[QueueId]) {
        let node = self.node;
        let _turn = node.retained.turn(message.key());
        if self.sets == Sets::Pusher {
            // Nobody is shown it before it is decided, nor misses it.
            let passed = Limit::Passed;
            let set = node
                .retained
                .set(&node.settings, self.now, message, None, passed);
            self.settings.extend(set);
        }
        let found = routes::resolve(node, &node.routes.load(), message, 0);
        let queues = found.shared.iter().map(|shared| shared.target);
        post_to_others(node, queues, known, message);
        let mut work = FilterWork::new(&node.counters);
        for target in &found.direct {
            if target.takes(self.publisher, (0, message), &mut work) {
                self.push_to(target, message);
            }
        }
    }

    fn push_to(&mut self, target: &DirectTarget, message: &Message) {
        let messages = std::slice::from_ref(message);
        let outbox = &target.outbox;
        let pressure = outbox.push_direct(self.node, self.now, target.to, messages);
        let is_known = |known: &Arc<Outbox>| Arc::ptr_eq(known, outbox);
        if pressure == Pressure::Hold && !self.held_by.iter().any(is_known) {
            self.held_by.push(Arc::clone(outbox));
        }
    }
}

/// Posts a message that is retained to queues that were bound while its transaction was under way: before they were, they
/// may have been shown what was retained before it.
fn post_to_others(
    node: &Node,
    queues: impl IntoIterator<Item = QueueTarget>,
    known: &[QueueId],
    message: &Message,
) {
    let others = queues.into_iter();
    for target in others.filter(|target| !known.contains(&target.queue)) {
        let forward = Forward {
            shard: target.shard,
            queues: vec![target.queue],
            message: message.clone(),
            setting: None,
            from: None,
        };
        let control = Control::Forward(Box::new(forward));
        node.mailboxes[target.executor].post(&mut vec![control]);
    }
}

/// Shared by a connection and by who decides its transaction: what goes to receivers directly is pushed by the
/// connection when it is told, and by who decides if the connection has ended before, or if any of it is retained.
#[derive(Default)]
pub(crate) struct Follow {
    state: Mutex<State>,
}

#[derive(Default)]
enum State {
    /// It is not decided, and the connection is there.
    #[default]
    Open,
    /// It is decided; the connection is being told.
    Decided {
        is_done: bool,
        /// Whom the connection is to wait for.
        held_by: Vec<Arc<Outbox>>,
    },
    /// It is left to who decides.
    Left(Left),
}

/// What is pushed by who decides.
#[derive(Default)]
pub(crate) struct Left {
    pub(crate) pushes: Vec<Push>,
    /// Keys of what is retained: nobody else publishes to them before it has been pushed.
    pub(crate) keys: Option<HeldKeys>,
}

impl Follow {
    /// What is pushed by who decides, whether the connection is there or not.
    pub(crate) fn leaving(left: Left) -> Self {
        let state = Mutex::new(State::Left(left));
        Self { state }
    }

    /// It is decided. Returns what is to be pushed by who has decided.
    pub(crate) fn decide(&self, is_done: bool) -> Left {
        let mut state = self.state.lock();
        let held_by = Vec::new();
        let before = std::mem::replace(&mut *state, State::Decided { is_done, held_by });
        drop(state);
        match before {
            State::Left(left) if is_done => left,
            State::Left(_) | State::Open | State::Decided { .. } => Left::default(),
        }
    }

    /// Notes whom the connection is to wait for.
    pub(crate) fn hold(&self, outboxes: Vec<Arc<Outbox>>) {
        if let State::Decided { held_by, .. } = &mut *self.state.lock() {
            *held_by = outboxes;
        }
    }

    /// Whom the connection is to wait for.
    pub(crate) fn take_held_by(&self) -> Vec<Arc<Outbox>> {
        match &mut *self.state.lock() {
            State::Decided { held_by, .. } => std::mem::take(held_by),
            State::Open | State::Left(_) => Vec::new(),
        }
    }

    /// The connection ends and leaves this. Returns what it is to push itself: it has been decided, and was not told.
    pub(crate) fn leave(&self, pushes: Vec<Push>) -> Vec<Push> {
        let mut state = self.state.lock();
        match &mut *state {
            State::Decided { is_done: true, .. } => pushes,
            State::Decided { is_done: false, .. } => Vec::new(),
            State::Left(left) => {
                left.pushes.extend(pushes);
                Vec::new()
            }
            State::Open => {
                *state = State::Left(Left { pushes, keys: None });
                Vec::new()
            }
        }
    }
}
