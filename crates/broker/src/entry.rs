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

mod definition;
mod fields;
mod message;
mod page;
#[cfg(test)]
mod tests;

use crate::estate::Bequeathed;
use crate::retained::Setting;
use crate::transaction::{Prepared, PreparedNotes, PreparedPublish, PreparedSettle, TransactionId};
use broker_api::{Bind, Note, Will};
use fields::{Fields, Put, count_u32};
use model::{
    Address, ExchangeDefinition, ExchangeName, Lifetime, Message, Outcome, QueueDefinition,
    QueueId, QueueName, Sequence, ShardId,
};
pub(crate) use page::{
    decode_messages, encode_messages, encode_page, encode_page_left, encode_paged,
};
use queue::{PageRecord, PageState, Placement, PurgedPage, Returned};

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

const QUEUE_EXPIRES: u8 = 1;
const HAS_WILL: u8 = 2;

const EXPIRES: u8 = 1;
const DELAYED: u8 = 2;

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

/// What may be a part of a group.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Enqueued(Enqueued),
    Settled {
        queue: QueueId,
        ranges: Vec<(Sequence, Sequence)>,
    },
    Returned(QueueId, Returned),
    Forwarded(Forwarded),
    Retained(Setting),
    Noted(Noted),
    Bequeathed(QueueId, Bequeathed),
}

/// Notes of a queue that were changed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Noted {
    pub(crate) queue: QueueId,
    pub(crate) entries: Vec<Note>,
}

/// A message that has come to queues of one shard.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Enqueued {
    pub(crate) places: Vec<(QueueId, Placement)>,
    pub(crate) message: Message,
}

/// A message that is on its way to queues of other shards.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Forwarded {
    pub(crate) id: u64,
    /// The place that it left, if it stood in the log.
    pub(crate) source: Option<(QueueId, Sequence)>,
    pub(crate) to: Vec<(ShardId, QueueId)>,
    pub(crate) message: Message,
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

/// For [`ENQUEUED`].
pub(crate) fn encode_enqueued(
    to: &mut Vec<u8>,
    places: &[(QueueId, Placement)],
    message: &Message,
) {
    encode_enqueued_before_content(to, places, message);
    to.extend_from_slice(message.content());
}

/// The same but for the message's content, which is to follow.
pub(crate) fn encode_enqueued_before_content(
    to: &mut Vec<u8>,
    places: &[(QueueId, Placement)],
    message: &Message,
) {
    to.u32(count_u32(places.len()));
    for (queue, place) in places {
        let expires = if place.expires_at.is_some() {
            EXPIRES
        } else {
            0
        };
        let delayed = if place.available_at.is_some() {
            DELAYED
        } else {
            0
        };
        to.u64(queue.0);
        to.u64(place.sequence.0);
        to.u8(expires | delayed);
        for moment in place.expires_at.into_iter().chain(place.available_at) {
            to.u64(moment.millis());
        }
    }
    message::put_before_content(to, message);
}

/// Encodes the sequences, which ascend, as ranges.
pub(crate) fn encode_settled(to: &mut Vec<u8>, queue: QueueId, sequences: &[Sequence]) {
    to.u64(queue.0);
    for run in sequences.chunk_by(|one, other| one.next() == *other) {
        if let [first, ..] = run
            && let [.., last] = run
        {
            to.u64(first.0);
            to.u64(last.0);
        }
    }
}

pub(crate) fn encode_marked(to: &mut Vec<u8>, queue: QueueId, mark: Sequence) {
    to.u64(queue.0);
    to.u64(mark.0);
}

pub(crate) fn encode_queue(to: &mut Vec<u8>, queue: QueueId, next: Sequence, mark: Sequence) {
    encode_marked(to, queue, next);
    to.u64(mark.0);
}

pub(crate) fn encode_returned(to: &mut Vec<u8>, queue: QueueId, returned: &Returned) {
    to.u64(queue.0);
    to.u64(returned.sequence.0);
    to.u32(returned.delivery_count);
    to.u64(returned.available_at.map_or(0, |at| at.millis()));
}

pub(crate) fn encode_forwarded(to: &mut Vec<u8>, forwarded: &Forwarded) {
    let (queue, sequence) = forwarded.source.unwrap_or_default();
    to.u64(forwarded.id);
    to.u64(queue.0);
    to.u64(sequence.0);
    to.u32(count_u32(forwarded.to.len()));
    for (shard, queue) in &forwarded.to {
        to.u16(shard.0);
        to.u64(queue.0);
    }
    message::put(to, &forwarded.message);
}

/// For [`RETAINED`].
pub(crate) fn encode_retained(to: &mut Vec<u8>, setting: &Setting) {
    encode_retained_before_content(to, setting);
    to.extend_from_slice(setting.message.content());
}

/// The same but for the message's content, which is to follow.
pub(crate) fn encode_retained_before_content(to: &mut Vec<u8>, setting: &Setting) {
    to.u64(setting.version);
    to.u64(setting.expires_at.map_or(0, |at| at.millis()));
    message::put_before_content(to, &setting.message);
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

/// Changes that take effect together, encoded one by one.
#[derive(Debug, Default)]
pub(crate) struct Group(Vec<u8>);

impl Group {
    pub(crate) fn push(&mut self, kind: u8, encode: impl FnOnce(&mut Vec<u8>)) {
        self.0.u8(kind);
        let at = self.0.len();
        self.0.u32(0);
        encode(&mut self.0);
        let length = count_u32(self.0.len() - at - 4);
        self.0[at..at + 4].copy_from_slice(&length.to_le_bytes());
    }

    /// For `TRANSACTED`.
    pub(crate) fn encode(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(&self.0);
    }
}

/// For `ABORTED`; `COMMITTED` goes on with its group.
pub(crate) fn encode_transaction(to: &mut Vec<u8>, id: TransactionId) {
    to.u16(id.coordinator.0);
    to.u64(id.number);
}

/// For [`NOTED`].
pub(crate) fn encode_noted(to: &mut Vec<u8>, queue: QueueId, entries: &[Note]) {
    to.u64(queue.0);
    for Note { key, value } in entries {
        to.long(key);
        to.u8(u8::from(value.is_some()));
        value.iter().for_each(|value| to.long(value));
    }
}

/// For [`BEQUEATHED`].
pub(crate) fn encode_bequeathed(
    to: &mut Vec<u8>,
    queue: QueueId,
    expires_ms: Option<u64>,
    will: Option<&Will>,
) {
    let expires = if expires_ms.is_some() {
        QUEUE_EXPIRES
    } else {
        0
    };
    let has_will = if will.is_some() { HAS_WILL } else { 0 };
    to.u64(queue.0);
    to.u8(expires | has_will);
    expires_ms.into_iter().for_each(|expires| to.u64(expires));
    if let Some(will) = will {
        to.u64(will.delay_ms);
        message::put(to, &will.message);
    }
}

/// For [`PREPARED_WITH_NOTES`].
pub(crate) fn encode_prepared_with_notes(to: &mut Vec<u8>, id: TransactionId, prepared: &Prepared) {
    encode_prepared(to, id, prepared);
    to.u32(count_u32(prepared.notes.len()));
    for notes in &prepared.notes {
        let at = to.len();
        to.u32(0);
        encode_noted(to, notes.queue, &notes.entries);
        let length = count_u32(to.len() - at - 4);
        to[at..at + 4].copy_from_slice(&length.to_le_bytes());
    }
}

/// For [`PREPARED`], which says nothing of notes.
pub(crate) fn encode_prepared(to: &mut Vec<u8>, id: TransactionId, prepared: &Prepared) {
    encode_transaction(to, id);
    to.u32(count_u32(prepared.publishes.len()));
    for publish in &prepared.publishes {
        to.u32(count_u32(publish.queues.len()));
        publish.queues.iter().for_each(|queue| to.u64(queue.0));
        let at = to.len();
        to.u32(0);
        message::put(to, &publish.message);
        let length = count_u32(to.len() - at - 4);
        to[at..at + 4].copy_from_slice(&length.to_le_bytes());
    }
    to.u32(count_u32(prepared.settles.len()));
    for settle in &prepared.settles {
        to.u64(settle.queue.0);
        to.u8(match settle.outcome {
            Outcome::Accept => 0,
            Outcome::Reject => 1,
            Outcome::Release => 2,
            Outcome::Fail => 3,
        });
        to.u32(count_u32(settle.sequences.len()));
        settle
            .sequences
            .iter()
            .for_each(|sequence| to.u64(sequence.0));
    }
}

pub(crate) fn encode_decided(to: &mut Vec<u8>, number: u64, shards: impl Iterator<Item = ShardId>) {
    to.u64(number);
    shards.for_each(|shard| to.u16(shard.0));
}

pub(crate) fn encode_finished(to: &mut Vec<u8>, number: u64) {
    to.u64(number);
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

fn topology(fields: &mut Fields<'_>) -> Result<Entry, EntryError> {
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

fn change(fields: &mut Fields<'_>) -> Result<Change, EntryError> {
    Ok(match fields.kind {
        ENQUEUED => Change::Enqueued(enqueued(fields)?),
        SETTLED => {
            let queue = fields.queue()?;
            let mut ranges = Vec::with_capacity(fields.left.len() / 16);
            while !fields.left.is_empty() {
                let (first, last) = (fields.number("first")?, fields.number("last")?);
                if first > last {
                    return Err(fields.bad("range"));
                }
                ranges.push((Sequence(first), Sequence(last)));
            }
            Change::Settled { queue, ranges }
        }
        RETURNED => {
            let queue = fields.queue()?;
            let sequence = fields.sequence()?;
            let delivery_count = fields.u32("count")?;
            let available_at = fields.moment("available")?;
            let is_delayed = available_at.millis() > 0;
            Change::Returned(
                queue,
                Returned {
                    sequence,
                    delivery_count,
                    available_at: is_delayed.then_some(available_at),
                },
            )
        }
        FORWARDED => {
            let id = fields.number("id")?;
            let (queue, sequence) = (fields.queue()?, fields.sequence()?);
            let count = fields.u32("count")?;
            let mut to = Vec::new();
            for _ in 0..count {
                to.push((fields.shard()?, fields.queue()?));
            }
            Change::Forwarded(Forwarded {
                id,
                source: (sequence.0 > 0).then_some((queue, sequence)),
                to,
                message: message::take(fields)?,
            })
        }
        RETAINED => Change::Retained(retained(fields)?),
        NOTED => Change::Noted(noted(fields)?),
        BEQUEATHED => bequeathed(fields)?,
        other => return Err(EntryError::UnknownKind(other)),
    })
}

fn retained(fields: &mut Fields<'_>) -> Result<Setting, EntryError> {
    let version = fields.number("version")?;
    let expires_at = fields.moment("expires")?;
    let message = message::take(fields)?;
    if message.exchange() != Address::TOPIC_EXCHANGE {
        return Err(fields.bad("exchange"));
    }
    Ok(Setting {
        version,
        expires_at: (expires_at.millis() > 0).then_some(expires_at),
        message,
    })
}

fn noted(fields: &mut Fields<'_>) -> Result<Noted, EntryError> {
    let queue = fields.queue()?;
    let mut entries = Vec::new();
    while !fields.left.is_empty() {
        let key = fields.long("key")?.into();
        let value = match fields.u8("kept")? {
            0 => None,
            1 => Some(fields.long("value")?.into()),
            _ => return Err(fields.bad("kept")),
        };
        entries.push(Note { key, value });
    }
    Ok(Noted { queue, entries })
}

fn bequeathed(fields: &mut Fields<'_>) -> Result<Change, EntryError> {
    let queue = fields.queue()?;
    let bits = fields.u8("bits")?;
    if bits & !(QUEUE_EXPIRES | HAS_WILL) != 0 {
        return Err(fields.bad("bits"));
    }
    let expires_ms = (bits & QUEUE_EXPIRES != 0)
        .then(|| fields.u64("expires"))
        .transpose()?;
    let will = if bits & HAS_WILL == 0 {
        None
    } else {
        Some(Will {
            delay_ms: fields.u64("delay")?,
            message: message::take(fields)?,
        })
    };
    Ok(Change::Bequeathed(queue, Bequeathed { expires_ms, will }))
}

fn enqueued(fields: &mut Fields<'_>) -> Result<Enqueued, EntryError> {
    let count = fields.u32("count")?;
    let mut places = Vec::new();
    for _ in 0..count {
        let queue = fields.queue()?;
        let sequence = fields.sequence()?;
        let bits = fields.u8("bits")?;
        if bits & !(EXPIRES | DELAYED) != 0 {
            return Err(fields.bad("bits"));
        }
        let mut moment = |bit, name| (bits & bit != 0).then(|| fields.moment(name)).transpose();
        let place = Placement {
            sequence,
            expires_at: moment(EXPIRES, "expires")?,
            available_at: moment(DELAYED, "available")?,
        };
        places.push((queue, place));
    }
    Ok(Enqueued {
        places,
        message: message::take(fields)?,
    })
}

fn transaction(fields: &mut Fields<'_>) -> Result<Entry, EntryError> {
    Ok(match fields.kind {
        TRANSACTED => Entry::Transacted(group(fields)?),
        PREPARED | PREPARED_WITH_NOTES => {
            Entry::Prepared(transaction_id(fields)?, prepared(fields)?)
        }
        COMMITTED => Entry::Committed(transaction_id(fields)?, group(fields)?),
        ABORTED => Entry::Aborted(transaction_id(fields)?),
        DECIDED => {
            let number = fields.number("number")?;
            let mut shards = Vec::new();
            while !fields.left.is_empty() {
                shards.push(fields.shard()?);
            }
            Entry::Decided { number, shards }
        }
        FINISHED => Entry::Finished {
            number: fields.number("number")?,
        },
        other => return Err(EntryError::UnknownKind(other)),
    })
}

fn transaction_id(fields: &mut Fields<'_>) -> Result<TransactionId, EntryError> {
    Ok(TransactionId {
        coordinator: fields.shard()?,
        number: fields.number("number")?,
    })
}

/// The changes of a group, none of which is a group.
fn group(fields: &mut Fields<'_>) -> Result<Vec<Change>, EntryError> {
    let mut changes = Vec::new();
    while !fields.left.is_empty() {
        let kind = fields.u8("kind")?;
        let left = fields.long("record")?;
        let mut inner = Fields { kind, left };
        changes.push(change(&mut inner)?);
        inner.end()?;
    }
    Ok(changes)
}

fn prepared(fields: &mut Fields<'_>) -> Result<Prepared, EntryError> {
    let mut prepared = Prepared::default();
    for _ in 0..fields.u32("publishes")? {
        let count = fields.u32("count")?;
        let mut queues = Vec::new();
        for _ in 0..count {
            queues.push(fields.queue()?);
        }
        let left = fields.long("message")?;
        let mut inner = Fields {
            kind: fields.kind,
            left,
        };
        let message = message::take(&mut inner)?;
        prepared.publishes.push(PreparedPublish { queues, message });
    }
    for _ in 0..fields.u32("settles")? {
        let queue = fields.queue()?;
        let outcome = match fields.u8("outcome")? {
            0 => Outcome::Accept,
            1 => Outcome::Reject,
            2 => Outcome::Release,
            3 => Outcome::Fail,
            _ => return Err(fields.bad("outcome")),
        };
        let count = fields.u32("count")?;
        let mut sequences = Vec::new();
        for _ in 0..count {
            sequences.push(fields.sequence()?);
        }
        prepared.settles.push(PreparedSettle {
            queue,
            outcome,
            sequences,
        });
    }
    if fields.kind == PREPARED_WITH_NOTES {
        for _ in 0..fields.u32("notes")? {
            let left = fields.long("notes")?;
            let mut inner = Fields {
                kind: fields.kind,
                left,
            };
            let Noted { queue, entries } = noted(&mut inner)?;
            prepared.notes.push(PreparedNotes {
                queue,
                subscriber: None,
                entries,
            });
        }
    }
    Ok(prepared)
}
