//! How much messages take of memory: what is moved out, and whether publishes are taken.

use super::Executor;
use crate::mailbox::Admission;
use crate::shard::{Pressure, Shard};
use broker_api::BlockCause;
use log_store::Space;
use model::Instant;

/// The store may be this many bytes behind an executor before publishes wait for it.
const UNCOMMITTED_BYTES_MAX: usize = 16 << 20;

impl Executor {
    /// Moves messages out of memory where there are too many.
    pub(super) fn move_out(&mut self, now: Instant) {
        let queued = self.node.queued.get();
        let limit = self.node.settings.queued_bytes;
        let pressure = pressure(queued, limit);
        for shard in &mut self.shards {
            shard.set_pressure(now, pressure);
        }
        if pressure == Pressure::None {
            return;
        }
        // What is over three eighths, as far as this executor's shards have their share in it.
        let excess = queued - limit / 8 * 3;
        let mut fullest: Vec<_> = self.shards.iter_mut().collect();
        fullest.sort_unstable_by_key(|shard| std::cmp::Reverse(shard.resident_bytes()));
        let mut left = excess;
        for shard in fullest {
            let share = left.min(shard.resident_bytes());
            if share == 0 {
                break;
            }
            let moved = shard.move_out(pressure, share);
            // One that cannot be moved out is not to keep the others where memory is short.
            left -= if pressure >= Pressure::High {
                moved.min(share)
            } else {
                share
            };
        }
    }

    /// Charges memory with what has come, and wakes who waits for what has gone.
    pub(super) fn note_moved_bytes(&mut self) {
        let (mut added, mut freed) = (0, 0);
        for shard in &mut self.shards {
            let moved = shard.take_moved_bytes();
            added += moved.0;
            freed += moved.1;
        }
        let limit = self.node.settings.queued_bytes;
        let before = pressure(self.node.queued.get(), limit);
        if added > 0 {
            self.node.queued.add(added);
        }
        let has_room = freed > 0 && self.node.queued.subtract(freed, limit);
        let after = pressure(self.node.queued.get(), limit);
        // Others are to move out what they hold, whether they have anything else to do or not.
        let is_short = after > before && after >= Pressure::High;
        if has_room || is_short {
            let mailboxes = self.node.mailboxes.iter();
            mailboxes.for_each(|mailbox| mailbox.nudge());
        }
    }

    /// Whether publishes are taken: not while the store or the memory has to catch up, or the disk is full.
    pub(super) fn admission(&self) -> Admission {
        let behind: usize = self.shards.iter().map(Shard::uncommitted_bytes).sum();
        let is_low = |shard: &Shard| shard.log.space() == Space::Low;
        let cause = if self.shards.iter().any(is_low) {
            Some(BlockCause::Disk)
        } else if self.node.queued.get() >= self.node.settings.queued_bytes {
            Some(BlockCause::Memory)
        } else {
            None
        };
        if self.node.blocked.set(cause) {
            let mailboxes = self.node.mailboxes.iter();
            mailboxes.for_each(|mailbox| mailbox.wake_refused());
        }
        if cause.is_some() || behind > UNCOMMITTED_BYTES_MAX {
            Admission::Closed
        } else {
            Admission::Open
        }
    }
}

/// How short memory is.
fn pressure(queued: usize, limit: usize) -> Pressure {
    let eighth = limit / 8;
    if queued >= limit {
        Pressure::Full
    } else if queued >= eighth * 6 {
        Pressure::High
    } else if queued >= eighth * 4 {
        Pressure::Some
    } else {
        Pressure::None
    }
}
