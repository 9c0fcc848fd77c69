//! Where the newest copy of each page lies, and what of each segment is alive.

use super::segment::Entry;
use crate::record;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use model::{PageNumber, ShardId};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};

/// Segments that are sealed with less than one part in so many of a segment's size are small.
const SMALL_PART: u64 = 8;

/// So many small segments are made into one when the store is opened.
const SMALL_SEGMENTS_MAX: usize = 8;

/// What stands in pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PageStats {
    /// Files of pages.
    pub segments: usize,
    /// Their sizes together, in bytes.
    pub bytes: u64,
    /// What of this belongs to pages that are alive.
    pub live_bytes: u64,
    /// Pages that are alive.
    pub pages: u64,
}

/// Where a page lies. Twelve bytes: there may be millions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The segment's sequence.
    pub(super) segment: u32,
    /// The offset of its record, in units of [`record::ALIGN_BYTES`].
    unit: u32,
    /// The length of its payload.
    length: u32,
}

impl Place {
    /// Where `entry` stands, if this is a place that a segment can have.
    pub(super) fn new(segment: u32, entry: &Entry) -> Self {
        let unit = entry.offset / crate::local::journal::bytes_u64(record::ALIGN_BYTES);
        Self {
            segment,
            unit: u32::try_from(unit).expect("a segment is shorter than 32 GiB"),
            length: entry.length,
        }
    }

    pub(super) fn offset(self) -> u64 {
        u64::from(self.unit) * crate::local::journal::bytes_u64(record::ALIGN_BYTES)
    }

    pub(super) fn length(self) -> usize {
        usize::try_from(self.length).expect("payloads have a limit that fits")
    }

    /// What the page takes in the file.
    pub(super) fn framed_bytes(self) -> u64 {
        crate::local::journal::bytes_u64(record::framed_bytes(self.length()))
    }
}

/// A page number in halves, so that an entry of the map is aligned to four bytes and takes twenty.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Key([u32; 2]);

impl Key {
    fn new(page: PageNumber) -> Self {
        let [a, b, c, d, high @ ..] = page.0.to_le_bytes();
        Self([u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes(high)])
    }

    fn page(self) -> PageNumber {
        PageNumber(u64::from(self.0[1]) << 32 | u64::from(self.0[0]))
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.page().0);
    }
}

/// What becomes of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Pages are appended to it.
    Written,
    /// Nothing is appended any more; it goes when nothing in it is alive.
    Closed,
    /// Something in it is damaged: it stays.
    Damaged,
}

/// A segment as the map counts it.
#[derive(Clone, Copy, Debug)]
struct Segment {
    fate: Fate,
    /// The file's size.
    file_bytes: u64,
    /// What its pages take, dead or alive.
    bytes: u64,
    live_bytes: u64,
    live_pages: u64,
}

impl Segment {
    fn dead_bytes(&self) -> u64 {
        self.bytes - self.live_bytes
    }

    /// Whether less than three quarters are alive.
    fn is_worn(&self) -> bool {
        self.dead_bytes() * 4 > self.bytes
    }
}

/// All pages of a store.
///
/// A page takes 24 to 48 bytes here, 35 on average: twenty and one of the table's, at a load of 7/16 to 7/8.
#[derive(Debug)]
pub(super) struct PageMap {
    segment_bytes: u64,
    shards: Box<[HashMap<Key, Place, FixedState>]>,
    segments: BTreeMap<u32, Segment>,
    /// Closed and without a live page.
    empty: BTreeSet<u32>,
    /// Closed with less than three quarters alive.
    worn: BTreeSet<u32>,
    /// Small ones that are to become one.
    small: BTreeSet<u32>,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.page().fmt(f)
    }
}

impl PageMap {
    pub(super) fn new(shards: u16, segment_bytes: u64) -> Self {
        Self {
            segment_bytes,
            shards: (0..shards).map(|_| HashMap::default()).collect(),
            segments: BTreeMap::new(),
            empty: BTreeSet::new(),
            worn: BTreeSet::new(),
            small: BTreeSet::new(),
        }
    }

    pub(super) fn shard_count(&self) -> usize {
        self.shards.len()
    }

    /// Adds a segment without pages.
    pub(super) fn add_segment(&mut self, sequence: u32, fate: Fate, file_bytes: u64) {
        let segment = Segment {
            fate,
            file_bytes,
            bytes: 0,
            live_bytes: 0,
            live_pages: 0,
        };
        let before = self.segments.insert(sequence, segment);
        assert!(before.is_none(), "segment {sequence} is there once");
    }

    /// Makes this the newest copy of a page.
    pub(super) fn put(&mut self, shard: ShardId, page: PageNumber, place: Place) {
        let segment = self
            .segments
            .get_mut(&place.segment)
            .expect("a page is put into a segment that was added");
        segment.bytes += place.framed_bytes();
        segment.live_bytes += place.framed_bytes();
        segment.live_pages += 1;
        let older = self.shards[usize::from(shard.0)].insert(Key::new(page), place);
        if let Some(older) = older {
            self.kill(older);
        }
    }

    /// As [`put`](Self::put), but only if the newest copy still is that at `from`; else it is dead at once.
    pub(super) fn put_copy(&mut self, shard: ShardId, page: PageNumber, place: Place, from: Place) {
        if self.place(shard, page) == Some(from) {
            self.put(shard, page, place);
        } else if let Some(segment) = self.segments.get_mut(&place.segment) {
            segment.bytes += place.framed_bytes();
        }
    }

    /// Forgets a page.
    pub(super) fn remove(&mut self, shard: ShardId, page: PageNumber) {
        let place = self.shards[usize::from(shard.0)].remove(&Key::new(page));
        if let Some(place) = place {
            self.kill(place);
        }
    }

    /// Forgets all pages of a shard but these, which ascend; returns those that are not there.
    pub(super) fn keep(&mut self, shard: ShardId, pages: &[PageNumber]) -> Vec<PageNumber> {
        assert!(
            pages.is_sorted(),
            "the pages that shard {shard} keeps ascend"
        );
        let mut dead = Vec::new();
        let places = &mut self.shards[usize::from(shard.0)];
        places.retain(|key, place| {
            let is_kept = pages.binary_search(&key.page()).is_ok();
            if !is_kept {
                dead.push(*place);
            }
            is_kept
        });
        let missing = pages
            .iter()
            .filter(|page| !places.contains_key(&Key::new(**page)));
        let missing = missing.copied().collect();
        dead.into_iter().for_each(|place| self.kill(place));
        missing
    }

    /// The highest number of a shard's pages; 0 if it has none.
    pub(super) fn last(&self, shard: ShardId) -> PageNumber {
        let places = self.shards.get(usize::from(shard.0));
        let pages = places.into_iter().flat_map(HashMap::keys);
        pages.map(|key| key.page()).max().unwrap_or_default()
    }

    pub(super) fn place(&self, shard: ShardId, page: PageNumber) -> Option<Place> {
        let places = self.shards.get(usize::from(shard.0))?;
        places.get(&Key::new(page)).copied()
    }

    pub(super) fn has_segment(&self, sequence: u32) -> bool {
        self.segments.contains_key(&sequence)
    }

    /// How many live pages a segment has.
    pub(super) fn live_pages(&self, sequence: u32) -> u64 {
        let segment = self.segments.get(&sequence);
        segment.map_or(0, |segment| segment.live_pages)
    }

    /// The live pages of a segment, in the order of the file. Looks at all pages of the store.
    pub(super) fn entries(&self, sequence: u32) -> Vec<Entry> {
        let mut entries = Vec::new();
        for (shard, places) in (0..).map(ShardId).zip(&self.shards) {
            let here = places.iter().filter(|(_, place)| place.segment == sequence);
            entries.extend(here.map(|(key, place)| Entry {
                shard,
                page: key.page(),
                offset: place.offset(),
                length: place.length,
            }));
        }
        entries.sort_unstable_by_key(|entry| entry.offset);
        entries
    }

    /// Notes the size of a segment's file.
    pub(super) fn set_file_bytes(&mut self, sequence: u32, file_bytes: u64) {
        if let Some(segment) = self.segments.get_mut(&sequence) {
            segment.file_bytes = file_bytes;
        }
    }

    /// Decides what becomes of a segment.
    pub(super) fn set_fate(&mut self, sequence: u32, fate: Fate) {
        if let Some(segment) = self.segments.get_mut(&sequence) {
            segment.fate = fate;
            self.review(sequence);
        }
    }

    /// Looks at all segments, as they are when the store was opened.
    pub(super) fn review_all(&mut self) {
        let sequences: Vec<u32> = self.segments.keys().copied().collect();
        for sequence in sequences {
            self.review(sequence);
        }
        let limit = self.segment_bytes / SMALL_PART;
        let is_small = |segment: &Segment| {
            segment.fate == Fate::Closed && segment.live_pages > 0 && segment.bytes < limit
        };
        let small = self
            .segments
            .iter()
            .filter(|(_, segment)| is_small(segment));
        let small: BTreeSet<u32> = small.map(|(sequence, _)| *sequence).collect();
        if small.len() >= SMALL_SEGMENTS_MAX {
            self.small = small;
        }
    }

    /// Takes out a segment that can be deleted.
    pub(super) fn take_empty(&mut self) -> Option<u32> {
        let sequence = self.empty.pop_first()?;
        self.segments.remove(&sequence);
        Some(sequence)
    }

    /// Puts one back that could not be deleted yet.
    pub(super) fn put_back_empty(&mut self, sequence: u32) {
        self.add_segment(sequence, Fate::Closed, 0);
        self.review(sequence);
    }

    /// Whether a segment that is being written is worth to be deleted as it is.
    pub(super) fn is_worthless(&self, sequence: u32) -> bool {
        self.segments.get(&sequence).is_some_and(|segment| {
            segment.live_pages == 0 && segment.bytes >= self.segment_bytes / 4
        })
    }

    /// The segment whose live pages are to be copied next: the most worn one, as soon as the worn ones hold a quarter
    /// of a segment of dead bytes.
    pub(super) fn victim(&mut self) -> Option<u32> {
        let worn = || {
            let sequences = self.worn.iter();
            sequences.filter_map(|sequence| Some((*sequence, self.segments.get(sequence)?)))
        };
        let dead: u64 = worn().map(|(_, segment)| segment.dead_bytes()).sum();
        if dead >= (self.segment_bytes / 4).max(1) {
            let deadness = |segment: &Segment| {
                u128::from(segment.dead_bytes()) * 1024 / u128::from(segment.bytes.max(1))
            };
            let most = worn().max_by_key(|(_, segment)| deadness(segment));
            return most.map(|(sequence, _)| sequence);
        }
        self.small.pop_first()
    }

    pub(super) fn stats(&self) -> PageStats {
        let mut stats = PageStats {
            segments: self.segments.len(),
            ..PageStats::default()
        };
        for segment in self.segments.values() {
            stats.bytes += segment.file_bytes;
            stats.live_bytes += segment.live_bytes;
            stats.pages += segment.live_pages;
        }
        stats
    }

    /// Counts a copy that is not the newest any more.
    fn kill(&mut self, place: Place) {
        let segment = self
            .segments
            .get_mut(&place.segment)
            .expect("a segment with a live page is not forgotten");
        segment.live_bytes -= place.framed_bytes();
        segment.live_pages -= 1;
        self.review(place.segment);
    }

    /// Sorts a segment in by what of it is alive.
    fn review(&mut self, sequence: u32) {
        self.empty.remove(&sequence);
        self.worn.remove(&sequence);
        let Some(segment) = self.segments.get(&sequence) else {
            return;
        };
        if segment.fate != Fate::Closed {
            self.small.remove(&sequence);
        } else if segment.live_pages == 0 {
            self.small.remove(&sequence);
            self.empty.insert(sequence);
        } else if segment.is_worn() {
            self.worn.insert(sequence);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARD: ShardId = ShardId(0);

    fn place(segment: u32, offset: u64, page: PageNumber) -> Place {
        let entry = Entry {
            shard: SHARD,
            page,
            offset,
            length: 100,
        };
        Place::new(segment, &entry)
    }

    #[test]
    fn an_entry_is_small() {
        assert_eq!(size_of::<(Key, Place)>(), 20);
        let page = PageNumber(0x0102_0304_0506_0708);
        assert_eq!(Key::new(page).page(), page);
    }

    #[test]
    fn a_copy_of_what_was_freed_meanwhile_is_dead() {
        let mut map = PageMap::new(1, 1000);
        map.add_segment(1, Fate::Closed, 0);
        map.add_segment(2, Fate::Written, 0);
        let (page, from, to) = (PageNumber(7), place(1, 40, PageNumber(7)), 48);
        map.put(SHARD, page, from);
        map.remove(SHARD, page);
        map.put_copy(SHARD, page, place(2, to, page), from);
        assert_eq!(map.place(SHARD, page), None);
        assert_eq!(map.stats().live_bytes, 0);
        assert_eq!(map.take_empty(), Some(1));
        map.set_fate(2, Fate::Closed);
        assert_eq!(map.take_empty(), Some(2));
    }

    #[test]
    fn the_most_worn_segment_is_the_next() {
        let mut map = PageMap::new(1, 400);
        for segment in 1..=3_u32 {
            map.add_segment(segment, Fate::Closed, 0);
            for nth in 0..8 {
                let page = PageNumber(u64::from(segment) * 8 + nth);
                map.put(SHARD, page, place(segment, 40 + nth * 120, page));
            }
        }
        assert_eq!(map.victim(), None, "all are alive");
        map.remove(SHARD, PageNumber(8));
        map.remove(SHARD, PageNumber(16));
        map.remove(SHARD, PageNumber(17));
        assert_eq!(map.victim(), None, "three quarters are alive");
        map.remove(SHARD, PageNumber(18));
        assert_eq!(map.victim(), Some(2));
        for page in 24..28 {
            map.remove(SHARD, PageNumber(page));
        }
        assert_eq!(map.victim(), Some(3));
    }
}
