//! A node on the memory store, stepped by hand, and connections to it.
#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(missing_docs, unreachable_pub, reason = "it is private to the tests")]

use broker::{Broker, Connection, Executor, Recovery, Settings, Step};
use broker_api::{
    Attachment, Command, Confirm, Connect, DeclareQueue, Event, Grant, Peer, Publishing, Reply,
    Settle, SettleMode, Source, Submission, Subscribe,
};
use log_store::{MemoryStore, ShardLog};
use model::{
    CommandId, ConnectionId, ConversationId, Dialect, Envelope, Instant, Message, Outcome, Parts,
    Pattern, Persistence, QueueName, Retain, Sequence, ShardId, SubscriptionId,
};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

pub mod calls;
pub mod crashes;

pub struct Node {
    pub settings: Settings,
    pub broker: Broker,
    pub executors: Vec<Executor>,
    awake: Vec<Arc<Awake>>,
    pub store: MemoryStore,
    pub now: Instant,
    last_connection: u64,
}

impl Node {
    pub fn new(settings: Settings) -> Self {
        Self::open(settings, MemoryStore::new())
    }

    pub fn open(settings: Settings, store: MemoryStore) -> Self {
        Self::open_at(settings, store, Instant::default())
    }

    pub fn open_at(settings: Settings, store: MemoryStore, now: Instant) -> Self {
        let mut recovery = Recovery::default();
        let logs = store.open(4, &mut |record| recovery.replay(record));
        let boxed = |log| -> Box<dyn ShardLog> { Box::new(log) };
        let logs = logs.into_iter().map(boxed).collect();
        let (broker, executors, _) =
            Broker::open(settings.clone(), now, logs, recovery).expect("it opens");
        Self {
            settings,
            broker,
            awake: executors.iter().map(|_| Arc::default()).collect(),
            executors,
            store,
            now,
            last_connection: 0,
        }
    }

    pub fn connect(&mut self) -> Client {
        self.connect_by(Broker::attach)
    }

    pub fn connect_operator(&mut self) -> Client {
        self.connect_by(Broker::attach_operator)
    }

    fn connect_by(&mut self, attach: impl Fn(&Broker, ConnectionId, Peer) -> Connection) -> Client {
        self.last_connection += 1;
        let id = ConnectionId(self.last_connection);
        let peer = Peer {
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        };
        let mut client = Client {
            connection: attach(&self.broker, id, peer),
            last: 0,
            inbox: Vec::new(),
            wakes: Arc::default(),
            heard: 0,
            heard_before_admission: 0,
            is_touched: true,
            was_admitted: true,
        };
        client.submit(
            self,
            Command::Connect(Box::new(Connect {
                login: None,
                vhost: Vec::new(),
                identity: None,
            })),
        );
        client.take(self);
        client
    }

    pub fn pass(&mut self, duration: Duration) {
        self.now = self.now + duration;
    }

    /// Steps the executors until they are idle, but only those that were woken or whose deadline has passed; the
    /// store does nothing. Returns whether any had work.
    pub fn step_executors(&mut self) -> bool {
        let mut has_moved = false;
        loop {
            let mut any = false;
            for index in 0..self.executors.len() {
                let deadline = self.executors[index].deadline();
                let is_due = deadline.is_some_and(|deadline| deadline <= self.now);
                if is_due || self.awake[index].0.load(Ordering::Relaxed) {
                    any |= self.step_executor(index) == Step::Worked;
                }
            }
            if !any {
                return has_moved;
            }
            has_moved = true;
        }
    }

    /// One step of one executor.
    pub fn step_executor(&mut self, index: usize) -> Step {
        let awake = &self.awake[index];
        awake.0.store(false, Ordering::Relaxed);
        let waker = Waker::from(Arc::clone(awake));
        let cx = Context::from_waker(&waker);
        let step = self.executors[index]
            .step(self.now, &cx)
            .expect("the store works");
        awake.0.fetch_or(step == Step::Worked, Ordering::Relaxed);
        step
    }

    /// The pages that are saved.
    pub fn page_count(&self) -> usize {
        let saved = (0..4).map(|shard| self.store.saved_pages(ShardId(shard)).len());
        saved.sum()
    }

    /// Steps everything until nothing moves. Returns whether anything did.
    pub fn settle_down(&mut self) -> bool {
        let mut has_moved = false;
        loop {
            has_moved |= self.step_executors();
            let pages: usize = (0..4)
                .map(|shard| self.store.pages_of(ShardId(shard)))
                .sum();
            if self.store.round() == 0 && pages == 0 {
                return has_moved;
            }
            has_moved = true;
        }
    }
}

/// Whether an executor is to be stepped.
struct Awake(AtomicBool);

impl Default for Awake {
    fn default() -> Self {
        Self(AtomicBool::new(true))
    }
}

impl Wake for Awake {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

pub struct Client {
    connection: Connection,
    last: u64,
    /// What came while something else was waited for.
    pub inbox: Vec<Event>,
    wakes: Arc<Wakes>,
    /// As many wakes had come when events, and admission, were asked for the last time.
    heard: u64,
    heard_before_admission: u64,
    /// It has been given something to do since then.
    is_touched: bool,
    was_admitted: bool,
}

/// How often a driver was woken.
#[derive(Default)]
struct Wakes(AtomicU64);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Client {
    pub fn submit(&mut self, node: &Node, command: Command) {
        self.last += 1;
        let id = CommandId(self.last);
        let submission = Submission {
            id,
            conversation: ConversationId(0),
            command,
        };
        self.connection.submit(node.now, &mut vec![submission]);
        self.is_touched = true;
        self.was_admitted = true;
    }

    pub fn declare(&mut self, node: &mut Node, name: &str) {
        let name = QueueName::new(name.as_bytes()).expect("a name");
        self.submit(
            node,
            Command::DeclareQueue(Box::new(DeclareQueue::durable(name))),
        );
        node.settle_down();
        let events = self.take(node);
        assert!(
            matches!(events[..], [Event::Done(_, Ok(Reply::Queue(_)))]),
            "{events:?}"
        );
    }

    pub fn subscribe(&mut self, node: &mut Node, id: u32, source: Source, mode: SettleMode) {
        self.subscribe_with(node, id, source, mode, u64::MAX);
    }

    pub fn subscribe_with(
        &mut self,
        node: &mut Node,
        id: u32,
        source: Source,
        settle_mode: SettleMode,
        limit: u64,
    ) {
        let grant = Grant {
            limit,
            ..Grant::UNLIMITED
        };
        let subscribe = Subscribe::new(SubscriptionId(id), source, settle_mode, grant);
        self.submit(node, Command::Subscribe(Box::new(subscribe)));
    }

    pub fn grant(&mut self, node: &mut Node, id: u32, limit: u64) {
        let grant = Grant {
            count: 0,
            limit,
            drain: false,
        };
        self.submit(node, Command::Grant(SubscriptionId(id), grant));
    }

    pub fn settle(&mut self, node: &mut Node, id: u32, sequences: &[u64]) {
        let settle = Settle {
            subscription: SubscriptionId(id),
            sequences: sequences.iter().copied().map(Sequence).collect(),
            outcome: Outcome::Accept,
            confirm: Confirm::Unwanted,
        };
        self.submit(node, Command::Settle(settle));
    }

    pub fn publish(&mut self, node: &Node, draft: Draft) {
        self.submit(
            node,
            Command::Publish(draft.build(), Publishing::new(Confirm::Unwanted)),
        );
    }

    /// Whether it may publish more. Who was told to wait and may go on now has been woken, or its time has come.
    pub fn is_admitted(&mut self, node: &Node) -> bool {
        let wakes = self.wakes.0.load(Ordering::Relaxed);
        let is_expected =
            self.was_admitted || wakes > self.heard_before_admission || self.is_due(node);
        let waker = Waker::from(Arc::clone(&self.wakes));
        let mut cx = Context::from_waker(&waker);
        let is_admitted = self.connection.poll_admission(node.now, &mut cx).is_ready();
        assert!(is_expected || !is_admitted, "it was not woken");
        (self.heard_before_admission, self.was_admitted) = (wakes, is_admitted);
        is_admitted
    }

    fn is_due(&self, node: &Node) -> bool {
        self.deadline().is_some_and(|deadline| deadline <= node.now)
    }

    pub fn deadline(&self) -> Option<Instant> {
        self.connection.deadline()
    }

    /// Takes events without telling that they were sent. If there are any, the driver has been woken, has
    /// given the connection something to do, or its time has come.
    pub fn drain(&mut self, node: &mut Node) -> Vec<Event> {
        let wakes = self.wakes.0.load(Ordering::Relaxed);
        let is_expected = self.is_touched || wakes > self.heard || self.is_due(node);
        (self.heard, self.is_touched) = (wakes, false);
        let waker = Waker::from(Arc::clone(&self.wakes));
        let mut cx = Context::from_waker(&waker);
        let mut events = Vec::new();
        let mut handle = |event| events.push(event);
        while self
            .connection
            .poll_events(node.now, &mut cx, 1 << 20, &mut handle)
            .is_ready()
        {}
        assert!(
            is_expected || events.is_empty(),
            "it was not woken: {events:?}"
        );
        events
    }

    pub fn sent(&mut self, node: &Node) {
        self.connection.handle_sent(node.now);
    }

    /// Takes events; they have been sent.
    pub fn take(&mut self, node: &mut Node) -> Vec<Event> {
        let events = self.drain(node);
        self.sent(node);
        events
    }

    pub fn take_numbers(&mut self, node: &mut Node) -> Vec<u32> {
        numbers(&self.take(node))
    }

    pub fn confirmed(&mut self, node: &mut Node) -> usize {
        self.take(node)
            .iter()
            .filter(|event| matches!(event, Event::Confirmed(_)))
            .count()
    }

    pub fn is_cut(&mut self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        self.connection.poll_disconnect(&mut cx).is_ready()
    }

    /// The broker's side of it.
    pub fn attachment(&mut self) -> &mut Connection {
        self.is_touched = true;
        self.was_admitted = true;
        &mut self.connection
    }

    pub fn close(mut self, node: &Node) {
        self.connection.close(node.now);
    }
}

/// A message to be.
pub struct Draft {
    key: String,
    number: u32,
    exchange: &'static str,
    envelope: Envelope,
    head: String,
    bytes: usize,
}

pub fn message(key: &str, number: u32) -> Draft {
    Draft {
        key: key.into(),
        number,
        exchange: "amq.topic",
        envelope: Envelope::new(Dialect::Stomp12, Persistence::Transient),
        head: String::new(),
        bytes: 4,
    }
}

impl Draft {
    pub fn queued(self) -> Self {
        Self {
            exchange: "",
            ..self
        }
    }

    pub fn persistent(mut self) -> Self {
        self.envelope.persistence = Persistence::Persistent;
        self
    }

    pub fn to(self, exchange: &'static str) -> Self {
        Self { exchange, ..self }
    }

    pub fn ttl(mut self, ms: u64) -> Self {
        self.envelope.ttl_ms = Some(ms);
        self
    }

    pub fn delay(mut self, ms: u64) -> Self {
        self.envelope.delay_ms = ms;
        self
    }

    pub fn priority(mut self, priority: u8) -> Self {
        self.envelope.priority = priority;
        self
    }

    /// To be retained.
    pub fn retained(mut self) -> Self {
        self.envelope.retain = Retain::Keep;
        self
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.head.push_str(&format!("{name}:{value}\n"));
        self
    }

    pub fn grouped(mut self, group: &str) -> Self {
        self.envelope.is_grouped = true;
        self.header("group", group)
    }

    /// Adds routing keys.
    pub fn keys(mut self, keys: &[&str]) -> Self {
        self.envelope.head_routes = true;
        let lines = keys.iter();
        lines.fold(self, |draft, key| draft.header("key", key))
    }

    /// Asks an exchange for a delay.
    pub fn asking_for_delay(mut self, ms: u64) -> Self {
        self.envelope.head_routes = true;
        self.header("delay", &ms.to_string())
    }

    pub fn of_bytes(self, bytes: usize) -> Self {
        Self { bytes, ..self }
    }

    pub fn build(self) -> Message {
        let mut body = self.number.to_le_bytes().to_vec();
        body.resize(self.bytes, 0);
        Message::new(&Parts {
            envelope: self.envelope,
            exchange: self.exchange.as_bytes(),
            annotations: &[],
            key: self.key.as_bytes(),
            head: &[self.head.as_bytes()],
            body: &body,
        })
    }
}

/// What a small message is charged with.
pub fn cost() -> usize {
    message("t", 0).build().cost_bytes()
}

/// What a small message for a queue of a short name is charged with, at least.
pub fn queued_cost() -> usize {
    message("q", 0).queued().build().cost_bytes()
}

pub fn numbers(events: &[Event]) -> Vec<u32> {
    let number = |event: &Event| match event {
        Event::Delivery(delivery) => {
            let body = delivery.message.body()[..4].try_into().expect("four bytes");
            Some(u32::from_le_bytes(body))
        }
        Event::Confirmed(_)
        | Event::Returned(..)
        | Event::Done(..)
        | Event::Drained(_)
        | Event::Ended(..)
        | Event::Blocked(_)
        | Event::Unblocked
        | Event::Disconnect(_) => None,
    };
    events.iter().filter_map(number).collect()
}

pub fn topic(pattern: &str) -> Source {
    Source::topic(Pattern::dotted(pattern.as_bytes()))
}

pub fn queue(name: &str) -> Source {
    Source::Queue(QueueName::new(name.as_bytes()).expect("a name"))
}
