//! Reads the fields of a method.

use crate::secret::Secret;
use crate::short_str::ShortStr;
use crate::table::Table;
use crate::violation::Problem;

/// What is left of a payload.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    left: &'a [u8],
}

impl<'a> Reader<'a> {
    #[inline]
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { left: bytes }
    }

    /// What a later state of the same reader has taken since this one.
    #[inline]
    pub(crate) fn taken_until(&self, later: &Self) -> &'a [u8] {
        &self.left[..self.left.len() - later.left.len()]
    }

    #[inline]
    pub(crate) fn bytes(&mut self, field: &'static str, count: usize) -> Result<&'a [u8], Problem> {
        let Some((taken, left)) = self.left.split_at_checked(count) else {
            return Err(truncated(field, count, self.left.len()));
        };
        self.left = left;
        Ok(taken)
    }

    #[inline]
    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], Problem> {
        let Some((taken, left)) = self.left.split_first_chunk() else {
            return Err(truncated(field, N, self.left.len()));
        };
        self.left = left;
        Ok(*taken)
    }

    #[inline]
    pub(crate) fn octet(&mut self, field: &'static str) -> Result<u8, Problem> {
        let [number] = self.array(field)?;
        Ok(number)
    }

    #[inline]
    pub(crate) fn short(&mut self, field: &'static str) -> Result<u16, Problem> {
        Ok(u16::from_be_bytes(self.array(field)?))
    }

    #[inline]
    pub(crate) fn long(&mut self, field: &'static str) -> Result<u32, Problem> {
        Ok(u32::from_be_bytes(self.array(field)?))
    }

    #[inline]
    pub(crate) fn longlong(&mut self, field: &'static str) -> Result<u64, Problem> {
        Ok(u64::from_be_bytes(self.array(field)?))
    }

    /// A short string, of any bytes.
    #[inline]
    pub(crate) fn opaque_shortstr(&mut self, field: &'static str) -> Result<ShortStr<'a>, Problem> {
        let len = self.octet(field)?;
        let bytes = self.bytes(field, len.into())?;
        // Its length was a byte.
        ShortStr::new(bytes).map_err(|_| truncated(field, bytes.len(), 0))
    }

    /// A short string of a method, which RabbitMQ wants to be UTF-8.
    #[inline]
    pub(crate) fn shortstr(&mut self, field: &'static str) -> Result<ShortStr<'a>, Problem> {
        let text = self.opaque_shortstr(field)?;
        // Most names are, and that is told sooner.
        if !text.as_bytes().is_ascii() && std::str::from_utf8(text.as_bytes()).is_err() {
            return Err(not_utf8(field, text));
        }
        Ok(text)
    }

    #[inline]
    pub(crate) fn longstr(&mut self, field: &'static str) -> Result<&'a [u8], Problem> {
        let len = self.long(field)?;
        // On a machine that has no such numbers there are no such frames either.
        self.bytes(field, usize::try_from(len).unwrap_or(usize::MAX))
    }

    pub(crate) fn secret(&mut self, field: &'static str) -> Result<Secret<'a>, Problem> {
        Ok(Secret(self.longstr(field)?))
    }

    #[inline]
    pub(crate) fn table(&mut self, field: &'static str) -> Result<Table<'a>, Problem> {
        let bytes = self.longstr(field)?;
        Table::new(bytes).map_err(|problem| Problem::Table { field, problem })
    }

    /// Nothing may be left.
    #[inline]
    pub(crate) const fn finish(&self) -> Result<(), Problem> {
        if self.left.is_empty() {
            return Ok(());
        }
        Err(Problem::Trailing {
            count: self.left.len(),
        })
    }
}

#[cold]
const fn truncated(field: &'static str, needed: usize, left: usize) -> Problem {
    Problem::Truncated {
        field,
        needed,
        left,
    }
}

#[cold]
fn not_utf8(field: &'static str, text: ShortStr<'_>) -> Problem {
    Problem::NotUtf8 {
        field,
        value: crate::violation::Excerpt::of(text.as_bytes()),
    }
}
