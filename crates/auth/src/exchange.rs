//! The server's side of an authentication, whatever the mechanism.

use crate::plain::{Plain, PlainError};
use crate::prepare::{PrepareError, prepare};
use crate::scram::{AwaitFinal, ClientFirst, Nonce, ScramError};
use crate::users::Users;
use std::fmt;

/// The mechanisms there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// The password is shown. RFC 4616
    Plain,
    /// It is shown that the password is known. RFC 7677
    ScramSha256,
}

impl Mechanism {
    /// All of them, the better ones first.
    pub const ALL: [Self; 2] = [Self::ScramSha256, Self::Plain];

    /// As it is registered.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
        }
    }

    /// The mechanism with this name.
    #[must_use]
    pub fn from_name(name: &[u8]) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|mechanism| mechanism.name().as_bytes() == name)
    }
}

/// An authentication under way: waits for the client's next message.
///
/// Each step consumes the one before: nothing is shown twice, and nothing out of order.
#[derive(Clone)]
pub struct Exchange(Awaits);

#[derive(Clone)]
enum Awaits {
    First(Mechanism),
    ScramFinal(Box<AwaitFinal>),
}

/// What a message of the client comes to.
#[must_use = "the client waits for an answer"]
pub enum Step {
    /// The client is to be sent this; its answer is for the exchange.
    Challenge(Vec<u8>, Exchange),
    /// The client shows a password. Whether it is the user's is left to the caller, for it takes
    /// long.
    Password {
        /// Who it is, prepared.
        name: String,
        /// As it was sent.
        password: String,
    },
    /// The client has shown who it is.
    Verified {
        /// Who it is, prepared.
        name: String,
        /// The server's last message.
        data: Vec<u8>,
    },
}

/// Why an authentication fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExchangeFailed {
    /// Who the client says it is, as far as that is known.
    pub name: Option<String>,
    /// What is wrong.
    pub error: ExchangeError,
}

/// What is wrong with an authentication.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExchangeError {
    /// A message is no PLAIN.
    #[error(transparent)]
    Plain(#[from] PlainError),
    /// A message is no SCRAM, or shows that the client does not know the password.
    #[error(transparent)]
    Scram(#[from] ScramError),
    /// The name is none.
    #[error("a name cannot be so: {0}")]
    Name(#[from] PrepareError),
    /// Nobody may act as somebody else.
    #[error("nobody may act as another user")]
    ActsAsAnother,
}

impl ExchangeError {
    fn of(self, name: Option<&str>) -> ExchangeFailed {
        ExchangeFailed {
            name: name.map(str::to_owned),
            error: self,
        }
    }
}

impl Exchange {
    /// One that begins.
    #[must_use]
    pub const fn new(mechanism: Mechanism) -> Self {
        Self(Awaits::First(mechanism))
    }

    /// Takes a message of the client; none if it has only said which mechanism it wants. `random`
    /// gives bytes that are used for nothing else ever.
    ///
    /// # Errors
    /// [`ExchangeFailed`] when the client has not shown who it is, and will not.
    pub fn step(
        self,
        message: Option<&[u8]>,
        users: &Users,
        random: impl FnOnce() -> [u8; 18],
    ) -> Result<Step, ExchangeFailed> {
        let Some(message) = message else {
            // RFC 4422 §5: it is asked for what it may as well have sent at first.
            return Ok(Step::Challenge(Vec::new(), self));
        };
        match self.0 {
            Awaits::First(Mechanism::Plain) => plain(message),
            Awaits::First(Mechanism::ScramSha256) => scram_first(message, users, random),
            Awaits::ScramFinal(next) => scram_final(*next, message),
        }
    }
}

fn plain(message: &[u8]) -> Result<Step, ExchangeFailed> {
    let plain = Plain::read(message).map_err(|it| ExchangeError::from(it).of(None))?;
    let failed = |error: ExchangeError| error.of(Some(plain.name));
    let name = prepare(plain.name).map_err(|it| failed(it.into()))?;
    if plain.authorization_id.is_some_and(|it| it != name) {
        return Err(failed(ExchangeError::ActsAsAnother));
    }
    Ok(Step::Password {
        name: name.into_owned(),
        password: plain.password.to_owned(),
    })
}

fn scram_first(
    message: &[u8],
    users: &Users,
    random: impl FnOnce() -> [u8; 18],
) -> Result<Step, ExchangeFailed> {
    let first = ClientFirst::read(message).map_err(|it| ExchangeError::from(it).of(None))?;
    let credentials = users.get(first.name()).cloned();
    let nonce = Nonce::from_random(&random());
    let (challenge, next) = first.challenge(credentials.as_ref(), users.decoys(), &nonce);
    let next = Exchange(Awaits::ScramFinal(Box::new(next)));
    Ok(Step::Challenge(challenge.into_bytes(), next))
}

fn scram_final(next: AwaitFinal, message: &[u8]) -> Result<Step, ExchangeFailed> {
    let name = next.name().to_owned();
    let failed = |error: ExchangeError| error.of(Some(&name));
    let verified = next.verify(message).map_err(|it| failed(it.into()))?;
    if verified
        .authorization_id
        .is_some_and(|acts_as| acts_as != verified.name)
    {
        return Err(failed(ExchangeError::ActsAsAnother));
    }
    Ok(Step::Verified {
        name: verified.name,
        data: verified.server_final.into_bytes(),
    })
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, shown) = match self {
            Self::Challenge(..) => ("Challenge", None),
            Self::Password { name, .. } => ("Password", Some(name)),
            Self::Verified { name, .. } => ("Verified", Some(name)),
        };
        let mut shape = f.debug_struct(name);
        if let Some(name) = shown {
            shape.field("name", name);
        }
        shape.finish_non_exhaustive()
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let awaits: &dyn fmt::Debug = match &self.0 {
            Awaits::First(mechanism) => mechanism,
            Awaits::ScramFinal(_) => &"SCRAM-SHA-256, last message",
        };
        f.debug_tuple("Exchange").field(awaits).finish()
    }
}
