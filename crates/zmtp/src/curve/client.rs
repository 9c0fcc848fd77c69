//! The client's side of the handshake.
//!
//! ```text
//! start ──HELLO──► await WELCOME ──INITIATE──► await READY ──► messages
//! ```

use crate::command::{HELLO, INITIATE, READY, WELCOME};
use crate::curve::CurveError;
use crate::curve::encryption::{BoxKey, TAG_BYTES, long_nonce, short_nonce};
use crate::curve::keys::{PublicKey, SecretKey};
use crate::curve::messages::{Cipher, Side};
use std::fmt;
use zeroize::Zeroizing;

/// Octets of HELLO.
pub(super) const HELLO_BYTES: usize = 200;
/// Octets of WELCOME.
pub(super) const WELCOME_BYTES: usize = 168;
/// Octets of INITIATE without its metadata.
pub(super) const INITIATE_BYTES: usize = 257;
/// Octets of READY without its metadata.
pub(super) const READY_BYTES: usize = 30;
/// Octets of a cookie.
pub(super) const COOKIE_BYTES: usize = 96;

/// Random octets for one connection of a client. Erased when they have been used.
pub struct ClientRandom(Box<Zeroizing<[u8; 48]>>);

impl ClientRandom {
    /// Takes octets from a source that nobody can foresee. They must never be used again.
    #[must_use]
    pub fn new(octets: &[u8; 48]) -> Self {
        Self(Box::new(Zeroizing::new(*octets)))
    }

    /// Of the transient key, and of the vouch.
    fn parts(&self) -> (SecretKey, [u8; 16]) {
        let (mut transient, mut vouch_nonce) = (Zeroizing::new([0; 32]), [0; 16]);
        transient.copy_from_slice(&self.0[..32]);
        vouch_nonce.copy_from_slice(&self.0[32..]);
        (SecretKey::new(*transient), vouch_nonce)
    }
}

impl fmt::Debug for ClientRandom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

/// A client in its handshake.
pub(crate) struct Client {
    server_key: PublicKey,
    secret_key: SecretKey,
    transient: SecretKey,
    vouch_nonce: [u8; 16],
    nonce: u64,
    /// The key for the boxes between the transient keys, since WELCOME.
    agreed: Option<BoxKey>,
}

impl Client {
    pub(crate) fn new(server_key: PublicKey, secret_key: SecretKey, random: &ClientRandom) -> Self {
        let (transient, vouch_nonce) = random.parts();
        Self {
            server_key,
            secret_key,
            transient,
            vouch_nonce,
            nonce: 1,
            agreed: None,
        }
    }

    pub(crate) const fn server_key(&self) -> PublicKey {
        self.server_key
    }

    fn next_nonce(&mut self) -> u64 {
        let nonce = self.nonce;
        self.nonce += 1;
        nonce
    }

    /// The body of HELLO.
    pub(crate) fn hello(&mut self) -> Result<Vec<u8>, CurveError> {
        let nonce = self.next_nonce();
        let mut hello = vec![0; HELLO_BYTES];
        hello[..6].copy_from_slice(HELLO);
        hello[6] = 1;
        hello[80..112].copy_from_slice(&self.transient.public_key().0);
        hello[112..120].copy_from_slice(&nonce.to_be_bytes());
        let key = BoxKey::agree(&self.transient, &self.server_key);
        let key = key.ok_or(CurveError::WeakKey("the server"))?;
        key.seal(&short_nonce(b"CurveZMQHELLO---", nonce), &mut hello[120..]);
        Ok(hello)
    }

    /// Whether WELCOME has come.
    pub(crate) const fn is_welcome(&self) -> bool {
        self.agreed.is_some()
    }

    /// The body of INITIATE, with these properties, as the answer to WELCOME.
    pub(crate) fn initiate(
        &mut self,
        welcome: &mut [u8],
        metadata: &[u8],
    ) -> Result<Vec<u8>, CurveError> {
        let malformed = CurveError::Length("WELCOME");
        if welcome.len() != WELCOME_BYTES || !welcome.starts_with(WELCOME) {
            return Err(malformed);
        }
        let (head, sealed) = welcome.split_at_mut(24);
        let nonce: &[u8; 16] = head.last_chunk().ok_or(malformed)?;
        let forged = CurveError::Box("WELCOME");
        let weak = CurveError::WeakKey("the server");
        let key = BoxKey::agree(&self.transient, &self.server_key).ok_or(weak)?;
        let text = key.open(&long_nonce(b"WELCOME-", nonce), sealed);
        let text = text.map_err(|_| forged)?;
        let (server_transient, cookie) = text.split_first_chunk().ok_or(malformed)?;
        let server_transient = PublicKey(*server_transient);
        let agreed = BoxKey::agree(&self.transient, &server_transient).ok_or(weak)?;

        let mut vouch = [0; TAG_BYTES + 64];
        vouch[TAG_BYTES..TAG_BYTES + 32].copy_from_slice(&self.transient.public_key().0);
        vouch[TAG_BYTES + 32..].copy_from_slice(&self.server_key.0);
        let vouching = BoxKey::agree(&self.secret_key, &server_transient).ok_or(weak)?;
        vouching.seal(&long_nonce(b"VOUCH---", &self.vouch_nonce), &mut vouch);

        let nonce = self.next_nonce();
        let mut initiate = Vec::with_capacity(INITIATE_BYTES + metadata.len());
        initiate.extend_from_slice(INITIATE);
        initiate.extend_from_slice(cookie);
        initiate.extend_from_slice(&nonce.to_be_bytes());
        let start = initiate.len();
        initiate.extend_from_slice(&[0; TAG_BYTES]);
        initiate.extend_from_slice(&self.secret_key.public_key().0);
        initiate.extend_from_slice(&self.vouch_nonce);
        initiate.extend_from_slice(&vouch);
        initiate.extend_from_slice(metadata);
        let nonce = short_nonce(b"CurveZMQINITIATE", nonce);
        agreed.seal(&nonce, &mut initiate[start..]);
        self.agreed = Some(agreed);
        Ok(initiate)
    }

    /// The properties in READY, and what makes and opens the boxes from here on.
    pub(crate) fn finish<'a>(&self, ready: &'a mut [u8]) -> Result<(Cipher, &'a [u8]), CurveError> {
        let malformed = CurveError::Length("READY");
        let agreed = self.agreed.as_ref().ok_or(malformed)?;
        if ready.len() < READY_BYTES || !ready.starts_with(READY) {
            return Err(malformed);
        }
        let (head, sealed) = ready.split_at_mut(14);
        let nonce = head.last_chunk().ok_or(malformed)?;
        let nonce = u64::from_be_bytes(*nonce);
        let text = agreed.open(&short_nonce(b"CurveZMQREADY---", nonce), sealed);
        let text = text.map_err(|_| CurveError::Box("READY"))?;
        let cipher = Cipher::new(agreed, Side::Client, self.nonce, nonce);
        Ok((cipher, text))
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("server_key", &self.server_key)
            .field("is_welcome", &self.is_welcome())
            .finish_non_exhaustive()
    }
}
