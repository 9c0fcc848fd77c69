//! What happens to messages that leave a queue, or come back to it.

use super::Shard;
use crate::dead_letter;
use crate::mailbox::Control;
use crate::routes::QueueTarget;
use model::{Instant, QueueId};
use queue::SubscriberId;
use std::time::Duration;

/// Queues that shrink drop so many bytes in one step of a shard.
const STEP_BYTES_MAX: usize = 1 << 20;

/// They wait while so many pages' worth of dead letters is on its way to other queues.
const OUTGOING_PAGES_MAX: usize = 4;

/// But not longer: where the letters go may be out of service.
const HELD: Duration = Duration::from_millis(1000);

/// How queues [shrink](queue::Queue::is_shrinking) that policies have made too short.
#[derive(Debug, Default)]
pub(super) struct Shrinking {
    /// What was dropped in this step.
    pub(super) bytes: usize,
    /// While dead letters on their way hold them back: when some are dropped all the same.
    pub(super) due_at: Option<Instant>,
    /// Who is to be told when what is there has been delivered, of queues that wait.
    drains: Vec<(SubscriberId, QueueTarget)>,
}

/// How the turn of a queue ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// It has done what it can.
    Done,
    /// There is more to do at once.
    Busy,
    /// It shrinks, and waits for dead letters to be taken, or a page to be read.
    Held,
}

impl Shard {
    /// Has what is too much leave queues whose bounds policies say, and may say otherwise than when it came. It leaves
    /// piece by piece, and nothing of such a queue is delivered before; after a crash the next start goes on.
    pub(crate) fn keep_to_policies(&mut self) {
        let queues = self.queues.values_mut();
        let bounded = queues.filter(|hosted| hosted.shared.applied.bounds_length());
        // What is out of service stays as it is.
        for hosted in bounded.filter(|hosted| !hosted.shared.is_damaged()) {
            hosted.queue.shrink();
            if !std::mem::replace(&mut hosted.is_touched, true) {
                self.touched.push(hosted.shared.target.queue);
            }
        }
    }

    pub(super) fn is_shrinking(&self, id: QueueId) -> bool {
        let hosted = self.queues.get(&id);
        hosted.is_some_and(|hosted| hosted.queue.is_shrinking())
    }

    /// Whether a queue that shrinks is to wait, for its next turn or for others.
    pub(super) fn holds_shrinking_back(&mut self, now: Instant) -> Option<Turn> {
        if self.shrinking.bytes >= STEP_BYTES_MAX {
            return Some(Turn::Busy);
        }
        let outgoing_bytes_max = self.pages.sizes.page_bytes * OUTGOING_PAGES_MAX;
        if self.forwards.outgoing_bytes >= outgoing_bytes_max {
            let due_at = *self.shrinking.due_at.get_or_insert(now + HELD);
            if now < due_at {
                return Some(Turn::Held);
            }
        }
        self.shrinking.due_at = None;
        None
    }

    /// A queue waits: who has asked is told when it does no more.
    pub(crate) fn hold_drain(&mut self, subscriber: SubscriberId, target: QueueTarget) {
        self.shrinking.drains.push((subscriber, target));
    }

    /// A queue does not wait any more.
    pub(super) fn go_on_draining(&mut self, id: QueueId) {
        if self.shrinking.drains.is_empty() {
            return;
        }
        let drains = &mut self.shrinking.drains;
        for (subscriber, target) in drains.extract_if(.., |(_, target)| target.queue == id) {
            let drain = Control::Drain { subscriber, target };
            self.node.mailboxes[target.executor].post(&mut vec![drain]);
        }
    }

    /// Takes what the machine has told: messages that left, and those that came back with a count.
    pub(super) fn handle_moved(&mut self, now: Instant, id: QueueId) {
        if !self.left.is_empty() {
            let mut left = std::mem::take(&mut self.left);
            let forwards = self
                .queues
                .get(&id)
                .is_some_and(|hosted| hosted.queue.rules().dead_letter.is_some());
            for left in left.drain(..) {
                let death = forwards.then(|| dead_letter::reason(left.reason)).flatten();
                match death {
                    Some(reason) => self.forward_left(now, id, &left, reason),
                    None if left.is_logged => self.settled.push((id, left.sequence)),
                    None => {}
                }
            }
            self.left = left;
        }
        let returned = self.returned.drain(..).map(|returned| (id, returned));
        self.returns.extend(returned);
    }
}
