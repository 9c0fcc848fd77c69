//! The state of a shard at one moment, as records.

use super::Shard;
use crate::entry::{self, Forwarded};
use crate::retained::Setting;
use log_store::SnapshotSource;
use model::{Message, QueueId, ShardId};
use queue::{Placement, Returned};

impl Shard {
    /// The state of all durable queues, for a snapshot of what has been submitted so far; `ahead` goes first.
    pub(crate) fn snapshot(&self, ahead: Vec<(u8, Vec<u8>)>) -> Snapshot {
        assert!(self.batch.is_none(), "a snapshot is taken between batches");
        let mut states = ahead;
        let mut messages = Vec::new();
        for (id, hosted) in &self.queues {
            if !hosted.is_durable() {
                continue;
            }
            let (next, mark) = (hosted.queue.next_sequence(), hosted.queue.delivery_mark());
            states.push(record(entry::QUEUE, |to| {
                entry::encode_queue(to, *id, next, mark);
            }));
            states.extend(
                hosted
                    .queue
                    .page_states()
                    .map(|state| record(entry::PAGE, |to| entry::encode_page(to, *id, &state))),
            );
            let held = hosted.queue.messages().filter(|held| held.is_logged);
            messages.extend(held.map(|held| Held {
                queue: *id,
                placement: held.placement,
                delivery_count: held.delivery_count,
                message: held.message.clone(),
            }));
        }
        let mut behind = Vec::new();
        self.snapshot_forwards(&mut behind);
        self.snapshot_transactions(&mut behind);
        Snapshot {
            states: states.into_iter(),
            messages: messages.into_iter(),
            counts: Vec::new(),
            behind: behind.into_iter(),
            retained: self.kept.settings().into_iter(),
        }
    }

    fn snapshot_forwards(&self, records: &mut Vec<(u8, Vec<u8>)>) {
        for (id, outgoing) in &self.forwards.outgoing {
            let forwarded = Forwarded {
                id: *id,
                source: None,
                to: outgoing.to.clone(),
                message: outgoing.message.clone(),
            };
            records.push(record(entry::FORWARDED, |to| {
                entry::encode_forwarded(to, &forwarded);
            }));
        }
        for (from, id) in &self.forwards.received {
            records.push(record(entry::RECEIVED, |to| {
                entry::encode_received(to, *from, *id, None);
            }));
        }
        let (forward, transaction) = (self.forwards.next, self.transactions.next);
        records.push(record(entry::NUMBERS, |to| {
            entry::encode_numbers(to, forward, transaction);
        }));
    }

    fn snapshot_transactions(&self, records: &mut Vec<(u8, Vec<u8>)>) {
        for (id, prepared) in &self.transactions.prepared {
            records.push(record(entry::PREPARED, |to| {
                entry::encode_prepared(to, *id, prepared);
            }));
        }
        for (number, shards) in self.transactions.decided() {
            let shards: Vec<ShardId> = shards.to_vec();
            records.push(record(entry::DECIDED, |to| {
                entry::encode_decided(to, number, shards.into_iter());
            }));
        }
    }
}

fn record(kind: u8, encode: impl FnOnce(&mut Vec<u8>)) -> (u8, Vec<u8>) {
    let mut payload = Vec::new();
    encode(&mut payload);
    (kind, payload)
}

/// The state of a shard at one moment.
pub(crate) struct Snapshot {
    states: std::vec::IntoIter<(u8, Vec<u8>)>,
    messages: std::vec::IntoIter<Held>,
    /// Counts of messages that were written.
    counts: Vec<(QueueId, Returned)>,
    behind: std::vec::IntoIter<(u8, Vec<u8>)>,
    retained: std::vec::IntoIter<Setting>,
}

struct Held {
    queue: QueueId,
    placement: Placement,
    delivery_count: u32,
    message: Message,
}

impl SnapshotSource for Snapshot {
    fn next_record(&mut self, payload: &mut Vec<u8>) -> Option<u8> {
        if let Some((kind, state)) = self.states.next() {
            payload.extend_from_slice(&state);
            return Some(kind);
        }
        if let Some((queue, returned)) = self.counts.pop() {
            entry::encode_returned(payload, queue, &returned);
            return Some(entry::RETURNED);
        }
        if let Some(held) = self.messages.next() {
            if held.delivery_count > 0 {
                let returned = Returned {
                    sequence: held.placement.sequence,
                    delivery_count: held.delivery_count,
                    available_at: held.placement.available_at,
                };
                self.counts.push((held.queue, returned));
            }
            let places = [(held.queue, held.placement)];
            entry::encode_enqueued(payload, &places, &held.message);
            return Some(entry::ENQUEUED);
        }
        if let Some((kind, state)) = self.behind.next() {
            payload.extend_from_slice(&state);
            return Some(kind);
        }
        let setting = self.retained.next()?;
        entry::encode_retained(payload, &setting);
        Some(entry::RETAINED)
    }
}
