//! Values of headers that are numbers or truths.

use crate::frame::{Frame, HeaderName};
use crate::violation::{Excerpt, Violation};

/// The value of a header that is `true` or `false`.
///
/// # Errors
/// [`Violation::HeaderValue`] for anything else.
pub(crate) fn boolean(frame: &Frame<'_>, name: HeaderName) -> Result<Option<bool>, Violation> {
    let Some(value) = frame.value(name) else {
        return Ok(None);
    };
    match parse_boolean(&value) {
        Some(truth) => Ok(Some(truth)),
        None => Err(invalid(frame, name, &value, "true or false")),
    }
}

/// The value of a header that is a whole number from 0 to `max`.
///
/// # Errors
/// [`Violation::HeaderValue`] for anything else; `expected` says what it should have been.
pub(crate) fn number(
    frame: &Frame<'_>,
    name: HeaderName,
    max: u64,
    expected: &'static str,
) -> Result<Option<u64>, Violation> {
    let Some(value) = frame.value(name) else {
        return Ok(None);
    };
    match parse_number(&value).filter(|number| *number <= max) {
        Some(number) => Ok(Some(number)),
        None => Err(invalid(frame, name, &value, expected)),
    }
}

/// What is wrong with the header's value.
pub(crate) fn invalid(
    frame: &Frame<'_>,
    name: HeaderName,
    value: &[u8],
    expected: &'static str,
) -> Violation {
    Violation::HeaderValue {
        header: Excerpt::of(frame.spelled_name(name).unwrap_or_default()),
        value: Excerpt::of(value),
        expected,
    }
}

pub(super) fn parse_boolean(value: &[u8]) -> Option<bool> {
    match value {
        b"true" => Some(true),
        b"false" => Some(false),
        _ => None,
    }
}

/// A number of decimal digits and nothing else.
pub(super) fn parse_number(value: &[u8]) -> Option<u64> {
    if value.is_empty() {
        return None;
    }
    value.iter().try_fold(0_u64, |number, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}
