//! A folder of the operating system's.

use super::{Disk, DiskFile, Removing};
use rustix::fs::FallocateFlags;
use rustix::io::Errno;
use std::collections::hash_map::RandomState;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::hash::BuildHasher;
use std::io::{self, IoSlice};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Held locked while the folder is open.
const LOCK_NAME: &str = "lock";

/// Held locked by whoever copies the folder, and shared, for a moment, by whoever takes something away.
const COPY_LOCK_NAME: &str = "copy-lock";

/// A folder on disk, locked against every other opener until its last handle is dropped.
#[derive(Clone, Debug)]
pub struct RealDisk(Arc<Folder>);

#[derive(Debug)]
struct Folder {
    path: PathBuf,
    /// The folder itself, to sync its names.
    names: File,
    /// Locked; the lock ends with it. None if the folder is only looked at.
    _lock: Option<File>,
}

/// As long as this lives, nothing is taken away from a folder.
#[derive(Debug)]
pub struct Held {
    _lock: File,
}

fn open_lock(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
}

/// Why a folder cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Another process, or another part of this one, has it open.
    #[error("the data folder {} is in use by another process", .0.display())]
    InUse(PathBuf),
    /// The operating system refused.
    #[error("cannot open the data folder {}", .folder.display())]
    Io {
        /// The folder.
        folder: PathBuf,
        /// Its words.
        source: io::Error,
    },
}

impl RealDisk {
    /// Opens the folder, creates it where it is missing, and locks it.
    ///
    /// # Errors
    /// [`FolderError::InUse`] when it is open already; [`FolderError::Io`] when it cannot be opened.
    pub fn open(folder: &Path) -> Result<Self, FolderError> {
        let failed = |source| FolderError::Io {
            folder: folder.to_owned(),
            source,
        };
        create_durably(folder).map_err(failed)?;
        let lock = open_lock(&folder.join(LOCK_NAME)).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(FolderError::InUse(folder.to_owned())),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let names = File::open(folder).map_err(failed)?;
        Ok(Self(Arc::new(Folder {
            path: folder.to_owned(),
            names,
            _lock: Some(lock),
        })))
    }

    /// Looks into a folder that another process may have open, to read it. Until what is returned beside it is
    /// dropped, nothing is taken away there ([`Disk::removing`]). Waits while another holds it.
    ///
    /// # Errors
    /// [`FolderError::Io`] when it is not there or cannot be opened.
    pub fn hold(folder: &Path) -> Result<(Self, Held), FolderError> {
        let failed = |source| FolderError::Io {
            folder: folder.to_owned(),
            source,
        };
        let names = File::open(folder).map_err(failed)?;
        let lock = open_lock(&folder.join(COPY_LOCK_NAME)).map_err(failed)?;
        // Whoever takes something away has it for a moment only.
        lock.lock().map_err(failed)?;
        let disk = Self(Arc::new(Folder {
            path: folder.to_owned(),
            names,
            _lock: None,
        }));
        Ok((disk, Held { _lock: lock }))
    }

    /// The folder's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.path
    }
}

/// Creates the missing folders of a path and makes their names durable.
fn create_durably(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let parent = match folder.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    };
    create_durably(parent)?;
    match fs::create_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        Ok(()) | Err(_) => {}
    }
    File::open(parent)?.sync_all()
}

impl Disk for RealDisk {
    type File = RealFile;

    fn create(&self, name: &str) -> io::Result<RealFile> {
        OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(self.0.path.join(name))
            .map(RealFile)
    }

    fn open(&self, name: &str) -> io::Result<RealFile> {
        OpenOptions::new()
            .read(true)
            .write(true)
            .open(self.0.path.join(name))
            .map(RealFile)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.0.path)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name != LOCK_NAME && name != COPY_LOCK_NAME {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.0.path.join(from), self.0.path.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.0.path.join(name))
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.0.names.sync_all()
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let status = rustix::fs::fstatvfs(&self.0.names)?;
        Ok(status.f_bavail.saturating_mul(status.f_frsize))
    }

    fn removing(&self) -> Option<Removing> {
        // What cannot be locked now is taken away later.
        let lock = open_lock(&self.0.path.join(COPY_LOCK_NAME)).ok()?;
        lock.try_lock_shared().ok()?;
        Some(Removing::new(Some(lock)))
    }

    fn random(&self) -> u64 {
        // The keys come from the operating system's random numbers.
        RandomState::new().hash_one(LOCK_NAME)
    }
}

/// A file of a [`RealDisk`].
#[derive(Debug)]
pub struct RealFile(File);

impl DiskFile for RealFile {
    fn size_bytes(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            let at = offset + bytes_u64(filled);
            match FileExt::read_at(&self.0, &mut buffer[filled..], at) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn write_all_at(&self, mut slices: &mut [IoSlice<'_>], mut offset: u64) -> io::Result<()> {
        while slices.iter().any(|slice| !slice.is_empty()) {
            match rustix::io::pwritev(&self.0, slices, offset) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    offset += bytes_u64(count);
                    IoSlice::advance_slices(&mut slices, count);
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn allocate(&self, size_bytes: u64) -> io::Result<()> {
        loop {
            match rustix::fs::fallocate(&self.0, FallocateFlags::KEEP_SIZE, 0, size_bytes) {
                Ok(()) => return Ok(()),
                Err(Errno::INTR) => {}
                // As old kernels and some file systems say it.
                Err(Errno::NOSYS | Errno::OPNOTSUPP) => {
                    return Err(io::ErrorKind::Unsupported.into());
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn set_len(&self, size_bytes: u64) -> io::Result<()> {
        self.0.set_len(size_bytes)
    }
}

fn bytes_u64(count: usize) -> u64 {
    u64::try_from(count).expect("sizes in memory fit 64 bits")
}
