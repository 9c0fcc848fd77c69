//! Any bytes through a session of ZeroMQ's sockets, with a broker that answers as it likes.

use crate::driven::{Broker, Driven, Messages, Subscriptions, check};
use crate::input::{Chance, Input};
use broker_api::{Authenticated, Command, Event, HeadReader, QueueStatus, Refusal, Reply};
use model::{CommandId, Dialect, Instant, QueueName, SubscriptionId};
use proto_zmq::{Curve, PublicKey, SecretKey, ServerRandom, Settings, Zmq, ZmqHeads};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// What an answer takes beside what it repeats of the input: a greeting, and what the mechanism says.
const ANSWER_BYTES_MAX: usize = 1_000;

/// The commands of one call beside those of its frames.
const COMMANDS_MAX: usize = 4;

/// The one subscription.
const SUBSCRIPTION: SubscriptionId = SubscriptionId(1);

/// Feeds a stream in pieces to a session, with answers, refusals, deliveries and deadlines in between: what it puts out
/// is bounded by what came in, it settles nothing that it was not given, and when it has asked to close it says nothing
/// more.
///
/// Bytes: 1, whose bit 0 asks for small limits and bit 1 for CURVE alone; 1, the seed of the cuts; 1, the seed of what
/// the broker does; the stream. With seed 0 it answers what the session waits for, and all else at the end: then the
/// session's output must be the same for the stream in one piece.
///
/// # Panics
/// When one of these promises is broken.
pub fn zmq_session(data: &[u8]) {
    let mut input = Input::new(data);
    let settings = Arc::new(settings(input.u8()));
    check(input, |_| driven(&settings));
}

fn settings(flags: u8) -> Settings {
    let queue = QueueName::new(b"zmq").expect("it is a name");
    let settings = Settings {
        // That of the corpus.
        curve: Some(Curve {
            secret_key: SecretKey::new([2; 32]),
            users: BTreeMap::from([(client_key(), "ada".into())]),
            is_required: flags & 2 != 0,
        }),
        ..Settings::new(queue)
    };
    if flags & 1 == 0 {
        return settings;
    }
    Settings {
        message_bytes_max: 400,
        frames_max: 4,
        subscriptions_max: 3,
        prefix_bytes_max: 40,
        window: 3,
        handshake_bytes_max: 300,
        ..settings
    }
}

fn client_key() -> PublicKey {
    SecretKey::new([1; 32]).public_key()
}

fn heads(dialect: Dialect) -> &'static dyn HeadReader {
    assert_eq!(dialect, Dialect::Zmq, "there are no others here");
    &ZmqHeads
}

fn driven(settings: &Arc<Settings>) -> Driven<ZmqBroker> {
    let now = Instant::from_millis(1);
    let random = ServerRandom::new(&[5; 96]);
    let session = Zmq::new(now, Arc::clone(settings), heads).with_curve(random);
    let broker = ZmqBroker {
        settings: Arc::clone(settings),
        subscriptions: Subscriptions::default(),
        bindings: 0,
        messages: Messages::default(),
    };
    Driven::new(now, session, broker)
}

struct ZmqBroker {
    settings: Arc<Settings>,
    subscriptions: Subscriptions,
    bindings: usize,
    messages: Messages,
}

/// What is answered to a command.
enum Answer {
    Done,
    Authenticated,
    Made(QueueName),
    Subscribed,
    OnlyRefusal,
}

impl Broker for ZmqBroker {
    type Session = Zmq;
    type Answer = Answer;

    const BEHIND_THE_END: &'static [u8] = b"\x04\x07\x04PING\0\0\x00\x01x";

    fn wire_bytes_max(&self, read_bytes: usize) -> usize {
        ANSWER_BYTES_MAX + 10 * read_bytes
    }

    fn commands_max(&self, read_bytes: usize) -> usize {
        COMMANDS_MAX + 3 * read_bytes
    }

    fn left_bytes_max(&self) -> usize {
        self.settings.message_bytes_max + self.settings.handshake_bytes_max + 100
    }

    fn event_bytes(event: &Event) -> usize {
        match event {
            Event::Delivery(delivery) => delivery.message.cost_bytes(),
            Event::Returned(..)
            | Event::Confirmed(_)
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
            Command::Connect(_) => Answer::Done,
            Command::Authenticate(_) => Answer::Authenticated,
            Command::DeclareQueue(declare) => {
                let own = || QueueName::new(b"own").expect("it is a name");
                Answer::Made(declare.name.unwrap_or_else(own))
            }
            Command::Bind(_) => {
                self.bindings += 1;
                assert!(self.bindings <= self.settings.subscriptions_max);
                Answer::Done
            }
            Command::Unbind(_) => {
                self.bindings -= 1;
                Answer::Done
            }
            Command::Publish(message, _) => {
                let limit = self.settings.message_bytes_max;
                assert!(message.body().len() <= limit, "a long message");
                self.messages.keep(message);
                Answer::OnlyRefusal
            }
            Command::Subscribe(subscribe) => {
                assert_eq!(subscribe.subscription, SUBSCRIPTION);
                let granted = subscribe.grant.total();
                let mode = subscribe.settle_mode;
                self.subscriptions.open(SUBSCRIPTION, mode, granted);
                Answer::Subscribed
            }
            Command::Grant(id, grant) => {
                self.subscriptions.grant(id, grant);
                Answer::OnlyRefusal
            }
            Command::Settle(settle) => {
                let id = settle.subscription;
                self.subscriptions.settle(id, &settle.sequences);
                Answer::OnlyRefusal
            }
            other @ (Command::PutUser(_)
            | Command::DeleteUser(_)
            | Command::DeleteQueue(_)
            | Command::PurgeQueue(_)
            | Command::DeclareExchange(_)
            | Command::DeleteExchange(_)
            | Command::Keep(_)
            | Command::LetGo(_)
            | Command::List(_)
            | Command::Commit(_)
            | Command::Get(_)
            | Command::Cancel(_)
            | Command::StepAside(_)
            | Command::ShowRetained(_)
            | Command::QueueRetained(_)
            | Command::Note(_)
            | Command::Recall(_)
            | Command::Bequeath(_)) => unreachable!("a socket cannot ask for {other:?}"),
        })
    }

    fn answer(&mut self, id: CommandId, answer: Answer) -> Vec<Event> {
        let reply = match answer {
            Answer::OnlyRefusal => return Vec::new(),
            Answer::Done => Reply::Nothing,
            Answer::Authenticated => Reply::Authenticated(Box::new(Authenticated {
                user: "ada".into(),
                data: Vec::new(),
            })),
            Answer::Made(name) => Reply::Queue(Box::new(QueueStatus {
                name,
                ready_count: 0,
                unsettled_count: 0,
                bytes: 0,
                subscription_count: 0,
            })),
            Answer::Subscribed => {
                self.subscriptions.make_ready(SUBSCRIPTION);
                Reply::Nothing
            }
        };
        vec![Event::Done(id, Ok(reply))]
    }

    fn act(driven: &mut Driven<Self>, chance: &mut Chance) {
        for _ in 0..chance.below(6) {
            match chance.below(8) {
                0 => driven.pass(driven.now + Duration::from_secs(1)),
                1 | 2 => {
                    if let Some((id, answer)) = driven.unanswered.pop_front() {
                        if chance.below(4) == 0 {
                            refuse(driven, id);
                        } else {
                            driven.answer(id, answer);
                        }
                    }
                }
                3 if chance.below(20) == 0 => driven.tell(Event::Disconnect(Refusal::Stalled)),
                _ => deliver(driven, chance),
            }
        }
    }
}

fn refuse(driven: &mut Driven<ZmqBroker>, id: CommandId) {
    let limit = Refusal::LimitReached {
        what: "things",
        limit: 1,
    };
    driven.tell(Event::Done(id, Err(limit)));
}

fn deliver(driven: &mut Driven<ZmqBroker>, chance: &mut Chance) {
    let broker = &mut driven.broker;
    let Some(message) = broker.messages.some(chance) else {
        return;
    };
    if driven.is_closed {
        return;
    }
    let delivery = broker.subscriptions.deliver(SUBSCRIPTION, message);
    if let Some(delivery) = delivery {
        driven.tell(Event::Delivery(delivery));
    }
}
