//! The boxes of `NaCl`: `XSalsa20` and Poly1305, in place.
//!
//! A box is the tag and behind it the text, encrypted: `crypto_box` and `crypto_secretbox` without the zeros before
//! them.

use crate::curve::keys::{KEY_BYTES, PublicKey, SecretKey};
use poly1305::Poly1305;
use poly1305::universal_hash::KeyInit as _;
use salsa20::cipher::consts::U10;
use salsa20::cipher::{KeyIvInit as _, StreamCipher as _};
use salsa20::{Salsa20, hsalsa};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// Octets of a tag: a box has so many more than its text.
pub(super) const TAG_BYTES: usize = 16;

/// Octets of a key in a place of their own: they leave no copies where it was moved from.
type Kept = Box<Zeroizing<[u8; KEY_BYTES]>>;

/// A key for the boxes between two pairs of keys, or a cookie's.
#[derive(Clone)]
pub(super) struct BoxKey(Kept);

/// The key of all boxes whose nonces begin alike: a step less for each.
pub(super) struct StreamKey(Kept);

/// The box does not open.
pub(super) struct Forged;

impl BoxKey {
    /// `crypto_box_beforenm`; nothing for a weak key.
    pub(super) fn agree(secret: &SecretKey, public: &PublicKey) -> Option<Self> {
        let agreed = secret.agree(public)?;
        Some(Self(hash(&agreed, &[0; 16])))
    }

    /// The key of a `crypto_secretbox`.
    pub(super) fn new(bytes: &[u8; KEY_BYTES]) -> Self {
        Self(Box::new(Zeroizing::new(*bytes)))
    }

    /// The key for nonces that begin so.
    pub(super) fn stream(&self, prefix: &[u8; 16]) -> StreamKey {
        StreamKey(hash(&self.0, prefix))
    }

    /// Makes `sealed`, which has room for a tag and the text behind it, a box.
    pub(super) fn seal(&self, nonce: &[u8; 24], sealed: &mut [u8]) {
        let (prefix, rest) = split_nonce(nonce);
        self.stream(prefix).seal(rest, sealed);
    }

    /// The text in a box, which is there in place.
    pub(super) fn open<'a>(
        &self,
        nonce: &[u8; 24],
        sealed: &'a mut [u8],
    ) -> Result<&'a mut [u8], Forged> {
        let (prefix, rest) = split_nonce(nonce);
        self.stream(prefix).open(rest, sealed)
    }
}

impl StreamKey {
    /// As [`BoxKey::seal`].
    pub(super) fn seal(&self, nonce: [u8; 8], sealed: &mut [u8]) {
        let Some((tag, text)) = sealed.split_first_chunk_mut::<TAG_BYTES>() else {
            return;
        };
        let (mut stream, mac) = self.start(nonce);
        stream.apply_keystream(text);
        tag.copy_from_slice(&mac.compute_unpadded(text));
    }

    /// As [`BoxKey::open`].
    pub(super) fn open<'a>(
        &self,
        nonce: [u8; 8],
        sealed: &'a mut [u8],
    ) -> Result<&'a mut [u8], Forged> {
        let (tag, text) = sealed.split_first_chunk_mut::<TAG_BYTES>().ok_or(Forged)?;
        let (mut stream, mac) = self.start(nonce);
        if !bool::from(mac.compute_unpadded(text).ct_eq(&tag[..])) {
            return Err(Forged);
        }
        stream.apply_keystream(text);
        Ok(text)
    }

    /// The stream behind the first 32 octets, which are the tag's key.
    fn start(&self, nonce: [u8; 8]) -> (Salsa20, Poly1305) {
        let mut stream = Salsa20::new(&(**self.0).into(), &nonce.into());
        let mut first = Zeroizing::new([0; KEY_BYTES]);
        stream.apply_keystream(&mut *first);
        let mac = Poly1305::new(&(*first).into());
        (stream, mac)
    }
}

fn split_nonce(nonce: &[u8; 24]) -> (&[u8; 16], [u8; 8]) {
    let mut rest = [0; 8];
    rest.copy_from_slice(&nonce[16..]);
    let (prefix, _) = nonce.split_first_chunk().unwrap_or((&[0; 16], &[]));
    (prefix, rest)
}

fn hash(key: &[u8; KEY_BYTES], input: &[u8; 16]) -> Kept {
    let hashed = hsalsa::<U10>(&(*key).into(), &(*input).into());
    Box::new(Zeroizing::new(hashed.into()))
}

/// A nonce of a long prefix and a number.
pub(super) fn short_nonce(prefix: &[u8; 16], number: u64) -> [u8; 24] {
    let mut nonce = [0; 24];
    nonce[..16].copy_from_slice(prefix);
    nonce[16..].copy_from_slice(&number.to_be_bytes());
    nonce
}

/// A nonce of a short prefix and 16 octets.
pub(super) fn long_nonce(prefix: &[u8; 8], octets: &[u8; 16]) -> [u8; 24] {
    let mut nonce = [0; 24];
    nonce[..8].copy_from_slice(prefix);
    nonce[8..].copy_from_slice(octets);
    nonce
}
