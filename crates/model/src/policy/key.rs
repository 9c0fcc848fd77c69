//! What a policy can say.

use super::PolicyClass;
use crate::{ExchangeName, Overflow, QueueKind};
use std::fmt;

/// The longest routing key of a dead letter, in bytes.
const ROUTING_KEY_BYTES_MAX: usize = 255;

/// One thing that a policy can say, by RabbitMQ's names. Those that say where a queue's copies live, or what it keeps in
/// memory, are taken and mean nothing here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PolicyKey {
    /// Where a message goes that matches no binding of an exchange.
    AlternateExchange,
    /// How long subscribers may keep a delivery that they have not settled, in milliseconds.
    ConsumerTimeout,
    /// Where messages go that leave a queue unconsumed.
    DeadLetterExchange,
    /// With which routing key.
    DeadLetterRoutingKey,
    /// Means nothing: what is safe stays safe.
    DeadLetterStrategy,
    /// How many deliveries of a message may fail; -1 for any number.
    DeliveryLimit,
    /// How long a queue may be unused, in milliseconds.
    Expires,
    /// Means nothing: memory is shared by all queues.
    MaxInMemoryBytes,
    /// Likewise.
    MaxInMemoryLength,
    /// The most messages that may be ready.
    MaxLength,
    /// The most bytes that may be.
    MaxLengthBytes,
    /// The longest that a message may wait, in milliseconds.
    MessageTtl,
    /// What happens to a message that is too much.
    Overflow,
    /// Means nothing: there is one node.
    QueueLeaderLocator,
    /// Means nothing: every queue moves its backlog to the disk when memory is short.
    QueueMode,
    /// Means nothing: there is one format.
    QueueVersion,
    /// Means nothing: there is one node.
    TargetGroupSize,
}

/// A value of a policy's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PolicyValue {
    /// A number.
    Number(i64),
    /// A text.
    Text(Box<str>),
}

impl From<&str> for PolicyValue {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<i64> for PolicyValue {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl fmt::Display for PolicyValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}

/// What values a key takes.
#[derive(Clone, Copy)]
enum Domain {
    /// Numbers from this on.
    From(i64),
    /// These texts.
    OneOf(&'static [&'static str]),
    /// The name of an exchange, which need not exist.
    Exchange,
    /// A routing key.
    RoutingKey,
}

/// One row of the table of keys.
struct Row {
    name: &'static str,
    domain: Domain,
    allowed: &'static str,
    /// Whether operator policies may say it.
    is_operators: bool,
    /// The only kind of queues that knows it; none if both do.
    only: Option<QueueKind>,
}

const fn row(name: &'static str, domain: Domain, allowed: &'static str) -> Row {
    Row {
        name,
        domain,
        allowed,
        is_operators: false,
        only: None,
    }
}

impl Row {
    const fn also_operators(mut self) -> Self {
        self.is_operators = true;
        self
    }

    const fn only(mut self, kind: QueueKind) -> Self {
        self.only = Some(kind);
        self
    }
}

impl PolicyKey {
    /// All, in the order of their names.
    pub const ALL: [Self; 17] = [
        Self::AlternateExchange,
        Self::ConsumerTimeout,
        Self::DeadLetterExchange,
        Self::DeadLetterRoutingKey,
        Self::DeadLetterStrategy,
        Self::DeliveryLimit,
        Self::Expires,
        Self::MaxInMemoryBytes,
        Self::MaxInMemoryLength,
        Self::MaxLength,
        Self::MaxLengthBytes,
        Self::MessageTtl,
        Self::Overflow,
        Self::QueueLeaderLocator,
        Self::QueueMode,
        Self::QueueVersion,
        Self::TargetGroupSize,
    ];

    /// The table: RabbitMQ 4's names, values, and who may say what of which queues.
    const fn row(self) -> Row {
        use Domain::{Exchange, From, OneOf, RoutingKey};
        use QueueKind::{Classic, Quorum};
        const EXCHANGE: &str = "the name of an exchange, at most 255 bytes";
        const COUNT: &str = "a number, at least 0";
        const MS: &str = "a number of milliseconds, at least 0";
        match self {
            Self::AlternateExchange => row("alternate-exchange", Exchange, EXCHANGE),
            Self::ConsumerTimeout => row("consumer-timeout", From(0), MS),
            Self::DeadLetterExchange => row("dead-letter-exchange", Exchange, EXCHANGE),
            Self::DeadLetterRoutingKey => {
                let allowed = "a routing key, at most 255 bytes";
                row("dead-letter-routing-key", RoutingKey, allowed)
            }
            Self::DeadLetterStrategy => {
                let domain = OneOf(&["at-most-once", "at-least-once"]);
                row(
                    "dead-letter-strategy",
                    domain,
                    "at-most-once, at-least-once",
                )
                .only(Quorum)
            }
            Self::DeliveryLimit => {
                let allowed = "a number of failed deliveries, at least 0, or -1 for any number";
                row("delivery-limit", From(-1), allowed)
                    .also_operators()
                    .only(Quorum)
            }
            Self::Expires => {
                let allowed = "a number of milliseconds, at least 1";
                row("expires", From(1), allowed).also_operators()
            }
            Self::MaxInMemoryBytes => row("max-in-memory-bytes", From(0), COUNT)
                .also_operators()
                .only(Quorum),
            Self::MaxInMemoryLength => row("max-in-memory-length", From(0), COUNT)
                .also_operators()
                .only(Quorum),
            Self::MaxLength => row("max-length", From(0), COUNT).also_operators(),
            Self::MaxLengthBytes => row("max-length-bytes", From(0), COUNT).also_operators(),
            Self::MessageTtl => row("message-ttl", From(0), MS).also_operators(),
            Self::Overflow => {
                let domain = OneOf(&["drop-head", "reject-publish", "reject-publish-dlx"]);
                let allowed = "drop-head, reject-publish, reject-publish-dlx";
                row("overflow", domain, allowed).also_operators()
            }
            Self::QueueLeaderLocator => {
                let domain = OneOf(&["client-local", "balanced", "random", "least-leaders"]);
                let allowed = "client-local, balanced, random, least-leaders";
                row("queue-leader-locator", domain, allowed)
            }
            Self::QueueMode => {
                row("queue-mode", OneOf(&["default", "lazy"]), "default, lazy").only(Classic)
            }
            Self::QueueVersion => row("queue-version", From(1), "1, 2").also_operators(),
            Self::TargetGroupSize => row("target-group-size", From(0), COUNT)
                .also_operators()
                .only(Quorum),
        }
    }

    /// The key of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|key| key.name() == name)
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// What it may be, in words.
    #[must_use]
    pub const fn allowed(self) -> &'static str {
        self.row().allowed
    }

    /// Whether policies of a class may say it.
    #[must_use]
    pub const fn is_of(self, class: PolicyClass) -> bool {
        match class {
            PolicyClass::User => true,
            PolicyClass::Operator => self.row().is_operators,
        }
    }

    /// Whether queues of a kind know it: a policy that says what a queue does not know does not apply to it.
    pub(super) fn is_known_to(self, kind: QueueKind) -> bool {
        self.row().only.is_none_or(|only| only == kind)
    }

    /// Whether it can have this value.
    #[must_use]
    pub fn takes(self, value: &PolicyValue) -> bool {
        match (self.row().domain, value) {
            (Domain::From(min), PolicyValue::Number(number)) => {
                *number >= min && (self != Self::QueueVersion || *number <= 2)
            }
            (Domain::OneOf(texts), PolicyValue::Text(text)) => texts.contains(&&**text),
            (Domain::Exchange, PolicyValue::Text(text)) => {
                ExchangeName::new(text.as_bytes()).is_ok()
            }
            (Domain::RoutingKey, PolicyValue::Text(text)) => text.len() <= ROUTING_KEY_BYTES_MAX,
            (Domain::From(_), PolicyValue::Text(_))
            | (Domain::OneOf(_) | Domain::Exchange | Domain::RoutingKey, PolicyValue::Number(_)) => {
                false
            }
        }
    }

    /// What holds where an operator's policy says one value and a user's another: the lower of two limits, the larger
    /// of two groups, else what the operator says.
    pub(super) fn join(self, users: &PolicyValue, operators: &PolicyValue) -> PolicyValue {
        let (PolicyValue::Number(one), PolicyValue::Number(other)) = (users, operators) else {
            return operators.clone();
        };
        PolicyValue::Number(match self {
            // -1 is no limit.
            Self::DeliveryLimit if *one < 0 || *other < 0 => *one.max(other),
            Self::QueueVersion => *other,
            Self::TargetGroupSize => *one.max(other),
            Self::DeliveryLimit
            | Self::Expires
            | Self::MaxInMemoryBytes
            | Self::MaxInMemoryLength
            | Self::MaxLength
            | Self::MaxLengthBytes
            | Self::MessageTtl
            | Self::AlternateExchange
            | Self::ConsumerTimeout
            | Self::DeadLetterExchange
            | Self::DeadLetterRoutingKey
            | Self::DeadLetterStrategy
            | Self::Overflow
            | Self::QueueLeaderLocator
            | Self::QueueMode => *one.min(other),
        })
    }
}

impl PolicyValue {
    /// The number, where a limit is meant.
    pub(super) fn limit(&self) -> Option<u64> {
        match self {
            Self::Number(number) => u64::try_from(*number).ok(),
            Self::Text(_) => None,
        }
    }

    pub(super) fn overflow(&self) -> Option<Overflow> {
        self.text()
            .and_then(|text| Overflow::named(text.as_bytes()))
    }

    pub(super) fn exchange(&self) -> Option<ExchangeName> {
        let text = self.text()?;
        ExchangeName::new(text.as_bytes()).ok()
    }

    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Number(_) => None,
        }
    }
}
