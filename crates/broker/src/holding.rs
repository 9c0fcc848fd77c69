//! What a connection asks of the queues that it has taken over.

use crate::connection::{Connection, Subscription};
use crate::mailbox::{Bequeathing, Control, Keeping, Noting};
use crate::routes::QueueTarget;
use crate::topology::Wish;
use broker_api::{Bequest, Keep, Notes, OwnMessages, Refusal};
use model::{CommandId, SubscriptionId};

/// The longest key and the longest value of a note, in bytes.
const NOTE_BYTES_MAX: usize = 1 << 20;

/// The most notes that are changed at once.
const NOTES_MAX: usize = 1 << 20;

impl Connection {
    pub(crate) fn note(&mut self, command: CommandId, notes: Notes) {
        match self.noting_target(&notes) {
            Ok(target) => {
                let noting = Noting {
                    subscriber: self.subscriber(notes.subscription),
                    target,
                    entries: notes.entries,
                    accepted: notes.accepted,
                    asker: self.asker(command),
                };
                self.control(target.executor, Control::Note(noting));
            }
            Err(refusal) => self.refuse(command, refusal),
        }
    }

    pub(crate) fn recall(&mut self, command: CommandId, subscription: SubscriptionId) {
        match self.taken_over(subscription) {
            Ok(target) => {
                let recall = Control::Recall {
                    subscriber: self.subscriber(subscription),
                    target,
                    asker: self.asker(command),
                };
                self.control(target.executor, recall);
            }
            Err(refusal) => self.refuse(command, refusal),
        }
    }

    pub(crate) fn bequeath(&mut self, command: CommandId, bequest: Bequest) {
        match self.taken_over(bequest.subscription) {
            Ok(target) => {
                let bequeathing = Bequeathing {
                    subscriber: self.subscriber(bequest.subscription),
                    target,
                    expires_ms: bequest.expires_ms,
                    will: bequest.will,
                    asker: self.asker(command),
                };
                let bequeath = Control::Bequeath(Box::new(bequeathing));
                self.control(target.executor, bequeath);
            }
            Err(refusal) => self.refuse(command, refusal),
        }
    }

    pub(crate) fn keep(&mut self, command: CommandId, keep: Keep, wish: Wish) {
        match self.taken_over(keep.keeper) {
            Ok(target) => {
                let keeping = Keeping {
                    subscriber: self.subscriber(keep.keeper),
                    target,
                    queue: keep.queue,
                    wish,
                    asker: self.asker(command),
                };
                self.control(target.executor, Control::Keep(Box::new(keeping)));
            }
            Err(refusal) => self.refuse(command, refusal),
        }
    }

    /// Where these notes are kept, if they are of a size that is.
    pub(crate) fn noting_target(&self, notes: &Notes) -> Result<QueueTarget, Refusal> {
        let target = self.taken_over(notes.subscription)?;
        let too_much = |what, limit: usize| {
            let limit = limit as u64;
            Err(Refusal::LimitReached { what, limit })
        };
        if notes.entries.len() > NOTES_MAX {
            return too_much("notes changed at once", NOTES_MAX);
        }
        if notes.entries.iter().any(|note| note.key.is_empty()) {
            return Err(Refusal::Invalid("a note without a key".to_owned()));
        }
        let lengths = notes.entries.iter();
        let lengths = lengths.map(|note| {
            note.value
                .as_ref()
                .map_or(0, |it| it.len())
                .max(note.key.len())
        });
        if lengths.max().unwrap_or_default() > NOTE_BYTES_MAX {
            return too_much("bytes of a note", NOTE_BYTES_MAX);
        }
        Ok(target)
    }

    /// The queue that a subscription has taken over.
    fn taken_over(&self, subscription: SubscriptionId) -> Result<QueueTarget, Refusal> {
        match self.subscriptions.get(&subscription) {
            Some(Subscription::Queue {
                target, takes_over, ..
            }) if *takes_over => Ok(*target),
            Some(
                Subscription::Queue { .. }
                | Subscription::Direct { .. }
                | Subscription::Private { .. },
            ) => {
                let text = "the subscription has not taken a queue over".to_owned();
                Err(Refusal::Invalid(text))
            }
            None => Err(Refusal::SubscriptionNotFound(subscription)),
        }
    }

    /// The queues that get nothing of what the connection publishes so.
    pub(crate) fn own_queues(&self, own_messages: OwnMessages) -> Vec<QueueTarget> {
        if own_messages == OwnMessages::Deliver {
            return Vec::new();
        }
        let subscriptions = self.subscriptions.values();
        let own = subscriptions.filter_map(|subscription| match subscription {
            Subscription::Queue {
                target, takes_over, ..
            } if *takes_over => Some(*target),
            Subscription::Queue { .. }
            | Subscription::Direct { .. }
            | Subscription::Private { .. } => None,
        });
        own.collect()
    }
}
