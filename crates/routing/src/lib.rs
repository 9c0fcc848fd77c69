//! Where a message goes: queues by name, topic patterns in a trie.
//!
//! A [`Table`] is an immutable snapshot: readers hold one without a lock, and a change makes a new
//! one that shares all but the changed path with the old. What a route leads to is opaque here: `Q`
//! for a queue, `T` for a topic's pattern under a key `K` that identifies it. This crate knows no queue, no connection, no
//! protocol; names and patterns come in canonical form (`model`).
//!
//! Read first: [`Table`], then `trie.rs` for how patterns are matched.

mod table;
mod trie;

pub use table::{BindError, Table};
