//! 27/ZAP: who asks for what, and the answer.
//!
//! A handshake gives [`Credentials`] with [`Event::Authenticate`](crate::Event::Authenticate), and goes on with a
//! [`Verdict`]. Where that comes from is the caller's matter; [`request_frames`] and [`Verdict::read`] speak with a
//! handler in the protocol's own frames.

use crate::curve::PublicKey;
use crate::greeting::MechanismName;
use crate::metadata::Metadata;
use bytes::Bytes;
use std::fmt;

const VERSION: &[u8] = b"1.0";

/// What a peer shows to be let in. It is not shown where this is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Credentials<'a> {
    /// Nothing: its address decides.
    Null,
    /// A name and a password, as they came.
    Plain {
        /// Up to 255 octets.
        username: &'a [u8],
        /// Up to 255 octets.
        password: &'a [u8],
    },
    /// The permanent key, of which the peer has shown that it has the secret one.
    Curve(PublicKey),
}

impl Credentials<'_> {
    /// The mechanism that they are of.
    #[must_use]
    pub const fn mechanism(&self) -> MechanismName {
        match self {
            Self::Null => MechanismName::NULL,
            Self::Plain { .. } => MechanismName::PLAIN,
            Self::Curve(_) => MechanismName::CURVE,
        }
    }
}

impl fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("Null"),
            Self::Plain { .. } => f.write_str("Plain(hidden)"),
            Self::Curve(key) => write!(f, "Curve({key:?})"),
        }
    }
}

/// Why a peer is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusCode {
    /// 300: it may come again.
    TemporaryError,
    /// 400: it has not shown who it is.
    AuthenticationFailure,
    /// 500: the handler failed.
    InternalError,
}

impl StatusCode {
    /// Its three digits.
    #[must_use]
    pub const fn digits(self) -> &'static str {
        match self {
            Self::TemporaryError => "300",
            Self::AuthenticationFailure => "400",
            Self::InternalError => "500",
        }
    }

    /// The code of three digits, if it is one. 200 is none.
    #[must_use]
    pub fn from_digits(digits: &[u8]) -> Option<Self> {
        let all = [
            Self::TemporaryError,
            Self::AuthenticationFailure,
            Self::InternalError,
        ];
        all.into_iter().find(|it| it.digits().as_bytes() == digits)
    }
}

impl fmt::Display for StatusCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.digits())
    }
}

/// Whether a peer is let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// 200: it is.
    Success {
        /// Who it is to the application; may be empty.
        user_id: Bytes,
        /// Properties for the application, which [`Metadata::read`] reads; may be empty.
        metadata: Bytes,
    },
    /// It is not.
    Failure(StatusCode),
}

impl Verdict {
    /// 200 without a user id.
    pub const SUCCESS: Self = Self::Success {
        user_id: Bytes::new(),
        metadata: Bytes::new(),
    };

    /// Reads the frames of a handler's reply, from the version on.
    ///
    /// # Errors
    /// [`ZapError`]; the peer is not let in then.
    pub fn read(frames: &[&[u8]], request_id: &[u8]) -> Result<Self, ZapError> {
        let [version, id, status, _text, user_id, metadata] = frames else {
            return Err(ZapError::Frames(frames.len()));
        };
        if *version != VERSION {
            return Err(ZapError::Version);
        }
        if *id != request_id {
            return Err(ZapError::RequestId);
        }
        if *status != b"200" {
            let code = StatusCode::from_digits(status).ok_or(ZapError::StatusCode)?;
            return Ok(Self::Failure(code));
        }
        if user_id.len() > 255 {
            return Err(ZapError::UserId(user_id.len()));
        }
        let metadata = Metadata::read(metadata).map_err(|_| ZapError::Metadata)?;
        Ok(Self::Success {
            user_id: Bytes::copy_from_slice(user_id),
            metadata: Bytes::copy_from_slice(metadata.as_bytes()),
        })
    }
}

/// A reply that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ZapError {
    /// There are more or fewer frames.
    #[error("a reply has {0} frames")]
    Frames(usize),
    /// Not "1.0".
    #[error("a reply has another version")]
    Version,
    /// The reply to another request.
    #[error("a reply is for another request")]
    RequestId,
    /// Not 200, 300, 400 or 500.
    #[error("the status code of a reply is not known")]
    StatusCode,
    /// A user id over 255 octets.
    #[error("a user id has {0} bytes")]
    UserId(usize),
    /// Octets that are no properties.
    #[error("the metadata of a reply is malformed")]
    Metadata,
}

/// What a handler is told beside the credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ZapRequest<'a> {
    /// Which the reply says again.
    pub request_id: &'a [u8],
    /// As the socket's option says.
    pub domain: &'a [u8],
    /// Where the peer comes from.
    pub address: &'a [u8],
    /// The socket's own, as libzmq says it.
    pub identity: &'a [u8],
}

/// The frames of a request, from the version on.
#[must_use]
pub fn request_frames<'a>(
    request: &ZapRequest<'a>,
    credentials: &'a Credentials<'a>,
) -> Vec<&'a [u8]> {
    let mut frames = vec![
        VERSION,
        request.request_id,
        request.domain,
        request.address,
        request.identity,
    ];
    match credentials {
        Credentials::Null => frames.push(b"NULL"),
        Credentials::Plain { username, password } => {
            frames.extend([b"PLAIN", *username, *password]);
        }
        Credentials::Curve(key) => frames.extend([b"CURVE".as_slice(), &key.0]),
    }
    frames
}
