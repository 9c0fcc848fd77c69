//! Why an authentication fails.

use crate::excerpt::Excerpt;
use crate::prepare::PrepareError;
use crate::scram::credentials::{ITERATIONS_MAX, ITERATIONS_MIN};
use crate::scram::message::{MESSAGE_BYTES_MAX, NAME_BYTES_MAX};
use crate::scram::nonce::NONCE_BYTES_MAX;

/// Why an authentication fails.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScramError {
    /// A message is over the limit.
    #[error("a message of {len} bytes is over the limit of {MESSAGE_BYTES_MAX}")]
    TooLong {
        /// In bytes.
        len: usize,
    },
    /// A message is not UTF-8.
    #[error("a message is UTF-8")]
    NotUtf8,
    /// A message does not begin with what it says of channel binding.
    #[error("a first message begins with 'n,', 'y,' or 'p=', not with '{0}'")]
    Gs2Header(Excerpt),
    /// The client asks for channel binding.
    #[error("channel binding is not offered here, '{0}' asks for it")]
    ChannelBinding(Excerpt),
    /// The client asks for an extension that must be understood.
    #[error("there are no extensions here, 'm=' asks for one")]
    Extension,
    /// An attribute is not there, or another one is in its place.
    #[error("where '{expected}=' must be stands '{found}'")]
    Attribute {
        /// Its letter.
        expected: char,
        /// What stands there.
        found: Excerpt,
    },
    /// A name is not as names are written.
    #[error("in a name '=' and ',' are '=3D' and '=2C', and nothing else begins with '='")]
    NameEncoding,
    /// A name is over the limit.
    #[error("a name of {len} bytes is over the limit of {NAME_BYTES_MAX}")]
    LongName {
        /// In bytes.
        len: usize,
    },
    /// A name is none.
    #[error("a name cannot be so: {0}")]
    Name(PrepareError),
    /// A password is none. Only a client can tell.
    #[error("a password cannot be so: {0}")]
    Password(PrepareError),
    /// A nonce is none.
    #[error("a nonce is 1 to {NONCE_BYTES_MAX} bytes of printable ASCII without commas")]
    Nonce,
    /// The nonce is not that of this conversation.
    #[error("the nonce is not that of this conversation")]
    OtherNonce,
    /// What the last message says of channel binding is not what the first one said.
    #[error("what is said of channel binding has changed on the way")]
    OtherChannelBinding,
    /// An attribute is not base64.
    #[error("the attribute '{0}=' is not base64")]
    Base64(char),
    /// A proof or signature has another length than it must have.
    #[error("a proof of {len} bytes, it has 32")]
    ProofLength {
        /// In bytes.
        len: usize,
    },
    /// The password is not the user's, or there is no such user.
    #[error("the proof is wrong")]
    Proof,
    /// The server's salt is none. Only a client can tell.
    #[error("a salt cannot be empty")]
    Salt,
    /// The server's iterations are none. Only a client can tell.
    #[error("the iterations '{0}' are no number from {ITERATIONS_MIN} to {ITERATIONS_MAX}")]
    Iterations(Excerpt),
    /// The server says that it failed. Only a client can tell.
    #[error("the server says '{0}'")]
    Refused(Excerpt),
    /// The server's signature is wrong: it does not know the password. Only a client can tell.
    #[error("the server's signature is wrong")]
    Signature,
}

impl ScramError {
    /// What a server sends as its last message, if the protocol around it has a place for one: RFC
    /// 5802 §7, `e=`. It does not tell whether there is such a user.
    #[must_use]
    pub const fn server_final(&self) -> &'static str {
        match self {
            Self::NotUtf8
            | Self::Gs2Header(_)
            | Self::Attribute { .. }
            | Self::Nonce
            | Self::Base64(_)
            | Self::ProofLength { .. } => "e=invalid-encoding",
            Self::ChannelBinding(_) => "e=channel-binding-not-supported",
            Self::OtherChannelBinding => "e=channel-bindings-dont-match",
            Self::Extension => "e=extensions-not-supported",
            Self::NameEncoding | Self::Name(_) => "e=invalid-username-encoding",
            Self::Proof => "e=invalid-proof",
            Self::TooLong { .. }
            | Self::LongName { .. }
            | Self::OtherNonce
            | Self::Password(_)
            | Self::Salt
            | Self::Iterations(_)
            | Self::Refused(_)
            | Self::Signature => "e=other-error",
        }
    }
}
