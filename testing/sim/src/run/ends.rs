//! How a life of the broker ends, and how the next one begins.

use super::Run;
use super::trouble::DiskTrouble;
use crate::history::Event;
use crate::store::{Kind, Store};
use crate::world::{StartError, World};
use broker::RecoveryError;
use fastrand::Rng;
use log_store::OpenError;
use std::time::Duration;

/// How a life ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// The power is lost: the disk keeps what was synced and some of the rest.
    Power,
    /// The process is killed: what was written stays, though it may not be synced.
    Killed,
    /// In order: everything is logged.
    Order,
}

impl Ending {
    /// One by chance; a broker whose store has failed does not end in order.
    pub(super) fn draw(rng: &mut Rng, is_alive: bool) -> Self {
        match rng.u32(..6) {
            0 if is_alive => Self::Order,
            1 | 2 => Self::Killed,
            _ => Self::Power,
        }
    }
}

impl Run {
    /// The broker ends, and begins again.
    pub(super) fn end(&mut self, ending: Ending) -> Result<(), String> {
        match ending {
            Ending::Power | Ending::Killed => {
                // What the transport has taken reaches the clients.
                for actor in &mut self.actors {
                    actor.read(self.life, &mut self.history);
                }
                self.actors.clear();
                self.history.has_crashed = true;
            }
            Ending::Order => self.stop()?,
        }
        let rng = &mut self.rng;
        let has_lost_power = self
            .store
            .disk()
            .is_some_and(log_store::MemoryDisk::is_crashed);
        if ending == Ending::Power || has_lost_power {
            self.store.crash(&mut |below| rng.u64(..below));
        } else if ending == Ending::Killed {
            self.tally.killed += 1;
            self.store.end_process();
        }
        self.life += 1;
        self.history.events.push(Event::Restart);
        let mut now = self.world.now;
        if self.trouble.jump_chance > 0 && self.rng.bool() {
            self.tally.jumps += 1;
            now = now + Duration::from_secs(3600 * self.rng.u64(1..6));
        }
        self.history.now = now;
        self.begin()
    }

    /// In order: all connections end, everything is logged.
    fn stop(&mut self) -> Result<(), String> {
        self.tally.stops += 1;
        self.end_trouble();
        for actor in &mut self.actors {
            actor.cut(&self.world, self.life, &mut self.history);
        }
        self.actors.clear();
        // Something stands in for it until the next life.
        let stand_in = World::start(&Store::new(Kind::Apart), self.world.now, self.bounds);
        let stand_in = stand_in.map_err(|error| format!("{error:?}"))?;
        let world = std::mem::replace(&mut self.world, stand_in);
        world
            .stop()
            .map_err(|error| format!("does not stop: {error:#}"))
    }

    /// The next life.
    fn begin(&mut self) -> Result<(), String> {
        if std::mem::take(&mut self.needs_repair) {
            self.store.repair()?;
            self.start()?;
            if !self.world.damaged.is_empty() {
                return Err("repaired, and still damaged".into());
            }
        } else if self.trouble.disk == DiskTrouble::Rots
            && self.is_set_up
            && self.tally.rotten == 0
            && self.rng.bool()
            && self.history.drained_in.is_none()
        {
            self.rot()?;
        } else {
            self.start()?;
        }
        // What was not known to be in a page when the last life ended is in memory again.
        self.note_full();
        if !self.is_over {
            self.people();
        }
        Ok(())
    }

    fn start(&mut self) -> Result<(), String> {
        let mut started = World::start(&self.store, self.history.now, self.bounds);
        if started.is_err() && matches!(self.trouble.disk, DiskTrouble::Fills { until: 1.. }) {
            // Without room, it need not start; nothing may be lost by the attempt.
            self.make_room();
            started = World::start(&self.store, self.history.now, self.bounds);
        }
        self.world =
            started.map_err(|error| format!("does not start in life {}: {error:?}", self.life))?;
        Ok(())
    }

    /// A bit of the disk has rotted before the broker starts.
    fn rot(&mut self) -> Result<(), String> {
        // Of a segment of pages that was being written only what is hit may be lost; of the journal, in front of the
        // seal, what is hit may be taken for torn.
        let is_of_pages = self.rng.u32(..3) == 0;
        let prefix = if is_of_pages {
            "pages-"
        } else {
            self.store.seal().map_err(|error| format!("{error:?}"))?;
            ""
        };
        let rng = &mut self.rng;
        let Some(rot) = self.store.rot(prefix, &mut |below| rng.usize(..below)) else {
            return self.start();
        };
        self.tally.rotten += 1;
        match World::start(&self.store, self.history.now, self.bounds) {
            Ok(world) => {
                self.world = world;
                self.needs_repair = !self.world.damaged.is_empty();
                self.tally.shards += u32::from(self.needs_repair);
                self.people();
                self.probe()
            }
            Err(StartError::Store(
                OpenError::Corrupt(_) | OpenError::Newer { .. } | OpenError::Older { .. },
            )) => {
                self.tally.refused += 1;
                self.store.flip(&rot);
                self.start()
            }
            Err(StartError::Broker(RecoveryError::MetadataDamaged { .. })) => {
                self.tally.metadata += 1;
                self.is_over = true;
                self.store.repair()?;
                self.store.seal().map_err(|error| format!("{error:?}"))
            }
            Err(error) => Err(format!("does not start with {rot:?}: {error:?}")),
        }
    }
}
