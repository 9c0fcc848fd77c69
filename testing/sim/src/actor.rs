//! The clients of a run: what they send and what they make of what comes.

use crate::history::{History, Name, Seen, Sent};
use crate::world::{Wire, World};
use client::{Frame, Version};
use fastrand::Rng;
use std::collections::BTreeMap;

/// What a client is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Sends messages, most of them persistent and with receipts.
    Publisher(u32),
    /// Reads a queue, acknowledges most of what it gets, returns some, sometimes leaves.
    Consumer {
        /// The queue.
        queue: u32,
        /// How it acknowledges.
        ack: Ack,
    },
    /// Reads a queue to its end and acknowledges everything.
    Drain(u32),
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
    is_connected: bool,
    /// What each receipt that is awaited stands for.
    awaited: BTreeMap<String, Awaited>,
    receipts: u32,
    /// Deliveries not yet acknowledged, with their frames.
    held: Vec<(Name, Frame)>,
    /// It has said DISCONNECT.
    has_left: bool,
}

enum Awaited {
    Sent(Name),
    Acked(Vec<Name>),
    Left,
}

impl Actor {
    /// A client that has just connected.
    pub fn new(role: Role, number: u32, world: &mut World) -> Self {
        let mut wire = world.connect(number);
        push(
            &mut wire,
            &Frame::new("CONNECT", &[("accept-version", "1.2"), ("host", "/")]),
        );
        if let Role::Consumer { queue, .. } | Role::Drain(queue) = role {
            let destination = format!("/queue/q{queue}");
            let ack = match role {
                Role::Consumer { ack: Ack::Auto, .. } => "auto",
                Role::Consumer {
                    ack: Ack::Cumulative,
                    ..
                } => "client",
                Role::Consumer { .. } | Role::Drain(_) | Role::Publisher(_) => "client-individual",
            };
            let mut headers = vec![
                ("id", "0"),
                ("destination", destination.as_str()),
                ("ack", ack),
            ];
            if matches!(role, Role::Consumer { .. }) {
                headers.push(("prefetch-count", "5"));
            }
            push(&mut wire, &Frame::new("SUBSCRIBE", &headers));
        }
        Self {
            role,
            wire,
            is_connected: false,
            awaited: BTreeMap::new(),
            receipts: 0,
            held: Vec::new(),
            has_left: false,
        }
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

    fn is_auto(&self) -> bool {
        matches!(self.role, Role::Consumer { ack: Ack::Auto, .. })
    }

    /// Whether every receipt that it asked for has come.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        self.awaited.is_empty()
    }

    fn take(&mut self, frame: Frame, life: u32, history: &mut History) {
        match frame.command.as_str() {
            "CONNECTED" => self.is_connected = true,
            "RECEIPT" => {
                let id = frame
                    .header("receipt-id")
                    .expect("a RECEIPT says which")
                    .to_owned();
                match self
                    .awaited
                    .remove(&id)
                    .expect("a receipt that was asked for")
                {
                    Awaited::Sent(name) => {
                        let sent = history.sent.get_mut(&name).expect("it was sent");
                        sent.is_confirmed = true;
                    }
                    Awaited::Left => {}
                    Awaited::Acked(names) => {
                        let count = history.seen.len();
                        history
                            .settled
                            .extend(names.into_iter().map(|name| (name, count)));
                    }
                }
            }
            // It has given up what it holds; what was on its way comes again to somebody else.
            "MESSAGE" if self.has_left && !self.is_auto() => {}
            "MESSAGE" => {
                let message = name(&frame);
                let queue = match self.role {
                    Role::Consumer { queue, .. } | Role::Drain(queue) => queue,
                    Role::Publisher(_) => panic!("a publisher gets no messages"),
                };
                let redelivered = frame.header("redelivered") == Some("true");
                history.seen.push(Seen {
                    message,
                    queue,
                    client: self.wire.number,
                    redelivered,
                    life,
                });
                if self.is_auto() {
                    history.acked.insert(message, history.seen.len());
                } else {
                    self.held.push((message, frame));
                }
            }
            other => panic!("the broker sent {other}: {}", frame.text()),
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
        match self.role {
            Role::Publisher(publisher) => self.publish(rng, publisher, life, script, history),
            Role::Consumer { ack: Ack::Auto, .. } => {}
            Role::Consumer { .. } if self.has_left => {}
            Role::Consumer { ack, .. } => self.acknowledge(rng, ack, history),
            Role::Drain(_) => self.settle_all(history),
        }
        if self.has_left {
            return !self.is_answered() && !self.wire.is_closed;
        }
        if matches!(self.role, Role::Consumer { .. }) && rng.u32(..40) == 0 {
            return self.leave(rng, world, life, history);
        }
        true
    }

    /// Goes, in one of the ways that clients go. Returns whether it is still to be heard of.
    fn leave(&mut self, rng: &mut Rng, world: &World, life: u32, history: &mut History) -> bool {
        let way = rng.u32(..4);
        if way == 0 {
            world.disconnect(&mut self.wire);
            self.read(life, history);
            return false;
        }
        if way == 1 {
            push(&mut self.wire, &Frame::new("UNSUBSCRIBE", &[("id", "0")]));
        }
        let mut frame = Frame::new("DISCONNECT", &[]);
        if way < 3 {
            frame.headers.push(("receipt".into(), "bye".into()));
            self.awaited.insert("bye".into(), Awaited::Left);
        }
        push(&mut self.wire, &frame);
        self.held.clear();
        self.has_left = true;
        true
    }

    fn publish(
        &mut self,
        rng: &mut Rng,
        publisher: u32,
        life: u32,
        script: &mut Script,
        history: &mut History,
    ) {
        let number = script.numbers.entry(publisher).or_insert(0);
        if *number >= script.messages_max {
            return;
        }
        *number += 1;
        let message = Name {
            publisher,
            number: *number,
        };
        let sent = Sent {
            queue: rng.u32(..script.queues),
            is_persistent: rng.u32(..5) > 0,
            is_confirmed: false,
            life,
        };
        history.sent.insert(message, sent);
        let destination = format!("/queue/q{}", sent.queue);
        let mut frame = Frame::new("SEND", &[("destination", &destination)]);
        if sent.is_persistent {
            frame.headers.push(("persistent".into(), "true".into()));
        }
        if rng.u32(..5) > 0 {
            self.receipts += 1;
            let id = format!("s{}", self.receipts);
            frame.headers.push(("receipt".into(), id.clone()));
            self.awaited.insert(id, Awaited::Sent(message));
        }
        let padding = "x".repeat(rng.usize(..script.body_bytes_max));
        frame.body = format!("{publisher} {} {padding}", message.number).into_bytes();
        push(&mut self.wire, &frame);
    }

    /// Acknowledges everything that it holds, each by itself.
    pub fn settle_all(&mut self, history: &mut History) {
        for (message, frame) in std::mem::take(&mut self.held) {
            self.settle("ACK", &frame, vec![message], true, history);
        }
    }

    fn acknowledge(&mut self, rng: &mut Rng, ack: Ack, history: &mut History) {
        if self.held.is_empty() {
            return;
        }
        let nth = rng.usize(..self.held.len());
        let wants_receipt = rng.u32(..3) == 0;
        let command = if rng.u32(..6) == 0 { "NACK" } else { "ACK" };
        let taken: Vec<_> = match ack {
            Ack::Cumulative => self.held.drain(..=nth).collect(),
            Ack::Individual | Ack::Auto => vec![self.held.remove(nth)],
        };
        let names = taken.iter().map(|(name, _)| *name).collect();
        if let Some((_, frame)) = taken.last() {
            self.settle(command, frame, names, wants_receipt, history);
        }
    }

    fn settle(
        &mut self,
        command: &str,
        message: &Frame,
        names: Vec<Name>,
        wants_receipt: bool,
        history: &mut History,
    ) {
        let id = message
            .header("ack")
            .expect("a MESSAGE to be acknowledged says how");
        let mut frame = Frame::new(command, &[("id", id)]);
        if command == "ACK" {
            let count = history.seen.len();
            history
                .acked
                .extend(names.iter().map(|name| (*name, count)));
            if wants_receipt {
                self.receipts += 1;
                let receipt = format!("a{}", self.receipts);
                frame.headers.push(("receipt".into(), receipt.clone()));
                self.awaited.insert(receipt, Awaited::Acked(names));
            }
        }
        push(&mut self.wire, &frame);
    }
}

/// What the publishers of a run send in all.
pub struct Script {
    /// Messages per publisher.
    pub messages_max: u32,
    /// Queues in use.
    pub queues: u32,
    /// Bodies are shorter than this.
    pub body_bytes_max: usize,
    /// The number that each publisher used last.
    pub numbers: BTreeMap<u32, u32>,
}

impl Script {
    /// Whether everything has been sent.
    #[must_use]
    pub fn is_done(&self, publishers: u32) -> bool {
        (0..publishers).all(|p| {
            self.numbers
                .get(&p)
                .is_some_and(|n| *n >= self.messages_max)
        })
    }
}

fn push(wire: &mut Wire, frame: &Frame) {
    let mut bytes = Vec::new();
    frame.encode(Version::V1_2, &mut bytes);
    wire.push(&bytes);
}

fn name(frame: &Frame) -> Name {
    let text = frame.text();
    let mut words = text.split(' ').map(str::parse);
    match (words.next(), words.next()) {
        (Some(Ok(publisher)), Some(Ok(number))) => Name { publisher, number },
        _ => panic!("a message that nobody sent: {text}"),
    }
}
