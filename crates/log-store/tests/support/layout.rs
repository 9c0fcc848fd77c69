//! Where the parts of a segment of pages stand, and what is to be found when some of them are not as they were
//! written: worked out from the drawing alone.

use super::SEGMENT_HEADER_BYTES;
use log_store::Flaw;
use std::collections::BTreeMap;
use std::ops::Range;

/// Pages that are written together: shard, page, content.
pub type Batch<'a> = &'a [(usize, u64, &'a [u8])];

/// Whether the process ended in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Unsealed,
    Sealed,
}

pub const STATES: [State; 2] = [State::Unsealed, State::Sealed];

pub fn framed(payload: usize) -> usize {
    (20 + payload).next_multiple_of(8)
}

/// Where the parts of a batch stand, without what fills them up to a multiple of eight.
pub struct Placed<'a> {
    pub begins: usize,
    pub marks: [Range<usize>; 2],
    pub pages: Vec<(usize, u64, &'a [u8], Range<usize>)>,
    pub ends: usize,
}

pub fn layout<'a>(batches: &[Batch<'a>]) -> Vec<Placed<'a>> {
    let mut at = SEGMENT_HEADER_BYTES;
    let mut placed = Vec::new();
    for batch in batches {
        let begins = at;
        let mark = 40 + 16 * batch.len();
        let front = at..at + 20 + mark;
        at += framed(mark);
        let mut pages = Vec::new();
        for (shard, page, bytes) in *batch {
            pages.push((*shard, *page, *bytes, at..at + 20 + bytes.len()));
            at += framed(bytes.len());
        }
        let back = at..at + 20 + mark;
        at += framed(mark);
        placed.push(Placed {
            begins,
            marks: [front, back],
            pages,
            ends: at,
        });
    }
    placed
}

/// What is found of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found<'a> {
    Intact(&'a [u8]),
    /// What stands at this offset is not as it was.
    Damaged(usize),
}

/// What is to be found after a range was hit.
pub struct Expected<'a> {
    pub pages: BTreeMap<(usize, u64), Found<'a>>,
    /// What the opening tells.
    pub told: Vec<(usize, Flaw)>,
    /// So much of the file stays as it is; what is behind seems to be torn. None if nothing tells of a page: then it
    /// is removed.
    pub kept: Option<usize>,
}

impl<'a> Expected<'a> {
    /// A range of a segment of this size was hit.
    pub fn of(batches: &[Batch<'a>], size: usize, state: State, hit: &Range<usize>) -> Self {
        let is_hit = |part: &Range<usize>| part.start < hit.end && hit.start < part.end;
        Self::of_parts(batches, size, state, &is_hit)
    }

    /// These parts were.
    pub fn of_parts(
        batches: &[Batch<'a>],
        size: usize,
        state: State,
        is_hit: &dyn Fn(&Range<usize>) -> bool,
    ) -> Self {
        let placed = layout(batches);
        let pages_end = placed.last().unwrap().ends;
        let has_end = state == State::Sealed && !is_hit(&(size - 56..size));
        let has_index = has_end && !is_hit(&(pages_end..size - 56));
        let is_known: Vec<bool> = placed
            .iter()
            .map(|batch| has_index || !batch.marks.iter().all(is_hit))
            .collect();
        let last = is_known.iter().rposition(|known| *known);
        let mut expected = Self {
            pages: BTreeMap::new(),
            told: Vec::new(),
            kept: None,
        };
        let mut was_known = true;
        for (place, batch) in placed.iter().enumerate() {
            let is_durable = has_end || last.is_some_and(|last| place < last);
            if is_known[place] {
                expected.add(batch, is_durable, is_hit);
            } else if is_durable && was_known {
                expected.told.push((batch.begins, Flaw::PageMark));
            }
            was_known = is_known[place];
        }
        if expected.pages.is_empty() && expected.told.is_empty() {
            if is_hit(&(0..SEGMENT_HEADER_BYTES)) {
                expected.told.push((0, Flaw::Header));
                expected.kept = Some(pages_end);
            }
        } else if has_end {
            expected.kept = Some(pages_end);
        } else {
            expected.kept = last.map(|last| placed[last].ends);
        }
        expected
    }

    fn add(
        &mut self,
        batch: &Placed<'a>,
        is_durable: bool,
        is_hit: &dyn Fn(&Range<usize>) -> bool,
    ) {
        for (shard, page, bytes, place) in &batch.pages {
            let key = (*shard, *page);
            if !is_hit(place) {
                self.pages.insert(key, Found::Intact(bytes));
            } else if is_durable {
                self.pages.insert(key, Found::Damaged(place.start));
            }
        }
    }
}
