//! The headers that have a say in where and when a message goes: `CC` and `BCC`, further routing keys, and `x-delay`.

use super::deaths::put_dead_properties;
use super::value::value_of;
use crate::session::Failure;
use crate::{
    Array, FieldValue, MethodId, Properties, PropertyList, ReplyCode, ShortStr, Table, TableBuf,
    basic,
};
use broker_api::AskedDelay;
use bytes::BytesMut;
use model::{Envelope, Message, Value};

/// What the envelope notes of a head: it has a header `BCC`, which nobody is shown.
const FLAG_HAS_BCC: u8 = 1;

/// The most keys that `CC` and `BCC` may name together. Each is one more look-up for who publishes, and may find all
/// that is bound.
const FURTHER_KEYS_MAX: usize = 256;

const CC: &[u8] = b"CC";
const BCC: &[u8] = b"BCC";
/// Milliseconds that an exchange of the type `x-delayed-message` delays the message by.
pub(super) const X_DELAY: &[u8] = b"x-delay";

/// Whether a header of this name holds routing keys.
pub(super) fn is_further_keys(name: &[u8]) -> bool {
    matches!(name, CC | BCC)
}

/// Puts into the envelope what the keys of such a header say of it; `count` is how many came in front of them.
pub(super) fn note_further_keys(
    (name, value): (&[u8], &FieldValue<'_>),
    envelope: &mut Envelope,
    count: &mut usize,
) -> Result<(), Failure> {
    let failed = |text| {
        let method: MethodId = basic::Publish::ID;
        Err(Failure::new(ReplyCode::PreconditionFailed, method, text))
    };
    let Some(keys) = array_of(value) else {
        let name = String::from_utf8_lossy(name);
        return failed(format!("the header '{name}' must be an array"));
    };
    // As in RabbitMQ, others than texts are passed over.
    *count += keys.iter().filter(|key| text_of(key).is_some()).count();
    if *count > FURTHER_KEYS_MAX {
        return failed(format!(
            "the headers 'CC' and 'BCC' have {count} routing keys, the limit is {FURTHER_KEYS_MAX}"
        ));
    }
    envelope.head_routes |= *count > 0;
    if name == BCC {
        envelope.dialect_flags |= FLAG_HAS_BCC;
    }
    Ok(())
}

/// Gives the keys of `CC`, then those of `BCC`.
pub(super) fn further_keys<'m>(list: &PropertyList<'m>, each: &mut dyn FnMut(&'m [u8])) {
    keys_of(list, &[CC, BCC], each);
}

/// Gives the keys of `CC`.
pub(super) fn shown_further_keys<'m>(list: &PropertyList<'m>, each: &mut dyn FnMut(&'m [u8])) {
    keys_of(list, &[CC], each);
}

fn keys_of<'m>(list: &PropertyList<'m>, names: &[&[u8]], each: &mut dyn FnMut(&'m [u8])) {
    let headers = list.headers.unwrap_or(Table::EMPTY);
    for name in names {
        let arrays = headers.iter().filter(|(it, _)| it == name);
        let keys = arrays.filter_map(|(_, value)| array_of(&value));
        keys.flat_map(Array::iter)
            .filter_map(|key| text_of(&key))
            .for_each(&mut *each);
    }
}

/// Whether a header is to be kept from all readers.
pub(super) fn is_hidden(name: &[u8], envelope: Envelope) -> bool {
    name == BCC && envelope.dialect_flags & FLAG_HAS_BCC != 0
}

/// Properties without further keys.
pub(super) fn without_further_keys(message: &Message) -> Vec<u8> {
    let mut buffer = BytesMut::new();
    put_headers(&mut buffer, message, |name, value| {
        (!is_further_keys(name)).then_some(value)
    });
    buffer.to_vec()
}

/// The delay that a header of this value asks for, in milliseconds: as in RabbitMQ's plug-in, up to 2^32 - 1.
pub(super) fn delay_of(value: &FieldValue<'_>) -> Option<u32> {
    let number = match value_of(value) {
        Value::Integer(number) => Some(number),
        #[expect(
            clippy::cast_possible_truncation,
            reason = "what it does not hold is more than the longest"
        )]
        Value::Float(number) => Some(number.number() as i128),
        Value::Text(text) => std::str::from_utf8(&text).ok()?.parse().ok(),
        Value::Void | Value::Bool(_) | Value::Opaque(_) => None,
    };
    u32::try_from(number?).ok().filter(|ms| *ms > 0)
}

/// The delay that a message asks for, and what its head is once that is granted: as by the plug-in, its header tells the
/// delay as a negative number.
pub(super) fn asked_delay(list: &PropertyList<'_>, message: &Message) -> Option<AskedDelay> {
    let ms = delay_of(&list.headers?.find(X_DELAY)?)?;
    let negated = -i64::from(ms);
    let negated = match i32::try_from(negated) {
        Ok(negated) => FieldValue::SignedInt(negated),
        Err(_) => FieldValue::SignedLong(negated),
    };
    let mut first = Some(negated);
    let mut buffer = BytesMut::new();
    put_headers(&mut buffer, message, |name, value| match name {
        X_DELAY => first.take(),
        _ => Some(value),
    });
    Some(AskedDelay {
        ms: ms.into(),
        head: buffer.to_vec(),
    })
}

/// The properties of a message that came by AMQP as readers are shown them, with no more of how it died than frames of at
/// most so many bytes hold; in `scratch`, if they are not as they came.
pub(crate) fn shown_properties<'b>(
    scratch: &'b mut BytesMut,
    message: &'b Message,
    frame_bytes_max: usize,
) -> Properties<'b> {
    let envelope = message.envelope();
    if !message.annotations().is_empty() {
        scratch.clear();
        put_dead_properties(scratch, message, frame_bytes_max);
        return Properties::checked(scratch);
    }
    if envelope.dialect_flags & FLAG_HAS_BCC == 0 {
        return Properties::checked(message.head());
    }
    scratch.clear();
    put_headers(scratch, message, |name, value| {
        (!is_hidden(name, envelope)).then_some(value)
    });
    Properties::checked(scratch)
}

/// Appends the properties of a message, with what `edit` makes of the values of headers; it leaves out those of which it
/// makes nothing.
fn put_headers<'m>(
    buffer: &mut BytesMut,
    message: &'m Message,
    mut edit: impl FnMut(&[u8], FieldValue<'m>) -> Option<FieldValue<'m>>,
) {
    let list = Properties::checked(message.head()).fields();
    let mut kept = TableBuf::new();
    for (name, value) in list.headers.unwrap_or(Table::EMPTY).iter() {
        if let (Some(value), Ok(name)) = (edit(name, value), ShortStr::new(name)) {
            kept.push(name, &value);
        }
    }
    let edited = PropertyList {
        headers: list.headers.and(kept.as_table().ok()),
        ..list
    };
    edited.put(buffer);
}

fn text_of<'a>(value: &FieldValue<'a>) -> Option<&'a [u8]> {
    if let FieldValue::LongString(text) = value {
        return Some(text);
    }
    None
}

fn array_of<'a>(value: &FieldValue<'a>) -> Option<Array<'a>> {
    if let FieldValue::Array(array) = value {
        return Some(*array);
    }
    None
}
