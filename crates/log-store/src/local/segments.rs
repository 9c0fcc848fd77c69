//! Makes the segments that the journal goes on in.

use super::error::{Action, DiskError};
use super::header::{Header, Kind};
use super::journal::bytes_u64;
use super::name;
use crate::disk::{Disk, DiskFile};
use std::io::{ErrorKind, IoSlice};

/// Written again and again to fill a segment.
static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

/// How many times [`ZEROS`] fits into what one step writes.
const ZEROS_PER_STEP: usize = 16;

/// A long file is synced each time so much was written, so that no sync of the journal has to wait for
/// all of it.
pub(super) const SYNC_EVERY_BYTES: u64 = 8 << 20;

/// What a file that is being prepared will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The segment with this sequence, made of a spare if there is one.
    Next { sequence: u64, spare: Option<u64> },
    /// The spare with this number.
    Spare(u64),
}

/// A file that is being filled with zeros.
#[derive(Debug)]
pub(super) struct Preparing<F> {
    pub(super) purpose: Purpose,
    /// Its name until it is filled.
    unfinished: String,
    file: F,
    pub(super) written: u64,
}

impl Purpose {
    /// The name of the file that is filled.
    pub(super) fn unfinished(self) -> String {
        match self {
            Self::Next {
                spare: Some(number),
                ..
            } => name::spare(number),
            Self::Next { .. } | Self::Spare(_) => name::temporary(&self.finished()),
        }
    }

    fn finished(self) -> String {
        match self {
            Self::Next { sequence, .. } => name::segment(sequence),
            Self::Spare(number) => name::spare(number),
        }
    }
}

impl<F: DiskFile> Preparing<F> {
    /// Creates the file, or opens the spare that it is made of.
    pub(super) fn begin<D: Disk<File = F>>(
        disk: &D,
        store: u64,
        purpose: Purpose,
    ) -> Result<Self, DiskError> {
        let unfinished = purpose.unfinished();
        let (file, sequence) = match purpose {
            Purpose::Next {
                sequence,
                spare: Some(_),
            } => {
                let file = disk.open(&unfinished);
                let file = file.map_err(DiskError::on(Action::Open, &unfinished))?;
                (file, sequence)
            }
            Purpose::Next {
                sequence,
                spare: None,
            } => (create(disk, &unfinished)?, sequence),
            Purpose::Spare(_) => (create(disk, &unfinished)?, 0),
        };
        let written = write_header(&file, &unfinished, store, sequence)?;
        Ok(Self {
            purpose,
            unfinished,
            file,
            written,
        })
    }

    /// Takes the room of all of it from the disk. Returns whether this could be done; if not, it must be filled.
    pub(super) fn allocate(&self, size_bytes: u64) -> Result<bool, DiskError> {
        allocate(&self.file, &self.unfinished, size_bytes)
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
            .map_err(DiskError::on(Action::Write, &self.unfinished))?;
        let synced = self.written / SYNC_EVERY_BYTES;
        self.written += bytes;
        if self.written / SYNC_EVERY_BYTES > synced {
            self.file
                .sync_data()
                .map_err(DiskError::on(Action::Sync, &self.unfinished))?;
        }
        Ok(())
    }

    /// Makes it what it is to be.
    pub(super) fn finish<D: Disk<File = F>>(&self, disk: &D) -> Result<(), DiskError> {
        finish(disk, &self.unfinished, &self.purpose.finished(), &self.file)
    }
}

/// Creates a segment under a temporary name; returns its final name and the file.
pub(super) fn create_segment<D: Disk>(
    disk: &D,
    store: u64,
    sequence: u64,
) -> Result<(String, D::File), DiskError> {
    let name = name::segment(sequence);
    let temporary = name::temporary(&name);
    let file = create(disk, &temporary)?;
    write_header(&file, &temporary, store, sequence)?;
    Ok((name, file))
}

fn create<D: Disk>(disk: &D, name: &str) -> Result<D::File, DiskError> {
    disk.create(name)
        .map_err(DiskError::on(Action::Create, name))
}

/// Writes the header of a segment in which nothing has stood before; returns its size.
fn write_header<F: DiskFile>(
    file: &F,
    name: &str,
    store: u64,
    sequence: u64,
) -> Result<u64, DiskError> {
    let header = Header {
        store,
        number: sequence,
        shard: 0,
    };
    let header = header.encode(Kind::Journal);
    file.write_all_at(&mut [IoSlice::new(&header)], 0)
        .map_err(DiskError::on(Action::Write, name))?;
    Ok(bytes_u64(header.len()))
}

/// Takes room for so many bytes of a file. Returns whether this could be done: not every file system can.
pub(super) fn allocate<F: DiskFile>(
    file: &F,
    name: &str,
    size_bytes: u64,
) -> Result<bool, DiskError> {
    match file.allocate(size_bytes) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::Unsupported => Ok(false),
        Err(error) => Err(DiskError::on(Action::Write, name)(error)),
    }
}

/// Makes a file durable and gives it its final name.
pub(super) fn finish_segment<D: Disk>(
    disk: &D,
    name: &str,
    file: &D::File,
) -> Result<(), DiskError> {
    finish(disk, &name::temporary(name), name, file)
}

/// Makes a file durable that has had another name so far, and gives it its final one.
pub(super) fn finish<D: Disk>(
    disk: &D,
    unfinished: &str,
    name: &str,
    file: &D::File,
) -> Result<(), DiskError> {
    file.sync_data()
        .map_err(DiskError::on(Action::Sync, unfinished))?;
    disk.rename(unfinished, name)
        .map_err(DiskError::on(Action::Rename, unfinished))?;
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
    finish(disk, &spare, &segment, &file)
}
