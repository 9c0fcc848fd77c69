//! 25/ZMTP-CURVE and 26/CurveZMQ: keys, boxes, the handshake of both sides, and what follows it.
//!
//! Nothing here makes random numbers: who opens a connection hands them in, fresh for each.

mod client;
mod encryption;
mod keys;
mod messages;
mod server;
pub mod z85;

pub(crate) use client::Client;
pub use client::ClientRandom;
pub use keys::{KeyError, PublicKey, SecretKey};
pub(crate) use messages::{Cipher, OVERHEAD_BYTES};
pub(crate) use server::Server;
pub use server::ServerRandom;

/// Why the other side's boxes are not what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CurveError {
    /// The box does not open: it is forged or damaged, or made for another key.
    #[error("the box of {0} does not open")]
    Box(&'static str),
    /// A command of another length than it must have.
    #[error("the length of {0} is wrong")]
    Length(&'static str),
    /// A version that is not known.
    #[error("CurveZMQ {0}.{1} is not known")]
    Version(u8, u8),
    /// The cookie is not the one that was given.
    #[error("the cookie is another one")]
    Cookie,
    /// The vouch is not for this connection.
    #[error("the vouch is for another connection")]
    Vouch,
    /// A key with which anybody could open the boxes.
    #[error("the key of {0} is weak")]
    WeakKey(&'static str),
    /// A number that has been used, or an older one.
    #[error("the nonce {nonce} follows {last}")]
    Nonce {
        /// What came.
        nonce: u64,
        /// What came before.
        last: u64,
    },
}
