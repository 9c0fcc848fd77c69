//! The conversion contract between STOMP and MQTT, all but the sockets: what a message says, it says after a
//! way through the other protocol and back.

#![expect(
    clippy::unwrap_used,
    clippy::panic_in_result_fn,
    reason = "a test fails by a panic"
)]

mod bridge;
mod broker;
mod generated;
mod rows;
mod rules;
mod seen;
