//! The whole broker in one thread: real sessions, connections, executors and store; simulated time,
//! network and disk; one seed drives all.
//!
//! A run has a *workload* (publishers and consumers, scripted by the seed) that is interrupted by
//! crashes at chosen steps, each followed by a restart on what the disk has kept. Then faults end, and
//! everything is drained: what the clients have seen must satisfy every invariant in [`invariant`].
//!
//! Read first: [`run`], then [`world`] (the broker and its steps) and [`actor`] (the clients).

pub mod actor;
pub mod history;
pub mod invariant;
pub mod run;
pub mod world;
