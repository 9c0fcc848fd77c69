//! The headers that have a say in where a message goes: `CC` and `BCC`, further routing keys.

use super::deaths::put_dead_properties;
use crate::session::Failure;
use crate::{
    Array, FieldValue, MethodId, Properties, PropertyList, ReplyCode, ShortStr, Table, TableBuf,
    basic,
};
use bytes::BytesMut;
use model::{Envelope, Message};

/// What the envelope notes of a head: it has a header `BCC`, which nobody is shown.
const FLAG_HAS_BCC: u8 = 1;

/// The most keys that `CC` and `BCC` may name together. Each is one more look-up for who publishes.
const FURTHER_KEYS_MAX: usize = 1_024;

const CC: &[u8] = b"CC";
const BCC: &[u8] = b"BCC";

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
    let keys = array_of(value).filter(|keys| keys.iter().all(|key| text_of(&key).is_some()));
    let Some(keys) = keys else {
        let name = String::from_utf8_lossy(name);
        return failed(format!("the header '{name}' must be an array of texts"));
    };
    *count += keys.iter().count();
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
    let headers = list.headers.unwrap_or(Table::EMPTY);
    for name in [CC, BCC] {
        let arrays = headers.iter().filter(|(it, _)| *it == name);
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
    put_headers(&mut buffer, message, is_further_keys);
    buffer.to_vec()
}

/// The properties of a message that came by AMQP as readers are shown them; in `scratch`, if they are not as they came.
pub(crate) fn shown_properties<'b>(
    scratch: &'b mut BytesMut,
    message: &'b Message,
) -> Properties<'b> {
    let envelope = message.envelope();
    if !message.annotations().is_empty() {
        scratch.clear();
        put_dead_properties(scratch, message);
        return Properties::checked(scratch);
    }
    if envelope.dialect_flags & FLAG_HAS_BCC == 0 {
        return Properties::checked(message.head());
    }
    scratch.clear();
    put_headers(scratch, message, |name| is_hidden(name, envelope));
    Properties::checked(scratch)
}

/// Appends the properties of a message, but for some headers.
fn put_headers(buffer: &mut BytesMut, message: &Message, is_left_out: impl Fn(&[u8]) -> bool) {
    let mut list = Properties::checked(message.head()).fields();
    let mut kept = TableBuf::new();
    for (name, value) in list.headers.unwrap_or(Table::EMPTY).iter() {
        if let (false, Ok(name)) = (is_left_out(name), ShortStr::new(name)) {
            kept.push(name, &value);
        }
    }
    list.headers = list.headers.and(kept.as_table().ok());
    list.put(buffer);
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
