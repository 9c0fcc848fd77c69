//! The deaths of a message as headers, as RabbitMQ writes them.

use super::routing::is_hidden;
use crate::frame::FRAME_OVERHEAD_BYTES;
use crate::{FieldValue, Properties, PropertyList, ShortStr, TableBuf};
use bytes::BytesMut;
use model::{Death, Deaths, Message, Value};

const X_DEATH: &[u8] = b"x-death";

/// A content header beside its properties: class, weight, length of the body.
const CONTENT_HEADER_BYTES: usize = 12;

/// A header whose value has a length, beside its name and what it holds: two lengths and the type.
const FIELD_BYTES: usize = 6;

/// What else may come beside the properties as they were: the length of the headers, and `x-delivery-count`.
const ADDED_BYTES: usize = 4 + 26;

/// Whether a header of a dead letter is the broker's own. One that a client has set in the message before is not
/// delivered: nobody can forge these.
pub(super) fn is_of_deaths(name: &[u8]) -> bool {
    name == X_DEATH || Summary::of(name).is_some()
}

/// A header that tells of the first death, or of the last.
#[derive(Clone, Copy)]
enum Summary {
    FirstQueue,
    FirstReason,
    FirstExchange,
    LastQueue,
    LastReason,
    LastExchange,
}

impl Summary {
    const ALL: [Self; 6] = [
        Self::FirstQueue,
        Self::FirstReason,
        Self::FirstExchange,
        Self::LastQueue,
        Self::LastReason,
        Self::LastExchange,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::FirstQueue => "x-first-death-queue",
            Self::FirstReason => "x-first-death-reason",
            Self::FirstExchange => "x-first-death-exchange",
            Self::LastQueue => "x-last-death-queue",
            Self::LastReason => "x-last-death-reason",
            Self::LastExchange => "x-last-death-exchange",
        }
    }

    fn of(name: &[u8]) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|it| it.name().as_bytes() == name)
    }

    fn value(self, deaths: &Deaths) -> Option<&[u8]> {
        let (first, last) = (deaths.first()?, deaths.iter().next()?);
        Some(match self {
            Self::FirstQueue => &first.queue,
            Self::FirstReason => first.reason.word().as_bytes(),
            Self::FirstExchange => &first.exchange,
            Self::LastQueue => &last.queue,
            Self::LastReason => last.reason.word().as_bytes(),
            Self::LastExchange => deaths.last_exchange(),
        })
    }
}

/// The value of a header that tells of the first death, or of the last.
pub(super) fn value_of_death(message: &Message, name: &[u8]) -> Option<Value<'static>> {
    let deaths = Deaths::decode(message.annotations())?;
    let value = Summary::of(name)?.value(&deaths)?.to_vec();
    Some(Value::Text(value.into()))
}

/// Appends the properties of a dead letter that came by AMQP: what its publisher said, without `expiration`, and how it
/// died. In a frame of at most so many bytes, if the rest leaves room for that.
pub(super) fn put_dead_properties(
    buffer: &mut BytesMut,
    message: &Message,
    frame_bytes_max: usize,
) {
    let list = Properties::checked(message.head()).fields();
    let mut headers = TableBuf::new();
    for (name, value) in list.headers.iter().flat_map(|it| it.iter()) {
        let is_left_out = is_of_deaths(name) || is_hidden(name, message.envelope());
        if let (false, Ok(name)) = (is_left_out, ShortStr::new(name)) {
            headers.push(name, &value);
        }
    }
    let room = room_beside(message.head().len(), frame_bytes_max);
    push_deaths(&mut headers, message.annotations(), room);
    let list = PropertyList {
        headers: headers.as_table().ok().filter(|it| !it.is_empty()),
        expiration: None,
        ..list
    };
    list.put(buffer);
}

/// The bytes that properties of this length leave for the headers of deaths, in one frame with all of them.
pub(super) const fn room_beside(properties_len: usize, frame_bytes_max: usize) -> usize {
    let beside = FRAME_OVERHEAD_BYTES + CONTENT_HEADER_BYTES + ADDED_BYTES;
    frame_bytes_max.saturating_sub(beside + properties_len)
}

/// Appends the headers that tell what the annotations do, if that is how a message died, in so many bytes: a content header
/// cannot be split, so further keys, and the oldest deaths but the first of all, are left out that have no room.
pub(super) fn push_deaths(headers: &mut TableBuf, annotations: &[u8], room: usize) {
    let Some(deaths) = Deaths::decode(annotations) else {
        return;
    };
    let Some(first) = deaths.first() else {
        return;
    };
    let summaries = Summary::ALL.iter().filter_map(|it| {
        let value = it.value(&deaths)?;
        Some(FIELD_BYTES + it.name().len() + value.len())
    });
    let fixed = summaries.sum::<usize>() + FIELD_BYTES + X_DEATH.len();
    let mut left = room.saturating_sub(fixed);
    let first_table = table_within(first, deaths.original_ttl_ms(), left);
    left = left.saturating_sub(value_bytes(&first_table));
    let mut list = TableBuf::new();
    for death in deaths.iter() {
        if std::ptr::eq(death, first) {
            push_table(&mut list, &first_table);
            continue;
        }
        let table = table_within(death, None, left);
        match left.checked_sub(value_bytes(&table)) {
            Some(rest) => {
                left = rest;
                push_table(&mut list, &table);
            }
            // Those behind are older.
            None => left = 0,
        }
    }
    let mut push = |name, value: &FieldValue<'_>| {
        if let Ok(name) = ShortStr::new(name) {
            headers.push(name, value);
        }
    };
    if let Ok(list) = list.as_array() {
        push(X_DEATH, &FieldValue::Array(list));
    }
    for summary in Summary::ALL {
        if let Some(value) = summary.value(&deaths) {
            push(summary.name().as_bytes(), &FieldValue::LongString(value));
        }
    }
}

fn push_table(list: &mut TableBuf, table: &TableBuf) {
    if let Ok(table) = table.as_table() {
        list.push_value(&FieldValue::Table(table));
    }
}

/// The length of a table as a value, with its type and the length of its fields.
fn value_bytes(table: &TableBuf) -> usize {
    table.len() + 5
}

/// A death as it is told in so many bytes, if need be without further keys.
fn table_within(death: &Death, original_expiration: Option<u64>, room: usize) -> TableBuf {
    let table = table_of(death, original_expiration, usize::MAX);
    if value_bytes(&table) <= room || death.further_keys.is_empty() {
        return table;
    }
    table_of(death, original_expiration, 1)
}

/// A death as it is told, with so many of its keys at most.
fn table_of(death: &Death, original_expiration: Option<u64>, keys_max: usize) -> TableBuf {
    let mut table = TableBuf::new();
    let mut push = |name: &str, value: &FieldValue<'_>| table.push(ShortStr::cut(name), value);
    if let Some(ttl_ms) = original_expiration {
        let digits = ttl_ms.to_string();
        push(
            "original-expiration",
            &FieldValue::LongString(digits.as_bytes()),
        );
    }
    let count = i64::try_from(death.count).unwrap_or(i64::MAX);
    push("count", &FieldValue::SignedLong(count));
    let reason = death.reason.word().as_bytes();
    push("reason", &FieldValue::LongString(reason));
    push("queue", &FieldValue::LongString(&death.queue));
    push("time", &FieldValue::Timestamp(death.time_ms / 1_000));
    push("exchange", &FieldValue::LongString(&death.exchange));
    let mut keys = TableBuf::new();
    for key in death.keys().take(keys_max) {
        keys.push_value(&FieldValue::LongString(key));
    }
    if let Ok(keys) = keys.as_array() {
        push("routing-keys", &FieldValue::Array(keys));
    }
    table
}
