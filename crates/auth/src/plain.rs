//! PLAIN (RFC 4616): a name and a password, as they are.

use crate::scram::NAME_BYTES_MAX;
use std::fmt;

/// The longest message. Tokens that are sent as passwords have some thousand bytes.
pub const PLAIN_BYTES_MAX: usize = 16 * 1024;

/// What a client says with PLAIN, borrowed from its message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Plain<'a> {
    /// As whom to act; none for the one that the name says.
    pub authorization_id: Option<&'a str>,
    /// Who it is, as it was sent: [`prepare`](crate::prepare) gives its one spelling.
    pub name: &'a str,
    /// How that is shown.
    pub password: &'a str,
}

/// Why a message is no PLAIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlainError {
    /// It is over the limit.
    #[error("a PLAIN message of {len} bytes is over the limit of {PLAIN_BYTES_MAX}")]
    TooLong {
        /// In bytes.
        len: usize,
    },
    /// It is not UTF-8.
    #[error("a PLAIN message is UTF-8")]
    NotUtf8,
    /// It has not two NULs.
    #[error("a PLAIN message has 2 NULs, this has {nul_count}")]
    Parts {
        /// How many it has.
        nul_count: usize,
    },
    /// It has no name.
    #[error("a PLAIN message has a name between its NULs")]
    NoName,
    /// A name is over the limit.
    #[error("a name of {len} bytes is over the limit of {NAME_BYTES_MAX}")]
    LongName {
        /// In bytes.
        len: usize,
    },
    /// It has no password.
    #[error("a PLAIN message has a password behind its NULs")]
    NoPassword,
}

impl<'a> Plain<'a> {
    /// Reads a message.
    ///
    /// # Errors
    /// [`PlainError`] when it is none.
    pub fn read(message: &'a [u8]) -> Result<Self, PlainError> {
        if message.len() > PLAIN_BYTES_MAX {
            return Err(PlainError::TooLong { len: message.len() });
        }
        let text = std::str::from_utf8(message).map_err(|_| PlainError::NotUtf8)?;
        let mut parts = text.split('\0');
        let (Some(acts_as), Some(name), Some(password), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            let nul_count = message.iter().filter(|byte| **byte == 0).count();
            return Err(PlainError::Parts { nul_count });
        };
        if name.is_empty() {
            return Err(PlainError::NoName);
        }
        if password.is_empty() {
            return Err(PlainError::NoPassword);
        }
        let len = name.len().max(acts_as.len());
        if len > NAME_BYTES_MAX {
            return Err(PlainError::LongName { len });
        }
        Ok(Self {
            authorization_id: (!acts_as.is_empty()).then_some(acts_as),
            name,
            password,
        })
    }

    /// The message that says this.
    #[must_use]
    pub fn message(&self) -> Vec<u8> {
        let acts_as = self.authorization_id.unwrap_or_default();
        [acts_as, self.name, self.password].join("\0").into_bytes()
    }
}

impl fmt::Debug for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plain")
            .field("authorization_id", &self.authorization_id)
            .field("name", &self.name)
            .field("password", &"(hidden)")
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::{any, proptest};

    #[test]
    fn messages_are_read_as_the_rfc_has_them() {
        let check = |message: &[u8], expected: Result<(Option<&str>, &str, &str), PlainError>| {
            let read = Plain::read(message);
            let found = read.map(|it| (it.authorization_id, it.name, it.password));
            assert_eq!(found, expected, "{}", message.escape_ascii());
        };
        // RFC 4616 §4
        check(
            b"\0tim\0tanstaaftanstaaf",
            Ok((None, "tim", "tanstaaftanstaaf")),
        );
        check(
            b"Ursel\0Kurt\0xipj3plmq",
            Ok((Some("Ursel"), "Kurt", "xipj3plmq")),
        );
        check("\0Jürgen\0größe".as_bytes(), Ok((None, "Jürgen", "größe")));
        check(b"", Err(PlainError::Parts { nul_count: 0 }));
        check(b"tim\0secret", Err(PlainError::Parts { nul_count: 1 }));
        check(b"\0tim\0a\0b", Err(PlainError::Parts { nul_count: 3 }));
        check(b"\0\0secret", Err(PlainError::NoName));
        check(b"\0tim\0", Err(PlainError::NoPassword));
        check(b"\0tim\0\xff", Err(PlainError::NotUtf8));
        let longest = [b"\0", &[b'n'; 255][..], b"\0p"].concat();
        assert!(Plain::read(&longest).is_ok());
        let longer = [b"\0", &[b'n'; 256][..], b"\0p"].concat();
        check(&longer, Err(PlainError::LongName { len: 256 }));
        let longer = [&[b'a'; 256][..], b"\0n\0p"].concat();
        check(&longer, Err(PlainError::LongName { len: 256 }));
        let mut longest = vec![b'p'; PLAIN_BYTES_MAX];
        longest[..3].copy_from_slice(b"\0n\0");
        assert!(Plain::read(&longest).is_ok());
        longest.push(b'p');
        let len = PLAIN_BYTES_MAX + 1;
        check(&longest, Err(PlainError::TooLong { len }));
    }

    #[test]
    fn the_password_is_not_shown() {
        let read = Plain::read(b"\0tim\0hush").unwrap();
        let shown = format!("{read:?}");
        assert!(shown.contains("tim") && !shown.contains("hush"), "{shown}");
    }

    proptest! {
        #[test]
        fn a_message_says_what_it_was_made_of(
            acts_as in option::of("[^\0]{1,20}"),
            name in "[^\0]{1,20}",
            password in "[^\0]{1,40}",
        ) {
            let plain = Plain {
                authorization_id: acts_as.as_deref(),
                name: &name,
                password: &password,
            };
            assert_eq!(Plain::read(&plain.message()), Ok(plain));
        }

        #[test]
        fn any_bytes_are_read_or_refused(message in vec(any::<u8>(), 0..60)) {
            if let Ok(plain) = Plain::read(&message) {
                assert_eq!(plain.message(), message);
            }
        }
    }
}
