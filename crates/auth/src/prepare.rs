//! SASLprep (RFC 4013): one spelling for names and passwords that look the same.

use std::borrow::Cow;

/// Why a text cannot be a name or a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrepareError {
    /// Nothing is left of it.
    #[error("it is empty")]
    Empty,
    /// It holds what SASLprep prohibits: controls, characters without a meaning of their own,
    /// right-to-left text mixed with other text, characters younger than Unicode 3.2.
    #[error("it holds characters that SASLprep (RFC 4013) prohibits")]
    Prohibited,
}

/// The one spelling of a name or a password. What is printable ASCII stays as it is.
///
/// # Errors
/// [`PrepareError`] when there is none.
pub fn prepare(text: &str) -> Result<Cow<'_, str>, PrepareError> {
    let prepared = stringprep::saslprep(text).map_err(|_| PrepareError::Prohibited)?;
    if prepared.is_empty() {
        return Err(PrepareError::Empty);
    }
    Ok(prepared)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::proptest;

    #[test]
    fn examples_of_the_rfc() {
        let check = |text: &str, expected: Result<&str, PrepareError>| {
            let found = prepare(text);
            assert_eq!(found.as_deref(), expected.as_ref().copied(), "{text:?}");
        };
        // RFC 4013 §3
        check("I\u{AD}X", Ok("IX"));
        check("user", Ok("user"));
        check("USER", Ok("USER"));
        check("\u{AA}", Ok("a"));
        check("\u{2168}", Ok("IX"));
        check("\u{7}", Err(PrepareError::Prohibited));
        check("\u{627}1", Err(PrepareError::Prohibited));
        // §2.1: spaces become the one space.
        check("a\u{A0}b", Ok("a b"));
        // §2.2: composed and decomposed are one.
        check("e\u{301}", Ok("\u{E9}"));
        check("\u{E9}", Ok("\u{E9}"));
        check("", Err(PrepareError::Empty));
        check("\u{AD}", Err(PrepareError::Empty));
        check("a\0", Err(PrepareError::Prohibited));
        // §2.5: unassigned in Unicode 3.2.
        check("\u{1F511}", Err(PrepareError::Prohibited));
    }

    proptest! {
        #[test]
        fn printable_ascii_stays(text in "[ -~]{1,40}") {
            assert_eq!(prepare(&text).as_deref(), Ok(text.as_str()));
        }

        #[test]
        fn what_is_prepared_stays(text in "\\PC{0,20}") {
            if let Ok(prepared) = prepare(&text) {
                assert_eq!(prepare(&prepared).as_deref(), Ok(&*prepared));
            }
        }
    }
}
