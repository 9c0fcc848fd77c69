//! What needs no sync of its own and rides along with the next batch.

use super::Shard;
use crate::entry;
use model::QueueId;
use queue::{Age, Returned};

impl Shard {
    /// Whether something waits for a batch to ride along with.
    pub(crate) fn has_riders(&self) -> bool {
        !self.settled.is_empty()
            || !self.returns.is_empty()
            || !self.riding.is_empty()
            || self.forwards.has_done()
            || self.pages.has_told()
    }

    /// Logs what has waited long enough for a batch to ride along with.
    pub(crate) fn log_riders(&mut self, age: Age) {
        self.log_settled();
        let mut riding = std::mem::take(&mut self.riding);
        riding.retain(|id| self.log_riders_of(*id, age));
        self.riding = riding;
    }

    pub(super) fn log_settled(&mut self) {
        self.log_forwards_done();
        for (id, returned) in std::mem::take(&mut self.returns) {
            self.append(entry::RETURNED, |to| {
                entry::encode_returned(to, id, &returned);
            });
        }
        if self.settled.is_empty() {
            return;
        }
        self.settled.sort_unstable();
        let batch = self.batch.get_or_insert_with(|| self.log.batch());
        let sequences = &mut self.run;
        for run in self.settled.chunk_by(|one, other| one.0 == other.0) {
            sequences.clear();
            sequences.extend(run.iter().map(|(_, sequence)| *sequence));
            if let [(queue, _), ..] = run {
                batch.push(entry::SETTLED, |to| {
                    entry::encode_settled(to, *queue, sequences);
                });
            }
        }
        self.settled.clear();
    }

    /// The same for one queue. Returns whether it still has messages that stand in no log.
    pub(super) fn log_riders_of(&mut self, id: QueueId, age: Age) -> bool {
        let Some(hosted) = self.queues.get_mut(&id) else {
            return false;
        };
        let (batch, log) = (&mut self.batch, &mut self.log);
        if let Some(mark) = hosted.queue.mark_for_unlogged(age) {
            let batch = batch.get_or_insert_with(|| log.batch());
            let index = batch.push(entry::MARKED, |to| entry::encode_marked(to, id, mark));
            hosted.queue.mark_logged(mark, index);
        }
        let mut any = false;
        hosted.queue.log_unlogged(age, |unlogged| {
            any = true;
            let batch = batch.get_or_insert_with(|| log.batch());
            let places = [(id, unlogged.placement)];
            let message = unlogged.message;
            let index = batch.push_with_content(entry::ENQUEUED, message, |to| {
                entry::encode_enqueued_before_content(to, &places, message);
            });
            if unlogged.delivery_count > 0 {
                let returned = Returned {
                    sequence: unlogged.sequence,
                    delivery_count: unlogged.delivery_count,
                    available_at: unlogged.placement.available_at,
                };
                return batch.push(entry::RETURNED, |to| {
                    entry::encode_returned(to, id, &returned);
                });
            }
            index
        });
        hosted.is_riding = hosted.queue.has_unlogged();
        if any && !std::mem::replace(&mut hosted.is_in_batch, true) {
            self.batch_queues.push(id);
        }
        hosted.is_riding
    }
}
