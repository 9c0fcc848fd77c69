//! Records on their way into a log, framed where they are encoded.

use crate::record;
use model::{LogIndex, ShardId};

/// A buffer above this is given back to the allocator, so that one large batch does not stay for ever.
const KEPT_BUFFER_BYTES_MAX: usize = 1 << 20;

/// What the buffers of a [`Pool`] may hold together.
const POOL_BYTES_MAX: usize = 16 << 20;

/// How many buffers a [`Pool`] may hold.
const POOL_BUFFERS_MAX: usize = 4096;

/// The records of one shard that are submitted together.
///
/// Each is framed with its checksum as it is pushed, so that the journal writes the buffer as it is.
#[derive(Debug)]
pub struct Batch {
    shard: ShardId,
    first: LogIndex,
    next: LogIndex,
    bytes: Vec<u8>,
    /// Of the checksums of the records.
    digest: u32,
}

impl Batch {
    /// An empty batch whose first record will have the index `first`, on a buffer that is reused.
    pub(crate) fn new(shard: ShardId, first: LogIndex, mut bytes: Vec<u8>) -> Self {
        bytes.clear();
        Self {
            shard,
            first,
            next: first,
            bytes,
            digest: 0,
        }
    }

    /// Whether nothing was pushed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The bytes of the records pushed so far, framed.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Appends a record: `encode` appends its payload to the buffer. Returns the record's index.
    ///
    /// # Panics
    /// When `encode` takes bytes away, or appends more than [`PAYLOAD_BYTES_MAX`](crate::PAYLOAD_BYTES_MAX).
    pub fn push(&mut self, kind: u8, encode: impl FnOnce(&mut Vec<u8>)) -> LogIndex {
        let index = self.next;
        let sum = record::encode(&mut self.bytes, self.shard.0, kind, index.0, encode);
        self.digest = record::digest(self.digest, sum);
        self.next = index.next();
        index
    }

    /// Asserts that this batch continues the log of `shard` at `next`.
    pub(crate) fn assert_continues(&self, shard: ShardId, next: LogIndex) {
        assert_eq!(self.shard, shard, "a batch goes to the log it came from");
        assert_eq!(
            self.first, next,
            "a batch is submitted before the next one is taken"
        );
    }

    /// The index behind its last record.
    pub(crate) fn next_index(&self) -> LogIndex {
        self.next
    }

    /// How many records were pushed.
    pub(crate) fn record_count(&self) -> u64 {
        self.next.0 - self.first.0
    }

    /// The digest of its records.
    pub(crate) fn digest(&self) -> u32 {
        self.digest
    }

    /// The framed records.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// Buffers that were written and wait to be used again; bounded in number and in bytes.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    buffers: Vec<Vec<u8>>,
    bytes: usize,
}

impl Pool {
    /// A buffer, empty; a new one when there is none.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        let buffer = self.buffers.pop().unwrap_or_default();
        self.bytes -= buffer.capacity();
        buffer
    }

    /// Keeps a buffer if it is worth it.
    pub(crate) fn put(&mut self, mut buffer: Vec<u8>) {
        let bytes = buffer.capacity();
        let fits = bytes <= KEPT_BUFFER_BYTES_MAX && self.bytes + bytes <= POOL_BYTES_MAX;
        if fits && bytes > 0 && self.buffers.len() < POOL_BUFFERS_MAX {
            buffer.clear();
            self.bytes += bytes;
            self.buffers.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_is_bounded() {
        let mut pool = Pool::default();
        pool.put(Vec::with_capacity(KEPT_BUFFER_BYTES_MAX + 1));
        assert!(pool.buffers.is_empty(), "too large a buffer is not kept");
        for _ in 0..64 {
            pool.put(Vec::with_capacity(KEPT_BUFFER_BYTES_MAX / 2));
        }
        assert!(pool.bytes <= POOL_BYTES_MAX);
        while !pool.buffers.is_empty() {
            pool.take();
        }
        assert_eq!(pool.bytes, 0);
        assert_eq!(pool.take().capacity(), 0);
    }
}
