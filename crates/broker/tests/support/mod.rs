//! A node on the memory store, stepped by hand, and connections to it.
#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(missing_docs, unreachable_pub, reason = "it is private to the tests")]

use broker::{Broker, Connection, Executor, Recovery, Settings, Step};
use broker_api::{
    Attachment, Command, Confirm, Connect, Event, Grant, Peer, Settle, SettleMode, Source,
    Submission, Subscribe,
};
use log_store::{MemoryStore, ShardLog};
use model::{
    CommandId, ConnectionId, ConversationId, Dialect, Envelope, Exchange, Instant, Message,
    Outcome, Parts, Pattern, Persistence, QueueName, Sequence, SubscriptionId,
};
use std::net::{IpAddr, Ipv4Addr};
use std::task::{Context, Waker};
use std::time::Duration;

pub struct Node {
    pub broker: Broker,
    pub executors: Vec<Executor>,
    pub store: MemoryStore,
    pub now: Instant,
    last_connection: u64,
}

impl Node {
    pub fn new(settings: Settings) -> Self {
        Self::open(settings, MemoryStore::new())
    }

    pub fn open(settings: Settings, store: MemoryStore) -> Self {
        let mut recovery = Recovery::default();
        let logs = store.open(4, &mut |record| recovery.replay(record));
        let boxed = |log| -> Box<dyn ShardLog> { Box::new(log) };
        let logs = logs.into_iter().map(boxed).collect();
        let (broker, executors, _) = Broker::open(settings, logs, recovery).expect("it opens");
        Self {
            broker,
            executors,
            store,
            now: Instant::default(),
            last_connection: 0,
        }
    }

    pub fn connect(&mut self) -> Client {
        self.last_connection += 1;
        let id = ConnectionId(self.last_connection);
        let peer = Peer {
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        };
        let mut client = Client {
            connection: self.broker.attach(id, peer),
            last: 0,
        };
        client.submit(
            self,
            Command::Connect(Connect {
                login: None,
                vhost: Vec::new(),
            }),
        );
        client.take(self);
        client
    }

    pub fn pass(&mut self, duration: Duration) {
        self.now = self.now + duration;
    }

    /// Steps the executors until they are idle; the store does nothing.
    pub fn step_executors(&mut self) {
        let cx = Context::from_waker(Waker::noop());
        while self
            .executors
            .iter_mut()
            .map(|executor| executor.step(self.now, &cx).expect("the store works"))
            .fold(false, |any, step| any | (step == Step::Worked))
        {}
    }

    /// Steps everything until nothing moves.
    pub fn settle_down(&mut self) {
        loop {
            self.step_executors();
            if self.store.round() == 0 {
                break;
            }
        }
    }
}

pub struct Client {
    connection: Connection,
    last: u64,
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
    }

    pub fn declare(&mut self, node: &mut Node, name: &str) {
        let name = QueueName::new(name.as_bytes()).expect("a name");
        self.submit(node, Command::DeclareQueue(name));
        node.settle_down();
        let events = self.take(node);
        assert!(matches!(events[..], [Event::Done(_, Ok(()))]), "{events:?}");
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
        let subscription = SubscriptionId(id);
        let subscribe = Subscribe {
            subscription,
            source,
            settle_mode,
            grant,
        };
        self.submit(node, Command::Subscribe(subscribe));
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
        self.submit(node, Command::Publish(draft.build(), Confirm::Unwanted));
    }

    pub fn is_admitted(&mut self, node: &Node) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        self.connection.poll_admission(node.now, &mut cx).is_ready()
    }

    pub fn deadline(&self) -> Option<Instant> {
        self.connection.deadline()
    }

    /// Takes events without telling that they were sent.
    pub fn drain(&mut self, node: &mut Node) -> Vec<Event> {
        let mut cx = Context::from_waker(Waker::noop());
        let mut events = Vec::new();
        let mut handle = |event| events.push(event);
        while self
            .connection
            .poll_events(node.now, &mut cx, 1 << 20, &mut handle)
            .is_ready()
        {}
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
    exchange: Exchange,
    persistence: Persistence,
    bytes: usize,
}

pub fn message(key: &str, number: u32) -> Draft {
    Draft {
        key: key.into(),
        number,
        exchange: Exchange::Topic,
        persistence: Persistence::Transient,
        bytes: 4,
    }
}

impl Draft {
    pub fn queued(self) -> Self {
        Self {
            exchange: Exchange::Default,
            ..self
        }
    }

    pub fn persistent(self) -> Self {
        Self {
            persistence: Persistence::Persistent,
            ..self
        }
    }

    pub fn of_bytes(self, bytes: usize) -> Self {
        Self { bytes, ..self }
    }

    pub fn build(self) -> Message {
        let envelope = Envelope {
            dialect: Dialect::Stomp12,
            dialect_flags: 0,
            persistence: self.persistence,
            exchange: self.exchange,
        };
        let mut body = self.number.to_le_bytes().to_vec();
        body.resize(self.bytes, 0);
        Message::new(&Parts {
            envelope,
            key: self.key.as_bytes(),
            head: &[],
            body: &body,
        })
    }
}

/// What a small message is charged with.
pub fn cost() -> usize {
    message("t", 0).build().cost_bytes()
}

pub fn numbers(events: &[Event]) -> Vec<u32> {
    let number = |event: &Event| match event {
        Event::Delivery(delivery) => {
            let body = delivery.message.body()[..4].try_into().expect("four bytes");
            Some(u32::from_le_bytes(body))
        }
        Event::Confirmed(_)
        | Event::Done(..)
        | Event::Drained(_)
        | Event::Ended(..)
        | Event::Disconnect(_) => None,
    };
    events.iter().filter_map(number).collect()
}

pub fn topic(pattern: &str) -> Source {
    Source::Topic(Pattern::dotted(pattern.as_bytes()))
}

pub fn queue(name: &str) -> Source {
    Source::Queue(QueueName::new(name.as_bytes()).expect("a name"))
}
