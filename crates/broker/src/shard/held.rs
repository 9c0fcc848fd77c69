//! What waits for bodies: settlements and transactions that make dead letters of messages which only pages have.
//!
//! Such a message [awaits its body](queue::Queue::awaited) and becomes a dead letter when its page has been read, with one
//! record. Whatever says that this has happened is held until then. A crash before finds the message unsettled.

use super::Shard;
use crate::outbox::Outbox;
use crate::retained::Setting;
use crate::transaction::{Asker, Decision, Prepared, TransactionId};
use broker_api::{DeleteIf, Event, Refusal};
use model::{CommandId, Instant, QueueId, Sequence};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What is done when all bodies are there.
pub(super) enum Then {
    /// A settlement is confirmed.
    Confirm {
        outbox: Arc<Outbox>,
        command: CommandId,
    },
    /// A transaction on this shard alone takes effect.
    Transact {
        prepared: Prepared,
        bytes: usize,
        asker: Asker,
    },
    /// A transaction on several shards is voted on.
    Vote {
        id: TransactionId,
        prepared: Prepared,
    },
    /// One that was decided before a crash takes effect.
    Commit {
        id: TransactionId,
        settings: Vec<Setting>,
    },
    /// A queue ends: what was rejected before goes out first.
    End {
        queue: QueueId,
        condition: DeleteIf,
        asker: Option<Asker>,
    },
}

/// Something that waits.
struct Held {
    /// So many bodies are missing.
    missing: usize,
    /// Why one of them will never be there.
    damage: Option<Refusal>,
    then: Then,
}

/// All that waits in a shard.
#[derive(Default)]
pub(super) struct Holds {
    last: u64,
    held: BTreeMap<u64, Held>,
    /// Which messages each waits for.
    by_message: BTreeSet<(QueueId, Sequence, u64)>,
    /// Those that wait for nothing more, in this order.
    due: Vec<u64>,
}

impl Holds {
    /// A body is there, or never will be.
    fn note(&mut self, queue: QueueId, sequence: Sequence, damage: Option<&Refusal>) {
        let waiting = (queue, sequence, 0)..=(queue, sequence, u64::MAX);
        let waiting: Vec<_> = self.by_message.range(waiting).copied().collect();
        for key @ (.., number) in waiting {
            self.by_message.remove(&key);
            let Some(held) = self.held.get_mut(&number) else {
                continue;
            };
            held.missing -= 1;
            if held.damage.is_none() {
                held.damage = damage.cloned();
            }
            if held.missing == 0 {
                self.due.push(number);
            }
        }
    }
}

impl Shard {
    /// Does something when none of these messages awaits its body any more: at once if none does.
    pub(super) fn when_here(
        &mut self,
        now: Instant,
        awaited: Vec<(QueueId, Sequence)>,
        then: Then,
    ) {
        if awaited.is_empty() {
            self.carry_on(now, then, None);
            return;
        }
        let holds = &mut self.holds;
        holds.last += 1;
        let number = holds.last;
        let mut missing = 0;
        for (queue, sequence) in awaited {
            missing += usize::from(holds.by_message.insert((queue, sequence, number)));
        }
        let held = Held {
            missing,
            damage: None,
            then,
        };
        holds.held.insert(number, held);
    }

    /// Messages of a queue do no longer await their bodies: they have them, or never will for this reason.
    pub(super) fn note_here(
        &mut self,
        queue: QueueId,
        sequences: &[Sequence],
        damage: Option<&Refusal>,
    ) {
        for sequence in sequences {
            self.holds.note(queue, *sequence, damage);
        }
    }

    /// A queue has ended, and nothing of it is awaited.
    pub(super) fn note_ended(&mut self, queue: QueueId) {
        let waiting = (queue, Sequence(0), 0)..=(queue, Sequence(u64::MAX), u64::MAX);
        let waiting = self.holds.by_message.range(waiting);
        let sequences: Vec<_> = waiting.map(|(_, sequence, _)| *sequence).collect();
        self.note_here(queue, &sequences, None);
    }

    /// Does what waits for nothing more.
    pub(super) fn release_held(&mut self, now: Instant) {
        while !self.holds.due.is_empty() {
            for number in std::mem::take(&mut self.holds.due) {
                if let Some(held) = self.holds.held.remove(&number) {
                    self.carry_on(now, held.then, held.damage);
                }
            }
        }
    }

    fn carry_on(&mut self, now: Instant, then: Then, damage: Option<Refusal>) {
        match then {
            Then::Confirm { outbox, command } => match damage {
                None => {
                    // What became no dead letter after all is only to be logged yet.
                    self.log_settled();
                    self.confirm_with_batch(&outbox, command);
                }
                Some(refusal) => outbox.push(&mut vec![Event::Done(command, Err(refusal))]),
            },
            Then::Transact {
                prepared,
                bytes,
                asker,
            } => {
                self.node.letters.release(bytes);
                self.finish_transact(now, prepared, asker, damage.map_or(Ok(()), Err));
            }
            Then::Vote { id, prepared } => {
                self.vote(now, id, prepared, damage.map_or(Ok(()), Err));
            }
            // It is decided: what cannot leave stays in its damaged page.
            Then::Commit { id, settings } => {
                self.carry_out(now, id, Decision::Commit, settings);
            }
            Then::End {
                queue,
                condition,
                asker,
            } => self.end_checked(now, queue, condition, asker),
        }
    }
}
