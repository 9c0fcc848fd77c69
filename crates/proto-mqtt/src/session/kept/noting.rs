//! Notes on their way to the broker, and what is done once they are durable.

use crate::frame::PacketId;
use crate::session::Link;
use broker_api::{Command, Note, Notes, Out};
use model::{CommandId, Sequence, SubscriptionId};
use std::collections::VecDeque;

/// What one of them takes until it is answered, in bytes.
const NOTE_BYTES: usize = 128;

/// What is done once a note is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::session) enum Then {
    /// The client is sent PUBREL: what it was sent is settled.
    Release(PacketId),
    /// The client is sent PUBCOMP.
    Complete(PacketId),
    /// The identifier of a delivery is free.
    Free(PacketId),
}

/// Notes that are gathered, so that those of one read batch are one command.
#[derive(Debug, Default)]
pub(in crate::session) struct Noting {
    entries: Vec<Note>,
    then: Vec<Then>,
    /// Deliveries that are settled with them.
    accepted: Vec<Sequence>,
    /// Those that are not answered, in order.
    waiting: VecDeque<(CommandId, Vec<Then>)>,
}

impl Noting {
    pub(in crate::session) fn add(&mut self, note: Note, then: Option<Then>) {
        self.entries.push(note);
        self.then.extend(then);
    }

    /// Adds the note of a delivery that is settled with it.
    pub(in crate::session) fn accept(&mut self, note: Note, sequence: Sequence, then: Then) {
        self.add(note, Some(then));
        self.accepted.push(sequence);
    }

    /// Sends what was gathered.
    pub(in crate::session) fn flush(
        &mut self,
        link: &mut Link,
        subscription: SubscriptionId,
        out: &mut Out,
    ) {
        if self.entries.is_empty() {
            return;
        }
        let notes = Notes {
            subscription,
            entries: std::mem::take(&mut self.entries),
            accepted: std::mem::take(&mut self.accepted),
        };
        let command = link.submit(out, Command::Note(Box::new(notes)));
        let then = std::mem::take(&mut self.then);
        self.waiting.push_back((command, then));
    }

    /// The broker has answered: what was to be done then, if this was one of them.
    pub(in crate::session) fn take(&mut self, command: CommandId) -> Option<Vec<Then>> {
        let at = self.waiting.iter().position(|(id, _)| *id == command)?;
        self.waiting.remove(at).map(|(_, then)| then)
    }

    /// What is kept until they are answered, in bytes.
    pub(in crate::session) fn bytes(&self) -> usize {
        let waiting: usize = self.waiting.iter().map(|(_, then)| then.len()).sum();
        (self.entries.len() + waiting) * NOTE_BYTES
    }
}
