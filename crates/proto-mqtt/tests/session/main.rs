//! The session against a scripted broker, in virtual time.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

mod arbitrary;
mod connect;
mod deliver;
mod ends;
mod kept;
mod publish;
mod scripted_broker;
mod shared;
mod split;
mod subscribe;
