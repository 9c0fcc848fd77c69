//! Pages: what shards have moved out of memory and out of the log, beside the journal.
//!
//! A page is some bytes under a number of its shard's. It lies in a segment `pages-0000000000000007`:
//!
//! ```text
//!   ┌─────────────┬──────┬──────┬─────┬──────┬──────┬──────┬─────┬───────┬─────┬───────┬─────┐
//!   │ file header │ mark │ page │  …  │ page │ mark │ mark │  …  │ index │  …  │ index │ end │
//!   └─────────────┴──────┴──────┴─────┴──────┴──────┴──────┴─────┴───────┴─────┴───────┴─────┘
//!      40 bytes    a batch: written and synced as one   others     when it is sealed
//! ```
//!
//! Each part behind the header is a record as [`crate::record`] draws it, so it begins at a multiple of 8 and has
//! a checksum of its own:
//!
//! ```text
//!            shard    kind  index                 payload
//!   page     its own     1  the page's number     what its source has encoded
//!   index     0xFFFF     2  entries before it     up to 4096 entries of 24 bytes, in the order of the pages:
//!
//!                              offset  bytes  field
//!                                   0      8  page      its number
//!                                   8      8  offset    where its record begins in the file
//!                                  16      4  length    of its payload
//!                                  20      2  shard
//!                                  22      2  reserved  0
//!
//!                           and behind them, of shard 0xFFFF, the places of batches whose marks were found damaged:
//!                           `offset` is where such a place begins, `page` where it ends, `length` 0
//!
//!   end       0xFFFF     3  the segment's number  32 bytes; the record takes the last 56 bytes of the file:
//!
//!                              offset  bytes  field
//!                                   0      8  store     the random number of this store
//!                                   8      8  entries   how many there are
//!                                  16      8  pages end where the last batch ends and the index begins
//!                                  24      8  reserved  0
//!
//!   mark      0xFFFF     4  the segment's number  in front of the pages of a batch, and once more behind them:
//!
//!                              offset  bytes  field
//!                                   0      8  store     the random number of this store
//!                                   8      8  place     where this record begins in the file
//!                                  16      8  batch     where the batch begins
//!                                  24      8  bytes     of the batch, its two marks included
//!                                  32      8  pages     how many it has
//!                                  40  16 each          the pages, in the order of the file:
//!                                                          0   8  page      its number
//!                                                          8   4  length    of its payload
//!                                                         12   2  shard
//!                                                         14   2  reserved  0
//! ```
//!
//! The rules:
//!
//! 1. The newest copy of a page counts: that in the segment with the higher number, and there the later one. An
//!    older one is dead as soon as a newer one is synced.
//! 2. A page is announced as saved when its batch is synced. Nothing is appended to a segment whose sync has failed,
//!    nor to one that an earlier process has written. So what lies before a batch with an intact mark was synced.
//! 3. A segment without an intact end was being written when the process ended. Its marks tell which pages stand in it.
//!    Of the last batch those count that are intact: the others may be torn, and were then never announced. Of those
//!    before it all count, intact or not: what is not intact there is damaged, and found so when it is read. When the
//!    store is opened, the last batch is written once more in place and synced (what the page cache held may never have
//!    reached the disk), and the segment is sealed.
//! 4. A batch of which neither mark is intact is lost where an intact mark stands behind it; what stands behind it is
//!    not. That is told, and noted in the index. Where none stands behind it, it is taken for torn, and cut off.
//! 5. A sealed segment without a live page is deleted. Of one with less than three quarters alive, the live pages are
//!    copied to the segment that is being written; then it has none. Since the newest copy counts, and all copies of
//!    a page but the newest are superfluous, no crash in between does harm, and deletions need no order.
//! 6. A segment in which a live page is found damaged, or of which a batch is lost, is kept as it is.
//!
//! An index is written only when all pages before it are synced. So an intact end, be it only in the page cache, says
//! that they are durable; if the index is damaged, the marks tell what it told. Nobody can forge an end or a mark: they
//! hold the store's random number, which never leaves the data folder, and a mark the place where it stands.
//!
//! ```text
//!   LocalLog ─▶ requests ─▶ Pager::step ──▶ segment, one write and one sync ─▶ PageNews::Saved
//!       │                      └─▶ PageMap (shard, page → segment, offset, length)
//!       └─────▶ reads ──────▶ PageReader::step ────────────────────────────▶ PageNews::Read
//! ```

mod batch;
mod check;
mod compaction;
mod files;
mod map;
mod mark;
mod open;
mod pager;
mod reader;
mod segment;
mod shared;
mod walk;
mod writer;

pub use map::PageStats;
pub use pager::Pager;
pub use reader::PageReader;

pub(super) use check::check;
pub(super) use open::read;
pub(super) use segment::SEQUENCE_MAX;
pub(super) use shared::SharedPages;

use super::error::{Corruption, DiskError, Flaw};
use super::shared::Shared;
use crate::disk::Disk;
use files::Files;
use model::ShardId;
use std::sync::Arc;

/// Why the saving or the reading of pages ended. Each is final: the store has failed.
#[derive(Debug, thiserror::Error)]
pub enum PagesError {
    /// A file could not be written, opened or removed.
    #[error("the store's pages have failed")]
    Disk(#[from] DiskError),
    /// The store had failed before.
    #[error("the store has failed before")]
    Failed,
}

/// The parts of a store that work on pages. `next_sequence` is the number of the first segment that is written.
pub(super) fn parts<D: Disk>(
    shared: &Arc<Shared>,
    disk: &D,
    store: u64,
    segment_bytes: u64,
    next_sequence: u32,
) -> (Pager<D>, PageReader<D>) {
    let files = Arc::new(Files::new(disk.clone()));
    let reader = PageReader::new(Arc::clone(shared), Arc::clone(&files));
    let shared = Arc::clone(shared);
    let pager = Pager::new(
        shared,
        files,
        disk.clone(),
        store,
        segment_bytes,
        next_sequence,
    );
    (pager, reader)
}

/// A damaged place in a segment of pages.
fn corruption(file: &str, offset: u64, shard: Option<ShardId>, flaw: Flaw) -> Corruption {
    Corruption {
        file: file.to_owned(),
        offset,
        shard,
        index: None,
        flaw,
    }
}
