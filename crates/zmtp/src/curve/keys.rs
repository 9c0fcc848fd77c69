//! Keys of Curve25519.

use crate::curve::z85;
use curve25519_dalek::MontgomeryPoint;
use std::fmt;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// Octets of a key.
pub(crate) const KEY_BYTES: usize = 32;

/// The key that everybody may know.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublicKey(pub [u8; KEY_BYTES]);

/// The key that its owner alone knows. It is not shown, and erased when it goes: it has a place of its own, so that it
/// leaves no copies where it was moved from.
#[derive(Clone)]
pub struct SecretKey(Box<Zeroizing<[u8; KEY_BYTES]>>);

/// A text that is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key is 40 characters of Z85")]
pub struct KeyError;

impl PublicKey {
    /// Reads 40 characters of Z85.
    ///
    /// # Errors
    /// [`KeyError`]
    pub fn from_z85(text: &str) -> Result<Self, KeyError> {
        read_z85(text).map(Self)
    }

    /// Its 40 characters of Z85.
    #[must_use]
    pub fn to_z85(&self) -> String {
        z85::encode(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.to_z85())
    }
}

impl SecretKey {
    /// The key of 32 random octets.
    #[must_use]
    pub fn new(bytes: [u8; KEY_BYTES]) -> Self {
        Self(Box::new(Zeroizing::new(bytes)))
    }

    /// Reads 40 characters of Z85.
    ///
    /// # Errors
    /// [`KeyError`]
    pub fn from_z85(text: &str) -> Result<Self, KeyError> {
        read_z85(text).map(Self::new)
    }

    /// Its 40 characters of Z85, erased when they go.
    #[must_use]
    pub fn to_z85(&self) -> Zeroizing<String> {
        Zeroizing::new(z85::encode(&self.0[..]).unwrap_or_default())
    }

    /// The public key that belongs to it.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        PublicKey(MontgomeryPoint::mul_base_clamped(**self.0).to_bytes())
    }

    pub(crate) fn as_bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    /// What both sides of two pairs of keys can compute; nothing for a key of low order, with which everybody could.
    pub(crate) fn agree(&self, with: &PublicKey) -> Option<Zeroizing<[u8; KEY_BYTES]>> {
        let point = Zeroizing::new(MontgomeryPoint(with.0).mul_clamped(**self.0));
        let agreed = Zeroizing::new(point.to_bytes());
        let is_weak = bool::from(agreed.ct_eq(&[0; KEY_BYTES]));
        (!is_weak).then_some(agreed)
    }
}

impl PartialEq for SecretKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0[..]).into()
    }
}

impl Eq for SecretKey {}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

fn read_z85(text: &str) -> Result<[u8; KEY_BYTES], KeyError> {
    // Before anything is allocated for it.
    if text.len() != KEY_BYTES / 4 * 5 {
        return Err(KeyError);
    }
    let bytes = Zeroizing::new(z85::decode(text).ok_or(KeyError)?);
    bytes.as_slice().try_into().map_err(|_| KeyError)
}
