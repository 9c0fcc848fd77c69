//! What the logs, the pager and the reader of pages share.

use super::map::{PageMap, PageStats};
use crate::local::shared::Shared;
use crate::shard_log::{PageNews, PageSource};
use model::{PageNumber, ShardId};
use parking_lot::{Condvar, Mutex, MutexGuard};
use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Waker;

/// The part of [`Shared`] that is about pages.
#[derive(Debug)]
pub(in crate::local) struct SharedPages {
    state: Mutex<State>,
    /// Notified when [`State::due`] is set.
    pager_due: Condvar,
    /// Notified when there is something to read.
    reader_due: Condvar,
    shards: Box<[News]>,
}

/// What one shard has not taken yet.
#[derive(Debug, Default)]
#[repr(align(64))]
struct News {
    /// Whether there is any: asked again and again, without the lock.
    some: AtomicBool,
    news: Mutex<Vec<PageNews>>,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) map: PageMap,
    /// What the pager is to do, in the order in which it was asked for.
    pub(super) requests: VecDeque<Request>,
    /// Saves that are not decided: in `requests`, or taken by the pager.
    pub(super) saves: usize,
    /// What the reader is to read, in order.
    pub(super) reads: VecDeque<(ShardId, PageNumber)>,
    /// Reads of pages that are not there, and may be one that is being saved.
    pub(super) parked: Vec<(ShardId, PageNumber)>,
    /// Something changed since the pager last looked.
    due: bool,
    /// The logs that are not dropped.
    logs: usize,
    failed: bool,
}

/// What the pager is asked for.
pub(super) enum Request {
    Save {
        shard: ShardId,
        page: PageNumber,
        source: Box<dyn PageSource>,
    },
    Free {
        shard: ShardId,
        page: PageNumber,
    },
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (name, shard, page) = match self {
            Self::Save { shard, page, .. } => ("Save", shard, page),
            Self::Free { shard, page } => ("Free", shard, page),
        };
        let mut debug = f.debug_struct(name);
        debug.field("shard", shard).field("page", page);
        debug.finish_non_exhaustive()
    }
}

/// What a wait has ended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// There may be something to do.
    Due,
    /// All logs are dropped.
    Closed,
}

impl SharedPages {
    pub(super) fn new(map: PageMap) -> Self {
        let shards = map.shard_count();
        Self {
            state: Mutex::new(State {
                map,
                requests: VecDeque::new(),
                saves: 0,
                reads: VecDeque::new(),
                parked: Vec::new(),
                due: true,
                logs: shards,
                failed: false,
            }),
            pager_due: Condvar::new(),
            reader_due: Condvar::new(),
            shards: (0..shards).map(|_| News::default()).collect(),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    pub(in crate::local) fn save(
        &self,
        shard: ShardId,
        page: PageNumber,
        source: Box<dyn PageSource>,
    ) {
        let mut state = self.state.lock();
        if state.failed {
            return;
        }
        state.saves += 1;
        let request = Request::Save {
            shard,
            page,
            source,
        };
        state.requests.push_back(request);
        self.call_pager(state);
    }

    pub(in crate::local) fn free(&self, shard: ShardId, page: PageNumber) {
        let mut state = self.state.lock();
        if !state.failed {
            state.requests.push_back(Request::Free { shard, page });
            self.call_pager(state);
        }
    }

    pub(in crate::local) fn read(&self, shard: ShardId, page: PageNumber) {
        let mut state = self.state.lock();
        if !state.failed {
            state.reads.push_back((shard, page));
            drop(state);
            self.reader_due.notify_one();
        }
    }

    pub(in crate::local) fn last(&self, shard: ShardId) -> PageNumber {
        self.state.lock().map.last(shard)
    }

    pub(in crate::local) fn keep(&self, shard: ShardId, pages: &[PageNumber]) -> Vec<PageNumber> {
        let mut state = self.state.lock();
        let missing = state.map.keep(shard, pages);
        self.call_pager(state);
        missing
    }

    pub(in crate::local) fn take_news(&self, shard: ShardId, to: &mut Vec<PageNews>) {
        let shard = &self.shards[usize::from(shard.0)];
        if shard.some.load(Ordering::Acquire) {
            let mut news = shard.news.lock();
            shard.some.store(false, Ordering::Relaxed);
            to.append(&mut news);
        }
    }

    pub(in crate::local) fn stats(&self) -> PageStats {
        self.state.lock().map.stats()
    }

    /// One log less.
    pub(in crate::local) fn drop_log(&self) {
        let mut state = self.state.lock();
        state.logs -= 1;
        if state.logs == 0 {
            self.call_pager(state);
            self.reader_due.notify_all();
        }
    }

    /// The store has failed: nothing more becomes of what was asked for.
    pub(in crate::local) fn fail(&self) {
        let mut state = self.state.lock();
        state.failed = true;
        state.saves = 0;
        state.reads.clear();
        state.parked.clear();
        // Dropped behind the lock: what they hold may be large.
        let requests = std::mem::take(&mut state.requests);
        self.call_pager(state);
        self.reader_due.notify_all();
        drop(requests);
    }

    fn call_pager(&self, mut state: MutexGuard<'_, State>) {
        state.due = true;
        drop(state);
        self.pager_due.notify_one();
    }

    /// Whether all logs are dropped.
    pub(super) fn is_closed(&self) -> bool {
        self.state.lock().logs == 0
    }

    /// Blocks the pager until something has changed since it last asked.
    pub(super) fn wait_as_pager(&self) -> Wait {
        let mut state = self.state.lock();
        while !state.due {
            if state.logs == 0 {
                return Wait::Closed;
            }
            self.pager_due.wait(&mut state);
        }
        state.due = false;
        Wait::Due
    }

    /// Blocks the reader until there is something to read.
    pub(super) fn wait_as_reader(&self) -> Wait {
        let mut state = self.state.lock();
        while state.reads.is_empty() && !state.failed {
            if state.logs == 0 {
                return Wait::Closed;
            }
            self.reader_due.wait(&mut state);
        }
        Wait::Due
    }

    /// Has the reads looked at again that waited for a save.
    pub(super) fn unpark(&self, mut state: MutexGuard<'_, State>) {
        let parked = std::mem::take(&mut state.parked);
        if parked.is_empty() {
            return;
        }
        for read in parked.into_iter().rev() {
            state.reads.push_front(read);
        }
        drop(state);
        self.reader_due.notify_one();
    }
}

impl Shared {
    /// Tells shards what has become of their pages, and wakes them.
    pub(super) fn announce(&self, news: impl IntoIterator<Item = (ShardId, PageNews)>) {
        let mut told = BTreeSet::new();
        for (shard, news) in news {
            let place = usize::from(shard.0);
            let board = &self.pages.shards[place];
            let mut board_news = board.news.lock();
            board_news.push(news);
            board.some.store(true, Ordering::Release);
            told.insert(place);
        }
        let mut wakers = Vec::new();
        for place in told {
            self.shards[place].add_waker(&mut wakers);
        }
        wakers.into_iter().for_each(Waker::wake);
    }
}
