//! What a round does, drawn from its seed.

/// A stream of numbers that its seed decides (`SplitMix64`).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The stream of this seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub const fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number from `min` to `max`, both included.
    pub fn between(&mut self, min: u64, max: u64) -> u64 {
        min + self.draw() % (max - min + 1)
    }

    /// A number from `min` to `max`, small ones as often as large ones.
    pub fn magnitude(&mut self, min: u64, max: u64) -> u64 {
        let bits = self.between(0, u64::from(max.ilog2()));
        self.between(1 << bits, (2 << bits) - 1).clamp(min, max)
    }

    /// True in `percent` of all cases.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.draw() % 100 < percent
    }

    /// One of these.
    pub fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        let index = self.draw() % items.len() as u64;
        items[usize::try_from(index).unwrap_or(0)]
    }

    /// A stream of its own for a thread.
    #[must_use]
    pub const fn split(&mut self) -> Self {
        Self(self.draw())
    }
}

/// What a kill waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// Receipts of messages.
    Confirmed,
    /// Deliveries.
    Delivered,
    /// Receipts of acknowledgements.
    Acknowledged,
}

/// The consumers of one queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Consumers {
    /// How many there are.
    pub count: u32,
    /// Deliveries that each may have unacknowledged.
    pub prefetch_count: u32,
    /// After so many deliveries a consumer acknowledges no more.
    pub acks_max: u64,
    /// So many percent of the deliveries before that are acknowledged, drawn one by one.
    pub acks_percent: u64,
}

/// What the clients of a round speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// STOMP.
    #[default]
    Stomp,
    /// AMQP 0-9-1, but for one publisher in three, and who takes the queues empty in the end.
    Amqp,
}

/// Where the backlog is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backlog {
    /// In memory: the limit is far away.
    Resident,
    /// In pages, most of it: there is little memory for queued messages.
    Paged,
}

/// What a round does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What the clients speak.
    pub protocol: Protocol,
    /// Where most of what is in the queues is.
    pub backlog: Backlog,
    /// More arguments of the broker.
    pub broker_args: Vec<String>,
    /// Times that the broker runs under load and is killed.
    pub lives: usize,
    /// Publishers; each has a queue of its own.
    pub publishers: u16,
    /// Messages of a publisher that may wait for their receipts.
    pub window: usize,
    /// The consumers by queue: first the shared one, then that of each publisher.
    pub consumers: Vec<Consumers>,
}

impl Plan {
    /// Draws a plan. Every second one is such that most of the backlog is in pages.
    #[must_use]
    pub fn draw(random: &mut Random, protocol: Protocol) -> Self {
        let plan = if random.chance(50) {
            Self::draw_resident(random)
        } else {
            Self::draw_paged(random)
        };
        Self { protocol, ..plan }
    }

    /// What a publisher speaks: in rounds of AMQP, too, some speak STOMP.
    #[must_use]
    pub const fn protocol_of_publisher(&self, publisher: u16) -> Protocol {
        match self.protocol {
            Protocol::Amqp if publisher % 3 != 1 => Protocol::Amqp,
            Protocol::Amqp | Protocol::Stomp => Protocol::Stomp,
        }
    }

    fn draw_resident(random: &mut Random) -> Self {
        let shards = random.pick(&[2, 3, 8, 64]);
        let segment = random.pick(&["1MiB", "1MiB", "4MiB", "64MiB"]);
        let publishers = u16::try_from(random.between(2, 5)).unwrap_or(2);
        let consumers = (0..=publishers).map(|queue| Consumers {
            count: draw_count(random, queue),
            prefetch_count: u32::try_from(random.magnitude(1, 300)).unwrap_or(1),
            acks_max: if random.chance(40) {
                random.magnitude(1, 2000)
            } else {
                u64::MAX
            },
            acks_percent: 100,
        });
        let consumers = consumers.collect();
        Self {
            protocol: Protocol::default(),
            backlog: Backlog::Resident,
            broker_args: vec![
                format!("--store-shards={shards}"),
                format!("--store-segment-bytes={segment}"),
            ],
            lives: if random.chance(40) { 2 } else { 1 },
            publishers,
            window: usize::try_from(random.magnitude(1, 512)).unwrap_or(1),
            consumers,
        }
    }

    /// Pages are written in the first life; in later ones they are read from its beginning. Consumers that
    /// leave some messages without an acknowledgement have pages written anew.
    fn draw_paged(random: &mut Random) -> Self {
        let shards = random.pick(&[2, 3, 8]);
        let publishers = u16::try_from(random.between(2, 5)).unwrap_or(2);
        let consumers = (0..=publishers).map(|queue| Consumers {
            count: draw_count(random, queue),
            prefetch_count: u32::try_from(random.magnitude(16, 4000)).unwrap_or(16),
            acks_max: u64::MAX,
            acks_percent: random.pick(&[100, 95, 60, 30]),
        });
        let consumers = consumers.collect();
        Self {
            protocol: Protocol::default(),
            backlog: Backlog::Paged,
            broker_args: vec![
                format!("--store-shards={shards}"),
                "--store-segment-bytes=1MiB".to_owned(),
                "--queue-memory-bytes-max=1MiB".to_owned(),
            ],
            lives: usize::try_from(random.between(1, 3)).unwrap_or(1),
            publishers,
            window: usize::try_from(random.magnitude(64, 512)).unwrap_or(64),
            consumers,
        }
    }

    /// What the next kill, the first being that of life 0, waits for, and how many of it.
    pub fn draw_trigger(&self, random: &mut Random, life: usize) -> (Trigger, u64) {
        if self.backlog == Backlog::Paged && life == 0 {
            return (Trigger::Confirmed, random.between(1000, 8000));
        }
        let confirmed = (Trigger::Confirmed, 8000);
        // Consumers that stop acknowledging must not keep the event from coming.
        let shared = self.consumers[0];
        let is_endless = shared.acks_max == u64::MAX && shared.acks_percent == 100;
        let (trigger, max) = if is_endless {
            random.pick(&[
                confirmed,
                (Trigger::Delivered, 4000),
                (Trigger::Acknowledged, 1000),
            ])
        } else {
            confirmed
        };
        (trigger, random.magnitude(1, max))
    }
}

/// The number of a queue's consumers. Some queues have none, so that a backlog builds up.
fn draw_count(random: &mut Random, queue: u16) -> u32 {
    match (queue, random.chance(75)) {
        (0, _) => 2,
        (_, true) => 1,
        (_, false) => 0,
    }
}
