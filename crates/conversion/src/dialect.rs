//! What a protocol that says properties by headers brings along.

use crate::carrier::{TYPED, decoded};
use crate::value::Type;
use crate::{Column, Row};
use model::{Envelope, Property, Value};
use std::borrow::Cow;

/// One dialect of a protocol whose messages have headers of text: what these can hold, and what the
/// table does not say.
pub trait HeaderDialect {
    /// Its column of the table.
    fn column(&self) -> Column;

    /// Whether a header may have this name.
    fn spells_name(&self, name: &[u8]) -> bool;

    /// Whether a header may have this value.
    fn spells_value(&self, value: &[u8]) -> bool;

    /// Whether such a header means something to the protocol itself, beyond what the table says.
    fn is_taken(&self, name: &[u8], value: &[u8]) -> bool;

    /// Whether a header with this value, which is of the property's kind, says the property. It does not
    /// where the protocol has something better for it.
    fn says(&self, property: Property, value: &[u8]) -> bool;

    /// Whether what a header says is true of a message with this envelope. If not, it is a header like
    /// others: a carrier never overrides what is said natively.
    fn agrees(&self, property: Property, value: &Value<'_>, envelope: &Envelope) -> bool;
}

/// The row of the property that a header says, if it says one.
pub(crate) fn row_of(
    dialect: &dyn HeaderDialect,
    name: &[u8],
    value: &[u8],
) -> Option<&'static Row> {
    let row = Row::named(dialect.column(), name)?;
    let is_said =
        row.kind.value(Cow::Borrowed(value)).is_some() && dialect.says(row.property, value);
    is_said.then_some(row)
}

/// Whether a header of this name, without prefixes, and with this value would be read as something else
/// than a header of the application's.
pub(crate) fn is_reserved(dialect: &dyn HeaderDialect, core: &[u8], value: &[u8]) -> bool {
    dialect.is_taken(core, value)
        || row_of(dialect, core, value).is_some()
        || decoded(dialect, core, value).is_some()
        || core.starts_with(TYPED.as_bytes()) && Type::from_word(value).is_some()
}
