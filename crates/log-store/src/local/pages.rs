//! Pages: what shards have moved out of memory and out of the log, beside the journal.
//!
//! A page is some bytes under a number of its shard's. It lies in a segment `pages-0000000000000007`:
//!
//! ```text
//!   ┌─────────────┬──────┬──────┬─────┬──────┬───────┬─────┬───────┬─────┐
//!   │ file header │ page │ page │  …  │ page │ index │  …  │ index │ end │
//!   └─────────────┴──────┴──────┴─────┴──────┴───────┴─────┴───────┴─────┘
//!      40 bytes     appended and synced         when it is sealed
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
//!   end       0xFFFF     3  the segment's number  32 bytes; the record takes the last 56 bytes of the file:
//!
//!                              offset  bytes  field
//!                                   0      8  store     the random number of this store
//!                                   8      8  entries   how many there are
//!                                  16      8  pages end where the last page ends and the index begins
//!                                  24      8  reserved  0
//! ```
//!
//! The rules:
//!
//! 1. The newest copy of a page counts: that in the segment with the higher number, and there the later one. An
//!    older one is dead as soon as a newer one is synced.
//! 2. A page is announced as saved when its segment is synced behind it. Nothing is appended to a segment whose sync
//!    has failed, nor to one that an earlier process has written.
//! 3. A segment without an intact end was being written when the process ended. Its pages count up to the first that
//!    is not intact: what was saved lies before the first write that was torn. They are written once more in place and
//!    synced when the store is opened (what the page cache held may never have reached the disk), and the
//!    segment is sealed.
//! 4. A sealed segment without a live page is deleted. Of one with less than three quarters alive, the live pages are
//!    copied to the segment that is being written; then it has none. Since the newest copy counts, and all copies of
//!    a page but the newest are superfluous, no crash in between does harm, and deletions need no order.
//! 5. A segment in which a live page is found damaged is kept as it is.
//!
//! An index is written only when all pages before it are synced. So an intact end, be it only in the page cache, says
//! that they are durable. Nobody can forge an end: it holds the store's random number, which never leaves the data folder.
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
mod open;
mod pager;
mod reader;
mod segment;
mod shared;
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
