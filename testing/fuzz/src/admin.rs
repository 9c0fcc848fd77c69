//! Any bytes through an admin connection, with a broker that answers as it likes.

use crate::input::{Chance, Input, pieces};
use broker_api::{
    Bind, BindTo, Command, Event, ListedExchange, ListedQueue, ListedUser, Listing, Out,
    QueueStatus, Refusal, Reply, Session,
};
use bytes::BytesMut;
use management::Admin;
use model::{
    Access, Arguments, BindingKey, CommandId, DeadLetter, Delays, Durability, ExchangeDefinition,
    ExchangeKind, ExchangeName, Instant, Lifetime, Pattern, QueueDefinition, QueueName, ShardId,
    Value,
};

/// What an answer takes beside what it repeats of its request.
const ANSWER_BYTES_MAX: usize = 8192;

/// Feeds a stream in pieces to a session, and answers what it asks: it asks one thing at a time, answers each
/// request by one line that is UTF-8, in the same way however the stream is cut, and says nothing more when it
/// has asked to close.
///
/// Bytes: 1, the seed of the cuts; 1, the seed of what the broker answers; the stream.
///
/// # Panics
/// When one of these promises is broken.
pub fn admin(data: &[u8]) {
    let mut input = Input::new(data);
    let (cuts, script) = (input.u8(), input.u8());
    let stream = input.rest();
    let cut = converse(script, &pieces(cuts, stream));
    let whole = converse(script, &[stream]);
    assert_eq!(whole, cut, "the cuts make a difference");
}

/// A whole connection; returns what the client is sent.
fn converse(script: u8, pieces: &[&[u8]]) -> String {
    let mut driven = Driven {
        session: Admin::new(),
        out: Out::new(),
        input: BytesMut::new(),
        chance: Chance::new(script),
        is_scripted: script != 0,
        last: CommandId(0),
        command: None,
        sent: Vec::new(),
    };
    for piece in pieces {
        if driven.out.is_closing() {
            break;
        }
        driven.feed(piece);
    }
    let now = Instant::default();
    assert_eq!(driven.session.deadline(), None, "it waits for nobody");
    driven.session.handle_close(now, &mut driven.out);
    let is_whole = driven.sent.last().is_none_or(|byte| *byte == b'\n');
    assert!(is_whole, "every answer is a line");
    String::from_utf8(driven.sent).expect("answers are UTF-8")
}

/// A session, its driver and its broker.
struct Driven {
    session: Admin,
    out: Out,
    input: BytesMut,
    chance: Chance,
    is_scripted: bool,
    last: CommandId,
    command: Option<Command>,
    sent: Vec<u8>,
}

impl Driven {
    fn feed(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
        self.read();
        while !self.out.is_closing() && self.out.is_held() {
            let command = self.command.take().expect("it waits for an answer");
            let done = self.answer(&command);
            let now = Instant::default();
            let event = Event::Done(self.last, done);
            self.session.handle_event(now, event, &mut self.out);
            self.take(0);
            self.read();
        }
        assert!(self.command.is_none(), "it waits for what it asks");
    }

    fn read(&mut self) {
        if self.out.is_closing() {
            return;
        }
        let before = self.input.len();
        let now = Instant::default();
        self.session
            .handle_input(now, &mut self.input, &mut self.out);
        self.take(before);
        let most = management::LINE_BYTES_MAX;
        assert!(self.out.is_closing() || self.out.is_held() || self.input.len() <= most);
    }

    fn take(&mut self, read_bytes: usize) {
        let wire = self.out.wire.take();
        // An empty line has no answer, any other one; what it repeats is escaped.
        let most = ANSWER_BYTES_MAX + 200 * read_bytes;
        assert!(wire.len() <= most, "{} bytes", wire.len());
        self.sent.extend_from_slice(&wire);
        for submission in self.out.commands.drain(..) {
            assert!(submission.id > self.last, "ids of commands ascend");
            self.last = submission.id;
            let previous = self.command.replace(submission.command);
            assert!(previous.is_none(), "it asks one thing at a time");
        }
    }

    fn answer(&mut self, command: &Command) -> Result<Reply, Refusal> {
        if self.is_scripted && self.chance.below(4) == 0 {
            return Err(match self.chance.below(3) {
                0 => Refusal::Invalid("a\n\"b\"\0\u{1F600}".to_owned()),
                1 => Refusal::QueueNotEmpty(queue_name()),
                _ => Refusal::ShuttingDown,
            });
        }
        Ok(match command {
            Command::Connect(_)
            | Command::DeclareExchange(_)
            | Command::DeleteExchange(_)
            | Command::Bind(_)
            | Command::Unbind(_)
            | Command::PutUser(_)
            | Command::DeleteUser(_) => Reply::Nothing,
            Command::DeclareQueue(declare) => {
                let name = declare.name.clone().unwrap_or_else(queue_name);
                Reply::Queue(Box::new(status(name)))
            }
            Command::DeleteQueue(_) | Command::PurgeQueue(_) => Reply::Count(u64::MAX),
            Command::List(Listing::Queues) => Reply::Queues(vec![listed_queue(); 2]),
            Command::List(Listing::Exchanges) => Reply::Exchanges(vec![listed_exchange()]),
            Command::List(Listing::Bindings) => Reply::Bindings(vec![bind()]),
            Command::List(Listing::Users) => Reply::Users(vec![ListedUser {
                name: "a\"\n\u{1F600}".into(),
                iterations: u32::MAX,
            }]),
            Command::Authenticate(_)
            | Command::Publish(..)
            | Command::Commit(_)
            | Command::Note(_)
            | Command::Recall(_)
            | Command::Keep(_)
            | Command::LetGo(_)
            | Command::Bequeath(_)
            | Command::Subscribe(_)
            | Command::Get(_)
            | Command::Cancel(_)
            | Command::StepAside(_)
            | Command::ShowRetained(_)
            | Command::QueueRetained(_)
            | Command::Grant(..)
            | Command::Settle(_) => unreachable!("an admin neither publishes nor subscribes"),
        })
    }
}

fn queue_name() -> QueueName {
    QueueName::new(b"q \"\n\xff").expect("it is short")
}

fn exchange_name() -> ExchangeName {
    ExchangeName::new(b"x\\\xff").expect("it is short")
}

fn status(name: QueueName) -> QueueStatus {
    QueueStatus {
        name,
        ready_count: 1,
        unsettled_count: u64::MAX,
        bytes: 3,
        subscription_count: 4,
    }
}

fn listed_queue() -> ListedQueue {
    let mut definition = QueueDefinition::DURABLE;
    definition.expires_ms = Some(7);
    definition.rules.dead_letter = Some(DeadLetter {
        exchange: exchange_name(),
        key: Some(b"k\0".as_slice().into()),
    });
    ListedQueue {
        status: status(queue_name()),
        definition,
        shard: ShardId(3),
    }
}

fn listed_exchange() -> ListedExchange {
    ListedExchange {
        name: exchange_name(),
        definition: ExchangeDefinition {
            kind: ExchangeKind::Topic,
            access: Access::Internal,
            alternate: Some(exchange_name()),
            delays: Delays::Granted,
        },
        durability: Durability::Durable,
        lifetime: Lifetime::UntilUnused,
        binding_count: 5,
    }
}

fn bind() -> Bind {
    let arguments = [
        (b"x-match".as_slice(), Value::Text(b"all".into())),
        (b"n".as_slice(), Value::Integer(-1)),
    ];
    Bind {
        source: exchange_name(),
        destination: BindTo::Queue(queue_name()),
        key: BindingKey::Pattern(Pattern::of_levels(Vec::new())),
        arguments: arguments.into_iter().collect::<Arguments>(),
    }
}
