//! The broker of a run: one after the other on the same data folder.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};

use super::disk;
use crate::{
    measure::{Clock, CpuTime, nap, reset_resident_bytes_max, resident_bytes, resident_bytes_max},
    process::Owned,
    systems::barid,
    wire::Protocol,
};

/// Time a broker has to come up with its backlog, or to go.
const LIMIT: Duration = Duration::from_secs(600);

/// Between two looks for the file that says where it listens.
const PERIOD: Duration = Duration::from_millis(1);

/// Variable of the broker's bound on the memory of its queues.
pub(super) const MEMORY: &str = "BARID_QUEUE_MEMORY_BYTES_MAX";

/// How a broker is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// SIGTERM, and wait.
    Asked,
    /// SIGKILL.
    Killed,
}

/// A broker that is up. Ended when dropped.
pub(super) struct Broker {
    binary: PathBuf,
    dir: PathBuf,
    memory_bytes_max: Option<String>,
    process: Owned,
    /// Looks at its data folder.
    watch: disk::Watch,
    /// Where clients connect.
    pub(super) address: SocketAddr,
}

/// How long it took to have another broker.
pub(super) struct Restart {
    /// From the wish that the one before ends, to its end.
    pub(super) stop_ns: u64,
    /// Runs since the other was started.
    pub(super) clock: Clock,
    /// From the start until it listens.
    pub(super) ready_ns: u64,
}

/// What a broker takes of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Weight {
    /// Resident memory.
    pub(super) resident_bytes: u64,
    /// The most it was since [`Broker::begin`], or since the broker was started if that was later.
    pub(super) resident_bytes_max: u64,
    /// What the data folder takes on disk.
    pub(super) disk_bytes: u64,
    /// The most it was since [`Broker::begin`], as far as it was seen.
    pub(super) disk_bytes_max: u64,
}

impl Weight {
    /// As of a time that began with `earlier`, and goes on.
    pub(super) fn after(self, earlier: Self) -> Self {
        Self {
            resident_bytes_max: self.resident_bytes_max.max(earlier.resident_bytes_max),
            disk_bytes_max: self.disk_bytes_max.max(earlier.disk_bytes_max),
            ..self
        }
    }
}

impl Broker {
    /// Starts a broker with its folder below `dir`, which has none yet.
    ///
    /// # Errors
    /// If it does not come up.
    pub(super) fn start(binary: &Path, dir: &Path, memory_bytes_max: Option<&str>) -> Result<Self> {
        let dir = dir.join("barid");
        std::fs::create_dir_all(&dir).context("creating a data folder")?;
        let mut process = spawn(binary, &dir, memory_bytes_max)?;
        let address = await_ready(&mut process, &dir)?;
        let watch = disk::Watch::start(&barid::data_dir(&dir));
        Ok(Self {
            binary: binary.to_owned(),
            dir,
            memory_bytes_max: memory_bytes_max.map(str::to_owned),
            process,
            watch,
            address,
        })
    }

    /// Ends the broker and starts another on the same data.
    ///
    /// # Errors
    /// If it does not end well when asked to, or the other does not come up.
    pub(super) fn restart(self, ending: Ending) -> Result<(Self, Restart)> {
        let clock = Clock::start();
        match ending {
            Ending::Asked => self.process.terminate(LIMIT)?,
            Ending::Killed => self.process.kill(),
        }
        let stop_ns = clock.now_ns();
        let clock = Clock::start();
        let mut process = spawn(&self.binary, &self.dir, self.memory_bytes_max.as_deref())?;
        let address = await_ready(&mut process, &self.dir)?;
        let restart = Restart {
            stop_ns,
            clock,
            ready_ns: clock.now_ns(),
        };
        let broker = Self {
            process,
            address,
            ..self
        };
        Ok((broker, restart))
    }

    pub(super) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Fails, with the end of its log, if it is gone.
    pub(super) fn check_alive(&mut self) -> Result<()> {
        self.process.check_alive()
    }

    /// CPU time that it has used so far, in nanoseconds.
    ///
    /// # Errors
    /// If it is gone.
    pub(super) fn cpu_ns(&self) -> Result<u64> {
        Ok(CpuTime::of(self.pid())?.total_ns())
    }

    /// From here on the most that it takes is to be found.
    ///
    /// # Errors
    /// If it is gone.
    pub(super) fn begin(&self) -> Result<()> {
        self.watch.reset();
        reset_resident_bytes_max(self.pid())
    }

    /// What it takes now, and took at most.
    ///
    /// # Errors
    /// If it is gone.
    pub(super) fn weigh(&self) -> Result<Weight> {
        let disk_bytes = disk::allocated_bytes(&barid::data_dir(&self.dir))?;
        Ok(Weight {
            resident_bytes: resident_bytes(self.pid())?,
            resident_bytes_max: resident_bytes_max(self.pid())?,
            disk_bytes,
            disk_bytes_max: self.watch.bytes_max(disk_bytes),
        })
    }

    /// Waits until the disk is quiet.
    ///
    /// # Errors
    /// If the folder cannot be read, or a signal asks to end.
    pub(super) fn settle_disk(&self) -> Result<disk::Settled> {
        disk::settle(&barid::data_dir(&self.dir))
    }
}

fn spawn(binary: &Path, dir: &Path, memory_bytes_max: Option<&str>) -> Result<Owned> {
    let memory = memory_bytes_max.map(|bytes| (MEMORY, bytes));
    barid::spawn(binary, Protocol::Stomp, dir, memory.as_slice())
}

/// As `wait_for`, but to the millisecond.
fn await_ready(process: &mut Owned, dir: &Path) -> Result<SocketAddr> {
    let clock = Clock::start();
    loop {
        if let Some(address) = barid::address(Protocol::Stomp, dir)? {
            return Ok(address);
        }
        crate::check_interrupted()?;
        process.check_alive()?;
        ensure!(
            u128::from(clock.now_ns()) < LIMIT.as_nanos(),
            "the broker does not listen after {LIMIT:?}"
        );
        nap(PERIOD);
    }
}
