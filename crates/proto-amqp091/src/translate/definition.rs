//! What queues and exchanges are declared as.

use super::queue_arguments::{Problem, QueueArguments};
use super::value::value_of;
use crate::session::Failure;
use crate::{FieldValue, ReplyCode, Table, exchange, queue};
use model::{
    Access, Durability, ExchangeDefinition, ExchangeKind, ExchangeName, HashOn, Lifetime,
    Ownership, Property, QueueDefinition, Value,
};

/// What a `queue.declare` asks for.
pub(crate) fn queue_definition(declare: &queue::Declare<'_>) -> Result<QueueDefinition, Failure> {
    let arguments = QueueArguments::read(declare.arguments).map_err(|problem| {
        let code = match problem {
            Problem::Value { .. } | Problem::Needs { .. } => ReplyCode::PreconditionFailed,
            Problem::NotImplemented { .. } => ReplyCode::NotImplemented,
        };
        let name = declare.queue;
        let text = format_args!("invalid arg {problem} for queue '{name}' in vhost '/'");
        Failure::new(code, queue::Declare::ID, text)
    })?;
    Ok(QueueDefinition {
        // An exclusive queue ends with its connection, so it is transient whatever is asked. Errata 30
        durability: if declare.durable && !declare.exclusive {
            Durability::Durable
        } else {
            Durability::Transient
        },
        ownership: if declare.exclusive {
            Ownership::Exclusive
        } else {
            Ownership::Shared
        },
        lifetime: if declare.auto_delete {
            Lifetime::UntilUnused
        } else {
            Lifetime::Permanent
        },
        expires_ms: arguments.expires_ms,
        rules: arguments.rules,
    })
}

/// What an `exchange.declare` asks for.
pub(crate) fn exchange_definition(
    declare: &exchange::Declare<'_>,
) -> Result<ExchangeDefinition, Failure> {
    let failed = |code, text: String| Failure::new(code, exchange::Declare::ID, text);
    let kind = match declare.r#type.as_bytes() {
        b"direct" => ExchangeKind::Direct,
        b"fanout" => ExchangeKind::Fanout,
        b"topic" => ExchangeKind::Topic,
        b"headers" => ExchangeKind::Headers,
        b"x-random" => ExchangeKind::Random,
        b"x-consistent-hash" => {
            let hash_on = hash_on(declare.arguments);
            let code = ReplyCode::PreconditionFailed;
            ExchangeKind::ConsistentHash(hash_on.map_err(|text| failed(code, text))?)
        }
        _ => {
            let text = format!("unknown exchange type '{}'", declare.r#type);
            return Err(failed(ReplyCode::CommandInvalid, text));
        }
    };
    let alternate =
        alternate(declare.arguments).map_err(|text| failed(ReplyCode::PreconditionFailed, text))?;
    Ok(ExchangeDefinition {
        kind,
        alternate,
        access: if declare.internal {
            Access::Internal
        } else {
            Access::Public
        },
    })
}

fn alternate(arguments: Table<'_>) -> Result<Option<ExchangeName>, String> {
    let invalid =
        || "invalid arg 'alternate-exchange': it must be the name of an exchange".to_owned();
    match arguments.find(b"alternate-exchange") {
        None => Ok(None),
        Some(FieldValue::LongString(name)) => {
            ExchangeName::new(name).map(Some).map_err(|_| invalid())
        }
        Some(_) => Err(invalid()),
    }
}

/// What a consistent-hash exchange hashes, by the names of RabbitMQ's plug-in.
fn hash_on(arguments: Table<'_>) -> Result<HashOn, String> {
    let text = |name: &str| match arguments.find(name.as_bytes()).map(|it| value_of(&it)) {
        None => Ok(None),
        Some(Value::Text(text)) => Ok(Some(text.into_owned())),
        Some(
            Value::Void | Value::Bool(_) | Value::Integer(_) | Value::Float(_) | Value::Opaque(_),
        ) => Err(format!("invalid arg '{name}': it must be a text")),
    };
    match (text("hash-header")?, text("hash-property")?) {
        (None, None) => Ok(HashOn::RoutingKey),
        (Some(header), None) => Ok(HashOn::Header(header.into())),
        (None, Some(property)) => match property.as_slice() {
            b"correlation_id" => Ok(HashOn::Property(Property::CorrelationId)),
            b"message_id" => Ok(HashOn::Property(Property::MessageId)),
            b"timestamp" => Ok(HashOn::Property(Property::Timestamp)),
            _ => Err(
                "invalid arg 'hash-property': it must be correlation_id, message_id or timestamp"
                    .to_owned(),
            ),
        },
        (Some(_), Some(_)) => {
            Err("args 'hash-header' and 'hash-property' do not go together".to_owned())
        }
    }
}
