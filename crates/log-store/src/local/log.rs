//! One shard's end of the store.

use super::pages::PageStats;
use super::shared::{Shared, SnapshotRequest, Submitted};
use crate::Batch;
use crate::shard_log::{PageNews, PageSource, ShardLog, SnapshotSource, Space, StoreFailed};
use model::{LogIndex, PageNumber, ShardId};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Waker;

/// The log of one shard in a [`Local`](super::Local) store.
///
/// The journal ends when all logs of its store are dropped.
#[derive(Debug)]
pub struct LocalLog {
    shared: Arc<Shared>,
    shard: ShardId,
    next: LogIndex,
    /// The buffer of the next batch.
    spare: Vec<u8>,
}

impl LocalLog {
    pub(super) fn new(shared: Arc<Shared>, shard: ShardId, next: LogIndex) -> Self {
        Self {
            shared,
            shard,
            next,
            spare: Vec::new(),
        }
    }

    /// What stands in pages, of all shards.
    #[must_use]
    pub fn page_stats(&self) -> PageStats {
        self.shared.pages.stats()
    }

    /// Whether this shard has lost something of its log, or may have: then the log is closed. It refuses what
    /// is submitted, takes no snapshots, and what is left of it on the disk stays.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        self.shared.shards[self.place()].is_damaged
    }

    fn place(&self) -> usize {
        usize::from(self.shard.0)
    }

    fn last_index(&self) -> LogIndex {
        LogIndex(self.next.0 - 1)
    }

    fn check_continues(&self, batch: &Batch) {
        batch.assert_continues(self.shard, self.next);
    }
}

impl ShardLog for LocalLog {
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
        self.check_continues(&batch);
        let next = batch.next_index();
        let records = batch.record_count();
        let digest = batch.digest();
        let pieces = batch.into_pieces();
        if self.is_damaged() {
            return Err(StoreFailed);
        }
        if records == 0 {
            self.spare = pieces.into_buffer();
            return if self.is_failed() {
                Err(StoreFailed)
            } else {
                Ok(self.last_index())
            };
        }
        let submitted = Submitted {
            shard: self.place(),
            last: LogIndex(next.0 - 1),
            records,
            digest,
            pieces,
        };
        let mut intake = self.shared.intake.lock();
        if intake.failed {
            return Err(StoreFailed);
        }
        intake.batches.push(submitted);
        self.spare = intake.pool.take();
        let wake = std::mem::take(&mut intake.waiting);
        drop(intake);
        if wake {
            self.shared.submitted.notify_one();
        }
        self.next = next;
        Ok(self.last_index())
    }

    fn committed(&self) -> LogIndex {
        self.shared.committed(self.place())
    }

    fn is_failed(&self) -> bool {
        self.shared.is_failed()
    }

    fn wake_on_commit(&mut self, waker: Waker) {
        *self.shared.shards[self.place()].waker.lock() = Some(waker);
    }

    fn wants_snapshot(&self) -> bool {
        let shard = &self.shared.shards[self.place()];
        shard.wants_snapshot.load(Ordering::Relaxed)
    }

    fn save_snapshot(&mut self, source: Box<dyn SnapshotSource>) {
        let (shard, index, place) = (self.shard, self.last_index(), self.place());
        if self.is_damaged() {
            return;
        }
        self.shared.call_housekeeper(|upkeep| {
            self.shared.shards[place]
                .wants_snapshot
                .store(false, Ordering::Relaxed);
            let known = upkeep.snapshots[place].index.max(upkeep.requested[place]);
            if index <= known {
                // The same records make the same state: it is saved, or about to be.
                return;
            }
            upkeep.requested[place] = index;
            upkeep.requests.retain(|request| request.shard != shard);
            upkeep.requests.push_back(SnapshotRequest {
                shard,
                index,
                source,
            });
        });
    }

    fn save_page(&mut self, page: PageNumber, source: Box<dyn PageSource>) {
        self.shared.pages.save(self.shard, page, source);
    }

    fn read_page(&mut self, page: PageNumber) {
        self.shared.pages.read(self.shard, page);
    }

    fn free_page(&mut self, page: PageNumber) {
        self.shared.pages.free(self.shard, page);
    }

    fn take_page_news(&mut self, news: &mut Vec<PageNews>) {
        self.shared.pages.take_news(self.shard, news);
    }

    fn keep_pages(&mut self, pages: &[PageNumber]) -> Vec<PageNumber> {
        self.shared.pages.keep(self.shard, pages)
    }

    fn last_page(&self) -> PageNumber {
        self.shared.pages.last(self.shard)
    }

    fn space(&self) -> Space {
        self.shared.space()
    }
}

impl Drop for LocalLog {
    fn drop(&mut self) {
        let mut intake = self.shared.intake.lock();
        intake.logs -= 1;
        let wake = intake.logs == 0 && std::mem::take(&mut intake.waiting);
        drop(intake);
        if wake {
            self.shared.submitted.notify_one();
        }
        self.shared.pages.drop_log();
    }
}
