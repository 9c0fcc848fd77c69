//! Makes the segments that the journal goes on in.

use super::error::{Action, DiskError};
use super::header::{Header, Kind};
use super::journal::bytes_u64;
use super::name;
use crate::disk::{Disk, DiskFile};
use std::io::IoSlice;

/// Written again and again to fill a segment.
static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

/// How many times [`ZEROS`] fits into what one step writes.
const ZEROS_PER_STEP: usize = 16;

/// A long file is synced each time so much was written, so that no sync of the journal has to wait for
/// all of it.
pub(super) const SYNC_EVERY_BYTES: u64 = 8 << 20;

/// What a file that is being filled with zeros will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The segment with this sequence.
    Next(u64),
    /// The spare with this number.
    Spare(u64),
}

/// A file that is being filled with zeros.
#[derive(Debug)]
pub(super) struct Preparing<F> {
    pub(super) purpose: Purpose,
    name: String,
    file: F,
    pub(super) written: u64,
}

impl<F: DiskFile> Preparing<F> {
    /// Creates the file.
    pub(super) fn begin<D: Disk<File = F>>(
        disk: &D,
        store: u64,
        purpose: Purpose,
    ) -> Result<Self, DiskError> {
        let (name, sequence) = match purpose {
            Purpose::Next(sequence) => (name::segment(sequence), sequence),
            Purpose::Spare(number) => (name::spare(number), 0),
        };
        let (file, written) = create(disk, store, &name, sequence)?;
        Ok(Self {
            purpose,
            name,
            file,
            written,
        })
    }

    /// Writes zeros, up to `left` bytes.
    pub(super) fn fill(&mut self, left: u64) -> Result<(), DiskError> {
        let mut slices = [IoSlice::new(&[]); ZEROS_PER_STEP];
        let mut bytes = 0;
        for slice in &mut slices {
            let count = usize::try_from(left - bytes).map_or(ZEROS.len(), |n| n.min(ZEROS.len()));
            *slice = IoSlice::new(&ZEROS[..count]);
            bytes += bytes_u64(count);
        }
        self.file
            .write_all_at(&mut slices, self.written)
            .map_err(DiskError::on(Action::Write, &self.name))?;
        let synced = self.written / SYNC_EVERY_BYTES;
        self.written += bytes;
        if self.written / SYNC_EVERY_BYTES > synced {
            self.file
                .sync_data()
                .map_err(DiskError::on(Action::Sync, &self.name))?;
        }
        Ok(())
    }

    /// Makes it what it is to be.
    pub(super) fn finish<D: Disk<File = F>>(&self, disk: &D) -> Result<(), DiskError> {
        finish_segment(disk, &self.name, &self.file)
    }
}

/// Creates a segment under a temporary name; returns its final name and the file.
pub(super) fn create_segment<D: Disk>(
    disk: &D,
    store: u64,
    sequence: u64,
) -> Result<(String, D::File), DiskError> {
    let name = name::segment(sequence);
    let (file, _) = create(disk, store, &name, sequence)?;
    Ok((name, file))
}

fn create<D: Disk>(
    disk: &D,
    store: u64,
    name: &str,
    sequence: u64,
) -> Result<(D::File, u64), DiskError> {
    let temporary = name::temporary(name);
    let file = disk
        .create(&temporary)
        .map_err(DiskError::on(Action::Create, &temporary))?;
    let header = Header {
        store,
        number: sequence,
        shard: 0,
    };
    let header = header.encode(Kind::Journal);
    file.write_all_at(&mut [IoSlice::new(&header)], 0)
        .map_err(DiskError::on(Action::Write, &temporary))?;
    Ok((file, bytes_u64(header.len())))
}

/// Makes a file durable and gives it its final name.
pub(super) fn finish_segment<D: Disk>(
    disk: &D,
    name: &str,
    file: &D::File,
) -> Result<(), DiskError> {
    let temporary = name::temporary(name);
    file.sync_data()
        .map_err(DiskError::on(Action::Sync, &temporary))?;
    disk.rename(&temporary, name)
        .map_err(DiskError::on(Action::Rename, &temporary))?;
    disk.sync_dir()
        .map_err(DiskError::on(Action::SyncFolder, name))
}

/// Makes a spare file the segment with this sequence. What lies in it stays: its rounds name another segment.
///
/// The header is written while the file still is a spare, which nobody reads: at no moment is there a
/// segment that is not whole.
pub(super) fn reuse<D: Disk>(
    disk: &D,
    store: u64,
    spare: u64,
    sequence: u64,
) -> Result<(), DiskError> {
    let (spare, segment) = (name::spare(spare), name::segment(sequence));
    let file = disk
        .open(&spare)
        .map_err(DiskError::on(Action::Open, &spare))?;
    let header = Header {
        store,
        number: sequence,
        shard: 1,
    };
    file.write_all_at(&mut [IoSlice::new(&header.encode(Kind::Journal))], 0)
        .map_err(DiskError::on(Action::Write, &spare))?;
    file.sync_data()
        .map_err(DiskError::on(Action::Sync, &spare))?;
    disk.rename(&spare, &segment)
        .map_err(DiskError::on(Action::Rename, &spare))?;
    disk.sync_dir()
        .map_err(DiskError::on(Action::SyncFolder, &segment))
}
