//! A broker that answers every command, and the driver between it and a session.

use broker_api::{
    Authenticate, Bind, Command, Confirm, Delivery, Event, IfMissing, Note, Out, OwnMessages,
    Publishing, Refusal, Reply, Retained, Session, Sharing, ShowRetained, Source, Submission,
    Subscribe, Unroutable,
};
use bytes::BytesMut;
use model::{
    BindingKey, CommandId, ConnectionId, Dialect, Envelope, Instant, Message, Parts, Persistence,
    Retain, Sequence, SubscriptionId,
};
use proto_mqtt::{
    Ack, Codec, Connect, Decoded, Limits, Mqtt, Packet, PacketId, Properties, PropertyList,
    Publish, PublishQos, Qos, SessionLimits, Subscription, SubscriptionList, SubscriptionOptions,
    Text, TopicFilter, TopicName, Version,
};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// A session with its driver; the broker behind it does only what a test asks for.
///
/// Commands are answered when nothing can be read before, or when a test says so: thus the outcome
/// depends on the bytes that the client sent and not on how they were cut.
pub(crate) struct Driven {
    pub(crate) session: Mqtt,
    pub(crate) version: Version,
    pub(crate) out: Out,
    pub(crate) input: BytesMut,
    pub(crate) now: Instant,
    /// Messages that may wait in a queue that is declared.
    messages_max: u64,
    /// All bytes to the client.
    pub(crate) wire: Vec<u8>,
    /// All commands, as text; settlements one by one, without grants.
    pub(crate) log: Vec<String>,
    /// By subscription that is not canceled: what the last grant allows in all.
    pub(crate) granted: BTreeMap<SubscriptionId, u64>,
    /// What was published, in order.
    pub(crate) published: Vec<Message>,
    /// Deliveries made to each new subscription.
    pub(crate) ready: Vec<Message>,
    /// How the next commands are refused, by the beginning of their text.
    pub(crate) refusals: Vec<(&'static str, Refusal)>,
    /// Whether publishes go nowhere.
    pub(crate) has_nobody: bool,
    /// How the next steps of an authentication are answered.
    pub(crate) shown: VecDeque<Reply>,
    /// What is noted beside the queue of the client's session, if that is there.
    pub(crate) notes: Option<BTreeMap<Vec<u8>, Vec<u8>>>,
    unanswered: Vec<(CommandId, Answer, String)>,
}

#[derive(Clone)]
enum Answer {
    Done,
    Subscribed(SubscriptionId),
    Confirmed,
    Returned(Message),
    Shown(Option<Reply>),
    OnlyRefusal,
    Reply(Reply),
    Refused(Refusal),
}

pub(crate) const SEED: u64 = 0xabc;

impl Driven {
    pub(crate) fn new(version: Version) -> Self {
        Self::with_limits(version, SessionLimits::default())
    }

    pub(crate) fn with_limits(version: Version, limits: SessionLimits) -> Self {
        let now = Instant::from_millis(1_000);
        Self {
            messages_max: limits.session_messages_max,
            session: Mqtt::new(now, ConnectionId(7), limits, SEED),
            version,
            out: Out::new(),
            input: BytesMut::new(),
            now,
            wire: Vec::new(),
            log: Vec::new(),
            granted: BTreeMap::new(),
            published: Vec::new(),
            ready: Vec::new(),
            refusals: Vec::new(),
            has_nobody: false,
            shown: VecDeque::new(),
            notes: None,
            unanswered: Vec::new(),
        }
    }

    /// A session that is connected, its CONNACK read.
    pub(crate) fn connected(version: Version) -> Self {
        Self::connected_with(version, SessionLimits::default())
    }

    pub(crate) fn connected_with(version: Version, limits: SessionLimits) -> Self {
        let mut driven = Self::with_limits(version, limits);
        let said = driven.talk(&[Packet::Connect(connect(version))]);
        assert!(said[0].starts_with("CONNACK Success"), "{said:?}");
        driven.log.clear();
        driven
    }

    /// Gives bytes to the session, answering only what it waits for.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
        loop {
            self.session
                .handle_input(self.now, &mut self.input, &mut self.out);
            self.collect();
            if self.out.is_closing() || !self.out.is_held() {
                return;
            }
            self.answer_all();
        }
    }

    /// Gives packets to the session, answers everything, and returns what the client reads.
    pub(crate) fn talk(&mut self, packets: &[Packet<'_>]) -> Vec<String> {
        self.feed(&bytes_of(self.version, packets));
        self.answer_all();
        self.take_wire()
    }

    /// The same without answers but those that the session waits for.
    pub(crate) fn say(&mut self, packets: &[Packet<'_>]) -> Vec<String> {
        self.feed(&bytes_of(self.version, packets));
        self.take_wire()
    }

    pub(crate) fn take_wire(&mut self) -> Vec<String> {
        let wire = std::mem::take(&mut self.wire);
        texts(self.version, &wire)
    }

    pub(crate) fn take_log(&mut self) -> Vec<String> {
        std::mem::take(&mut self.log)
    }

    pub(crate) fn handle_event(&mut self, event: Event) {
        self.session.handle_event(self.now, event, &mut self.out);
        self.collect();
    }

    pub(crate) fn deliver(&mut self, subscription: u32, sequence: u64, message: &Message) {
        self.deliver_again(subscription, sequence, message, false);
    }

    pub(crate) fn deliver_again(
        &mut self,
        subscription: u32,
        sequence: u64,
        message: &Message,
        redelivered: bool,
    ) {
        let ttl = message.envelope().ttl_ms;
        self.handle_event(Event::Delivery(Delivery {
            subscription: SubscriptionId(subscription),
            sequence: Sequence(sequence),
            redelivered,
            delivery_count: 0,
            acquired_count: 0,
            expires_at: ttl
                .filter(|_| sequence > 0)
                .map(|ttl| self.now.plus_millis(ttl)),
            message: message.clone(),
        }));
    }

    /// Moves the clock to the session's own deadline and calls it; returns for how long that was.
    pub(crate) fn wait_for_deadline(&mut self) -> Option<Duration> {
        let deadline = self.session.deadline()?;
        let waited = deadline.since(self.now);
        self.now = deadline;
        self.session.handle_deadline(self.now, &mut self.out);
        self.collect();
        Some(waited)
    }

    pub(crate) fn close(&mut self) {
        self.session.handle_close(self.now, &mut self.out);
        self.collect();
    }

    pub(crate) fn wait(&mut self, duration: Duration) {
        self.now = self.now + duration;
    }

    /// Answers all commands in their order.
    pub(crate) fn answer_all(&mut self) {
        while !self.unanswered.is_empty() {
            self.answer_once();
        }
    }

    pub(crate) fn answer_once(&mut self) {
        for (id, answer, text) in std::mem::take(&mut self.unanswered) {
            self.answer(id, answer, &text);
        }
    }

    pub(crate) fn has_unanswered(&self) -> bool {
        !self.unanswered.is_empty()
    }

    /// Answers the command that came last of those that are not answered.
    pub(crate) fn answer_last(&mut self) {
        let (id, answer, text) = self.unanswered.pop().unwrap();
        self.answer(id, answer, &text);
    }

    fn answer(&mut self, id: CommandId, answer: Answer, text: &str) {
        let refusal = self
            .refusals
            .iter()
            .position(|(start, _)| text.starts_with(start));
        if let Some(at) = refusal {
            let (_, refusal) = self.refusals.remove(at);
            return self.handle_event(Event::Done(id, Err(refusal)));
        }
        match answer {
            Answer::Done => self.handle_event(Event::Done(id, Ok(Reply::Nothing))),
            Answer::Confirmed => self.handle_event(Event::Confirmed(id)),
            Answer::Returned(message) => {
                self.handle_event(Event::Returned(id, message));
                self.handle_event(Event::Confirmed(id));
            }
            Answer::Shown(reply) => {
                let done = Ok(reply.unwrap_or(Reply::Nothing));
                self.handle_event(Event::Done(id, done));
            }
            Answer::OnlyRefusal => {}
            Answer::Reply(reply) => self.handle_event(Event::Done(id, Ok(reply))),
            Answer::Refused(refusal) => self.handle_event(Event::Done(id, Err(refusal))),
            Answer::Subscribed(subscription) => {
                self.handle_event(Event::Done(id, Ok(Reply::Nothing)));
                for (sequence, message) in (1..).zip(self.ready.clone()) {
                    self.deliver(subscription.0, sequence, &message);
                }
            }
        }
    }

    pub(crate) fn collect(&mut self) {
        self.wire.extend(self.out.wire.take());
        for Submission { id, command, .. } in std::mem::take(&mut self.out.commands) {
            let (answer, text) = self.note(command);
            self.unanswered.push((id, answer, text));
        }
    }

    fn note(&mut self, command: Command) -> (Answer, String) {
        let (answer, text) = match command {
            Command::Cancel(subscription) => {
                self.granted.remove(&subscription);
                (Answer::Done, format!("Cancel({subscription})"))
            }
            Command::ShowRetained(ShowRetained {
                subscription,
                pattern,
                own_messages,
            }) => {
                let key = BindingKey::Pattern(pattern);
                let key = String::from_utf8_lossy(&key.spelling()).into_owned();
                let own = own(own_messages);
                (Answer::Done, format!("Show({subscription}, {key}{own})"))
            }
            Command::Subscribe(subscribe) => {
                let text = subscribed(&subscribe);
                self.granted
                    .insert(subscribe.subscription, subscribe.grant.total());
                (Answer::Subscribed(subscribe.subscription), text)
            }
            Command::Grant(subscription, grant) => {
                self.granted.insert(subscription, grant.total());
                return (Answer::OnlyRefusal, format!("Grant({subscription})"));
            }
            Command::Publish(message, publishing) => {
                let text = published(&message, publishing);
                let answer = match (publishing.confirm, publishing.unroutable) {
                    (Confirm::Unwanted, _) => Answer::OnlyRefusal,
                    (Confirm::Wanted, Unroutable::Return) if self.has_nobody => {
                        Answer::Returned(message.clone())
                    }
                    (Confirm::Wanted, _) => Answer::Confirmed,
                };
                self.published.push(message);
                (answer, text)
            }
            Command::Settle(settle) => {
                let list = settle.sequences.iter();
                self.log.extend(list.map(|sequence| {
                    format!("{:?} {}/{sequence}", settle.outcome, settle.subscription)
                }));
                return (Answer::OnlyRefusal, "Settle".into());
            }
            Command::Authenticate(step) => {
                let text = match &*step {
                    Authenticate::Begin { mechanism, data } => {
                        let mechanism = String::from_utf8_lossy(mechanism);
                        let data = data.as_deref().map(String::from_utf8_lossy);
                        format!("Begin({mechanism}, {data:?})")
                    }
                    Authenticate::Continue { data } => {
                        format!("Continue({})", String::from_utf8_lossy(data))
                    }
                    Authenticate::Vouched { user } => format!("Vouched({user})"),
                };
                (Answer::Shown(self.shown.pop_front()), text)
            }
            Command::DeclareQueue(declare) => {
                let name = declare.name.unwrap();
                let answer = match (&self.notes, declare.if_missing) {
                    (None, IfMissing::Refuse) => {
                        Answer::Refused(Refusal::QueueNotFound(name.clone()))
                    }
                    _ => Answer::Reply(Reply::Count(0)),
                };
                if name.as_bytes().starts_with(b"mqtt.session.") {
                    self.notes.get_or_insert_default();
                }
                let only_if = match declare.if_missing {
                    IfMissing::Refuse => ", if there",
                    IfMissing::Create => "",
                };
                let length_max = declare.definition.rules.length_max;
                assert_eq!(length_max, Some(self.messages_max), "{name} is bounded");
                (answer, format!("Declare({name}{only_if})"))
            }
            Command::DeleteQueue(delete) => {
                self.notes = None;
                (Answer::Done, format!("Delete({})", delete.name))
            }
            Command::Bind(bind) => {
                let is_own = format!("{:?}", bind.destination).contains("mqtt.session.");
                let text = match is_own {
                    true => format!("Bind({})", key_of(&bind)),
                    false => format!(
                        "Bind({:?}, {} {})",
                        bind.destination,
                        bind.source,
                        key_of(&bind)
                    ),
                };
                (Answer::Done, text)
            }
            Command::Unbind(bind) => (Answer::Done, format!("Unbind({})", key_of(&bind))),
            Command::Keep(keep) => {
                let text = format!("Keep({} by {})", keep.queue, keep.keeper);
                (Answer::Done, text)
            }
            Command::LetGo(keep) => {
                let text = format!("LetGo({} by {})", keep.queue, keep.keeper);
                (Answer::Done, text)
            }
            Command::QueueRetained(show) => {
                let key = BindingKey::Pattern(show.pattern);
                let key = String::from_utf8_lossy(&key.spelling()).into_owned();
                (
                    Answer::Done,
                    format!("QueueRetained({}, {key})", show.queue),
                )
            }
            Command::Commit(transaction) => {
                let mut entries = transaction.notes.into_iter().flat_map(|it| it.entries);
                for message in transaction.publishes {
                    let publishing = Publishing::new(Confirm::Wanted);
                    let noted = self.note_entry(entries.next().unwrap());
                    let own = own(transaction.own_messages);
                    self.log.push(format!(
                        "{} with {noted}{own}",
                        published(&message, publishing)
                    ));
                    self.published.push(message);
                }
                return (Answer::Done, "Commit".into());
            }
            Command::Note(notes) => {
                let subscription = notes.subscription;
                let accepted = notes.accepted.iter();
                self.log
                    .extend(accepted.map(|sequence| format!("Accept {subscription}/{sequence}")));
                for entry in notes.entries {
                    let text = self.note_entry(entry);
                    self.log.push(text);
                }
                return (Answer::Done, "Note".into());
            }
            Command::Recall(_) => {
                let notes = self.notes.clone().unwrap_or_default().into_iter();
                let notes = notes.map(|(key, value)| (key.into(), value.into()));
                let reply = Reply::Notes(notes.collect());
                (Answer::Reply(reply), "Recall".into())
            }
            Command::Bequeath(bequest) => {
                let will = bequest.will.map(|will| {
                    let body = String::from_utf8_lossy(will.message.body()).into_owned();
                    format!(", {body} after {}", will.delay_ms)
                });
                let text = format!(
                    "Bequeath({:?}{})",
                    bequest.expires_ms,
                    will.unwrap_or_default()
                );
                (Answer::Done, text)
            }
            other @ (Command::Connect(_)
            | Command::PutUser(_)
            | Command::DeleteUser(_)
            | Command::PurgeQueue(_)
            | Command::Get(_)
            | Command::StepAside(_)
            | Command::DeclareExchange(_)
            | Command::DeleteExchange(_)
            | Command::List(_)) => (Answer::Done, format!("{other:?}")),
        };
        self.log.push(text.clone());
        (answer, text)
    }

    /// Keeps a note, as if it were durable at once; as text.
    fn note_entry(&mut self, note: Note) -> String {
        let (kind, about) = note.key.split_first().unwrap();
        let about = match kind {
            b'i' | b'o' => u16::from_be_bytes(about.try_into().unwrap()).to_string(),
            _ => String::from_utf8_lossy(about).into_owned(),
        };
        let notes = self.notes.get_or_insert_default();
        let sign = match note.value {
            Some(value) => {
                notes.insert(note.key.to_vec(), value.to_vec());
                '+'
            }
            None => {
                notes.remove(&note.key.to_vec());
                '-'
            }
        };
        format!("Note({sign}{}{about})", char::from(*kind))
    }
}

fn key_of(bind: &Bind) -> String {
    String::from_utf8_lossy(&bind.key.spelling()).into_owned()
}

fn published(message: &Message, publishing: Publishing) -> String {
    let envelope = message.envelope();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let ttl = envelope.ttl_ms.map(|ttl| format!(" ttl {ttl}"));
    let confirm = match publishing.confirm {
        Confirm::Wanted => " confirmed",
        Confirm::Unwanted => "",
    };
    let head = match message.head() {
        [] => String::new(),
        head => format!(" {:?}", Properties::kept(head)),
    };
    let retain = match envelope.retain {
        Retain::No => "",
        Retain::Keep => " retain",
        Retain::Shown => " shown",
    };
    format!(
        "Publish({} {}: {}{head} {:?} {:?} {}{}{confirm}{retain})",
        text(message.exchange()),
        text(message.key()),
        text(message.body()),
        envelope.dialect,
        envelope.persistence,
        envelope.dialect_flags,
        ttl.unwrap_or_default(),
    )
}

/// A subscription as text: what is not as for every subscription.
fn subscribed(subscribe: &Subscribe) -> String {
    let source = match &subscribe.source {
        Source::Queue(name) => format!("queue {name}"),
        Source::Exchange { exchange, key, .. } => {
            format!("{exchange} {}", String::from_utf8_lossy(&key.spelling()))
        }
    };
    let limit = match subscribe.grant.limit {
        u64::MAX => String::new(),
        limit => format!(", limit {limit}"),
    };
    let own = own(subscribe.own_messages);
    let retained = match subscribe.retained {
        Retained::Send => "",
        Retained::Skip => ", none retained",
    };
    let (id, mode) = (subscribe.subscription, subscribe.settle_mode);
    let takeover = match subscribe.sharing {
        Sharing::Takeover => ", Takeover",
        Sharing::Competing { .. } | Sharing::Exclusive | Sharing::Browse => "",
    };
    format!("Subscribe({id}, {source}, {mode:?}{limit}{takeover}{own}{retained})")
}

const fn own(messages: OwnMessages) -> &'static str {
    match messages {
        OwnMessages::Deliver => "",
        OwnMessages::Skip => ", not own",
    }
}

pub(crate) fn bytes_of(version: Version, packets: &[Packet<'_>]) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    for packet in packets {
        packet.put(version, &mut bytes).unwrap();
    }
    bytes.to_vec()
}

/// Packets of a server as text, in short.
fn texts(version: Version, wire: &[u8]) -> Vec<String> {
    let codec = Codec::of_client(Limits::default(), version);
    let (mut at, mut found) = (0, Vec::new());
    while at < wire.len() {
        match codec.decode(&wire[at..]).unwrap() {
            Decoded::Packet(packet, len) => {
                at += len;
                found.push(text_of(&packet));
            }
            Decoded::Incomplete { .. } => panic!("{:?} is no packet", &wire[at..]),
        }
    }
    found
}

/// Properties in short, with the data of an authentication, which is not shown else.
fn told(properties: &Properties<'_>) -> String {
    let shown = properties.iter().map(|property| {
        let proto_mqtt::Property::AuthenticationData(data) = property else {
            return format!("{property:?}");
        };
        let data = String::from_utf8_lossy(data.as_bytes()).into_owned();
        format!("AuthenticationData({data:?})")
    });
    let shown: Vec<_> = shown.collect();
    match shown.is_empty() {
        true => String::new(),
        false => format!(" [{}]", shown.join(", ")),
    }
}

fn text_of(packet: &Packet<'_>) -> String {
    let with = |properties: &Properties<'_>| match properties.is_empty() {
        true => String::new(),
        false => format!(" {properties:?}"),
    };
    match packet {
        Packet::Connack(it) => format!(
            "CONNACK {:?}{}{}",
            it.reason,
            if it.session_present { " present" } else { "" },
            told(&it.properties)
        ),
        Packet::Publish(it) => {
            let id = it.qos.packet_id();
            format!(
                "PUBLISH {}{} {}: {}{}{}{}",
                it.qos.qos().bits(),
                id.map(|id| format!("/{id}")).unwrap_or_default(),
                it.topic.map_or("", TopicName::as_str),
                String::from_utf8_lossy(it.payload),
                if it.dup { " dup" } else { "" },
                if it.retain { " retain" } else { "" },
                with(&it.properties)
            )
        }
        Packet::Puback(it) => format!("PUBACK {} {:?}", it.packet_id, it.reason),
        Packet::Pubrec(it) => format!("PUBREC {} {:?}", it.packet_id, it.reason),
        Packet::Pubrel(it) => format!("PUBREL {} {:?}", it.packet_id, it.reason),
        Packet::Pubcomp(it) => format!("PUBCOMP {} {:?}", it.packet_id, it.reason),
        Packet::Suback(it) => format!("SUBACK {} {:02x?}", it.packet_id, it.reasons.codes()),
        Packet::Unsuback(it) => format!("UNSUBACK {} {:02x?}", it.packet_id, it.reasons.codes()),
        Packet::Disconnect(it) => format!("DISCONNECT {:?}{}", it.reason, with(&it.properties)),
        Packet::Pingresp => "PINGRESP".to_owned(),
        Packet::Auth(it) => format!("AUTH {:?}{}", it.reason, told(&it.properties)),
        other @ (Packet::Connect(_)
        | Packet::Subscribe(_)
        | Packet::Unsubscribe(_)
        | Packet::Pingreq) => format!("{other:?}"),
    }
}

/// A CONNECT that asks for nothing special.
pub(crate) fn connect(version: Version) -> Connect<'static> {
    Connect {
        version,
        clean_start: true,
        keep_alive: 0,
        properties: Properties::NONE,
        client_id: Text::new("c").unwrap(),
        will: None,
        user_name: None,
        password: None,
    }
}

pub(crate) fn id(number: u16) -> PacketId {
    PacketId::new(number).unwrap()
}

pub(crate) fn name(topic: &str) -> TopicName<'_> {
    TopicName::new(Text::new(topic).unwrap()).unwrap()
}

/// A PUBLISH; its packet identifier is that of the quality of service.
pub(crate) fn publish<'a>(topic: &'a str, payload: &'a str, qos: PublishQos) -> Packet<'a> {
    Packet::Publish(publish_of(topic, payload, qos))
}

pub(crate) fn publish_of<'a>(topic: &'a str, payload: &'a str, qos: PublishQos) -> Publish<'a> {
    Publish {
        dup: false,
        qos,
        retain: false,
        topic: (!topic.is_empty()).then(|| name(topic)),
        properties: Properties::NONE,
        payload: payload.as_bytes(),
    }
}

pub(crate) fn puback(number: u16) -> Packet<'static> {
    Packet::Puback(Ack::new(id(number), proto_mqtt::PublishReason::Success))
}

pub(crate) fn pubrec(number: u16) -> Packet<'static> {
    Packet::Pubrec(Ack::new(id(number), proto_mqtt::PublishReason::Success))
}

pub(crate) fn pubrel(number: u16) -> Packet<'static> {
    Packet::Pubrel(Ack::new(id(number), proto_mqtt::ReleaseReason::Success))
}

pub(crate) fn pubcomp(number: u16) -> Packet<'static> {
    Packet::Pubcomp(Ack::new(id(number), proto_mqtt::ReleaseReason::Success))
}

/// A list of subscriptions to be asked for.
pub(crate) fn filters(list: &[(&str, SubscriptionOptions)]) -> SubscriptionList {
    let mut subscriptions = SubscriptionList::new();
    for (filter, options) in list {
        subscriptions.push(Subscription {
            filter: TopicFilter::new(Text::new(filter).unwrap()).unwrap(),
            options: *options,
        });
    }
    subscriptions
}

pub(crate) fn with_qos(qos: Qos) -> SubscriptionOptions {
    SubscriptionOptions {
        qos,
        ..SubscriptionOptions::default()
    }
}

impl Driven {
    /// Subscribes to filters, all with this quality of service.
    pub(crate) fn subscribe(&mut self, list: &[&str], qos: Qos) -> Vec<String> {
        let list: Vec<_> = list.iter().map(|filter| (*filter, with_qos(qos))).collect();
        self.subscribe_with(&list, Properties::NONE)
    }

    pub(crate) fn subscribe_with(
        &mut self,
        list: &[(&str, SubscriptionOptions)],
        properties: Properties<'_>,
    ) -> Vec<String> {
        let list = filters(list);
        self.talk(&[Packet::Subscribe(proto_mqtt::Subscribe {
            packet_id: id(9),
            properties,
            subscriptions: list.as_subscriptions(),
        })])
    }
}

/// The properties of a PUBLISH or another packet.
pub(crate) fn properties(list: &[proto_mqtt::Property<'_>]) -> PropertyList {
    let mut properties = PropertyList::new();
    list.iter().for_each(|property| properties.push(*property));
    properties
}

/// A message as a client of this version publishes it.
pub(crate) fn message(version: Version, topic: &str, payload: &str, qos: Qos) -> Message {
    let mut publisher = Driven::connected(version);
    let qos = match qos {
        Qos::AtMostOnce => PublishQos::AtMostOnce,
        Qos::AtLeastOnce => PublishQos::AtLeastOnce(id(1)),
        Qos::ExactlyOnce => PublishQos::ExactlyOnce(id(1)),
    };
    publisher.talk(&[publish(topic, payload, qos)]);
    publisher.published.pop().unwrap()
}

/// A message of another protocol.
pub(crate) fn foreign(key: &[u8], persistence: Persistence) -> Message {
    Message::new(&Parts {
        envelope: Envelope::new(Dialect::Stomp12, persistence),
        exchange: b"amq.topic",
        key,
        annotations: &[],
        head: &[],
        body: b"x",
    })
}
