//! Records that may be a part of a group: what changes in the queues of a shard, and what is retained.

use super::fields::{Fields, Put, count_u32};
use super::{
    BEQUEATHED, ENQUEUED, EntryError, FORWARDED, NOTED, RETAINED, RETURNED, SETTLED, message,
};
use crate::estate::Bequeathed;
use crate::retained::Setting;
use broker_api::{Note, Will};
use model::{Address, Message, QueueId, Sequence, ShardId};
use queue::{Placement, Returned};

const QUEUE_EXPIRES: u8 = 1;
const HAS_WILL: u8 = 2;

const EXPIRES: u8 = 1;
const DELAYED: u8 = 2;

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

pub(super) fn change(fields: &mut Fields<'_>) -> Result<Change, EntryError> {
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

pub(super) fn noted(fields: &mut Fields<'_>) -> Result<Noted, EntryError> {
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

pub(super) fn enqueued(fields: &mut Fields<'_>) -> Result<Enqueued, EntryError> {
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
