//! Users in requests and answers.

use broker_api::{ListedUser, PutUser};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Makes a user, or gives one another password.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Put {
    /// The name.
    pub name: Box<str>,
    /// What is kept of the password: `SCRAM-SHA-256$ITERATIONS:SALT$STORED-KEY:SERVER-KEY`, in base64. The
    /// password itself is not sent.
    pub credentials: Box<str>,
    /// Whether a user that is there gets another password; else that is refused.
    #[serde(default)]
    pub replace: bool,
}

/// Takes a user away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delete {
    /// The name.
    pub name: Box<str>,
}

/// A user as it is listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// The name.
    pub name: Box<str>,
    /// How often the password is hashed.
    pub iterations: u32,
}

impl fmt::Debug for Put {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Put")
            .field("name", &self.name)
            .field("replace", &self.replace)
            .finish_non_exhaustive()
    }
}

impl From<Put> for PutUser {
    fn from(put: Put) -> Self {
        Self {
            name: put.name,
            credentials: put.credentials,
            replace: put.replace,
        }
    }
}

impl From<&ListedUser> for Listed {
    fn from(listed: &ListedUser) -> Self {
        Self {
            name: listed.name.clone(),
            iterations: listed.iterations,
        }
    }
}
