//! Any bytes through a session of ZeroMQ's sockets, with a broker that answers as it likes.

use crate::input::{Chance, Input, pieces};
use broker_api::{
    Authenticated, Command, Delivery, Event, HeadReader, Out, QueueStatus, Refusal, Reply, Session,
    SettleMode, Submission,
};
use bytes::BytesMut;
use model::{CommandId, Dialect, Instant, Message, QueueName, Sequence, SubscriptionId};
use proto_zmq::{Curve, PublicKey, SecretKey, ServerRandom, Settings, Zmq, ZmqHeads};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// What an answer takes beside what it repeats of the input: a greeting, and what the mechanism says.
const ANSWER_BYTES_MAX: usize = 1_000;

/// The commands of one call beside those of its frames.
const COMMANDS_MAX: usize = 4;

/// The messages that the broker keeps for deliveries.
const MESSAGES_MAX: usize = 16;

/// Feeds a stream in pieces to a session, with answers, refusals, deliveries and deadlines in between: what it puts out
/// is bounded by what came in, it settles nothing that it was not given, and when it has asked to close it says nothing
/// more.
///
/// Bytes: 1, whose bit 0 asks for small limits and bit 1 for CURVE alone; 1, the seed of the cuts; 1, the seed of what
/// the broker does; the stream. With seed 0 it answers what the session waits for: then the session's output must be
/// the same for the stream in one piece.
///
/// # Panics
/// When one of these promises is broken.
pub fn zmq_session(data: &[u8]) {
    let mut input = Input::new(data);
    let settings = Arc::new(settings(input.u8()));
    let (cuts, script) = (input.u8(), input.u8());
    let stream = input.rest();
    let cut = converse(&settings, script, &pieces(cuts, stream));
    if script == 0 {
        let whole = converse(&settings, script, &[stream]);
        assert_eq!(whole, cut, "the cuts make a difference");
    }
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

/// A whole connection; returns what the socket is sent.
fn converse(settings: &Arc<Settings>, script: u8, pieces: &[&[u8]]) -> Vec<u8> {
    let mut driven = Driven::new(settings);
    let mut chance = Chance::new(script);
    for piece in pieces {
        // A driver does not read on when it has been asked to close.
        if driven.is_closed {
            break;
        }
        driven.feed(piece);
        if script != 0 {
            driven.act(&mut chance);
        }
    }
    if driven.is_closed {
        driven.check_silence();
    } else {
        driven.call(0, |session, now, _, out| session.handle_close(now, out));
    }
    driven.sent
}

/// What is answered to a command.
#[derive(Clone, Debug)]
enum Answer {
    Done,
    Authenticated,
    Made(QueueName),
    Subscribed,
    OnlyRefusal,
}

/// The one subscription.
#[derive(Debug)]
struct Subscribed {
    mode: SettleMode,
    granted: u64,
    delivered: u64,
    unsettled: BTreeSet<Sequence>,
    is_ready: bool,
}

/// A session, its driver and its broker.
struct Driven {
    session: Zmq,
    settings: Arc<Settings>,
    out: Out,
    input: BytesMut,
    now: Instant,
    is_closed: bool,
    last_command: CommandId,
    unanswered: VecDeque<(CommandId, Answer)>,
    subscribed: Option<Subscribed>,
    bindings: usize,
    messages: VecDeque<Message>,
    /// All bytes to the socket.
    sent: Vec<u8>,
}

impl Driven {
    fn new(settings: &Arc<Settings>) -> Self {
        let now = Instant::from_millis(1);
        let random = ServerRandom::new(&[5; 96]);
        Self {
            session: Zmq::new(now, Arc::clone(settings), heads).with_curve(random),
            settings: Arc::clone(settings),
            out: Out::new(),
            input: BytesMut::new(),
            now,
            is_closed: false,
            last_command: CommandId(0),
            unanswered: VecDeque::new(),
            subscribed: None,
            bindings: 0,
            messages: VecDeque::new(),
            sent: Vec::new(),
        }
    }

    /// Calls the session and checks what it puts out for `read_bytes` bytes of input.
    fn call(
        &mut self,
        read_bytes: usize,
        call: impl FnOnce(&mut Zmq, Instant, &mut BytesMut, &mut Out),
    ) {
        call(&mut self.session, self.now, &mut self.input, &mut self.out);
        let wire = self.out.wire.take();
        let commands = std::mem::take(&mut self.out.commands);
        let bytes_max = ANSWER_BYTES_MAX + 10 * read_bytes;
        assert!(wire.len() <= bytes_max, "{} bytes", wire.len());
        let count = commands.len();
        assert!(count <= COMMANDS_MAX + 3 * read_bytes, "{count} commands");
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
        let answer = match command {
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
                if self.messages.len() == MESSAGES_MAX {
                    self.messages.pop_front();
                }
                self.messages.push_back(message);
                Answer::OnlyRefusal
            }
            Command::Subscribe(subscribe) => {
                assert!(self.subscribed.is_none(), "it subscribes once");
                self.subscribed = Some(Subscribed {
                    mode: subscribe.settle_mode,
                    granted: subscribe.grant.total(),
                    delivered: 0,
                    unsettled: BTreeSet::new(),
                    is_ready: false,
                });
                Answer::Subscribed
            }
            Command::Grant(_, grant) => {
                let subscribed = self.subscribed.as_mut().expect("it has subscribed");
                assert!(grant.count <= subscribed.delivered, "it was not given that");
                subscribed.granted = grant.total();
                Answer::OnlyRefusal
            }
            Command::Settle(settle) => {
                let subscribed = self.subscribed.as_mut().expect("it has subscribed");
                for sequence in settle.sequences {
                    let was = subscribed.unsettled.remove(&sequence);
                    assert!(was, "{sequence} is settled and was not delivered");
                }
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
        };
        self.unanswered.push_back((id, answer));
    }

    /// Gives bytes to the session, answering all it waits for.
    fn feed(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
        self.read();
        while self.out.is_held() && !self.is_closed {
            // In order and no more than it waits for: so it does not depend on the cuts.
            let (id, answer) = self.unanswered.pop_front().expect("it waits for an answer");
            self.answer(id, answer, false);
        }
        if !self.is_closed {
            let most = self.settings.message_bytes_max + self.settings.handshake_bytes_max + 100;
            assert!(self.input.len() <= most, "{} are left", self.input.len());
        }
    }

    /// Offers what is in the input.
    fn read(&mut self) {
        let length = self.input.len();
        self.call(length, |session, now, input, out| {
            session.handle_input(now, input, out);
        });
        assert!(self.input.len() <= length);
    }

    /// Something that a broker may do.
    fn act(&mut self, chance: &mut Chance) {
        for _ in 0..chance.below(6) {
            match chance.below(8) {
                0 => self.deadline(),
                1 | 2 => {
                    if let Some((id, answer)) = self.unanswered.pop_front() {
                        self.answer(id, answer, chance.below(4) == 0);
                    }
                }
                3 if chance.below(20) == 0 => self.tell(0, Event::Disconnect(Refusal::Stalled)),
                _ => self.deliver(chance),
            }
        }
    }

    fn deadline(&mut self) {
        self.now = self.now + Duration::from_secs(1);
        let is_due = self.session.deadline().is_some_and(|at| at <= self.now);
        if is_due && !self.is_closed {
            self.call(0, |session, now, _, out| session.handle_deadline(now, out));
        }
    }

    fn deliver(&mut self, chance: &mut Chance) {
        let at = chance.below(self.messages.len().max(1));
        let Some(message) = self.messages.get(at).cloned() else {
            return;
        };
        let Some(subscribed) = &mut self.subscribed else {
            return;
        };
        if !subscribed.is_ready || self.is_closed || subscribed.delivered >= subscribed.granted {
            return;
        }
        subscribed.delivered += 1;
        let is_explicit = subscribed.mode == SettleMode::Explicit;
        let sequence = Sequence(if is_explicit { subscribed.delivered } else { 0 });
        if is_explicit {
            subscribed.unsettled.insert(sequence);
        }
        let cost_bytes = message.cost_bytes();
        let delivery = Delivery {
            subscription: SubscriptionId(1),
            sequence,
            redelivered: false,
            delivery_count: 0,
            acquired_count: 0,
            expires_at: None,
            message,
        };
        self.tell(cost_bytes, Event::Delivery(delivery));
    }

    fn tell(&mut self, bytes: usize, event: Event) {
        let was_held = self.out.is_held();
        self.call(bytes, |session, now, _, out| {
            session.handle_event(now, event, out);
        });
        if was_held && !self.out.is_held() && !self.is_closed {
            self.read();
        }
    }

    fn answer(&mut self, id: CommandId, answer: Answer, is_refused: bool) {
        let result = match answer {
            Answer::OnlyRefusal if !is_refused => return,
            _ if is_refused => Err(Refusal::LimitReached {
                what: "things",
                limit: 1,
            }),
            Answer::Done | Answer::OnlyRefusal => Ok(Reply::Nothing),
            Answer::Authenticated => Ok(Reply::Authenticated(Box::new(Authenticated {
                user: "ada".into(),
                data: Vec::new(),
            }))),
            Answer::Made(name) => Ok(Reply::Queue(Box::new(QueueStatus {
                name,
                ready_count: 0,
                unsettled_count: 0,
                bytes: 0,
                subscription_count: 0,
            }))),
            Answer::Subscribed => {
                if let Some(subscribed) = &mut self.subscribed {
                    subscribed.is_ready = true;
                }
                Ok(Reply::Nothing)
            }
        };
        self.tell(0, Event::Done(id, result));
    }

    /// Checks that the session, which is closed, has nothing more to say.
    fn check_silence(&mut self) {
        self.input
            .extend_from_slice(b"\x04\x07\x04PING\0\0\x00\x01x");
        self.call(0, |session, now, input, out| {
            session.handle_input(now, input, out);
        });
        self.tell(0, Event::Done(self.last_command, Ok(Reply::Nothing)));
        self.tell(0, Event::Disconnect(Refusal::ShuttingDown));
        assert_eq!(self.session.deadline(), None, "it waits for nothing");
        self.call(0, |session, now, _, out| session.handle_deadline(now, out));
    }
}
