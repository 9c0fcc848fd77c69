//! Users that are not there, made to look as if they were.

use crate::scram::credentials::{ITERATIONS_DEFAULT, SALT_BYTES, ScramCredentials};
use crate::scram::{KEY_BYTES, Key, hmac};
use std::fmt;

/// Makes credentials for users that are not there: for the same name always the same, and such that
/// no password fits.
///
/// The secret is the caller's: random, the same after a restart and on every node, told to nobody.
/// Who does not know it cannot tell a decoy from a user, as long as all users have as many
/// iterations as the decoys.
#[derive(Clone)]
pub struct Decoys {
    secret: [u8; KEY_BYTES],
    iterations: u32,
}

impl Decoys {
    /// Decoys of a secret, with as many iterations as new users have.
    #[must_use]
    pub const fn new(secret: [u8; KEY_BYTES]) -> Self {
        Self {
            secret,
            iterations: ITERATIONS_DEFAULT,
        }
    }

    /// They have so many iterations from now on; without a number, as many as new users have.
    pub(crate) fn set_iterations(&mut self, iterations: Option<u32>) {
        self.iterations = iterations.unwrap_or(ITERATIONS_DEFAULT);
    }

    /// The credentials of a user that is not there.
    #[must_use]
    pub fn credentials(&self, name: &str) -> ScramCredentials {
        let salt = self.of(b"salt", name);
        ScramCredentials {
            salt: salt[..SALT_BYTES].to_vec(),
            iterations: self.iterations,
            // Nobody knows what they are the hash of.
            stored_key: self.of(b"stored key", name),
            server_key: self.of(b"server key", name),
        }
    }

    /// Whether the password is that of the user with these credentials; never of one that is not
    /// there, which takes as long.
    #[must_use]
    pub fn is_password(
        &self,
        name: &str,
        credentials: Option<&ScramCredentials>,
        password: &str,
    ) -> bool {
        self.or_decoy(name, credentials).is_password(password)
    }

    /// The user's credentials, or a decoy. A decoy is made in any case, so that it takes as long.
    pub(crate) fn or_decoy(
        &self,
        name: &str,
        credentials: Option<&ScramCredentials>,
    ) -> ScramCredentials {
        let decoy = self.credentials(name);
        credentials.cloned().unwrap_or(decoy)
    }

    fn of(&self, what: &[u8], name: &str) -> Key {
        hmac(&self.secret, &[what, b"\0", name.as_bytes()].concat())
    }
}

impl fmt::Debug for Decoys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoys")
            .field("iterations", &self.iterations)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decoy_is_always_the_same_and_nobody_elses() {
        let (decoys, others) = (Decoys::new([1; 32]), Decoys::new([2; 32]));
        let decoy = decoys.credentials("nobody");
        assert_eq!(decoy, decoys.credentials("nobody"));
        for other in [decoys.credentials("nobody2"), others.credentials("nobody")] {
            assert_ne!(decoy.salt, other.salt);
            assert_ne!(decoy.stored_key, other.stored_key);
            assert_ne!(decoy.server_key, other.server_key);
        }
        assert_ne!(decoy.stored_key, decoy.server_key);
        // It looks like a new user's.
        let made = ScramCredentials::from_password("a", &[0; SALT_BYTES], ITERATIONS_DEFAULT);
        let made = made.unwrap();
        assert_eq!(decoy.salt.len(), made.salt.len());
        assert_eq!(decoy.iterations, made.iterations);
        assert_eq!(decoy.to_text().len(), made.to_text().len());
        assert!(!format!("{decoys:?}").contains('1'.to_string().repeat(2).as_str()));
    }

    #[test]
    fn no_password_is_that_of_a_decoy() {
        let decoys = Decoys::new([1; 32]);
        let made = ScramCredentials::from_password("pencil", &[0; SALT_BYTES], 4_096).unwrap();
        assert!(decoys.is_password("user", Some(&made), "pencil"));
        assert!(!decoys.is_password("user", Some(&made), "pencils"));
        assert!(!decoys.is_password("user", None, "pencil"));
    }
}
