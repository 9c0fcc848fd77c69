//! What is kept of a password.

use crate::prepare::{PrepareError, prepare};
use crate::scram::{KEY_BYTES, Key, hash, hmac};
use data_encoding::BASE64;
use pbkdf2::pbkdf2_hmac;
use sha2::Sha256;
use std::fmt;
use std::str::FromStr;
use subtle::ConstantTimeEq as _;

/// The least iterations. RFC 7677 §4
pub const ITERATIONS_MIN: u32 = 4_096;

/// The iterations of new credentials: what clients expect, and what a server can do at each login
/// that shows a password.
pub const ITERATIONS_DEFAULT: u32 = 4_096;

/// The most iterations: some tenths of a second of one core. Beyond that a login would be an attack on
/// its server, and a server's answer one on its client.
pub const ITERATIONS_MAX: u32 = 1_000_000;

/// The bytes of a new salt.
pub const SALT_BYTES: usize = 16;

/// The shortest and longest salt of credentials that were made elsewhere, in bytes.
const SALT_BYTES_RANGE: std::ops::RangeInclusive<usize> = 8..=64;

/// The mechanism's name before credentials in their text form.
const MECHANISM: &str = "SCRAM-SHA-256";

/// The longest text form, in bytes.
const TEXT_BYTES_MAX: usize = 256;

/// What is kept of a password: enough to check it, not enough to show it. RFC 5802 §3
///
/// Its text form is PostgreSQL's: `SCRAM-SHA-256$ITERATIONS:SALT$STORED-KEY:SERVER-KEY`, in base64.
///
/// Invariants: the iterations are within [`ITERATIONS_MIN`] and [`ITERATIONS_MAX`], the salt has 8
/// to 64 bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct ScramCredentials {
    pub(super) salt: Vec<u8>,
    pub(super) iterations: u32,
    pub(crate) stored_key: Key,
    pub(super) server_key: Key,
}

/// Why there are no such credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialsError {
    /// The password cannot be one.
    #[error("a password cannot be so: {0}")]
    Password(#[from] PrepareError),
    /// There are too few or too many iterations.
    #[error("{0} iterations, from {ITERATIONS_MIN} to {ITERATIONS_MAX} are possible")]
    Iterations(u32),
    /// The salt is too short or too long.
    #[error("a salt of {0} bytes, from 8 to 64 are possible")]
    Salt(usize),
    /// A text is not the form that credentials have.
    #[error("credentials are SCRAM-SHA-256$ITERATIONS:SALT$STORED-KEY:SERVER-KEY, in base64")]
    Text,
}

impl ScramCredentials {
    /// The credentials of a password. Takes as long as the iterations say.
    ///
    /// # Errors
    /// [`CredentialsError`] when the password, the salt or the iterations are not possible.
    pub fn from_password(
        password: &str,
        salt: &[u8],
        iterations: u32,
    ) -> Result<Self, CredentialsError> {
        check(salt, iterations)?;
        let salted = salted_password(&prepare(password)?, salt, iterations);
        Ok(Self::from_salted(&salted, salt, iterations))
    }

    fn from_salted(salted: &Key, salt: &[u8], iterations: u32) -> Self {
        Self {
            salt: salt.to_vec(),
            iterations,
            stored_key: hash(&client_key(salted)),
            server_key: server_key(salted),
        }
    }

    /// Whether they are this password's, for who is shown one. Takes as long as the iterations say.
    #[must_use]
    pub fn is_password(&self, password: &str) -> bool {
        let Ok(password) = prepare(password) else {
            return false;
        };
        let salted = salted_password(&password, &self.salt, self.iterations);
        let other = Self::from_salted(&salted, &self.salt, self.iterations);
        let is_stored = self.stored_key.ct_eq(&other.stored_key);
        let is_server = self.server_key.ct_eq(&other.server_key);
        (is_stored & is_server).into()
    }

    /// How often the password was hashed.
    #[must_use]
    pub const fn iterations(&self) -> u32 {
        self.iterations
    }

    /// The text form, which is as secret as the password of a user who is shown it.
    #[must_use]
    pub fn to_text(&self) -> String {
        format!(
            "{MECHANISM}${}:{}${}:{}",
            self.iterations,
            BASE64.encode(&self.salt),
            BASE64.encode(&self.stored_key),
            BASE64.encode(&self.server_key)
        )
    }
}

impl FromStr for ScramCredentials {
    type Err = CredentialsError;

    fn from_str(text: &str) -> Result<Self, CredentialsError> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(CredentialsError::Text);
        }
        let parts = || {
            let behind = text.strip_prefix(MECHANISM)?.strip_prefix('$')?;
            let (hashing, keys) = behind.split_once('$')?;
            let (iterations, salt) = hashing.split_once(':')?;
            let (stored_key, server_key) = keys.split_once(':')?;
            Some(Self {
                salt: BASE64.decode(salt.as_bytes()).ok()?,
                iterations: number(iterations)?,
                stored_key: key(stored_key)?,
                server_key: key(server_key)?,
            })
        };
        let read = parts().ok_or(CredentialsError::Text)?;
        check(&read.salt, read.iterations)?;
        Ok(read)
    }
}

fn key(text: &str) -> Option<Key> {
    let bytes = BASE64.decode(text.as_bytes()).ok()?;
    <[u8; KEY_BYTES]>::try_from(bytes.as_slice()).ok()
}

/// A positive number in the one spelling that it has: RFC 5802 §7, `posit-number`.
pub(super) fn number(text: &str) -> Option<u32> {
    let is_spelled = text.starts_with(|c: char| ('1'..='9').contains(&c));
    text.parse().ok().filter(|_| is_spelled)
}

fn check(salt: &[u8], iterations: u32) -> Result<(), CredentialsError> {
    if !(ITERATIONS_MIN..=ITERATIONS_MAX).contains(&iterations) {
        return Err(CredentialsError::Iterations(iterations));
    }
    if !SALT_BYTES_RANGE.contains(&salt.len()) {
        return Err(CredentialsError::Salt(salt.len()));
    }
    Ok(())
}

/// RFC 5802 §3: `SaltedPassword`, of a password that is prepared.
pub(super) fn salted_password(password: &str, salt: &[u8], iterations: u32) -> Key {
    let mut salted = [0; KEY_BYTES];
    pbkdf2_hmac::<Sha256>(password.as_bytes(), salt, iterations, &mut salted);
    salted
}

/// RFC 5802 §3: `ClientKey`.
pub(super) fn client_key(salted: &Key) -> Key {
    hmac(salted, b"Client Key")
}

/// RFC 5802 §3: `ServerKey`.
pub(super) fn server_key(salted: &Key) -> Key {
    hmac(salted, b"Server Key")
}

impl fmt::Debug for ScramCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScramCredentials")
            .field("iterations", &self.iterations)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::array::uniform32;
    use proptest::collection::vec;
    use proptest::prelude::{any, proptest};

    const SALT: &[u8; SALT_BYTES] = b"0123456789abcdef";

    #[test]
    fn a_password_is_its_own_and_no_other() {
        let made = ScramCredentials::from_password("pencil", SALT, 4_096).unwrap();
        assert!(made.is_password("pencil"));
        for other in ["", "Pencil", "pencil ", "penci", "pencil\0", "\u{1F511}"] {
            assert!(!made.is_password(other), "{other:?}");
        }
        // RFC 4013: what looks the same is the same.
        let made = ScramCredentials::from_password("I\u{AD}X", SALT, 4_096).unwrap();
        assert!(made.is_password("\u{2168}"));
        let shown = format!("{made:?}");
        assert_eq!(shown, "ScramCredentials { iterations: 4096, .. }");
    }

    #[test]
    fn what_is_not_possible_is_refused() {
        let check = |password, salt: &[u8], iterations, expected| {
            let made = ScramCredentials::from_password(password, salt, iterations);
            assert_eq!(made.unwrap_err(), expected);
        };
        let (empty, prohibited) = (PrepareError::Empty, PrepareError::Prohibited);
        check("", SALT, 4_096, CredentialsError::Password(empty));
        check("a\n", SALT, 4_096, CredentialsError::Password(prohibited));
        check("a", SALT, 4_095, CredentialsError::Iterations(4_095));
        check("a", SALT, 0, CredentialsError::Iterations(0));
        check(
            "a",
            SALT,
            1_000_001,
            CredentialsError::Iterations(1_000_001),
        );
        check("a", b"1234567", 4_096, CredentialsError::Salt(7));
        check("a", &[0; 65], 4_096, CredentialsError::Salt(65));
    }

    /// Made by PostgreSQL's algorithm with Python's hashlib, from the password "pencil".
    const TEXT: &str = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

    #[test]
    fn the_text_form_is_that_of_postgresql() {
        let salt = BASE64.decode(b"W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let made = ScramCredentials::from_password("pencil", &salt, 4_096).unwrap();
        assert_eq!(made.to_text(), TEXT);
        assert_eq!(TEXT.parse(), Ok(made));
    }

    #[test]
    fn other_texts_are_no_credentials() {
        let check = |from: &str, to: &str, expected: CredentialsError| {
            let text = TEXT.replace(from, to);
            assert_ne!(text, TEXT);
            assert_eq!(text.parse::<ScramCredentials>(), Err(expected), "{text}");
        };
        check("SHA-256$", "SHA-1$", CredentialsError::Text);
        check("SHA-256$", "SHA-256", CredentialsError::Text);
        check("4096:", "4096", CredentialsError::Text);
        check("4096", "+4096", CredentialsError::Text);
        check("4096", "04096", CredentialsError::Text);
        check("4096", "", CredentialsError::Text);
        check("4096", "99999999999", CredentialsError::Text);
        check("4096", "1", CredentialsError::Iterations(1));
        check("4096", "1000001", CredentialsError::Iterations(1_000_001));
        check("==$", "$", CredentialsError::Text);
        check("W22ZaJ0SNY7soEsUEjb6gQ==", "", CredentialsError::Salt(0));
        check("qY=:", "q:", CredentialsError::Text);
        check("2dU=", "2dU=\n", CredentialsError::Text);
        check("$WG5d", &"$".repeat(200), CredentialsError::Text);
        assert_eq!("".parse::<ScramCredentials>(), Err(CredentialsError::Text));
    }

    proptest! {
        #[test]
        fn the_text_form_is_read_as_it_was_written(
            salt in vec(any::<u8>(), 8..=64),
            iterations in ITERATIONS_MIN..=ITERATIONS_MAX,
            stored_key in uniform32(any::<u8>()),
            server_key in uniform32(any::<u8>()),
        ) {
            let credentials = ScramCredentials { salt, iterations, stored_key, server_key };
            assert_eq!(credentials.to_text().parse(), Ok(credentials));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "(SCRAM-SHA-256\\$)?[0-9A-Za-z=:$]{0,80}") {
            if let Ok(read) = text.parse::<ScramCredentials>() {
                assert_eq!(read.to_text(), text);
            }
        }
    }
}
