//! The files that the store writes, as it sees them: a flat folder of named files.

mod memory;
mod real;

pub use memory::{Fault, MemoryDisk, MemoryFile};
pub use real::{FolderError, Held, RealDisk, RealFile};

use std::fmt::Debug;
use std::io;
use std::io::IoSlice;

/// A folder of files. A clone is another handle to the same folder.
///
/// What it promises, and no more:
/// - Bytes are durable after [`DiskFile::sync_data`], names after [`sync_dir`](Self::sync_dir).
/// - Until then, a crash may keep any of the sectors written and any of the names changed.
pub trait Disk: Clone + Debug + Send + Sync + 'static {
    /// An open file of this disk.
    type File: DiskFile;

    /// Creates an empty file; an existing one of that name is emptied.
    ///
    /// # Errors
    /// What the operating system reports.
    fn create(&self, name: &str) -> io::Result<Self::File>;

    /// Opens an existing file to read and write it.
    ///
    /// # Errors
    /// What the operating system reports.
    fn open(&self, name: &str) -> io::Result<Self::File>;

    /// The names of all files, sorted.
    ///
    /// # Errors
    /// What the operating system reports.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Gives a file another name; what had that name is gone.
    ///
    /// # Errors
    /// What the operating system reports.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// What the operating system reports.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes the names durable.
    ///
    /// # Errors
    /// What the operating system reports.
    fn sync_dir(&self) -> io::Result<()>;

    /// How many bytes may still be written.
    ///
    /// # Errors
    /// What the operating system reports.
    fn free_bytes(&self) -> io::Result<u64>;

    /// The right to take away what others may be copying: to remove a file, to give one another name, to write
    /// anew what stands in one. Held for as long as that takes; none while the folder is copied.
    fn removing(&self) -> Option<Removing>;

    /// A number that nobody can guess, to tell a new store from all others.
    fn random(&self) -> u64;
}

/// The right to take away what others may be copying, until it is dropped.
#[derive(Debug)]
pub struct Removing {
    /// Locked, where there is a lock.
    _lock: Option<std::fs::File>,
}

impl Removing {
    pub(crate) const fn new(lock: Option<std::fs::File>) -> Self {
        Self { _lock: lock }
    }
}

/// One open file.
pub trait DiskFile: Debug + Send + Sync + 'static {
    /// Its size in bytes.
    ///
    /// # Errors
    /// What the operating system reports.
    fn size_bytes(&self) -> io::Result<u64>;

    /// Reads at `offset`; returns how many bytes there were, less than asked only at the end.
    ///
    /// # Errors
    /// What the operating system reports.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes all of `slices`, one behind the other, from `offset` on. The slices are used up.
    ///
    /// # Errors
    /// What the operating system reports; some bytes may have been written.
    fn write_all_at(&self, slices: &mut [IoSlice<'_>], offset: u64) -> io::Result<()>;

    /// Makes the file's bytes and size durable.
    ///
    /// # Errors
    /// What the operating system reports. Then nothing is known of what was written since the last
    /// sync, and another sync would not tell.
    fn sync_data(&self) -> io::Result<()>;

    /// Takes room on the disk for the first `size_bytes` of the file, so that to write them, or to write them anew,
    /// finds room whatever others do. Changes neither its size nor its bytes; [`set_len`](Self::set_len) gives back
    /// what lies behind the new end.
    ///
    /// # Errors
    /// What the operating system reports; [`io::ErrorKind::Unsupported`] where this cannot be done.
    fn allocate(&self, size_bytes: u64) -> io::Result<()>;

    /// Cuts the file, or extends it by zeros.
    ///
    /// # Errors
    /// What the operating system reports.
    fn set_len(&self, size_bytes: u64) -> io::Result<()>;
}
