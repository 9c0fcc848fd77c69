//! Messages, as records keep them.
//!
//! ```text
//! dialect u8 · dialect flags u8 · bits u8 (1 persistent, 2 grouped, 4 has a ttl, 8 has a delay, 16 is to be retained,
//! 32 is shown as retained, 64 its head routes it, too) · priority u8 · [ ttl u64 ] · [ delay u64 ] · exchange length u8 ·
//! key length u32 · annotations length u32 · head length u32 · exchange · key · annotations · head · body (to the end)
//! ```

use super::EntryError;
use super::fields::{Fields, Put, count_u32};
use model::{Dialect, Envelope, Message, Parts, Persistence, Retain};

const PERSISTENT: u8 = 1;
const GROUPED: u8 = 2;
const HAS_TTL: u8 = 4;
const HAS_DELAY: u8 = 8;
const TO_BE_RETAINED: u8 = 16;
const RETAINED: u8 = 32;
const HEAD_ROUTES: u8 = 64;
const BITS: u8 =
    PERSISTENT | GROUPED | HAS_TTL | HAS_DELAY | TO_BE_RETAINED | RETAINED | HEAD_ROUTES;

pub(super) fn put(to: &mut Vec<u8>, message: &Message) {
    put_before_content(to, message);
    to.extend_from_slice(message.content());
}

/// All that comes before the message's content.
pub(super) fn put_before_content(to: &mut Vec<u8>, message: &Message) {
    let envelope = message.envelope();
    let bit = |is_set: bool, bit: u8| if is_set { bit } else { 0 };
    to.u8(envelope.dialect as u8);
    to.u8(envelope.dialect_flags);
    to.u8(
        bit(envelope.persistence == Persistence::Persistent, PERSISTENT)
            | bit(envelope.is_grouped, GROUPED)
            | bit(envelope.ttl_ms.is_some(), HAS_TTL)
            | bit(envelope.delay_ms > 0, HAS_DELAY)
            | bit(envelope.retain == Retain::Keep, TO_BE_RETAINED)
            | bit(envelope.retain == Retain::Shown, RETAINED)
            | bit(envelope.head_routes, HEAD_ROUTES),
    );
    to.u8(envelope.priority);
    envelope.ttl_ms.into_iter().for_each(|ttl| to.u64(ttl));
    if envelope.delay_ms > 0 {
        to.u64(envelope.delay_ms);
    }
    let exchange_len = message.exchange().len();
    to.u8(u8::try_from(exchange_len).expect("an exchange's name has at most 255 bytes"));
    to.u32(count_u32(message.key().len()));
    to.u32(count_u32(message.annotations().len()));
    to.u32(count_u32(message.head().len()));
}

/// Takes a message, which is all that is left.
pub(super) fn take(fields: &mut Fields<'_>) -> Result<Message, EntryError> {
    let dialect = Dialect::from_number(fields.u8("dialect")?).ok_or(fields.bad("dialect"))?;
    let dialect_flags = fields.u8("dialect flags")?;
    let bits = fields.u8("bits")?;
    if bits & !BITS != 0 {
        return Err(fields.bad("bits"));
    }
    let has = |bit: u8| bits & bit != 0;
    let retain = match (has(TO_BE_RETAINED), has(RETAINED)) {
        (false, false) => Retain::No,
        (true, false) => Retain::Keep,
        (false, true) => Retain::Shown,
        (true, true) => return Err(fields.bad("bits")),
    };
    let priority = fields.u8("priority")?;
    let ttl_ms = has(HAS_TTL).then(|| fields.u64("ttl")).transpose()?;
    let delay_ms = has(HAS_DELAY).then(|| fields.u64("delay")).transpose()?;
    if delay_ms == Some(0) {
        return Err(fields.bad("delay"));
    }
    let exchange_len = usize::from(fields.u8("exchange length")?);
    let key_len = fields.u32("key length")? as usize;
    let annotations_len = fields.u32("annotations length")? as usize;
    let head_len = fields.u32("head length")? as usize;
    let exchange = fields.bytes(exchange_len, "exchange")?;
    let key = fields.bytes(key_len, "key")?;
    let annotations = fields.bytes(annotations_len, "annotations")?;
    let head = fields.bytes(head_len, "head")?;
    let envelope = Envelope {
        dialect,
        dialect_flags,
        persistence: if has(PERSISTENT) {
            Persistence::Persistent
        } else {
            Persistence::Transient
        },
        priority,
        is_grouped: has(GROUPED),
        head_routes: has(HEAD_ROUTES),
        retain,
        ttl_ms,
        delay_ms: delay_ms.unwrap_or_default(),
    };
    Ok(Message::new(&Parts {
        envelope,
        exchange,
        key,
        annotations,
        head: &[head],
        body: fields.rest(),
    }))
}
