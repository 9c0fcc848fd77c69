//! Any bytes through an AMQP session, with a broker that answers as it likes.

use crate::input::{Chance, Input, pieces};
use broker_api::{
    Authenticated, Command, Confirm, Delivery, Event, Out, Publishing, QueueStatus, Refusal, Reply,
    Session, Settle, SettleMode, Submission, Unroutable,
};
use bytes::BytesMut;
use model::{
    CommandId, Dialect, Envelope, Instant, Message, Parts, Persistence, QueueName, Sequence,
    SubscriptionId,
};
use proto_amqp091::{Amqp091, Limits};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

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
    let (cuts, script) = (input.u8(), input.u8());
    let stream = input.rest();
    let cut = converse(limits, script, &pieces(cuts, stream));
    if script == 0 {
        let whole = converse(limits, script, &[stream]);
        assert_eq!(whole, cut, "the cuts make a difference");
    }
}

/// A whole connection; returns what the client is sent.
fn converse(limits: Limits, script: u8, pieces: &[&[u8]]) -> Vec<u8> {
    let mut driven = Driven::new(limits);
    driven.answers_publishes = script != 0;
    let mut chance = Chance::new(script);
    for piece in pieces {
        if driven.is_closed {
            break;
        }
        driven.feed(piece, (script != 0).then_some(&mut chance));
        if script != 0 {
            driven.act(&mut chance);
        }
    }
    if !driven.is_closed {
        driven.call(0, |session, now, _, out| session.handle_close(now, out));
    }
    driven.sent
}

/// What the session was told of a subscription.
struct Subscribed {
    mode: SettleMode,
    /// What the last grant allows in all.
    granted: u64,
    delivered: u64,
    unsettled: BTreeSet<Sequence>,
    is_ready: bool,
}

/// A session, its driver and its broker.
struct Driven {
    session: Amqp091,
    out: Out,
    input: BytesMut,
    now: Instant,
    is_closed: bool,
    last_command: CommandId,
    unanswered: VecDeque<(CommandId, Answer)>,
    subscriptions: BTreeMap<SubscriptionId, Subscribed>,
    sent: Vec<u8>,
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

impl Driven {
    fn new(limits: Limits) -> Self {
        let now = Instant::from_millis(1);
        Self {
            session: Amqp091::new(now, limits),
            out: Out::new(),
            input: BytesMut::new(),
            now,
            is_closed: false,
            last_command: CommandId(0),
            unanswered: VecDeque::new(),
            subscriptions: BTreeMap::new(),
            sent: Vec::new(),
            answers_publishes: false,
        }
    }

    /// Calls the session and checks what it puts out for `read_bytes` bytes of input.
    fn call(
        &mut self,
        read_bytes: usize,
        call: impl FnOnce(&mut Amqp091, Instant, &mut BytesMut, &mut Out),
    ) {
        call(&mut self.session, self.now, &mut self.input, &mut self.out);
        let wire = self.out.wire.take();
        let commands = std::mem::take(&mut self.out.commands);
        let bytes_max = ANSWER_BYTES_MAX * (1 + read_bytes / 12);
        assert!(wire.len() <= bytes_max, "{} bytes", wire.len());
        let commands_max = 1 + read_bytes / 12 + 3 * self.subscriptions.len();
        let count = commands.len();
        assert!(count <= commands_max, "{count} commands");
        if self.is_closed {
            assert!(wire.is_empty() && commands.is_empty(), "behind its end");
        }
        self.sent.extend_from_slice(&wire);
        for submission in commands {
            self.take(submission);
        }
        self.is_closed |= self.out.is_closing();
    }

    fn take(&mut self, submission: Submission) {
        let Submission { id, command, .. } = submission;
        assert!(id > self.last_command, "ids of commands ascend");
        self.last_command = id;
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "the session asks for none of the others"
        )]
        let answer = match command {
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
                let subscribed = Subscribed {
                    mode: subscribe.settle_mode,
                    granted: subscribe.grant.total(),
                    delivered: 0,
                    unsettled: BTreeSet::new(),
                    is_ready: false,
                };
                let before = self
                    .subscriptions
                    .insert(subscribe.subscription, subscribed);
                assert!(before.is_none(), "ids of subscriptions are new");
                Answer::Subscribed(subscribe.subscription)
            }
            Command::Get(get) => {
                let subscribed = Subscribed {
                    mode: get.settle_mode,
                    granted: 1,
                    delivered: 0,
                    unsettled: BTreeSet::new(),
                    is_ready: false,
                };
                let before = self.subscriptions.insert(get.subscription, subscribed);
                assert!(before.is_none(), "ids of subscriptions are new");
                Answer::Got(get.subscription)
            }
            Command::StepAside(id) => {
                if let Some(subscribed) = self.subscriptions.get_mut(&id) {
                    assert!(!subscribed.unsettled.is_empty(), "it has nothing in hand");
                    subscribed.granted = 0;
                }
                Answer::Reply(Reply::Nothing)
            }
            Command::Cancel(id) => {
                self.subscriptions.remove(&id);
                Answer::Reply(Reply::Nothing)
            }
            Command::Grant(id, grant) => {
                if let Some(subscribed) = self.subscriptions.get_mut(&id) {
                    subscribed.granted = grant.total();
                }
                return;
            }
            Command::Settle(settle) => return self.settle(&settle),
            Command::Commit(transaction) => {
                transaction.settles.iter().for_each(|it| self.settle(it));
                Answer::Reply(Reply::Nothing)
            }
            Command::Publish(..) if !self.answers_publishes => return,
            Command::Publish(message, publishing) => Answer::Published(message, publishing),
            Command::Connect(_)
            | Command::DeclareExchange(_)
            | Command::DeleteExchange(_)
            | Command::Bind(_)
            | Command::Unbind(_) => Answer::Reply(Reply::Nothing),
            other => panic!("{other:?} was asked"),
        };
        self.unanswered.push_back((id, answer));
    }

    fn settle(&mut self, settle: &Settle) {
        if let Some(subscribed) = self.subscriptions.get_mut(&settle.subscription) {
            for sequence in &settle.sequences {
                assert!(subscribed.unsettled.remove(sequence), "{sequence:?}");
            }
        }
    }

    /// Gives bytes to the session, and answers what it waits for; with a chance, it may be refused.
    fn feed(&mut self, piece: &[u8], mut chance: Option<&mut Chance>) {
        self.input.extend_from_slice(piece);
        loop {
            let read = self.input.len();
            self.call(read, |session, now, input, out| {
                session.handle_input(now, input, out);
            });
            let Some((id, answer)) = self.unanswered.pop_front() else {
                return;
            };
            let is_refused = chance.as_mut().is_some_and(|it| it.below(8) == 0);
            self.answer(id, answer, is_refused);
            while let Some((id, answer)) = self.unanswered.pop_front() {
                self.answer(id, answer, false);
            }
            if self.is_closed {
                return;
            }
        }
    }

    fn answer(&mut self, id: CommandId, answer: Answer, is_refused: bool) {
        let result = match (answer, is_refused) {
            (Answer::Published(message, publishing), _) => {
                return self.answer_publish(id, message, publishing, is_refused);
            }
            (Answer::Subscribed(id), true) => {
                self.subscriptions.remove(&id);
                Err(Refusal::QueueNotFound(made_up_name()))
            }
            (Answer::Got(id), true) => {
                self.subscriptions.remove(&id);
                Err(Refusal::QueueInUse(made_up_name()))
            }
            // Every other one has a message.
            (Answer::Got(id), false) => {
                let has_message = id.0 % 2 == 1;
                if let Some(subscribed) = self.subscriptions.get_mut(&id) {
                    subscribed.is_ready = has_message;
                    self.deliver(id);
                }
                Ok(Reply::Got(has_message.then_some(1)))
            }
            (Answer::Reply(_), true) => Err(Refusal::AccessRefused("no".to_owned())),
            (Answer::Reply(reply), false) => Ok(reply),
            (Answer::Subscribed(id), false) => {
                if let Some(subscribed) = self.subscriptions.get_mut(&id) {
                    subscribed.is_ready = true;
                }
                Ok(Reply::Nothing)
            }
        };
        self.tell(Event::Done(id, result));
    }

    /// Every other message has nobody to get it; of those that are refused, too, for want of room.
    fn answer_publish(
        &mut self,
        id: CommandId,
        message: Message,
        publishing: Publishing,
        is_refused: bool,
    ) {
        let is_odd = id.0 % 2 == 1;
        if is_refused {
            let refusal = if is_odd {
                Refusal::QueueFull(made_up_name())
            } else {
                Refusal::AccessRefused("no".to_owned())
            };
            return self.tell(Event::Done(id, Err(refusal)));
        }
        if is_odd && publishing.unroutable == Unroutable::Return {
            self.tell(Event::Returned(id, message));
        }
        if publishing.confirm == Confirm::Wanted {
            self.tell(Event::Confirmed(id));
        }
    }

    fn tell(&mut self, event: Event) {
        let mut bytes = 0;
        if let Event::Returned(_, message) = &event {
            bytes = message.content().len();
        }
        if !self.is_closed {
            self.call(12 + bytes, |session, now, _, out| {
                session.handle_event(now, event, out);
            });
        }
    }

    /// Something that nobody asked for.
    fn act(&mut self, chance: &mut Chance) {
        let count = self.subscriptions.len();
        match chance.below(6) {
            0 => {
                if let Some(at) = self.session.deadline() {
                    self.now = at;
                    self.call(0, |session, now, _, out| session.handle_deadline(now, out));
                }
            }
            1 if count > 0 && chance.below(8) == 0 => {
                let id = self.subscriptions.keys().nth(chance.below(count)).copied();
                if let Some(id) = id {
                    self.subscriptions.remove(&id);
                    let refusal = Refusal::QueueDeleted(made_up_name());
                    self.tell(Event::Ended(id, refusal));
                }
            }
            2 if chance.below(16) == 0 => self.tell(Event::Disconnect(Refusal::ShuttingDown)),
            _ if count > 0 => {
                let id = self.subscriptions.keys().nth(chance.below(count)).copied();
                id.into_iter().for_each(|id| self.deliver(id));
            }
            _ => {}
        }
    }

    fn deliver(&mut self, id: SubscriptionId) {
        for _ in 0..DELIVERIES_MAX {
            let Some(subscribed) = self.subscriptions.get_mut(&id) else {
                return;
            };
            if !subscribed.is_ready || subscribed.delivered >= subscribed.granted {
                return;
            }
            subscribed.delivered += 1;
            let sequence = Sequence(subscribed.delivered);
            if subscribed.mode == SettleMode::Explicit {
                subscribed.unsettled.insert(sequence);
            }
            self.tell(Event::Delivery(Delivery {
                subscription: id,
                sequence,
                redelivered: false,
                delivery_count: 0,
                acquired_count: 0,
                expires_at: None,
                message: message(),
            }));
        }
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
