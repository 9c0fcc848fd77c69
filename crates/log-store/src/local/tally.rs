//! Reads the records of one round, and counts them against the round's table.

use super::error::{DiskError, Flaw, OpenError};
use super::journal::bytes_u64;
use super::reader::{Found, Reader};
use super::recovery::{Recovery, Replays, at_file};
use super::round::{Entry, RoundHeader};
use crate::disk::Disk;
use crate::record::{self, ALIGN_BYTES, HEADER_BYTES, PAYLOAD_BYTES_MAX};
use crate::shard_log::Replayed;
use model::{LogIndex, ShardId};

/// The most damaged places of one round that are told apart.
const PLACES_MAX: usize = 256;

/// How many bytes are summed in vain while the next record is looked for, in times of the round's size. A
/// payload may be made to look like many long records.
const VAIN_SIZES_MAX: u64 = 8;

/// What was found of a round so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// One for each entry of the table.
    counts: Vec<Count>,
    /// Where records could not be read, ascending.
    damaged: Vec<u64>,
    /// Whether that cost a shard something.
    is_blamed: bool,
}

/// What was found of one shard.
#[derive(Clone, Copy, Debug)]
struct Count {
    /// The index that must come next.
    next: u64,
    records: u32,
    digest: u32,
    /// Behind its last record.
    offset: u64,
}

impl Tally {
    fn begin(&mut self, table: &[Entry], offset: u64) {
        self.damaged.clear();
        self.is_blamed = false;
        self.counts.clear();
        self.counts.extend(table.iter().map(|entry| Count {
            next: entry.last.unwrap_or_default() - u64::from(entry.records) + 1,
            records: 0,
            digest: 0,
            offset,
        }));
    }

    /// The entry of the record with these fields, if one can have it at this place.
    fn entry_of(&self, table: &[Entry], fields: &record::Header) -> Option<usize> {
        let place = table
            .binary_search_by_key(&fields.shard, |entry| entry.shard)
            .ok()?;
        let is_next = fields.index >= self.counts[place].next;
        (is_next && Some(fields.index) <= table[place].last).then_some(place)
    }

    /// Counts a record that ends at `end`; returns the indexes that are missing in front of it.
    fn count(&mut self, place: usize, fields: &record::Header, end: u64) -> Option<(u64, u64)> {
        let count = &mut self.counts[place];
        let missing = (count.next < fields.index).then(|| (count.next, fields.index - 1));
        count.next = fields.index + 1;
        count.records += 1;
        count.digest = record::digest(count.digest, fields.checksum);
        count.offset = end;
        missing
    }

    /// The first damaged place at or behind `offset`.
    fn damage_behind(&self, offset: u64) -> Option<u64> {
        let at = self.damaged.partition_point(|place| *place < offset);
        self.damaged.get(at).copied()
    }

    /// Whether everything is there that the table names.
    fn is_whole(&self, table: &[Entry]) -> bool {
        let mut both = self.counts.iter().zip(table);
        both.all(|(count, entry)| count.records == entry.records && count.digest == entry.digest)
    }
}

impl<D: Disk> Recovery<'_, D> {
    /// Whether a round, whose table was read, holds what its header was written with.
    pub(super) fn is_whole(
        &mut self,
        reader: &mut Reader<'_, D::File>,
        start: u64,
        round: &RoundHeader,
    ) -> Result<bool, DiskError> {
        if round.records == 0 {
            return Ok(true);
        }
        let mut offset = start + bytes_u64(round.header_bytes());
        let end = offset.saturating_add(round.bytes);
        self.tally.begin(&self.table, offset);
        while offset < end {
            let Some(found) = reader.record(offset, end)? else {
                return Ok(false);
            };
            let Some(place) = self.tally.entry_of(&self.table, &found.header) else {
                return Ok(false);
            };
            offset += bytes_u64(record::framed_bytes(found.payload.len()));
            self.tally.count(place, &found.header, offset);
        }
        Ok(self.tally.is_whole(&self.table))
    }

    /// Replays a round, whose table was read, and finds out who has lost something in it.
    pub(super) fn read_round(
        &mut self,
        reader: &mut Reader<'_, D::File>,
        start: u64,
        round: &RoundHeader,
    ) -> Result<(), OpenError> {
        for entry in &self.table {
            self.shards.enter(entry, (reader.name(), start))?;
        }
        if round.records == 0 {
            return Ok(());
        }
        let mut offset = start + bytes_u64(round.header_bytes());
        let end = offset.saturating_add(round.bytes);
        self.tally.begin(&self.table, offset);
        let file = reader.name();
        while offset < end.min(reader.size_bytes()) {
            if let Some(found) = reader.record(offset, end)?
                && let Some(place) = self.tally.entry_of(&self.table, &found.header)
            {
                offset = self.take_record((file, offset), &found, place);
                continue;
            }
            if self.tally.damaged.len() < PLACES_MAX {
                self.tally.damaged.push(offset);
            }
            offset = self.record_behind(reader, offset, end)?;
        }
        if end > reader.size_bytes() && self.tally.damaged.is_empty() {
            self.tally.damaged.push(reader.size_bytes());
        }
        self.finish_round(file, start);
        Ok(())
    }

    /// Counts and hands on the record at a place, which is of the shard at `entry` of the table; returns where it
    /// ends.
    fn take_record(&mut self, (file, offset): (&str, u64), found: &Found<'_>, entry: usize) -> u64 {
        let fields = found.header;
        let behind = offset + bytes_u64(record::framed_bytes(found.payload.len()));
        let known = self.tally.counts[entry].offset;
        if let Some(missing) = self.tally.count(entry, &fields, behind) {
            let place = match self.tally.damage_behind(known) {
                Some(offset) => at_file(file, offset, Flaw::Record),
                None => {
                    let (expected, found) = (LogIndex(missing.0), LogIndex(fields.index));
                    at_file(file, offset, Flaw::Gap { expected, found })
                }
            };
            self.tally.is_blamed |= self.shards.miss(fields.shard, missing, place);
        }
        let shard = &mut self.shards.all[usize::from(fields.shard)];
        if shard.seen.is_some_and(|seen| seen >= fields.index) {
            return behind;
        }
        shard.seen = Some(fields.index);
        shard.first.get_or_insert(fields.index);
        shard.records += 1;
        let is_wanted = !shard.is_damaged() || self.replays == Replays::Survivors;
        if is_wanted && fields.index > shard.snapshot {
            self.recovered.records += 1;
            self.recovered.bytes += bytes_u64(found.payload.len());
            (self.replay)(Replayed {
                shard: ShardId(fields.shard),
                index: LogIndex(fields.index),
                kind: fields.kind,
                payload: found.payload,
            });
        }
        behind
    }

    /// Where the next intact record of the round stands behind the damaged one at `offset`; the round's end
    /// if none does.
    fn record_behind(
        &self,
        reader: &mut Reader<'_, D::File>,
        offset: u64,
        end: u64,
    ) -> Result<u64, DiskError> {
        let mut vain = (end - offset).saturating_mul(VAIN_SIZES_MAX);
        let mut place = offset;
        loop {
            place += bytes_u64(ALIGN_BYTES);
            if place >= end.min(reader.size_bytes()) {
                return Ok(end);
            }
            let Some(cost) = self.is_record(reader, place, end)? else {
                return Ok(place);
            };
            if cost > vain {
                return Ok(end);
            }
            vain -= cost;
        }
    }

    /// `None` if a record that the table has room for stands at `offset`; else how many bytes were summed to see
    /// that it does not.
    fn is_record(
        &self,
        reader: &mut Reader<'_, D::File>,
        offset: u64,
        end: u64,
    ) -> Result<Option<u64>, DiskError> {
        let fields = reader.record_header(offset)?;
        let fits = |fields: &record::Header| self.tally.entry_of(&self.table, fields).is_some();
        let Some(fields) = fields.filter(fits) else {
            return Ok(Some(0));
        };
        match reader.record(offset, end)? {
            Some(_) => Ok(None),
            None => Ok(Some(bytes_u64(
                fields.length.min(PAYLOAD_BYTES_MAX) + HEADER_BYTES,
            ))),
        }
    }

    /// Notes what is missing at the end of a round, and what is there and should not be.
    fn finish_round(&mut self, file: &str, start: u64) {
        let Self { tally, shards, .. } = self;
        for (count, entry) in tally.counts.iter().zip(&self.table) {
            let Some(last) = entry.last.filter(|_| entry.records > 0) else {
                continue;
            };
            let shard = &mut shards.all[usize::from(entry.shard)];
            shard.seen = shard.seen.max(Some(last));
            if count.next <= last {
                let offset = tally.damage_behind(count.offset).unwrap_or(start);
                let place = at_file(file, offset, Flaw::Record);
                tally.is_blamed |= shards.miss(entry.shard, (count.next, last), place);
            } else if count.records == entry.records && count.digest != entry.digest {
                let place = at_file(file, start, Flaw::Digest);
                tally.is_blamed |= shards.distrust(entry.shard, last, place);
            }
        }
        if !tally.is_blamed {
            for offset in &tally.damaged {
                shards.harmless(at_file(file, *offset, Flaw::Record));
            }
        }
    }
}
