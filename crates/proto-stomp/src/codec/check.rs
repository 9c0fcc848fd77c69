//! What a whole head must be.

use crate::Version;
use crate::escape::undefined_escape;
use crate::frame::Head;
use crate::violation::{DecodeError, Excerpt};
use memchr::memchr;

/// Checks the text of a head by the rules of 1.1 and 1.2: UTF-8, no undefined escape; in 1.2 no
/// carriage return but in line ends.
pub(super) fn check_text(head: &Head, version: Version, bytes: &[u8]) -> Result<(), DecodeError> {
    if std::str::from_utf8(bytes).is_err() {
        return Err(DecodeError::NotUtf8);
    }
    let texts = || {
        let lines = head.lines.iter();
        lines.map(|line| &bytes[line.name_at as usize..line.end as usize])
    };
    if head.backslash
        && let Some(escape) = texts().find_map(|text| undefined_escape(version, text))
    {
        return Err(DecodeError::UndefinedEscape {
            escape: Excerpt::of(escape),
            version,
        });
    }
    if head.carriage_return
        && version == Version::V12
        && let Some(text) = texts().find(|text| memchr(b'\r', text).is_some())
    {
        return Err(DecodeError::BareCarriageReturn(Excerpt::of(text)));
    }
    Ok(())
}

/// The number that `digits` spell; none in place of one that is over `limit`.
///
/// # Errors
/// [`DecodeError::ContentLength`] if they are no digits.
pub(super) fn length_within(digits: &[u8], limit: usize) -> Result<Option<usize>, DecodeError> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(DecodeError::ContentLength(Excerpt::of(digits)));
    }
    let length = digits.iter().try_fold(0_usize, |length, digit| {
        length
            .checked_mul(10)?
            .checked_add(usize::from(digit - b'0'))
    });
    Ok(length.filter(|length| *length <= limit))
}
