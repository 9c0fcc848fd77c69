//! Frames on the wire: what is read, what is written, what is refused.

#![expect(
    clippy::unwrap_used,
    clippy::panic_in_result_fn,
    reason = "a test fails by a panic"
)]

mod allocation;
mod contents;
mod frames;
mod generate;
mod generated;
mod golden;
mod methods;
mod session;
mod split;
mod table;
mod tables;
mod wire;
