//! Passwords that were right before.

use crate::scram::{KEY_BYTES, Key, ScramCredentials, hmac};
use std::collections::BTreeMap;
use std::fmt;
use subtle::ConstantTimeEq as _;

/// Remembers of each user the password that was right last, so that the next login need not be
/// hashed as often as the credentials say. Kept is a code that cannot be made or checked without
/// the secret.
///
/// Of a password that is wrong nothing is remembered: it takes the long way each time, as that of
/// a user who is not there.
pub struct Remembered {
    secret: [u8; KEY_BYTES],
    by_name: BTreeMap<Box<str>, Key>,
}

impl Remembered {
    /// Nothing yet. The secret is random, of this process, and told to nobody.
    #[must_use]
    pub const fn new(secret: [u8; KEY_BYTES]) -> Self {
        Self {
            secret,
            by_name: BTreeMap::new(),
        }
    }

    /// Whether this password was right for these credentials, as far as is remembered.
    #[must_use]
    pub fn is_password(&self, name: &str, credentials: &ScramCredentials, password: &str) -> bool {
        let code = self.code(credentials, password);
        let known = self.by_name.get(name);
        known.is_some_and(|known| known.ct_eq(&code).into())
    }

    /// This password is right. To be told of users only.
    pub fn remember(&mut self, name: &str, credentials: &ScramCredentials, password: &str) {
        let code = self.code(credentials, password);
        self.by_name.insert(name.into(), code);
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.by_name.clear();
    }

    fn code(&self, credentials: &ScramCredentials, password: &str) -> Key {
        // The stored key has a fixed length, so no two pairs are the same bytes.
        let stored = credentials.stored_key.as_slice();
        hmac(&self.secret, &[stored, password.as_bytes()].concat())
    }
}

impl fmt::Debug for Remembered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remembered")
            .field("users", &self.by_name.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scram::SALT_BYTES;

    #[test]
    fn what_was_right_is_known_until_the_credentials_change() {
        let credentials = |password: &str, salt| {
            ScramCredentials::from_password(password, &[salt; SALT_BYTES], 4_096).unwrap()
        };
        let (old, new) = (credentials("pencil", 1), credentials("crayon", 2));
        let mut remembered = Remembered::new([3; 32]);
        assert!(!remembered.is_password("ada", &old, "pencil"));
        remembered.remember("ada", &old, "pencil");
        assert!(remembered.is_password("ada", &old, "pencil"));
        for (name, credentials, password) in [
            ("ada", &old, "pencils"),
            ("ada", &old, ""),
            ("ada", &new, "pencil"),
            ("bob", &old, "pencil"),
        ] {
            assert!(!remembered.is_password(name, credentials, password));
        }
        remembered.clear();
        assert!(!remembered.is_password("ada", &old, "pencil"));
        assert_eq!(format!("{remembered:?}"), "Remembered { users: 0, .. }");
    }
}
