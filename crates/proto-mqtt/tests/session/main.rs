//! The session against a scripted broker, in virtual time.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

mod arbitrary;
mod authentication;
mod connect;
mod deliver;
mod ends;
mod given_aliases;
mod kept;
mod kept_shared;
mod payload_format;
mod publish;
mod scripted_broker;
mod shared;
mod split;
mod subscribe;
mod told;
