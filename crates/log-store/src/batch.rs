//! Records on their way into a log, framed where they are encoded.

use crate::record;
use model::{LogIndex, Message, ShardId};

/// Contents from this size on are written from where they are, not copied.
const LARGE_BYTES_MIN: usize = 32 << 10;

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
    pieces: Pieces,
    /// Of the checksums of the records.
    digest: u32,
}

/// Framed records: bytes, with the contents of large messages between them.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    bytes: Vec<u8>,
    large: Vec<Large>,
    /// Of the contents of `large`.
    large_bytes: usize,
}

/// A content that stands where it is.
#[derive(Debug)]
struct Large {
    /// So many of the bytes come before it.
    at: usize,
    message: Message,
}

impl Batch {
    /// An empty batch whose first record will have the index `first`, on a buffer that is reused.
    pub(crate) fn new(shard: ShardId, first: LogIndex, mut bytes: Vec<u8>) -> Self {
        bytes.clear();
        Self {
            shard,
            first,
            next: first,
            pieces: Pieces {
                bytes,
                ..Pieces::default()
            },
            digest: 0,
        }
    }

    /// Whether nothing was pushed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pieces.bytes.is_empty()
    }

    /// The bytes of the records pushed so far, framed.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.pieces.size_bytes()
    }

    /// Appends a record: `encode` appends its payload to the buffer. Returns the record's index.
    ///
    /// # Panics
    /// When `encode` takes bytes away, or appends more than [`PAYLOAD_BYTES_MAX`](crate::PAYLOAD_BYTES_MAX).
    pub fn push(&mut self, kind: u8, encode: impl FnOnce(&mut Vec<u8>)) -> LogIndex {
        let index = self.next;
        let sum = record::encode(&mut self.pieces.bytes, self.shard.0, kind, index.0, encode);
        self.pushed(sum)
    }

    /// Appends a record whose payload is what `encode` appends and, behind it, the content of a message. That of a
    /// large one is not copied: it stays in memory until it is written.
    ///
    /// # Panics
    /// As [`push`](Self::push).
    pub fn push_with_content(
        &mut self,
        kind: u8,
        message: &Message,
        encode: impl FnOnce(&mut Vec<u8>),
    ) -> LogIndex {
        let content = message.content();
        if content.len() < LARGE_BYTES_MIN {
            return self.push(kind, |to| {
                encode(to);
                to.extend_from_slice(content);
            });
        }
        let pieces = &mut self.pieces;
        let fields = (self.shard.0, kind, self.next.0);
        let (sum, padding) = record::encode_before(&mut pieces.bytes, fields, encode, content);
        pieces.large.push(Large {
            at: pieces.bytes.len(),
            message: message.clone(),
        });
        pieces.large_bytes += content.len();
        pieces.bytes.extend_from_slice(padding);
        self.pushed(sum)
    }

    fn pushed(&mut self, sum: u32) -> LogIndex {
        let index = self.next;
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
    pub(crate) fn into_pieces(self) -> Pieces {
        self.pieces
    }
}

impl Pieces {
    pub(crate) fn size_bytes(&self) -> usize {
        self.bytes.len() + self.large_bytes
    }

    /// All of it, in order.
    pub(crate) fn slices(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.large.iter().map(|large| large.at));
        let ends = self.large.iter().map(|large| large.at);
        let ends = ends.chain([self.bytes.len()]);
        let contents = self.large.iter().map(|large| large.message.content());
        let contents = contents.map(Some).chain([None]);
        let pieces = starts.zip(ends).zip(contents);
        pieces.flat_map(|((start, end), content)| {
            std::iter::once(&self.bytes[start..end]).chain(content)
        })
    }

    /// The buffer, to be used again.
    pub(crate) fn into_buffer(self) -> Vec<u8> {
        self.bytes
    }

    /// Lets go of the messages, once they are written.
    pub(crate) fn release(&mut self) {
        self.large.clear();
        self.large_bytes = 0;
    }

    /// A copy in one piece.
    pub(crate) fn to_vec(&self) -> Vec<u8> {
        self.slices().collect::<Vec<_>>().concat()
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
    use model::{Dialect, Envelope, Parts, Persistence};

    fn message(body: &[u8]) -> Message {
        Message::new(&Parts {
            envelope: Envelope::new(Dialect::Stomp12, Persistence::Persistent),
            exchange: b"",
            key: b"q",
            annotations: b"",
            head: &[b"head"],
            body,
        })
    }

    #[test]
    fn what_is_not_copied_is_written_as_if_it_were() {
        let sizes = [
            0,
            1,
            LARGE_BYTES_MIN - 6,
            LARGE_BYTES_MIN - 5,
            LARGE_BYTES_MIN,
            100_003,
        ];
        let messages: Vec<_> = sizes.map(|size| message(&vec![7; size])).into();
        let new = || Batch::new(ShardId(3), LogIndex(1), Vec::new());
        let (mut copied, mut referred) = (new(), new());
        for message in &messages {
            for batch in [&mut copied, &mut referred] {
                batch.push(1, |to| to.extend_from_slice(b"between"));
            }
            referred.push_with_content(2, message, |to| to.extend_from_slice(b"before"));
            copied.push(2, |to| {
                to.extend_from_slice(b"before");
                to.extend_from_slice(message.content());
            });
        }
        assert_eq!(referred.digest(), copied.digest());
        assert_eq!(referred.size_bytes(), copied.size_bytes());
        let pieces = referred.into_pieces();
        assert_eq!(pieces.large.len(), 3);
        assert_eq!(pieces.to_vec(), copied.into_pieces().into_buffer());
    }

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
