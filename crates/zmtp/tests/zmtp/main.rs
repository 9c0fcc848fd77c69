//! The protocol on the wire: what is read, what is written, what is refused.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

mod allocation;
mod commands;
mod curve;
mod downgrades;
mod frames;
mod golden;
mod greetings;
mod heartbeats;
mod metadata;
mod null;
mod others;
mod pair;
mod plain;
mod split;
mod table;
mod traffic;
mod websockets;
