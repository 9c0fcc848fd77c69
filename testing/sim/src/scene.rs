//! What the clients of a run use: queues, durable topic subscriptions and their dead letters.

use fastrand::Rng;

/// Where a message is sent to: a queue, or the queue of a durable topic subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// `/queue/q` with its number.
    Queue(u32),
    /// The durable subscription with this number.
    Subscription(u32),
}

/// Where a message is seen: where it was sent to, or among the dead letters of that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// Where it was sent to.
    At(Source),
    /// In the dead-letter queue, having left there.
    Dead(Source),
}

impl Place {
    /// Where the message was sent to.
    #[must_use]
    pub const fn source(self) -> Source {
        match self {
            Self::At(source) | Self::Dead(source) => source,
        }
    }
}

/// What a client reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reading {
    /// A queue, or a durable subscription.
    From(Source),
    /// The dead-letter queue.
    DeadLetters,
}

/// What a queue does with what is too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    /// The oldest messages leave.
    DropHead,
    /// It refuses more.
    Reject,
    /// The same, and what it refuses is a dead letter.
    RejectDeadLetter,
}

/// What a queue is declared as.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// `x-max-priority`, 1 to 255.
    pub priority_max: Option<u8>,
    /// `x-message-ttl`.
    pub ttl_ms: Option<u64>,
    /// Whether dead letters go to the dead-letter queue.
    pub dead_letter: bool,
    /// `x-delivery-limit`.
    pub delivery_limit: Option<u32>,
    /// `x-redelivery-delay`.
    pub redelivery_delay_ms: Option<u64>,
    /// `x-max-length`, and `x-overflow`.
    pub length_max: Option<(u64, Overflow)>,
}

impl Rules {
    /// Rules by chance; about one queue in three has none.
    fn draw(rng: &mut Rng) -> Self {
        if rng.u32(..3) == 0 {
            return Self::default();
        }
        let dead_letter = rng.u32(..4) > 0;
        Self {
            priority_max: (rng.u32(..3) == 0).then(|| rng.u8(1..5)),
            ttl_ms: (rng.u32(..3) == 0).then(|| rng.u64(..3000)),
            dead_letter,
            delivery_limit: (rng.u32(..3) == 0).then(|| rng.u32(..4)),
            redelivery_delay_ms: (rng.u32(..3) == 0).then(|| rng.u64(1..80)),
            length_max: (rng.u32(..5) == 0)
                .then(|| (rng.u64(2..40), Overflow::draw(rng, dead_letter))),
        }
    }

    /// Whether a message may leave the queue for good although nobody accepted or rejected it.
    #[must_use]
    pub const fn may_drop(&self) -> bool {
        let drops_head = matches!(self.length_max, Some((_, Overflow::DropHead)));
        !self.dead_letter && (self.ttl_ms.is_some() || self.delivery_limit.is_some() || drops_head)
    }

    /// The headers that declare it.
    #[must_use]
    pub fn headers(&self) -> Vec<(String, String)> {
        let numbers = [
            ("x-max-priority", self.priority_max.map(u64::from)),
            ("x-message-ttl", self.ttl_ms),
            ("x-delivery-limit", self.delivery_limit.map(u64::from)),
            ("x-redelivery-delay", self.redelivery_delay_ms),
            ("x-max-length", self.length_max.map(|(length, _)| length)),
        ];
        let mut headers: Vec<_> = numbers
            .into_iter()
            .filter_map(|(name, number)| Some((name.to_owned(), number?.to_string())))
            .collect();
        if let Some((_, overflow)) = self.length_max {
            headers.push(("x-overflow".into(), overflow.word().into()));
        }
        if self.dead_letter {
            headers.push(("x-dead-letter-exchange".into(), String::new()));
            headers.push(("x-dead-letter-routing-key".into(), DEAD_QUEUE.into()));
        }
        headers
    }
}

impl Overflow {
    fn draw(rng: &mut Rng, dead_letter: bool) -> Self {
        match rng.u32(..3) {
            0 => Self::Reject,
            1 if dead_letter => Self::RejectDeadLetter,
            _ => Self::DropHead,
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::DropHead => "drop-head",
            Self::Reject => "reject-publish",
            Self::RejectDeadLetter => "reject-publish-dlx",
        }
    }
}

/// Where dead letters go.
const DEAD_QUEUE: &str = "dead";

/// What durable subscriptions ask for; topics are `t.0` and `t.1`.
const PATTERNS: [&str; 4] = ["t.#", "t.0", "t.*", "t.1"];

/// How many topics there are.
const TOPICS: u32 = 2;

/// Where a SEND goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// To a queue.
    Queue(u32),
    /// To a topic, and so to all whose patterns match.
    Topic(u32),
}

/// What the clients of a run use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scene {
    /// By number.
    pub queues: Vec<Rules>,
    /// By number: their patterns, and what their queues are declared as.
    pub subscriptions: Vec<(&'static str, Rules)>,
}

impl Scene {
    /// A scene by chance; one in three has queues without rules only.
    #[must_use]
    pub fn draw(rng: &mut Rng) -> Self {
        let count = rng.usize(1..4);
        if rng.u32(..3) == 0 {
            return Self::plain(count);
        }
        let subscriptions = rng.usize(..4);
        Self {
            queues: (0..count).map(|_| Rules::draw(rng)).collect(),
            subscriptions: (0..subscriptions)
                .map(|number| (PATTERNS[number], Rules::draw(rng)))
                .collect(),
        }
    }

    /// Queues without rules, and nothing else.
    #[must_use]
    pub fn plain(count: usize) -> Self {
        Self {
            queues: vec![Rules::default(); count],
            subscriptions: Vec::new(),
        }
    }

    /// Two queues on two shards, one of which has a limit and dead letters.
    #[must_use]
    pub fn transacted() -> Self {
        let limited = Rules {
            dead_letter: true,
            ..Rules::default()
        };
        Self {
            queues: vec![limited, Rules::default()],
            subscriptions: Vec::new(),
        }
    }

    /// Queues whose dead letters are only what is rejected, or fails too often.
    #[must_use]
    pub fn hoarded(rng: &mut Rng) -> Self {
        let count = rng.usize(1..3);
        let mut rules = || Rules {
            dead_letter: true,
            delivery_limit: (rng.u32(..3) == 0).then(|| rng.u32(..3)),
            priority_max: (rng.u32(..4) == 0).then(|| rng.u8(1..5)),
            ..Rules::default()
        };
        Self {
            queues: (0..count).map(|_| rules()).collect(),
            subscriptions: Vec::new(),
        }
    }

    /// Whether that is what it has.
    #[must_use]
    pub fn is_hoarded(&self) -> bool {
        let is_hoarded = |rules: &Rules| {
            rules.dead_letter && rules.ttl_ms.is_none() && rules.length_max.is_none()
        };
        self.subscriptions.is_empty() && self.queues.iter().all(is_hoarded)
    }

    /// Whether something must be there before the first message is sent: who is to keep it, or where its dead
    /// letters go.
    #[must_use]
    pub fn needs_set_up(&self) -> bool {
        !self.subscriptions.is_empty() || self.queues.iter().any(|rules| *rules != Rules::default())
    }

    /// Whether any queue has dead letters.
    #[must_use]
    pub fn has_dead_letters(&self) -> bool {
        let subscriptions = self.subscriptions.iter().map(|(_, rules)| rules);
        self.queues
            .iter()
            .chain(subscriptions)
            .any(|rules| rules.dead_letter)
    }

    /// What a queue is declared as.
    #[must_use]
    pub fn rules(&self, source: Source) -> &Rules {
        match source {
            Source::Queue(number) => &self.queues[number as usize],
            Source::Subscription(number) => &self.subscriptions[number as usize].1,
        }
    }

    /// All that can be read.
    #[must_use]
    pub fn readings(&self) -> Vec<Reading> {
        let queues = (0..).map(Source::Queue).take(self.queues.len());
        let subscriptions = (0..)
            .map(Source::Subscription)
            .take(self.subscriptions.len());
        let sources = queues.chain(subscriptions).map(Reading::From);
        let dead = self.needs_set_up().then_some(Reading::DeadLetters);
        // First the dead letters, so that their queue is there before they are.
        dead.into_iter().chain(sources).collect()
    }

    /// All that can be browsed, or read with a selector: queues.
    #[must_use]
    pub fn queues(&self) -> Vec<Reading> {
        let queues = (0..).map(Source::Queue).take(self.queues.len());
        queues.map(Reading::From).collect()
    }

    /// Where a SEND goes, by chance.
    ///
    /// # Panics
    /// When there is no queue.
    #[must_use]
    pub fn target(&self, rng: &mut Rng) -> Target {
        if !self.subscriptions.is_empty() && rng.u32(..3) == 0 {
            return Target::Topic(rng.u32(..TOPICS));
        }
        let number = rng.usize(..self.queues.len());
        Target::Queue(u32::try_from(number).expect("there are few"))
    }

    /// Who gets what is sent there.
    #[must_use]
    pub fn receivers(&self, target: Target) -> Vec<Source> {
        match target {
            Target::Queue(number) => vec![Source::Queue(number)],
            Target::Topic(topic) => {
                let exact = format!("t.{topic}");
                (0..)
                    .zip(&self.subscriptions)
                    .filter(|(_, (pattern, _))| pattern.ends_with(['#', '*']) || *pattern == exact)
                    .map(|(number, _)| Source::Subscription(number))
                    .collect()
            }
        }
    }

    /// The headers of a SUBSCRIBE that reads it, and makes it if it is not there.
    #[must_use]
    pub fn subscribe_headers(&self, reading: Reading) -> Vec<(String, String)> {
        let pair = |name: &str, value: String| (name.to_owned(), value);
        let mut headers = vec![pair("id", Self::subscription_id(reading))];
        match reading {
            Reading::DeadLetters => {
                headers.push(pair("destination", format!("/queue/{DEAD_QUEUE}")));
            }
            Reading::From(Source::Queue(number)) => {
                headers.push(pair("destination", format!("/queue/q{number}")));
                headers.extend(self.queues[number as usize].headers());
            }
            Reading::From(Source::Subscription(number)) => {
                let (pattern, rules) = &self.subscriptions[number as usize];
                headers.push(pair("destination", format!("/topic/{pattern}")));
                headers.push(pair("durable", "true".into()));
                headers.extend(rules.headers());
            }
        }
        headers
    }

    /// The id of the subscription of whoever reads it.
    #[must_use]
    pub fn subscription_id(reading: Reading) -> String {
        match reading {
            Reading::DeadLetters => "d".into(),
            Reading::From(Source::Queue(number)) => format!("q{number}"),
            Reading::From(Source::Subscription(number)) => format!("s{number}"),
        }
    }

    /// Where the queue's name says that a dead letter was.
    #[must_use]
    pub fn source_of(queue: &str) -> Option<Source> {
        if let Some(number) = queue.strip_prefix('q') {
            return number.parse().ok().map(Source::Queue);
        }
        let rest = queue.strip_prefix("stomp-subscription-s")?;
        let number = rest.split('@').next()?.parse().ok()?;
        Some(Source::Subscription(number))
    }
}
