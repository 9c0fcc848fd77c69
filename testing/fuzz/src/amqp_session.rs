//! Any bytes through an AMQP session, with a broker that answers as it likes.

use crate::driven::{Broker, Driven, Subscriptions, check};
use crate::input::{Chance, Input};
use broker_api::{
    Authenticated, Command, Confirm, Event, Publishing, QueueStatus, Refusal, Reply, Session as _,
    Settle, Unroutable,
};
use model::{
    CommandId, Dialect, Envelope, Instant, Message, Parts, Persistence, QueueName, SubscriptionId,
};
use proto_amqp091::{Amqp091, Limits};

/// What a byte of input may be answered by, and what a call may say beside: `connection.start` is the longest.
const ANSWER_BYTES_MAX: usize = 1_024;

/// Deliveries that the broker makes at once.
const DELIVERIES_MAX: u64 = 3;

/// Feeds a stream in pieces to a session, with answers, refusals, deliveries and deadlines in between:
/// what it puts out is bounded by what came in, it settles nothing that it was not given, it is given no more
/// than it granted, and when it has asked to close it says nothing more.
///
/// Bytes: 1, whose bit 0 asks for small limits; 1, the seed of the cuts; 1, the seed of what the broker does;
/// the stream. With seed 0 the broker answers what the session waits for: then the session's output must be the
/// same for the stream in one piece.
///
/// # Panics
/// When one of these promises is broken.
pub fn amqp_session(data: &[u8]) {
    let mut input = Input::new(data);
    let mut limits = Limits::default();
    if input.u8() & 1 != 0 {
        limits.channels_max = 2;
        limits.consumers_max = 2;
        limits.frame_bytes_max = 4_096;
    }
    check(input, |script| {
        let now = Instant::from_millis(1);
        let broker = AmqpBroker {
            limits,
            subscriptions: Subscriptions::default(),
            answers_publishes: script != 0,
        };
        Driven::new(now, Amqp091::new(now, limits), broker)
    });
}

struct AmqpBroker {
    limits: Limits,
    subscriptions: Subscriptions,
    /// Whether publishes are answered: what else comes meanwhile depends on the cuts.
    answers_publishes: bool,
}

/// What a command is answered by.
enum Answer {
    Reply(Reply),
    Subscribed(SubscriptionId),
    Published(Message, Publishing),
    Got(SubscriptionId),
}

impl Broker for AmqpBroker {
    type Session = Amqp091;
    type Answer = Answer;

    const BEHIND_THE_END: &'static [u8] =
        b"\x08\0\0\0\0\0\0\xce\x01\0\x01\0\0\0\x05\0\x14\0\x0a\0\xce";

    fn wire_bytes_max(&self, read_bytes: usize) -> usize {
        ANSWER_BYTES_MAX * (1 + read_bytes / 12)
    }

    fn commands_max(&self, read_bytes: usize) -> usize {
        1 + read_bytes / 12 + 3 * self.subscriptions.count()
    }

    fn left_bytes_max(&self) -> usize {
        // The seven bytes in front of a frame, and the one behind it.
        usize::try_from(self.limits.frame_bytes_max).map_or(usize::MAX, |bytes| bytes + 8)
    }

    fn event_bytes(event: &Event) -> usize {
        12 + match event {
            Event::Returned(_, message) => message.content().len(),
            Event::Delivery(_)
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
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "the session asks for none of the others"
        )]
        Some(match command {
            Command::Authenticate(_) => {
                Answer::Reply(Reply::Authenticated(Box::new(Authenticated {
                    user: "guest".into(),
                    data: Vec::new(),
                })))
            }
            Command::DeclareQueue(declare) => Answer::Reply(Reply::Queue(Box::new(QueueStatus {
                name: declare.name.unwrap_or_else(made_up_name),
                ready_count: 1,
                unsettled_count: 0,
                bytes: 0,
                subscription_count: 0,
            }))),
            Command::DeleteQueue(_) | Command::PurgeQueue(_) => Answer::Reply(Reply::Count(1)),
            Command::Subscribe(subscribe) => {
                let (id, mode) = (subscribe.subscription, subscribe.settle_mode);
                self.subscriptions.open(id, mode, subscribe.grant.total());
                Answer::Subscribed(id)
            }
            Command::Get(get) => {
                self.subscriptions
                    .open(get.subscription, get.settle_mode, 1);
                Answer::Got(get.subscription)
            }
            Command::StepAside(id) => {
                self.subscriptions.step_aside(id);
                Answer::Reply(Reply::Nothing)
            }
            Command::Cancel(id) => {
                self.subscriptions.end(id);
                Answer::Reply(Reply::Nothing)
            }
            Command::Grant(id, grant) => {
                self.subscriptions.grant(id, grant);
                return None;
            }
            Command::Settle(settle) => {
                self.settle(&settle);
                return None;
            }
            Command::Commit(transaction) => {
                transaction.settles.iter().for_each(|it| self.settle(it));
                Answer::Reply(Reply::Nothing)
            }
            Command::Publish(..) if !self.answers_publishes => return None,
            Command::Publish(message, publishing) => Answer::Published(message, publishing),
            Command::Connect(_)
            | Command::DeclareExchange(_)
            | Command::DeleteExchange(_)
            | Command::Bind(_)
            | Command::Unbind(_) => Answer::Reply(Reply::Nothing),
            other => panic!("{other:?} was asked"),
        })
    }

    /// Of messages, every other has nobody to get it; and every other queue has one.
    fn answer(&mut self, id: CommandId, answer: Answer) -> Vec<Event> {
        let is_odd = id.0 % 2 == 1;
        let mut events = Vec::new();
        let reply = match answer {
            Answer::Published(message, publishing) => {
                if is_odd && publishing.unroutable == Unroutable::Return {
                    events.push(Event::Returned(id, message));
                }
                if publishing.confirm == Confirm::Wanted {
                    events.push(Event::Confirmed(id));
                }
                return events;
            }
            Answer::Got(subscription) => {
                let has_message = subscription.0 % 2 == 1;
                if has_message {
                    self.subscriptions.make_ready(subscription);
                    let delivery = self.subscriptions.deliver(subscription, message());
                    events.extend(delivery.map(Event::Delivery));
                }
                Reply::Got(has_message.then_some(1))
            }
            Answer::Reply(reply) => reply,
            Answer::Subscribed(subscription) => {
                self.subscriptions.make_ready(subscription);
                Reply::Nothing
            }
        };
        events.push(Event::Done(id, Ok(reply)));
        events
    }

    fn act(driven: &mut Driven<Self>, chance: &mut Chance) {
        let count = driven.broker.subscriptions.count();
        match chance.below(6) {
            0 => {
                if let Some(at) = driven.session.deadline() {
                    driven.pass(at);
                }
            }
            1 if count > 0 && chance.below(8) == 0 => {
                if let Some(id) = driven.broker.subscriptions.some(chance) {
                    driven.broker.subscriptions.end(id);
                    let refusal = Refusal::QueueDeleted(made_up_name());
                    driven.tell(Event::Ended(id, refusal));
                }
            }
            2 if chance.below(16) == 0 => driven.tell(Event::Disconnect(Refusal::ShuttingDown)),
            _ if count > 0 => {
                let id = driven.broker.subscriptions.some(chance);
                id.into_iter().for_each(|id| deliver(driven, id));
            }
            _ => {}
        }
    }

    /// All that the session asks for is answered at once; by chance, the first of it is refused.
    fn feed(driven: &mut Driven<Self>, bytes: &[u8], mut chance: Option<&mut Chance>) {
        driven.input.extend_from_slice(bytes);
        loop {
            driven.read();
            let Some((id, answer)) = driven.unanswered.pop_front() else {
                return driven.check_left();
            };
            let is_refused = chance.as_mut().is_some_and(|it| it.below(8) == 0);
            let events = if is_refused {
                driven.broker.refuse(id, &answer)
            } else {
                driven.broker.answer(id, answer)
            };
            events.into_iter().for_each(|it| driven.hand_over(it));
            while let Some((id, answer)) = driven.unanswered.pop_front() {
                let events = driven.broker.answer(id, answer);
                events.into_iter().for_each(|it| driven.hand_over(it));
            }
            if driven.is_closed {
                return;
            }
        }
    }
}

impl AmqpBroker {
    fn settle(&mut self, settle: &Settle) {
        let id = settle.subscription;
        self.subscriptions.settle(id, &settle.sequences);
    }

    /// Every other message that is refused is so for want of room.
    fn refuse(&mut self, id: CommandId, answer: &Answer) -> Vec<Event> {
        let refusal = match answer {
            Answer::Published(..) if id.0 % 2 == 1 => Refusal::QueueFull(made_up_name()),
            Answer::Published(..) | Answer::Reply(_) => Refusal::AccessRefused("no".to_owned()),
            Answer::Subscribed(subscription) => {
                self.subscriptions.end(*subscription);
                Refusal::QueueNotFound(made_up_name())
            }
            Answer::Got(subscription) => {
                self.subscriptions.end(*subscription);
                Refusal::QueueInUse(made_up_name())
            }
        };
        vec![Event::Done(id, Err(refusal))]
    }
}

fn deliver(driven: &mut Driven<AmqpBroker>, id: SubscriptionId) {
    for _ in 0..DELIVERIES_MAX {
        let delivery = driven.broker.subscriptions.deliver(id, message());
        let Some(delivery) = delivery else {
            return;
        };
        driven.tell(Event::Delivery(delivery));
    }
}

fn made_up_name() -> QueueName {
    QueueName::new(b"made-up").expect("it is a name")
}

fn message() -> Message {
    Message::new(&Parts {
        envelope: Envelope::new(Dialect::Mqtt3, Persistence::Transient),
        exchange: b"amq.topic",
        key: b"a.b",
        annotations: &[],
        head: &[],
        body: b"body",
    })
}
