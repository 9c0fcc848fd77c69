//! Makes the end of the log clean, so that nothing that was torn is ever read again.

use super::error::{Action, DiskError};
use super::journal::bytes_u64;
use super::reader::Reader;
use super::recovery::{FIRST_ROUND, FileHeader, Opened, Scanned};
use crate::disk::DiskFile;
use std::io::IoSlice;

/// The most that is overwritten at once.
const WRITE_BYTES: usize = 64 * 1024;

impl<F: DiskFile> Scanned<F> {
    /// How many bytes were torn, as far as they can be told from those of an earlier use of the file.
    pub(super) fn torn_bytes(&self) -> Result<u64, DiskError> {
        let mut torn = 0;
        self.for_torn(|reader, _, (start, end)| {
            torn += torn_from(reader, start, end, |_, _| Ok(()))?;
            Ok(())
        })?;
        Ok(torn)
    }

    /// Overwrites what was torn by zeros and the last round by itself, and syncs.
    pub(super) fn clean(&self) -> Result<(), DiskError> {
        let segment = &self.segments[self.at];
        let mut reader = Reader::new(&segment.name, &segment.file)?;
        if let Some(start) = self.extent.last_round {
            rewrite(&mut reader, &segment.file, start, self.extent.end)?;
        }
        self.for_torn(|reader, segment, (start, end)| {
            let name = &segment.name;
            torn_from(reader, start, end, |place, zeros| {
                let mut slices = [IoSlice::new(zeros)];
                let written = segment.file.write_all_at(&mut slices, place);
                written.map_err(DiskError::on(Action::Write, name))
            })?;
            let synced = segment.file.sync_data();
            synced.map_err(DiskError::on(Action::Sync, name))
        })
    }

    /// Calls `visit` with the range that may be torn, of the segment in which the log ends and of the next one.
    fn for_torn(
        &self,
        mut visit: impl FnMut(&mut Reader<'_, F>, &Opened<F>, (u64, u64)) -> Result<(), DiskError>,
    ) -> Result<(), DiskError> {
        let range = |segment: &Opened<F>, start: u64, torn_end: Option<u64>| match segment.header {
            FileHeader::FirstUse => (start, segment.bytes),
            FileHeader::Reused | FileHeader::Damaged => {
                (start, torn_end.unwrap_or(start).min(segment.bytes))
            }
        };
        let segment = &self.segments[self.at];
        let mut reader = Reader::new(&segment.name, &segment.file)?;
        let torn = range(segment, self.extent.end, self.extent.torn_end);
        visit(&mut reader, segment, torn)?;
        if self.has_next() {
            let next = &self.behind()[0];
            let mut reader = Reader::new(&next.name, &next.file)?;
            visit(&mut reader, next, range(next, FIRST_ROUND, None))?;
        }
        Ok(())
    }
}

/// Writes the bytes from `start` to `end` over themselves.
fn rewrite<F: DiskFile>(
    reader: &mut Reader<'_, F>,
    file: &F,
    start: u64,
    end: u64,
) -> Result<(), DiskError> {
    let name = reader.name();
    let end = end.min(reader.size_bytes());
    let mut offset = start;
    while offset < end {
        let count = usize::try_from(end - offset).map_or(WRITE_BYTES, |left| left.min(WRITE_BYTES));
        let bytes = reader.bytes(offset, count)?;
        file.write_all_at(&mut [IoSlice::new(bytes)], offset)
            .map_err(DiskError::on(Action::Write, name))?;
        offset += bytes_u64(count);
    }
    Ok(())
}

/// Hands every stretch between `start` and `end` that is not zero to `overwrite`, as its place and as many
/// zeros; returns how many bytes they are.
fn torn_from<F: DiskFile>(
    reader: &mut Reader<'_, F>,
    start: u64,
    end: u64,
    mut overwrite: impl FnMut(u64, &[u8]) -> Result<(), DiskError>,
) -> Result<u64, DiskError> {
    static ZEROS: [u8; WRITE_BYTES] = [0; WRITE_BYTES];
    let mut torn = 0;
    let mut offset = start;
    while let Some(place) = reader.first_non_zero(offset)?.filter(|place| *place < end) {
        let left = usize::try_from(end - place).map_or(WRITE_BYTES, |left| left.min(WRITE_BYTES));
        let bytes = reader.bytes(place, left)?;
        let used = bytes
            .iter()
            .rposition(|byte| *byte != 0)
            .map_or(1, |last| last + 1);
        let count = bytes.len().max(1);
        overwrite(place, &ZEROS[..used])?;
        torn += bytes_u64(used);
        offset = place + bytes_u64(count);
    }
    Ok(torn)
}
