//! Reads the journal back, and tells a torn write from corruption.
//!
//! A round is written only when the one before it is synced. A segment may have been another one before: then
//! rounds of that use lie behind those of this one, and under a torn write. So:
//!
//! 1. A round of a segment is one whose header names that segment and has a higher number than the rounds
//!    before it. Whatever else stands there (zeros, rounds of an earlier use, pieces of both) is nothing.
//! 2. A round that another one is known to follow was synced: anything wrong in it is corruption. One is known
//!    to follow if its header stands anywhere behind it, in the same segment or in a later one; in a segment
//!    that is used for the first time, also if anything but zeros does.
//! 3. A round that none is known to follow is the last. If it is whole, it counts (it may have been
//!    confirmed). If not, its write was torn, by whatever parts, and none of it counts.
//! 4. A place where a round should begin and none does is the end of the segment's rounds, and of the log
//!    if no later round stands anywhere. Else rounds are missing there.
//!
//! That a round is whole is more than that all records in it are intact: they are those that the header was
//! written with, by their number, indexes and the digest of their checksums. So no record of an earlier use
//! and none of an earlier torn write can ever be taken for one of a torn last round.
//!
//! What is wrong in a round that was synced hits the shards whose records are not there: reading goes on with
//! the next record of the round, and with the next round. See [`progress`](super::progress) for how it is
//! known whom it hits.
//!
//! At the end of the log, a torn round is overwritten by zeros and the last round by itself, and both
//! are synced: what the page cache held may never have reached the disk, and nothing torn may ever be
//! read again. What was torn so that not even its header is left is overwritten where the segment is used for
//! the first time; elsewhere it cannot be told from an earlier use, and is as harmless.

use super::error::{Action, Corruption, DiskError, Flaw, OpenError};
use super::header::{HEADER_BYTES, Header, Kind};
use super::journal::{Segment, bytes_u64};
use super::meter::Meter;
use super::name;
use super::open::Recovered;
use super::progress::Shards;
use super::reader::Reader;
use super::round::{Entry, Origin, RoundHeader};
use super::shared::ClosedSegment;
use super::tally::Tally;
use crate::disk::Disk;
use crate::shard_log::Replayed;
use model::LogIndex;

/// Where the first round of a segment begins.
pub(super) const FIRST_ROUND: u64 = HEADER_BYTES as u64;

/// Reads the journal's segments.
pub(super) struct Recovery<'a, D: Disk> {
    pub(super) disk: &'a D,
    pub(super) store: u64,
    pub(super) shards: Shards,
    /// Which records go to `replay`.
    pub(super) replays: Replays,
    pub(super) replay: &'a mut dyn FnMut(Replayed<'_>),
    pub(super) meter: Meter<'a>,
    pub(super) recovered: Recovered,
    /// What the round that is read holds; reused.
    pub(super) tally: Tally,
    /// The table of that round; reused.
    pub(super) table: Vec<Entry>,
    /// The header of a round ahead; reused.
    pub(super) scratch: Vec<u8>,
}

/// Which records are handed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Replays {
    /// Those that stand before anything that their shard has lost.
    UpToDamage,
    /// All that are intact.
    Survivors,
}

/// What was read, and where the journal ends.
pub(super) struct Scanned<F> {
    pub(super) closed: Vec<ClosedSegment>,
    pub(super) segments: Vec<Opened<F>>,
    /// The place in `segments` of the one in which the log ends.
    pub(super) at: usize,
    pub(super) extent: Extent,
    pub(super) next_round: u64,
    /// Whether the last round is an empty one, or there is none.
    pub(super) sealed: bool,
}

/// A segment whose header was read.
pub(super) struct Opened<F> {
    pub(super) sequence: u64,
    pub(super) name: String,
    pub(super) file: F,
    pub(super) bytes: u64,
    pub(super) header: FileHeader,
    /// The first round in it and its place.
    first: Option<(u64, RoundHeader)>,
}

/// What the header of a segment's file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileHeader {
    /// Nothing but zeros was there before.
    FirstUse,
    /// The file may have been another segment.
    Reused,
    Damaged,
}

/// How far the rounds of one segment go.
pub(super) struct Extent {
    /// Behind the last round that counts.
    pub(super) end: u64,
    /// The last index of each shard in it.
    pub(super) last: Box<[LogIndex]>,
    /// Where the last round begins.
    pub(super) last_round: Option<u64>,
    /// Behind the torn round, if one is there.
    pub(super) torn_end: Option<u64>,
    /// Whether the last round has no records.
    sealed: bool,
}

/// What is known to have been written behind a round, which was synced then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Follower {
    /// A round whose header is there.
    Round,
    /// Something, where nothing but zeros was before.
    Bytes,
    None,
}

/// Which round must come next.
#[derive(Clone, Copy)]
struct Numbering {
    next: u64,
    /// Whether it is known that none lies between the last one read and this one.
    is_exact: bool,
}

impl<D: Disk> Recovery<'_, D> {
    /// Reads all segments, oldest first. Changes nothing on the disk.
    pub(super) fn scan(&mut self, sequences: &[u64]) -> Result<Scanned<D::File>, OpenError> {
        let segments = sequences
            .iter()
            .map(|sequence| self.open_segment(*sequence))
            .collect::<Result<Vec<_>, _>>()?;
        // The number of the first round is known only while nothing was trimmed.
        let mut numbering = Numbering {
            next: 1,
            is_exact: sequences[0] == 1,
        };
        let mut closed = Vec::new();
        let mut sealed = true;
        let mut at = 0;
        let extent = loop {
            let segment = &segments[at];
            let extent = self.read_segment(&segments[at..], &mut numbering)?;
            if extent.last_round.is_some() {
                sealed = extent.sealed;
            }
            let is_last = segments[at + 1..].iter().all(|later| later.first.is_none());
            self.check_left(&segments[at..], extent.end, &mut numbering, is_last);
            if is_last {
                break extent;
            }
            closed.push(ClosedSegment {
                sequence: segment.sequence,
                bytes: extent.end,
                file_bytes: segment.bytes,
                last: extent.last,
            });
            at += 1;
        };
        self.shards.end(&segments[at].name, extent.end);
        let mut scanned = Scanned {
            closed,
            segments,
            at,
            extent,
            next_round: numbering.next,
            sealed,
        };
        scanned.keep_evidence(&self.shards);
        self.recovered.segments = scanned.segments.len();
        Ok(scanned)
    }

    fn open_segment(&mut self, sequence: u64) -> Result<Opened<D::File>, OpenError> {
        let name = name::segment(sequence);
        let file = self
            .disk
            .open(&name)
            .map_err(DiskError::on(Action::Open, &name))?;
        let mut reader = Reader::new(&name, &file)?;
        let bytes = reader.size_bytes();
        let decoded = Header::decode(Kind::Journal, &name, reader.bytes(0, HEADER_BYTES)?);
        let header = match decoded {
            Ok(header) if (header.store, header.number) != (self.store, sequence) => {
                return Err(at_file(&name, 0, Flaw::Foreign).into());
            }
            Ok(header) if header.shard == 0 => FileHeader::FirstUse,
            Ok(_) => FileHeader::Reused,
            Err(OpenError::Corrupt(corruption)) => {
                self.shards.harmless(corruption);
                FileHeader::Damaged
            }
            Err(error) => return Err(error),
        };
        let first = reader.find_round(self.store, FIRST_ROUND, |segment| segment == sequence)?;
        Ok(Opened {
            sequence,
            name,
            file,
            bytes,
            header,
            first,
        })
    }

    /// Replays the rounds of the first of `segments`, which the others follow.
    fn read_segment(
        &mut self,
        segments: &[Opened<D::File>],
        numbering: &mut Numbering,
    ) -> Result<Extent, OpenError> {
        let segment = &segments[0];
        let mut reader = Reader::new(&segment.name, &segment.file)?;
        let mut extent = Extent {
            end: FIRST_ROUND,
            last: vec![LogIndex(0); self.shards.all.len()].into_boxed_slice(),
            last_round: None,
            torn_end: None,
            sealed: true,
        };
        self.meter.begin();
        while let Some((start, round)) =
            self.next_round(&mut reader, segment, extent.end, *numbering)?
        {
            if start != extent.end || (numbering.is_exact && round.number != numbering.next) {
                let round = numbering.next;
                let flaw = Flaw::RoundHeader { round };
                self.shards.hole(at_file(&segment.name, extent.end, flaw));
            }
            let end = start
                .saturating_add(bytes_u64(round.header_bytes()))
                .saturating_add(round.bytes);
            let follower = self.follower(&mut reader, segments, end, round.number)?;
            let is_torn =
                follower != Follower::Round && !self.is_whole(&mut reader, start, &round)?;
            if is_torn && follower == Follower::None {
                extent.torn_end = Some(end);
                break;
            }
            self.read_round(&mut reader, start, &round)?;
            if is_torn {
                let round = round.number + 1;
                let flaw = Flaw::RoundHeader { round };
                self.shards.hole(at_file(&segment.name, end, flaw));
            }
            for entry in self.table.iter().filter(|entry| entry.records > 0) {
                let last = LogIndex(entry.last.unwrap_or_default());
                extent.last[usize::from(entry.shard)] = last;
            }
            numbering.next = round.number + 1;
            numbering.is_exact = true;
            extent.end = end;
            extent.last_round = Some(start);
            extent.sealed = round.records == 0;
            self.meter.reached(end.min(segment.bytes));
        }
        self.meter.reached(segment.bytes);
        Ok(extent)
    }

    /// The next round of a segment at or behind `offset`, and its place.
    fn next_round(
        &mut self,
        reader: &mut Reader<'_, D::File>,
        segment: &Opened<D::File>,
        offset: u64,
        numbering: Numbering,
    ) -> Result<Option<(u64, RoundHeader)>, DiskError> {
        let is_later = |round: &RoundHeader| round.number >= numbering.next;
        let origin = origin(self.store, segment);
        let here = reader.round(origin, offset, &mut self.table)?;
        if let Some(round) = here.filter(is_later) {
            return Ok(Some((offset, round)));
        }
        let Some((place, round)) = self.round_behind(reader, segment, offset, numbering.next)?
        else {
            return Ok(None);
        };
        reader.round(origin, place, &mut self.table)?;
        Ok(Some((place, round)))
    }

    /// The first round of a segment that begins behind `offset` and has at least this number.
    fn round_behind(
        &self,
        reader: &mut Reader<'_, D::File>,
        segment: &Opened<D::File>,
        mut offset: u64,
        at_least: u64,
    ) -> Result<Option<(u64, RoundHeader)>, DiskError> {
        let is_wanted = |sequence| sequence == segment.sequence;
        while let Some((place, round)) = reader.find_round(self.store, offset + 1, is_wanted)? {
            if round.number >= at_least {
                return Ok(Some((place, round)));
            }
            offset = place;
        }
        Ok(None)
    }

    /// What follows the round `number`, which ends at `end` in the first of `segments`.
    fn follower(
        &mut self,
        reader: &mut Reader<'_, D::File>,
        segments: &[Opened<D::File>],
        end: u64,
        number: u64,
    ) -> Result<Follower, DiskError> {
        let (segment, later) = (&segments[0], &segments[1..]);
        let follows = |round: RoundHeader| round.number > number;
        let first =
            |segment: &Opened<D::File>| segment.first.is_some_and(|(_, round)| follows(round));
        if later.iter().any(first) {
            return Ok(Follower::Round);
        }
        let ahead = reader.round_ahead(origin(self.store, segment), end, &mut self.scratch)?;
        if ahead.is_some_and(follows) {
            return Ok(Follower::Round);
        }
        if self
            .round_behind(reader, segment, end, number + 1)?
            .is_some()
        {
            return Ok(Follower::Round);
        }
        let mut is_written =
            segment.header == FileHeader::FirstUse && reader.first_non_zero(end)?.is_some();
        for later in later {
            let mut reader = Reader::new(&later.name, &later.file)?;
            is_written |= later.header == FileHeader::FirstUse
                && reader.first_non_zero(FIRST_ROUND)?.is_some();
        }
        Ok(if is_written {
            Follower::Bytes
        } else {
            Follower::None
        })
    }

    /// Checks that nothing is missing between the rounds of the first of `segments`, which end at `end`, and
    /// those behind.
    fn check_left(
        &mut self,
        segments: &[Opened<D::File>],
        end: u64,
        numbering: &mut Numbering,
        is_last: bool,
    ) {
        let (segment, next) = (&segments[0], segments.get(1));
        let missing = segment.sequence + 1;
        if next.is_some_and(|next| next.sequence != missing) {
            self.shards
                .hole(at_file(&name::segment(missing), 0, Flaw::Missing));
            numbering.is_exact = false;
        } else if is_last {
            // One segment is prepared ahead, and the one behind it only when that is in use.
            if let [_, next, _, ..] = segments {
                self.shards
                    .hole(at_file(&next.name, FIRST_ROUND, Flaw::NoRound));
            }
        } else if let Some((FIRST_ROUND, round)) = next.and_then(|next| next.first)
            && numbering.is_exact
            && round.number > numbering.next
        {
            let flaw = Flaw::RoundOrder {
                expected: numbering.next,
                found: round.number,
            };
            self.shards.hole(at_file(&segment.name, end, flaw));
            numbering.is_exact = false;
        }
    }
}

impl<F> Scanned<F> {
    /// The segments behind the one in which the log ends.
    pub(super) fn behind(&self) -> &[Opened<F>] {
        &self.segments[self.at + 1..]
    }

    /// Whether the first segment behind is there to be written next.
    pub(super) fn has_next(&self) -> bool {
        let end = &self.segments[self.at];
        match self.behind() {
            [next] => next.sequence == end.sequence + 1 && next.header != FileHeader::Damaged,
            _ => false,
        }
    }

    /// A segment in which a damaged shard has lost something is not deleted before the shard is repaired.
    fn keep_evidence(&mut self, shards: &Shards) {
        let (damaged, _) = shards.findings();
        for damage in &damaged {
            for segment in &mut self.closed {
                let name = name::segment(segment.sequence);
                if damage.corruptions.iter().any(|place| place.file == name) {
                    let last = &mut segment.last[usize::from(damage.shard.0)];
                    *last = (*last).max(LogIndex(1));
                }
            }
        }
    }

    /// The segment in which the log ends, to be written on.
    pub(super) fn into_segment(self) -> (Vec<ClosedSegment>, Segment<F>) {
        let segment = self.segments.into_iter().nth(self.at);
        let segment = segment.expect("the log ends in one of them");
        let open = Segment {
            sequence: segment.sequence,
            name: segment.name,
            file: segment.file,
            end: self.extent.end,
            filled: segment.bytes,
            last: self.extent.last,
        };
        (self.closed, open)
    }
}

pub(super) fn origin<F>(store: u64, segment: &Opened<F>) -> Origin {
    Origin {
        store,
        segment: segment.sequence,
    }
}

/// A damaged place that concerns no shard in particular.
pub(super) fn at_file(file: &str, offset: u64, flaw: Flaw) -> Corruption {
    Corruption {
        file: file.to_owned(),
        offset,
        shard: None,
        index: None,
        flaw,
    }
}
