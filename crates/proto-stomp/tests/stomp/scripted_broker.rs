//! A broker that answers every command, and the driver between it and a session.

use broker_api::{
    Bind, BindTo, Command, Confirm, DeclareQueue, DeleteIf, Delivery, Event, IfExists, Out,
    OwnMessages, QueueStatus, Refusal, Reply, Session, Settle, Sharing, Source, Submission,
    Subscribe, Transaction, Unroutable,
};
use bytes::BytesMut;
use model::{
    BindingKey, CommandId, ConnectionId, Instant, Message, QueueDefinition, QueueName, Sequence,
    SubscriptionId,
};
use proto_stomp::{HostRule, Limits, Stomp};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A session with its driver; the broker behind it does only what a test asks for.
///
/// Commands are answered when nothing can be read before, or when a test says so: thus the outcome
/// depends on the bytes that the client sent and not on how they were cut.
pub(crate) struct Driven {
    pub(crate) session: Stomp,
    pub(crate) out: Out,
    pub(crate) input: BytesMut,
    pub(crate) now: Instant,
    /// All bytes to the client.
    pub(crate) wire: Vec<u8>,
    /// All commands, as text; settlements that nobody confirms one by one, without grants.
    pub(crate) log: Vec<String>,
    /// By subscription that is not canceled: what the last grant allows in all.
    pub(crate) granted: BTreeMap<SubscriptionId, u64>,
    /// What was published, in order.
    pub(crate) published: Vec<Message>,
    /// Deliveries made to each new subscription.
    pub(crate) ready: Vec<Message>,
    /// Queues that have ended: what is published to them comes back or is lost, until they are declared.
    pub(crate) ended: BTreeSet<Vec<u8>>,
    /// How the next commands are refused, by the beginning of their text.
    pub(crate) refusals: Vec<(&'static str, Refusal)>,
    unanswered: Vec<(CommandId, Answer, String)>,
    made_up_names: u32,
}

#[derive(Clone)]
enum Answer {
    Done,
    Declared(QueueName),
    Subscribed(SubscriptionId, bool),
    Confirmed,
    Returned(Message, Confirm),
    OnlyRefusal,
}

impl Driven {
    pub(crate) fn new() -> Self {
        Self::with_limits(Limits::default())
    }

    pub(crate) fn with_limits(limits: Limits) -> Self {
        let now = Instant::default();
        Self {
            session: Stomp::new(now, ConnectionId(7), limits),
            out: Out::new(),
            input: BytesMut::new(),
            now,
            wire: Vec::new(),
            log: Vec::new(),
            granted: BTreeMap::new(),
            published: Vec::new(),
            ready: Vec::new(),
            ended: BTreeSet::new(),
            refusals: Vec::new(),
            unanswered: Vec::new(),
            made_up_names: 0,
        }
    }

    /// The same with a rule for the `host` header.
    pub(crate) fn with_host_rule(mut self, rule: HostRule) -> Self {
        let now = self.now;
        self.session = Stomp::new(now, ConnectionId(7), Limits::default()).with_host_rule(rule);
        self
    }

    /// A session that has been connected with this version, its CONNECTED read.
    pub(crate) fn connected(version: &str) -> Self {
        let mut driven = Self::new();
        driven.feed(format!("CONNECT\naccept-version:{version}\nhost:h\n\n\0").as_bytes());
        driven.answer_all();
        assert!(driven.take_wire().starts_with("CONNECTED\n"));
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

    /// Gives bytes to the session once, answering nothing.
    pub(crate) fn read_once(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
        self.session
            .handle_input(self.now, &mut self.input, &mut self.out);
        self.collect();
    }

    /// Gives text to the session, answers everything, and returns what the client reads.
    pub(crate) fn talk(&mut self, text: &str) -> String {
        self.feed(text.as_bytes());
        self.answer_all();
        self.take_wire()
    }

    pub(crate) fn take_wire(&mut self) -> String {
        String::from_utf8(std::mem::take(&mut self.wire))
            .unwrap()
            .replace('\0', "^@")
    }

    pub(crate) fn take_log(&mut self) -> Vec<String> {
        std::mem::take(&mut self.log)
    }

    pub(crate) fn handle_event(&mut self, event: Event) {
        self.session.handle_event(self.now, event, &mut self.out);
        self.collect();
    }

    pub(crate) fn deliver(&mut self, subscription: u32, sequence: u64, message: &Message) {
        self.handle_event(Event::Delivery(Delivery {
            subscription: SubscriptionId(subscription),
            sequence: Sequence(sequence),
            redelivered: false,
            delivery_count: 0,
            acquired_count: 0,
            expires_at: None,
            message: message.clone(),
        }));
    }

    /// Moves the clock to the session's own deadline and calls it; returns the time in milliseconds.
    pub(crate) fn wait_for_deadline(&mut self) -> Option<u128> {
        self.now = self.session.deadline()?;
        self.session.handle_deadline(self.now, &mut self.out);
        self.collect();
        Some(self.now.elapsed().as_millis())
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

    /// Answers the commands that there are, and not those that come of that.
    pub(crate) fn answer_once(&mut self) {
        for (id, answer, text) in std::mem::take(&mut self.unanswered) {
            self.answer(id, answer, &text);
        }
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
            Answer::Declared(name) => {
                let status = QueueStatus {
                    name,
                    ready_count: 0,
                    unsettled_count: 0,
                    bytes: 0,
                    subscription_count: 0,
                };
                self.handle_event(Event::Done(id, Ok(Reply::Queue(Box::new(status)))));
            }
            Answer::Confirmed => self.handle_event(Event::Confirmed(id)),
            Answer::Returned(message, confirm) => {
                self.handle_event(Event::Returned(id, message));
                if confirm == Confirm::Wanted {
                    self.handle_event(Event::Confirmed(id));
                }
            }
            Answer::OnlyRefusal => {}
            Answer::Subscribed(subscription, browses) => {
                self.handle_event(Event::Done(id, Ok(Reply::Nothing)));
                for (sequence, message) in (1..).zip(self.ready.clone()) {
                    self.deliver(subscription.0, sequence, &message);
                }
                if browses {
                    self.handle_event(Event::Drained(subscription));
                }
            }
        }
    }

    fn collect(&mut self) {
        self.wire.extend(self.out.wire.take());
        for Submission { id, command, .. } in std::mem::take(&mut self.out.commands) {
            let (answer, text) = self.note(command);
            self.unanswered.push((id, answer, text));
        }
    }

    fn note(&mut self, command: Command) -> (Answer, String) {
        let (answer, text) = match command {
            Command::DeclareQueue(declare) => {
                let text = declared(&declare);
                if let Some(name) = &declare.name {
                    self.ended.remove(name.as_bytes());
                }
                (Answer::Declared(self.name_of(declare.name)), text)
            }
            Command::Cancel(subscription) => {
                self.granted.remove(&subscription);
                (Answer::Done, format!("Cancel({subscription})"))
            }
            Command::Subscribe(subscribe) => {
                let browses = subscribe.sharing == Sharing::Browse;
                let text = subscribed(&subscribe);
                (Answer::Subscribed(subscribe.subscription, browses), text)
            }
            Command::Grant(subscription, grant) => {
                self.granted.insert(subscription, grant.total());
                return (Answer::OnlyRefusal, format!("Grant({subscription})"));
            }
            Command::Publish(message, publishing) => {
                let text = format!("Publish({message:?}, {:?})", publishing.confirm);
                let is_lost = message.exchange().is_empty() && self.ended.contains(message.key());
                let answer = match publishing.unroutable {
                    Unroutable::Return if is_lost => {
                        Answer::Returned(message.clone(), publishing.confirm)
                    }
                    Unroutable::Return | Unroutable::Drop => answer_to(publishing.confirm),
                };
                if !is_lost {
                    self.published.push(message);
                }
                (answer, text)
            }
            Command::Commit(transaction) => {
                let text = committed(&transaction);
                self.published.extend(transaction.publishes);
                (Answer::Done, text)
            }
            Command::Bind(bind) => (Answer::Done, bound(&bind)),
            Command::DeleteQueue(delete) => {
                let condition = match delete.condition {
                    DeleteIf {
                        unused: false,
                        empty: false,
                    } => String::new(),
                    other => format!(", {other:?}"),
                };
                let text = format!("DeleteQueue({}{condition})", delete.name);
                (Answer::Done, text)
            }
            Command::Settle(settle) if settle.confirm == Confirm::Unwanted => {
                self.log.extend(settlements(&settle));
                return (Answer::OnlyRefusal, "Settle".into());
            }
            Command::Settle(settle) => {
                let text = format!("{} confirmed", settled(&settle));
                (Answer::Confirmed, text)
            }
            other @ (Command::Connect(_)
            | Command::Authenticate(_)
            | Command::PutUser(_)
            | Command::DeleteUser(_)
            | Command::PurgeQueue(_)
            | Command::DeclareExchange(_)
            | Command::DeleteExchange(_)
            | Command::Unbind(_)
            | Command::Keep(_)
            | Command::LetGo(_)
            | Command::ShowRetained(_)
            | Command::QueueRetained(_)
            | Command::List(_)
            | Command::Note(_)
            | Command::Recall(_)
            | Command::Get(_)
            | Command::StepAside(_)
            | Command::Bequeath(_)) => (Answer::Done, format!("{other:?}")),
        };
        self.log.push(text.clone());
        (answer, text)
    }

    fn name_of(&mut self, name: Option<QueueName>) -> QueueName {
        name.unwrap_or_else(|| {
            self.made_up_names += 1;
            QueueName::new(format!("amq.gen-{}", self.made_up_names).as_bytes()).unwrap()
        })
    }
}

/// A declaration as text: what is not as for every queue.
fn declared(declare: &DeclareQueue) -> String {
    let name = match &declare.name {
        Some(name) => name.to_string(),
        None => "?".into(),
    };
    let equal = match declare.if_exists {
        IfExists::MustEqual => ", equal",
        IfExists::Use => "",
        IfExists::Another => ", another",
    };
    let definition = &declare.definition;
    let wishes = [
        definition
            .difference(&QueueDefinition::DURABLE)
            .map(|_| format!(", {:?}", definition.durability)),
        Some(format!(", {:?}", definition.ownership)).filter(|it| it != ", Shared"),
        Some(format!(", {:?}", definition.lifetime)).filter(|it| it != ", Permanent"),
        definition
            .rules
            .message_ttl_ms
            .map(|ttl| format!(", ttl {ttl}")),
    ];
    let wishes: String = wishes.into_iter().flatten().collect();
    format!("DeclareQueue({name}{wishes}{equal})")
}

/// A subscription as text: what is not as for every subscription.
fn subscribed(subscribe: &Subscribe) -> String {
    let source = match &subscribe.source {
        Source::Queue(name) => format!("queue {name}"),
        Source::Exchange { exchange, key, .. } => format!("{exchange} {}", key_text(key)),
    };
    let limit = match subscribe.grant.limit {
        u64::MAX => String::new(),
        limit => format!(", limit {limit}"),
    };
    let sharing = match subscribe.sharing {
        Sharing::Competing { priority: 0 } => String::new(),
        Sharing::Competing { priority } => format!(", priority {priority}"),
        other @ (Sharing::Exclusive | Sharing::Browse | Sharing::Takeover) => {
            format!(", {other:?}")
        }
    };
    let selector = match &subscribe.selector {
        None => String::new(),
        Some(selector) => format!(", selector {selector}"),
    };
    let own = match subscribe.own_messages {
        OwnMessages::Deliver => "",
        OwnMessages::Skip => ", not own",
    };
    let (id, mode) = (subscribe.subscription, subscribe.settle_mode);
    format!("Subscribe({id}, {source}, {mode:?}{limit}{sharing}{selector}{own})")
}

fn key_text(key: &BindingKey) -> String {
    let spelling = String::from_utf8_lossy(&key.spelling()).into_owned();
    match key {
        BindingKey::Exact(_) => format!("key {spelling}"),
        BindingKey::Pattern(_) => format!("pattern {spelling}"),
    }
}

fn bound(bind: &Bind) -> String {
    let queue = match &bind.destination {
        BindTo::Queue(name) => name.to_string(),
        BindTo::Exchange(name) => format!("exchange {name}"),
    };
    format!("Bind({queue}, {} {})", bind.source, key_text(&bind.key))
}

fn committed(transaction: &Transaction) -> String {
    let publish = |message: &Message| {
        let text = String::from_utf8_lossy(message.body()).into_owned();
        format!("publish {text}")
    };
    let publishes = transaction.publishes.iter().map(publish);
    let all: Vec<String> = publishes
        .chain(transaction.settles.iter().map(settled))
        .collect();
    format!("Commit({})", all.join(", "))
}

fn settled(settle: &Settle) -> String {
    let list: Vec<u64> = settle.sequences.iter().map(|it| it.0).collect();
    format!("{:?} {}/{list:?}", settle.outcome, settle.subscription)
}

fn settlements(settle: &Settle) -> impl Iterator<Item = String> {
    let entry = |it: &Sequence| format!("{:?} {}/{it}", settle.outcome, settle.subscription);
    settle.sequences.iter().map(entry)
}

const fn answer_to(confirm: Confirm) -> Answer {
    match confirm {
        Confirm::Wanted => Answer::Confirmed,
        Confirm::Unwanted => Answer::OnlyRefusal,
    }
}

/// A message published by a 1.2 client with this head, to be delivered.
pub(crate) fn message(headers: &str, body: &str) -> Message {
    let mut publisher = Driven::connected("1.2");
    publisher.talk(&format!("SEND\ndestination:/topic/t\n{headers}\n{body}\0"));
    publisher.published.pop().unwrap()
}

/// Checks that the client is told this error.
#[track_caller]
pub(crate) fn assert_error(wire: &str, summary: &str, detail: &str) {
    assert!(wire.contains("ERROR\n"), "{wire}");
    assert!(wire.contains(&format!("\nmessage:{summary}\n")), "{wire}");
    assert!(wire.contains(detail), "{wire}");
}
