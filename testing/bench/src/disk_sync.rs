//! What the disk does by itself: how fast it syncs one small write after the other, and how often it was flushed.

use std::{
    fs::{self, File},
    io::Write as _,
    ops::Add,
    os::unix::fs::{FileExt as _, MetadataExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result};
use rustix::fs::{major, minor, syncfs};

use crate::measure::{Clock, Latencies, Quantiles, median};

/// Bytes of each write of the probe.
const BLOCK: [u8; 4096] = [0x5a; 4096];

/// Size of the probe's file. Behind its end the writes begin anew at its start.
const FILE_BYTES: u64 = 64 << 20;

/// Below this share of the syncs that were made, the kernel does not count flushes of this disk.
const COUNTED_MIN: f64 = 0.5;

/// A file beside the data of the brokers, in which the disk shows how fast it syncs. It is written once in full before,
/// so that a sync has no allocation and no size to write down.
pub(crate) struct SyncProbe {
    file: File,
    /// Where the next write goes.
    at: u64,
    flushes: Option<FlushCounter>,
    /// One write with its sync, of all readings.
    latencies: Latencies,
    readings: Vec<SyncReading>,
}

/// What the probe found at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SyncReading {
    count: u64,
    ns: u64,
    /// Flushes of the disk meanwhile, if the kernel counts them.
    flushes: Option<u64>,
}

/// All that a probe found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SyncSummary {
    /// Median, least and most of the readings' syncs per second.
    pub(crate) per_second: [f64; 3],
    /// One write with its sync.
    pub(crate) quantiles: Quantiles,
    /// Flushes of the disk for each sync of the probe, if they are counted: above one, others flush it as well.
    pub(crate) flushes_per_sync: Option<f64>,
    /// Number of readings.
    pub(crate) readings: usize,
}

impl SyncProbe {
    /// A probe with its file in `dir`.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub(crate) fn create(dir: &Path) -> Result<Self> {
        let path = dir.join("sync-rate");
        let mut options = File::options();
        let mut file = options
            .create(true)
            .truncate(true)
            .write(true)
            .open(path)
            .context("creating the sync probe's file")?;
        let zeros = vec![0; 1 << 20];
        for _ in 0..FILE_BYTES / zeros.len() as u64 {
            file.write_all(&zeros)
                .context("writing the sync probe's file")?;
        }
        file.sync_all().context("syncing the sync probe's file")?;
        Ok(Self {
            file,
            at: 0,
            flushes: FlushCounter::of(dir),
            latencies: Latencies::new(),
            readings: Vec::new(),
        })
    }

    /// Writes and syncs for that long, after all that others have left to be written.
    ///
    /// # Errors
    /// If the disk fails, or a signal asks to end.
    pub(crate) fn read(&mut self, length: Duration) -> Result<SyncReading> {
        syncfs(&self.file).context("syncing the filesystem of the data folders")?;
        let flushed = self.flushes.as_ref().and_then(FlushCounter::read);
        let clock = Clock::start();
        let (mut count, mut now) = (0, 0);
        while u128::from(now) < length.as_nanos() {
            crate::check_interrupted()?;
            self.file
                .write_all_at(&BLOCK, self.at)
                .context("writing the sync probe's file")?;
            self.file
                .sync_data()
                .context("syncing the sync probe's file")?;
            let before = now;
            now = clock.now_ns();
            self.latencies.record(now - before);
            self.at = (self.at + BLOCK.len() as u64) % FILE_BYTES;
            count += 1;
        }
        let flushes = self.flushes.as_ref().and_then(FlushCounter::read);
        let reading = SyncReading {
            count,
            ns: now,
            flushes: flushes.zip(flushed).map(|(last, first)| last - first),
        };
        self.readings.push(reading);
        Ok(reading)
    }

    /// What all readings come to, if there were any.
    pub(crate) fn summary(&self) -> Option<SyncSummary> {
        let rates = self.readings.iter().map(SyncReading::per_second);
        let all = self.readings.iter().copied().reduce(Add::add)?;
        Some(SyncSummary {
            per_second: [
                median(rates.clone())?,
                rates.clone().reduce(f64::min)?,
                rates.reduce(f64::max)?,
            ],
            quantiles: self.latencies.quantiles()?,
            flushes_per_sync: all.flushes_per_sync(),
            readings: self.readings.len(),
        })
    }
}

impl SyncReading {
    /// Syncs per second.
    #[expect(
        clippy::cast_precision_loss,
        reason = "counts and times of one run are below 2^52"
    )]
    pub(crate) fn per_second(&self) -> f64 {
        self.count as f64 * 1e9 / self.ns.max(1) as f64
    }

    /// Flushes of the disk for each sync, if the kernel counts them for this disk.
    #[expect(
        clippy::cast_precision_loss,
        reason = "counts of one run are below 2^52"
    )]
    pub(crate) fn flushes_per_sync(&self) -> Option<f64> {
        let ratio = self.flushes? as f64 / self.count.max(1) as f64;
        (ratio >= COUNTED_MIN).then_some(ratio)
    }
}

#[cfg(test)]
impl SyncReading {
    /// A second of so many syncs, each with a flush.
    pub(crate) fn example(count: u64) -> Self {
        Self {
            count,
            ns: 1_000_000_000,
            flushes: Some(count),
        }
    }
}

/// As one reading that took both.
impl Add for SyncReading {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let flushes = self.flushes.zip(other.flushes);
        Self {
            count: self.count + other.count,
            ns: self.ns + other.ns,
            flushes: flushes.map(|(one, two)| one + two),
        }
    }
}

/// Counts how often the disk was told to make durable what it holds, whoever asked. One such flush may serve
/// several who asked at the same time.
#[derive(Debug, Clone)]
pub(crate) struct FlushCounter {
    stat: PathBuf,
}

impl FlushCounter {
    /// The counter of the disk that holds `dir`, if it lies on one that the kernel knows.
    pub(crate) fn of(dir: &Path) -> Option<Self> {
        let device = fs::metadata(dir).ok()?.dev();
        let path = format!("/sys/dev/block/{}:{}", major(device), minor(device));
        let folder = Path::new(&path);
        // Flushes are counted for a disk, not for its partitions.
        let stat = if folder.join("partition").exists() {
            folder.join("../stat")
        } else {
            folder.join("stat")
        };
        stat.exists().then_some(Self { stat })
    }

    /// Flushes since the machine was started.
    pub(crate) fn read(&self) -> Option<u64> {
        flushes(&fs::read_to_string(&self.stat).ok()?)
    }
}

/// Flush requests in the text of a disk's `stat`, which older kernels do not tell.
fn flushes(stat: &str) -> Option<u64> {
    stat.split_whitespace().nth(15)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readings_are_put_together() {
        let reading = |count, ns, flushes| SyncReading { count, ns, flushes };
        let one = reading(1000, 1_000_000_000, Some(1000));
        let two = reading(4000, 1_000_000_000, Some(4500));
        let both = one + two;
        assert!((both.per_second() - 2500.0).abs() < 1e-6);
        assert_eq!(both.flushes_per_sync(), Some(1.1));
        assert_eq!((one + reading(1, 1, None)).flushes_per_sync(), None);
        // A kernel that does not count them says so by a constant.
        assert_eq!(reading(1000, 1, Some(2)).flushes_per_sync(), None);
    }

    #[test]
    fn the_flushes_stand_behind_the_discards() {
        let stat = "29364 4038 3219698 84183 78261 44766 12030848 65825 0 14088 153548 7885 41 1408512 2565 \
                    24584 973\n";
        assert_eq!(flushes(stat), Some(24584));
        assert_eq!(
            flushes("29364 4038 3219698 84183 78261 44766 12030848 65825 0 14088 153548\n"),
            None
        );
    }

    #[test]
    fn a_probe_counts_what_it_syncs() {
        let dir = std::env::temp_dir().join(format!("bench-probe-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let mut probe = SyncProbe::create(&dir).unwrap();
        assert!(probe.summary().is_none());
        let length = Duration::from_millis(20);
        let reading = probe.read(length).unwrap() + probe.read(length).unwrap();
        fs::remove_dir_all(&dir).unwrap();
        assert!(reading.count > 1);
        assert!(u128::from(reading.ns) >= 2 * length.as_nanos());
        let summary = probe.summary().unwrap();
        assert_eq!(summary.readings, 2);
        let [median, least, most] = summary.per_second;
        assert!(least <= median && median <= most);
        assert!((least..=most).contains(&reading.per_second()));
    }
}
