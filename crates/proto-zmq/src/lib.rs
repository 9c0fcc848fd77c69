#![doc = include_str!("../README.md")]

mod curve;
mod failure;
mod refusal;
mod session;
mod settings;
mod translate;

pub use curve::Curve;
pub use session::Zmq;
pub use settings::Settings;
pub use translate::ZmqHeads;
pub use zmtp::curve::{KeyError, PublicKey, SecretKey, ServerRandom};
