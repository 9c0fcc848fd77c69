//! Strings and binary data: two bytes of length, then the bytes.

use crate::violation::{Excerpt, Field, Problem};
use bytes::{BufMut as _, BytesMut};
use memchr::memchr;
use std::fmt;

/// The longest string or binary data, in bytes: what two bytes of length can say.
pub const TEXT_BYTES_MAX: usize = u16::MAX as usize;

/// A string as the protocol allows it: UTF-8 without U+0000, at most [`TEXT_BYTES_MAX`] bytes.
///
/// A byte order mark is a character like others and stays. [MQTT-1.5.4-3]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Text<'a>(&'a str);

/// Why some text cannot be a [`Text`] or binary data not a [`Binary`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// It is longer than two bytes of length can say.
    #[error("{len} bytes are over the limit of {TEXT_BYTES_MAX}")]
    TooLong {
        /// In bytes.
        len: usize,
    },
    /// It holds the character U+0000.
    #[error("U+0000 stands at byte {at}")]
    Nul {
        /// Where the first one is.
        at: usize,
    },
}

impl<'a> Text<'a> {
    /// The text, if it can be one.
    ///
    /// # Errors
    /// [`TextError`] when it is too long or holds U+0000.
    pub fn new(text: &'a str) -> Result<Self, TextError> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(TextError::TooLong { len: text.len() });
        }
        match memchr(0, text.as_bytes()) {
            Some(at) => Err(TextError::Nul { at }),
            None => Ok(Self(text)),
        }
    }

    /// The text in some bytes of a packet, of which there are at most [`TEXT_BYTES_MAX`].
    #[inline]
    pub(crate) fn read(field: Field, bytes: &'a [u8]) -> Result<Self, Problem> {
        // [MQTT-1.5.4-1]: surrogates are no UTF-8 here, as the standard library sees it.
        let Ok(text) = std::str::from_utf8(bytes) else {
            return Err(not_utf8(field, bytes));
        };
        // [MQTT-1.5.4-2]
        match memchr(0, bytes) {
            Some(at) => Err(Problem::Nul { field, at }),
            None => Ok(Self(text)),
        }
    }

    /// The same text behind checks that its owner has made.
    pub(crate) const fn checked(text: &'a str) -> Self {
        Self(text)
    }

    /// The text.
    #[must_use]
    pub const fn as_str(self) -> &'a str {
        self.0
    }

    /// The text's bytes.
    #[must_use]
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0.as_bytes()
    }
}

#[cold]
pub(crate) fn not_utf8(field: Field, bytes: &[u8]) -> Problem {
    Problem::NotUtf8 {
        field,
        text: Excerpt::of(bytes),
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.0, f)
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Any bytes, at most [`TEXT_BYTES_MAX`].
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Binary<'a>(&'a [u8]);

impl<'a> Binary<'a> {
    /// The bytes, if they are not too many.
    ///
    /// # Errors
    /// [`TextError::TooLong`] when they are.
    pub const fn new(bytes: &'a [u8]) -> Result<Self, TextError> {
        if bytes.len() > TEXT_BYTES_MAX {
            return Err(TextError::TooLong { len: bytes.len() });
        }
        Ok(Self(bytes))
    }

    /// The bytes behind two bytes of length in a packet.
    pub(crate) const fn checked(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }
}

impl fmt::Debug for Binary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

/// Binary data that is not for everybody's eyes: it is not shown when its packet is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret<'a>(pub Binary<'a>);

impl<'a> Secret<'a> {
    /// The bytes.
    #[must_use]
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Secret<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"(hidden)\"")
    }
}

/// The bytes that some text or data takes in a packet.
pub(crate) const fn len_of(bytes: &[u8]) -> usize {
    2 + bytes.len()
}

/// Appends the length of some text or data, then its bytes, of which there are at most
/// [`TEXT_BYTES_MAX`].
pub(crate) fn put(buffer: &mut BytesMut, bytes: &[u8]) {
    let len = u16::try_from(bytes.len()).expect("the types of text and data bound their length");
    buffer.put_u16(len);
    buffer.put_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_utf8_without_nul() {
        let check = |bytes: &[u8], expected: Result<&str, &str>| {
            let read = Text::read(Field::ClientId, bytes);
            let read = read.map_err(|problem| problem.to_string());
            let found = read.as_ref().map(|text| text.as_str());
            assert_eq!(found.map_err(String::as_str), expected, "{bytes:?}");
        };
        check(b"", Ok(""));
        check("größe 𠜎".as_bytes(), Ok("größe 𠜎"));
        // [MQTT-1.5.4-3]: a byte order mark stays, wherever it is.
        check(b"\xef\xbb\xbfa\xef\xbb\xbf", Ok("\u{feff}a\u{feff}"));
        // Control characters and non-characters should not be sent, and are read.
        check(b"\x01\x7f\xef\xbf\xbf", Ok("\u{1}\u{7f}\u{ffff}"));
        let ill_formed: [&[u8]; 6] = [
            b"\xff",
            // A surrogate, and a pair of them.
            b"\xed\xa0\x80",
            b"\xed\xa0\xb4\xed\xb4\x9e",
            // Overlong: Java's spelling of U+0000, and a slash.
            b"\xc0\x80",
            b"\xe0\x80\xaf",
            // Cut within a character.
            b"\xe2\x82",
        ];
        for bytes in ill_formed {
            let problem = Text::read(Field::ClientId, bytes);
            assert!(matches!(problem, Err(Problem::NotUtf8 { .. })), "{bytes:?}");
        }
        check(
            b"ab\0c",
            Err("the client identifier holds U+0000 at byte 2"),
        );
    }

    #[test]
    fn what_two_bytes_of_length_cannot_say_is_refused() {
        let longest = "x".repeat(TEXT_BYTES_MAX);
        assert_eq!(Text::new(&longest).map(Text::as_str), Ok(longest.as_str()));
        let longer = "x".repeat(TEXT_BYTES_MAX + 1);
        let error = TextError::TooLong { len: 65_536 };
        assert_eq!(Text::new(&longer), Err(error));
        assert_eq!(Binary::new(longer.as_bytes()), Err(error));
        assert!(Binary::new(longest.as_bytes()).is_ok());
        assert_eq!(Text::new("a\0"), Err(TextError::Nul { at: 1 }));
    }

    #[test]
    fn secrets_are_not_shown() {
        let secret = Secret(Binary::checked(b"password"));
        assert_eq!(format!("{secret:?}"), "\"(hidden)\"");
    }
}
