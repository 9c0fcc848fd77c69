//! The names under which travels what a header cannot say as it is.

use crate::HeaderDialect;
use data_encoding::BASE64;
use std::borrow::Cow;

/// Before the name of a header of the application's that would mean something else.
pub(crate) const HEADER: &str = "x-header-";
/// Before the name of a header whose value is in base64.
pub(crate) const BASE64_VALUE: &str = "x-base64-";
/// Has name and value in base64, with a dot between them.
pub(crate) const BASE64_BOTH: &str = "x-base64";
/// Before the name of the header that stands next, whose value is of this type.
pub(crate) const TYPED: &str = "x-typed-";

/// Tells that a header of this name was left out, because the reader's protocol has no room for it.
pub const OMITTED: &str = "x-omitted";
/// Tells the exchange that the message was published to, where a topic's name cannot.
pub const EXCHANGE: &str = "x-exchange";

/// Gives a header in the form that can be spelled.
pub(crate) fn put_spelled(
    dialect: &dyn HeaderDialect,
    name: &[u8],
    value: &[u8],
    put: &mut dyn FnMut(&[u8], &[u8]),
) {
    if !dialect.spells_name(name) {
        let both = [BASE64.encode(name), BASE64.encode(value)].join(".");
        return put(BASE64_BOTH.as_bytes(), both.as_bytes());
    }
    if !dialect.spells_value(value) {
        let name = [BASE64_VALUE.as_bytes(), name].concat();
        return put(&name, BASE64.encode(value).as_bytes());
    }
    put(name, value);
}

/// The name and the value that a header in base64 stands for, if they could not be spelled otherwise.
pub(crate) fn decoded(
    dialect: &dyn HeaderDialect,
    name: &[u8],
    value: &[u8],
) -> Option<(Vec<u8>, Vec<u8>)> {
    let rest = name.strip_prefix(BASE64_BOTH.as_bytes())?;
    if rest.is_empty() {
        let dot = value.iter().position(|byte| *byte == b'.')?;
        let name = BASE64.decode(&value[..dot]).ok()?;
        let value = BASE64.decode(&value[dot + 1..]).ok()?;
        return (!dialect.spells_name(&name)).then_some((name, value));
    }
    let name = name.strip_prefix(BASE64_VALUE.as_bytes())?;
    if !dialect.spells_name(name) {
        return None;
    }
    let value = BASE64.decode(value).ok()?;
    (!dialect.spells_value(&value)).then(|| (name.to_vec(), value))
}

/// The name without all prefixes of headers of the application's.
pub(crate) fn core(mut name: &[u8]) -> &[u8] {
    while let Some(rest) = name.strip_prefix(HEADER.as_bytes()) {
        name = rest;
    }
    name
}

/// The same text without its first bytes.
pub(crate) fn behind(text: Cow<'_, [u8]>, count: usize) -> Cow<'_, [u8]> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(&text[count..]),
        Cow::Owned(mut text) => {
            text.drain(..count);
            Cow::Owned(text)
        }
    }
}
