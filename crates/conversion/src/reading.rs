//! Headers of a message into what they say.

use crate::carrier::{HEADER, TYPED, behind, core, decoded};
use crate::dialect::{is_reserved, row_of};
use crate::value::{Type, number};
use crate::{HeaderDialect, Kind, Row};
use broker_api::{Field, HeadReader};
use model::{Envelope, Message, Property, Value};
use std::borrow::Cow;

/// The value of a property that some header of a message may say, a number as such. Reads the whole head: to be asked
/// where a header has the property's name.
pub fn said<'m>(heads: &dyn HeadReader, message: &'m Message, row: &Row) -> Option<Value<'m>> {
    // The first one that says the property may not be the first of this name.
    let mut found = None;
    heads.fields(message, &mut |field| match field {
        Field::Property(said, value) if said == row.property => found = Some(value),
        Field::Property(_, _) | Field::Header(_, _) => {}
    });
    let value = found?;
    Some(match (row.kind, number(&value)) {
        (Kind::Integer(_, _), Some(number)) => Value::Integer(number),
        _ => value,
    })
}

/// Reads the headers of one message, one by one, and gives what they say.
///
/// What the protocol says natively is told first; a header that says the same property then, or says one
/// again, is a header like others. [`finish`](Self::finish) comes last.
pub struct Reading<'r, 'm> {
    dialect: &'r dyn HeaderDialect,
    envelope: Envelope,
    each: &'r mut dyn FnMut(Field<'m>),
    /// The properties that have been given, a bit each.
    given: u32,
    /// The name and the type of the header that is expected next.
    mark: Option<(Cow<'m, [u8]>, Type)>,
    /// What headers in base64 say, at most one for each property: plain ones go before.
    deferred: Vec<(Property, Cow<'m, [u8]>, Value<'m>)>,
}

impl<'r, 'm> Reading<'r, 'm> {
    /// The start of a message with this envelope.
    pub fn new(
        dialect: &'r dyn HeaderDialect,
        envelope: Envelope,
        each: &'r mut dyn FnMut(Field<'m>),
    ) -> Self {
        Self {
            dialect,
            envelope,
            each,
            given: 0,
            mark: None,
            deferred: Vec::new(),
        }
    }

    /// Gives a property that the protocol says natively.
    pub fn native(&mut self, property: Property, value: Value<'m>) {
        if !self.is_given(property) {
            self.given |= bit(property);
            (self.each)(Field::Property(property, value));
        }
    }

    /// Reads a header.
    pub fn header(&mut self, name: Cow<'m, [u8]>, value: Cow<'m, [u8]>) {
        let (name, value, is_plain) = match decoded(self.dialect, &name, &value) {
            Some((name, value)) => (Cow::Owned(name), Cow::Owned(value), false),
            None => (name, value, true),
        };
        if let Some((marked, kind)) = self.mark.take() {
            if *marked == *name
                && row_of(self.dialect, &name, &value).is_none()
                && let Some(typed) = kind.read(&value)
            {
                let name = self.without_prefix(name, &value);
                return (self.each)(Field::Header(name, typed));
            }
            self.give_mark(&marked, kind);
        }
        if name.starts_with(TYPED.as_bytes())
            && let Some(kind) = Type::from_word(&value)
        {
            self.mark = Some((behind(name, TYPED.len()), kind));
            return;
        }
        self.text(name, value, is_plain);
    }

    /// Gives a header of the application's whose value is not text, where the protocol has such values.
    pub fn typed(&mut self, name: Cow<'m, [u8]>, value: Value<'m>) {
        if let Some((marked, kind)) = self.mark.take() {
            self.give_mark(&marked, kind);
        }
        (self.each)(Field::Header(name, value));
    }

    /// Gives what is left when all headers have been read.
    pub fn finish(mut self) {
        if let Some((marked, kind)) = self.mark.take() {
            self.give_mark(&marked, kind);
        }
        for (property, name, value) in std::mem::take(&mut self.deferred) {
            if self.is_given(property) {
                (self.each)(Field::Header(name, value));
            } else {
                self.native(property, value);
            }
        }
    }

    fn text(&mut self, name: Cow<'m, [u8]>, value: Cow<'m, [u8]>, is_plain: bool) {
        if let Some((property, said)) = self.property_of(&name, &value) {
            if is_plain {
                return self.native(property, said);
            }
            if self.deferred.iter().all(|(other, _, _)| *other != property) {
                return self.deferred.push((property, name, said));
            }
        }
        let name = self.without_prefix(name, &value);
        (self.each)(Field::Header(name, Value::Text(value)));
    }

    /// The property that a header says, unless it has been given or is not true.
    fn property_of(&self, name: &[u8], value: &[u8]) -> Option<(Property, Value<'m>)> {
        let row = row_of(self.dialect, name, value)?;
        let said = row.kind.value(Cow::Borrowed(value))?.into_owned();
        let counts = !self.is_given(row.property)
            && self.dialect.agrees(row.property, &said, &self.envelope);
        counts.then_some((row.property, said))
    }

    /// The application's name of a header that would have meant something else under it.
    fn without_prefix(&self, name: Cow<'m, [u8]>, value: &[u8]) -> Cow<'m, [u8]> {
        let is_prefixed =
            name.starts_with(HEADER.as_bytes()) && is_reserved(self.dialect, core(&name), value);
        match is_prefixed {
            true => behind(name, HEADER.len()),
            false => name,
        }
    }

    /// A mark whose header does not follow is a header like others.
    fn give_mark(&mut self, marked: &[u8], kind: Type) {
        let name = [TYPED.as_bytes(), marked].concat();
        let word = Value::text(kind.word());
        (self.each)(Field::Header(name.into(), word));
    }

    fn is_given(&self, property: Property) -> bool {
        self.given & bit(property) != 0
    }
}

const fn bit(property: Property) -> u32 {
    1 << property as u32
}
