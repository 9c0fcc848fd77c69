//! What a step appends: submitted together, and its effects released when it is durable.

use super::{Effect, Shard};
use crate::entry;
use crate::outbox::Outbox;
use log_store::StoreFailed;
use model::{CommandId, LogIndex, Message, QueueId};
use queue::Placement;
use std::sync::Arc;

/// Settlements that wait to ride along are logged at the latest when they are this many.
const SETTLED_MAX: usize = 8192;

impl Shard {
    /// The bytes that were submitted and are not durable.
    pub(crate) fn uncommitted_bytes(&self) -> usize {
        self.uncommitted_bytes
    }

    /// Confirms the command when the open batch is durable.
    pub(crate) fn confirm_with_batch(&mut self, outbox: &Arc<Outbox>, command: CommandId) {
        match self.batch_effects.last_mut() {
            Some(Effect::Confirm {
                outbox: last,
                commands,
            }) if Arc::ptr_eq(last, outbox) => commands.push(command),
            _ => {
                let outbox = Arc::clone(outbox);
                let commands = vec![command];
                self.batch_effects
                    .push(Effect::Confirm { outbox, commands });
            }
        }
    }

    /// Appends a record.
    pub(crate) fn append(&mut self, kind: u8, encode: impl FnOnce(&mut Vec<u8>)) -> LogIndex {
        self.batch
            .get_or_insert_with(|| self.log.batch())
            .push(kind, encode)
    }

    /// Appends the record of a message that has come to queues.
    pub(super) fn append_enqueued(
        &mut self,
        places: &[(QueueId, Placement)],
        message: &Message,
    ) -> LogIndex {
        self.batch
            .get_or_insert_with(|| self.log.batch())
            .push_with_content(entry::ENQUEUED, message, |to| {
                entry::encode_enqueued_before_content(to, places, message);
            })
    }

    /// Submits what this step appends. What waits to ride along rides along.
    pub(crate) fn submit(&mut self, news: &mut Vec<Effect>) -> Result<(), StoreFailed> {
        if self.is_refused() {
            // Nothing of it stands in the log: it refuses what others ask, and may say so at once.
            news.append(&mut self.batch_effects);
            return Ok(());
        }
        if self.batch.is_some() || self.settled.len() + self.returns.len() >= SETTLED_MAX {
            self.log_settled();
        }
        if self.settled.is_empty() && self.returns.is_empty() {
            self.pages.told_is_logged();
        }
        let Some(batch) = self.batch.take() else {
            // What needs no record of its own may still rest on one that is on its way.
            let last = LogIndex(self.log.next_index().0 - 1);
            self.pages.submitted(last);
            self.handle_pages_committed(self.log.committed());
            if last <= self.log.committed() {
                news.append(&mut self.batch_effects);
            } else {
                let effects = self.batch_effects.drain(..).map(|effect| (last, effect));
                self.waiting_effects.extend(effects);
            }
            return Ok(());
        };
        let bytes = batch.size_bytes();
        let last = self.log.submit(batch)?;
        self.pages.submitted(last);
        self.waiting_bytes.push_back((last, bytes));
        self.uncommitted_bytes += bytes;
        let effects = self.batch_effects.drain(..).map(|effect| (last, effect));
        self.waiting_effects.extend(effects);
        for id in self.batch_queues.drain(..) {
            if let Some(hosted) = self.queues.get_mut(&id) {
                hosted.is_in_batch = false;
                self.waiting_queues.push_back((last, id));
            }
        }
        Ok(())
    }

    /// Releases the effects of what has become durable.
    pub(crate) fn handle_committed(&mut self, news: &mut Vec<Effect>) -> Result<(), StoreFailed> {
        if self.is_refused() {
            return Ok(());
        }
        if self.log.is_failed() {
            return Err(StoreFailed);
        }
        let committed = self.log.committed();
        while let Some((index, _)) = self.waiting_effects.front()
            && *index <= committed
        {
            news.extend(self.waiting_effects.pop_front().map(|(_, effect)| effect));
        }
        while let Some((index, bytes)) = self.waiting_bytes.front().copied()
            && index <= committed
        {
            self.waiting_bytes.pop_front();
            self.uncommitted_bytes -= bytes;
        }
        while let Some((index, id)) = self.waiting_queues.front().copied()
            && index <= committed
        {
            self.waiting_queues.pop_front();
            self.touch(id);
        }
        self.handle_pages_committed(committed);
        self.note_committed();
        Ok(())
    }

    /// Whether everything submitted is durable and nothing waits to be.
    pub(crate) fn is_settled(&self) -> bool {
        self.is_refused()
            || !self.has_riders() && LogIndex(self.log.committed().0 + 1) >= self.log.next_index()
    }
}
