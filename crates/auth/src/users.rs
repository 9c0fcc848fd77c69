//! Who there is.

use crate::prepare::{PrepareError, prepare};
use crate::scram::{Decoys, NAME_BYTES_MAX, ScramCredentials};
use std::collections::BTreeMap;

/// All users with what is kept of their passwords, and decoys for who is none.
///
/// Invariants: names are prepared, and not longer than [`NAME_BYTES_MAX`]; decoys have as many
/// iterations as most users have.
#[derive(Clone, Debug)]
pub struct Users {
    by_name: BTreeMap<Box<str>, ScramCredentials>,
    decoys: Decoys,
}

/// A change of who there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserChange {
    /// There is this user from now on.
    Put {
        /// The name as it was given.
        name: Box<str>,
        /// What is kept of the password.
        credentials: ScramCredentials,
        /// Whether one that is there gets another password; else that is refused.
        replace: bool,
    },
    /// There is no such user any more.
    Delete {
        /// The name as it was given.
        name: Box<str>,
    },
}

/// Why a change is not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UserError {
    /// The name is none.
    #[error("the name of a user cannot be so: {0}")]
    Name(#[from] PrepareError),
    /// The name is over the limit.
    #[error("a name of {len} bytes is over the limit of {NAME_BYTES_MAX}")]
    LongName {
        /// In bytes.
        len: usize,
    },
    /// There is such a user.
    #[error("there is a user '{0}'")]
    Exists(Box<str>),
    /// There is no such user.
    #[error("there is no user '{0}'")]
    NotFound(Box<str>),
    /// Who keeps the users cannot; the text says why.
    #[error("{0}")]
    NotKept(Box<str>),
}

impl Users {
    /// Nobody.
    #[must_use]
    pub const fn new(decoys: Decoys) -> Self {
        Self {
            by_name: BTreeMap::new(),
            decoys,
        }
    }

    /// Makes a change.
    ///
    /// # Errors
    /// [`UserError`] when it makes no sense; then nothing is changed.
    pub fn apply(&mut self, change: UserChange) -> Result<(), UserError> {
        match change {
            UserChange::Put {
                name,
                credentials,
                replace,
            } => {
                let name = name_of(&name)?;
                if !replace && self.by_name.contains_key(&name) {
                    return Err(UserError::Exists(name));
                }
                self.by_name.insert(name, credentials);
            }
            UserChange::Delete { name } => {
                let name = name_of(&name)?;
                if self.by_name.remove(&name).is_none() {
                    return Err(UserError::NotFound(name));
                }
            }
        }
        self.decoys.set_iterations(self.usual_iterations());
        Ok(())
    }

    /// The credentials of a user, by the prepared name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&ScramCredentials> {
        self.by_name.get(name)
    }

    /// The credentials of a user, or ones that no password fits. Both take the same time.
    #[must_use]
    pub fn or_decoy(&self, name: &str) -> ScramCredentials {
        self.decoys.or_decoy(name, self.get(name))
    }

    /// All users by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &ScramCredentials)> {
        self.by_name.iter().map(|(name, it)| (&**name, it))
    }

    pub(crate) const fn decoys(&self) -> &Decoys {
        &self.decoys
    }

    /// The iterations that most users have; the higher ones of two that are as frequent.
    fn usual_iterations(&self) -> Option<u32> {
        let mut counts = BTreeMap::<u32, usize>::new();
        for credentials in self.by_name.values() {
            *counts.entry(credentials.iterations()).or_default() += 1;
        }
        let usual = counts.into_iter().max_by_key(|(_, count)| *count);
        usual.map(|(iterations, _)| iterations)
    }
}

fn name_of(name: &str) -> Result<Box<str>, UserError> {
    let prepared = prepare(name)?;
    if prepared.len() > NAME_BYTES_MAX {
        let len = prepared.len();
        return Err(UserError::LongName { len });
    }
    Ok(prepared.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scram::{ITERATIONS_DEFAULT, SALT_BYTES};

    fn credentials(password: &str, iterations: u32) -> ScramCredentials {
        ScramCredentials::from_password(password, &[1; SALT_BYTES], iterations).unwrap()
    }

    fn put(name: &str, iterations: u32, replace: bool) -> UserChange {
        UserChange::Put {
            name: name.into(),
            credentials: credentials("pencil", iterations),
            replace,
        }
    }

    fn delete(name: &str) -> UserChange {
        UserChange::Delete { name: name.into() }
    }

    #[test]
    fn changes_that_make_sense_are_made() {
        let mut users = Users::new(Decoys::new([1; 32]));
        users.apply(put("I\u{AD}X", 4_096, false)).unwrap();
        let names = |users: &Users| -> Vec<_> { users.iter().map(|it| it.0.to_owned()).collect() };
        assert_eq!(names(&users), ["IX"]);
        let refused = users.apply(put("\u{2168}", 5_000, false));
        assert_eq!(refused, Err(UserError::Exists("IX".into())));
        assert_eq!(users.get("IX").unwrap().iterations(), 4_096);
        users.apply(put("IX", 5_000, true)).unwrap();
        assert_eq!(users.get("IX").unwrap().iterations(), 5_000);
        let refused = users.apply(delete("ix"));
        assert_eq!(refused, Err(UserError::NotFound("ix".into())));
        users.apply(delete("IX")).unwrap();
        assert_eq!(names(&users), [""; 0]);
        for (name, error) in [
            ("", UserError::Name(PrepareError::Empty)),
            ("a\0", UserError::Name(PrepareError::Prohibited)),
            (&"n".repeat(256), UserError::LongName { len: 256 }),
        ] {
            assert_eq!(users.apply(put(name, 4_096, true)), Err(error));
        }
    }

    #[test]
    fn decoys_look_like_most_users() {
        let mut users = Users::new(Decoys::new([1; 32]));
        let iterations = |users: &Users| users.or_decoy("nobody").iterations();
        assert_eq!(iterations(&users), ITERATIONS_DEFAULT);
        for name in ["a", "b"] {
            users.apply(put(name, 6_000, false)).unwrap();
        }
        users.apply(put("c", 5_000, false)).unwrap();
        assert_eq!(iterations(&users), 6_000);
        users.apply(delete("a")).unwrap();
        assert_eq!(iterations(&users), 6_000);
        users.apply(delete("b")).unwrap();
        assert_eq!(iterations(&users), 5_000);
        users.apply(delete("c")).unwrap();
        assert_eq!(iterations(&users), ITERATIONS_DEFAULT);
        assert!(!users.or_decoy("nobody").is_password("pencil"));
    }
}
