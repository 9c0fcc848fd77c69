//! What is kept beside a queue for whoever takes it over: notes, and what is bequeathed.

use crate::entry;
use broker_api::{Note, Recalled, Refusal, Will};
use model::{Instant, LogIndex, QueueId};
use parking_lot::Mutex;
use queue::SubscriberId;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What one note takes in memory beside its key and its value, in bytes.
const NOTE_OVERHEAD_BYTES: usize = 64;

/// What is kept beside a queue for whoever takes it over.
///
/// Made by the first subscription that takes the queue over, or recovered. Ends with the queue.
#[derive(Debug, Default)]
pub(crate) struct Estate {
    /// Whose it is: the subscription that has taken the queue over last, while it is there.
    pub(crate) owner: Option<SubscriberId>,
    /// Since when there is no owner.
    pub(crate) gone_since: Option<Instant>,
    notes: BTreeMap<Box<[u8]>, Box<[u8]>>,
    /// The user for whom the queue is kept: a note that is the broker's own, with an empty key.
    user: Option<Box<str>>,
    /// What they and the will are charged with.
    bytes: usize,
    bequest: Option<Bequeathed>,
    /// Prepared transactions that may change notes.
    pub(crate) pending: usize,
    /// One of them will not be decided: another shard is out of service.
    pub(crate) is_undecided: bool,
    /// The queue is about to end, once the record of its will is durable.
    pub(crate) ending: Option<LogIndex>,
}

/// What an owner has said.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Bequeathed {
    pub(crate) expires_ms: Option<u64>,
    pub(crate) will: Option<Will>,
}

fn will_bytes(bequest: Option<&Bequeathed>) -> usize {
    let will = bequest.and_then(|bequest| bequest.will.as_ref());
    will.map_or(0, |will| will.message.cost_bytes())
}

impl Estate {
    /// What it is charged with.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// What the notes alone are charged with.
    pub(crate) fn notes_bytes(&self) -> usize {
        self.bytes - will_bytes(self.bequest())
    }

    pub(crate) fn has_notes(&self) -> bool {
        !self.notes.is_empty() || self.user.is_some()
    }

    /// The user for whom the queue is kept.
    pub(crate) fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    pub(crate) fn bequest(&self) -> Option<&Bequeathed> {
        self.bequest.as_ref()
    }

    /// All notes of owners by ascending key.
    pub(crate) fn recall(&self) -> Vec<Recalled> {
        let notes = self.notes.iter();
        notes
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    }

    /// All notes as entries of a record.
    pub(crate) fn noted(&self) -> Vec<Note> {
        let notes = self.recall().into_iter();
        let notes = notes.map(|(key, value)| Note {
            key,
            value: Some(value),
        });
        self.user().map(of_user).into_iter().chain(notes).collect()
    }

    /// By how much it would grow at most.
    pub(crate) fn growth(&self, entries: &[Note]) -> usize {
        let kept = entries.iter().filter_map(|note| {
            let value = note.value.as_ref()?;
            let before = self.notes.get(&note.key);
            Some(match before {
                Some(before) => value.len().saturating_sub(before.len()),
                None => NOTE_OVERHEAD_BYTES + note.key.len() + value.len(),
            })
        });
        kept.sum()
    }

    pub(crate) fn note(&mut self, entries: Vec<Note>) {
        for Note { key, value } in entries {
            if key.is_empty() {
                let user = value.and_then(|value| String::from_utf8(value.into()).ok());
                self.user = user.map(String::into_boxed_str);
                continue;
            }
            let key_len = key.len();
            let taken = |value: &[u8]| NOTE_OVERHEAD_BYTES + key_len + value.len();
            let before = match value {
                Some(value) => {
                    self.bytes += taken(&value);
                    self.notes.insert(key, value)
                }
                None => self.notes.remove(&key),
            };
            self.bytes -= before.map_or(0, |before| taken(&before));
        }
    }

    pub(crate) fn bequeath(&mut self, bequest: Bequeathed) {
        self.bytes -= will_bytes(self.bequest.as_ref());
        self.bytes += will_bytes(Some(&bequest));
        self.bequest = Some(bequest);
    }

    /// Takes the will out, if there is one.
    pub(crate) fn take_will(&mut self) -> Option<Will> {
        self.bytes -= will_bytes(self.bequest.as_ref());
        self.bequest.as_mut()?.will.take()
    }

    /// When the will is to be published, if somebody has gone and left one.
    pub(crate) fn will_at(&self) -> Option<Instant> {
        let will = self.bequest.as_ref()?.will.as_ref()?;
        Some(self.gone_since?.plus_millis(will.delay_ms))
    }

    /// The queue has an owner from now on.
    pub(crate) fn take_over(&mut self, owner: SubscriberId) {
        self.owner = Some(owner);
        self.gone_since = None;
    }
}

/// The note of the user for whom a queue is kept.
pub(crate) fn of_user(user: &str) -> Note {
    Note {
        key: Box::default(),
        value: Some(user.as_bytes().into()),
    }
}

/// How many queues are kept for each user.
#[derive(Debug, Default)]
pub(crate) struct KeptQueues(Mutex<BTreeMap<Box<str>, usize>>);

impl KeptQueues {
    /// One more is kept for a user. One that is recovered is, whatever the limit.
    ///
    /// # Errors
    /// [`Refusal::LimitReached`].
    pub(crate) fn add(&self, user: &str, max: usize) -> Result<(), Refusal> {
        let mut counts = self.0.lock();
        let count = counts.entry(user.into()).or_default();
        if *count >= max {
            return Err(Refusal::LimitReached {
                what: "queues that are kept for one user",
                limit: max as u64,
            });
        }
        *count += 1;
        Ok(())
    }

    /// One of them has ended, or is another's.
    pub(crate) fn remove(&self, user: &str) {
        let mut counts = self.0.lock();
        if let Some(count) = counts.get_mut(user) {
            *count -= 1;
            if *count == 0 {
                counts.remove(user);
            }
        }
    }
}

/// For [`entry::BEQUEATHED`].
pub(crate) fn encode_bequest(to: &mut Vec<u8>, queue: QueueId, estate: &Estate) {
    let bequest = estate.bequest();
    let expires_ms = bequest.and_then(|bequest| bequest.expires_ms);
    let will = bequest.and_then(|bequest| bequest.will.as_ref());
    entry::encode_bequeathed(to, queue, expires_ms, will);
}

/// What the estates of all queues are charged with.
#[derive(Debug, Default)]
pub(crate) struct EstateBytes(AtomicUsize);

/// So many bytes at least may be kept in estates, whatever the memory for queued messages.
const ESTATE_BYTES_MIN: usize = 32 << 20;

impl EstateBytes {
    /// What may be kept, with so much memory for queued messages.
    pub(crate) fn max(queued_bytes: usize) -> usize {
        (queued_bytes / 4).max(ESTATE_BYTES_MIN)
    }

    /// What may be kept for a will to be added: wills, which may wait for ever, leave room for notes.
    pub(crate) fn max_with_wills(queued_bytes: usize) -> usize {
        Self::max(queued_bytes) / 2
    }

    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// Something has changed from one size to another.
    pub(crate) fn change(&self, before: usize, after: usize) {
        if after >= before {
            self.0.fetch_add(after - before, Ordering::Relaxed);
        } else {
            self.0.fetch_sub(before - after, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(key: &[u8], value: Option<&[u8]>) -> Note {
        Note {
            key: key.into(),
            value: value.map(Into::into),
        }
    }

    #[test]
    fn what_is_kept_is_charged_and_released() {
        let mut estate = Estate::default();
        let entries = vec![
            note(b"a", Some(b"1")),
            note(b"b", Some(b"22")),
            note(b"a", Some(b"333")),
        ];
        let growth = estate.growth(&entries);
        estate.note(entries);
        assert_eq!(estate.bytes(), 2 * NOTE_OVERHEAD_BYTES + 2 + 5);
        assert!(growth >= estate.bytes());
        assert_eq!(estate.growth(&[note(b"a", Some(b"4"))]), 0);
        assert_eq!(
            estate.recall(),
            [
                (Box::from(*b"a"), Box::from(*b"333")),
                (Box::from(*b"b"), Box::from(*b"22"))
            ] as [Recalled; 2]
        );
        estate.note(vec![note(b"a", None), note(b"b", None), note(b"c", None)]);
        assert_eq!((estate.bytes(), estate.has_notes()), (0, false));
    }
}
