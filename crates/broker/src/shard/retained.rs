//! The last messages of keys whose records stand in a shard's log.

use super::{Effect, Enqueued, Shard};
use crate::entry::{self, Group};
use crate::retained::{Limit, Setting};
use crate::transaction::Asker;
use broker_api::{Event, Refusal, Reply};
use model::{Instant, Message, QueueId};
use std::collections::BTreeMap;
use std::sync::Arc;

/// So many expire at once, before others have their turn.
const EXPIRED_MAX: usize = 1024;

/// What the log holds of each key: the record with the highest version. One that takes a message away is known until
/// no older record can come.
#[derive(Default)]
pub(super) struct Kept {
    last: BTreeMap<Arc<[u8]>, Setting>,
    /// Versions are unique.
    deadlines: BTreeMap<(Instant, u64), Arc<[u8]>>,
}

impl Kept {
    /// When the first expires.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let first = self.deadlines.first_key_value();
        first.map(|((at, _), _)| *at)
    }

    /// All messages.
    pub(super) fn settings(&self) -> Vec<Setting> {
        let settings = self.last.values();
        let is_there = |setting: &&Setting| !setting.message.body().is_empty();
        settings.filter(is_there).cloned().collect()
    }

    fn has_later(&self, setting: &Setting) -> bool {
        let last = self.last.get(setting.message.key());
        last.is_some_and(|last| last.version > setting.version)
    }

    fn insert(&mut self, setting: Setting) {
        self.forget(setting.message.key());
        let key: Arc<[u8]> = setting.message.key().into();
        if let Some(at) = setting.expires_at {
            let key = Arc::clone(&key);
            self.deadlines.insert((at, setting.version), key);
        }
        self.last.insert(key, setting);
    }

    fn forget(&mut self, key: &[u8]) {
        if let Some(last) = self.last.remove(key)
            && let Some(at) = last.expires_at
        {
            self.deadlines.remove(&(at, last.version));
        }
    }

    fn pop_due(&mut self, now: Instant) -> Option<(u64, Arc<[u8]>)> {
        let due = self.deadlines.first_entry()?;
        let (at, version) = *due.key();
        (at <= now).then(|| (version, due.remove()))
    }
}

impl Shard {
    /// Takes back what the log holds.
    pub(crate) fn recover_retained(&mut self, setting: Setting) {
        self.kept.insert(setting);
    }

    /// Logs what has been set.
    pub(crate) fn retain(&mut self, setting: Setting) -> Enqueued {
        if let Some(refusal) = self.refusal() {
            self.node.retained.logged(setting.message.key());
            return Enqueued::Refused(refusal);
        }
        if !self.kept.has_later(&setting) {
            let batch = self.batch.get_or_insert_with(|| self.log.batch());
            batch.push_with_content(entry::RETAINED, &setting.message, |to| {
                entry::encode_retained_before_content(to, &setting);
            });
        }
        self.note_retained(setting);
        // One that is older than what the log has is as safe as that.
        Enqueued::InBatch
    }

    /// Puts what a transaction retains into its record, and sets it if that has not been done. Until it has been pushed, the
    /// transaction holds its key.
    pub(super) fn retain_in_group(
        &mut self,
        now: Instant,
        message: &Message,
        set: Option<Setting>,
        group: &mut Group,
    ) {
        let settings = &self.node.settings;
        let set = set.map_or_else(
            || {
                let passed = Limit::Passed;
                self.node.retained.set(settings, now, message, None, passed)
            },
            Ok,
        );
        if let Ok(setting) = set {
            group.push(entry::RETAINED, |to| entry::encode_retained(to, &setting));
            self.note_retained(setting);
        }
    }

    fn note_retained(&mut self, setting: Setting) {
        let is_gone = self.node.retained.logged(setting.message.key());
        if is_gone {
            self.kept.forget(setting.message.key());
        } else if !self.kept.has_later(&setting) {
            self.kept.insert(setting);
        }
    }

    /// Takes away what has expired. Returns whether there is more to do at once.
    pub(super) fn expire_retained(&mut self, now: Instant) -> bool {
        for _ in 0..EXPIRED_MAX {
            let Some((version, key)) = self.kept.pop_due(now) else {
                return false;
            };
            // Where another record is on its way, what it has to be compared with stays.
            if self.node.retained.expire(&key, version) {
                self.kept.forget(&key);
            }
        }
        true
    }

    /// Puts messages that were retained into a queue. Returns why one of them was refused.
    pub(crate) fn queue_retained(
        &mut self,
        now: Instant,
        queue: QueueId,
        messages: Vec<Message>,
    ) -> Option<Refusal> {
        let mut refused = None;
        for message in messages {
            match self.publish_one(now, queue, message) {
                Enqueued::InBatch | Enqueued::AtOnce => {}
                Enqueued::Refused(refusal) => refused = Some(refusal),
            }
        }
        refused
    }

    /// Who asked for that is told once all of it is safe.
    pub(crate) fn answer_filled(&mut self, asker: Asker, refused: Option<Refusal>) {
        let Asker {
            outbox, command, ..
        } = asker;
        let done = refused.map_or(Ok(Reply::Nothing), Err);
        let event = Event::Done(command, done);
        self.batch_effects.push(Effect::Answer { outbox, event });
    }
}
