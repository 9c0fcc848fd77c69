//! Everything that clients saw of all lives of one broker.

use crate::plan::Plan;
use anyhow::{Context as _, Result};
use std::collections::BTreeMap;
use std::fmt;

/// A message: the `number`th of a publisher for a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Id {
    /// 0 is shared by all publishers; queue `p + 1` belongs to publisher `p`.
    pub queue: u16,
    /// Its publisher.
    pub publisher: u16,
    /// From 1, without gaps as far as it was sent.
    pub number: u32,
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.queue, self.publisher, self.number)
    }
}

impl Id {
    /// Reads what `Display` writes.
    ///
    /// # Errors
    /// When it is something else.
    pub fn parse(text: &str) -> Result<Self> {
        let mut parts = text.split('.');
        let mut next = || parts.next().with_context(|| format!("{text:?} is no id"));
        Ok(Self {
            queue: next()?.parse()?,
            publisher: next()?.parse()?,
            number: next()?.parse()?,
        })
    }

    /// The body that a message with this id has: of any length, most of them short.
    #[must_use]
    pub fn body(self) -> Vec<u8> {
        let seed = u64::from(self.number) << 32 | u64::from(self.publisher) << 16;
        let mut random = crate::Random::new(seed | u64::from(self.queue));
        let length = match random.between(0, 99) {
            0 => random.between(0, 200_000),
            1..10 => random.between(0, 10_000),
            _ => random.between(0, 300),
        };
        (0..length)
            .map(|_| random.draw().to_le_bytes()[0])
            .collect()
    }
}

/// A message that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Publication {
    /// Whether it must survive.
    pub is_persistent: bool,
    /// Whether its receipt came.
    pub is_confirmed: bool,
}

/// What became of a delivery's acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ack {
    /// It was not sent.
    None,
    /// It was sent; nobody knows whether it arrived.
    Sent,
    /// Its receipt came.
    Confirmed,
}

/// A delivery that a client saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The message.
    pub id: Id,
    /// Whether it is marked as possibly not the first.
    pub redelivered: bool,
    /// In which life of the broker, from 0. The last is the drain.
    pub life: usize,
    /// By which subscription. Those of one subscription are in their order.
    pub subscription: usize,
    /// Its acknowledgement.
    pub ack: Ack,
}

/// What is known of a queue beside its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queue {
    /// The most deliveries that could be on their way at one time; none if it had no subscription
    /// before the drain.
    pub in_flight_max: Option<usize>,
}

/// Everything that clients saw of all lives of one broker.
#[derive(Clone, Debug)]
pub struct History {
    /// What was sent.
    pub publications: BTreeMap<Id, Publication>,
    /// What was delivered.
    pub deliveries: Vec<Delivery>,
    /// The queues, the shared one first.
    pub queues: Vec<Queue>,
    /// Lives that ended. Deliveries of the drain have this number.
    pub lives: usize,
    /// Subscriptions so far.
    pub subscriptions: usize,
}

impl History {
    /// Nothing yet.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        let queues = plan.consumers.iter().map(|consumers| {
            let in_flight_max = consumers.count as usize * consumers.prefetch_count as usize;
            Queue {
                in_flight_max: (consumers.count > 0).then_some(in_flight_max),
            }
        });
        Self {
            publications: BTreeMap::new(),
            deliveries: Vec::new(),
            queues: queues.collect(),
            lives: 0,
            subscriptions: 0,
        }
    }

    /// The number of the last message that this publisher sent to this queue; 0 if there is none.
    #[must_use]
    pub fn last_number(&self, queue: u16, publisher: u16) -> u32 {
        let first = Id {
            queue,
            publisher,
            number: 0,
        };
        let last = Id {
            number: u32::MAX,
            ..first
        };
        self.publications
            .range(first..=last)
            .next_back()
            .map_or(0, |(id, _)| id.number)
    }
}
