//! SCRAM-SHA-256 (RFC 5802, RFC 7677): a password is shown without being sent.

mod client;
mod credentials;
mod decoy;
mod error;
mod message;
mod nonce;
mod server;

pub use client::{AwaitServerFinal, ScramClient};
pub use credentials::{
    CredentialsError, ITERATIONS_DEFAULT, ITERATIONS_MAX, ITERATIONS_MIN, SALT_BYTES,
    ScramCredentials,
};
pub use decoy::Decoys;
pub use error::ScramError;
pub use message::{MESSAGE_BYTES_MAX, NAME_BYTES_MAX};
pub use nonce::Nonce;
pub use server::{AwaitFinal, ClientFirst, Verified};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

/// The length of a hash and of all keys.
pub(crate) const KEY_BYTES: usize = 32;

/// A hash, or a key that is as long as one.
pub(crate) type Key = [u8; KEY_BYTES];

/// HMAC(key, message): RFC 5802 §2.2.
pub(crate) fn hmac(key: &[u8], message: &[u8]) -> Key {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key may have any length");
    mac.update(message);
    mac.finalize().into_bytes().into()
}

/// H(message): RFC 5802 §2.2.
fn hash(message: &[u8]) -> Key {
    Sha256::digest(message).into()
}

/// Bit by bit, one or the other.
fn xor(mut one: Key, other: &Key) -> Key {
    one.iter_mut()
        .zip(other)
        .for_each(|(one, other)| *one ^= other);
    one
}
