//! Packets on the wire: what is read, what is written, what is refused.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

mod arbitrary;
mod clauses;
mod connect;
mod packets;
mod properties;
mod round_trip;
mod split;
mod subscribe;
mod wire;
