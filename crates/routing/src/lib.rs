//! Where a message goes: exchanges, bindings, queues by name, topic patterns in a trie.
//!
//! A [`Table`] is an immutable snapshot: readers hold one without a lock, and a change makes a new
//! one that shares all but the changed paths with the old. It says of an exchange and a message which
//! queues and subscribers get it ([`Table::route`]). What these are is opaque here: `Q` for a queue,
//! which has a name, and `T` for a subscriber, which has a key `K`. This crate knows no queue, no
//! connection, no protocol, no disk and no random: names and patterns come in canonical form
//! (`model`), headers through [`HeaderSource`], random numbers as arguments.
//!
//! - An **exchange** has a name, a kind ([`ExchangeKind`]) and perhaps an alternate, where what
//!   matches none of its bindings goes. `""`, `amq.direct`, `amq.fanout`, `amq.topic`, `amq.headers`
//!   and `amq.match` are always there.
//! - A **binding** leads from an exchange to a queue, a subscriber or another exchange. It goes when
//!   one of its ends does.
//! - Who may declare or publish, durability and auto-delete are the caller's.
//!
//! Costs, for n bindings: a change some log n steps (a binding of a consistent-hash exchange 100 per
//! unit of weight); a lookup its levels or log n, and its matches. A headers exchange is asked by the
//! distinct names of headers in its bindings.
//!
//! Read first: [`Table`], then `route.rs` for the way through exchanges, `rules.rs` for what each kind
//! keeps, `trie.rs` for how patterns are matched.

mod binding;
mod choices;
mod exchange;
mod hash;
mod headers;
mod leaf;
mod listing;
mod name;
mod ring;
mod route;
mod rules;
mod table;
mod topics;
mod trie;
mod value;

pub use binding::{Arguments, BindError, Binding, BindingError, BindingKey, Destination};
pub use exchange::{Access, Difference, ExchangeDefinition, ExchangeKind, HashOn};
pub use name::{ExchangeName, ExchangeNameTooLong};
pub use route::Routed;
pub use table::{ExchangeError, Table};
pub use value::{Float, HeaderSource, NoHeaders, Property, Value};
