//! One suite for every provider of [`ShardLog`](log_store::ShardLog): what the contract promises, as functions over a small
//! [`Provider`].
//!
//! It must not know how a provider keeps its records. A provider that cannot do what a check needs (a
//! real folder cannot lose what was written) still passes it: the check asks only for what the contract
//! promises.
//!
//! Read first: [`Provider`] and [`check_all`].

mod checks;
mod pages;
mod provider;
mod recorder;

pub use checks::check_all;
pub use provider::{Failing, Opened, Provider};
pub use recorder::Record;
