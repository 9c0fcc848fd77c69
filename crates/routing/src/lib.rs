//! Where a message goes: exchanges, bindings, queues by name, topic patterns in a trie.
//!
//! A [`Table`] is an immutable snapshot: readers hold one without a lock, and a change makes a new
//! one that shares all but the changed paths with the old. It says of an exchange and a message which
//! queues and subscribers get it ([`Table::route`]). What these are is opaque here: `Q` for a queue,
//! which has a name, and `T` for a subscriber, which has a key `K`. This crate knows no queue, no
//! connection, no protocol, no disk and no random: names and patterns come in canonical form
//! (`model`), headers through [`HeaderSource`], random numbers as arguments.
//!
//! - An **exchange** has a name, a kind ([`model::ExchangeKind`]) and perhaps an alternate, where what
//!   matches none of its bindings goes. `""`, `amq.direct`, `amq.fanout`, `amq.topic`, `amq.headers`
//!   and `amq.match` are always there.
//! - A **binding** leads from an exchange to a queue, a subscriber or another exchange. It goes when
//!   one of its ends does.
//! - Who may declare or publish, durability and auto-delete are the caller's.
//!
//! Costs, for n bindings: a change copies paths of some log n nodes, most of its time what it finds
//! outside the processor's caches (a binding of a consistent-hash exchange has 16 paths per unit of
//! weight); a look-up costs the levels of the key, and its matches. A headers exchange is asked by the
//! distinct names of headers in its bindings. Listings are sorted when they are asked for.
//! `examples/scale.rs` measures changes and look-ups.
//!
//! Read first: [`Table`], then `route.rs` for the way through exchanges, `rules.rs` for what each kind
//! keeps, `trie.rs` for how patterns are matched, `map.rs` for what makes a change cheap.

mod binding;
mod exchange;
mod hash;
mod headers;
mod index;
mod leaf;
mod listing;
mod map;
mod ring;
mod route;
mod rules;
mod slots;
mod table;
mod topics;
mod trie;
mod value;

pub use binding::{BindError, Binding, BindingError, Destination};
pub use route::Routed;
pub use table::{ExchangeError, Table};
pub use value::{HeaderSource, NoHeaders};
