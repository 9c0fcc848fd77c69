//! Pages of messages: as the log tells of them, and what stands in them.
//!
//! ```text
//! record  queue u64 · page u64 · lane u8 · bits u8 (1 expires, 2 delayed) · cost u64 · body bytes u64 ·
//!         [ first to expire u64 ] · [ first to be available u64 ] · members length u32 · members
//! page    queue u64 · { sequence u64 · bits u8 (1 expires, 2 delayed, 4 redelivered) · [ expires u64 ] ·
//!         [ available u64 ] · delivery count u32 · acquired count u32 · length u32 · message } ...
//! ```
//! In a page, moments are nanoseconds since 1970: it is read back by the process that wrote it as a rule.

use super::fields::{Fields, Put, count_u32};
use super::{EntryError, message};
use model::{Instant, PageNumber, QueueId};
use queue::{Members, PageOut, PageRecord, PageState, Paged, Placement, PurgedPage, Returned};
use std::time::Duration;

const EXPIRES: u8 = 1;
const DELAYED: u8 = 2;
const REDELIVERED: u8 = 4;

/// What a page's payload is called in errors, as it has no kind.
const PAGE_PAYLOAD: u8 = 0;

/// For `PAGED`.
pub(crate) fn encode_paged(to: &mut Vec<u8>, queue: QueueId, record: &PageRecord) {
    let bit = |moment: Option<Instant>, bit: u8| if moment.is_some() { bit } else { 0 };
    to.u64(queue.0);
    to.u64(record.page.0);
    to.u8(record.lane);
    to.u8(bit(record.expires_first, EXPIRES) | bit(record.available_first, DELAYED));
    to.u64(record.cost_bytes);
    to.u64(record.body_bytes);
    let moments = record
        .expires_first
        .into_iter()
        .chain(record.available_first);
    moments.for_each(|moment| to.u64(nanos(moment)));
    let at = to.len();
    to.u32(0);
    record.members.encode(to);
    let length = count_u32(to.len() - at - 4);
    to[at..at + 4].copy_from_slice(&length.to_le_bytes());
}

/// For `PAGE`: the record, what has left, and what has come back with a count.
pub(crate) fn encode_page(to: &mut Vec<u8>, queue: QueueId, state: &PageState) {
    encode_paged(to, queue, &state.record);
    to.u32(count_u32(state.gone.len()));
    for (first, last) in &state.gone {
        to.u64(first.0);
        to.u64(last.0);
    }
    for returned in &state.returned {
        to.u64(returned.sequence.0);
        to.u32(returned.delivery_count);
        to.u64(returned.available_at.map_or(0, nanos));
    }
}

/// For `PAGE_LEFT`.
pub(crate) fn encode_page_left(to: &mut Vec<u8>, queue: QueueId, purged: &PurgedPage) {
    to.u64(queue.0);
    to.u64(purged.page.0);
    purged.except.iter().for_each(|except| to.u64(except.0));
}

pub(super) fn paged(fields: &mut Fields<'_>) -> Result<(QueueId, PageRecord), EntryError> {
    let queue = fields.queue()?;
    let page = PageNumber(fields.number("page")?);
    let lane = fields.u8("lane")?;
    let bits = fields.u8("bits")?;
    if bits & !(EXPIRES | DELAYED) != 0 {
        return Err(fields.bad("bits"));
    }
    let cost_bytes = fields.u64("cost")?;
    let body_bytes = fields.u64("body bytes")?;
    let expires_first = moment_if(fields, bits & EXPIRES != 0)?;
    let available_first = moment_if(fields, bits & DELAYED != 0)?;
    let members = fields.long("members")?;
    let members = Members::decode(members).ok_or(fields.bad("members"))?;
    let record = PageRecord {
        page,
        lane,
        members,
        cost_bytes,
        body_bytes,
        expires_first,
        available_first,
    };
    Ok((queue, record))
}

pub(super) fn page(fields: &mut Fields<'_>) -> Result<(QueueId, PageState), EntryError> {
    let (queue, record) = paged(fields)?;
    let mut gone = Vec::new();
    for _ in 0..fields.u32("gone")? {
        let (first, last) = (fields.sequence()?, fields.sequence()?);
        if first > last {
            return Err(fields.bad("range"));
        }
        gone.push((first, last));
    }
    let mut returned = Vec::new();
    while !fields.left.is_empty() {
        let sequence = fields.sequence()?;
        let delivery_count = fields.u32("count")?;
        let available_at = fields.u64("available")?;
        returned.push(Returned {
            sequence,
            delivery_count,
            available_at: (available_at > 0).then(|| moment(available_at)),
        });
    }
    let state = PageState {
        record,
        gone,
        returned,
    };
    Ok((queue, state))
}

pub(super) fn page_left(fields: &mut Fields<'_>) -> Result<(QueueId, PurgedPage), EntryError> {
    let queue = fields.queue()?;
    let page = PageNumber(fields.number("page")?);
    let mut except = Vec::new();
    while !fields.left.is_empty() {
        except.push(fields.sequence()?);
    }
    let purged = PurgedPage {
        page,
        count: 0,
        except,
    };
    Ok((queue, purged))
}

/// What is written to a page.
pub(crate) fn encode_messages(to: &mut Vec<u8>, queue: QueueId, out: &PageOut) {
    to.u64(queue.0);
    for paged in &out.messages {
        let place = paged.placement;
        let bit = |is_set: bool, bit: u8| if is_set { bit } else { 0 };
        to.u64(place.sequence.0);
        to.u8(bit(place.expires_at.is_some(), EXPIRES)
            | bit(place.available_at.is_some(), DELAYED)
            | bit(paged.redelivered, REDELIVERED));
        let moments = place.expires_at.into_iter().chain(place.available_at);
        moments.for_each(|moment| to.u64(nanos(moment)));
        to.u32(paged.delivery_count);
        to.u32(paged.acquired_count);
        let at = to.len();
        to.u32(0);
        message::put(to, &paged.message);
        let length = count_u32(to.len() - at - 4);
        to[at..at + 4].copy_from_slice(&length.to_le_bytes());
    }
}

/// What was written to a page of a queue.
pub(crate) fn decode_messages(queue: QueueId, payload: &[u8]) -> Result<Vec<Paged>, EntryError> {
    let mut fields = Fields {
        kind: PAGE_PAYLOAD,
        left: payload,
    };
    if fields.queue()? != queue {
        return Err(fields.bad("queue"));
    }
    let mut messages = Vec::new();
    while !fields.left.is_empty() {
        messages.push(decode_message(&mut fields)?);
    }
    Ok(messages)
}

fn decode_message(fields: &mut Fields<'_>) -> Result<Paged, EntryError> {
    let sequence = fields.sequence()?;
    let bits = fields.u8("bits")?;
    if bits & !(EXPIRES | DELAYED | REDELIVERED) != 0 {
        return Err(fields.bad("bits"));
    }
    let expires_at = moment_if(fields, bits & EXPIRES != 0)?;
    let available_at = moment_if(fields, bits & DELAYED != 0)?;
    let delivery_count = fields.u32("delivery count")?;
    let acquired_count = fields.u32("acquired count")?;
    let mut message = Fields {
        kind: PAGE_PAYLOAD,
        left: fields.long("message")?,
    };
    Ok(Paged {
        placement: Placement {
            sequence,
            expires_at,
            available_at,
        },
        redelivered: bits & REDELIVERED != 0,
        delivery_count,
        acquired_count,
        message: message::take(&mut message)?,
    })
}

fn moment_if(fields: &mut Fields<'_>, is_there: bool) -> Result<Option<Instant>, EntryError> {
    is_there
        .then(|| fields.u64("moment").map(moment))
        .transpose()
}

fn moment(nanos: u64) -> Instant {
    Instant::from_elapsed(Duration::from_nanos(nanos))
}

fn nanos(moment: Instant) -> u64 {
    u64::try_from(moment.elapsed().as_nanos()).unwrap_or(u64::MAX)
}
