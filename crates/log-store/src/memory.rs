//! A store in memory: the double for everyone who needs a log and no disk.

mod pages;

use crate::batch::Batch;
use crate::record;
use crate::shard_log::{
    PageNews, PageSource, Replayed, ShardLog, SnapshotSource, Space, StoreFailed,
};
use model::{LogIndex, PageNumber, ShardId};
use pages::Pages;
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
    low: bool,
    /// Whether there is no room for pages.
    refuses_pages: bool,
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
    pages: Pages,
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

    /// Commits everything that was submitted, saves the snapshots that were asked for, and does what was asked of
    /// pages. Returns how many records it committed.
    pub fn round(&self) -> u64 {
        self.work(|world, wakers| {
            let mut records = 0;
            for (shard, state) in (0..).map(ShardId).zip(&mut world.shards) {
                records += state.commit(wakers);
                state.work_on_pages(shard, world.refuses_pages, wakers);
            }
            records
        })
    }

    /// Commits what one shard has submitted, saves its snapshot, and does what it asked of pages. Returns how many
    /// records it committed.
    ///
    /// # Panics
    /// When there is no such shard.
    pub fn round_of(&self, shard: ShardId) -> u64 {
        self.work(|world, wakers| {
            let state = &mut world.shards[usize::from(shard.0)];
            let records = state.commit(wakers);
            state.work_on_pages(shard, world.refuses_pages, wakers);
            records
        })
    }

    /// Does what one shard has asked of pages, and nothing else. Returns how much that was.
    ///
    /// # Panics
    /// When there is no such shard.
    pub fn pages_of(&self, shard: ShardId) -> usize {
        self.work(|world, wakers| {
            let state = &mut world.shards[usize::from(shard.0)];
            state.work_on_pages(shard, world.refuses_pages, wakers)
        })
    }

    /// Does something unless the store has failed, and wakes who waits for it once the lock is free.
    fn work<N: Default>(&self, work: impl FnOnce(&mut World, &mut Vec<Waker>) -> N) -> N {
        let mut wakers = Vec::new();
        let done = {
            let mut world = self.0.lock();
            if world.failed {
                return N::default();
            }
            work(&mut world, &mut wakers)
        };
        wakers.iter().for_each(Waker::wake_by_ref);
        done
    }

    /// From now on, pages that are saved become [`PageNews::NotSaved`], or no longer do.
    pub fn refuse_pages(&self, refuse: bool) {
        self.0.lock().refuses_pages = refuse;
    }

    /// Makes a page unreadable, until it is saved anew.
    ///
    /// # Panics
    /// When there is no such shard.
    pub fn damage_page(&self, shard: ShardId, page: PageNumber) {
        let mut world = self.0.lock();
        world.shards[usize::from(shard.0)].pages.damage(page);
    }

    /// The pages of a shard that are saved, ascending, with what they hold.
    ///
    /// # Panics
    /// When there is no such shard.
    #[must_use]
    pub fn saved_pages(&self, shard: ShardId) -> Vec<(PageNumber, Vec<u8>)> {
        let world = self.0.lock();
        let pages = &world.shards[usize::from(shard.0)].pages;
        let saved = pages.saved();
        saved
            .map(|(page, payload)| (page, payload.to_vec()))
            .collect()
    }

    /// Says whether there is room for more, and wakes all shards.
    pub fn set_space(&self, space: Space) {
        let wakers = {
            let mut world = self.0.lock();
            world.low = space == Space::Low;
            world.wakers()
        };
        wakers.iter().for_each(Waker::wake_by_ref);
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
            world.wakers()
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

impl World {
    fn wakers(&self) -> Vec<Waker> {
        let wakers = self.shards.iter().map(|shard| shard.waker.clone());
        wakers.flatten().collect()
    }
}

impl Shard {
    fn work_on_pages(&mut self, shard: ShardId, refuses: bool, wakers: &mut Vec<Waker>) -> usize {
        let count = self.pages.work(shard, refuses);
        if count > 0 && self.pages.has_news() {
            wakers.extend(self.waker.clone());
        }
        count
    }

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
        self.pages.crash();
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
        let pieces = batch.into_pieces();
        let bytes = pieces.to_vec();
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
        self.spare = pieces.into_buffer();
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

    fn save_page(&mut self, page: PageNumber, source: Box<dyn PageSource>) {
        self.alive(|shard| shard.pages.save(page, source));
    }

    fn read_page(&mut self, page: PageNumber) {
        self.alive(|shard| shard.pages.read(page));
    }

    fn free_page(&mut self, page: PageNumber) {
        self.alive(|shard| shard.pages.free(page));
    }

    fn take_page_news(&mut self, news: &mut Vec<PageNews>) {
        self.alive(|shard| shard.pages.take_news(news));
    }

    fn keep_pages(&mut self, pages: &[PageNumber]) -> Vec<PageNumber> {
        self.alive(|shard| shard.pages.keep(pages))
            .unwrap_or_default()
    }

    fn last_page(&self) -> PageNumber {
        self.alive(|shard| shard.pages.last()).unwrap_or_default()
    }

    fn space(&self) -> Space {
        if self.store.0.lock().low {
            Space::Low
        } else {
            Space::Enough
        }
    }
}

fn assert_continues(batch: &Batch, log: &MemoryLog) {
    batch.assert_continues(log.shard, log.next);
}
