//! Reads the journal back, and tells a torn write from corruption.
//!
//! A round is written only when the one before it is synced, and what lies behind the last round is
//! zero. So:
//!
//! 1. A round that is followed by another was synced: anything wrong in it is corruption.
//! 2. A round that is followed by nothing but zeros is the last. If it is whole, it counts (it may have
//!    been confirmed). If not, its write was torn, by whatever parts, and none of it counts.
//! 3. A place where a round should begin and none does is the end of the log. If a later round's header
//!    stands anywhere behind it, it is corruption instead.
//!
//! At the end of the log, what was torn is overwritten by zeros and the last round by itself, and both
//! are synced: what the page cache held may never have reached the disk, and nothing torn may ever be
//! read again.

use super::error::{Action, Corruption, DiskError, Flaw, OpenError};
use super::header::{HEADER_BYTES, Header, Kind};
use super::journal::{Segment, bytes_u64};
use super::name;
use super::open::Recovered;
use super::reader::Reader;
use super::round::{ROUND_HEADER_BYTES, RoundHeader};
use super::shared::ClosedSegment;
use crate::disk::{Disk, DiskFile};
use crate::record::{self, ALIGN_BYTES};
use crate::shard_log::Replayed;
use model::{LogIndex, ShardId};
use std::io::IoSlice;

/// The most that is overwritten at once.
const WRITE_BYTES: usize = 64 * 1024;

/// How far a shard is read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Progress {
    /// The index of its snapshot; 0 if it has none.
    pub(super) snapshot: LogIndex,
    /// The last index seen in the journal.
    seen: Option<LogIndex>,
}

impl Progress {
    pub(super) fn after_snapshot(snapshot: LogIndex) -> Self {
        Self {
            snapshot,
            seen: None,
        }
    }

    /// The last index of the log.
    pub(super) fn last(&self) -> LogIndex {
        self.snapshot.max(self.seen.unwrap_or_default())
    }
}

/// Reads the journal's segments.
pub(super) struct Recovery<'a, D: Disk> {
    pub(super) disk: &'a D,
    pub(super) store: u64,
    pub(super) shards: Box<[Progress]>,
    pub(super) replay: &'a mut dyn FnMut(Replayed<'_>),
    pub(super) recovered: Recovered,
}

/// Where the journal ends.
pub(super) struct End<F> {
    pub(super) closed: Vec<ClosedSegment>,
    pub(super) segment: Segment<F>,
    /// Whether an empty segment stands ready behind it.
    pub(super) has_next: bool,
    pub(super) next_round: u64,
    /// Whether the last round is an empty one, or there is none.
    pub(super) sealed: bool,
}

/// A segment whose header is read.
struct Opened<F> {
    sequence: u64,
    name: String,
    file: F,
    /// The round at its start, if one is there.
    first: Option<RoundHeader>,
}

/// How far the rounds of one segment go.
struct Extent {
    /// Behind the last round that counts.
    end: u64,
    /// The last index of each shard in it.
    last: Box<[LogIndex]>,
    /// Where the last round begins.
    last_round: Option<u64>,
    /// Whether the last round has no records.
    sealed: bool,
}

impl<D: Disk> Recovery<'_, D> {
    /// Reads all segments, oldest first, and makes the end of the log clean.
    pub(super) fn read_journal(&mut self, sequences: &[u64]) -> Result<End<D::File>, OpenError> {
        let segments = sequences
            .iter()
            .map(|sequence| self.open_segment(*sequence))
            .collect::<Result<Vec<_>, _>>()?;
        // The number of the first round is known only while nothing was trimmed.
        let mut expected = (sequences[0] == 1).then_some(1);
        let mut closed = Vec::new();
        let mut sealed = true;
        let mut at = 0;
        let extent = loop {
            let (segment, next) = (&segments[at], segments.get(at + 1));
            let mut reader = Reader::new(&segment.name, &segment.file)?;
            let extent = self.read_segment(&mut reader, next, &mut expected)?;
            sealed = if extent.last_round.is_some() {
                extent.sealed
            } else {
                sealed
            };
            let Some(expected) = expected else {
                let first = bytes_u64(HEADER_BYTES);
                return Err(corrupt(&segment.name, first, Flaw::NoRound));
            };
            match next.and_then(|next| next.first) {
                Some(first) => check_left(&mut reader, extent.end, expected, first)?,
                None => {
                    self.check_end(&segments[at..], &mut reader, extent.end, expected)?;
                    break extent;
                }
            }
            closed.push(ClosedSegment {
                sequence: segment.sequence,
                bytes: extent.end,
                last: extent.last,
            });
            at += 1;
        };
        self.check_snapshots(&segments[at].name, extent.end)?;
        self.clean_end(&segments[at..], &extent)?;
        self.recovered.segments = segments.len();
        let has_next = at + 1 < segments.len();
        let segment = segments.into_iter().nth(at).expect("it was just read");
        let filled = segment
            .file
            .size_bytes()
            .map_err(DiskError::on(Action::Read, &segment.name))?;
        Ok(End {
            closed,
            segment: Segment {
                sequence: segment.sequence,
                name: segment.name,
                file: segment.file,
                end: extent.end,
                filled,
                last: extent.last,
            },
            has_next,
            next_round: expected.expect("checked for every segment"),
            sealed,
        })
    }

    fn open_segment(&self, sequence: u64) -> Result<Opened<D::File>, OpenError> {
        let name = name::segment(sequence);
        let file = self
            .disk
            .open(&name)
            .map_err(DiskError::on(Action::Open, &name))?;
        let mut bytes = [0; HEADER_BYTES + ROUND_HEADER_BYTES];
        let count = file
            .read_at(&mut bytes, 0)
            .map_err(DiskError::on(Action::Read, &name))?;
        let header = Header::decode(Kind::Journal, &name, &bytes[..count])?;
        if (header.store, header.number) != (self.store, sequence) {
            return Err(corrupt(&name, 0, Flaw::Foreign));
        }
        let first = RoundHeader::decode(self.store, &bytes[HEADER_BYTES..]);
        Ok(Opened {
            sequence,
            name,
            file,
            first,
        })
    }

    /// Replays the rounds of a segment. `expected` is the number of the next one.
    fn read_segment(
        &mut self,
        reader: &mut Reader<'_, D::File>,
        next: Option<&Opened<D::File>>,
        expected: &mut Option<u64>,
    ) -> Result<Extent, OpenError> {
        let mut extent = Extent {
            end: bytes_u64(HEADER_BYTES),
            last: vec![LogIndex(0); self.shards.len()].into_boxed_slice(),
            last_round: None,
            sealed: true,
        };
        while let Some(round) = self.round_at(reader, extent.end)? {
            let start = extent.end;
            if let Some(expected) = *expected
                && expected != round.number
            {
                let found = round.number;
                return Err(corrupt(
                    reader.name(),
                    start,
                    Flaw::RoundOrder { expected, found },
                ));
            }
            let end = start
                .saturating_add(bytes_u64(ROUND_HEADER_BYTES))
                .saturating_add(round.bytes);
            if !self.is_followed(reader, end, round.number + 1, next)?
                && let Some(damage) = self.find_damage(reader, start, end)?
            {
                if is_written_behind(reader, end, next)? {
                    return Err(damage.into());
                }
                // The torn last round: the log ends in front of it.
                break;
            }
            self.replay_round(reader, start, end, round, &mut extent.last)?;
            *expected = Some(round.number + 1);
            extent.end = end;
            extent.last_round = Some(start);
            extent.sealed = round.records == 0;
        }
        Ok(extent)
    }

    fn round_at(
        &self,
        reader: &mut Reader<'_, D::File>,
        offset: u64,
    ) -> Result<Option<RoundHeader>, DiskError> {
        let bytes = reader.bytes(offset, ROUND_HEADER_BYTES)?;
        Ok(RoundHeader::decode(self.store, bytes))
    }

    /// Whether the round that ends at `end` is known to be followed by round `number`.
    fn is_followed(
        &self,
        reader: &mut Reader<'_, D::File>,
        end: u64,
        number: u64,
        next: Option<&Opened<D::File>>,
    ) -> Result<bool, DiskError> {
        let mut bytes = [0; ROUND_HEADER_BYTES];
        let count = reader.look_ahead(end, &mut bytes)?;
        let here = RoundHeader::decode(self.store, &bytes[..count]);
        let follows = |round: RoundHeader| round.number == number;
        Ok(here.is_some_and(follows) || next.and_then(|next| next.first).is_some_and(follows))
    }

    /// The first record of a round that is not intact.
    fn find_damage(
        &self,
        reader: &mut Reader<'_, D::File>,
        start: u64,
        end: u64,
    ) -> Result<Option<Corruption>, DiskError> {
        let mut offset = start + bytes_u64(ROUND_HEADER_BYTES);
        while offset < end {
            let Some(found) = reader.record(offset, end)? else {
                return self.damage(reader, offset).map(Some);
            };
            offset += bytes_u64(record::framed_bytes(found.payload.len()));
        }
        Ok(None)
    }

    /// Describes the damaged record at `offset`.
    fn damage(
        &self,
        reader: &mut Reader<'_, D::File>,
        offset: u64,
    ) -> Result<Corruption, DiskError> {
        let fields = reader.record_header(offset)?;
        let file = reader.name().to_owned();
        // Its fields may be what is damaged, so they are told only where they make sense.
        let place = fields.filter(|fields| {
            self.shards
                .get(usize::from(fields.shard))
                .is_some_and(|shard| fields.index > shard.seen.unwrap_or_default().0)
        });
        Ok(Corruption {
            file,
            offset,
            shard: place.map(|fields| ShardId(fields.shard)),
            index: place.map(|fields| LogIndex(fields.index)),
            flaw: Flaw::Record,
        })
    }

    fn replay_round(
        &mut self,
        reader: &mut Reader<'_, D::File>,
        start: u64,
        end: u64,
        round: RoundHeader,
        last: &mut [LogIndex],
    ) -> Result<(), OpenError> {
        let mut offset = start + bytes_u64(ROUND_HEADER_BYTES);
        let mut records = 0;
        while offset < end {
            let Some(found) = reader.record(offset, end)? else {
                return Err(self.damage(reader, offset)?.into());
            };
            let framed = bytes_u64(record::framed_bytes(found.payload.len()));
            if let Err(flaw) = self.replay_record(found.header, found.payload, last) {
                return Err(OpenError::from(Corruption {
                    shard: Some(ShardId(found.header.shard)),
                    index: Some(LogIndex(found.header.index)),
                    file: reader.name().to_owned(),
                    offset,
                    flaw,
                }));
            }
            offset += framed;
            records += 1;
        }
        let expected = u64::from(round.records);
        if records != expected {
            let found = records;
            let flaw = Flaw::RecordCount { expected, found };
            return Err(corrupt(reader.name(), start, flaw));
        }
        Ok(())
    }

    fn replay_record(
        &mut self,
        fields: record::Header,
        payload: &[u8],
        last: &mut [LogIndex],
    ) -> Result<(), Flaw> {
        let place = usize::from(fields.shard);
        let shard = self.shards.get_mut(place).ok_or(Flaw::UnknownShard)?;
        let found = LogIndex(fields.index);
        let (lowest, highest) = match shard.seen {
            Some(seen) => (seen.next(), seen.next()),
            None => (LogIndex(1), shard.snapshot.next()),
        };
        if found < lowest || found > highest {
            let expected = highest;
            return Err(Flaw::Gap { expected, found });
        }
        shard.seen = Some(found);
        last[place] = found;
        if found > shard.snapshot {
            self.recovered.records += 1;
            self.recovered.bytes += bytes_u64(payload.len());
            (self.replay)(Replayed {
                shard: ShardId(fields.shard),
                index: found,
                kind: fields.kind,
                payload,
            });
        }
        Ok(())
    }

    /// Checks that nothing behind the end of the log was ever synced. `segments` begins with the one
    /// that holds the end.
    fn check_end(
        &self,
        segments: &[Opened<D::File>],
        reader: &mut Reader<'_, D::File>,
        end: u64,
        expected: u64,
    ) -> Result<(), OpenError> {
        let flaw = Flaw::RoundHeader { round: expected };
        // What stands at the end itself is at most the header of a torn round.
        let mut is_later = self.has_round(reader, end + 1)?;
        if let Some(next) = segments.get(1) {
            let mut reader = Reader::new(&next.name, &next.file)?;
            is_later |= self.has_round(&mut reader, bytes_u64(HEADER_BYTES))?;
        }
        // One segment is prepared ahead, and the one behind it only when that is in use.
        if is_later || segments.len() > 2 {
            return Err(corrupt(reader.name(), end, flaw));
        }
        Ok(())
    }

    /// Whether a round header stands anywhere at or behind `offset`.
    fn has_round(&self, reader: &mut Reader<'_, D::File>, offset: u64) -> Result<bool, DiskError> {
        let align = bytes_u64(ALIGN_BYTES);
        let mut offset = offset.next_multiple_of(align);
        while let Some(place) = reader.first_non_zero(offset)? {
            offset = place - place % align;
            if self.round_at(reader, offset)?.is_some() {
                return Ok(true);
            }
            offset += align;
        }
        Ok(false)
    }

    /// No log ends before its snapshot, which was made current only when the log was committed so far.
    fn check_snapshots(&self, file: &str, offset: u64) -> Result<(), OpenError> {
        for (place, shard) in self.shards.iter().enumerate() {
            let Some(found) = shard.seen.filter(|seen| *seen < shard.snapshot) else {
                continue;
            };
            let expected = shard.snapshot;
            return Err(OpenError::from(Corruption {
                file: file.to_owned(),
                offset,
                shard: u16::try_from(place).ok().map(ShardId),
                index: Some(found.next()),
                flaw: Flaw::LogEndsEarly { expected, found },
            }));
        }
        Ok(())
    }

    /// Overwrites what was torn by zeros and the last round by itself, and syncs.
    fn clean_end(
        &mut self,
        segments: &[Opened<D::File>],
        extent: &Extent,
    ) -> Result<(), DiskError> {
        let segment = &segments[0];
        let mut reader = Reader::new(&segment.name, &segment.file)?;
        if let Some(start) = extent.last_round {
            rewrite(&mut reader, &segment.file, start, extent.end)?;
        }
        self.recovered.torn_bytes_cut = zero(&mut reader, &segment.file, extent.end)?;
        segment
            .file
            .sync_data()
            .map_err(DiskError::on(Action::Sync, &segment.name))?;
        if let Some(next) = segments.get(1) {
            let mut reader = Reader::new(&next.name, &next.file)?;
            self.recovered.torn_bytes_cut +=
                zero(&mut reader, &next.file, bytes_u64(HEADER_BYTES))?;
            next.file
                .sync_data()
                .map_err(DiskError::on(Action::Sync, &next.name))?;
        }
        Ok(())
    }
}

/// Checks that the journal left a segment at `end` to go on with `first` in the next one.
fn check_left<F: DiskFile>(
    reader: &mut Reader<'_, F>,
    end: u64,
    expected: u64,
    first: RoundHeader,
) -> Result<(), OpenError> {
    if first.number != expected {
        // A round in between is gone: its header is unreadable, or it was never there.
        let flaw = match reader.first_non_zero(end)? {
            Some(_) => Flaw::RoundHeader { round: expected },
            None => Flaw::RoundOrder {
                expected,
                found: first.number,
            },
        };
        return Err(corrupt(reader.name(), end, flaw));
    }
    match reader.first_non_zero(end)? {
        Some(offset) => Err(corrupt(reader.name(), offset, Flaw::NotEmpty)),
        None => Ok(()),
    }
}

/// Whether anything was written behind a round.
fn is_written_behind<F: DiskFile>(
    reader: &mut Reader<'_, F>,
    end: u64,
    next: Option<&Opened<F>>,
) -> Result<bool, DiskError> {
    if reader.first_non_zero(end)?.is_some() {
        return Ok(true);
    }
    let Some(next) = next else { return Ok(false) };
    let mut reader = Reader::new(&next.name, &next.file)?;
    let place = reader.first_non_zero(bytes_u64(HEADER_BYTES))?;
    Ok(place.is_some())
}

/// Writes the bytes from `start` to `end` over themselves.
fn rewrite<F: DiskFile>(
    reader: &mut Reader<'_, F>,
    file: &F,
    start: u64,
    end: u64,
) -> Result<(), DiskError> {
    let name = reader.name().to_owned();
    let mut offset = start;
    while offset < end {
        let count = usize::try_from(end - offset).map_or(WRITE_BYTES, |left| left.min(WRITE_BYTES));
        let bytes = reader.bytes(offset, count)?;
        file.write_all_at(&mut [IoSlice::new(bytes)], offset)
            .map_err(DiskError::on(Action::Write, &name))?;
        offset += bytes_u64(count);
    }
    Ok(())
}

/// Overwrites by zeros what is not zero from `start` to the end of the file; returns how many bytes.
fn zero<F: DiskFile>(reader: &mut Reader<'_, F>, file: &F, start: u64) -> Result<u64, DiskError> {
    static ZEROS: [u8; WRITE_BYTES] = [0; WRITE_BYTES];
    let name = reader.name().to_owned();
    let mut cut = 0;
    let mut offset = start;
    while let Some(place) = reader.first_non_zero(offset)? {
        let bytes = reader.bytes(place, WRITE_BYTES)?;
        let count = bytes.len().min(WRITE_BYTES);
        let used = bytes[..count]
            .iter()
            .rposition(|byte| *byte != 0)
            .map_or(1, |last| last + 1);
        file.write_all_at(&mut [IoSlice::new(&ZEROS[..used])], place)
            .map_err(DiskError::on(Action::Write, &name))?;
        cut += bytes_u64(used);
        offset = place + bytes_u64(count);
    }
    Ok(cut)
}

fn corrupt(file: &str, offset: u64, flaw: Flaw) -> OpenError {
    OpenError::from(Corruption {
        file: file.to_owned(),
        offset,
        shard: None,
        index: None,
        flaw,
    })
}
