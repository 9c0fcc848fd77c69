//! Users, and SASL mechanisms as pure state machines: SCRAM-SHA-256 and PLAIN.
//!
//! Must not know which protocol carries the messages, where users are kept, sockets, clocks or
//! random numbers: nonces, salts and secrets come from the caller, as bytes. Depends on nothing of
//! ours.
//!
//! ```text
//! mechanism, messages ─► Exchange::step ─► Challenge, Verified, or Password: the caller checks it
//!
//! client-first ─► ClientFirst::read ─► (the caller looks the user up) ─► challenge ─► server-first
//! client-final ─► AwaitFinal::verify ─► Verified, with server-final, or ScramError, with its `e=`
//! ```
//!
//! What is kept of a password is [`ScramCredentials`]; both mechanisms are checked against it. A
//! user that is not there takes the same way as one that is, with credentials that nobody's
//! password fits: see [`Decoys`].
//!
//! Read first: [`Exchange`], [`Users`] and [`ScramCredentials`]. Specifications: RFC 5802, RFC 7677
//! (SCRAM), RFC 4616 (PLAIN), RFC 4013 (SASLprep).
//!
//! **Deviations.** Channel binding is not offered: `n` and `y` are taken, `p` is refused. Names and
//! passwords that SASLprep prohibits, which includes all characters younger than Unicode 3.2, are
//! refused: a client that prepares and one that does not would make two passwords of one.

mod excerpt;
mod exchange;
mod plain;
mod prepare;
mod remembered;
mod scram;
mod users;

pub use excerpt::Excerpt;
pub use exchange::{Exchange, ExchangeError, ExchangeFailed, Mechanism, Step};
pub use plain::{PLAIN_BYTES_MAX, Plain, PlainError};
pub use prepare::{PrepareError, prepare};
pub use remembered::Remembered;
pub use scram::{
    AwaitFinal, AwaitServerFinal, ClientFirst, CredentialsError, Decoys, ITERATIONS_DEFAULT,
    ITERATIONS_MAX, ITERATIONS_MIN, MESSAGE_BYTES_MAX, NAME_BYTES_MAX, Nonce, SALT_BYTES,
    ScramClient, ScramCredentials, ScramError, Verified,
};
pub use users::{UserChange, UserError, Users};
