//! What a folder takes on its disk.

use std::{
    fs,
    io::ErrorKind,
    os::unix::fs::MetadataExt as _,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context as _, Result};

use crate::measure::{Clock, nap};

/// A size that has not changed for so long is settled.
const QUIET_NS: u64 = 3_000_000_000;

/// Nothing is waited for longer than that.
const LIMIT_NS: u64 = 60_000_000_000;

/// Between two looks.
const PERIOD: Duration = Duration::from_millis(200);

/// Between two looks of a [`Watch`].
const WATCH_PERIOD: Duration = Duration::from_millis(100);

/// Bytes of a block in what the kernel tells of a file, whatever the filesystem's own are.
const BLOCK_BYTES: u64 = 512;

/// What became of the size of a folder.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settled {
    /// When it changed last, in seconds from the begin.
    pub(super) seconds: f64,
    /// Whether it stayed the same from then on, for as long as is asked.
    pub(super) is_settled: bool,
}

/// Looks all the time at what a folder takes on disk, and keeps the most it saw.
pub(super) struct Watch {
    seen: Arc<Seen>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Seen {
    bytes_max: AtomicU64,
    is_over: AtomicBool,
}

impl Watch {
    /// Begins to look at `dir`. What cannot be read is not seen.
    pub(super) fn start(dir: &Path) -> Self {
        let (dir, seen) = (dir.to_owned(), Arc::<Seen>::default());
        let shared = Arc::clone(&seen);
        let thread = thread::spawn(move || {
            while !shared.is_over.load(Ordering::Relaxed) {
                let bytes = allocated_bytes(&dir).unwrap_or(0);
                shared.bytes_max.fetch_max(bytes, Ordering::Relaxed);
                nap(WATCH_PERIOD);
            }
        });
        Self {
            seen,
            thread: Some(thread),
        }
    }

    /// Forgets the most it saw. What was begun to be read before is still seen.
    pub(super) fn reset(&self) {
        self.seen.bytes_max.store(0, Ordering::Relaxed);
    }

    /// The most it saw, and at least `bytes`.
    pub(super) fn bytes_max(&self, bytes: u64) -> u64 {
        self.seen.bytes_max.load(Ordering::Relaxed).max(bytes)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.seen.is_over.store(true, Ordering::Relaxed);
        // It has nothing to say.
        let _outcome = self.thread.take().map(JoinHandle::join);
    }
}

/// Bytes of all blocks that are allocated to the files in `dir` and below. Files that are removed meanwhile are
/// left out.
///
/// # Errors
/// If a folder cannot be read.
pub(super) fn allocated_bytes(dir: &Path) -> Result<u64> {
    let mut folders = vec![dir.to_owned()];
    let mut bytes = 0;
    while let Some(folder) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => {
                return Err(error).with_context(|| format!("reading {}", folder.display()));
            }
        };
        for entry in entries {
            let Ok(metadata) = entry.as_ref().map_err(drop).and_then(|entry| {
                // Does not follow links, so there are no circles.
                entry.metadata().map_err(drop)
            }) else {
                continue;
            };
            bytes += metadata.blocks() * BLOCK_BYTES;
            if metadata.is_dir() {
                folders.push(entry?.path());
            }
        }
    }
    Ok(bytes)
}

/// Waits until what `dir` takes on disk does not change any more, at most a minute.
///
/// # Errors
/// If a folder cannot be read, or a signal asks to end.
pub(super) fn settle(dir: &Path) -> Result<Settled> {
    let clock = Clock::start();
    let (mut bytes, mut changed_at) = (allocated_bytes(dir)?, 0);
    loop {
        crate::check_interrupted()?;
        let now = clock.now_ns();
        let is_settled = now - changed_at > QUIET_NS;
        if is_settled || now > LIMIT_NS {
            return Ok(Settled {
                seconds: super::seconds(changed_at),
                is_settled,
            });
        }
        nap(PERIOD);
        let present = allocated_bytes(dir)?;
        if present != bytes {
            (bytes, changed_at) = (present, clock.now_ns());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::wait_for;

    #[test]
    fn blocks_of_all_files_below_count_and_holes_do_not() {
        let dir = std::env::temp_dir().join(format!("bench-disk-{}", std::process::id()));
        let inner = dir.join("a/b");
        fs::create_dir_all(&inner).unwrap();
        let before = allocated_bytes(&dir).unwrap();
        let file = |name: &str, bytes: &[u8]| {
            let path = inner.join(name);
            fs::write(&path, bytes).unwrap();
            let file = fs::File::options().write(true).open(path).unwrap();
            file.sync_all().unwrap();
            file
        };
        file("full", &vec![7; 100_000]);
        let hole = file("hole", b"");
        hole.set_len(1 << 30).unwrap();
        let grown = allocated_bytes(&dir).unwrap() - before;
        fs::remove_dir_all(&dir).unwrap();
        assert!((100_000..1 << 20).contains(&grown), "{grown}");
        assert_eq!(allocated_bytes(&dir).unwrap(), 0);
    }

    #[test]
    fn a_watch_sees_what_is_gone_again_until_it_is_reset() {
        let dir = std::env::temp_dir().join(format!("bench-watch-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let path = dir.join("file");
        fs::write(dir.join("small"), [7; 4096]).unwrap();
        fs::File::open(dir.join("small"))
            .unwrap()
            .sync_all()
            .unwrap();
        let watch = Watch::start(&dir);
        fs::write(&path, vec![7; 1 << 20]).unwrap();
        fs::File::open(&path).unwrap().sync_all().unwrap();
        let limit = Duration::from_secs(60);
        let seen = |wanted: fn(u64) -> bool| {
            wait_for("what is on disk", limit, || {
                Ok(wanted(watch.bytes_max(0)).then_some(()))
            })
        };
        seen(|bytes| bytes >= 1 << 20).unwrap();
        fs::remove_file(&path).unwrap();
        assert!(watch.bytes_max(0) >= 1 << 20);
        watch.reset();
        wait_for("less on disk", limit, || {
            let bytes = watch.bytes_max(0);
            // Of a look that was begun before.
            if bytes >= 1 << 20 {
                watch.reset();
            }
            Ok((1..1 << 20).contains(&bytes).then_some(()))
        })
        .unwrap();
        assert_eq!(watch.bytes_max(9 << 20), 9 << 20);
        drop(watch);
        fs::remove_dir_all(&dir).unwrap();
    }
}
