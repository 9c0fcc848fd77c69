//! A session and the socket that speaks with it, face to face; the test is the broker.

use broker_api::{
    Command, Delivery, Event, Field, HeadReader, Out, QueueStatus, Refusal, Reply, Session,
};
use bytes::{Buf as _, BytesMut};
use model::{
    CommandId, Dialect, Instant, Message, Persistence, Property, QueueName, Sequence,
    SubscriptionId, Value,
};
use proto_zmq::{Curve, Settings, Zmq, ZmqHeads};
use std::sync::Arc;
use zmtp::curve::{ClientRandom, PublicKey, SecretKey, ServerRandom};
use zmtp::{Connection, CurveClient, Frame, Mechanism, MetadataBuf, PlainLogin, SocketType, Step};

/// One side of the stage is the session, the other a socket.
pub(crate) struct Stage {
    pub(crate) session: Zmq,
    pub(crate) socket: Connection,
    /// On its way to the session.
    pub(crate) to_session: BytesMut,
    to_socket: BytesMut,
    pub(crate) out: Out,
    /// What the session has asked of the broker and nobody has looked at.
    pub(crate) commands: Vec<(CommandId, Command)>,
    /// Frames that the socket got: whether more follow, and the body.
    pub(crate) frames: Vec<(bool, Vec<u8>)>,
    pub(crate) failure: Option<zmtp::Error>,
}

pub(crate) fn settings() -> Settings {
    Settings::new(QueueName::new(b"jobs").unwrap())
}

pub(crate) fn socket_settings(socket_type: SocketType) -> zmtp::Settings {
    zmtp::Settings::new(socket_type)
}

pub(crate) fn plain(socket_type: SocketType) -> zmtp::Settings {
    zmtp::Settings {
        mechanism: Mechanism::PlainClient(PlainLogin::new("ann", "secret").unwrap()),
        ..socket_settings(socket_type)
    }
}

const SERVER_KEY: [u8; 32] = [1; 32];
const CLIENT_KEY: [u8; 32] = [2; 32];

/// The client's key with CURVE.
pub(crate) fn client_key() -> PublicKey {
    SecretKey::new(CLIENT_KEY).public_key()
}

pub(crate) fn curve(socket_type: SocketType) -> zmtp::Settings {
    let client = CurveClient {
        server_key: SecretKey::new(SERVER_KEY).public_key(),
        secret_key: SecretKey::new(CLIENT_KEY),
        random: ClientRandom::new(&[3; 48]),
    };
    zmtp::Settings {
        mechanism: Mechanism::CurveClient(Box::new(client)),
        ..socket_settings(socket_type)
    }
}

/// Settings with the keys of CURVE.
pub(crate) fn with_keys(users: &[(PublicKey, &str)], is_required: bool) -> Settings {
    let users = users.iter().map(|(key, user)| (*key, (*user).into()));
    Settings {
        curve: Some(Curve {
            secret_key: SecretKey::new(SERVER_KEY),
            users: users.collect(),
            is_required,
        }),
        ..settings()
    }
}

pub(crate) fn heads(dialect: Dialect) -> &'static dyn HeadReader {
    match dialect {
        Dialect::Zmq => &ZmqHeads,
        Dialect::Stomp10
        | Dialect::Stomp11
        | Dialect::Stomp12
        | Dialect::Mqtt3
        | Dialect::Mqtt5
        | Dialect::Amqp091 => &Foreign,
    }
}

/// Heads of another protocol: an address to answer to and an id, with a space between.
struct Foreign;

impl HeadReader for Foreign {
    fn header<'m>(&self, _: &'m Message, _: &[u8]) -> Option<Value<'m>> {
        None
    }

    fn property<'m>(&self, _: &'m Message, _: Property) -> Option<Value<'m>> {
        None
    }

    fn fields<'m>(&self, message: &'m Message, each: &mut dyn FnMut(Field<'m>)) {
        let mut texts = message.head().split(|byte| *byte == b' ');
        for property in [Property::ReplyTo, Property::CorrelationId] {
            if let Some(text) = texts.next().filter(|text| !text.is_empty()) {
                each(Field::Property(property, Value::text(text)));
            }
        }
    }
}

impl Stage {
    pub(crate) fn new(settings: Settings, socket: zmtp::Settings) -> Self {
        let mut to_session = BytesMut::new();
        let socket = Connection::new(socket, 0, &mut to_session);
        Self {
            session: Zmq::new(Instant::from_millis(0), Arc::new(settings), heads)
                .with_curve(ServerRandom::new(&[4; 96])),
            socket,
            to_session,
            to_socket: BytesMut::new(),
            out: Out::new(),
            commands: Vec::new(),
            frames: Vec::new(),
            failure: None,
        }
    }

    /// One whose socket has been let in, and whose queues are made: a REQ's are `jobs` and `own`.
    pub(crate) fn open(socket: zmtp::Settings) -> Self {
        let mut stage = Self::new(settings(), socket);
        stage.run();
        let connect = stage.take_command();
        assert!(matches!(connect.1, Command::Connect(_)), "{connect:?}");
        stage.done(connect.0, Ok(Reply::Nothing));
        while let Some((id, name)) = stage.declared() {
            stage.done(id, Ok(made(name.as_deref().unwrap_or(b"own"))));
        }
        stage
    }

    /// A queue that is waited for, by name; one of its own has none.
    fn declared(&mut self) -> Option<(CommandId, Option<Vec<u8>>)> {
        let (id, command) = self.commands.first()?;
        let id = *id;
        let Command::DeclareQueue(declare) = command else {
            return None;
        };
        let name = declare.name.as_ref().map(|name| name.as_bytes().to_vec());
        self.commands.remove(0);
        Some((id, name))
    }

    pub(crate) fn take_command(&mut self) -> (CommandId, Command) {
        assert!(!self.commands.is_empty(), "nothing was asked");
        self.commands.remove(0)
    }

    /// What was asked, in words.
    pub(crate) fn asked(&mut self) -> Vec<String> {
        let commands = self.commands.drain(..);
        commands.map(|(_, command)| shown(&command)).collect()
    }

    /// Lets both sides speak until neither has anything to say.
    pub(crate) fn run(&mut self) {
        loop {
            let input = self.to_session.len();
            if input > 0 && !self.out.is_held() {
                let now = Instant::from_millis(1);
                self.session
                    .handle_input(now, &mut self.to_session, &mut self.out);
            }
            self.take_out();
            let got = self.to_socket.len();
            self.read_as_socket();
            if self.to_session.len() == input && self.to_socket.len() == got {
                return;
            }
        }
    }

    fn take_out(&mut self) {
        let commands = self.out.commands.drain(..);
        self.commands.extend(commands.map(|it| (it.id, it.command)));
        let bytes = self.out.wire.take();
        self.to_socket.extend_from_slice(&bytes);
    }

    fn read_as_socket(&mut self) {
        loop {
            let step = self
                .socket
                .handle_input(&mut self.to_socket, &mut self.to_session);
            let taken = match step {
                Ok(Step::Event(event, taken)) => {
                    if let zmtp::Event::Frame(frame) = event {
                        self.frames.push((frame.more, frame.body.to_vec()));
                    }
                    taken
                }
                Ok(Step::Incomplete { .. } | Step::AwaitVerdict) => return,
                Err(error) => {
                    self.failure = Some(error);
                    return;
                }
            };
            self.to_socket.advance(taken);
        }
    }

    pub(crate) fn event(&mut self, event: Event) {
        let now = Instant::from_millis(1);
        self.session.handle_event(now, event, &mut self.out);
        self.take_out();
        self.run();
    }

    pub(crate) fn done(&mut self, id: CommandId, result: Result<Reply, Refusal>) {
        self.event(Event::Done(id, result));
    }

    pub(crate) fn send(&mut self, frames: &[&[u8]]) {
        for (place, body) in frames.iter().enumerate() {
            let frame = Frame {
                more: place + 1 < frames.len(),
                body,
            };
            self.socket.put_frame(&mut self.to_session, frame).unwrap();
        }
        self.run();
    }

    pub(crate) fn deliver(&mut self, message: &Message) {
        self.event(Event::Delivery(Delivery {
            subscription: SubscriptionId(1),
            sequence: Sequence(7),
            redelivered: false,
            delivery_count: 0,
            acquired_count: 0,
            expires_at: None,
            message: message.clone(),
        }));
    }

    /// The one message that has been published.
    pub(crate) fn published(&mut self) -> Message {
        match self.take_command() {
            (_, Command::Publish(message, _)) => message,
            other => panic!("{other:?} is no publish"),
        }
    }

    /// The frames that the socket got, `+` where more follow.
    pub(crate) fn got(&mut self) -> String {
        let frames = self.frames.drain(..);
        let texts = frames.map(|(more, body)| {
            let text = String::from_utf8_lossy(&body).into_owned();
            text + if more { "+" } else { ";" }
        });
        texts.collect()
    }
}

pub(crate) fn made(name: &[u8]) -> Reply {
    Reply::Queue(Box::new(QueueStatus {
        name: QueueName::new(name).unwrap(),
        ready_count: 0,
        unsettled_count: 0,
        bytes: 0,
        subscription_count: 0,
    }))
}

/// A message of another protocol.
pub(crate) fn foreign(exchange: &[u8], key: &[u8], head: &[u8], body: &[u8]) -> Message {
    Message::new(&model::Parts {
        envelope: model::Envelope::new(Dialect::Stomp12, Persistence::Transient),
        exchange,
        key,
        annotations: &[],
        head: &[head],
        body,
    })
}

/// Properties that a socket tells.
pub(crate) fn metadata(name: &str, value: &[u8]) -> MetadataBuf {
    let mut metadata = MetadataBuf::default();
    metadata.push(name, value).unwrap();
    metadata
}

pub(crate) fn shown(command: &Command) -> String {
    match command {
        Command::Connect(it) => {
            let login = it.login.as_ref();
            let login =
                login.map(|it| [&it.user[..], &it.password[..]].map(String::from_utf8_lossy));
            format!("connect {login:?}")
        }
        Command::Authenticate(it) => format!("{it:?}"),
        Command::DeclareQueue(it) => {
            let name = it.name.as_ref().map(ToString::to_string);
            format!("declare {}", name.unwrap_or_default())
        }
        Command::Bind(it) => format!("bind {}", String::from_utf8_lossy(&it.key.spelling())),
        Command::Unbind(it) => format!("unbind {}", String::from_utf8_lossy(&it.key.spelling())),
        Command::Subscribe(it) => {
            format!("subscribe {:?} {}", it.settle_mode, it.grant.limit)
        }
        Command::Grant(_, grant) => format!("grant {} {}", grant.count, grant.limit),
        Command::Settle(it) => format!("settle {:?} {:?}", it.sequences, it.outcome),
        Command::Publish(message, _) => format!(
            "publish {} {} {}",
            String::from_utf8_lossy(message.exchange()),
            String::from_utf8_lossy(message.key()),
            String::from_utf8_lossy(message.body())
        ),
        other => format!("{other:?}"),
    }
}
