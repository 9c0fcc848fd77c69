//! The whole broker in one thread: real sessions, connections, executors and store; simulated time,
//! network and disk; one seed drives all.
//!
//! A run has a *workload* (publishers and consumers, scripted by the seed) that is interrupted by
//! crashes at chosen steps, each followed by a restart on what the store has kept: a journal on a simulated disk,
//! or a log for each shard that loses its tail by itself, for nothing may rely on a shared one. Then faults end, and
//! everything is drained: what the clients have seen must satisfy every invariant in [`invariant`].
//!
//! The clients of a workload speak STOMP, or some of them AMQP ([`mod@line`]).
//! [`mqtt`] has a workload of its own: sessions that outlive their connections.
//!
//! Read first: [`run`], then [`world`] (the broker and its steps), [`scene`] (what the clients use) and [`actor`]
//! (the clients).

pub mod actor;
pub mod history;
pub mod invariant;
pub mod line;
pub mod mqtt;
pub mod run;
pub mod scene;
pub mod store;
pub mod world;
