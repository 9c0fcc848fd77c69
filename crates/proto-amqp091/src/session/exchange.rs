//! Exchanges: `exchange.declare`, `delete`, `bind`, `unbind`.

use super::awaited::Purpose;
use super::failure::Failure;
use crate::translate::{arguments, exchange_definition};
use crate::{Method, MethodId, ReplyCode, ShortStr, exchange};
use broker_api::{Bind, BindTo, Command, DeclareExchange, DeleteExchange, DeleteIf, IfMissing};
use model::{BindingKey, Durability, ExchangeDefinition, ExchangeKind, ExchangeName, Lifetime};

/// What a method about exchanges asks of the broker, and what it is answered by; nothing for other methods.
pub(super) fn exchange_command(method: &Method<'_>) -> Result<Option<(Command, Purpose)>, Failure> {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "other methods are others' to read"
    )]
    let (command, no_wait, answer) = match method {
        Method::ExchangeDeclare(declare) => (
            Command::DeclareExchange(Box::new(declared(declare)?)),
            declare.no_wait,
            Method::ExchangeDeclareOk(exchange::DeclareOk),
        ),
        Method::ExchangeDelete(delete) => {
            let name = exchange_name(delete.exchange, exchange::Delete::ID)?;
            let condition = DeleteIf {
                unused: delete.if_unused,
                empty: false,
            };
            (
                Command::DeleteExchange(DeleteExchange { name, condition }),
                delete.no_wait,
                Method::ExchangeDeleteOk(exchange::DeleteOk),
            )
        }
        Method::ExchangeBind(bind) => {
            let id = exchange::Bind::ID;
            let bind_to = Bind {
                source: exchange_name(bind.source, id)?,
                destination: BindTo::Exchange(exchange_name(bind.destination, id)?),
                key: BindingKey::from(bind.routing_key.as_bytes()),
                arguments: arguments(bind.arguments),
            };
            (
                Command::Bind(Box::new(bind_to)),
                bind.no_wait,
                Method::ExchangeBindOk(exchange::BindOk),
            )
        }
        Method::ExchangeUnbind(unbind) => {
            let id = exchange::Unbind::ID;
            let bind_to = Bind {
                source: exchange_name(unbind.source, id)?,
                destination: BindTo::Exchange(exchange_name(unbind.destination, id)?),
                key: BindingKey::from(unbind.routing_key.as_bytes()),
                arguments: arguments(unbind.arguments),
            };
            (
                Command::Unbind(Box::new(bind_to)),
                unbind.no_wait,
                Method::ExchangeUnbindOk(exchange::UnbindOk),
            )
        }
        _ => return Ok(None),
    };
    Ok(Some((
        command,
        Purpose::unless(no_wait, Purpose::Answer(answer)),
    )))
}

fn declared(declare: &exchange::Declare<'_>) -> Result<DeclareExchange, Failure> {
    let name = exchange_name(declare.exchange, exchange::Declare::ID)?;
    let (definition, if_missing) = if declare.passive {
        // Only the name counts.
        let definition = ExchangeDefinition::new(ExchangeKind::Direct);
        (definition, IfMissing::Refuse)
    } else {
        (exchange_definition(declare)?, IfMissing::Create)
    };
    Ok(DeclareExchange {
        name,
        definition,
        durability: if declare.durable {
            Durability::Durable
        } else {
            Durability::Transient
        },
        lifetime: if declare.auto_delete {
            Lifetime::UntilUnused
        } else {
            Lifetime::Permanent
        },
        if_missing,
    })
}

/// The name of an exchange that a method is about: any but the default one. Errata 14
pub(super) fn exchange_name(name: ShortStr<'_>, method: MethodId) -> Result<ExchangeName, Failure> {
    if name.is_empty() {
        let text = "operation not permitted on the default exchange";
        return Err(Failure::new(ReplyCode::AccessRefused, method, text));
    }
    // A short string is no longer than a name may be.
    ExchangeName::new(name.as_bytes())
        .map_err(|error| Failure::new(ReplyCode::PreconditionFailed, method, error))
}
