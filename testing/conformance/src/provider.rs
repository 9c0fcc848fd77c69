//! What the suite needs of a provider.

use crate::recorder::Record;
use log_store::ShardLog;

/// A store that can be opened again and again.
pub trait Provider {
    /// The log of one shard.
    type Log: ShardLog;

    /// Opens the store, which has `shards` shards, and begins anew after a crash.
    fn open(&mut self, shards: u16) -> Opened<Self::Log>;

    /// Makes everything durable that was submitted; does nothing if the store has failed.
    fn round(&mut self);

    /// Does the work that is done in the background, as far as it can be done: snapshots, and all that is asked of
    /// pages.
    fn keep_house(&mut self);

    /// Ends the process in the middle of its work: of what is not durable, any prefix of each shard may
    /// survive. `below(n)` returns a number below `n`: the source of chance. The logs are dropped.
    fn crash(&mut self, below: &mut dyn FnMut(u64) -> u64);

    /// Has the next round fail. Returns whether this provider can.
    fn fail(&mut self) -> Failing;
}

/// Whether a provider can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failing {
    /// The next round fails.
    Armed,
    /// It cannot be made to fail.
    Unable,
}

/// An open store.
#[derive(Debug)]
pub struct Opened<L> {
    /// One log per shard, by ascending shard.
    pub logs: Vec<L>,
    /// What was replayed, in order.
    pub replayed: Vec<Record>,
}
