//! The records of a shard's log: what a machine is rebuilt from.
//!
//! All numbers are little endian. A kind's layout never changes: another layout is another kind, and a
//! number is never given another meaning (1 to 6 had one before the first release).
//!
//! ```text
//! of shard 0
//! 16 QUEUE_DECLARED     queue u64 · shard u16 · definition · name (to the end)
//! 17 QUEUE_DELETED      queue u64
//! 18 EXCHANGE_DECLARED  until unused u8 · definition · name (to the end)
//! 19 EXCHANGE_DELETED   name (to the end)
//! 20 BOUND              binding
//! 21 UNBOUND            binding
//! 22 QUEUE_IDS          next queue id u64                                         in snapshots
//! 45 KEPT               queue u64 · keeper u64        the first does not end for want of use while the other is there
//! 46 LET_GO             queue u64 · keeper u64        that has ended, but with neither of them
//! of the queues of a shard
//! 23 ENQUEUED           count u32 · { queue u64 · sequence u64 · bits u8 (1 expires, 2 delayed) ·
//!                       [ expires u64 ] · [ available u64 ] } ... · message
//! 24 SETTLED            queue u64 · { first sequence u64 · last sequence u64 } ...  left the queue
//! 25 MARKED             queue u64 · sequence u64      up to here it may have been delivered
//! 26 QUEUE              queue u64 · next sequence u64 · mark u64                  in snapshots
//! 27 RETURNED           queue u64 · sequence u64 · count u32 · available u64 (0: at once)
//!                                                             a delivery failed, for the count-th time
//! between shards
//! 28 FORWARDED          id u64 · queue u64 · sequence u64 (both 0: none) · count u32 ·
//!                       { shard u16 · queue u64 } ... · message     left the queue, on its way to others
//! 29 FORWARDS_DONE      { id u64 } ...                              all others have it
//! 30 RECEIVED           shard u16 · id u64 · [ as ENQUEUED ]        came from another shard
//! 31 NUMBERS            next forward id u64 · next transaction u64                in snapshots
//! transactions
//! 32 TRANSACTED         group                                       takes effect as one
//! 33 PREPARED           transaction · publishes u32 · { count u32 · { queue u64 } ... · length u32 · message }
//!                       ... · settles u32 · { queue u64 · outcome u8 · count u32 · { sequence u64 } ... } ...
//! 34 COMMITTED          transaction · group                         what was prepared takes effect
//! 35 ABORTED            transaction                                 it does not
//! 36 DECIDED            number u64 · { shard u16 } ...              at the coordinator: it is to be committed
//! 37 FINISHED           number u64                                  all have committed it
//! pages, whose messages stand beside the log
//! 38 PAGED              page record      the messages that are in the queue stand in this page from now on
//! 39 PAGE               page record · count u32 · { first left u64 · last left u64 } ... ·
//!                       { sequence u64 · delivery count u32 · available u64 } ...     in snapshots
//! 40 PAGE_LEFT          queue u64 · page u64 · { sequence u64 } ...  all of the page left, but these
//! of the last message of a key
//! 41 RETAINED           version u64 · expires u64 (0: never) · message            without a body: there is none any more
//! what is kept beside a queue
//! 42 NOTED              queue u64 · { key length u32 · key · kept u8 [ value length u32 · value ] } ...
//! 43 BEQUEATHED         queue u64 · bits u8 (1 expires, 2 has a will) · [ expires u64 ] ·
//!                       [ delay u64 · message ]      what happens once its owner is gone
//! 44 PREPARED           as 33 · notes u32 · { length u32 · as NOTED } ...         where notes are changed, too
//! ```
//! A *transaction* is coordinator u16 · number u64. A *group* is { kind u8 · length u32 · record } ... of
//! kinds 23, 24, 27, 28, 41, 42 and 43. In kind 33 a message for no queue is to be retained, and in kind 28 one for the queue
//! 0x7FFFFFFFFFFFFFFF. Times are milliseconds since 1970. Definitions, bindings, messages and pages are drawn
//! in the modules that write them.

mod change;
mod definition;
mod fields;
mod message;
mod page;
#[cfg(test)]
mod tests;
mod topology;
mod transaction;

use crate::transaction::{Prepared, TransactionId};
use broker_api::Bind;
pub(crate) use change::{
    Change, Enqueued, Forwarded, encode_bequeathed, encode_enqueued,
    encode_enqueued_before_content, encode_forwarded, encode_noted, encode_retained,
    encode_retained_before_content, encode_returned, encode_settled,
};
use change::{change, enqueued};
use fields::{Fields, Put};
use model::{
    ExchangeDefinition, ExchangeName, Lifetime, Message, QueueDefinition, QueueId, QueueName,
    Sequence, ShardId,
};
pub(crate) use page::{
    decode_messages, encode_messages, encode_page, encode_page_left, encode_paged,
};
use queue::{PageRecord, PageState, Placement, PurgedPage};
use topology::topology;
pub(crate) use topology::{
    encode_binding, encode_exchange_declared, encode_exchange_deleted, encode_keep,
    encode_queue_declared, encode_queue_deleted, encode_queue_ids,
};
use transaction::transaction;
pub(crate) use transaction::{
    Group, encode_decided, encode_finished, encode_prepared, encode_prepared_with_notes,
    encode_transaction,
};

pub(crate) const QUEUE_DECLARED: u8 = 16;
pub(crate) const QUEUE_DELETED: u8 = 17;
pub(crate) const EXCHANGE_DECLARED: u8 = 18;
pub(crate) const EXCHANGE_DELETED: u8 = 19;
pub(crate) const BOUND: u8 = 20;
pub(crate) const UNBOUND: u8 = 21;
pub(crate) const QUEUE_IDS: u8 = 22;
pub(crate) const ENQUEUED: u8 = 23;
pub(crate) const SETTLED: u8 = 24;
pub(crate) const MARKED: u8 = 25;
pub(crate) const QUEUE: u8 = 26;
pub(crate) const RETURNED: u8 = 27;
pub(crate) const FORWARDED: u8 = 28;
pub(crate) const FORWARDS_DONE: u8 = 29;
pub(crate) const RECEIVED: u8 = 30;
pub(crate) const NUMBERS: u8 = 31;
pub(crate) const TRANSACTED: u8 = 32;
pub(crate) const PREPARED: u8 = 33;
pub(crate) const COMMITTED: u8 = 34;
pub(crate) const ABORTED: u8 = 35;
pub(crate) const DECIDED: u8 = 36;
pub(crate) const FINISHED: u8 = 37;
pub(crate) const PAGED: u8 = 38;
pub(crate) const PAGE: u8 = 39;
pub(crate) const PAGE_LEFT: u8 = 40;
pub(crate) const RETAINED: u8 = 41;
pub(crate) const NOTED: u8 = 42;
pub(crate) const BEQUEATHED: u8 = 43;
pub(crate) const PREPARED_WITH_NOTES: u8 = 44;
pub(crate) const KEPT: u8 = 45;
pub(crate) const LET_GO: u8 = 46;

/// A record, read back.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    QueueDeclared {
        queue: QueueId,
        shard: ShardId,
        definition: QueueDefinition,
        name: QueueName,
    },
    QueueDeleted(QueueId),
    ExchangeDeclared {
        name: ExchangeName,
        definition: ExchangeDefinition,
        lifetime: Lifetime,
    },
    ExchangeDeleted(ExchangeName),
    Bound(Bind),
    Unbound(Bind),
    QueueIds {
        next: QueueId,
    },
    Kept {
        queue: QueueId,
        keeper: QueueId,
    },
    LetGo {
        queue: QueueId,
        keeper: QueueId,
    },
    Marked {
        queue: QueueId,
        mark: Sequence,
    },
    Queue {
        queue: QueueId,
        next: Sequence,
        mark: Sequence,
    },
    Change(Change),
    ForwardsDone(Vec<u64>),
    Received {
        from: ShardId,
        id: u64,
        enqueued: Option<Enqueued>,
    },
    Numbers {
        next_forward: u64,
        next_transaction: u64,
    },
    Transacted(Vec<Change>),
    Prepared(TransactionId, Prepared),
    Committed(TransactionId, Vec<Change>),
    Aborted(TransactionId),
    Decided {
        number: u64,
        shards: Vec<ShardId>,
    },
    Finished {
        number: u64,
    },
    Paged(QueueId, PageRecord),
    Page(QueueId, PageState),
    PageLeft(QueueId, PurgedPage),
}

/// Why a record makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// The kind is of a later version, or none.
    #[error("the record's kind {0} is unknown to this version")]
    UnknownKind(u8),
    /// The record's content does not fit its kind.
    #[error("a record of kind {kind} has a bad {field}")]
    BadField {
        /// The kind.
        kind: u8,
        /// What is wrong with it.
        field: &'static str,
    },
}

pub(crate) fn encode_marked(to: &mut Vec<u8>, queue: QueueId, mark: Sequence) {
    to.u64(queue.0);
    to.u64(mark.0);
}

pub(crate) fn encode_queue(to: &mut Vec<u8>, queue: QueueId, next: Sequence, mark: Sequence) {
    encode_marked(to, queue, next);
    to.u64(mark.0);
}

pub(crate) fn encode_forwards_done(to: &mut Vec<u8>, ids: &[u64]) {
    ids.iter().for_each(|id| to.u64(*id));
}

pub(crate) fn encode_received(
    to: &mut Vec<u8>,
    from: ShardId,
    id: u64,
    enqueued: Option<(&[(QueueId, Placement)], &Message)>,
) {
    to.u16(from.0);
    to.u64(id);
    if let Some((places, message)) = enqueued {
        encode_enqueued(to, places, message);
    }
}

pub(crate) fn encode_numbers(to: &mut Vec<u8>, next_forward: u64, next_transaction: u64) {
    to.u64(next_forward);
    to.u64(next_transaction);
}

impl Entry {
    pub(crate) fn decode(kind: u8, payload: &[u8]) -> Result<Self, EntryError> {
        let mut fields = Fields {
            kind,
            left: payload,
        };
        let entry = match kind {
            QUEUE_DECLARED..=QUEUE_IDS | KEPT | LET_GO => topology(&mut fields)?,
            ENQUEUED | SETTLED | RETURNED | FORWARDED | RETAINED | NOTED | BEQUEATHED => {
                Self::Change(change(&mut fields)?)
            }
            MARKED => Self::Marked {
                queue: fields.queue()?,
                mark: fields.sequence()?,
            },
            QUEUE => Self::Queue {
                queue: fields.queue()?,
                next: fields.sequence()?,
                mark: fields.sequence()?,
            },
            FORWARDS_DONE => {
                let mut ids = Vec::with_capacity(fields.left.len() / 8);
                while !fields.left.is_empty() {
                    ids.push(fields.number("id")?);
                }
                Self::ForwardsDone(ids)
            }
            RECEIVED => Self::Received {
                from: fields.shard()?,
                id: fields.number("id")?,
                enqueued: if fields.left.is_empty() {
                    None
                } else {
                    Some(enqueued(&mut fields)?)
                },
            },
            NUMBERS => Self::Numbers {
                next_forward: fields.number("next forward")?,
                next_transaction: fields.number("next transaction")?,
            },
            TRANSACTED..=FINISHED | PREPARED_WITH_NOTES => transaction(&mut fields)?,
            PAGED => {
                let (queue, record) = page::paged(&mut fields)?;
                Self::Paged(queue, record)
            }
            PAGE => {
                let (queue, state) = page::page(&mut fields)?;
                Self::Page(queue, state)
            }
            PAGE_LEFT => {
                let (queue, purged) = page::page_left(&mut fields)?;
                Self::PageLeft(queue, purged)
            }
            other => return Err(EntryError::UnknownKind(other)),
        };
        fields.end()?;
        Ok(entry)
    }
}
