//! What is read off the machine: CPU time, memory, the disk's sync cost, and what machine it is.

use std::{
    collections::BTreeMap,
    fmt, fs,
    io::Write as _,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use hdrhistogram::Histogram;

/// Longest latency that is told apart from a longer one.
const LATENCY_MAX_NS: u64 = 120_000_000_000;

/// Rounds of the disk probe.
const PROBE_ROUNDS: u32 = 200;

/// Kernel clock ticks per second in `/proc/PID/stat`; 100 on every Linux this runs on.
const TICKS_PER_SECOND: u64 = 100;

/// Nanoseconds since the run's clock began. One reading serves a whole batch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    origin: Instant,
}

impl Clock {
    /// A clock that begins now.
    #[expect(
        clippy::disallowed_methods,
        reason = "a load generator measures real time"
    )]
    pub(crate) fn start() -> Self {
        Self {
            origin: Instant::now(),
        }
    }

    /// Nanoseconds since it began.
    #[inline]
    pub(crate) fn now_ns(self) -> u64 {
        u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// CPU time of one process: per thread in nanoseconds, and of all it ever had in clock ticks.
#[derive(Debug, Default)]
pub(crate) struct CpuTime {
    threads_ns: BTreeMap<u32, u64>,
    ticks: u64,
}

impl CpuTime {
    /// Reads the CPU time of process `pid`.
    ///
    /// # Errors
    /// If there is no such process, or the kernel does not tell.
    pub(crate) fn of(pid: u32) -> Result<Self> {
        let mut threads_ns = BTreeMap::new();
        for entry in fs::read_dir(format!("/proc/{pid}/task")).context("broker is gone")? {
            let entry = entry?;
            let thread = entry
                .file_name()
                .to_string_lossy()
                .parse::<u32>()
                .unwrap_or_default();
            // A thread that ended in between is left out; the ticks still hold its time.
            let Ok(text) = fs::read_to_string(entry.path().join("schedstat")) else {
                continue;
            };
            let run_ns = text
                .split(' ')
                .next()
                .and_then(|field| field.trim().parse().ok());
            threads_ns.insert(thread, run_ns.context("schedstat has no run time")?);
        }
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).context("broker is gone")?;
        Ok(Self {
            threads_ns,
            ticks: ticks(&stat).context("stat has no CPU time")?,
        })
    }

    /// Nanoseconds spent since the process began; of threads that ended only whole clock ticks.
    pub(crate) fn total_ns(&self) -> u64 {
        let alive = self.threads_ns.values().sum::<u64>();
        alive.max(self.ticks * (1_000_000_000 / TICKS_PER_SECOND))
    }

    /// Nanoseconds spent since `earlier`. To the nanosecond while no thread ended in between;
    /// otherwise no less than the clock ticks say.
    pub(crate) fn since(&self, earlier: &Self) -> u64 {
        let spent = self.threads_ns.iter().map(|(thread, run_ns)| {
            run_ns.saturating_sub(earlier.threads_ns.get(thread).copied().unwrap_or(0))
        });
        let spent_ns = spent.sum();
        if earlier
            .threads_ns
            .keys()
            .all(|thread| self.threads_ns.contains_key(thread))
        {
            return spent_ns;
        }
        let ticks = self.ticks.saturating_sub(earlier.ticks);
        spent_ns.max(ticks * (1_000_000_000 / TICKS_PER_SECOND))
    }
}

/// User and system time in a line of `/proc/PID/stat`; the fields follow the name's parenthesis.
fn ticks(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

/// Resident memory of a process in bytes.
///
/// # Errors
/// If there is no such process.
pub(crate) fn resident_bytes(pid: u32) -> Result<u64> {
    status_bytes(pid, "VmRSS:")
}

/// The most resident memory that a process had since [`reset_resident_bytes_max`], or since its start, in bytes.
///
/// # Errors
/// If there is no such process.
pub(crate) fn resident_bytes_max(pid: u32) -> Result<u64> {
    status_bytes(pid, "VmHWM:")
}

/// Begins anew to find the most resident memory of a process, from what it has now.
///
/// # Errors
/// If there is no such process, or this one may not.
pub(crate) fn reset_resident_bytes_max(pid: u32) -> Result<()> {
    let path = format!("/proc/{pid}/clear_refs");
    fs::write(&path, "5")
        .with_context(|| format!("resetting the peak of resident memory by {path}"))
}

/// The line of `/proc/PID/status` that begins with `name`, in bytes.
fn status_bytes(pid: u32, name: &str) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).context("broker is gone")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    Ok(kib.with_context(|| format!("status has no {name}"))? * 1024)
}

/// Latencies of one window.
#[derive(Debug, Clone)]
pub(crate) struct Latencies {
    histogram: Histogram<u64>,
}

/// The three quantiles the report shows, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Quantiles {
    /// Half are no slower.
    pub(crate) p50: f64,
    /// 99 of 100 are no slower.
    pub(crate) p99: f64,
    /// 999 of 1,000 are no slower.
    pub(crate) p999: f64,
}

impl Latencies {
    /// None yet.
    pub(crate) fn new() -> Self {
        let histogram = Histogram::new_with_bounds(1, LATENCY_MAX_NS, 3);
        Self {
            histogram: histogram.expect("bounds and precision are constants that fit"),
        }
    }

    /// Counts one latency.
    #[inline]
    pub(crate) fn record(&mut self, latency_ns: u64) {
        self.histogram.saturating_record(latency_ns);
    }

    /// The quantiles, or nothing if nothing was counted.
    pub(crate) fn quantiles(&self) -> Option<Quantiles> {
        let at = |quantile| us(self.histogram.value_at_quantile(quantile));
        (!self.histogram.is_empty()).then(|| Quantiles {
            p50: at(0.5),
            p99: at(0.99),
            p999: at(0.999),
        })
    }
}

/// The middle one of some values, or between the two that are in the middle.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values = values.collect::<Vec<_>>();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        count if count.is_multiple_of(2) => Some(f64::midpoint(values[middle - 1], values[middle])),
        _ => Some(values[middle]),
    }
}

/// Nanoseconds as microseconds.
#[expect(
    clippy::cast_precision_loss,
    reason = "a latency in ns is far below 2^52"
)]
pub(crate) fn us(ns: u64) -> f64 {
    ns as f64 / 1e3
}

/// What a small synced write costs on the disk the brokers write to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SyncCost {
    /// Median and tail of one 4 KiB append with its fdatasync.
    pub(crate) quantiles: Quantiles,
}

impl SyncCost {
    /// Appends 4 KiB and syncs it, 200 times, in a file of its own in `dir`.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub(crate) fn probe(dir: &Path) -> Result<Self> {
        let path = dir.join("sync-probe");
        let mut file = fs::File::create(&path).context("creating the sync probe's file")?;
        let block = [0x5a_u8; 4096];
        let mut latencies = Latencies::new();
        let clock = Clock::start();
        for _ in 0..PROBE_ROUNDS {
            let start = clock.now_ns();
            file.write_all(&block)
                .context("writing the sync probe's file")?;
            file.sync_data().context("syncing the sync probe's file")?;
            latencies.record(clock.now_ns() - start);
        }
        fs::remove_file(&path).context("removing the sync probe's file")?;
        let quantiles = latencies
            .quantiles()
            .context("no round of the sync probe ran")?;
        Ok(Self { quantiles })
    }
}

/// The machine a report was made on. Never its name.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    cpu: String,
    cores: usize,
    memory_bytes: u64,
    kernel: String,
    filesystem: String,
    sync_cost: SyncCost,
    /// What else kept the cores busy lately, as the kernel averages it over a minute.
    load_average: String,
}

impl Machine {
    /// Describes this machine, with `data_dir` as the place the brokers write to.
    ///
    /// # Errors
    /// If `/proc` does not tell, or the disk probe fails.
    pub(crate) fn describe(data_dir: &Path) -> Result<Self> {
        let cpu_info = fs::read_to_string("/proc/cpuinfo").context("reading /proc/cpuinfo")?;
        let memory = fs::read_to_string("/proc/meminfo").context("reading /proc/meminfo")?;
        let mounts = fs::read_to_string("/proc/self/mounts").context("reading the mounts")?;
        let kernel =
            fs::read_to_string("/proc/sys/kernel/osrelease").context("reading the kernel")?;
        let load = fs::read_to_string("/proc/loadavg").context("reading the load average")?;
        let memory_kib = memory
            .lines()
            .find_map(|line| line.strip_prefix("MemTotal:"));
        let memory_kib = memory_kib.and_then(|line| line.split_whitespace().next()?.parse().ok());
        Ok(Self {
            cpu: cpu_model(&cpu_info),
            cores: std::thread::available_parallelism()?.get(),
            memory_bytes: memory_kib.map_or(0, |kib: u64| kib * 1024),
            kernel: kernel.trim().to_owned(),
            filesystem: filesystem_of(&mounts, data_dir),
            sync_cost: SyncCost::probe(data_dir)?,
            load_average: load.split(' ').next().unwrap_or_default().to_owned(),
        })
    }
}

impl Machine {
    /// Whether what the brokers write never reaches a disk.
    pub(crate) fn is_in_memory(&self) -> bool {
        matches!(self.filesystem.as_str(), "tmpfs" | "ramfs")
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sync = self.sync_cost.quantiles;
        writeln!(out, "- CPU: {}, {} cores", self.cpu, self.cores)?;
        writeln!(out, "- Memory: {} GiB", self.memory_bytes.div_ceil(1 << 30))?;
        writeln!(out, "- Kernel: Linux {}", self.kernel)?;
        writeln!(
            out,
            "- Load average of the minute before: {}",
            self.load_average
        )?;
        writeln!(out, "- Filesystem of the data folders: {}", self.filesystem)?;
        writeln!(
            out,
            "- Disk: 4 KiB appended to a file that grows + fdatasync, {PROBE_ROUNDS} rounds: median {:.0} µs, \
             p99 {:.0} µs",
            sync.p50, sync.p99
        )
    }
}

/// The first "model name", or the architecture where the kernel gives no names.
fn cpu_model(cpu_info: &str) -> String {
    let line = cpu_info
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    let name = line
        .and_then(|line| line.split_once(':'))
        .map(|(_, name)| name.trim());
    name.unwrap_or(std::env::consts::ARCH).to_owned()
}

/// The type of the filesystem on the longest mount point that leads to `dir`.
fn filesystem_of(mounts: &str, dir: &Path) -> String {
    let mut longest = (0, "unknown");
    for line in mounts.lines() {
        let mut fields = line.split(' ').skip(1);
        let (Some(point), Some(kind)) = (fields.next(), fields.next()) else {
            continue;
        };
        if dir.starts_with(point) && point.len() >= longest.0 {
            longest = (point.len(), kind);
        }
    }
    longest.1.to_owned()
}

/// Waits for at most `limit` until `ready` gives something, looking again every few milliseconds.
///
/// # Errors
/// If `ready` fails, or the limit is over; then `what` names what did not come.
pub(crate) fn wait_for<T>(
    what: &str,
    limit: Duration,
    mut ready: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let clock = Clock::start();
    let limit_ns = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
    loop {
        if let Some(value) = ready()? {
            return Ok(value);
        }
        anyhow::ensure!(
            clock.now_ns() < limit_ns,
            "{what} not there after {limit:?}"
        );
        nap(Duration::from_millis(20));
    }
}

/// Gives the cores to the broker for a while.
#[expect(
    clippy::disallowed_methods,
    reason = "a load generator must not compete for the cores"
)]
pub(crate) fn nap(length: Duration) {
    std::thread::sleep(length);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_read_behind_any_process_name() {
        let stat = "7 (a b) c) S 1 7 7 0 -1 4 1 0 0 0 120 34 0 0 20 0 9 0 5 6 7";
        assert_eq!(ticks(stat), Some(154));
    }

    #[test]
    fn a_thread_that_ended_is_counted_by_ticks() {
        let earlier = CpuTime {
            threads_ns: [(1, 500), (2, 900)].into(),
            ticks: 10,
        };
        let later = CpuTime {
            threads_ns: [(1, 700), (3, 50)].into(),
            ticks: 12,
        };
        assert_eq!(later.since(&earlier), 20_000_000);
        let alive = CpuTime {
            threads_ns: [(1, 700), (2, 1000), (3, 50)].into(),
            ticks: 12,
        };
        assert_eq!(alive.since(&earlier), 350);
        assert_eq!(alive.total_ns(), 120_000_000);
    }

    #[test]
    fn the_longest_mount_point_gives_the_filesystem() {
        let mounts = "/dev/a / ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\nx /tmpfoo xfs rw 0 0\n";
        assert_eq!(filesystem_of(mounts, Path::new("/tmp/bench")), "tmpfs");
        assert_eq!(filesystem_of(mounts, Path::new("/var")), "ext4");
    }

    #[test]
    fn this_process_has_cpu_time_and_memory() {
        let pid = std::process::id();
        let before = CpuTime::of(pid).unwrap();
        assert!(CpuTime::of(pid).unwrap().since(&before) < 10_000_000_000);
        let resident = resident_bytes(pid).unwrap();
        assert!(resident > 100_000);
        // The kernel sums the one up more exactly than the other.
        assert!(resident_bytes_max(pid).unwrap() > resident / 2);
    }

    #[test]
    fn a_peak_of_memory_is_forgotten_when_it_is_reset() {
        const BYTES: usize = 256 << 20;
        let pid = std::process::id();
        drop(std::hint::black_box(vec![1_u8; BYTES]));
        assert!(resident_bytes_max(pid).unwrap() > BYTES as u64);
        reset_resident_bytes_max(pid).unwrap();
        assert!(resident_bytes_max(pid).unwrap() < BYTES as u64);
    }
}
