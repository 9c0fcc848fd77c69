//! Records of shard 0: which queues, exchanges and bindings there are.

use super::fields::{Fields, Put};
use super::{
    BOUND, EXCHANGE_DECLARED, EXCHANGE_DELETED, Entry, EntryError, KEPT, LET_GO, QUEUE_DECLARED,
    QUEUE_DELETED, QUEUE_IDS, UNBOUND, definition,
};
use broker_api::Bind;
use model::{
    ExchangeDefinition, ExchangeName, Lifetime, QueueDefinition, QueueId, QueueName, ShardId,
};

pub(crate) fn encode_queue_declared(
    to: &mut Vec<u8>,
    queue: QueueId,
    shard: ShardId,
    definition: &QueueDefinition,
    name: &QueueName,
) {
    to.u64(queue.0);
    to.u16(shard.0);
    definition::put_queue(to, definition);
    to.extend_from_slice(name.as_bytes());
}

pub(crate) fn encode_queue_deleted(to: &mut Vec<u8>, queue: QueueId) {
    to.u64(queue.0);
}

pub(crate) fn encode_exchange_declared(
    to: &mut Vec<u8>,
    name: &ExchangeName,
    definition: &ExchangeDefinition,
    lifetime: Lifetime,
) {
    to.u8(u8::from(lifetime == Lifetime::UntilUnused));
    definition::put_exchange(to, definition);
    to.extend_from_slice(name.as_bytes());
}

pub(crate) fn encode_exchange_deleted(to: &mut Vec<u8>, name: &ExchangeName) {
    to.extend_from_slice(name.as_bytes());
}

/// For `BOUND` and `UNBOUND`.
pub(crate) fn encode_binding(to: &mut Vec<u8>, bind: &Bind) {
    definition::put_binding(to, bind);
}

pub(crate) fn encode_queue_ids(to: &mut Vec<u8>, next: QueueId) {
    to.u64(next.0);
}

/// For [`KEPT`] and [`LET_GO`].
pub(crate) fn encode_keep(to: &mut Vec<u8>, queue: QueueId, keeper: QueueId) {
    to.u64(queue.0);
    to.u64(keeper.0);
}

pub(super) fn topology(fields: &mut Fields<'_>) -> Result<Entry, EntryError> {
    Ok(match fields.kind {
        QUEUE_DECLARED => {
            let queue = fields.queue()?;
            let shard = fields.shard()?;
            let definition = definition::queue(fields)?;
            let name = fields.rest();
            let name = QueueName::new(name).map_err(|_| fields.bad("name"))?;
            Entry::QueueDeclared {
                queue,
                shard,
                definition,
                name,
            }
        }
        QUEUE_DELETED => Entry::QueueDeleted(fields.queue()?),
        EXCHANGE_DECLARED => {
            let lifetime = if definition::flag(fields, "lifetime")? {
                Lifetime::UntilUnused
            } else {
                Lifetime::Permanent
            };
            let definition = definition::exchange(fields)?;
            Entry::ExchangeDeclared {
                lifetime,
                definition,
                name: rest_name(fields)?,
            }
        }
        EXCHANGE_DELETED => Entry::ExchangeDeleted(rest_name(fields)?),
        BOUND => Entry::Bound(definition::binding(fields)?),
        UNBOUND => Entry::Unbound(definition::binding(fields)?),
        QUEUE_IDS => Entry::QueueIds {
            next: QueueId(fields.number("next id")?),
        },
        KEPT => Entry::Kept {
            queue: fields.queue()?,
            keeper: fields.queue()?,
        },
        LET_GO => Entry::LetGo {
            queue: fields.queue()?,
            keeper: fields.queue()?,
        },
        other => return Err(EntryError::UnknownKind(other)),
    })
}

fn rest_name(fields: &mut Fields<'_>) -> Result<ExchangeName, EntryError> {
    let name = fields.rest();
    ExchangeName::new(name).map_err(|_| fields.bad("name"))
}
