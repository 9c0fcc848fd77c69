//! The clients of a run: what they send and what they make of what comes.

mod publish;
mod settle;

use crate::history::{Fate, History, Name, Seen, Spot, Stamp};
use crate::scene::{Place, Reading, Scene, Source};
use crate::world::{Wire, World};
use client::{Frame, Version};
use fastrand::Rng;
use std::collections::BTreeMap;

/// What a client is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Makes all queues and subscriptions, and reads nothing.
    SetUp,
    /// Sends messages, most of them persistent and with receipts, some in transactions.
    Publisher(u32),
    /// Reads, acknowledges most of what it gets, returns or rejects some, sometimes leaves.
    Consumer {
        /// What it reads.
        reading: Reading,
        /// How it acknowledges.
        ack: Ack,
    },
    /// Reads, and sends messages in the transactions that acknowledge what it has read. Sometimes leaves.
    Processor {
        /// As which publisher it sends.
        publisher: u32,
        /// What it reads.
        reading: Reading,
        /// How it acknowledges; not `Auto`.
        ack: Ack,
    },
    /// Reads to the end and acknowledges everything.
    Drain(Reading),
}

impl Role {
    /// What it reads.
    const fn reading(self) -> Option<Reading> {
        match self {
            Self::SetUp | Self::Publisher(_) => None,
            Self::Consumer { reading, .. }
            | Self::Processor { reading, .. }
            | Self::Drain(reading) => Some(reading),
        }
    }

    const fn ack(self) -> Ack {
        match self {
            Self::SetUp | Self::Publisher(_) | Self::Drain(_) => Ack::Individual,
            Self::Consumer { ack, .. } | Self::Processor { ack, .. } => ack,
        }
    }
}

/// How a consumer acknowledges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ack {
    /// Each by itself.
    Individual,
    /// All up to one.
    Cumulative,
    /// Not at all: what was sent to it is gone.
    Auto,
}

/// One client on its wire.
pub struct Actor {
    role: Role,
    wire: Wire,
    /// What each receipt that is awaited stands for.
    awaited: BTreeMap<String, Awaited>,
    receipts: u32,
    /// Deliveries not yet acknowledged, with their frames, in the order in which they came.
    held: Vec<Held>,
    /// The transaction that is open.
    open: Option<Open>,
    /// It has said DISCONNECT.
    has_left: bool,
    /// It has something on its way that its end may cut in two.
    is_doomed: bool,
}

/// A delivery not yet acknowledged.
struct Held {
    key: Spot,
    frame: Frame,
    /// When it came, of all that this client got.
    nth: usize,
}

/// An open transaction.
struct Open {
    name: Name,
    /// How many messages it is to have.
    size: u32,
    /// Taken out of what is held; they come back with an ABORT.
    held: Vec<Held>,
}

enum Awaited {
    Sent(Name),
    Settled(Vec<Spot>, Verdict),
    Committed(Name),
    /// Nothing that a history tells of.
    Done,
}

/// What a client says of deliveries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Accept,
    Return,
    Reject,
}

impl Actor {
    /// A client that has just connected.
    pub fn new(role: Role, number: u32, world: &mut World, scene: &Scene) -> Self {
        let mut actor = Self {
            role,
            wire: world.connect(number),
            awaited: BTreeMap::new(),
            receipts: 0,
            held: Vec::new(),
            open: None,
            has_left: false,
            is_doomed: false,
        };
        let connect = Frame::new("CONNECT", &[("accept-version", "1.2"), ("host", "/")]);
        push(&mut actor.wire, &connect);
        if let Some(reading) = role.reading() {
            let mut frame = subscribe(scene, reading);
            let ack = match role.ack() {
                Ack::Auto => "auto",
                Ack::Cumulative => "client",
                Ack::Individual => "client-individual",
            };
            frame.headers.push(("ack".into(), ack.into()));
            if !matches!(role, Role::Drain(_)) {
                frame.headers.push(("prefetch-count".into(), "5".into()));
            }
            push(&mut actor.wire, &frame);
        }
        if role == Role::SetUp {
            actor.set_up(scene);
        }
        actor
    }

    fn set_up(&mut self, scene: &Scene) {
        for reading in scene.readings() {
            let mut frame = subscribe(scene, reading);
            self.ask_for_receipt(&mut frame, Awaited::Done);
            push(&mut self.wire, &frame);
        }
        self.say_good_bye();
    }

    fn say_good_bye(&mut self) {
        let mut frame = Frame::new("DISCONNECT", &[]);
        self.ask_for_receipt(&mut frame, Awaited::Done);
        push(&mut self.wire, &frame);
        self.has_left = true;
    }

    fn ask_for_receipt(&mut self, frame: &mut Frame, awaited: Awaited) {
        self.receipts += 1;
        let id = format!("r{}", self.receipts);
        frame.headers.push(("receipt".into(), id.clone()));
        self.awaited.insert(id, awaited);
    }

    /// What it is there for.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }

    /// Carries bytes and takes in what came. Returns whether anything moved.
    ///
    /// # Panics
    /// When the broker answers with what it must not: an ERROR, or bytes that are no frame.
    pub fn carry(&mut self, world: &World, bytes: usize, life: u32, history: &mut History) -> bool {
        let moved = world.carry(&mut self.wire, bytes);
        self.read(life, history);
        moved
    }

    /// Takes in all that the transport has.
    ///
    /// # Panics
    /// As [`carry`](Self::carry).
    pub fn read(&mut self, life: u32, history: &mut History) {
        while let Some((frame, used)) =
            Frame::decode(Version::V1_2, &self.wire.to_client).expect("the broker sends frames")
        {
            self.wire.to_client.drain(..used);
            self.take(frame, life, history);
        }
    }

    /// Whether every receipt that it asked for has come.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        self.awaited.is_empty()
    }

    fn take(&mut self, frame: Frame, life: u32, history: &mut History) {
        match frame.command.as_str() {
            "CONNECTED" => {}
            "RECEIPT" => {
                let id = frame.header("receipt-id").expect("a RECEIPT says which");
                let awaited = self.awaited.remove(id);
                answered(awaited.expect("a receipt that was asked for"), history);
            }
            // It has given up what it holds; what was on its way comes again to somebody else.
            "MESSAGE" if self.has_left && self.role.ack() != Ack::Auto => {}
            "MESSAGE" => self.take_message(frame, life, history),
            other => panic!("the broker sent {other}: {}", frame.text()),
        }
    }

    fn take_message(&mut self, frame: Frame, life: u32, history: &mut History) {
        let (message, stamp) = name(&frame);
        let place = match self.role.reading() {
            Some(Reading::From(source)) => Place::At(source),
            Some(Reading::DeadLetters) => Place::Dead(dead_from(&frame)),
            None => panic!("who reads nothing gets no messages"),
        };
        history.seen.push(Seen {
            message,
            place,
            stamp,
            client: self.wire.number,
            redelivered: frame.header("redelivered") == Some("true"),
            life,
        });
        let key = (message, place);
        if self.role.ack() == Ack::Auto {
            history.acked.insert(key);
        } else {
            let nth = history.seen.len();
            self.held.push(Held { key, frame, nth });
        }
    }

    /// Does the next thing of its script. Returns false when it has left.
    pub fn act(
        &mut self,
        rng: &mut Rng,
        world: &World,
        life: u32,
        script: &mut Script,
        history: &mut History,
    ) -> bool {
        if self.has_left {
            return !self.is_answered() && !self.wire.is_closed;
        }
        match self.role {
            Role::SetUp => {}
            Role::Publisher(publisher) => self.publish_some(rng, publisher, script, history),
            Role::Consumer { ack: Ack::Auto, .. } => {}
            Role::Consumer { .. } => self.acknowledge(rng, history),
            Role::Processor { publisher, .. } => {
                if rng.bool() {
                    self.publish_some(rng, publisher, script, history);
                } else {
                    self.acknowledge(rng, history);
                }
            }
            Role::Drain(_) => self.settle_all(history),
        }
        let chance = match self.role {
            _ if self.is_doomed => 8,
            Role::Consumer { .. } => 40,
            Role::Processor { .. } => 60,
            Role::Publisher(_) if self.open.is_some() => 60,
            Role::SetUp | Role::Publisher(_) | Role::Drain(_) => return true,
        };
        if rng.u32(..chance) == 0 {
            return self.leave(rng, world, life, script, history);
        }
        true
    }
}

fn answered(awaited: Awaited, history: &mut History) {
    match awaited {
        Awaited::Done => {}
        Awaited::Sent(name) => {
            let sent = history.sent.get_mut(&name).expect("it was sent");
            sent.is_confirmed = true;
        }
        Awaited::Settled(keys, verdict) => settled(keys, verdict, history),
        Awaited::Committed(name) => {
            let transaction = history.transactions.get_mut(&name).expect("it was begun");
            if let Fate::Asked(count) = transaction.fate {
                transaction.fate = Fate::Confirmed(count);
            }
            let transaction = transaction.clone();
            for name in transaction.messages {
                let sent = history.sent.get_mut(&name).expect("it was sent");
                sent.is_confirmed = true;
            }
            settled(transaction.acked, Verdict::Accept, history);
            settled(transaction.rejected, Verdict::Reject, history);
        }
    }
}

fn settled(keys: Vec<Spot>, verdict: Verdict, history: &mut History) {
    let count = history.seen.len();
    if verdict == Verdict::Accept {
        history.accepted.extend(keys.iter().copied());
    }
    history
        .settled
        .extend(keys.into_iter().map(|key| (key, count)));
}

/// What the publishers of a run send in all.
pub struct Script {
    /// Messages per publisher.
    pub messages_max: u32,
    /// Bodies are shorter than this.
    pub body_bytes_max: usize,
    /// One in so many things that a publisher does begins a transaction; never if 0.
    pub transaction_chance: u32,
    /// What each publisher used last.
    pub last: BTreeMap<u32, Last>,
}

/// The numbers that a publisher used last.
#[derive(Clone, Copy, Debug, Default)]
pub struct Last {
    /// Of a message.
    pub message: u32,
    /// Of a transaction.
    pub transaction: u32,
    /// Of a turn.
    pub turn: u32,
}

impl Script {
    /// Whether everything has been sent.
    #[must_use]
    pub fn is_done(&self, publishers: u32) -> bool {
        (0..publishers).all(|publisher| {
            let last = self.last.get(&publisher);
            last.is_some_and(|last| last.message >= self.messages_max)
        })
    }
}

fn push(wire: &mut Wire, frame: &Frame) {
    let mut bytes = Vec::new();
    frame.encode(Version::V1_2, &mut bytes);
    wire.push(&bytes);
}

fn subscribe(scene: &Scene, reading: Reading) -> Frame {
    let mut frame = Frame::new("SUBSCRIBE", &[]);
    frame.headers = scene.subscribe_headers(reading);
    frame
}

fn name(frame: &Frame) -> (Name, Option<Stamp>) {
    let text = frame.text();
    let words = text.split(' ').map(str::parse).take(4);
    let Ok(numbers) = words.collect::<Result<Vec<u32>, _>>() else {
        panic!("a message that nobody sent: {text}");
    };
    let [publisher, number, transaction, size] = numbers[..] else {
        panic!("a message that nobody sent: {text}");
    };
    let stamp = Stamp {
        number: transaction,
        size,
    };
    (
        Name { publisher, number },
        (transaction > 0).then_some(stamp),
    )
}

fn dead_from(frame: &Frame) -> Source {
    let queue = frame.header("x-first-death-queue");
    let source = queue.and_then(Scene::source_of);
    source.expect("a dead letter says where it comes from")
}
