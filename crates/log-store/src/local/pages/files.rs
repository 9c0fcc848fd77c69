//! The segments that are open to be read.

use crate::disk::Disk;
use crate::local::error::{Action, DiskError};
use crate::local::name;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

/// The most segments that are open at once to be read: of the size that they have by default, 16 GiB.
const OPEN_MAX: usize = 256;

/// Open segments by sequence. One that is deleted is closed, so that its space comes free; whoever reads it at that
/// moment holds it until then.
#[derive(Debug)]
pub(super) struct Files<D: Disk> {
    disk: D,
    open: Mutex<BTreeMap<u32, Arc<D::File>>>,
}

impl<D: Disk> Files<D> {
    pub(super) fn new(disk: D) -> Self {
        Self {
            disk,
            open: Mutex::new(BTreeMap::new()),
        }
    }

    /// The segment's file; `None` if there is none. `is_there` says whether the segment is still one of the store's.
    pub(super) fn get(
        &self,
        sequence: u32,
        is_there: impl FnOnce() -> bool,
    ) -> Result<Option<Arc<D::File>>, DiskError> {
        let mut open = self.open.lock();
        if let Some(file) = open.get(&sequence) {
            return Ok(Some(Arc::clone(file)));
        }
        let name = name::pages(sequence);
        let file = match self.disk.open(&name) {
            Ok(file) => Arc::new(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(DiskError::on(Action::Open, &name)(error)),
        };
        // It is taken out of the map before it is deleted and closed here, so one of both sees the other.
        if is_there() {
            while open.len() >= OPEN_MAX {
                open.pop_first();
            }
            open.insert(sequence, Arc::clone(&file));
        }
        Ok(Some(file))
    }

    /// Closes a segment that was deleted.
    pub(super) fn close(&self, sequence: u32) {
        self.open.lock().remove(&sequence);
    }
}
