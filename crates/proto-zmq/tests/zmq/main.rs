//! The session, from outside: bytes and events in, bytes and commands out.

#![expect(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "tests fail by panics, and look at what they ask for"
)]

mod handshake;
mod pipeline;
mod publish;
mod requests;
mod split;
mod stage;
mod table;
