//! Records as the suite remembers them.

use log_store::{Replayed, SnapshotSource};
use model::{LogIndex, ShardId};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};

/// A record that was replayed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Whose log it stands in.
    pub shard: ShardId,
    /// Its index.
    pub index: LogIndex,
    /// Its kind.
    pub kind: u8,
    /// Its bytes.
    pub payload: Vec<u8>,
}

impl From<Replayed<'_>> for Record {
    fn from(replayed: Replayed<'_>) -> Self {
        Self {
            shard: replayed.shard,
            index: replayed.index,
            kind: replayed.kind,
            payload: replayed.payload.to_vec(),
        }
    }
}

/// A snapshot of these payloads, first to last, all of one kind.
pub(crate) struct Saved {
    kind: u8,
    payloads: std::vec::IntoIter<Vec<u8>>,
}

impl Saved {
    pub(crate) fn new(kind: u8, payloads: Vec<Vec<u8>>) -> Box<Self> {
        Box::new(Self {
            kind,
            payloads: payloads.into_iter(),
        })
    }
}

impl SnapshotSource for Saved {
    fn next_record(&mut self, payload: &mut Vec<u8>) -> Option<u8> {
        assert!(payload.is_empty(), "a source is given an empty buffer");
        payload.extend_from_slice(&self.payloads.next()?);
        Some(self.kind)
    }
}

/// Counts how often it was woken.
#[derive(Debug, Default)]
pub(crate) struct Woken(AtomicUsize);

impl Woken {
    pub(crate) fn new() -> (Arc<Self>, Waker) {
        let woken = Arc::new(Self::default());
        let waker = Waker::from(Arc::clone(&woken));
        (woken, waker)
    }

    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}
