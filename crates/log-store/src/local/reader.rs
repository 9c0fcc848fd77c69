//! Reads a file from front to back in large pieces.

use super::error::{Action, DiskError};
use super::journal::bytes_u64;
use super::round::{self, Entry, Origin, RoundHeader};
use crate::disk::DiskFile;
use crate::record::{self, ALIGN_BYTES, HEADER_BYTES, MARK_SHARD, PAYLOAD_BYTES_MAX};

/// What is read at once; more only where one record is larger.
const READ_BYTES: usize = 1 << 20;

/// The shard and the kind of a round header, as they are written.
const MARK_BEGINS: [u8; 3] = {
    let [low, high] = MARK_SHARD.to_le_bytes();
    [low, high, round::KIND]
};

/// A file that is being read, with the piece of it that is in memory.
pub(super) struct Reader<'a, F> {
    name: &'a str,
    file: &'a F,
    size_bytes: u64,
    /// Where the piece begins in the file.
    start: u64,
    piece: Vec<u8>,
}

/// An intact record.
pub(super) struct Found<'r> {
    pub(super) header: record::Header,
    pub(super) payload: &'r [u8],
}

impl<'a, F: DiskFile> Reader<'a, F> {
    pub(super) fn new(name: &'a str, file: &'a F) -> Result<Self, DiskError> {
        let size_bytes = file
            .size_bytes()
            .map_err(DiskError::on(Action::Read, name))?;
        Ok(Self {
            name,
            file,
            size_bytes,
            start: 0,
            piece: Vec::new(),
        })
    }

    pub(super) fn name(&self) -> &'a str {
        self.name
    }

    pub(super) fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// The `count` bytes at `offset`; fewer at the end of the file.
    pub(super) fn bytes(&mut self, offset: u64, count: usize) -> Result<&[u8], DiskError> {
        let left = self.size_bytes.saturating_sub(offset);
        let count = usize::try_from(left).map_or(count, |left| left.min(count));
        let held = offset
            .checked_sub(self.start)
            .and_then(|from| usize::try_from(from).ok())
            .filter(|from| from.saturating_add(count) <= self.piece.len());
        let from = match held {
            Some(from) => from,
            None => {
                self.fetch(offset, left, count)?;
                0
            }
        };
        let end = self.piece.len().min(from + count);
        Ok(&self.piece[from..end])
    }

    fn fetch(&mut self, offset: u64, left: u64, count: usize) -> Result<(), DiskError> {
        let wanted = count.max(READ_BYTES);
        let wanted = usize::try_from(left).map_or(wanted, |left| left.min(wanted));
        self.start = offset;
        self.piece.resize(wanted, 0);
        let read = self
            .file
            .read_at(&mut self.piece, offset)
            .map_err(DiskError::on(Action::Read, self.name))?;
        self.piece.truncate(read);
        Ok(())
    }

    /// Copies what stands at `offset` into `bytes`, without moving on; returns how much there was.
    pub(super) fn look_ahead(&self, offset: u64, bytes: &mut [u8]) -> Result<usize, DiskError> {
        let held = offset
            .checked_sub(self.start)
            .and_then(|from| usize::try_from(from).ok())
            .and_then(|from| self.piece.get(from..from.checked_add(bytes.len())?));
        if let Some(held) = held {
            bytes.copy_from_slice(held);
            return Ok(bytes.len());
        }
        if offset >= self.size_bytes {
            return Ok(0);
        }
        self.file
            .read_at(bytes, offset)
            .map_err(DiskError::on(Action::Read, self.name))
    }

    /// The record at `offset` that ends, padding included, at `end` or before; `None` if no intact one
    /// is there.
    pub(super) fn record(&mut self, offset: u64, end: u64) -> Result<Option<Found<'_>>, DiskError> {
        let Some(header) = self.record_header(offset)? else {
            return Ok(None);
        };
        let room = end.min(self.size_bytes).saturating_sub(offset);
        let framed = record::framed_bytes(header.length.min(PAYLOAD_BYTES_MAX));
        if header.length > PAYLOAD_BYTES_MAX || bytes_u64(framed) > room {
            return Ok(None);
        }
        let bytes = self.bytes(offset, framed)?;
        if bytes.len() < framed || !record::is_intact(&header, bytes) {
            return Ok(None);
        }
        let payload = &bytes[HEADER_BYTES..HEADER_BYTES + header.length];
        Ok(Some(Found { header, payload }))
    }

    /// The fields at `offset`, true or not.
    pub(super) fn record_header(
        &mut self,
        offset: u64,
    ) -> Result<Option<record::Header>, DiskError> {
        Ok(record::Header::decode(self.bytes(offset, HEADER_BYTES)?))
    }

    /// The header of the round at `offset`; its table goes to `table`. `None` if none of this origin is there.
    pub(super) fn round(
        &mut self,
        origin: Origin,
        offset: u64,
        table: &mut Vec<Entry>,
    ) -> Result<Option<RoundHeader>, DiskError> {
        let candidate = self.record_header(offset)?;
        let Some(size) = candidate.as_ref().and_then(round::candidate_bytes) else {
            return Ok(None);
        };
        let bytes = self.bytes(offset, size)?;
        let header = RoundHeader::decode(origin, bytes);
        if let Some(header) = &header {
            header.read_table(bytes, table);
        }
        Ok(header)
    }

    /// The header of the round at `offset`, without moving on. `scratch` is overwritten.
    pub(super) fn round_ahead(
        &self,
        origin: Origin,
        offset: u64,
        scratch: &mut Vec<u8>,
    ) -> Result<Option<RoundHeader>, DiskError> {
        scratch.resize(HEADER_BYTES, 0);
        let count = self.look_ahead(offset, scratch)?;
        let candidate = record::Header::decode(&scratch[..count]);
        let Some(size) = candidate.as_ref().and_then(round::candidate_bytes) else {
            return Ok(None);
        };
        scratch.resize(size, 0);
        let count = self.look_ahead(offset, scratch)?;
        Ok(RoundHeader::decode(origin, &scratch[..count]))
    }

    /// The first round header of this store at or behind `offset` whose segment is `is_wanted`, and its place.
    pub(super) fn find_round(
        &mut self,
        store: u64,
        mut offset: u64,
        is_wanted: impl Fn(u64) -> bool,
    ) -> Result<Option<(u64, RoundHeader)>, DiskError> {
        let mut table = Vec::new();
        loop {
            let mut named = None;
            let found = self.find(offset, round::PEEK_BYTES, |_, peek| {
                if peek[8..11] == MARK_BEGINS {
                    named = round::segment_named(store, peek).filter(|segment| is_wanted(*segment));
                }
                named.is_some()
            })?;
            let (Some(place), Some(segment)) = (found, named) else {
                return Ok(None);
            };
            if let Some(header) = self.round(Origin { store, segment }, place, &mut table)? {
                return Ok(Some((place, header)));
            }
            offset = place + bytes_u64(ALIGN_BYTES);
        }
    }

    /// The first place at or behind `offset` where a record can begin and of whose next `count` bytes, which are all
    /// there, `is_wanted` says so.
    pub(super) fn find(
        &mut self,
        offset: u64,
        count: usize,
        mut is_wanted: impl FnMut(u64, &[u8]) -> bool,
    ) -> Result<Option<u64>, DiskError> {
        let mut offset = offset.next_multiple_of(bytes_u64(ALIGN_BYTES));
        loop {
            let bytes = self.piece_from(offset, count)?;
            if bytes.len() < count {
                return Ok(None);
            }
            let mut at = 0;
            while let Some(peek) = bytes.get(at..at + count) {
                if is_wanted(offset + bytes_u64(at), peek) {
                    return Ok(Some(offset + bytes_u64(at)));
                }
                at += ALIGN_BYTES;
            }
            offset += bytes_u64(at);
        }
    }

    /// What is in memory from `offset` on: at least `count` bytes, fewer only at the end of the file.
    fn piece_from(&mut self, offset: u64, count: usize) -> Result<&[u8], DiskError> {
        self.bytes(offset, count)?;
        let from = usize::try_from(offset - self.start).expect("the piece begins there or before");
        Ok(self.piece.get(from..).unwrap_or_default())
    }

    /// The first place at or behind `offset` that is not zero.
    pub(super) fn first_non_zero(&mut self, mut offset: u64) -> Result<Option<u64>, DiskError> {
        while offset < self.size_bytes {
            let bytes = self.bytes(offset, READ_BYTES)?;
            if let Some(at) = bytes.iter().position(|byte| *byte != 0) {
                return Ok(Some(offset + bytes_u64(at)));
            }
            if bytes.is_empty() {
                break;
            }
            offset += bytes_u64(bytes.len());
        }
        Ok(None)
    }
}
