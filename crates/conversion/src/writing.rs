//! What a message says into headers.

use crate::carrier::{HEADER, TYPED, core, put_spelled};
use crate::dialect::is_reserved;
use crate::value::{Type, text_of};
use crate::{HeaderDialect, Row};
use model::{Property, Value};

/// Gives the header that says a property, if the protocol says it by one.
pub fn put_property(
    dialect: &dyn HeaderDialect,
    property: Property,
    value: &Value<'_>,
    put: &mut dyn FnMut(&[u8], &[u8]),
) {
    if let Some(name) = Row::of(property).cell(dialect.column()).header() {
        put_spelled(dialect, name.as_bytes(), &text_of(value), put);
    }
}

/// Gives a header of the application's: under its name, unless it would be read as something else under
/// that, and behind a mark if its value is not text.
pub fn put_header(
    dialect: &dyn HeaderDialect,
    name: &[u8],
    value: &Value<'_>,
    put: &mut dyn FnMut(&[u8], &[u8]),
) {
    let text = text_of(value);
    let prefixed;
    let mut name = name;
    if is_reserved(dialect, core(name), &text) {
        prefixed = [HEADER.as_bytes(), name].concat();
        name = &prefixed;
    }
    if let Some(kind) = Type::of(value) {
        let mark = [TYPED.as_bytes(), name].concat();
        put_spelled(dialect, &mark, kind.word().as_bytes(), put);
    }
    put_spelled(dialect, name, &text, put);
}
