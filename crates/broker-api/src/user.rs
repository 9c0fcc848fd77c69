//! What is said of users.

use std::fmt;

/// Shows, step by step, who is at the other end.
///
/// Each step is answered by [`Reply::Challenge`](crate::Reply::Challenge), which wants a further step, by
/// [`Reply::Authenticated`](crate::Reply::Authenticated), or by a refusal, behind which nothing more can be
/// shown on the connection. What has been shown before [`Command::Connect`](crate::Command::Connect) is who
/// connects; afterwards, it must be the same user again.
pub enum Authenticate {
    /// Begins, or begins again.
    Begin {
        /// The mechanism, as SASL has it registered.
        mechanism: Box<[u8]>,
        /// The peer's first message, if it has sent one.
        data: Option<Vec<u8>>,
    },
    /// Answers a challenge.
    Continue {
        /// The peer's next message.
        data: Vec<u8>,
    },
    /// It is this user: the session itself has seen the proof, and nothing more is asked for.
    Vouched {
        /// The user's name.
        user: Box<str>,
    },
}

impl fmt::Debug for Authenticate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Begin { mechanism, data } => f
                .debug_struct("Begin")
                .field("mechanism", &String::from_utf8_lossy(mechanism))
                .field("data", &data.as_ref().map(|_| "(hidden)"))
                .finish(),
            Self::Vouched { user } => f.debug_struct("Vouched").field("user", user).finish(),
            Self::Continue { .. } => f
                .debug_struct("Continue")
                .field("data", &"(hidden)")
                .finish(),
        }
    }
}

/// Makes a user, or gives one another password.
pub struct PutUser {
    /// The name.
    pub name: Box<str>,
    /// What is kept of the password: `SCRAM-SHA-256$ITERATIONS:SALT$STORED-KEY:SERVER-KEY`, in base64.
    pub credentials: Box<str>,
    /// Whether a user that is there gets another password; else that is refused.
    pub replace: bool,
}

impl fmt::Debug for PutUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PutUser")
            .field("name", &self.name)
            .field("credentials", &"(hidden)")
            .field("replace", &self.replace)
            .finish()
    }
}

/// A user as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedUser {
    /// The name.
    pub name: Box<str>,
    /// How often the password is hashed.
    pub iterations: u32,
}

/// Who has shown who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authenticated {
    /// The user.
    pub user: Box<str>,
    /// What the peer is sent with its success, if anything.
    pub data: Vec<u8>,
}
