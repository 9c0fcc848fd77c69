//! Queues: `queue.declare`, `bind`, `unbind`, `purge`, `delete`.

use super::awaited::Purpose;
use super::channel::Channel;
use super::exchange::exchange_name;
use super::failure::Failure;
use super::put;
use crate::translate::{arguments, queue_definition};
use crate::{Method, MethodId, ShortStr, Table, queue};
use broker_api::{
    Bind, BindTo, Command, DeclareQueue, DeleteIf, DeleteQueue, IfExists, IfMissing, Out, Reply,
};
use model::{BindingKey, QueueDefinition, QueueName};

/// What a method about queues asks of the broker, and what it is answered by; nothing for other methods.
pub(super) fn queue_command(
    channel: &Channel,
    method: &Method<'_>,
) -> Result<Option<(Command, Purpose)>, Failure> {
    let answered = |no_wait, answer| Purpose::unless(no_wait, Purpose::Answer(answer));
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "other methods are others' to read"
    )]
    Ok(Some(match method {
        Method::QueueDeclare(declare) => {
            let no_wait = declare.no_wait;
            let command = declared(channel, declare)?;
            (
                Command::DeclareQueue(Box::new(command)),
                Purpose::DeclaredQueue { no_wait },
            )
        }
        Method::QueueBind(bind) => {
            let id = queue::Bind::ID;
            let names = (bind.queue, bind.exchange, bind.routing_key);
            let bind_to = bind_of(channel, id, names, bind.arguments)?;
            (
                Command::Bind(Box::new(bind_to)),
                answered(bind.no_wait, Method::QueueBindOk(queue::BindOk)),
            )
        }
        Method::QueueUnbind(unbind) => {
            let id = queue::Unbind::ID;
            let names = (unbind.queue, unbind.exchange, unbind.routing_key);
            let bind_to = bind_of(channel, id, names, unbind.arguments)?;
            (
                Command::Unbind(Box::new(bind_to)),
                answered(false, Method::QueueUnbindOk(queue::UnbindOk)),
            )
        }
        Method::QueuePurge(purge) => (
            Command::PurgeQueue(channel.queue(purge.queue, queue::Purge::ID)?),
            Purpose::unless(purge.no_wait, Purpose::PurgedQueue),
        ),
        Method::QueueDelete(delete) => {
            let delete_queue = DeleteQueue {
                name: channel.queue(delete.queue, queue::Delete::ID)?,
                condition: DeleteIf {
                    unused: delete.if_unused,
                    empty: delete.if_empty,
                },
            };
            (
                Command::DeleteQueue(delete_queue),
                Purpose::unless(delete.no_wait, Purpose::DeletedQueue),
            )
        }
        _ => return Ok(None),
    }))
}

fn declared(channel: &Channel, declare: &queue::Declare<'_>) -> Result<DeclareQueue, Failure> {
    if declare.passive {
        return Ok(DeclareQueue {
            name: Some(channel.queue(declare.queue, queue::Declare::ID)?),
            definition: QueueDefinition::DURABLE,
            if_exists: IfExists::Use,
            if_missing: IfMissing::Refuse,
        });
    }
    Ok(DeclareQueue {
        // Without a name the broker makes one up.
        name: QueueName::new(declare.queue.as_bytes()).ok(),
        definition: queue_definition(declare)?,
        if_exists: IfExists::MustEqual,
        if_missing: IfMissing::Create,
    })
}

/// A binding to a queue. Neither a queue's nor a key's name means the queue that was declared last, under its own name.
fn bind_of(
    channel: &Channel,
    method: MethodId,
    (queue, exchange, key): (ShortStr<'_>, ShortStr<'_>, ShortStr<'_>),
    table: Table<'_>,
) -> Result<Bind, Failure> {
    let name = channel.queue(queue, method)?;
    let key = match (queue.is_empty(), key.is_empty()) {
        (true, true) => name.as_bytes(),
        (true | false, _) => key.as_bytes(),
    };
    let key = BindingKey::from(key);
    Ok(Bind {
        source: exchange_name(exchange, method)?,
        destination: BindTo::Queue(name),
        key,
        arguments: arguments(table),
    })
}

/// Tells what has come of a queue.
pub(super) fn put_answer(
    channel: Option<&mut Channel>,
    (number, method): (u16, MethodId),
    purpose: Purpose,
    reply: Reply,
    out: &mut Out,
) -> Result<(), Failure> {
    match (purpose, reply) {
        (Purpose::DeclaredQueue { no_wait }, Reply::Queue(status)) => {
            if !no_wait {
                let declare_ok = queue::DeclareOk {
                    queue: ShortStr::new(status.name.as_bytes()).unwrap_or(ShortStr::EMPTY),
                    message_count: saturated(status.ready_count),
                    consumer_count: saturated(status.subscription_count),
                };
                put(out, number, &Method::QueueDeclareOk(declare_ok));
            }
            if let Some(channel) = channel {
                channel.set_last_queue(status.name);
            }
        }
        (Purpose::DeletedQueue, Reply::Count(count)) => {
            let message_count = saturated(count);
            let delete_ok = queue::DeleteOk { message_count };
            put(out, number, &Method::QueueDeleteOk(delete_ok));
        }
        (Purpose::PurgedQueue, Reply::Count(count)) => {
            let message_count = saturated(count);
            let purge_ok = queue::PurgeOk { message_count };
            put(out, number, &Method::QueuePurgeOk(purge_ok));
        }
        (_, _) => return Err(Failure::internal(method)),
    }
    Ok(())
}

/// What four bytes can say of a count.
fn saturated(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
