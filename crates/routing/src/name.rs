//! Names of exchanges.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// The longest name of an exchange, in bytes (AMQP 0-9-1's short string; the same for all protocols).
const EXCHANGE_NAME_BYTES_MAX: usize = 255;

/// The name of an exchange: 0 to 255 opaque bytes. The empty name is the default exchange's. Cheap to
/// clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExchangeName(Arc<[u8]>);

/// Why some bytes cannot name an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "an exchange's name has {bytes} bytes, the limit is {}",
    ExchangeName::BYTES_MAX
)]
pub struct ExchangeNameTooLong {
    /// The bytes that it has.
    pub bytes: usize,
}

impl ExchangeName {
    /// The longest name, in bytes.
    pub const BYTES_MAX: usize = EXCHANGE_NAME_BYTES_MAX;

    /// Checks and copies a name.
    ///
    /// # Errors
    /// [`ExchangeNameTooLong`] when `bytes` is over [`Self::BYTES_MAX`].
    pub fn new(bytes: &[u8]) -> Result<Self, ExchangeNameTooLong> {
        if bytes.len() > Self::BYTES_MAX {
            return Err(ExchangeNameTooLong { bytes: bytes.len() });
        }
        Ok(Self(bytes.into()))
    }

    /// A name that is known to be short enough.
    pub(crate) fn known(bytes: &'static [u8]) -> Self {
        Self(bytes.into())
    }

    /// The name's bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Borrow<[u8]> for ExchangeName {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for ExchangeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&String::from_utf8_lossy(&self.0), f)
    }
}

impl fmt::Debug for ExchangeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.0))
    }
}
