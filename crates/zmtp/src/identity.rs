//! What a socket calls itself.

use bytes::Bytes;

/// The longest identity, in octets.
pub const IDENTITY_BYTES_MAX: usize = 255;

/// The identity of a socket: up to 255 octets, of which the first is not 0; such are the sockets' own. It may be
/// empty: then there is none. 37/ZMTP, "The Identity Property"
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Identity(Bytes);

/// Octets that are no identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// There are too many.
    #[error("an identity has {0} bytes, the limit is 255")]
    TooLong(usize),
    /// The first is 0.
    #[error("an identity begins with 0")]
    Reserved,
}

impl Identity {
    /// Checks octets.
    ///
    /// # Errors
    /// [`IdentityError`]
    pub fn new(bytes: impl Into<Bytes>) -> Result<Self, IdentityError> {
        let bytes = bytes.into();
        Self::check(&bytes)?;
        Ok(Self(bytes))
    }

    /// A peer's, copied once it is known to be one.
    pub(crate) fn copy(bytes: &[u8]) -> Result<Self, IdentityError> {
        Self::check(bytes)?;
        Ok(Self(Bytes::copy_from_slice(bytes)))
    }

    fn check(bytes: &[u8]) -> Result<(), IdentityError> {
        match bytes {
            [0, ..] => Err(IdentityError::Reserved),
            _ if bytes.len() > IDENTITY_BYTES_MAX => Err(IdentityError::TooLong(bytes.len())),
            _ => Ok(()),
        }
    }

    /// Its octets.
    #[must_use]
    pub const fn as_bytes(&self) -> &Bytes {
        &self.0
    }
}
