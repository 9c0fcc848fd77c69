//! A store in memory: the double for everyone who needs a log and no disk.

use crate::batch::Batch;
use crate::record;
use crate::shard_log::{Replayed, ShardLog, SnapshotSource, StoreFailed};
use model::{LogIndex, ShardId};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

/// A store in memory. A clone is another handle to the same one.
///
/// It keeps the contract of [`ShardLog`], and each shard loses its unsynced tail on its own: what two
/// shards of a [`Local`](crate::Local) store happen to share, these do not.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore(Arc<Mutex<World>>);

/// The log of one shard in a [`MemoryStore`]. It is dead after a crash.
#[derive(Debug)]
pub struct MemoryLog {
    store: MemoryStore,
    generation: u64,
    shard: ShardId,
    next: LogIndex,
    spare: Vec<u8>,
}

#[derive(Debug, Default)]
struct World {
    shards: Vec<Shard>,
    /// Counts openings, to tell dead logs from living ones.
    generation: u64,
    failed: bool,
}

#[derive(Debug, Default)]
struct Shard {
    snapshot: Vec<Record>,
    /// The index of the last record that the snapshot replaces.
    snapshot_index: LogIndex,
    /// The records behind the snapshot.
    records: VecDeque<Record>,
    committed: LogIndex,
    waker: Option<Waker>,
    wants_snapshot: bool,
    pending: Option<Pending>,
}

#[derive(Clone, Debug)]
struct Record {
    kind: u8,
    payload: Vec<u8>,
}

/// A snapshot whose log is not yet committed.
struct Pending {
    index: LogIndex,
    source: Box<dyn SnapshotSource>,
}

impl std::fmt::Debug for Pending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pending")
            .field("index", &self.index)
            .finish_non_exhaustive()
    }
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens the store and hands every record to `replay`, shard by shard, those of its snapshot
    /// first. A store that was opened before keeps its number of shards. What was submitted and not
    /// committed before is lost, and the logs of that time are dead.
    pub fn open(&self, shards: u16, replay: &mut dyn FnMut(Replayed<'_>)) -> Vec<MemoryLog> {
        self.crash(&mut |_, _| 0);
        let mut world = self.0.lock();
        if world.shards.is_empty() {
            world
                .shards
                .resize_with(usize::from(shards), Shard::default);
        }
        for (shard, state) in (0..).map(ShardId).zip(&world.shards) {
            state.replay(shard, replay);
        }
        (0..)
            .map(ShardId)
            .zip(&world.shards)
            .map(|(shard, state)| MemoryLog {
                store: self.clone(),
                generation: world.generation,
                shard,
                next: state.last().next(),
                spare: Vec::new(),
            })
            .collect()
    }

    /// Commits everything that was submitted, and saves the snapshots that were asked for. Returns how
    /// many records it committed.
    pub fn round(&self) -> u64 {
        let (records, wakers) = {
            let mut world = self.0.lock();
            if world.failed {
                return 0;
            }
            let mut wakers = Vec::new();
            let shards = world.shards.iter_mut();
            (shards.map(|shard| shard.commit(&mut wakers)).sum(), wakers)
        };
        wakers.iter().for_each(Waker::wake_by_ref);
        records
    }

    /// Commits what one shard has submitted, and saves its snapshot. Returns how many records it
    /// committed.
    ///
    /// # Panics
    /// When there is no such shard.
    pub fn round_of(&self, shard: ShardId) -> u64 {
        let (records, wakers) = {
            let mut world = self.0.lock();
            if world.failed {
                return 0;
            }
            let mut wakers = Vec::new();
            let state = &mut world.shards[usize::from(shard.0)];
            (state.commit(&mut wakers), wakers)
        };
        wakers.iter().for_each(Waker::wake_by_ref);
        records
    }

    /// Loses what a crash may lose: of the uncommitted records of each shard, `kept` says how many
    /// survive. All logs are dead; a failure is over.
    pub fn crash(&self, kept: &mut dyn FnMut(ShardId, u64) -> u64) {
        let mut world = self.0.lock();
        for (shard, state) in (0..).map(ShardId).zip(&mut world.shards) {
            state.crash(|unsynced| kept(shard, unsynced));
        }
        world.generation += 1;
        world.failed = false;
    }

    /// Fails the store, as a failed sync does.
    pub fn fail(&self) {
        let wakers: Vec<Waker> = {
            let mut world = self.0.lock();
            world.failed = true;
            world
                .shards
                .iter()
                .filter_map(|shard| shard.waker.clone())
                .collect()
        };
        wakers.iter().for_each(Waker::wake_by_ref);
    }

    /// Asks a shard for a snapshot.
    ///
    /// # Panics
    /// When there is no such shard.
    pub fn want_snapshot(&self, shard: ShardId) {
        let waker = {
            let mut world = self.0.lock();
            let state = &mut world.shards[usize::from(shard.0)];
            state.wants_snapshot = true;
            state.waker.clone()
        };
        waker.iter().for_each(Waker::wake_by_ref);
    }
}

impl Shard {
    /// The last index, committed or not.
    fn last(&self) -> LogIndex {
        let count = u64::try_from(self.records.len()).expect("counts fit 64 bits");
        LogIndex(self.snapshot_index.0 + count)
    }

    fn commit(&mut self, wakers: &mut Vec<Waker>) -> u64 {
        let records = self.last().0 - self.committed.0;
        self.committed = self.last();
        if records > 0 {
            wakers.extend(self.waker.clone());
        }
        if let Some(pending) = self.pending.take() {
            self.save(pending);
        }
        records
    }

    fn save(&mut self, mut pending: Pending) {
        let replaced = pending.index.0.saturating_sub(self.snapshot_index.0);
        let replaced = usize::try_from(replaced).expect("it is at most the number of records");
        self.records.drain(..replaced);
        self.snapshot_index = pending.index;
        self.snapshot.clear();
        let mut payload = Vec::new();
        while let Some(kind) = pending.source.next_record(&mut payload) {
            let payload = std::mem::take(&mut payload);
            self.snapshot.push(Record { kind, payload });
        }
    }

    fn crash(&mut self, kept: impl FnOnce(u64) -> u64) {
        let unsynced = self.last().0 - self.committed.0;
        let kept = if unsynced == 0 { 0 } else { kept(unsynced) };
        assert!(
            kept <= unsynced,
            "{kept} of {unsynced} unsynced records cannot survive"
        );
        let lost = usize::try_from(unsynced - kept).expect("it is at most the number of records");
        self.records.truncate(self.records.len() - lost);
        self.committed = self.last();
        self.waker = None;
        self.wants_snapshot = false;
        self.pending = None;
    }

    fn replay(&self, shard: ShardId, replay: &mut dyn FnMut(Replayed<'_>)) {
        let mut hand = |index, record: &Record| {
            replay(Replayed {
                shard,
                index,
                kind: record.kind,
                payload: &record.payload,
            });
        };
        for record in &self.snapshot {
            hand(self.snapshot_index, record);
        }
        let mut index = self.snapshot_index;
        for record in &self.records {
            index = index.next();
            hand(index, record);
        }
    }
}

impl MemoryLog {
    /// Looks at this log's shard; `None` when it is dead or has failed.
    fn alive<T>(&self, look: impl FnOnce(&mut Shard) -> T) -> Option<T> {
        let mut world = self.store.0.lock();
        if world.failed || world.generation != self.generation {
            return None;
        }
        Some(look(&mut world.shards[usize::from(self.shard.0)]))
    }
}

impl ShardLog for MemoryLog {
    fn shard(&self) -> ShardId {
        self.shard
    }

    fn next_index(&self) -> LogIndex {
        self.next
    }

    fn batch(&mut self) -> Batch {
        Batch::new(self.shard, self.next, std::mem::take(&mut self.spare))
    }

    fn submit(&mut self, batch: Batch) -> Result<LogIndex, StoreFailed> {
        assert_continues(&batch, self);
        let next = batch.next_index();
        let bytes = batch.into_bytes();
        self.alive(|shard| {
            let mut rest = bytes.as_slice();
            while let Some((header, payload)) = record::decode(rest) {
                shard.records.push_back(Record {
                    kind: header.kind,
                    payload: payload.to_vec(),
                });
                rest = &rest[record::framed_bytes(payload.len())..];
            }
        })
        .ok_or(StoreFailed)?;
        self.spare = bytes;
        self.next = next;
        Ok(LogIndex(next.0 - 1))
    }

    fn committed(&self) -> LogIndex {
        let world = self.store.0.lock();
        world.shards[usize::from(self.shard.0)].committed
    }

    fn is_failed(&self) -> bool {
        self.alive(|_| ()).is_none()
    }

    fn wake_on_commit(&mut self, waker: Waker) {
        self.alive(|shard| shard.waker = Some(waker));
    }

    fn wants_snapshot(&self) -> bool {
        self.alive(|shard| shard.wants_snapshot).unwrap_or(false)
    }

    fn save_snapshot(&mut self, source: Box<dyn SnapshotSource>) {
        let index = LogIndex(self.next.0 - 1);
        self.alive(|shard| {
            shard.wants_snapshot = false;
            if index > shard.snapshot_index {
                shard.pending = Some(Pending { index, source });
            }
        });
    }
}

fn assert_continues(batch: &Batch, log: &MemoryLog) {
    batch.assert_continues(log.shard, log.next);
}
