//! What goes wrong besides crashes.

use super::Run;
use fastrand::Rng;
use std::time::Duration;

/// What goes wrong in a run besides crashes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) disk: DiskTrouble,
    /// One step in so many makes the clock jump by hours; none if 0.
    pub(super) jump_chance: u32,
}

/// What is wrong with the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum DiskTrouble {
    /// Nothing.
    #[default]
    None,
    /// Writes or syncs fail.
    Fails,
    /// It is full for a while.
    Fills {
        /// Up to this step; 0 while there is room.
        until: u64,
    },
    /// A bit rots between two lives.
    Rots,
}

/// What went wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Lives that ended, in whatever way.
    pub crashes: u32,
    /// Of them, in order.
    pub stops: u32,
    /// Of them, by the end of the process alone.
    pub killed: u32,
    /// Writes or syncs that failed and ended a life.
    pub failed: u32,
    /// Times in which the disk was full.
    pub filled: u32,
    /// Bits that rotted.
    pub rotten: u32,
    /// Of them, for which the store did not open.
    pub refused: u32,
    /// For which the broker did not start, as the metadata were hit.
    pub metadata: u32,
    /// For which shards were out of service; each is followed by a repair.
    pub shards: u32,
    /// For which queues were out of service for want of their pages.
    pub pages: u32,
    /// Jumps of the clock.
    pub jumps: u32,
}

impl Tally {
    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            crashes: self.crashes + other.crashes,
            stops: self.stops + other.stops,
            killed: self.killed + other.killed,
            failed: self.failed + other.failed,
            filled: self.filled + other.filled,
            rotten: self.rotten + other.rotten,
            refused: self.refused + other.refused,
            metadata: self.metadata + other.metadata,
            shards: self.shards + other.shards,
            pages: self.pages + other.pages,
            jumps: self.jumps + other.jumps,
        }
    }
}

impl Trouble {
    pub(super) fn draw(rng: &mut Rng) -> Self {
        Self {
            disk: match rng.u32(..6) {
                0 => DiskTrouble::Fails,
                1 => DiskTrouble::Fills { until: 0 },
                2 | 3 => DiskTrouble::Rots,
                _ => DiskTrouble::None,
            },
            jump_chance: if rng.u32(..4) == 0 { 4000 } else { 0 },
        }
    }
}

impl Run {
    /// Has something go wrong, by chance.
    pub(super) fn make_trouble(&mut self) {
        let chance = self.trouble.jump_chance;
        if chance > 0 && self.rng.u32(..chance) == 0 {
            self.tally.jumps += 1;
            let hours = self.rng.u64(1..6);
            self.pass(Duration::from_secs(3600 * hours));
        }
        match self.trouble.disk {
            DiskTrouble::None | DiskTrouble::Rots => {}
            DiskTrouble::Fails => {
                if self.rng.u32(..3000) == 0 {
                    let is_write = self.rng.bool();
                    self.store.fail(is_write, self.rng.u64(1..20));
                }
            }
            DiskTrouble::Fills { until: 0 } => {
                if self.store.disk().is_some() && self.rng.u32(..1500) == 0 {
                    self.tally.filled += 1;
                    let until = self.steps + self.rng.u64(100..4000);
                    self.trouble.disk = DiskTrouble::Fills { until };
                    self.store.leave_room(Some(self.rng.u64(..6000)));
                }
            }
            DiskTrouble::Fills { until } => {
                if self.steps >= until {
                    self.make_room();
                }
            }
        }
    }

    /// The disk has room again.
    pub(super) fn make_room(&mut self) {
        if let DiskTrouble::Fills { until } = &mut self.trouble.disk {
            *until = 0;
        }
        self.store.leave_room(None);
    }

    /// Nothing goes wrong any more.
    pub(super) fn end_trouble(&mut self) {
        self.make_room();
        if let Some(disk) = self.store.disk() {
            disk.heal();
        }
    }
}
