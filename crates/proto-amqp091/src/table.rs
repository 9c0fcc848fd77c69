//! Tables of named values, and arrays: checked once, read where they lie.

use crate::ShortStr;
use crate::field_value::{Extent, FieldValue};
use crate::violation::TableProblem;
use bytes::{BufMut, BytesMut};
use std::fmt;

/// How deep tables and arrays may stand within each other, the outermost included.
pub const NESTING_MAX: usize = 16;

/// A table: names and values, in their order. §4.2.5.5
///
/// Invariant: its bytes have been checked, whatever stands within it too; [`iter`](Self::iter) reads all
/// of them. Names may come again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Table<'a>(&'a [u8]);

/// An array: values, in their order. Checked as a [`Table`] is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Array<'a>(&'a [u8]);

impl<'a> Table<'a> {
    /// The table without a field.
    pub const EMPTY: Table<'static> = Table(&[]);

    /// The table with these bytes, the length before them not included.
    ///
    /// # Errors
    /// [`TableProblem`] when they are none.
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Result<Self, TableProblem> {
        check(bytes, true)?;
        Ok(Self(bytes))
    }

    /// Of bytes that have been checked before.
    pub(crate) const fn checked(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Its bytes, the length before them not included.
    #[must_use]
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// Whether it has no field.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// The fields, in their order.
    pub fn iter(self) -> impl Iterator<Item = (&'a [u8], FieldValue<'a>)> + Clone {
        let mut left = self.0;
        std::iter::from_fn(move || {
            let (len, behind) = left.split_first()?;
            let (name, mut behind) = behind.split_at_checked((*len).into())?;
            let value = FieldValue::take(&mut behind)?;
            left = behind;
            Some((name, value))
        })
    }

    /// The value of the first field with this name.
    #[must_use]
    pub fn find(self, name: &[u8]) -> Option<FieldValue<'a>> {
        self.iter()
            .find(|(it, _)| *it == name)
            .map(|(_, value)| value)
    }
}

impl<'a> Array<'a> {
    /// The array with these bytes, the length before them not included.
    ///
    /// # Errors
    /// [`TableProblem`] when they are none.
    pub fn new(bytes: &'a [u8]) -> Result<Self, TableProblem> {
        check(bytes, false)?;
        Ok(Self(bytes))
    }

    /// Of bytes that have been checked before.
    pub(crate) const fn checked(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Its bytes, the length before them not included.
    #[must_use]
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// The values, in their order.
    pub fn iter(self) -> impl Iterator<Item = FieldValue<'a>> + Clone {
        let mut left = self.0;
        std::iter::from_fn(move || FieldValue::take(&mut left))
    }
}

/// What stands within it is shown too; that is no deeper than [`NESTING_MAX`].
impl fmt::Debug for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields = self.iter().map(|(name, value)| {
            let name = String::from_utf8_lossy(name).into_owned();
            (name, value)
        });
        f.debug_map().entries(fields).finish()
    }
}

impl fmt::Debug for Array<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// A table or an array that has been entered.
#[derive(Clone, Copy)]
struct Level {
    /// Where it ends.
    end: usize,
    /// Whether its values have names.
    is_table: bool,
}

/// Checks a table or an array and all that stands within it, from the first byte to the last and
/// without recursion: what has been entered is on a stack of [`NESTING_MAX`].
#[inline]
fn check(bytes: &[u8], is_table: bool) -> Result<(), TableProblem> {
    let end = bytes.len();
    if end == 0 {
        return Ok(());
    }
    let mut levels = [Level { end, is_table }; NESTING_MAX];
    let (mut at, mut depth) = (0, 1);
    loop {
        let level = levels[depth - 1];
        if at == level.end {
            depth -= 1;
            if depth == 0 {
                return Ok(());
            }
            continue;
        }
        let start = at;
        let truncated = TableProblem::Truncated { at: start };
        // Within the bounds of what it stands in; never beyond.
        let within = &bytes[..level.end];
        if level.is_table {
            at += 1 + usize::from(within[at]);
        }
        let tag = *within.get(at).ok_or(truncated)?;
        let extent = Extent::of(tag).ok_or(TableProblem::UnknownType { tag, at })?;
        at += 1;
        at = match extent {
            Extent::Fixed(len) => at + len,
            Extent::Counted | Extent::Nested { .. } => {
                let len = within.get(at..).and_then(|it| it.first_chunk());
                let len = u32::from_be_bytes(*len.ok_or(truncated)?);
                let from = at + 4;
                let len = usize::try_from(len).unwrap_or(usize::MAX);
                let until = from.checked_add(len).ok_or(truncated)?;
                if let Extent::Nested { is_table } = extent {
                    if until > level.end {
                        return Err(truncated);
                    }
                    let place = levels.get_mut(depth);
                    let place = place.ok_or(TableProblem::TooDeep { at: start })?;
                    *place = Level {
                        end: until,
                        is_table,
                    };
                    depth += 1;
                    from
                } else {
                    until
                }
            }
        };
        if at > level.end {
            return Err(truncated);
        }
    }
}

/// A table, or the values of an array, on its way to a peer.
#[derive(Clone, Debug, Default)]
pub struct TableBuf(BytesMut);

impl TableBuf {
    /// One without a field.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a field.
    pub fn push(&mut self, name: ShortStr<'_>, value: &FieldValue<'_>) {
        self.0.put_u8(name.len());
        self.0.extend_from_slice(name.as_bytes());
        value.put(&mut self.0);
    }

    /// Appends a value without a name, as an array has them.
    pub fn push_value(&mut self, value: &FieldValue<'_>) {
        value.put(&mut self.0);
    }

    /// The length of what it holds, in bytes.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// As a table, if all values have names and no more than [`NESTING_MAX`] stand within each other.
    ///
    /// # Errors
    /// [`TableProblem`] when it is none.
    pub fn as_table(&self) -> Result<Table<'_>, TableProblem> {
        Table::new(&self.0)
    }

    /// As an array, if no value has a name.
    ///
    /// # Errors
    /// [`TableProblem`] when it is none.
    pub fn as_array(&self) -> Result<Array<'_>, TableProblem> {
        Array::new(&self.0)
    }
}
