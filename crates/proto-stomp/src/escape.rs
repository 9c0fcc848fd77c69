//! How a header's name or value is spelled in each version.

use crate::Version;
use bytes::{BufMut, BytesMut};
use memchr::{memchr, memchr3};
use std::borrow::Cow;

/// Which half of a header line some text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Before the first colon.
    Name,
    /// Behind it.
    Value,
}

/// The octet that `\` followed by `letter` stands for.
const fn escaped(version: Version, letter: u8) -> Option<u8> {
    match (version, letter) {
        (Version::V10, _) => None,
        (Version::V11 | Version::V12, b'n') => Some(b'\n'),
        (Version::V11 | Version::V12, b'c') => Some(b':'),
        (Version::V11 | Version::V12, b'\\') => Some(b'\\'),
        (Version::V12, b'r') => Some(b'\r'),
        _ => None,
    }
}

/// The first escape in `text` that the version does not define, with what follows it (at most one
/// octet). 1.0 has no escapes, so a backslash is only itself.
pub(crate) fn undefined_escape(version: Version, text: &[u8]) -> Option<&[u8]> {
    if version == Version::V10 {
        return None;
    }
    let mut at = 0;
    while let Some(found) = memchr(b'\\', &text[at..]) {
        let start = at + found;
        let end = text.len().min(start + 2);
        let defined = text
            .get(start + 1)
            .is_some_and(|letter| escaped(version, *letter).is_some());
        if !defined {
            return Some(&text[start..end]);
        }
        at = end;
    }
    None
}

/// The text that `spelled` stands for. An undefined escape stands for itself; the codec
/// refuses frames that hold one.
#[must_use]
pub fn unescape(version: Version, spelled: &[u8]) -> Cow<'_, [u8]> {
    if version == Version::V10 || memchr(b'\\', spelled).is_none() {
        return Cow::Borrowed(spelled);
    }
    let mut text = Vec::with_capacity(spelled.len());
    let mut rest = spelled;
    while let Some(found) = memchr(b'\\', rest) {
        text.extend_from_slice(&rest[..found]);
        match rest
            .get(found + 1)
            .and_then(|letter| escaped(version, *letter))
        {
            Some(octet) => {
                text.push(octet);
                rest = &rest[found + 2..];
            }
            None => {
                text.push(b'\\');
                rest = &rest[found + 1..];
            }
        }
    }
    text.extend_from_slice(rest);
    Cow::Owned(text)
}

/// Appends `text` as the version spells it.
///
/// 1.0 has no escapes. What it cannot spell (a line feed; a colon in a name) is written as 1.1 writes
/// it, which keeps the frame whole; everything else is written as it is.
pub fn put_escaped(version: Version, part: Part, text: &[u8], buffer: &mut BytesMut) {
    if memchr3(b'\\', b'\n', b':', text).is_none() && memchr(b'\r', text).is_none() {
        buffer.put_slice(text);
        return;
    }
    for octet in text {
        let spelled: &[u8] = match (*octet, version, part) {
            (b'\n', _, _) => b"\\n",
            (b':', Version::V11 | Version::V12, _) | (b':', Version::V10, Part::Name) => b"\\c",
            (b'\\', Version::V11 | Version::V12, _) => b"\\\\",
            (b'\r', Version::V12, _) => b"\\r",
            _ => std::slice::from_ref(octet),
        };
        buffer.put_slice(spelled);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::{Just, any, prop_oneof, proptest};

    #[test]
    fn unescapes_what_the_version_defines() {
        let check = |version, spelled: &str, expected: &str| {
            assert_eq!(
                String::from_utf8_lossy(&unescape(version, spelled.as_bytes())),
                expected
            );
        };
        check(Version::V10, r"a\nb", r"a\nb");
        check(Version::V11, r"a\nb\c\\n", "a\nb:\\n");
        check(Version::V12, r"\r\n\c\\", "\r\n:\\");
        check(Version::V12, "plain", "plain");
    }

    #[test]
    fn finds_undefined_escapes() {
        let check = |version, text: &str, expected: Option<&str>| {
            let found = undefined_escape(version, text.as_bytes());
            assert_eq!(found, expected.map(str::as_bytes), "{text}");
        };
        check(Version::V10, r"a\t", None);
        check(Version::V11, r"a\r", Some(r"\r"));
        check(Version::V12, r"a\r\t", Some(r"\t"));
        check(Version::V12, r"a\", Some(r"\"));
        check(Version::V12, r"\\t", None);
    }

    proptest! {
        #[test]
        fn escaping_is_reversed_by_unescaping(
            text in vec(prop_oneof![Just(b'\\'), Just(b'\n'), Just(b'\r'), Just(b':'), any::<u8>()], 0..40)
        ) {
            for version in [Version::V11, Version::V12] {
                for part in [Part::Name, Part::Value] {
                    let mut spelled = BytesMut::new();
                    put_escaped(version, part, &text, &mut spelled);
                    assert_eq!(undefined_escape(version, &spelled), None);
                    assert_eq!(&*unescape(version, &spelled), &*text);
                    assert!(memchr(b'\n', &spelled).is_none());
                }
            }
        }
    }
}
