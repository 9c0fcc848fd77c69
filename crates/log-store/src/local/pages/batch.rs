//! Pages that are written and synced together.

use super::map::{PageMap, Place};
use super::segment::{Entry, PAGE};
use crate::local::journal::bytes_u64;
use crate::record;
use crate::shard_log::{PageNews, PageSource};
use model::{PageNumber, ShardId};

/// A buffer above this is given back to the allocator.
const KEPT_BUFFER_BYTES_MAX: usize = 8 << 20;

/// Pages on their way to the disk, and what is to be done when they are durable, in the order in which it was asked
/// for. Offsets count from where the pages begin.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) bytes: Vec<u8>,
    ops: Vec<Op>,
}

#[derive(Clone, Copy, Debug)]
enum Op {
    /// A page that was asked to be saved.
    Save(Entry),
    /// A copy of a page that lies there.
    Copy(Entry, Place),
    Free(ShardId, PageNumber),
}

/// Where the pages of a batch have come to lie.
#[derive(Clone, Copy, Debug)]
pub(super) struct Landed {
    pub(super) segment: u32,
    pub(super) offset: u64,
}

impl Batch {
    pub(super) fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.ops.len()
    }

    /// How many pages it has.
    pub(super) fn pages(&self) -> usize {
        self.entries(0).count()
    }

    /// How many pages it has that were asked to be saved.
    pub(super) fn saves(&self) -> usize {
        let is_save = |op: &&Op| matches!(op, Op::Save(_));
        self.ops.iter().filter(is_save).count()
    }

    /// Encodes a page behind those that are there. Returns where it begins.
    pub(super) fn save(
        &mut self,
        shard: ShardId,
        page: PageNumber,
        source: &mut dyn PageSource,
    ) -> usize {
        let start = self.bytes.len();
        record::encode(&mut self.bytes, shard.0, PAGE, page.0, |payload| {
            source.encode(payload);
        });
        let header = record::Header::decode(&self.bytes[start..]);
        let length = header.expect("it was just encoded").length;
        self.ops.push(Op::Save(Entry {
            shard,
            page,
            offset: bytes_u64(start),
            length: u32::try_from(length).expect("payloads have a limit that fits"),
        }));
        start
    }

    /// Notes that the bytes from `start` on are a copy of a page at `from`.
    pub(super) fn copy(&mut self, entry: Entry, from: Place, start: usize) {
        let offset = bytes_u64(start);
        self.ops.push(Op::Copy(Entry { offset, ..entry }, from));
    }

    pub(super) fn free(&mut self, shard: ShardId, page: PageNumber) {
        self.ops.push(Op::Free(shard, page));
    }

    /// Splits the last page off, which begins at `start`, into a batch of its own.
    pub(super) fn split_last(&mut self, start: usize) -> Self {
        // The last one is the large one: its bytes move within the buffer.
        let first = self.bytes[..start].to_vec();
        let mut bytes = std::mem::replace(&mut self.bytes, first);
        bytes.drain(..start);
        let mut ops = self.ops.split_off(self.ops.len() - 1);
        for op in &mut ops {
            if let Op::Save(entry) | Op::Copy(entry, _) = op {
                entry.offset = 0;
            }
        }
        Self { bytes, ops }
    }

    /// The entries of its pages, as they lie from `offset` on.
    pub(super) fn entries(&self, offset: u64) -> impl Iterator<Item = Entry> {
        self.ops.iter().filter_map(move |op| match op {
            Op::Save(entry) | Op::Copy(entry, _) => Some(Entry {
                offset: offset + entry.offset,
                ..*entry
            }),
            Op::Free(..) => None,
        })
    }

    /// Carries out what the batch is about; it has come to lie at `landed`, or there was no room for it.
    pub(super) fn apply(&self, map: &mut PageMap, landed: Option<Landed>) {
        let place = |entry: &Entry| {
            landed.map(|landed| {
                let offset = landed.offset + entry.offset;
                Place::new(landed.segment, &Entry { offset, ..*entry })
            })
        };
        for op in &self.ops {
            match op {
                Op::Save(entry) => {
                    if let Some(place) = place(entry) {
                        map.put(entry.shard, entry.page, place);
                    }
                }
                Op::Copy(entry, from) => {
                    if let Some(place) = place(entry) {
                        map.put_copy(entry.shard, entry.page, place, *from);
                    }
                }
                Op::Free(shard, page) => map.remove(*shard, *page),
            }
        }
    }

    /// What the shards are told.
    pub(super) fn news(&self, landed: Option<Landed>) -> impl Iterator<Item = (ShardId, PageNews)> {
        self.ops.iter().filter_map(move |op| match op {
            Op::Save(entry) => {
                let page = entry.page;
                let news = match landed {
                    Some(_) => PageNews::Saved {
                        page,
                        bytes: entry.framed_bytes(),
                    },
                    None => PageNews::NotSaved { page },
                };
                Some((entry.shard, news))
            }
            Op::Copy(..) | Op::Free(..) => None,
        })
    }

    pub(super) fn clear(&mut self) {
        self.ops.clear();
        self.bytes.clear();
        self.bytes.shrink_to(KEPT_BUFFER_BYTES_MAX);
    }
}
