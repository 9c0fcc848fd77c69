//! Shared subscriptions: the members compete for a queue of the broker, one for each share name and filter.
//!
//! ```text
//!  Declare ──► Bind ──► [ Keep ] ──► Subscribe ──► subscribed
//!     ▲          │          │            │
//!     └──────────┴──────────┴────────────┘ the queue has ended meanwhile, with its last member
//! ```
//! The queue ends with its last member: the queue of a session that outlives its connection keeps it until that session
//! ends, or unsubscribes. What a member has not answered when its connection ends is released to the others, but
//! for what it was sent with QoS 2. [MQTT-4.8.2-5]

use crate::translate::pattern_of;
use broker_api::{Bind, BindTo, Command, DeclareQueue, IfExists, IfMissing, Keep, Refusal};
use model::{
    Arguments, BindingKey, Durability, ExchangeName, Lifetime, Overflow, Ownership,
    QueueDefinition, QueueName, QueueRules, SubscriptionId,
};

/// What the names of the queues begin with; share name and filter follow, with a `/` between, which a share name
/// does not have.
const NAME_PREFIX: &str = "mqtt.share/";

/// How often it is begun again because the queue has ended.
const TRIES_MAX: u8 = 16;

/// So long a queue stays that was declared and that nobody has come to read.
const UNUSED_MS: u64 = 60_000;

/// What that queue is declared as: durable whoever begins it, for members may come that are there after a crash. Those that
/// answer nothing do not make it grow for ever.
const fn definition(messages_max: u64) -> QueueDefinition {
    QueueDefinition {
        durability: Durability::Durable,
        ownership: Ownership::Shared,
        lifetime: Lifetime::UntilUnused,
        expires_ms: Some(UNUSED_MS),
        kind: None,
        rules: QueueRules {
            length_max: Some(messages_max),
            overflow: Some(Overflow::DropHead),
            ..QueueRules::PLAIN
        },
    }
}

/// A member that is on its way to its queue.
#[derive(Debug)]
pub(super) struct Share {
    queue: QueueName,
    /// The filter of the subscription, `$share/` included.
    pub(super) filter: Box<str>,
    /// What keys have to match.
    pattern: Box<str>,
    /// Messages that may wait for the members.
    messages_max: u64,
    /// What has taken the queue of the member's session over, if that outlives its connection.
    keeper: Option<SubscriptionId>,
    step: Step,
    tries_left: u8,
}

/// What has been asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Declare,
    Bind,
    Keep,
    Subscribe,
}

/// What follows an answer.
#[derive(Debug)]
pub(super) enum Next {
    /// This is to be asked.
    Ask(Command),
    /// The queue is there: it is to be subscribed to.
    Subscribe(QueueName),
    /// The answer is the last one.
    Answered,
}

/// The queue of a share name and a filter; none if its name would be too long.
pub(super) fn queue_of(share_name: &str, filter: &str) -> Option<QueueName> {
    let name = [NAME_PREFIX, share_name, "/", filter].concat();
    QueueName::new(name.as_bytes()).ok()
}

impl Share {
    /// A member by this filter, of which the last part is the pattern.
    pub(super) fn new(
        (queue, keeper): (QueueName, Option<SubscriptionId>),
        filter: &str,
        pattern: &str,
        messages_max: u64,
    ) -> Self {
        Self {
            queue,
            filter: filter.into(),
            pattern: pattern.into(),
            messages_max,
            keeper,
            step: Step::Declare,
            tries_left: TRIES_MAX,
        }
    }

    /// What is asked first.
    pub(super) fn declare(&self) -> Command {
        Command::DeclareQueue(Box::new(DeclareQueue {
            name: Some(self.queue.clone()),
            definition: definition(self.messages_max),
            if_exists: IfExists::Use,
            if_missing: IfMissing::Create,
        }))
    }

    fn bind(&self) -> Command {
        Command::Bind(Box::new(Bind {
            source: ExchangeName::topic(),
            destination: BindTo::Queue(self.queue.clone()),
            key: BindingKey::Pattern(pattern_of(&self.pattern)),
            arguments: Arguments::default(),
        }))
    }

    /// What ends that the queue is kept, if it is to be.
    pub(super) fn let_go(&self) -> Option<Command> {
        Some(Command::LetGo(Box::new(self.keep()?)))
    }

    fn keep(&self) -> Option<Keep> {
        let queue = self.queue.clone();
        let keeper = self.keeper?;
        Some(Keep { queue, keeper })
    }

    /// The broker has answered what was asked.
    pub(super) fn handle_answer(&mut self, refused: Option<&Refusal>) -> Next {
        if let Some(refusal) = refused {
            if !has_ended(refusal) || self.step == Step::Declare || self.tries_left == 0 {
                return Next::Answered;
            }
            self.tries_left -= 1;
            self.step = Step::Declare;
            return Next::Ask(self.declare());
        }
        match self.step {
            Step::Declare => {
                self.step = Step::Bind;
                Next::Ask(self.bind())
            }
            Step::Bind => match self.keep() {
                Some(keep) => {
                    self.step = Step::Keep;
                    Next::Ask(Command::Keep(Box::new(keep)))
                }
                None => self.subscribe(),
            },
            Step::Keep => self.subscribe(),
            Step::Subscribe => Next::Answered,
        }
    }

    fn subscribe(&mut self) -> Next {
        self.step = Step::Subscribe;
        Next::Subscribe(self.queue.clone())
    }
}

/// Whether the queue is not there any more.
const fn has_ended(refusal: &Refusal) -> bool {
    match refusal {
        Refusal::QueueNotFound(_) | Refusal::QueueDeleted(_) => true,
        Refusal::LoginFailed { .. }
        | Refusal::LoopbackOnly { .. }
        | Refusal::UnknownMechanism { .. }
        | Refusal::Busy
        | Refusal::NotConnected
        | Refusal::ExchangeNotFound(_)
        | Refusal::Inequivalent { .. }
        | Refusal::QueueLocked(_)
        | Refusal::QueueInUse(_)
        | Refusal::QueueNotEmpty(_)
        | Refusal::QueueFull(_)
        | Refusal::ExchangeInUse(_)
        | Refusal::AccessRefused(_)
        | Refusal::Invalid(_)
        | Refusal::SubscriptionNotFound(_)
        | Refusal::SubscriptionExists(_)
        | Refusal::LimitReached { .. }
        | Refusal::Stalled
        | Refusal::TakenOver
        | Refusal::UserDeleted { .. }
        | Refusal::Damaged { .. }
        | Refusal::StoreFailed
        | Refusal::ShuttingDown => false,
    }
}
