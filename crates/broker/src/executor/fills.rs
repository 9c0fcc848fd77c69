//! What is retained, put into queues: a piece at a time, in turn with all else.

use super::Executor;
use crate::mailbox::{Admission, Filling};
use crate::retained::{KeyPattern, Place};
use crate::routes::QueueTarget;
use crate::transaction::Asker;
use broker_api::Refusal;
use model::{Instant, Message, Pattern};
use std::collections::VecDeque;
use std::ops::Bound;

/// So many bytes of messages are put into a queue at a time.
const PIECE_BYTES: usize = 256 << 10;

/// Queues that are being filled, in turn.
pub(super) type Fills = VecDeque<Fill>;

/// A queue that is being filled.
///
/// A key is looked at by the queue's own executor, after the queue was bound: what was set before is found, and what is
/// set later comes to the mailbox later, and so stands behind it in the queue.
pub(super) struct Fill {
    target: QueueTarget,
    asked: Pattern,
    pattern: KeyPattern,
    from: Place,
    asker: Asker,
    refused: Option<Refusal>,
}

impl Executor {
    pub(super) fn begin_fill(&mut self, filling: Filling) {
        let Filling {
            target,
            pattern,
            asker,
        } = filling;
        // Who has asked for the same and is gone was not told that it is done, and has it done anew: else a client that
        // comes and goes would have it done for each time.
        self.fills.retain(|fill| {
            let is_same = fill.target == target && fill.asked == pattern;
            !(is_same && fill.asker.outbox.is_closed())
        });
        self.fills.push_back(Fill {
            target,
            pattern: KeyPattern::new(&pattern),
            asked: pattern,
            from: Bound::Unbounded,
            asker,
            refused: None,
        });
    }

    /// Whether a queue can be filled further: like publishes, that waits for the store and for memory.
    pub(super) fn has_fill(&self) -> bool {
        !self.fills.is_empty() && self.admission() == Admission::Open
    }

    /// Puts a piece into the queue whose turn it is. Who asked is told once all is safe.
    pub(super) fn fill(&mut self, now: Instant) {
        let Some(mut fill) = self.fills.pop_front() else {
            return;
        };
        let retained = &self.node.retained;
        let (found, next) = retained.look(now, &fill.pattern, &fill.from, PIECE_BYTES);
        let matching = found.into_iter();
        let matching = matching.filter_map(|found| found.matching(now, &fill.pattern));
        let messages: Vec<Message> = matching.map(|shown| shown.message).collect();
        let shard = self.shard(fill.target.shard);
        let refused = shard.queue_retained(now, fill.target.queue, messages);
        fill.refused = refused.or(fill.refused);
        match next {
            Some(next) if shard.has_queue(fill.target.queue) => {
                fill.from = next;
                self.fills.push_back(fill);
            }
            Some(_) | None => shard.answer_filled(fill.asker, fill.refused),
        }
    }
}
