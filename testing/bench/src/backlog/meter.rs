//! Readings at both ends of something that is measured.

use anyhow::Result;

use crate::measure::{Clock, CpuTime};

/// Reads from its start on.
pub(super) struct Meter {
    pid: u32,
    clock: Clock,
    broker: CpuTime,
    generator: CpuTime,
}

/// What it took.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) ns: u64,
    /// CPU time of the broker.
    pub(super) broker_ns: u64,
    /// CPU time of this process.
    pub(super) generator_ns: u64,
}

impl Meter {
    /// Begins, with `pid` as the broker.
    ///
    /// # Errors
    /// If the broker is gone.
    pub(super) fn start(pid: u32) -> Result<Self> {
        Ok(Self {
            pid,
            broker: CpuTime::of(pid)?,
            generator: CpuTime::of(std::process::id())?,
            clock: Clock::start(),
        })
    }

    /// What it took since the start.
    ///
    /// # Errors
    /// If the broker is gone.
    pub(super) fn span(&self) -> Result<Span> {
        Ok(Span {
            ns: self.clock.now_ns(),
            broker_ns: CpuTime::of(self.pid)?.since(&self.broker),
            generator_ns: CpuTime::of(std::process::id())?.since(&self.generator),
        })
    }
}
