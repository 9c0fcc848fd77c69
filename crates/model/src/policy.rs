//! Policies: rules that operators give to queues and exchanges by their names.

mod key;

pub use key::{PolicyKey, PolicyValue};

use crate::{
    DeadLetter, ExchangeDefinition, ExchangeKind, ExchangeName, Overflow, QueueDefinition,
    QueueKind, QueueRules,
};
use regex::bytes::{Regex, RegexBuilder};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a compiled pattern may take in memory, in bytes.
const PATTERN_BYTES_MAX: usize = 1 << 20;

/// Whose policy it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyClass {
    /// One that stands in for what declarations do not say.
    User,
    /// One that bounds what declarations and users' policies say.
    Operator,
}

/// What a policy may apply to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApplyTo {
    /// Queues and exchanges.
    All,
    /// Queues of all kinds.
    Queues,
    /// Queues that are not quorum queues.
    ClassicQueues,
    /// Quorum queues.
    QuorumQueues,
    /// Exchanges.
    Exchanges,
}

impl ApplyTo {
    /// All, with their names.
    pub const ALL: [(Self, &'static str); 5] = [
        (Self::All, "all"),
        (Self::Queues, "queues"),
        (Self::ClassicQueues, "classic_queues"),
        (Self::QuorumQueues, "quorum_queues"),
        (Self::Exchanges, "exchanges"),
    ];

    /// The one of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let known = Self::ALL.into_iter().find(|(_, known)| *known == name);
        known.map(|(one, _)| one)
    }

    fn is_for_queues(self, kind: QueueKind) -> bool {
        match self {
            Self::All | Self::Queues => true,
            Self::ClassicQueues => kind == QueueKind::Classic,
            Self::QuorumQueues => kind == QueueKind::Quorum,
            Self::Exchanges => false,
        }
    }

    fn is_for_exchanges(self) -> bool {
        match self {
            Self::All | Self::Exchanges => true,
            Self::Queues | Self::ClassicQueues | Self::QuorumQueues => false,
        }
    }
}

/// A regular expression on names. It matches a name in which it is found anywhere, unless it says otherwise (`^`, `$`).
/// Two are equal if their texts are.
#[derive(Clone, Debug)]
pub struct PolicyPattern(Regex);

/// Why a text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadPattern(Box<str>);

impl PolicyPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// [`BadPattern`] when it is not a regular expression, needs to look around or back, or takes too much memory.
    pub fn new(text: &str) -> Result<Self, BadPattern> {
        let regex = RegexBuilder::new(text)
            .size_limit(PATTERN_BYTES_MAX)
            .build();
        // Several lines, of which the last says what is wrong.
        let reason = |text: String| {
            text.lines()
                .last()
                .map(str::trim)
                .unwrap_or_default()
                .into()
        };
        regex
            .map(Self)
            .map_err(|error| BadPattern(reason(error.to_string())))
    }

    fn matches(&self, name: &[u8]) -> bool {
        self.0.is_match(name)
    }
}

impl PartialEq for PolicyPattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Eq for PolicyPattern {}

/// What a policy says. Every value is one that its key [takes](PolicyKey::takes).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyDefinition(BTreeMap<PolicyKey, PolicyValue>);

impl PolicyDefinition {
    /// Adds what a key is to be, over what it was.
    ///
    /// # Errors
    /// The value, when the key cannot have it.
    pub fn set(&mut self, key: PolicyKey, value: PolicyValue) -> Result<(), PolicyValue> {
        if !key.takes(&value) {
            return Err(value);
        }
        self.0.insert(key, value);
        Ok(())
    }

    /// What a key is, if it is said.
    #[must_use]
    pub fn get(&self, key: PolicyKey) -> Option<&PolicyValue> {
        self.0.get(&key)
    }

    /// Whether it says nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All, by their keys' names.
    pub fn iter(&self) -> impl Iterator<Item = (PolicyKey, &PolicyValue)> {
        self.0.iter().map(|(key, value)| (*key, value))
    }

    fn limit(&self, key: PolicyKey) -> Option<u64> {
        self.get(key).and_then(PolicyValue::limit)
    }

    fn delivery_limit(&self) -> Option<u32> {
        let limit = self.get(PolicyKey::DeliveryLimit)?.limit();
        let none = QueueRules::NO_DELIVERY_LIMIT;
        Some(limit.map_or(none, |limit| u32::try_from(limit).unwrap_or(none)))
    }
}

/// Rules for queues and exchanges whose names match a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// What an operator knows it by; no other of its class is called so.
    pub name: Box<str>,
    /// On the names of what it applies to.
    pub pattern: PolicyPattern,
    /// What of these it applies to.
    pub apply_to: ApplyTo,
    /// Of several that match, that with the highest applies.
    pub priority: i64,
    /// What it says.
    pub definition: PolicyDefinition,
}

impl Policy {
    fn applies_to_queue(&self, name: &[u8], kind: QueueKind) -> bool {
        self.apply_to.is_for_queues(kind)
            && self.definition.iter().all(|(key, _)| key.is_known_to(kind))
            && self.pattern.matches(name)
    }

    fn applies_to_exchange(&self, name: &[u8]) -> bool {
        self.apply_to.is_for_exchanges() && self.pattern.matches(name)
    }
}

/// All policies, those of each class in the order in which they are asked: the highest priority first, of equal ones
/// that whose name is first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policies {
    users: Vec<Arc<Policy>>,
    operators: Vec<Arc<Policy>>,
}

impl Policies {
    /// The policies of users and of operators, in any order.
    #[must_use]
    pub fn new(users: Vec<Policy>, operators: Vec<Policy>) -> Self {
        let ordered = |policies: Vec<Policy>| {
            let mut policies: Vec<_> = policies.into_iter().map(Arc::new).collect();
            policies.sort_by(|one, two| {
                let by_priority = two.priority.cmp(&one.priority);
                by_priority.then_with(|| one.name.cmp(&two.name))
            });
            policies
        };
        Self {
            users: ordered(users),
            operators: ordered(operators),
        }
    }

    /// What applies to a queue: one policy of each class at most.
    #[must_use]
    pub fn for_queue(&self, name: &[u8], definition: &QueueDefinition) -> Applied {
        let kind = definition.kind.unwrap_or(QueueKind::Classic);
        self.find(|policy| policy.applies_to_queue(name, kind))
    }

    /// What applies to an exchange, likewise. Nothing does to the default one.
    #[must_use]
    pub fn for_exchange(&self, name: &ExchangeName) -> Applied {
        if name.as_bytes().is_empty() {
            return Applied::default();
        }
        self.find(|policy| policy.applies_to_exchange(name.as_bytes()))
    }

    fn find(&self, applies: impl Fn(&Policy) -> bool) -> Applied {
        let first = |policies: &[Arc<Policy>]| {
            let policy = policies.iter().find(|policy| applies(policy));
            policy.cloned()
        };
        Applied {
            user: first(&self.users),
            operator: first(&self.operators),
        }
    }
}

/// The policies that apply to one queue or exchange.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// The user's.
    pub user: Option<Arc<Policy>>,
    /// The operator's.
    pub operator: Option<Arc<Policy>>,
}

impl Applied {
    /// What they say together.
    #[must_use]
    pub fn definition(&self) -> PolicyDefinition {
        let user = self.user.as_ref().map(|policy| policy.definition.clone());
        let mut joined = user.unwrap_or_default();
        let operators = self.operator.iter();
        for (key, value) in operators.flat_map(|policy| policy.definition.iter()) {
            let value = match joined.get(key) {
                Some(users) => key.join(users, value),
                None => value.clone(),
            };
            joined.0.insert(key, value);
        }
        joined
    }

    /// The rules of a queue that is declared as this: the lower of two numbers, of other things what is declared, or
    /// else what the policies say. What an operator says of overflow goes before what is declared; so does, for a
    /// quorum queue, what a user says of it.
    #[must_use]
    pub fn rules(&self, declared: &QueueDefinition) -> QueueRules {
        let mut rules = declared.rules.clone();
        if self.user.is_some() || self.operator.is_some() {
            let said = self.definition();
            let limit = |declared, key| lower(declared, said.limit(key));
            rules.message_ttl_ms = limit(rules.message_ttl_ms, PolicyKey::MessageTtl);
            rules.length_max = limit(rules.length_max, PolicyKey::MaxLength);
            rules.bytes_max = limit(rules.bytes_max, PolicyKey::MaxLengthBytes);
            rules.delivery_limit = lower(rules.delivery_limit, said.delivery_limit());
            rules.settle_ms = limit(rules.settle_ms, PolicyKey::ConsumerTimeout);
            rules.overflow = self.overflow(declared, &said);
            rules.dead_letter = dead_letter(rules.dead_letter, &said);
        }
        if declared.kind == Some(QueueKind::Quorum) {
            let default = QueueRules::QUORUM_DELIVERY_LIMIT;
            rules.delivery_limit.get_or_insert(default);
        }
        rules
    }

    /// How long a queue may be unused that is to end after this time, or never.
    #[must_use]
    pub fn expires_ms(&self, declared: Option<u64>) -> Option<u64> {
        let policies = [&self.user, &self.operator].into_iter().flatten();
        let said = policies.filter_map(|policy| policy.definition.limit(PolicyKey::Expires));
        said.chain(declared).min()
    }

    /// Whether they bound the length of a queue.
    #[must_use]
    pub fn bounds_length(&self) -> bool {
        let mut policies = [&self.user, &self.operator].into_iter().flatten();
        policies.any(|policy| {
            let bounds = [PolicyKey::MaxLength, PolicyKey::MaxLengthBytes];
            bounds
                .iter()
                .any(|key| policy.definition.get(*key).is_some())
        })
    }

    /// The definition of an exchange that is declared as this: the alternate that is declared, or else what the policies
    /// say.
    #[must_use]
    pub fn exchange(&self, mut declared: ExchangeDefinition) -> ExchangeDefinition {
        if declared.alternate.is_none() && declared.kind != ExchangeKind::Default {
            let policies = [&self.operator, &self.user].into_iter().flatten();
            declared.alternate = policies
                .filter_map(|policy| policy.definition.get(PolicyKey::AlternateExchange))
                .find_map(PolicyValue::exchange);
        }
        declared
    }

    fn overflow(&self, declared: &QueueDefinition, said: &PolicyDefinition) -> Option<Overflow> {
        let said = said
            .get(PolicyKey::Overflow)
            .and_then(PolicyValue::overflow);
        let operators = self.operator.as_ref();
        let operators = operators.and_then(|policy| policy.definition.get(PolicyKey::Overflow));
        if operators.is_some() || declared.kind == Some(QueueKind::Quorum) {
            said.or(declared.rules.overflow)
        } else {
            declared.rules.overflow.or(said)
        }
    }
}

fn lower<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
    one.into_iter().chain(other).min()
}

/// The exchange and the key each as declared, or else as a policy says.
fn dead_letter(declared: Option<DeadLetter>, said: &PolicyDefinition) -> Option<DeadLetter> {
    let said_exchange = said.get(PolicyKey::DeadLetterExchange);
    let (exchange, key) = match declared {
        Some(DeadLetter { exchange, key }) => (exchange, key),
        None => (said_exchange?.exchange()?, None),
    };
    let said_key = said.get(PolicyKey::DeadLetterRoutingKey);
    let said_key = said_key.and_then(PolicyValue::text);
    let key = key.or_else(|| said_key.map(|key| key.as_bytes().into()));
    Some(DeadLetter { exchange, key })
}

#[cfg(test)]
mod tests;
