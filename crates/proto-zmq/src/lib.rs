#![doc = include_str!("../README.md")]

mod failure;
mod refusal;
mod session;
mod settings;
mod translate;

pub use session::Zmq;
pub use settings::Settings;
pub use translate::ZmqHeads;
