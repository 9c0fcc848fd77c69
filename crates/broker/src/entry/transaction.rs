//! Records of transactions.

use super::change::{Change, Noted, change, encode_noted, noted};
use super::fields::{Fields, Put, count_u32};
use super::{
    ABORTED, COMMITTED, DECIDED, Entry, EntryError, FINISHED, PREPARED, PREPARED_WITH_NOTES,
    TRANSACTED, message,
};
use crate::transaction::{Prepared, PreparedNotes, PreparedPublish, PreparedSettle, TransactionId};
use model::{Outcome, ShardId};

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

pub(super) fn transaction(fields: &mut Fields<'_>) -> Result<Entry, EntryError> {
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
