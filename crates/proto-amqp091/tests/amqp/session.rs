//! Sessions: what a client sends, what the broker is asked, what the client reads.

mod channels;
mod consumers;
mod dead_letters;
mod exchanges;
mod gets;
mod heartbeats;
mod opening;
mod pools;
mod publishing;
mod queues;
mod real_clients;
mod replies;
mod routing;
mod shares;
mod split;
mod timeouts;
mod transactions;

use broker_api::{
    Authenticate, Authenticated, Command, Delivery, Event, Heads, IfExists, Out, QueueStatus,
    Refusal, Reply, Session,
};
use bytes::BytesMut;
use model::{CommandId, Instant, Message, QueueName, Sequence};
use proto_amqp091::{
    Amqp091, Codec, Decoded, FieldValue, Limits, Method, PROTOCOL_HEADER, Payload, Secret,
    ShortStr, Side, Table, TableBuf, channel, connection, put_method,
};
use std::collections::VecDeque;
use std::time::Duration;

/// A session with its driver, before a broker that does what it is asked unless a test says otherwise.
pub(crate) struct Driven {
    session: Amqp091,
    out: Out,
    input: BytesMut,
    now: Instant,
    /// What was sent to the client and not looked at.
    wire: Vec<u8>,
    /// All commands, as text, with their conversation.
    log: Vec<String>,
    /// How the next commands are refused, by the beginning of their text.
    refusals: Vec<(&'static str, Refusal)>,
    /// The logins that were asked for, in clear.
    logins: Vec<Vec<u8>>,
    unanswered: Vec<(CommandId, Result<Reply, Refusal>)>,
    /// The last command.
    last_asked: Option<CommandId>,
    /// What is there to get.
    ready: VecDeque<Message>,
    /// What was got and not delivered yet.
    got: Vec<Delivery>,
    /// What queues say of the time within which deliveries are to be settled, in milliseconds.
    settle_ms: Option<u64>,
    /// How many names were made up.
    made_up: usize,
    /// What was published, in order.
    published: Vec<(CommandId, Message)>,
}

pub(crate) fn short(text: &str) -> ShortStr<'_> {
    ShortStr::new(text.as_bytes()).unwrap()
}

/// The bytes of a method.
pub(crate) fn bytes_of(number: u16, method: &Method<'_>) -> Vec<u8> {
    let mut buffer = BytesMut::new();
    put_method(&mut buffer, number, method);
    buffer.to_vec()
}

/// What a client says of itself that can do these.
pub(crate) fn client_properties(capabilities: &[&str]) -> TableBuf {
    let mut table = TableBuf::new();
    for name in capabilities {
        table.push(short(name), &FieldValue::Boolean(true));
    }
    let mut properties = TableBuf::new();
    properties.push(
        short("capabilities"),
        &FieldValue::Table(table.as_table().unwrap()),
    );
    properties
}

pub(crate) fn start_ok<'a>(
    properties: Table<'a>,
    mechanism: &'a str,
    response: &'a [u8],
) -> Method<'a> {
    Method::ConnectionStartOk(connection::StartOk {
        client_properties: properties,
        mechanism: short(mechanism),
        response: Secret(response),
        locale: short("en_US"),
    })
}

pub(crate) const TUNE_OK: Method<'static> = Method::ConnectionTuneOk(connection::TuneOk {
    channel_max: 2_047,
    frame_max: 131_072,
    heartbeat: 60,
});

pub(crate) fn open(vhost: &str) -> Method<'_> {
    Method::ConnectionOpen(connection::Open {
        virtual_host: short(vhost),
    })
}

impl Driven {
    pub(crate) fn new() -> Self {
        Self::with_limits(Limits::default())
    }

    pub(crate) fn with_limits(limits: Limits) -> Self {
        let now = Instant::default();
        Self {
            session: Amqp091::new(now, limits),
            out: Out::new(),
            input: BytesMut::new(),
            now,
            wire: Vec::new(),
            log: Vec::new(),
            refusals: Vec::new(),
            logins: Vec::new(),
            unanswered: Vec::new(),
            last_asked: None,
            ready: VecDeque::new(),
            got: Vec::new(),
            settle_ms: None,
            made_up: 0,
            published: Vec::new(),
        }
    }

    /// One that is open, for a client that can do these.
    pub(crate) fn opened(capabilities: &[&str]) -> Self {
        Self::opened_with(Limits::default(), capabilities)
    }

    pub(crate) fn opened_with(limits: Limits, capabilities: &[&str]) -> Self {
        let mut driven = Self::with_limits(limits);
        driven.feed(&PROTOCOL_HEADER);
        let properties = client_properties(capabilities);
        let table = properties.as_table().unwrap();
        driven.send(0, &start_ok(table, "PLAIN", b"\0guest\0guest"));
        driven.send(0, &TUNE_OK);
        let answers = driven.send(0, &open("/"));
        assert_eq!(answers.last().unwrap(), "0 ConnectionOpenOk(OpenOk)");
        driven.log.clear();
        driven
    }

    /// One that is open by a client of this name, with channel 1.
    pub(crate) fn opened_by(product: &str) -> Self {
        let mut driven = Self::with_limits(Limits::default());
        driven.feed(&PROTOCOL_HEADER);
        let mut properties = TableBuf::new();
        properties.push(
            short("product"),
            &FieldValue::LongString(product.as_bytes()),
        );
        let table = properties.as_table().unwrap();
        driven.send(0, &start_ok(table, "PLAIN", b"\0guest\0guest"));
        driven.send(0, &TUNE_OK);
        driven.send(0, &open("/"));
        driven.send(1, &Method::ChannelOpen(channel::Open));
        driven.log.clear();
        driven
    }

    /// One that is open, with channel 1.
    pub(crate) fn with_channel() -> Self {
        let mut driven = Self::opened(&[]);
        driven.send(1, &Method::ChannelOpen(channel::Open));
        driven
    }

    /// One that is open, with channel 1, for a client that takes frames of so many bytes.
    pub(crate) fn opened_in_frames_of(frame_bytes_max: u32) -> Self {
        let mut driven = Self::new();
        driven.feed(&PROTOCOL_HEADER);
        driven.send(0, &start_ok(Table::EMPTY, "PLAIN", b"\0guest\0guest"));
        let tune_ok = Method::ConnectionTuneOk(connection::TuneOk {
            channel_max: 10,
            frame_max: frame_bytes_max,
            heartbeat: 0,
        });
        driven.send(0, &tune_ok);
        driven.send(0, &open("/"));
        driven.send(1, &Method::ChannelOpen(channel::Open));
        driven.log.clear();
        driven
    }

    /// Gives the session who reads heads.
    pub(crate) fn use_heads(&mut self, heads: Heads) {
        let session =
            std::mem::replace(&mut self.session, Amqp091::new(self.now, Limits::default()));
        self.session = session.with_heads(heads);
    }

    /// Gives a method to the session, answers everything, and returns what the client reads.
    pub(crate) fn send(&mut self, number: u16, method: &Method<'_>) -> Vec<String> {
        self.feed(&bytes_of(number, method));
        self.read()
    }

    /// Gives bytes to the session, and answers what the broker is asked.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
        loop {
            self.session
                .handle_input(self.now, &mut self.input, &mut self.out);
            self.collect();
            if self.unanswered.is_empty() {
                return;
            }
            for delivery in std::mem::take(&mut self.got) {
                self.handle_event(Event::Delivery(delivery));
            }
            for (id, result) in std::mem::take(&mut self.unanswered) {
                self.handle_event(Event::Done(id, result));
            }
        }
    }

    /// Gives a method to the session, and leaves what the broker is asked without an answer.
    pub(crate) fn send_unanswered(&mut self, number: u16, method: &Method<'_>) {
        self.input.extend_from_slice(&bytes_of(number, method));
        self.session
            .handle_input(self.now, &mut self.input, &mut self.out);
        self.collect();
        self.unanswered.clear();
    }

    /// Gives events to the session before any of what comes of them is sent.
    pub(crate) fn handle_events(&mut self, events: impl IntoIterator<Item = Event>) {
        for event in events {
            self.session.handle_event(self.now, event, &mut self.out);
        }
        self.collect();
    }

    pub(crate) fn handle_event(&mut self, event: Event) {
        self.session.handle_event(self.now, event, &mut self.out);
        self.collect();
    }

    /// Moves the clock to the session's own deadline and calls it; returns the time in milliseconds.
    pub(crate) fn wait_for_deadline(&mut self) -> Option<u128> {
        self.now = self.session.deadline()?;
        self.session.handle_deadline(self.now, &mut self.out);
        self.collect();
        Some(self.now.elapsed().as_millis())
    }

    /// The same for a driver that does not read meanwhile.
    pub(crate) fn wait_unread_for_deadline(&mut self) {
        self.now = self.session.deadline().unwrap();
        self.pause();
        self.session.handle_deadline(self.now, &mut self.out);
        self.collect();
    }

    /// The driver has not been reading until now.
    pub(crate) fn pause(&mut self) {
        self.session.handle_paused(self.now);
    }

    pub(crate) fn elapsed(&self) -> u128 {
        self.now.elapsed().as_millis()
    }

    pub(crate) fn wait(&mut self, duration: Duration) {
        self.now = self.now + duration;
    }

    /// What the driver counts of contents under way.
    pub(crate) fn gathered_bytes(&self) -> usize {
        self.session.gathered_bytes()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.out.is_closing()
    }

    pub(crate) fn take_log(&mut self) -> Vec<String> {
        std::mem::take(&mut self.log)
    }

    /// The length of the longest frame that the client has been sent since the last time, in bytes.
    pub(crate) fn longest_frame(&self) -> usize {
        let codec = Codec::new(Side::Server, 131_072);
        let (mut at, mut longest) = (0, 0);
        while let Ok(Decoded::Frame(_, len)) = codec.decode(&self.wire[at..]) {
            longest = longest.max(len);
            at += len;
        }
        longest
    }

    /// The frames that the client has been sent since the last time, as text.
    pub(crate) fn read(&mut self) -> Vec<String> {
        let wire = std::mem::take(&mut self.wire);
        let codec = Codec::new(Side::Server, 131_072);
        let (mut at, mut texts) = (0, Vec::new());
        while at < wire.len() {
            let Decoded::Frame(frame, len) = codec.decode(&wire[at..]).unwrap() else {
                panic!("half a frame was sent");
            };
            texts.push(match frame.payload {
                Payload::Method(method) => format!("{} {method:?}", frame.channel),
                Payload::Header(header) => format!("{} {header:?}", frame.channel),
                Payload::Body(body) => {
                    format!("{} {:?}", frame.channel, String::from_utf8_lossy(body))
                }
                Payload::Heartbeat => format!("{} Heartbeat", frame.channel),
            });
            at += len;
        }
        texts
    }

    fn collect(&mut self) {
        self.wire.extend(self.out.wire.take());
        for submission in std::mem::take(&mut self.out.commands) {
            let text = format!("{} {:?}", submission.conversation, submission.command);
            let refusal = self
                .refusals
                .iter()
                .position(|(start, _)| text.contains(start));
            let result = match refusal {
                Some(at) => Err(self.refusals.remove(at).1),
                None => Ok(self.reply(&submission.command)),
            };
            self.log.push(text);
            let id = submission.id;
            self.last_asked = Some(id);
            if let Command::Publish(message, _) = submission.command {
                // A test says what comes of it, unless it is refused.
                self.published.push((id, message));
                self.unanswered.extend(result.err().map(|it| (id, Err(it))));
            } else if !matches!(submission.command, Command::Settle(_) | Command::Grant(..)) {
                self.unanswered.push((id, result));
            }
        }
    }

    fn reply(&mut self, command: &Command) -> Reply {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "all others have nothing to say"
        )]
        match command {
            Command::Authenticate(step) => {
                if let Authenticate::Begin { data, .. } = &**step {
                    self.logins.extend(data.clone());
                }
                Reply::Authenticated(Box::new(Authenticated {
                    user: "guest".into(),
                    data: Vec::new(),
                }))
            }
            Command::DeclareQueue(declare) => {
                let generated = || QueueName::new(b"amq.gen-1").unwrap();
                let name = declare.name.clone().unwrap_or_else(generated);
                Reply::Queue(Box::new(QueueStatus {
                    name: if declare.if_exists == IfExists::Another {
                        self.made_up += 1;
                        let name = format!("{name}made-up-{}", self.made_up);
                        QueueName::new(name.as_bytes()).unwrap()
                    } else {
                        name
                    },
                    ready_count: 3,
                    unsettled_count: 1,
                    bytes: 0,
                    subscription_count: 2,
                }))
            }
            Command::DeleteQueue(_) | Command::PurgeQueue(_) => Reply::Count(7),
            Command::Get(get) => Reply::Got(self.ready.pop_front().map(|message| {
                self.got.push(Delivery {
                    subscription: get.subscription,
                    sequence: Sequence(20),
                    redelivered: true,
                    delivery_count: 0,
                    acquired_count: 0,
                    expires_at: None,
                    message,
                });
                self.ready.len() as u64
            })),
            Command::Subscribe(_) => self.settle_ms.map_or(Reply::Nothing, Reply::SettleWithin),
            _ => Reply::Nothing,
        }
    }
}
