//! The session against a scripted broker, in virtual time.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

mod arbitrary;
mod clauses;
mod connect;
mod durable;
mod ended;
mod golden;
mod heart_beat;
mod list;
mod scripted_broker;
mod send;
mod settle;
mod split;
mod subscribe;
mod table;
mod temporary;
mod transaction;
