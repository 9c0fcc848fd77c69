//! What queues and exchanges are declared as.

use super::queue_arguments::{Problem, QueueArguments};
use super::value::value_of;
use crate::session::Failure;
use crate::{FieldValue, ReplyCode, Table, exchange, queue};
use model::{
    Access, Delays, Durability, ExchangeDefinition, ExchangeKind, ExchangeName, HashOn, Lifetime,
    Ownership, Property, QueueDefinition, Value,
};

/// The type of exchanges that delay messages and then route them as another type does.
const DELAYED_TYPE: &[u8] = b"x-delayed-message";

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
    let refused = |text| failed(ReplyCode::PreconditionFailed, text);
    let (arguments, name) = (declare.arguments, declare.r#type);
    let (kind, delays) = if name.as_bytes() == DELAYED_TYPE {
        let kind = match arguments.find(b"x-delayed-type") {
            Some(FieldValue::LongString(kind)) => kind_of(kind, arguments).map_err(refused)?,
            Some(_) | None => None,
        };
        let kind = kind.ok_or_else(|| {
            let text = "Invalid argument, 'x-delayed-type' must be an existing exchange type";
            refused(text.to_owned())
        })?;
        (kind, Delays::Granted)
    } else {
        let kind = kind_of(name.as_bytes(), arguments).map_err(refused)?;
        let kind = kind.ok_or_else(|| {
            let text = format!("unknown exchange type '{name}'");
            failed(ReplyCode::CommandInvalid, text)
        })?;
        (kind, Delays::Ignored)
    };
    let alternate = alternate(arguments).map_err(refused)?;
    Ok(ExchangeDefinition {
        kind,
        alternate,
        access: if declare.internal {
            Access::Internal
        } else {
            Access::Public
        },
        delays,
    })
}

/// The kind of exchange that a type is, if there is such a type.
fn kind_of(name: &[u8], arguments: Table<'_>) -> Result<Option<ExchangeKind>, String> {
    Ok(Some(match name {
        b"direct" => ExchangeKind::Direct,
        b"fanout" => ExchangeKind::Fanout,
        b"topic" => ExchangeKind::Topic,
        b"headers" => ExchangeKind::Headers,
        b"x-random" => ExchangeKind::Random,
        b"x-consistent-hash" => ExchangeKind::ConsistentHash(hash_on(arguments)?),
        _ => return Ok(None),
    }))
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
