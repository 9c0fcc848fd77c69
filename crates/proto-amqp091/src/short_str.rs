//! Short strings.

use crate::violation::Excerpt;
use std::fmt;

/// A short string: at most 255 bytes. §4.2.5.3
///
/// One that a peer has sent in a method is UTF-8. One that is sent may be anything: names that came by
/// other protocols are opaque bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ShortStr<'a>(&'a [u8]);

/// Why something is no short string.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a short string has {bytes} bytes, the limit is {}",
    ShortStr::BYTES_MAX
)]
pub struct ShortStrTooLong {
    /// The bytes that it has.
    pub bytes: usize,
}

impl<'a> ShortStr<'a> {
    /// The longest, in bytes.
    pub const BYTES_MAX: usize = 255;

    /// The string without a byte.
    pub const EMPTY: ShortStr<'static> = ShortStr(&[]);

    /// A short string with these bytes.
    ///
    /// # Errors
    /// [`ShortStrTooLong`] when there are more than [`Self::BYTES_MAX`].
    pub const fn new(bytes: &'a [u8]) -> Result<Self, ShortStrTooLong> {
        if bytes.len() > Self::BYTES_MAX {
            return Err(ShortStrTooLong { bytes: bytes.len() });
        }
        Ok(Self(bytes))
    }

    /// As much of a text as there is room for: for texts that only people read.
    #[must_use]
    pub fn cut(text: &'a str) -> Self {
        Self(&text.as_bytes()[..text.floor_char_boundary(Self::BYTES_MAX)])
    }

    /// As many of some bytes as there is room for: for names of other protocols that are longer than AMQP can say.
    pub(crate) fn start_of(bytes: &'a [u8]) -> Self {
        Self(&bytes[..bytes.len().min(Self::BYTES_MAX)])
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// Whether it has no byte.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// How many bytes it has.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "both constructors keep it within a byte"
    )]
    pub const fn len(self) -> u8 {
        self.0.len() as u8
    }
}

impl fmt::Display for ShortStr<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Excerpt::of(self.0).fmt(f)
    }
}

impl fmt::Debug for ShortStr<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_at_most_255_bytes() {
        let long = "é".repeat(128);
        assert_eq!(
            ShortStr::new(long.as_bytes()),
            Err(ShortStrTooLong { bytes: 256 })
        );
        assert_eq!(ShortStr::new(&long.as_bytes()[1..]).unwrap().len(), 255);
        assert_eq!(ShortStr::cut(&long).len(), 254);
        assert_eq!(ShortStr::cut("short").as_bytes(), b"short");
        assert!(ShortStr::EMPTY.is_empty());
    }
}
