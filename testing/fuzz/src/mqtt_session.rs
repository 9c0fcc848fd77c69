//! Any bytes through an MQTT session, with a broker that answers as it likes.

use crate::input::{Chance, Input, pieces};
use broker_api::{
    Authenticate, Authenticated, Command, Confirm, Delivery, Event, Out, Refusal, Reply, Session,
    SettleMode, Submission, Unroutable,
};
use bytes::BytesMut;
use model::{CommandId, ConnectionId, Instant, Message, Sequence, SubscriptionId};
use proto_mqtt::{Limits, Mqtt, SessionLimits};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// What an answer takes beside what it repeats of the input.
const ANSWER_BYTES_MAX: usize = 4096;

/// The commands of one call beside those of its packets.
const COMMANDS_MAX: usize = 16;

/// The messages that the broker keeps for deliveries.
const MESSAGES_MAX: usize = 16;

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
pub fn mqtt_session(data: &[u8]) {
    let mut input = Input::new(data);
    let limits = if input.u8() & 4 == 0 {
        SessionLimits::default()
    } else {
        small()
    };
    let (cuts, script) = (input.u8(), input.u8());
    let stream = input.rest();
    let cut = converse(limits, script, &pieces(cuts, stream));
    if script == 0 {
        let whole = converse(limits, script, &[stream]);
        assert_eq!(whole, cut, "the cuts make a difference");
    }
}

/// Small, so that short inputs reach them.
fn small() -> SessionLimits {
    let limits = SessionLimits::default();
    SessionLimits {
        packets: Limits {
            packet_bytes_max: 400,
            control_bytes_max: 300,
            connect_bytes_max: 200,
            property_bytes_max: 80,
            filters_max: 4,
        },
        subscriptions_max: 3,
        filter_bytes_max: 40,
        filter_levels_max: 4,
        receive_max: std::num::NonZeroU16::MIN.saturating_add(1),
        send_max: std::num::NonZeroU16::MIN,
        topic_alias_max: 2,
        ..limits
    }
}

/// A whole connection; returns what the client is sent.
fn converse(limits: SessionLimits, script: u8, pieces: &[&[u8]]) -> Vec<u8> {
    let mut driven = Driven::new(limits);
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
    driven.answer_all();
    if driven.is_closed {
        driven.check_silence();
    } else {
        driven.call(0, |session, now, _, out| session.handle_close(now, out));
    }
    if driven.is_kept {
        driven.sent.sort_unstable();
    }
    driven.sent
}

/// What the session was told of a subscription.
#[derive(Debug)]
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
    session: Mqtt,
    limits: SessionLimits,
    out: Out,
    input: BytesMut,
    now: Instant,
    is_closed: bool,
    last_command: CommandId,
    unanswered: VecDeque<(CommandId, Answer)>,
    subscriptions: BTreeMap<SubscriptionId, Subscribed>,
    /// Those that have ended: what they still held belongs to nobody.
    ended: BTreeSet<SubscriptionId>,
    messages: VecDeque<Message>,
    /// All bytes to the client.
    sent: Vec<u8>,
    /// Its session is kept: what it gathers depends on the cuts, and so does the order of some answers.
    is_kept: bool,
}

/// What a command is answered by.
#[derive(Clone, Debug)]
enum Answer {
    Done,
    Subscribed(SubscriptionId),
    Confirmed(Option<Message>),
    Challenge,
    Authenticated,
    Recalled,
    OnlyRefusal,
}

impl Driven {
    fn new(limits: SessionLimits) -> Self {
        let now = Instant::from_millis(1);
        Self {
            session: Mqtt::new(now, ConnectionId(7), limits, 9),
            limits,
            out: Out::new(),
            input: BytesMut::new(),
            now,
            is_closed: false,
            last_command: CommandId(0),
            unanswered: VecDeque::new(),
            subscriptions: BTreeMap::new(),
            ended: BTreeSet::new(),
            messages: VecDeque::new(),
            sent: Vec::new(),
            is_kept: false,
        }
    }

    /// Calls the session and checks what it puts out for `read_bytes` bytes of input.
    fn call(
        &mut self,
        read_bytes: usize,
        call: impl FnOnce(&mut Mqtt, Instant, &mut BytesMut, &mut Out),
    ) {
        call(&mut self.session, self.now, &mut self.input, &mut self.out);
        let wire = self.out.wire.take();
        let commands = std::mem::take(&mut self.out.commands);
        // What waited for the client's answer may come with it.
        let waiting: usize = self.messages.iter().map(Message::cost_bytes).sum();
        let bytes_max = ANSWER_BYTES_MAX + (4 + waiting) * (read_bytes + 1);
        assert!(wire.len() <= bytes_max, "{} bytes", wire.len());
        let commands_max = COMMANDS_MAX + read_bytes + 2 * self.subscriptions.len();
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
        let answer = match command {
            Command::Connect(_) => Answer::Done,
            Command::Authenticate(step) => match *step {
                Authenticate::Begin { .. } => Answer::Challenge,
                Authenticate::Continue { .. } | Authenticate::Vouched { .. } => {
                    Answer::Authenticated
                }
            },
            Command::Publish(message, publishing) => {
                if self.messages.len() == MESSAGES_MAX {
                    self.messages.pop_front();
                }
                self.messages.push_back(message.clone());
                let comes_back = publishing.unroutable == Unroutable::Return;
                match publishing.confirm {
                    Confirm::Wanted => Answer::Confirmed(comes_back.then_some(message)),
                    Confirm::Unwanted => Answer::OnlyRefusal,
                }
            }
            Command::Subscribe(subscribe) => {
                let subscribed = Subscribed {
                    mode: subscribe.settle_mode,
                    granted: subscribe.grant.total(),
                    delivered: 0,
                    unsettled: BTreeSet::new(),
                    is_ready: false,
                };
                let id = subscribe.subscription;
                let known = self.subscriptions.insert(id, subscribed);
                assert!(known.is_none(), "subscription {id} is used twice");
                // And the one to the queue of its session.
                assert!(self.subscriptions.len() <= 2 * self.limits.subscriptions_max + 1);
                Answer::Subscribed(id)
            }
            Command::ShowRetained(show) => {
                let id = show.subscription;
                assert!(
                    self.subscriptions.contains_key(&id),
                    "{id} was not subscribed"
                );
                Answer::Done
            }
            Command::Cancel(id) => {
                let known = self.subscriptions.remove(&id).is_some();
                assert!(known || self.ended.contains(&id), "{id} was not subscribed");
                self.ended.insert(id);
                Answer::Done
            }
            Command::Grant(id, grant) => {
                if let Some(subscribed) = self.subscriptions.get_mut(&id) {
                    assert!(grant.count <= subscribed.delivered, "it was not given that");
                    subscribed.granted = grant.total();
                } else {
                    assert!(self.ended.contains(&id), "{id} was not subscribed");
                }
                Answer::OnlyRefusal
            }
            Command::Settle(settle) => {
                let id = settle.subscription;
                if let Some(subscribed) = self.subscriptions.get_mut(&id) {
                    assert_eq!(subscribed.mode, SettleMode::Explicit);
                    for sequence in settle.sequences {
                        let was = subscribed.unsettled.remove(&sequence);
                        assert!(was, "{id}/{sequence} is settled and was not delivered");
                    }
                } else {
                    assert!(self.ended.contains(&id), "{id} was not subscribed");
                }
                Answer::OnlyRefusal
            }
            Command::DeleteQueue(_)
            | Command::DeclareQueue(_)
            | Command::Bind(_)
            | Command::Unbind(_)
            | Command::Keep(_)
            | Command::LetGo(_)
            | Command::QueueRetained(_)
            | Command::Bequeath(_) => Answer::Done,
            Command::Recall(_) => {
                self.is_kept = true;
                Answer::Recalled
            }
            Command::Commit(transaction) => {
                let entries = transaction.notes.iter().flat_map(|notes| &notes.entries);
                assert_eq!(entries.count(), transaction.publishes.len());
                self.messages.extend(transaction.publishes);
                while self.messages.len() > MESSAGES_MAX {
                    self.messages.pop_front();
                }
                Answer::Done
            }
            Command::Note(notes) => {
                assert!(!notes.entries.is_empty(), "it says nothing");
                let id = notes.subscription;
                if let Some(subscribed) = self.subscriptions.get_mut(&id) {
                    for sequence in notes.accepted {
                        let was = subscribed.unsettled.remove(&sequence);
                        assert!(was, "{id}/{sequence} is settled and was not delivered");
                    }
                }
                Answer::Done
            }
            other @ (Command::PutUser(_)
            | Command::Get(_)
            | Command::StepAside(_)
            | Command::DeleteUser(_)
            | Command::PurgeQueue(_)
            | Command::DeclareExchange(_)
            | Command::DeleteExchange(_)
            | Command::List(_)) => unreachable!("a client cannot ask for {other:?}"),
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
            let most = self.limits.packets.packet_bytes_max;
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
                    let at = chance.below(self.unanswered.len().max(1));
                    if let Some((id, answer)) = self.unanswered.remove(at) {
                        self.answer(id, answer, chance.below(4) == 0);
                    }
                }
                3 if chance.below(20) == 0 => self.tell(Event::Disconnect(Refusal::TakenOver)),
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
        let at = chance.below(self.subscriptions.len().max(1));
        let Some((id, subscribed)) = self.subscriptions.iter_mut().nth(at) else {
            return;
        };
        let at = chance.below(self.messages.len().max(1));
        let Some(message) = self.messages.get(at).cloned() else {
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
        let ttl = message.envelope().ttl_ms.filter(|_| is_explicit);
        let delivery = Delivery {
            subscription: *id,
            sequence,
            redelivered: false,
            delivery_count: 0,
            acquired_count: 0,
            expires_at: ttl.map(|ttl| self.now.plus_millis(ttl)),
            message,
        };
        self.tell(Event::Delivery(delivery));
    }

    fn tell(&mut self, event: Event) {
        let was_held = self.out.is_held();
        self.call(1, |session, now, _, out| {
            session.handle_event(now, event, out);
        });
        if was_held && !self.out.is_held() {
            self.read();
        }
    }

    fn answer_all(&mut self) {
        while let Some((id, answer)) = self.unanswered.pop_front() {
            self.answer(id, answer, false);
        }
    }

    fn answer(&mut self, id: CommandId, answer: Answer, is_refused: bool) {
        if is_refused {
            if let Answer::Subscribed(subscription) = answer {
                self.subscriptions.remove(&subscription);
                self.ended.insert(subscription);
            }
            let limit = Refusal::LimitReached {
                what: "things",
                limit: 1,
            };
            return self.tell(Event::Done(id, Err(limit)));
        }
        match answer {
            Answer::Done => self.tell(Event::Done(id, Ok(Reply::Nothing))),
            Answer::Subscribed(subscription) => {
                if let Some(subscribed) = self.subscriptions.get_mut(&subscription) {
                    subscribed.is_ready = true;
                }
                self.tell(Event::Done(id, Ok(Reply::Nothing)));
            }
            Answer::Confirmed(returned) => {
                if let Some(message) = returned.filter(|message| message.body().is_empty()) {
                    self.tell(Event::Returned(id, message));
                }
                self.tell(Event::Confirmed(id));
            }
            Answer::Challenge => {
                let challenge = Reply::Challenge(b"challenge".to_vec());
                self.tell(Event::Done(id, Ok(challenge)));
            }
            Answer::Authenticated => {
                let shown = Authenticated {
                    user: "ada".into(),
                    data: b"shown".to_vec(),
                };
                let shown = Reply::Authenticated(Box::new(shown));
                self.tell(Event::Done(id, Ok(shown)));
            }
            Answer::Recalled => self.tell(Event::Done(id, Ok(Reply::Notes(Vec::new())))),
            Answer::OnlyRefusal => {}
        }
    }

    /// Checks that the session, which is closed, has nothing more to say.
    fn check_silence(&mut self) {
        self.input.extend_from_slice(b"\xc0\x00\x30\x03\x00\x01a");
        self.call(0, |session, now, input, out| {
            session.handle_input(now, input, out);
        });
        self.tell(Event::Done(self.last_command, Ok(Reply::Nothing)));
        self.tell(Event::Disconnect(Refusal::ShuttingDown));
        assert_eq!(self.session.deadline(), None, "it waits for nothing");
        self.call(0, |session, now, _, out| session.handle_deadline(now, out));
    }
}
