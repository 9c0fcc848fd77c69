//! A snapshot file: the state of one shard's machine at a log index.
//!
//! ```text
//!   ┌─────────────┬────────┬────────┬─────┬──────────┐
//!   │ file header │ record │ record │  …  │ end mark │
//!   └─────────────┴────────┴────────┴─────┴──────────┘
//! ```
//!
//! Every record has the snapshot's shard and index. The end mark is a record of shard 0xFFFF and kind 2
//! without payload, whose index is the number of records. Nothing stands behind it.

use super::error::{Action, Corruption, DiskError, Flaw, OpenError};
use super::header::{HEADER_BYTES, Header, Kind};
use super::journal::bytes_u64;
use super::name;
use super::reader::Reader;
use super::segments::{SYNC_EVERY_BYTES, allocate, finish};
use super::shared::{SnapshotFile, SnapshotRequest};
use super::space::{Spare, is_full};
use crate::disk::{Disk, DiskFile};
use crate::record::{self, MARK_SHARD};
use crate::shard_log::{Replayed, SnapshotSource};
use model::{LogIndex, ShardId};
use std::io::{ErrorKind, IoSlice};

/// The kind of the end mark.
const END_KIND: u8 = 2;

/// What is collected before it is written.
const WRITE_BYTES: usize = 1 << 20;

/// A snapshot on its way to the disk.
pub(super) struct SnapshotWriter<F> {
    shard: ShardId,
    index: LogIndex,
    name: String,
    /// Its name until it is whole.
    unfinished: String,
    /// Whose room it takes; what it does not need of it is cut off when it is whole.
    spare: Option<Spare>,
    is_cut: bool,
    bytes_max: u64,
    file: F,
    /// What there is still to write; `None` when all is written.
    source: Option<Box<dyn SnapshotSource>>,
    payload: Vec<u8>,
    buffer: Vec<u8>,
    records: u64,
    written: u64,
}

impl<F> std::fmt::Debug for SnapshotWriter<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SnapshotWriter")
            .field("name", &self.name)
            .field("records", &self.records)
            .finish_non_exhaustive()
    }
}

impl<F: DiskFile> SnapshotWriter<F> {
    /// Creates the file under a temporary name, or opens a spare, whose room it takes.
    pub(super) fn begin<D: Disk<File = F>>(
        disk: &D,
        store: u64,
        request: SnapshotRequest,
        spare: Option<Spare>,
        bytes_max: u64,
    ) -> Result<Self, DiskError> {
        let SnapshotRequest {
            shard,
            index,
            source,
        } = request;
        let name = name::snapshot(shard, index);
        let (unfinished, file) = if let Some(spare) = spare {
            let unfinished = name::spare(spare.number);
            let file = disk.open(&unfinished);
            let file = file.map_err(DiskError::on(Action::Open, &unfinished))?;
            (unfinished, file)
        } else {
            let unfinished = name::temporary(&name);
            let file = disk.create(&unfinished);
            let file = file.map_err(DiskError::on(Action::Create, &unfinished))?;
            (unfinished, file)
        };
        let header = Header {
            store,
            number: index.0,
            shard: shard.0,
        };
        Ok(Self {
            shard,
            index,
            name,
            unfinished,
            spare,
            is_cut: false,
            bytes_max,
            file,
            source: Some(source),
            payload: Vec::new(),
            buffer: header.encode(Kind::Snapshot).to_vec(),
            records: 0,
            written: 0,
        })
    }

    pub(super) fn shard(&self) -> ShardId {
        self.shard
    }

    pub(super) fn index(&self) -> LogIndex {
        self.index
    }

    /// The spare that it is written to.
    pub(super) fn spare(&self) -> Option<Spare> {
        self.spare
    }

    /// Its name until it is whole.
    pub(super) fn unfinished(&self) -> &str {
        &self.unfinished
    }

    /// Gives up; returns the spare that it was written to, with room for `spare_bytes` and no longer than that. None if
    /// there is none, or others have taken what it was cut by.
    pub(super) fn give_up(self, spare_bytes: u64) -> Result<Option<Spare>, DiskError> {
        let Some(spare) = self.spare else {
            return Ok(None);
        };
        if self.needs_bytes() > spare_bytes {
            let cut = self.file.set_len(spare_bytes);
            cut.map_err(DiskError::on(Action::Write, &self.unfinished))?;
        } else if self.is_cut {
            let is_filled = false;
            return match allocate(&self.file, &self.unfinished, spare_bytes) {
                Ok(is_whole) => Ok(is_whole.then_some(Spare { is_filled, ..spare })),
                Err(error) if is_full(&error) => Ok(None),
                Err(error) => Err(error),
            };
        }
        Ok(Some(spare))
    }

    /// What it needs on the disk, as far as it is encoded.
    pub(super) fn needs_bytes(&self) -> u64 {
        self.written + bytes_u64(self.buffer.len())
    }

    /// Whether every record and the end mark are written (not that they are durable).
    pub(super) fn is_written(&self) -> bool {
        self.source.is_none()
    }

    /// Writes about a megabyte of records.
    pub(super) fn write_some(&mut self) -> Result<(), DiskError> {
        while self.buffer.len() < WRITE_BYTES
            && let Some(source) = &mut self.source
        {
            self.payload.clear();
            let Some(kind) = source.next_record(&mut self.payload) else {
                self.source = None;
                encode_end(&mut self.buffer, self.records);
                break;
            };
            self.records += 1;
            let (shard, index, payload) = (self.shard.0, self.index.0, &self.payload);
            record::encode(&mut self.buffer, shard, kind, index, |out| {
                out.extend_from_slice(payload);
            });
        }
        let failed_write = |error| DiskError::on(Action::Write, &self.unfinished)(error);
        if self.needs_bytes() > self.bytes_max {
            return Err(failed_write(ErrorKind::StorageFull.into()));
        }
        self.file
            .write_all_at(&mut [IoSlice::new(&self.buffer)], self.written)
            .map_err(failed_write)?;
        let synced = self.written / SYNC_EVERY_BYTES;
        self.written += bytes_u64(self.buffer.len());
        self.buffer.clear();
        if self.written / SYNC_EVERY_BYTES > synced {
            self.file
                .sync_data()
                .map_err(DiskError::on(Action::Sync, &self.unfinished))?;
        }
        Ok(())
    }

    /// Makes it the current snapshot of its shard, durably. The log is committed up to its index.
    pub(super) fn publish<D: Disk<File = F>>(
        &mut self,
        disk: &D,
    ) -> Result<SnapshotFile, DiskError> {
        if self.spare.is_some() {
            self.is_cut = true;
            let cut = self.file.set_len(self.written);
            cut.map_err(DiskError::on(Action::Write, &self.unfinished))?;
        }
        finish(disk, &self.unfinished, &self.name, &self.file)?;
        Ok(SnapshotFile {
            index: self.index,
            bytes: self.written,
        })
    }
}

/// Appends the mark behind the last of so many records.
pub(super) fn encode_end(out: &mut Vec<u8>, records: u64) {
    record::encode(out, MARK_SHARD, END_KIND, records, |_| {});
}

/// Reads a snapshot back, and tells how far it has `reached`. Returns how many records it has.
pub(super) fn read<F: DiskFile>(
    reader: &mut Reader<'_, F>,
    store: u64,
    (shard, index): (ShardId, LogIndex),
    replay: &mut dyn FnMut(Replayed<'_>),
    reached: &mut dyn FnMut(u64),
) -> Result<u64, OpenError> {
    let file = reader.name().to_owned();
    let corrupt = |offset, flaw| {
        OpenError::from(Corruption {
            file: file.clone(),
            offset,
            shard: Some(shard),
            index: Some(index),
            flaw,
        })
    };
    let decoded = Header::decode(Kind::Snapshot, &file, reader.bytes(0, HEADER_BYTES)?);
    let header = match decoded {
        Err(OpenError::Corrupt(damaged)) => return Err(corrupt(0, damaged.flaw)),
        decoded => decoded?,
    };
    if (header.store, header.number, header.shard) != (store, index.0, shard.0) {
        return Err(corrupt(0, Flaw::Foreign));
    }
    let mut offset = bytes_u64(HEADER_BYTES);
    let mut records = 0;
    loop {
        let Some(found) = reader.record(offset, u64::MAX)? else {
            return Err(corrupt(offset, Flaw::Unfinished));
        };
        let framed = bytes_u64(record::framed_bytes(found.payload.len()));
        match (found.header.shard, found.header.kind, found.header.index) {
            (MARK_SHARD, END_KIND, count) => {
                if count != records || offset + framed != reader.size_bytes() {
                    return Err(corrupt(offset, Flaw::Unfinished));
                }
                return Ok(records);
            }
            (found_shard, kind, found_index) => {
                if (found_shard, found_index) != (shard.0, index.0) {
                    return Err(corrupt(offset, Flaw::Record));
                }
                let payload = found.payload;
                replay(Replayed {
                    shard,
                    index,
                    kind,
                    payload,
                });
            }
        }
        records += 1;
        offset += framed;
        reached(offset);
    }
}
