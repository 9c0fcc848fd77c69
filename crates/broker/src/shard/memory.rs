//! What the queues of a shard hold in memory, and which of them is moved out first.

use super::Shard;
use model::{Instant, QueueId};
use std::collections::BTreeSet;
use std::time::Duration;

/// How short memory is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Pressure {
    /// There is enough.
    #[default]
    None,
    /// Long queues are moved out, but for what goes next.
    Some,
    /// All queues are, and what subscribers have in their hands.
    High,
    /// Publishers wait.
    Full,
}

/// What is noted of a queue, to know what has changed when it is noted again.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Noted {
    resident_bytes: usize,
    stored_bytes: u64,
    dead_bytes: u64,
    /// Under which class it stands in the index, if it does.
    resident_class: Option<u32>,
    dead_class: Option<u32>,
}

/// The memory of a shard's queues. Classes are powers of two: a queue moves in the index only when what it
/// holds has doubled or halved.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pub(super) resident_bytes: usize,
    pub(super) stored_bytes: u64,
    pub(super) dead_bytes: u64,
    by_resident: BTreeSet<(u32, QueueId)>,
    by_dead: BTreeSet<(u32, QueueId)>,
    /// Queues that had nothing to be moved out; not in the index until something has changed.
    passed_over: BTreeSet<QueueId>,
    /// When they were looked at again last, and when they will be.
    reconsidered: Instant,
    pub(super) reconsider_at: Option<Instant>,
    /// Records have become durable since then: messages may be moved out that could not be before.
    has_committed: bool,
}

/// Queues that had nothing to be moved out are looked at again at most so often.
const PASSED_OVER: Duration = Duration::from_millis(20);

/// Queues below this class (256 bytes) are not worth moving out.
const CLASS_MIN: u32 = 9;

fn class(bytes: u64) -> u32 {
    u64::BITS - bytes.leading_zeros()
}

impl Memory {
    /// The queues that hold most in memory, and may hold so many bytes, the fullest first.
    pub(super) fn fullest(&self, bytes_min: usize) -> impl Iterator<Item = QueueId> {
        let class_min = class(bytes_min as u64);
        let fullest = self.by_resident.iter().rev();
        let fullest = fullest.take_while(move |(class, _)| *class >= class_min);
        fullest.map(|(_, id)| *id)
    }

    /// The queues with something on the disk that nobody needs, those with most before.
    pub(super) fn deadest(&self) -> impl Iterator<Item = QueueId> {
        self.by_dead.iter().rev().map(|(_, id)| *id)
    }
}

fn move_in(index: &mut BTreeSet<(u32, QueueId)>, id: QueueId, from: Option<u32>, to: Option<u32>) {
    if from == to {
        return;
    }
    if let Some(from) = from {
        index.remove(&(from, id));
    }
    if let Some(to) = to {
        index.insert((to, id));
    }
}

impl Shard {
    /// Notes what a queue holds.
    pub(super) fn note_memory(&mut self, id: QueueId) {
        let Some(hosted) = self.queues.get_mut(&id) else {
            return;
        };
        let queue = &hosted.queue;
        let resident = queue.resident_bytes();
        let (stored, dead) = (queue.stored_bytes(), queue.dead_bytes());
        let noted = &mut hosted.noted;
        let memory = &mut self.memory;
        if resident != noted.resident_bytes {
            self.added_bytes += resident.saturating_sub(noted.resident_bytes);
            self.freed_bytes += noted.resident_bytes.saturating_sub(resident);
            memory.resident_bytes = memory.resident_bytes - noted.resident_bytes + resident;
            noted.resident_bytes = resident;
            let class = Some(class(resident as u64)).filter(|class| *class >= CLASS_MIN);
            let from = std::mem::replace(&mut noted.resident_class, class);
            move_in(&mut memory.by_resident, id, from, class);
        }
        if (stored, dead) != (noted.stored_bytes, noted.dead_bytes) {
            memory.stored_bytes = memory.stored_bytes - noted.stored_bytes + stored;
            memory.dead_bytes = memory.dead_bytes - noted.dead_bytes + dead;
            (noted.stored_bytes, noted.dead_bytes) = (stored, dead);
            let class = Some(class(dead)).filter(|class| *class >= CLASS_MIN);
            let from = std::mem::replace(&mut noted.dead_class, class);
            move_in(&mut memory.by_dead, id, from, class);
        }
    }

    /// A queue has ended, with all that it held.
    pub(super) fn forget_memory(&mut self, id: QueueId, noted: Noted) {
        let memory = &mut self.memory;
        memory.resident_bytes -= noted.resident_bytes;
        memory.stored_bytes -= noted.stored_bytes;
        memory.dead_bytes -= noted.dead_bytes;
        self.freed_bytes += noted.resident_bytes;
        move_in(&mut memory.by_resident, id, noted.resident_class, None);
        move_in(&mut memory.by_dead, id, noted.dead_class, None);
    }

    /// A queue has nothing to be moved out, as things are.
    pub(super) fn pass_over(&mut self, id: QueueId) {
        if let Some(hosted) = self.queues.get_mut(&id) {
            let from = hosted.noted.resident_class.take();
            move_in(&mut self.memory.by_resident, id, from, None);
            self.memory.passed_over.insert(id);
        }
    }

    /// Records have become durable.
    pub(super) fn note_committed(&mut self) {
        self.memory.has_committed = !self.memory.passed_over.is_empty();
    }

    /// What was passed over is looked at again.
    fn reconsider(&mut self, now: Instant) {
        self.memory.reconsidered = now;
        self.memory.reconsider_at = None;
        self.memory.has_committed = false;
        for id in std::mem::take(&mut self.memory.passed_over) {
            self.reconsider_one(id);
        }
    }

    pub(super) fn has_passed_over(&self) -> bool {
        !self.memory.passed_over.is_empty()
    }

    /// The same of one queue, whose messages may have come back from subscribers' hands.
    pub(super) fn reconsider_one(&mut self, id: QueueId) {
        let Some(hosted) = self.queues.get_mut(&id) else {
            return;
        };
        let noted = &mut hosted.noted;
        let resident = class(noted.resident_bytes as u64);
        let class = Some(resident).filter(|class| *class >= CLASS_MIN);
        let from = std::mem::replace(&mut noted.resident_class, class);
        move_in(&mut self.memory.by_resident, id, from, class);
    }

    /// How short memory is from now on.
    pub(crate) fn set_pressure(&mut self, now: Instant, pressure: Pressure) {
        self.retry(now);
        let has_changed = std::mem::replace(&mut self.pressure, pressure) != pressure;
        let due_at = self.memory.reconsidered + PASSED_OVER;
        if has_changed || self.memory.has_committed && due_at <= now {
            self.reconsider(now);
        } else if self.memory.has_committed {
            self.memory.reconsider_at = Some(due_at);
        }
        self.read_wanted(pressure);
        self.read_bodies(now, pressure);
        self.rewrite_pages();
        self.merge_pages();
    }

    /// The bytes that the shard's queues hold in memory.
    pub(crate) fn resident_bytes(&self) -> usize {
        self.memory.resident_bytes
    }
}
