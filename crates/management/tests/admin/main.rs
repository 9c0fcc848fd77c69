//! The admin session against a scripted waist, and the client against a scripted broker.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

mod client;
mod definitions;
mod lines;
mod requests;
mod scripted_broker;
