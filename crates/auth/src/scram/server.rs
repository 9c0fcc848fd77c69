//! The server's side.
//!
//! ```text
//! ClientFirst ──challenge──► AwaitFinal ──verify──► Verified
//! ```
//!
//! Each step consumes the one before: nothing is verified twice, and nothing out of order.

use crate::excerpt::Excerpt;
use crate::prepare::prepare;
use crate::scram::message::{attribute, decode_name, key, text};
use crate::scram::nonce::is_nonce;
use crate::scram::{Decoys, Nonce, ScramCredentials, ScramError, hash, hmac, message, xor};
use data_encoding::BASE64;
use subtle::ConstantTimeEq as _;

/// The client's first message: who wants to be known.
#[derive(Clone, Debug)]
pub struct ClientFirst {
    name: String,
    authorization_id: Option<String>,
    /// What it says of channel binding and of whom to act as; the last message repeats it.
    gs2_header: String,
    /// The rest of the message.
    bare: String,
    nonce: String,
}

/// Waits for the client's last message.
#[derive(Clone, Debug)]
pub struct AwaitFinal {
    name: String,
    authorization_id: Option<String>,
    gs2_header: String,
    /// Both sides' together.
    nonce: String,
    /// The messages so far, as both sides sign them.
    signed: String,
    credentials: ScramCredentials,
}

/// The client knows the password.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "the client waits for the last message"]
pub struct Verified {
    /// Who it is, prepared.
    pub name: String,
    /// As whom to act; none for the one that the name says. Whether it may is for the caller to
    /// say.
    pub authorization_id: Option<String>,
    /// The server's last message, which shows that it knows the user.
    pub server_final: String,
}

impl ClientFirst {
    /// Reads the message.
    ///
    /// # Errors
    /// [`ScramError`] when it is none.
    pub fn read(message: &[u8]) -> Result<Self, ScramError> {
        let text = text(message)?;
        let mut parts = text.splitn(3, ',');
        let binding = parts.next().unwrap_or_default();
        match binding {
            "n" | "y" => {}
            _ if binding.starts_with("p=") => {
                return Err(ScramError::ChannelBinding(Excerpt::of(binding.as_bytes())));
            }
            _ => return Err(ScramError::Gs2Header(Excerpt::of(binding.as_bytes()))),
        }
        let authorization_id = match parts.next().unwrap_or_default() {
            "" => None,
            acts_as => {
                let spelled = attribute(&mut std::iter::once(acts_as), 'a')?;
                Some(prepared_name(spelled)?)
            }
        };
        let bare = parts.next().unwrap_or_default();
        let gs2_header = &text[..text.len() - bare.len()];
        if bare.starts_with("m=") {
            return Err(ScramError::Extension);
        }
        let mut attributes = bare.split(',');
        let name = prepared_name(attribute(&mut attributes, 'n')?)?;
        let nonce = attribute(&mut attributes, 'r')?;
        // What follows are extensions that need not be understood.
        if !is_nonce(nonce) {
            return Err(ScramError::Nonce);
        }
        Ok(Self {
            name,
            authorization_id,
            gs2_header: gs2_header.to_owned(),
            bare: bare.to_owned(),
            nonce: nonce.to_owned(),
        })
    }

    /// Who it says it is, prepared.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The server's first message, which asks for proof. `credentials` are those of the user,
    /// `nonce` is used for nothing else ever. Without credentials it goes on in the same way, and
    /// fails with [`ScramError::Proof`].
    #[must_use]
    pub fn challenge(
        self,
        credentials: Option<&ScramCredentials>,
        decoys: &Decoys,
        nonce: &Nonce,
    ) -> (String, AwaitFinal) {
        let credentials = decoys.or_decoy(&self.name, credentials);
        let nonce = self.nonce + nonce.as_str();
        let salt = BASE64.encode(&credentials.salt);
        let server_first = format!("r={nonce},s={salt},i={}", credentials.iterations);
        let next = AwaitFinal {
            name: self.name,
            authorization_id: self.authorization_id,
            gs2_header: self.gs2_header,
            nonce,
            signed: self.bare + "," + &server_first,
            credentials,
        };
        (server_first, next)
    }
}

impl AwaitFinal {
    /// Who the client says it is, prepared.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Checks the client's last message.
    ///
    /// # Errors
    /// [`ScramError`] when it is none or does not show that the client knows the password.
    pub fn verify(self, message: &[u8]) -> Result<Verified, ScramError> {
        let text = text(message)?;
        let (without_proof, proof) = text.rsplit_once(',').unwrap_or((text, ""));
        let mut attributes = without_proof.split(',');
        let binding = attribute(&mut attributes, 'c')?;
        let nonce = attribute(&mut attributes, 'r')?;
        let proof = key('p', attribute(&mut std::iter::once(proof), 'p')?)?;
        if message::base64('c', binding)? != self.gs2_header.as_bytes() {
            return Err(ScramError::OtherChannelBinding);
        }
        if nonce != self.nonce {
            return Err(ScramError::OtherNonce);
        }
        let signed = self.signed + "," + without_proof;
        let credentials = &self.credentials;
        let client_signature = hmac(&credentials.stored_key, signed.as_bytes());
        let client_key = xor(proof, &client_signature);
        if !bool::from(hash(&client_key).ct_eq(&credentials.stored_key)) {
            return Err(ScramError::Proof);
        }
        let server_signature = hmac(&credentials.server_key, signed.as_bytes());
        Ok(Verified {
            name: self.name,
            authorization_id: self.authorization_id,
            server_final: format!("v={}", BASE64.encode(&server_signature)),
        })
    }
}

fn prepared_name(spelled: &str) -> Result<String, ScramError> {
    let name = decode_name(spelled)?;
    let prepared = prepare(&name).map_err(ScramError::Name)?;
    Ok(prepared.into_owned())
}
