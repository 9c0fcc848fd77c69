//! How peers know each other.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use zmtp::curve::{ClientRandom, PublicKey, SecretKey, ServerRandom};
use zmtp::{Authentication, Credentials, CurveClient, CurveServer, Mechanism, PlainLogin, Verdict};

/// Who wants to be let in.
#[derive(Clone, Copy, Debug)]
pub struct Applicant<'a> {
    /// What it shows.
    pub credentials: Credentials<'a>,
    /// Its address without the port; empty for a Unix socket.
    pub address: &'a str,
}

/// What an [`Authenticator`] says.
pub enum Decision {
    /// It knows.
    Now(Verdict),
    /// It has to ask. The peer waits meanwhile, within the time for its handshake.
    Later(Pin<Box<dyn Future<Output = Verdict> + Send>>),
}

impl fmt::Debug for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Now(verdict) => f.debug_tuple("Now").field(verdict).finish(),
            Self::Later(_) => f.write_str("Later"),
        }
    }
}

/// Decides who is let in. It is asked on an I/O thread, in the middle of a handshake: it must not block.
///
/// ```
/// use barid_zmq::{Applicant, Context, Pull, Verdict};
/// use barid_zmq::Credentials;
///
/// let pull = Pull::builder(&Context::new())
///     .plain_server(|applicant: &Applicant<'_>| match applicant.credentials {
///         Credentials::Plain { username: b"anna", password: b"secret" } => Verdict::SUCCESS,
///         _ => Verdict::Failure(barid_zmq::StatusCode::AuthenticationFailure),
///     })
///     .build();
/// # drop(pull);
/// ```
pub trait Authenticator: Send + Sync + 'static {
    /// Whether a peer is let in.
    fn authenticate(&self, applicant: &Applicant<'_>) -> Decision;
}

impl<F: Fn(&Applicant<'_>) -> Verdict + Send + Sync + 'static> Authenticator for F {
    fn authenticate(&self, applicant: &Applicant<'_>) -> Decision {
        Decision::Now(self(applicant))
    }
}

/// Makes a pair of keys for CURVE.
///
/// # Errors
/// When the system has no random numbers.
pub fn curve_keypair() -> Result<(PublicKey, SecretKey), NoRandom> {
    let secret = SecretKey::new(random()?);
    Ok((secret.public_key(), secret))
}

/// The system has given no random numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system has no random numbers")]
pub struct NoRandom;

fn random<const N: usize>() -> Result<[u8; N], NoRandom> {
    let mut octets = [0; N];
    getrandom::fill(&mut octets).map_err(|_| NoRandom)?;
    Ok(octets)
}

#[derive(Clone, Debug)]
pub(crate) enum Identification {
    Null,
    PlainClient(PlainLogin),
    PlainServer,
    CurveClient(PublicKey, SecretKey),
    CurveServer(SecretKey),
}

/// How a socket and its peers know each other.
#[derive(Clone)]
pub(crate) struct Security {
    pub(crate) identification: Identification,
    pub(crate) authenticator: Option<Arc<dyn Authenticator>>,
}

impl Default for Security {
    fn default() -> Self {
        Self {
            identification: Identification::Null,
            authenticator: None,
        }
    }
}

impl fmt::Debug for Security {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.identification.fmt(f)
    }
}

impl Security {
    /// What a new connection speaks.
    pub(crate) fn mechanism(&self) -> Result<Mechanism, NoRandom> {
        let authentication = if self.authenticator.is_some() {
            Authentication::Asked
        } else {
            Authentication::NotAsked
        };
        Ok(match &self.identification {
            Identification::Null => Mechanism::Null(authentication),
            Identification::PlainClient(login) => Mechanism::PlainClient(login.clone()),
            Identification::PlainServer => Mechanism::PlainServer,
            Identification::CurveClient(server_key, secret_key) => {
                Mechanism::CurveClient(Box::new(CurveClient {
                    server_key: *server_key,
                    secret_key: secret_key.clone(),
                    random: ClientRandom::new(&random()?),
                }))
            }
            Identification::CurveServer(secret_key) => {
                Mechanism::CurveServer(Box::new(CurveServer {
                    secret_key: secret_key.clone(),
                    random: ServerRandom::new(&random()?),
                    authentication,
                }))
            }
        })
    }

    /// Whether peers have to show who they are, or somebody is asked about them.
    pub(crate) const fn is_asked_for(&self) -> bool {
        self.authenticator.is_some() || !matches!(self.identification, Identification::Null)
    }

    /// Whether a peer is let in. Without anybody to ask all are: a server of PLAIN always has somebody.
    pub(crate) fn decision(&self, applicant: &Applicant<'_>) -> Decision {
        match &self.authenticator {
            Some(authenticator) => authenticator.authenticate(applicant),
            None => Decision::Now(Verdict::SUCCESS),
        }
    }
}
