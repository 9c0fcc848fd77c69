//! The clients of a run: what they send and what they make of what comes.

mod publish;
mod settle;
mod take;

use crate::history::{Client, History, Name, Spot};
use crate::line::{Amqp, Line};
use crate::scene::{Reading, Scene};
use crate::world::World;
use client::Frame;
use fastrand::Rng;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

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
        /// What is special about it.
        habit: Habit,
    },
    /// Looks at all that there is, and takes nothing.
    Browser(Reading),
    /// Finds out whether it can be read.
    Probe(Reading),
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
            | Self::Browser(reading)
            | Self::Probe(reading)
            | Self::Drain(reading) => Some(reading),
        }
    }

    /// Whether who speaks AMQP can do it: AMQP has no selectors, and nobody who only looks.
    #[must_use]
    pub fn is_of_amqp(self) -> bool {
        match self {
            Self::SetUp | Self::Browser(_) | Self::Probe(_) => false,
            Self::Publisher(_) | Self::Processor { .. } | Self::Drain(_) => true,
            Self::Consumer { habit, .. } => habit != Habit::Selects,
        }
    }

    const fn ack(self) -> Ack {
        match self {
            Self::SetUp
            | Self::Publisher(_)
            | Self::Browser(_)
            | Self::Probe(_)
            | Self::Drain(_) => Ack::Individual,
            Self::Consumer { ack, .. } | Self::Processor { ack, .. } => ack,
        }
    }

    const fn habit(self) -> Habit {
        match self {
            Self::Consumer { habit, .. } => habit,
            Self::SetUp
            | Self::Publisher(_)
            | Self::Processor { .. }
            | Self::Browser(_)
            | Self::Probe(_)
            | Self::Drain(_) => Habit::Plain,
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

/// What is special about a consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Habit {
    /// Nothing.
    Plain,
    /// It asks for red messages only.
    Selects,
    /// It keeps what it got first, and stays.
    KeepsOne,
    /// It takes whatever there is and settles none of it for a while; then it rejects most of it.
    Hoards,
}

/// One client on its wire.
pub struct Actor {
    role: Role,
    line: Line,
    /// What each receipt that is awaited stands for.
    awaited: BTreeMap<String, Awaited>,
    receipts: u32,
    /// Deliveries not yet acknowledged, with their frames, in the order in which they came.
    held: Vec<Held>,
    /// The transaction that is open.
    open: Option<Open>,
    /// How many deliveries had been seen when each commit by AMQP was sent that is not answered.
    commits: VecDeque<usize>,
    /// It settles what it has hoarded.
    is_letting_go: bool,
    /// It has said DISCONNECT.
    has_left: bool,
    /// It has something on its way that its end may cut in two.
    is_doomed: bool,
    /// What had been settled for good when it began to browse.
    settled_before: BTreeSet<Spot>,
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
    /// A client that has just connected, by AMQP if there is a seed for that.
    pub fn new(
        role: Role,
        number: u32,
        amqp_seed: Option<u64>,
        world: &mut World,
        history: &mut History,
    ) -> Self {
        let scene = &history.scene;
        let mut actor = Self {
            role,
            line: match amqp_seed {
                None => Line::Stomp(Box::new(world.connect(number))),
                Some(seed) => {
                    let settles_together = matches!(role, Role::Processor { .. });
                    let wire = world.connect_amqp(number);
                    Line::Amqp(Box::new(Amqp::new(wire, seed, settles_together)))
                }
            },
            awaited: BTreeMap::new(),
            receipts: 0,
            held: Vec::new(),
            open: None,
            commits: VecDeque::new(),
            is_letting_go: false,
            has_left: false,
            is_doomed: false,
            settled_before: BTreeSet::new(),
        };
        let connect = Frame::new("CONNECT", &[("accept-version", "1.2"), ("host", "/")]);
        actor.line.push(&connect);
        if actor.line.is_amqp() && actor.publishes() {
            actor.declare_all(scene);
        }
        if let Some(reading) = role.reading() {
            actor.subscribe(scene, reading);
        }
        if role == Role::SetUp {
            actor.set_up(scene);
        }
        if let Role::Browser(_) = role {
            actor.settled_before = history.settled.keys().copied().collect();
        }
        let client = Client {
            connected_at: history.now,
            selects: role.habit() == Habit::Selects,
            is_amqp: amqp_seed.is_some(),
        };
        history.clients.insert(number, client);
        actor
    }

    fn subscribe(&mut self, scene: &Scene, reading: Reading) {
        let mut frame = subscribe(scene, reading);
        let mut put = |name: &str, value: &str| frame.headers.push((name.into(), value.into()));
        if let Role::Browser(_) = self.role {
            put("browser", "true");
            return self.line.push(&frame);
        }
        put(
            "ack",
            match self.role.ack() {
                Ack::Auto => "auto",
                Ack::Cumulative => "client",
                Ack::Individual => "client-individual",
            },
        );
        if !matches!(self.role, Role::Drain(_)) && self.role.habit() != Habit::Hoards {
            put("prefetch-count", "5");
        }
        if self.role.habit() == Habit::Selects {
            put("selector", "color = 'red'");
        }
        if let Role::Probe(_) = self.role {
            self.ask_for_receipt(&mut frame, Awaited::Done);
        }
        self.line.push(&frame);
        if let Role::Probe(_) = self.role {
            self.say_good_bye();
        }
    }

    /// AMQP makes no queue by publishing to it.
    fn declare_all(&mut self, scene: &Scene) {
        for queue in scene.queues() {
            let mut frame = Frame::new("DECLARE", &[]);
            frame.headers = scene.subscribe_headers(queue);
            self.line.push(&frame);
        }
    }

    fn set_up(&mut self, scene: &Scene) {
        for reading in scene.readings() {
            let mut frame = subscribe(scene, reading);
            self.ask_for_receipt(&mut frame, Awaited::Done);
            self.line.push(&frame);
        }
        self.say_good_bye();
    }

    fn say_good_bye(&mut self) {
        let mut frame = Frame::new("DISCONNECT", &[]);
        self.ask_for_receipt(&mut frame, Awaited::Done);
        self.line.push(&frame);
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

    const fn number(&self) -> u32 {
        self.line.wire().number
    }

    /// Carries bytes and takes in what came. Returns whether anything moved.
    ///
    /// # Panics
    /// When the broker answers with what it must not: an ERROR, or bytes that are no frame.
    pub fn carry(&mut self, world: &World, bytes: usize, life: u32, history: &mut History) -> bool {
        let moved = world.carry(self.line.wire_mut(), bytes);
        self.read(life, history);
        moved
    }

    /// Whether every receipt that it asked for has come.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        self.awaited.is_empty()
    }

    /// Whether the broker has ended its connection, as it does with an ERROR.
    #[must_use]
    pub const fn is_cut(&self) -> bool {
        self.line.wire().is_closed
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
        if self.is_cut() {
            return false;
        }
        if self.has_left {
            return !self.is_answered();
        }
        match self.role {
            Role::SetUp | Role::Probe(_) => {}
            Role::Browser(_) => return true,
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
            Role::Consumer {
                habit: Habit::KeepsOne,
                ..
            } => return true,
            Role::Consumer {
                habit: Habit::Hoards,
                ..
            } => 200,
            Role::Consumer { .. } => 40,
            Role::Processor { .. } => 60,
            Role::Publisher(_) if self.open.is_some() => 60,
            Role::SetUp
            | Role::Publisher(_)
            | Role::Browser(_)
            | Role::Probe(_)
            | Role::Drain(_) => return true,
        };
        if rng.u32(..chance) == 0 {
            return self.leave(rng, world, life, script, history);
        }
        true
    }
}

/// What the publishers of a run send in all.
pub struct Script {
    /// Messages per publisher.
    pub messages_max: u32,
    /// Bodies are shorter than this.
    pub body_bytes_max: usize,
    /// One in so many things that a publisher does begins a transaction; never if 0.
    pub transaction_chance: u32,
    /// One message in so many is delayed.
    pub delay_chance: u32,
    /// Whether some messages expire.
    pub expires: bool,
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

fn subscribe(scene: &Scene, reading: Reading) -> Frame {
    let mut frame = Frame::new("SUBSCRIBE", &[]);
    frame.headers = scene.subscribe_headers(reading);
    frame
}
