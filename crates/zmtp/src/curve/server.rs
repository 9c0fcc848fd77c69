//! The server's side of the handshake.
//!
//! ```text
//! await HELLO ──WELCOME──► await INITIATE ──(verdict)──READY──► messages
//! ```

use crate::command::{HELLO, INITIATE, READY, WELCOME};
use crate::curve::CurveError;
use crate::curve::client::{COOKIE_BYTES, HELLO_BYTES, INITIATE_BYTES, READY_BYTES, WELCOME_BYTES};
use crate::curve::encryption::{BoxKey, TAG_BYTES, long_nonce, short_nonce};
use crate::curve::keys::{PublicKey, SecretKey};
use crate::curve::messages::{Cipher, Side};
use std::fmt;
use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize as _, Zeroizing};

/// Random octets for one connection of a server. Erased when they have been used.
///
/// ```text
/// transient key 32 | cookie's key 32 | cookie's nonce 16 | WELCOME's nonce 16
/// ```
pub struct ServerRandom(Box<Zeroizing<[u8; 96]>>);

impl ServerRandom {
    /// Takes octets from a source that nobody can foresee. They must never be used again.
    #[must_use]
    pub fn new(octets: &[u8; 96]) -> Self {
        Self(Box::new(Zeroizing::new(*octets)))
    }

    fn part<const N: usize>(&self, at: usize) -> Zeroizing<[u8; N]> {
        let mut part = Zeroizing::new([0; N]);
        part.copy_from_slice(&self.0[at..at + N]);
        part
    }
}

impl fmt::Debug for ServerRandom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

/// A client that has said hello. The secret transient key is in its cookie alone.
struct Greeted {
    client_transient: PublicKey,
    peer_nonce: u64,
    /// Erased with this, as soon as INITIATE has come.
    cookie_key: BoxKey,
}

/// What was agreed on with INITIATE.
struct Agreed {
    key: BoxKey,
    peer_nonce: u64,
}

/// A server in its handshake with one client.
pub(crate) struct Server {
    secret_key: SecretKey,
    /// Until HELLO has come.
    random: Option<ServerRandom>,
    greeted: Option<Greeted>,
    agreed: Option<Agreed>,
}

/// What was in INITIATE.
pub(crate) struct Opened<'a> {
    /// The permanent key of the client; it has shown that it has the secret one.
    pub(crate) client_key: PublicKey,
    pub(crate) metadata: &'a [u8],
}

impl Server {
    pub(crate) const fn new(secret_key: SecretKey, random: ServerRandom) -> Self {
        Self {
            secret_key,
            random: Some(random),
            greeted: None,
            agreed: None,
        }
    }

    /// The body of WELCOME as the answer to HELLO.
    pub(crate) fn welcome(&mut self, hello: &mut [u8]) -> Result<Vec<u8>, CurveError> {
        let malformed = CurveError::Length("HELLO");
        if hello.len() != HELLO_BYTES || !hello.starts_with(HELLO) {
            return Err(malformed);
        }
        let (major, minor) = (hello[6], hello[7]);
        if (major, minor) != (1, 0) {
            return Err(CurveError::Version(major, minor));
        }
        let (head, sealed) = hello.split_at_mut(120);
        let client_transient = head[80..].first_chunk().ok_or(malformed)?;
        let client_transient = PublicKey(*client_transient);
        let peer_nonce = u64::from_be_bytes(*head.last_chunk().ok_or(malformed)?);
        let weak = CurveError::WeakKey("the client");
        let key = BoxKey::agree(&self.secret_key, &client_transient).ok_or(weak)?;
        let forged = CurveError::Box("HELLO");
        let nonce = short_nonce(b"CurveZMQHELLO---", peer_nonce);
        let text = key.open(&nonce, sealed).map_err(|_| forged)?;
        if !bool::from(text.ct_eq(&[0; 64])) {
            return Err(forged);
        }

        let random = self.random.take().ok_or(malformed)?;
        let transient = SecretKey::new(*random.part(0));
        let cookie_key = BoxKey::new(&random.part(32));
        let (cookie_nonce, welcome_nonce) = (random.part(64), random.part(80));
        let mut welcome = vec![0; WELCOME_BYTES];
        welcome[..8].copy_from_slice(WELCOME);
        welcome[8..24].copy_from_slice(&*welcome_nonce);
        let text = &mut welcome[24 + TAG_BYTES..];
        text[..32].copy_from_slice(&transient.public_key().0);
        text[32..48].copy_from_slice(&*cookie_nonce);
        let cookie = &mut text[48 + TAG_BYTES..];
        cookie[..32].copy_from_slice(&client_transient.0);
        cookie[32..].copy_from_slice(transient.as_bytes());
        let nonce = long_nonce(b"COOKIE--", &cookie_nonce);
        cookie_key.seal(&nonce, &mut text[48..]);
        let nonce = long_nonce(b"WELCOME-", &welcome_nonce);
        key.seal(&nonce, &mut welcome[24..]);
        self.greeted = Some(Greeted {
            client_transient,
            peer_nonce,
            cookie_key,
        });
        Ok(welcome)
    }

    /// Whether HELLO has come.
    pub(crate) const fn is_greeted(&self) -> bool {
        self.greeted.is_some()
    }

    /// What INITIATE says.
    pub(crate) fn open<'a>(&mut self, initiate: &'a mut [u8]) -> Result<Opened<'a>, CurveError> {
        let malformed = CurveError::Length("INITIATE");
        let greeted = self.greeted.take().ok_or(malformed)?;
        if initiate.len() < INITIATE_BYTES || !initiate.starts_with(INITIATE) {
            return Err(malformed);
        }
        let (head, sealed) = initiate.split_at_mut(9 + COOKIE_BYTES + 8);
        let nonce = u64::from_be_bytes(*head.last_chunk().ok_or(malformed)?);
        let last = greeted.peer_nonce;
        if nonce <= last {
            return Err(CurveError::Nonce { nonce, last });
        }
        let transient = greeted.transient_of(&mut head[9..9 + COOKIE_BYTES])?;
        let client_transient = greeted.client_transient;
        let weak = CurveError::WeakKey("the client");
        let key = BoxKey::agree(&transient, &client_transient).ok_or(weak)?;
        let text = key.open(&short_nonce(b"CurveZMQINITIATE", nonce), sealed);
        let text = text.map_err(|_| CurveError::Box("INITIATE"))?;

        let (client_key, rest) = text.split_first_chunk().ok_or(malformed)?;
        let client_key = PublicKey(*client_key);
        let (vouch_nonce, rest) = rest.split_first_chunk().ok_or(malformed)?;
        let (vouch, metadata) = rest
            .split_first_chunk::<{ TAG_BYTES + 64 }>()
            .ok_or(malformed)?;
        let vouching = BoxKey::agree(&transient, &client_key).ok_or(weak)?;
        let mut vouch = *vouch;
        let vouched = vouching.open(&long_nonce(b"VOUCH---", vouch_nonce), &mut vouch);
        let vouched = vouched.map_err(|_| CurveError::Box("the vouch"))?;
        let is_his = vouched[..32].ct_eq(&client_transient.0)
            & vouched[32..].ct_eq(&self.secret_key.public_key().0);
        if !bool::from(is_his) {
            return Err(CurveError::Vouch);
        }
        let peer_nonce = nonce;
        self.agreed = Some(Agreed { key, peer_nonce });
        Ok(Opened {
            client_key,
            metadata,
        })
    }

    /// The body of READY with these properties, and what makes and opens the boxes from here on; nothing before
    /// INITIATE.
    pub(crate) fn finish(&self, metadata: &[u8]) -> Option<(Cipher, Vec<u8>)> {
        let agreed = self.agreed.as_ref()?;
        let nonce: u64 = 1;
        let mut ready = Vec::with_capacity(READY_BYTES + metadata.len());
        ready.extend_from_slice(READY);
        ready.extend_from_slice(&nonce.to_be_bytes());
        let start = ready.len();
        ready.extend_from_slice(&[0; TAG_BYTES]);
        ready.extend_from_slice(metadata);
        let short = short_nonce(b"CurveZMQREADY---", nonce);
        agreed.key.seal(&short, &mut ready[start..]);
        let cipher = Cipher::new(&agreed.key, Side::Server, nonce + 1, agreed.peer_nonce);
        Some((cipher, ready))
    }
}

impl Greeted {
    /// The secret transient key, out of the cookie.
    fn transient_of(&self, cookie: &mut [u8]) -> Result<SecretKey, CurveError> {
        let (nonce, sealed) = cookie.split_first_chunk_mut().ok_or(CurveError::Cookie)?;
        let text = self
            .cookie_key
            .open(&long_nonce(b"COOKIE--", nonce), sealed);
        let text = text.map_err(|_| CurveError::Cookie)?;
        let (client_transient, transient) = text.split_at_mut(32);
        let is_his = bool::from(client_transient.ct_eq(&self.client_transient.0));
        let mut octets = [0; 32];
        octets.copy_from_slice(transient);
        transient.zeroize();
        let transient = SecretKey::new(octets);
        octets.zeroize();
        if is_his {
            Ok(transient)
        } else {
            Err(CurveError::Cookie)
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("is_greeted", &self.is_greeted())
            .field("is_agreed", &self.agreed.is_some())
            .finish_non_exhaustive()
    }
}
