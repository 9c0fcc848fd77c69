//! Any bytes through a STOMP session, with a broker that answers as it likes.

mod chances;

use crate::input::{Chance, Input, pieces};
use crate::stomp_codec::SMALL;
use broker_api::{
    Command, Confirm, Event, Grant, Out, QueueStatus, Refusal, Reply, Session, Settle, SettleMode,
    Sharing, Submission, Subscribe, Transaction,
};
use bytes::BytesMut;
use model::{CommandId, ConnectionId, Instant, Message, QueueName, Sequence, SubscriptionId};
use proto_stomp::{Limits, Stomp};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What an answer takes beside what it repeats of the frame.
const ANSWER_BYTES_MAX: usize = 4096;

/// The commands of one call beside those of its frames.
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
pub fn stomp_session(data: &[u8]) {
    let mut input = Input::new(data);
    let limits = if input.u8() & 4 == 0 {
        Limits::default()
    } else {
        SMALL
    };
    let (cuts, script) = (input.u8(), input.u8());
    let stream = input.rest();
    let cut = converse(limits, script, &pieces(cuts, stream));
    if script == 0 {
        let whole = converse(limits, script, &[stream]);
        assert_eq!(Text(&whole), Text(&cut), "the cuts make a difference");
    }
}

/// Bytes that are shown as text.
#[derive(PartialEq, Eq)]
struct Text<'a>(&'a [u8]);

impl std::fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

/// A whole connection; returns what the client is sent.
fn converse(limits: Limits, script: u8, pieces: &[&[u8]]) -> Vec<u8> {
    let mut driven = Driven::new(limits);
    driven.messages.extend(chances::messages().iter().cloned());
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
    browses: bool,
}

/// A session, its driver and its broker.
struct Driven {
    session: Stomp,
    limits: Limits,
    out: Out,
    input: BytesMut,
    now: Instant,
    is_closed: bool,
    last_command: CommandId,
    unanswered: VecDeque<(CommandId, Answer)>,
    subscriptions: BTreeMap<SubscriptionId, Subscribed>,
    /// Those that the broker has ended: what they still held belongs to nobody.
    ended: BTreeSet<SubscriptionId>,
    /// Names that were made up for queues.
    names: u32,
    messages: VecDeque<Message>,
    /// All bytes to the client.
    sent: Vec<u8>,
}

/// What a command is answered by.
#[derive(Clone, Debug)]
enum Answer {
    Done,
    Counted,
    Queue(QueueName),
    Subscribed(SubscriptionId),
    Canceled(SubscriptionId),
    Confirmed,
    OnlyRefusal,
}

impl Driven {
    fn new(limits: Limits) -> Self {
        let now = Instant::default();
        Self {
            session: Stomp::new(now, ConnectionId(7), limits),
            limits,
            out: Out::new(),
            input: BytesMut::new(),
            now,
            is_closed: false,
            last_command: CommandId(0),
            unanswered: VecDeque::new(),
            subscriptions: BTreeMap::new(),
            ended: BTreeSet::new(),
            names: 0,
            messages: VecDeque::new(),
            sent: Vec::new(),
        }
    }

    /// Calls the session and checks what it puts out for `read_bytes` bytes of input.
    fn call(
        &mut self,
        read_bytes: usize,
        call: impl FnOnce(&mut Stomp, Instant, &mut BytesMut, &mut Out),
    ) {
        call(&mut self.session, self.now, &mut self.input, &mut self.out);
        let wire = self.out.wire.take();
        let commands = std::mem::take(&mut self.out.commands);
        let repeated = 4 * read_bytes + 8 * self.limits.header_bytes_max;
        assert!(wire.len() <= ANSWER_BYTES_MAX + repeated, "{}", wire.len());
        let commands_max = COMMANDS_MAX + read_bytes + self.subscriptions.len();
        assert!(
            commands.len() <= commands_max,
            "{} commands",
            commands.len()
        );
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
            other @ (Command::List(_)
            | Command::Authenticate(_)
            | Command::PutUser(_)
            | Command::DeleteUser(_)) => unreachable!("a client cannot ask for {other:?}"),
            Command::Publish(message, publishing) => {
                self.keep(message);
                answer_to(publishing.confirm)
            }
            Command::Commit(transaction) => self.take_transaction(*transaction),
            Command::Subscribe(subscribe) => self.take_subscribe(&subscribe),
            Command::ShowRetained(_) | Command::QueueRetained(_) => {
                unreachable!("a client cannot ask for it")
            }
            Command::Cancel(id) => Answer::Canceled(id),
            Command::Grant(id, grant) => {
                self.take_grant(id, grant);
                Answer::OnlyRefusal
            }
            Command::Settle(settle) => self.take_settle(settle),
            other @ (Command::Keep(_)
            | Command::LetGo(_)
            | Command::Note(_)
            | Command::Recall(_)
            | Command::Get(_)
            | Command::StepAside(_)
            | Command::Bequeath(_)) => {
                unreachable!("a client cannot ask for {other:?}")
            }
        };
        self.unanswered.push_back((id, answer));
    }

    fn new_name(&mut self) -> QueueName {
        self.names += 1;
        let name = format!("made-up.{}", self.names);
        QueueName::new(name.as_bytes()).expect("it is short")
    }

    fn keep(&mut self, message: Message) {
        if self.messages.len() == MESSAGES_MAX {
            self.messages.pop_front();
        }
        self.messages.push_back(message);
    }

    fn take_transaction(&mut self, transaction: Transaction) -> Answer {
        let bytes: usize = transaction.publishes.iter().map(Message::cost_bytes).sum();
        assert!(bytes <= self.limits.transaction_bytes_max, "{bytes} bytes");
        for message in transaction.publishes {
            self.keep(message);
        }
        for settle in transaction.settles {
            self.take_settle(settle);
        }
        Answer::Done
    }

    fn take_subscribe(&mut self, subscribe: &Subscribe) -> Answer {
        let subscribed = Subscribed {
            mode: subscribe.settle_mode,
            granted: subscribe.grant.total(),
            delivered: 0,
            unsettled: BTreeSet::new(),
            is_ready: false,
            browses: subscribe.sharing == Sharing::Browse,
        };
        let id = subscribe.subscription;
        let known = self.subscriptions.insert(id, subscribed);
        assert!(known.is_none(), "subscription {id} is used twice");
        assert!(self.subscriptions.len() <= 2 * self.limits.subscriptions_max);
        Answer::Subscribed(id)
    }

    fn take_grant(&mut self, id: SubscriptionId, grant: Grant) {
        if self.ended.contains(&id) {
            return;
        }
        let subscribed = self.subscriptions.get_mut(&id).expect("it was subscribed");
        assert!(grant.count <= subscribed.delivered, "it was not given that");
        subscribed.granted = grant.total();
    }

    fn take_settle(&mut self, settle: Settle) -> Answer {
        let id = settle.subscription;
        if self.ended.contains(&id) {
            return answer_to(settle.confirm);
        }
        let subscribed = self.subscriptions.get_mut(&id).expect("it was subscribed");
        assert_eq!(subscribed.mode, SettleMode::Explicit);
        for sequence in settle.sequences {
            let was = subscribed.unsettled.remove(&sequence);
            assert!(was, "{id}/{sequence} is settled and was not delivered");
        }
        answer_to(settle.confirm)
    }

    /// Gives bytes to the session, answering all it waits for.
    fn feed(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
        self.read();
        while self.out.is_held() && !self.is_closed {
            // In order and no more than it waits for: so it does not depend on the cuts.
            let (id, answer) = self.unanswered.pop_front().expect("it waits for an answer");
            self.answer(id, answer);
        }
        if !self.is_closed {
            let most = self.limits.head_bytes_max + self.limits.body_bytes_max + 1;
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

    fn tell(&mut self, event: Event) {
        let repeated = match &event {
            Event::Delivery(delivery) => delivery.message.cost_bytes(),
            Event::Returned(_, message) => message.cost_bytes(),
            Event::Confirmed(_)
            | Event::Done(..)
            | Event::Drained(_)
            | Event::Ended(..)
            | Event::Blocked(_)
            | Event::Unblocked
            | Event::Disconnect(_) => 0,
        };
        let was_held = self.out.is_held();
        self.call(repeated, |session, now, _, out| {
            session.handle_event(now, event, out);
        });
        if was_held && !self.out.is_held() {
            self.read();
        }
    }

    fn answer_all(&mut self) {
        while let Some((id, answer)) = self.unanswered.pop_front() {
            self.answer(id, answer);
        }
    }

    fn answer(&mut self, id: CommandId, answer: Answer) {
        match answer {
            Answer::Done => self.done(id, Reply::Nothing),
            Answer::Counted => self.done(id, Reply::Count(3)),
            Answer::Queue(name) => {
                let status = QueueStatus {
                    name,
                    ready_count: 1,
                    unsettled_count: 2,
                    bytes: u64::MAX,
                    subscription_count: 0,
                };
                self.done(id, Reply::Queue(Box::new(status)));
            }
            Answer::Subscribed(subscription) => {
                if let Some(subscribed) = self.subscriptions.get_mut(&subscription) {
                    subscribed.is_ready = true;
                }
                self.done(id, Reply::Nothing);
            }
            Answer::Canceled(subscription) => {
                self.subscriptions.remove(&subscription);
                self.done(id, Reply::Nothing);
            }
            Answer::Confirmed => self.tell(Event::Confirmed(id)),
            Answer::OnlyRefusal => {}
        }
    }

    fn done(&mut self, id: CommandId, reply: Reply) {
        self.tell(Event::Done(id, Ok(reply)));
    }

    /// Checks that the session, which is closed, has nothing more to say.
    fn check_silence(&mut self) {
        self.input
            .extend_from_slice(b"\nSEND\ndestination:/queue/a\n\n\0");
        self.call(0, |session, now, input, out| {
            session.handle_input(now, input, out);
        });
        self.done(self.last_command, Reply::Nothing);
        self.tell(Event::Disconnect(Refusal::ShuttingDown));
        assert_eq!(self.session.deadline(), None, "it waits for nothing");
        self.call(0, |session, now, _, out| session.handle_deadline(now, out));
    }
}

const fn answer_to(confirm: Confirm) -> Answer {
    match confirm {
        Confirm::Wanted => Answer::Confirmed,
        Confirm::Unwanted => Answer::OnlyRefusal,
    }
}
