//! What makes a conversation unlike all others.

use data_encoding::BASE64;
use std::fmt;

/// The longest nonce, in bytes.
pub(super) const NONCE_BYTES_MAX: usize = 128;

/// One side's part of the nonce of a conversation: printable ASCII without commas. Its owner never
/// uses it again.
#[derive(Clone, PartialEq, Eq)]
pub struct Nonce(String);

impl Nonce {
    /// The nonce of some random bytes.
    #[must_use]
    pub fn from_random(bytes: &[u8; 18]) -> Self {
        Self(BASE64.encode(bytes))
    }

    /// The nonce that is this text; none if it cannot be one.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        is_nonce(text).then(|| Self(text.to_owned()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// RFC 5802 §7: `printable`, not empty, and no longer than the limit.
pub(super) fn is_nonce(text: &str) -> bool {
    let is_printable = |byte: u8| byte.is_ascii_graphic() && byte != b',';
    (1..=NONCE_BYTES_MAX).contains(&text.len()) && text.bytes().all(is_printable)
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonces_are_printable_without_commas() {
        assert_eq!(Nonce::from_random(&[0xFF; 18]).as_str(), "/".repeat(24));
        let longest = "x".repeat(NONCE_BYTES_MAX);
        for text in ["a", "!~", "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", &longest] {
            let nonce = Nonce::from_text(text);
            assert_eq!(nonce.as_ref().map(Nonce::as_str), Some(text));
        }
        let longer = "x".repeat(NONCE_BYTES_MAX + 1);
        for text in ["", "a,b", "a b", "ä", "a\n", &longer] {
            assert_eq!(Nonce::from_text(text), None, "{text}");
        }
    }
}
