//! What follows a transaction once it is decided, whether its connection is still there or not.

use crate::Node;
use crate::mailbox::{Control, Forward};
use crate::routes::{self, DirectTarget, FilterWork, QueueTarget};
use model::{ConnectionId, Instant, Message, QueueId};
use parking_lot::Mutex;

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

impl Push {
    /// Pushes it for a publisher that has ended, and that nobody holds back.
    pub(crate) fn push(self, node: &Node, now: Instant, publisher: ConnectionId) {
        let push = |target: &DirectTarget, message: &Message| {
            let messages = std::slice::from_ref(message);
            target.outbox.push_direct(node, now, target.to, messages);
        };
        match self {
            Self::To(target, message) => push(&target, &message),
            Self::Retained { message, known } => {
                let _turn = node.retained.turn(message.key());
                let found = routes::resolve(node, &node.routes.load(), &message, 0);
                let queues = found.shared.iter().map(|shared| shared.target);
                post_to_others(node, queues, &known, &message);
                let mut work = FilterWork::new(&node.counters);
                for target in &found.direct {
                    if target.takes(publisher, (0, &message), &mut work) {
                        push(target, &message);
                    }
                }
            }
        }
    }
}

/// Posts a message that is retained to queues that were bound while its transaction was under way: before they were, they
/// may have been shown what was retained before it.
pub(crate) fn post_to_others(
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
/// connection when it is told, and by who decides if the connection has ended before.
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
    Decided { is_done: bool },
    /// The connection has ended and left this.
    Left(Vec<Push>),
}

impl Follow {
    /// It is decided. Returns what is to be pushed by who has decided.
    pub(crate) fn decide(&self, is_done: bool) -> Vec<Push> {
        let mut state = self.state.lock();
        match std::mem::replace(&mut *state, State::Decided { is_done }) {
            State::Left(pushes) if is_done => pushes,
            State::Left(_) | State::Open | State::Decided { .. } => Vec::new(),
        }
    }

    /// The connection ends and leaves this. Returns what it is to push itself: it has been decided, and was not told.
    pub(crate) fn leave(&self, pushes: Vec<Push>) -> Vec<Push> {
        let mut state = self.state.lock();
        match *state {
            State::Decided { is_done: true } => pushes,
            State::Decided { is_done: false } => Vec::new(),
            State::Open | State::Left(_) => {
                *state = State::Left(pushes);
                Vec::new()
            }
        }
    }
}
