//! What a queue is declared as.

use crate::ExchangeName;

/// Whether a queue and its messages survive a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// It stands in the log, and so do its messages.
    Durable,
    /// It lives in memory.
    Transient,
}

/// Who may use a queue, and how long it lives at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// Every connection; it lives until it is deleted.
    Shared,
    /// Only the connection that declared it may subscribe; it ends with that connection. All may publish.
    Exclusive,
}

/// When a queue ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// Never.
    Permanent,
    /// When its last subscription has ended; never if it had none.
    UntilUnused,
}

/// What a queue is declared for. All queues are made alike; the kind says what clients of queues with kinds expect of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueKind {
    /// Nothing beyond its rules.
    Classic,
    /// A [delivery limit](QueueRules::delivery_limit) of [`QUORUM_DELIVERY_LIMIT`](QueueRules::QUORUM_DELIVERY_LIMIT)
    /// where nothing else says one.
    Quorum,
}

impl QueueKind {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Quorum => "quorum",
        }
    }
}

/// What happens to a message that a full queue has no place for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overflow {
    /// It is taken; messages at the head leave instead (to the dead-letter exchange, where one is set).
    #[default]
    DropHead,
    /// It is refused.
    RejectPublish,
    /// It is refused, and goes to the dead-letter exchange, where one is set.
    RejectPublishDeadLetter,
}

impl Overflow {
    /// Its name, as operators and clients say it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::DropHead => "drop-head",
            Self::RejectPublish => "reject-publish",
            Self::RejectPublishDeadLetter => "reject-publish-dlx",
        }
    }

    /// The one of this name.
    #[must_use]
    pub fn named(name: &[u8]) -> Option<Self> {
        let all = [
            Self::DropHead,
            Self::RejectPublish,
            Self::RejectPublishDeadLetter,
        ];
        all.into_iter().find(|one| one.name().as_bytes() == name)
    }
}

/// Where messages go that leave a queue unconsumed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// The exchange. It need not exist; then they are dropped.
    pub exchange: ExchangeName,
    /// The routing key; without one they keep their own.
    pub key: Option<Box<[u8]>>,
}

/// How long a message waits after a delivery that failed: `delay_ms`, times `multiplier_percent / 100` for
/// each further one, at most `delay_ms_max`; then up to `jitter_percent` of that more or less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Redelivery {
    /// After the first failure.
    pub delay_ms: u64,
    /// 100 for the same delay each time, 200 to double it.
    pub multiplier_percent: u32,
    /// The longest.
    pub delay_ms_max: u64,
    /// At most 100.
    pub jitter_percent: u8,
}

/// The rules by which a queue keeps and hands out messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueRules {
    /// The longest that a message may wait, whatever its own bound, in milliseconds.
    pub message_ttl_ms: Option<u64>,
    /// The most messages that may be ready.
    pub length_max: Option<u64>,
    /// The most bytes (of bodies) that may be ready.
    pub bytes_max: Option<u64>,
    /// What happens beyond these; [`Overflow::DropHead`] if nothing says it.
    pub overflow: Option<Overflow>,
    /// Where messages go that are rejected, expire, overflow, or fail too often.
    pub dead_letter: Option<DeadLetter>,
    /// Priorities 0 to this are kept apart, higher first; higher ones count as this. 0: all are equal.
    pub priority_max: u8,
    /// A message whose deliveries have failed more often than this leaves;
    /// [`NO_DELIVERY_LIMIT`](Self::NO_DELIVERY_LIMIT) says that none does.
    pub delivery_limit: Option<u32>,
    /// How long a message waits after a delivery that failed.
    pub redelivery: Option<Redelivery>,
    /// Whether one subscription at a time is delivered to: the first, and the next when it ends.
    pub single_active: bool,
    /// The header whose value names what a message is about: a newer message about the same replaces the
    /// older one.
    pub last_value_header: Option<Box<[u8]>>,
    /// How long subscribers may keep a delivery that they have not settled, in milliseconds. The queue leaves it to
    /// protocols to end those that keep one for longer.
    pub settle_ms: Option<u64>,
}

impl QueueRules {
    /// A delivery limit that nothing reaches: that there is to be none was said, and no default takes its place.
    pub const NO_DELIVERY_LIMIT: u32 = u32::MAX;

    /// The delivery limit of a [quorum queue](QueueKind::Quorum) of which nothing says one.
    pub const QUORUM_DELIVERY_LIMIT: u32 = 20;

    /// A queue without any bound.
    pub const PLAIN: Self = Self {
        message_ttl_ms: None,
        length_max: None,
        bytes_max: None,
        overflow: None,
        dead_letter: None,
        priority_max: 0,
        delivery_limit: None,
        redelivery: None,
        single_active: false,
        last_value_header: None,
        settle_ms: None,
    };
}

/// What a queue is declared as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueDefinition {
    /// Whether it survives a restart.
    pub durability: Durability,
    /// Who may use it.
    pub ownership: Ownership,
    /// When it ends by itself.
    pub lifetime: Lifetime,
    /// It ends when nobody has used it (subscribed, or declared it again) for this long, in milliseconds.
    pub expires_ms: Option<u64>,
    /// What it is declared for, if that was said.
    pub kind: Option<QueueKind>,
    /// How it keeps messages.
    pub rules: QueueRules,
}

impl QueueDefinition {
    /// A durable, shared queue without any bound.
    pub const DURABLE: Self = Self {
        durability: Durability::Durable,
        ownership: Ownership::Shared,
        lifetime: Lifetime::Permanent,
        expires_ms: None,
        kind: None,
        rules: QueueRules::PLAIN,
    };

    /// The first property in which this, of a queue that is there, differs from what is asked for, if any, by the name
    /// that an operator knows it by. A kind that was not said is any; to say what holds anyway is to say nothing.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Option<&'static str> {
        let (one, two) = (&self.rules, &other.rules);
        let dead_letter = |rules: &QueueRules| rules.dead_letter.clone().map(|to| to.exchange);
        let dead_letter_key = |rules: &QueueRules| rules.dead_letter.clone().and_then(|to| to.key);
        let kinds = self.kind.zip(other.kind);
        let is_quorum = self.kind == Some(QueueKind::Quorum);
        let limit = |rules: &QueueRules| {
            let default = if is_quorum {
                QueueRules::QUORUM_DELIVERY_LIMIT
            } else {
                QueueRules::NO_DELIVERY_LIMIT
            };
            rules.delivery_limit.unwrap_or(default)
        };
        // Where it goes before the policies, saying the default keeps a user's policy out, and saying nothing does not.
        let overflow = |rules: &QueueRules| {
            let default = is_quorum.then(Overflow::default);
            rules.overflow.or(default)
        };
        [
            (kinds.is_some_and(|(one, two)| one != two), "x-queue-type"),
            (self.durability != other.durability, "durable"),
            (self.ownership != other.ownership, "exclusive"),
            (self.lifetime != other.lifetime, "auto-delete"),
            (self.expires_ms != other.expires_ms, "x-expires"),
            (one.message_ttl_ms != two.message_ttl_ms, "x-message-ttl"),
            (one.length_max != two.length_max, "x-max-length"),
            (one.bytes_max != two.bytes_max, "x-max-length-bytes"),
            (overflow(one) != overflow(two), "x-overflow"),
            (
                dead_letter(one) != dead_letter(two),
                "x-dead-letter-exchange",
            ),
            (
                dead_letter_key(one) != dead_letter_key(two),
                "x-dead-letter-routing-key",
            ),
            (one.priority_max != two.priority_max, "x-max-priority"),
            (limit(one) != limit(two), "x-delivery-limit"),
            (one.redelivery != two.redelivery, "x-redelivery-delay"),
            (
                one.single_active != two.single_active,
                "x-single-active-consumer",
            ),
            (
                one.last_value_header != two.last_value_header,
                "x-last-value-key",
            ),
            (one.settle_ms != two.settle_ms, "x-consumer-timeout"),
        ]
        .into_iter()
        .find_map(|(differs, name)| differs.then_some(name))
    }
}
