//! Exchanges in requests and answers.

use crate::{Invalid, Text};
use broker_api::{DeclareExchange, DeleteExchange, DeleteIf, IfMissing, ListedExchange};
use model::{
    Access, Delays, Durability, ExchangeDefinition, ExchangeKind, ExchangeName, HashOn, Lifetime,
};
use serde::{Deserialize, Serialize};

/// Makes an exchange; one of that name that was declared as the same is left as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Declare {
    /// 1 to 255 bytes.
    pub name: Text,
    /// What it is to be.
    pub definition: Definition,
}

/// Ends an exchange, and the bindings from and to it. If there is none, there is nothing to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delete {
    /// Its name.
    pub name: Text,
    /// Only if no binding leads from it.
    #[serde(default)]
    pub if_unused: bool,
}

/// What an exchange is declared as.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a field of the request that says yes or no"
)]
pub struct Definition {
    /// How it chooses among its bindings.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// Whether it survives a restart.
    #[serde(default = "yes")]
    pub durable: bool,
    /// Whether it ends when the last binding from it has.
    #[serde(default)]
    pub auto_delete: bool,
    /// Whether only other exchanges may publish to it.
    #[serde(default)]
    pub internal: bool,
    /// Whether it grants the delays that messages ask for.
    #[serde(default)]
    pub delayed: bool,
    /// Where a message goes that matches no binding. It need not exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alternate_exchange: Option<Text>,
    /// The header that a consistent-hash exchange hashes instead of the routing key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash_header: Option<Text>,
    /// The property that a consistent-hash exchange hashes instead of the routing key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash_property: Option<Property>,
}

/// The type of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// To the queue whose name is the routing key. Cannot be declared.
    Default,
    /// To bindings whose key is the routing key.
    Direct,
    /// To all bindings.
    Fanout,
    /// To bindings whose pattern matches the routing key.
    Topic,
    /// To bindings whose arguments match the headers.
    Headers,
    /// To one destination, the same for equal values.
    ConsistentHash,
    /// To one destination, each as likely.
    Random,
}

/// A property of a message that can be hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    missing_docs,
    reason = "each is the property of that name in the model"
)]
pub enum Property {
    ContentType,
    ContentEncoding,
    CorrelationId,
    MessageId,
    ReplyTo,
    Timestamp,
    Type,
    UserId,
    AppId,
    GroupId,
    Destination,
    Persistence,
    Priority,
    Expiration,
    GroupSequence,
    PayloadFormat,
    Retained,
    Assurance,
    ReplyToSpelling,
}

/// An exchange as it is listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Its name; empty for the default exchange.
    pub name: Text,
    /// What it was declared as.
    pub definition: Definition,
    /// Bindings that lead from it.
    pub binding_count: u64,
}

fn yes() -> bool {
    true
}

impl TryFrom<Declare> for DeclareExchange {
    type Error = Invalid;

    fn try_from(declare: Declare) -> Result<Self, Invalid> {
        let definition = declare.definition;
        let durability = if definition.durable {
            Durability::Durable
        } else {
            Durability::Transient
        };
        let lifetime = if definition.auto_delete {
            Lifetime::UntilUnused
        } else {
            Lifetime::Permanent
        };
        Ok(Self {
            name: ExchangeName::new(&declare.name.0)?,
            definition: definition.try_into()?,
            durability,
            lifetime,
            if_missing: IfMissing::Create,
        })
    }
}

impl TryFrom<Definition> for ExchangeDefinition {
    type Error = Invalid;

    fn try_from(definition: Definition) -> Result<Self, Invalid> {
        let alternate = definition
            .alternate_exchange
            .as_ref()
            .map(|name| ExchangeName::new(&name.0))
            .transpose()?;
        let access = if definition.internal {
            Access::Internal
        } else {
            Access::Public
        };
        let hash_on = definition.hash_on()?;
        let kind = match (definition.kind, hash_on) {
            (Kind::ConsistentHash, hash_on) => {
                ExchangeKind::ConsistentHash(hash_on.unwrap_or(HashOn::RoutingKey))
            }
            (_, Some(_)) => {
                return Err(Invalid::Needs {
                    field: if definition.hash_header.is_some() {
                        "hash_header"
                    } else {
                        "hash_property"
                    },
                    other: "the type `consistent-hash`",
                });
            }
            (Kind::Default, None) => return Err(Invalid::TypeReserved),
            (Kind::Direct, None) => ExchangeKind::Direct,
            (Kind::Fanout, None) => ExchangeKind::Fanout,
            (Kind::Topic, None) => ExchangeKind::Topic,
            (Kind::Headers, None) => ExchangeKind::Headers,
            (Kind::Random, None) => ExchangeKind::Random,
        };
        Ok(Self {
            kind,
            alternate,
            access,
            delays: if definition.delayed {
                Delays::Granted
            } else {
                Delays::Ignored
            },
        })
    }
}

impl Definition {
    fn hash_on(&self) -> Result<Option<HashOn>, Invalid> {
        match (&self.hash_header, self.hash_property) {
            (None, None) => Ok(None),
            (Some(header), None) => Ok(Some(HashOn::Header(header.0.as_slice().into()))),
            (None, Some(property)) => Ok(Some(HashOn::Property(property.into()))),
            (Some(_), Some(_)) => Err(Invalid::Both("hash_header", "hash_property")),
        }
    }
}

impl TryFrom<Delete> for DeleteExchange {
    type Error = Invalid;

    fn try_from(delete: Delete) -> Result<Self, Invalid> {
        Ok(Self {
            name: ExchangeName::new(&delete.name.0)?,
            condition: DeleteIf {
                unused: delete.if_unused,
                empty: false,
            },
        })
    }
}

impl From<&ListedExchange> for Listed {
    fn from(listed: &ListedExchange) -> Self {
        let definition = &listed.definition;
        let (mut hash_header, mut hash_property) = (None, None);
        let kind = match &definition.kind {
            ExchangeKind::Default => Kind::Default,
            ExchangeKind::Direct => Kind::Direct,
            ExchangeKind::Fanout => Kind::Fanout,
            ExchangeKind::Topic => Kind::Topic,
            ExchangeKind::Headers => Kind::Headers,
            ExchangeKind::ConsistentHash(on) => {
                match on {
                    HashOn::RoutingKey => {}
                    HashOn::Header(name) => hash_header = Some(Text::from(&**name)),
                    HashOn::Property(property) => hash_property = Some((*property).into()),
                }
                Kind::ConsistentHash
            }
            ExchangeKind::Random => Kind::Random,
        };
        let alternate = definition.alternate.as_ref();
        Self {
            name: listed.name.as_bytes().into(),
            definition: Definition {
                kind,
                durable: listed.durability == Durability::Durable,
                auto_delete: listed.lifetime == Lifetime::UntilUnused,
                internal: definition.access == Access::Internal,
                delayed: definition.delays == Delays::Granted,
                alternate_exchange: alternate.map(|name| name.as_bytes().into()),
                hash_header,
                hash_property,
            },
            binding_count: listed.binding_count,
        }
    }
}

/// The same names on both sides.
macro_rules! same_names {
    ($($name:ident),*) => {
        impl From<Property> for model::Property {
            fn from(property: Property) -> Self {
                match property {
                    $(Property::$name => Self::$name,)*
                }
            }
        }

        impl From<model::Property> for Property {
            fn from(property: model::Property) -> Self {
                match property {
                    $(model::Property::$name => Self::$name,)*
                }
            }
        }
    };
}

same_names!(
    ContentType,
    ContentEncoding,
    CorrelationId,
    MessageId,
    ReplyTo,
    Timestamp,
    Type,
    UserId,
    AppId,
    GroupId,
    Destination,
    Persistence,
    Priority,
    Expiration,
    GroupSequence,
    PayloadFormat,
    Retained,
    Assurance,
    ReplyToSpelling
);
