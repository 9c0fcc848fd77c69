//! The contract between a shard's machine and whatever makes its entries durable.

use crate::{Batch, Corruption};
use model::{LogIndex, PageNumber, ShardId};
use std::task::Waker;

/// One shard's totally ordered log.
///
/// ```text
///        snapshot            committed            next_index
///            │                   │                    │
///   ─────────┴───────────────────┴────────────────────┴────────▶ index
///   trimmed        durable            submitted
/// ```
///
/// What every provider promises:
/// - Records keep the order in which they were submitted, and their indexes are dense.
/// - When [`committed`](Self::committed) says `n`, the records up to and including `n` survive a
///   crash of the process and of the machine. It never goes back.
/// - After a crash, the log holds a prefix of what was submitted that includes everything committed.
///   Logs of different shards lose their tails independently: nothing may rely on two shards sharing
///   a journal.
/// - Once it has failed it stays failed: `submit` refuses and `committed` stands still. A failed sync
///   is never tried again.
pub trait ShardLog: Send {
    /// Whose log it is.
    fn shard(&self) -> ShardId;

    /// The index that the next record will have.
    fn next_index(&self) -> LogIndex;

    /// An empty batch that begins at [`next_index`](Self::next_index), with a reused buffer.
    fn batch(&mut self) -> Batch;

    /// Appends a batch that came from [`batch`](Self::batch) since the last submit; returns the index
    /// of its last record. Does not wait: the batch joins the next round, which begins at once.
    ///
    /// # Errors
    /// [`StoreFailed`] when the store has failed: nothing more becomes durable.
    fn submit(&mut self, batch: Batch) -> Result<LogIndex, StoreFailed>;

    /// The last index that is durable; 0 if none is.
    fn committed(&self) -> LogIndex;

    /// Whether the store has failed.
    fn is_failed(&self) -> bool;

    /// Has `waker` called whenever `committed` moves, the store fails or a snapshot is wanted.
    fn wake_on_commit(&mut self, waker: Waker);

    /// Whether the store asks for a snapshot, to be able to delete old records. Asked cheaply at any
    /// time; stays true until [`save_snapshot`](Self::save_snapshot) is called.
    fn wants_snapshot(&self) -> bool;

    /// Saves, in the background, the machine's state as it is after the last submitted record. When
    /// the snapshot and all records up to `next_index` at this call are durable, it replaces them and
    /// they are trimmed. A crash before that leaves the older snapshot and the records.
    fn save_snapshot(&mut self, source: Box<dyn SnapshotSource>);

    /// Saves a page in the background: what stands in pages stands beside the log and survives its trimming.
    /// A page of this number that is there is replaced, once this one is durable. Becomes
    /// [`PageNews::Saved`] or [`PageNews::NotSaved`].
    ///
    /// A record that refers to the page is to be submitted when it is saved, not before; a crash between leaves
    /// a page that nobody refers to, which goes when the store is opened again ([`keep_pages`](Self::keep_pages)).
    fn save_page(&mut self, page: PageNumber, source: Box<dyn PageSource>);

    /// Reads a page in the background. Becomes [`PageNews::Read`] or [`PageNews::Damaged`]. A page that is being
    /// saved anew is read as it was or as it will be.
    fn read_page(&mut self, page: PageNumber);

    /// Nobody refers to the page any more, neither the machine nor, durably, its log or snapshot: its space may be
    /// used again. Nothing becomes of this.
    fn free_page(&mut self, page: PageNumber);

    /// Moves out what has become of pages since the last call, in the order in which it happened. The waker of
    /// [`wake_on_commit`](Self::wake_on_commit) is called when there is something.
    fn take_page_news(&mut self, news: &mut Vec<PageNews>);

    /// Says, once after the store was opened and before a page is saved or read, which pages the machine refers
    /// to, ascending. All others of this shard go. Returns those that are not there.
    fn keep_pages(&mut self, pages: &[PageNumber]) -> Vec<PageNumber>;

    /// The highest number of a page that is there, whether anybody refers to it or not; 0 if there is none. Who asks before
    /// [`keep_pages`](Self::keep_pages), and numbers new pages behind it, finds no copy under a number that is of another
    /// page.
    fn last_page(&self) -> PageNumber;

    /// Whether there is room for more. The waker of [`wake_on_commit`](Self::wake_on_commit) is called when this
    /// changes.
    fn space(&self) -> Space;
}

/// Whether a store has room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    /// There is room.
    Enough,
    /// There is less than the operator wants to be left, or none: whoever adds to the store is to wait. What takes
    /// away from it goes on.
    Low,
}

/// The content of a page, encoded on the store's own thread.
pub trait PageSource: Send {
    /// Appends the page's content to `payload`: at most [`PAYLOAD_BYTES_MAX`](crate::PAYLOAD_BYTES_MAX).
    fn encode(&mut self, payload: &mut Vec<u8>);
}

/// What has become of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PageNews {
    /// It is durable, with so many bytes on the disk.
    Saved {
        /// The page.
        page: PageNumber,
        /// What it takes on the disk.
        bytes: u64,
    },
    /// The disk has no room. A page of this number that was there before is still there.
    NotSaved {
        /// The page.
        page: PageNumber,
    },
    /// It was asked for, and this is what it holds.
    Read {
        /// The page.
        page: PageNumber,
        /// What its source had encoded.
        payload: Vec<u8>,
    },
    /// It was asked for, and is not what was saved.
    Damaged {
        /// The page.
        page: PageNumber,
        /// What is wrong where.
        corruption: Corruption,
    },
}

/// The state of a machine at one moment, as records to be replayed before those of the log.
///
/// Encoded piece by piece on the store's own thread, so it must not refer to what the machine goes on
/// changing.
pub trait SnapshotSource: Send {
    /// Appends the next record's payload to `payload` (empty when called) and returns its kind; `None`
    /// at the end.
    fn next_record(&mut self, payload: &mut Vec<u8>) -> Option<u8>;
}

/// One record, read back at open: first those of the shard's snapshot, then those behind it, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replayed<'a> {
    /// Whose log it stands in.
    pub shard: ShardId,
    /// Its index; for a record of a snapshot, the index of the last record that it replaces.
    pub index: LogIndex,
    /// What the machine makes of it.
    pub kind: u8,
    /// Its bytes.
    pub payload: &'a [u8],
}

/// The store has failed: a write or a sync went wrong. Nothing more is promised until a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the store has failed and accepts nothing more")]
pub struct StoreFailed;
