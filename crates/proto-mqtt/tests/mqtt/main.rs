//! Packets on the wire: what is read, what is written, what is refused.

#![expect(
    clippy::unwrap_used,
    clippy::panic_in_result_fn,
    reason = "a test fails by a panic"
)]

mod allocation;
mod arbitrary;
mod clauses;
mod connect;
mod golden;
mod oracle;
mod packets;
mod properties;
mod round_trip;
mod spec_bytes;
mod split;
mod subscribe;
mod table;
mod wire;
