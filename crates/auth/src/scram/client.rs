//! The client's side.

use crate::excerpt::Excerpt;
use crate::prepare::prepare;
use crate::scram::credentials::{
    ITERATIONS_MAX, ITERATIONS_MIN, client_key, number, salted_password, server_key,
};
use crate::scram::message::{attribute, base64, encode_name, key, text};
use crate::scram::nonce::is_nonce;
use crate::scram::{Key, Nonce, ScramError, hash, hmac, xor};
use data_encoding::BASE64;
use std::fmt;
use subtle::ConstantTimeEq as _;

/// A client that has said who it is, and waits for the server's first message.
#[derive(Clone)]
pub struct ScramClient {
    /// Prepared.
    password: String,
    nonce: String,
    /// No channel binding, and as whom to act.
    gs2_header: String,
    /// The rest of the first message.
    bare: String,
}

/// Waits for the server's last message.
#[derive(Clone)]
#[must_use = "the server has not shown yet that it knows the password"]
pub struct AwaitServerFinal {
    server_signature: Key,
}

impl ScramClient {
    /// A client with this name and password, and a nonce that is used for nothing else ever.
    ///
    /// # Errors
    /// [`ScramError`] when the name or the password cannot be one.
    pub fn new(name: &str, password: &str, nonce: &Nonce) -> Result<Self, ScramError> {
        let name = prepare(name).map_err(ScramError::Name)?;
        let password = prepare(password).map_err(ScramError::Password)?;
        Ok(Self {
            password: password.into_owned(),
            nonce: nonce.as_str().to_owned(),
            gs2_header: "n,,".to_owned(),
            bare: format!("n={},r={}", encode_name(&name), nonce.as_str()),
        })
    }

    /// The same, to act as somebody else.
    ///
    /// # Errors
    /// [`ScramError`] when that is no name.
    pub fn acting_as(mut self, authorization_id: &str) -> Result<Self, ScramError> {
        let prepared = prepare(authorization_id).map_err(ScramError::Name)?;
        self.gs2_header = format!("n,a={},", encode_name(&prepared));
        Ok(self)
    }

    /// The first message.
    #[must_use]
    pub fn first_message(&self) -> String {
        format!("{}{}", self.gs2_header, self.bare)
    }

    /// The last message, which answers the server's first one. Takes as long as the iterations say
    /// that the server asks for, within [`ITERATIONS_MAX`].
    ///
    /// # Errors
    /// [`ScramError`] when the server's message is none.
    pub fn respond(self, server_first: &[u8]) -> Result<(String, AwaitServerFinal), ScramError> {
        let server_first = text(server_first)?;
        if server_first.starts_with("m=") {
            return Err(ScramError::Extension);
        }
        let mut attributes = server_first.split(',');
        let nonce = attribute(&mut attributes, 'r')?;
        let salt = base64('s', attribute(&mut attributes, 's')?)?;
        let iterations = attribute(&mut attributes, 'i')?;
        match nonce.strip_prefix(&self.nonce) {
            // Longer than the limit of one side's: it is both sides' together.
            Some(of_server) if is_nonce(of_server) => {}
            _ => return Err(ScramError::OtherNonce),
        }
        if salt.is_empty() {
            return Err(ScramError::Salt);
        }
        let possible = ITERATIONS_MIN..=ITERATIONS_MAX;
        let iterations = number(iterations)
            .filter(|it| possible.contains(it))
            .ok_or_else(|| ScramError::Iterations(Excerpt::of(iterations.as_bytes())))?;
        let salted = salted_password(&self.password, &salt, iterations);
        let binding = BASE64.encode(self.gs2_header.as_bytes());
        let without_proof = format!("c={binding},r={nonce}");
        let signed = format!("{},{server_first},{without_proof}", self.bare);
        let client_key = client_key(&salted);
        let client_signature = hmac(&hash(&client_key), signed.as_bytes());
        let proof = BASE64.encode(&xor(client_key, &client_signature));
        let next = AwaitServerFinal {
            server_signature: hmac(&server_key(&salted), signed.as_bytes()),
        };
        Ok((format!("{without_proof},p={proof}"), next))
    }
}

impl AwaitServerFinal {
    /// Checks the server's last message.
    ///
    /// # Errors
    /// [`ScramError`] when it is none, tells of an error, or does not show that the server
    /// knows the password.
    pub fn verify(self, server_final: &[u8]) -> Result<(), ScramError> {
        let text = text(server_final)?;
        if let Some(error) = text.strip_prefix("e=") {
            return Err(ScramError::Refused(Excerpt::of(error.as_bytes())));
        }
        let signature = key('v', attribute(&mut text.split(','), 'v')?)?;
        if bool::from(signature.ct_eq(&self.server_signature)) {
            return Ok(());
        }
        Err(ScramError::Signature)
    }
}

impl fmt::Debug for ScramClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScramClient")
            .field("first_message", &self.first_message())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for AwaitServerFinal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwaitServerFinal").finish_non_exhaustive()
    }
}
