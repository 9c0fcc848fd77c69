//! A peer's own text in an error.

use std::fmt;

/// Bytes of a peer's own text that an error repeats.
const EXCERPT_BYTES_MAX: usize = 128;

/// The beginning of what a peer sent, made readable, to be shown in an error. Itself text that every protocol allows: UTF-8
/// without NUL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt(String);

impl Excerpt {
    /// The first bytes of `text`; what is not UTF-8 is replaced.
    #[must_use]
    pub fn of(text: &[u8]) -> Self {
        let shown = &text[..text.len().min(EXCERPT_BYTES_MAX)];
        let mut readable = String::from_utf8_lossy(shown).into_owned();
        readable.retain(|letter| letter != '\0');
        if shown.len() < text.len() {
            readable.push_str("...");
        }
        Self(readable)
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
