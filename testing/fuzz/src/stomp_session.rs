//! Any bytes through a STOMP session, with a broker that answers as it likes.

mod chances;

use crate::driven::{Broker, Driven, Messages, Subscriptions, check};
use crate::input::{Chance, Input};
use crate::stomp_codec::SMALL;
use broker_api::{
    Command, Confirm, Event, QueueStatus, Reply, Settle, Sharing, Subscribe, Transaction,
};
use model::{CommandId, ConnectionId, Instant, Message, QueueName, SubscriptionId};
use proto_stomp::{Limits, Stomp};
use std::collections::BTreeSet;

/// What an answer takes beside what it repeats of the frame.
const ANSWER_BYTES_MAX: usize = 4096;

/// The commands of one call beside those of its frames.
const COMMANDS_MAX: usize = 16;

/// Feeds a stream in pieces to a session, with answers, refusals, deliveries and deadlines in between:
/// what it puts out is bounded by what came in, it settles nothing that it was not given, and when it
/// has asked to close it says nothing more.
///
/// Bytes: 1, whose bit 2 asks for small limits; 1, the seed of the cuts; 1, the seed of what the broker
/// does; the stream. With seed 0 it answers what the session waits for, and all else at the end: then the
/// session's output must be the same for the stream in one piece.
///
/// # Panics
/// When one of these promises is broken.
pub fn stomp_session(data: &[u8]) {
    let mut input = Input::new(data);
    let limits = if input.u8() & 4 == 0 {
        Limits::default()
    } else {
        SMALL
    };
    check(input, |_| {
        let mut driven = driven(limits);
        let messages = chances::messages().iter().cloned();
        messages.for_each(|message| driven.broker.messages.keep(message));
        driven
    });
}

fn driven(limits: Limits) -> Driven<StompBroker> {
    let now = Instant::default();
    let session = Stomp::new(now, ConnectionId(7), limits);
    let broker = StompBroker {
        limits,
        subscriptions: Subscriptions::default(),
        browsers: BTreeSet::new(),
        names: 0,
        messages: Messages::default(),
    };
    Driven::new(now, session, broker)
}

struct StompBroker {
    limits: Limits,
    subscriptions: Subscriptions,
    /// The subscriptions that browse.
    browsers: BTreeSet<SubscriptionId>,
    /// Names that were made up for queues.
    names: u32,
    messages: Messages,
}

/// What a command is answered by.
enum Answer {
    Done,
    Counted,
    Queue(QueueName),
    Subscribed(SubscriptionId),
    Canceled(SubscriptionId),
    Confirmed,
    OnlyRefusal,
}

impl Broker for StompBroker {
    type Session = Stomp;
    type Answer = Answer;

    const BEHIND_THE_END: &'static [u8] = b"\nSEND\ndestination:/queue/a\n\n\0";

    fn wire_bytes_max(&self, read_bytes: usize) -> usize {
        ANSWER_BYTES_MAX + 4 * read_bytes + 8 * self.limits.header_bytes_max
    }

    fn commands_max(&self, read_bytes: usize) -> usize {
        COMMANDS_MAX + read_bytes + self.subscriptions.count()
    }

    fn left_bytes_max(&self) -> usize {
        self.limits.head_bytes_max + self.limits.body_bytes_max + 1
    }

    fn event_bytes(event: &Event) -> usize {
        match event {
            Event::Delivery(delivery) => delivery.message.cost_bytes(),
            Event::Returned(_, message) => message.cost_bytes(),
            Event::Confirmed(_)
            | Event::Done(..)
            | Event::Drained(_)
            | Event::Ended(..)
            | Event::Blocked(_)
            | Event::Unblocked
            | Event::Disconnect(_) => 0,
        }
    }

    fn take(&mut self, command: Command) -> Option<Answer> {
        Some(match command {
            Command::Connect(_)
            | Command::DeclareExchange(_)
            | Command::DeleteExchange(_)
            | Command::Bind(_)
            | Command::Unbind(_) => Answer::Done,
            Command::DeleteQueue(_) | Command::PurgeQueue(_) => Answer::Counted,
            Command::DeclareQueue(declare) => Answer::Queue(match declare.name {
                Some(name) => name,
                None => self.new_name(),
            }),
            Command::Publish(message, publishing) => {
                self.messages.keep(message);
                answer_to(publishing.confirm)
            }
            Command::Commit(transaction) => self.take_transaction(*transaction),
            Command::Subscribe(subscribe) => self.take_subscribe(&subscribe),
            Command::Cancel(id) => Answer::Canceled(id),
            Command::Grant(id, grant) => {
                self.subscriptions.grant(id, grant);
                Answer::OnlyRefusal
            }
            Command::Settle(settle) => self.take_settle(&settle),
            other @ (Command::List(_)
            | Command::Authenticate(_)
            | Command::PutUser(_)
            | Command::DeleteUser(_)
            | Command::ShowRetained(_)
            | Command::QueueRetained(_)
            | Command::Keep(_)
            | Command::LetGo(_)
            | Command::Note(_)
            | Command::Recall(_)
            | Command::Get(_)
            | Command::StepAside(_)
            | Command::Bequeath(_)) => {
                unreachable!("a client cannot ask for {other:?}")
            }
        })
    }

    fn answer(&mut self, id: CommandId, answer: Answer) -> Vec<Event> {
        let reply = match answer {
            Answer::Done => Reply::Nothing,
            Answer::Counted => Reply::Count(3),
            Answer::Queue(name) => Reply::Queue(Box::new(QueueStatus {
                name,
                ready_count: 1,
                unsettled_count: 2,
                bytes: u64::MAX,
                subscription_count: 0,
            })),
            Answer::Subscribed(subscription) => {
                self.subscriptions.make_ready(subscription);
                Reply::Nothing
            }
            Answer::Canceled(subscription) => {
                self.subscriptions.forget(subscription);
                Reply::Nothing
            }
            Answer::Confirmed => return vec![Event::Confirmed(id)],
            Answer::OnlyRefusal => return Vec::new(),
        };
        vec![Event::Done(id, Ok(reply))]
    }

    fn act(driven: &mut Driven<Self>, chance: &mut Chance) {
        chances::act(driven, chance);
    }
}

impl StompBroker {
    fn new_name(&mut self) -> QueueName {
        self.names += 1;
        let name = format!("made-up.{}", self.names);
        QueueName::new(name.as_bytes()).expect("it is short")
    }

    fn take_transaction(&mut self, transaction: Transaction) -> Answer {
        let bytes: usize = transaction.publishes.iter().map(Message::cost_bytes).sum();
        assert!(bytes <= self.limits.transaction_bytes_max, "{bytes} bytes");
        for message in transaction.publishes {
            self.messages.keep(message);
        }
        for settle in &transaction.settles {
            self.take_settle(settle);
        }
        Answer::Done
    }

    fn take_subscribe(&mut self, subscribe: &Subscribe) -> Answer {
        let (id, granted) = (subscribe.subscription, subscribe.grant.total());
        self.subscriptions.open(id, subscribe.settle_mode, granted);
        if subscribe.sharing == Sharing::Browse {
            self.browsers.insert(id);
        }
        assert!(self.subscriptions.count() <= 2 * self.limits.subscriptions_max);
        Answer::Subscribed(id)
    }

    fn take_settle(&mut self, settle: &Settle) -> Answer {
        let id = settle.subscription;
        self.subscriptions.settle(id, &settle.sequences);
        answer_to(settle.confirm)
    }
}

const fn answer_to(confirm: Confirm) -> Answer {
    match confirm {
        Confirm::Wanted => Answer::Confirmed,
        Confirm::Unwanted => Answer::OnlyRefusal,
    }
}
