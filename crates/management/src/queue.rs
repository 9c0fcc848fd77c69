//! Queues in requests and answers.

use crate::policy::Applied;
use crate::{Invalid, Text};
use broker_api::{DeclareQueue, DeleteIf, DeleteQueue, IfExists, IfMissing, ListedQueue};
use model::{
    DeadLetter, Durability, ExchangeName, Lifetime, Ownership, QueueDefinition, QueueKind,
    QueueName, QueueRules, Redelivery,
};
use serde::{Deserialize, Serialize};

/// The bound of a redelivery's jitter, in percent.
const JITTER_PERCENT_MAX: u8 = 100;

/// A redelivery's delay that stays the same, in percent.
const MULTIPLIER_PERCENT: u32 = 100;

/// Makes a queue; one of that name that was declared as the same is left as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Declare {
    /// 1 to 255 bytes.
    pub name: Text,
    /// What it is to be.
    #[serde(default)]
    pub definition: Definition,
}

/// Ends a queue with all its messages. If there is none, there is nothing to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delete {
    /// Its name.
    pub name: Text,
    /// Only if it has no subscriptions.
    #[serde(default)]
    pub if_unused: bool,
    /// Only if it has no ready messages.
    #[serde(default)]
    pub if_empty: bool,
}

/// Takes all ready messages out of a queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Purge {
    /// Its name.
    pub name: Text,
}

/// What a queue is declared as. What is left out is not bounded, or not wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Definition {
    /// Whether it and its persistent messages survive a restart; true if left out.
    pub durable: bool,
    /// Whether it ends when its last subscription has.
    pub auto_delete: bool,
    /// What it is for; any if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_type: Option<Kind>,
    /// The longest that a message may wait, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_ttl_ms: Option<u64>,
    /// It ends when nobody has used it for this long, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_ms: Option<u64>,
    /// The most messages that may be ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_length: Option<u64>,
    /// The most bytes of bodies that may be ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_length_bytes: Option<u64>,
    /// What happens beyond these; `drop-head` if left out and no policy says otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overflow: Option<Overflow>,
    /// Where messages go that are rejected, expire, overflow, or fail too often. It need not exist.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dead_letter_exchange: Option<Text>,
    /// With which routing key, instead of their own; needs `dead_letter_exchange`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dead_letter_routing_key: Option<Text>,
    /// Priorities 0 to this are kept apart, higher first; 0 if left out.
    #[serde(skip_serializing_if = "is_zero")]
    pub max_priority: u8,
    /// A message whose deliveries have failed more often than this leaves; 4294967295 for none, even of a quorum
    /// queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery_limit: Option<u32>,
    /// How long a message waits after its first delivery that failed, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redelivery_delay_ms: Option<u64>,
    /// By how much that grows for each further one, in percent: 100 (if left out) for not at all, 200
    /// to double it; needs `redelivery_delay_ms`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redelivery_multiplier_percent: Option<u32>,
    /// The longest that it may grow to, in milliseconds; needs `redelivery_delay_ms`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redelivery_delay_max_ms: Option<u64>,
    /// Up to this much more or less, in percent, at most 100; 0 if left out; needs
    /// `redelivery_delay_ms`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redelivery_jitter_percent: Option<u8>,
    /// Whether one subscription at a time is delivered to.
    pub single_active_consumer: bool,
    /// The header whose value names what a message is about; a newer message about the same replaces
    /// the older one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_value_key: Option<Text>,
    /// How long a consumer of AMQP 0-9-1 may keep a delivery that it has not settled, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consumer_timeout_ms: Option<u64>,
}

/// What a queue is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Nothing beyond its definition.
    Classic,
    /// It has a delivery limit of 20 if nothing else is said.
    Quorum,
}

/// What happens to a message that a full queue has no place for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Overflow {
    /// It is taken; messages at the head leave instead.
    DropHead,
    /// It is refused.
    RejectPublish,
    /// It is refused, and goes to the dead-letter exchange.
    RejectPublishDlx,
}

/// A queue and what it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Its name.
    pub name: Text,
    /// Messages that wait to be delivered.
    pub ready_count: u64,
    /// Messages that were delivered and are not settled.
    pub unsettled_count: u64,
    /// What all of them are charged with in memory.
    pub bytes: u64,
    /// Subscriptions.
    pub subscription_count: u64,
}

/// A queue as it is listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Its name and what it holds.
    #[serde(flatten)]
    pub status: Status,
    /// What it was declared as.
    pub definition: Definition,
    /// What applies to it beside that.
    #[serde(flatten)]
    pub applied: Applied,
    /// The shard that it lives in.
    pub shard: u16,
}

impl Default for Definition {
    fn default() -> Self {
        Self {
            durable: true,
            auto_delete: false,
            queue_type: None,
            message_ttl_ms: None,
            expires_ms: None,
            max_length: None,
            max_length_bytes: None,
            overflow: None,
            dead_letter_exchange: None,
            dead_letter_routing_key: None,
            max_priority: 0,
            delivery_limit: None,
            redelivery_delay_ms: None,
            redelivery_multiplier_percent: None,
            redelivery_delay_max_ms: None,
            redelivery_jitter_percent: None,
            single_active_consumer: false,
            last_value_key: None,
            consumer_timeout_ms: None,
        }
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
fn is_zero(number: &u8) -> bool {
    *number == 0
}

impl TryFrom<Declare> for DeclareQueue {
    type Error = Invalid;

    fn try_from(declare: Declare) -> Result<Self, Invalid> {
        Ok(Self {
            name: Some(QueueName::new(&declare.name.0)?),
            definition: declare.definition.try_into()?,
            if_exists: IfExists::MustEqual,
            if_missing: IfMissing::Create,
        })
    }
}

impl TryFrom<Delete> for DeleteQueue {
    type Error = Invalid;

    fn try_from(delete: Delete) -> Result<Self, Invalid> {
        Ok(Self {
            name: QueueName::new(&delete.name.0)?,
            condition: DeleteIf {
                unused: delete.if_unused,
                empty: delete.if_empty,
            },
        })
    }
}

impl TryFrom<Definition> for QueueDefinition {
    type Error = Invalid;

    fn try_from(definition: Definition) -> Result<Self, Invalid> {
        Ok(Self {
            durability: if definition.durable {
                Durability::Durable
            } else {
                Durability::Transient
            },
            ownership: Ownership::Shared,
            lifetime: if definition.auto_delete {
                Lifetime::UntilUnused
            } else {
                Lifetime::Permanent
            },
            expires_ms: definition.expires_ms,
            kind: definition.queue_type.map(Into::into),
            rules: QueueRules {
                message_ttl_ms: definition.message_ttl_ms,
                length_max: definition.max_length,
                bytes_max: definition.max_length_bytes,
                overflow: definition.overflow.map(Into::into),
                dead_letter: definition.dead_letter()?,
                priority_max: definition.max_priority,
                delivery_limit: definition.delivery_limit,
                redelivery: definition.redelivery()?,
                single_active: definition.single_active_consumer,
                last_value_header: definition.last_value_key.map(|name| name.0.into()),
                settle_ms: definition.consumer_timeout_ms,
            },
        })
    }
}

impl Definition {
    fn dead_letter(&self) -> Result<Option<DeadLetter>, Invalid> {
        let key = self.dead_letter_routing_key.as_ref();
        let Some(exchange) = &self.dead_letter_exchange else {
            return if key.is_some() {
                Err(Invalid::Needs {
                    field: "dead_letter_routing_key",
                    other: "`dead_letter_exchange`",
                })
            } else {
                Ok(None)
            };
        };
        Ok(Some(DeadLetter {
            exchange: ExchangeName::new(&exchange.0)?,
            key: key.map(|key| key.0.as_slice().into()),
        }))
    }

    fn redelivery(&self) -> Result<Option<Redelivery>, Invalid> {
        let Some(delay_ms) = self.redelivery_delay_ms else {
            let given = [
                (
                    self.redelivery_multiplier_percent.is_some(),
                    "redelivery_multiplier_percent",
                ),
                (
                    self.redelivery_delay_max_ms.is_some(),
                    "redelivery_delay_max_ms",
                ),
                (
                    self.redelivery_jitter_percent.is_some(),
                    "redelivery_jitter_percent",
                ),
            ];
            return match given.into_iter().find(|(is_given, _)| *is_given) {
                Some((_, field)) => Err(Invalid::Needs {
                    field,
                    other: "`redelivery_delay_ms`",
                }),
                None => Ok(None),
            };
        };
        let jitter_percent = self.redelivery_jitter_percent.unwrap_or(0);
        if jitter_percent > JITTER_PERCENT_MAX {
            return Err(Invalid::TooLarge {
                field: "redelivery_jitter_percent",
                value: jitter_percent.into(),
                limit: JITTER_PERCENT_MAX.into(),
            });
        }
        Ok(Some(Redelivery {
            delay_ms,
            multiplier_percent: self
                .redelivery_multiplier_percent
                .unwrap_or(MULTIPLIER_PERCENT),
            delay_ms_max: self.redelivery_delay_max_ms.unwrap_or(u64::MAX),
            jitter_percent,
        }))
    }
}

impl From<&QueueDefinition> for Definition {
    fn from(definition: &QueueDefinition) -> Self {
        let rules = &definition.rules;
        let dead_letter = rules.dead_letter.as_ref();
        let redelivery = rules.redelivery;
        Self {
            durable: definition.durability == Durability::Durable,
            auto_delete: definition.lifetime == Lifetime::UntilUnused,
            queue_type: definition.kind.map(Into::into),
            message_ttl_ms: rules.message_ttl_ms,
            expires_ms: definition.expires_ms,
            max_length: rules.length_max,
            max_length_bytes: rules.bytes_max,
            overflow: rules.overflow.map(Into::into),
            dead_letter_exchange: dead_letter.map(|to| to.exchange.as_bytes().into()),
            dead_letter_routing_key: dead_letter.and_then(|to| to.key.as_deref().map(Text::from)),
            max_priority: rules.priority_max,
            delivery_limit: rules.delivery_limit,
            redelivery_delay_ms: redelivery.map(|wait| wait.delay_ms),
            redelivery_multiplier_percent: redelivery.map(|wait| wait.multiplier_percent),
            redelivery_delay_max_ms: redelivery
                .map(|wait| wait.delay_ms_max)
                .filter(|max| *max != u64::MAX),
            redelivery_jitter_percent: redelivery.map(|wait| wait.jitter_percent),
            single_active_consumer: rules.single_active,
            last_value_key: rules.last_value_header.as_deref().map(Text::from),
            consumer_timeout_ms: rules.settle_ms,
        }
    }
}

impl From<Kind> for QueueKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Classic => Self::Classic,
            Kind::Quorum => Self::Quorum,
        }
    }
}

impl From<QueueKind> for Kind {
    fn from(kind: QueueKind) -> Self {
        match kind {
            QueueKind::Classic => Self::Classic,
            QueueKind::Quorum => Self::Quorum,
        }
    }
}

impl From<Overflow> for model::Overflow {
    fn from(overflow: Overflow) -> Self {
        match overflow {
            Overflow::DropHead => Self::DropHead,
            Overflow::RejectPublish => Self::RejectPublish,
            Overflow::RejectPublishDlx => Self::RejectPublishDeadLetter,
        }
    }
}

impl From<model::Overflow> for Overflow {
    fn from(overflow: model::Overflow) -> Self {
        match overflow {
            model::Overflow::DropHead => Self::DropHead,
            model::Overflow::RejectPublish => Self::RejectPublish,
            model::Overflow::RejectPublishDeadLetter => Self::RejectPublishDlx,
        }
    }
}

impl From<&broker_api::QueueStatus> for Status {
    fn from(status: &broker_api::QueueStatus) -> Self {
        Self {
            name: status.name.as_bytes().into(),
            ready_count: status.ready_count,
            unsettled_count: status.unsettled_count,
            bytes: status.bytes,
            subscription_count: status.subscription_count,
        }
    }
}

impl From<&ListedQueue> for Listed {
    fn from(listed: &ListedQueue) -> Self {
        Self {
            status: (&listed.status).into(),
            definition: (&listed.definition).into(),
            applied: (&listed.applied).into(),
            shard: listed.shard.0,
        }
    }
}
