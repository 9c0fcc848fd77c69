//! A peer's own text in an error.

use std::fmt;

/// Bytes of a peer's own text that an error repeats.
const EXCERPT_BYTES_MAX: usize = 64;

/// The beginning of what a peer sent, made readable, to be shown in an error. Never a part of a
/// password or of what is made from one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt(String);

impl Excerpt {
    /// The first bytes of `text`, escaped where they are not plain ASCII.
    #[must_use]
    pub fn of(text: &[u8]) -> Self {
        let shown = &text[..text.len().min(EXCERPT_BYTES_MAX)];
        let mut readable = shown.escape_ascii().to_string();
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
