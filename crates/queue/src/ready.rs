//! The messages that wait to be delivered.

use crate::machine::Entry;
use model::Sequence;
use std::collections::VecDeque;

/// So few entries are put back one by one; more are merged.
const ONE_BY_ONE_MAX: usize = 4;

/// The messages that wait to be delivered, ascending by sequence.
#[derive(Debug, Default)]
pub(crate) struct Ready(VecDeque<Entry>);

impl Ready {
    pub(crate) fn new(entries: VecDeque<Entry>) -> Self {
        Self(entries)
    }

    pub(crate) fn first(&self) -> Option<&Entry> {
        self.0.front()
    }

    pub(crate) fn last(&self) -> Option<&Entry> {
        self.0.back()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.0.iter()
    }

    /// The entries at and behind a sequence.
    pub(crate) fn behind(&self, sequence: Sequence) -> impl Iterator<Item = &Entry> {
        self.0.range(self.place(sequence)..)
    }

    /// The same, to change them.
    pub(crate) fn behind_mut(&mut self, sequence: Sequence) -> impl Iterator<Item = &mut Entry> {
        let place = self.place(sequence);
        self.0.range_mut(place..)
    }

    /// Appends an entry, whose sequence is above all others.
    pub(crate) fn push(&mut self, entry: Entry) {
        self.0.push_back(entry);
    }

    pub(crate) fn pop_first(&mut self) -> Option<Entry> {
        self.0.pop_front()
    }

    /// Puts entries, which ascend by sequence, back to their places. Costs what lies before the last
    /// of them, once.
    pub(crate) fn put_back(&mut self, entries: Vec<Entry>) {
        let Some(last) = entries.last().map(|entry| entry.sequence) else {
            return;
        };
        if self.first().is_none_or(|first| last < first.sequence) {
            entries
                .into_iter()
                .rev()
                .for_each(|entry| self.0.push_front(entry));
            return;
        }
        if entries.len() <= ONE_BY_ONE_MAX {
            for entry in entries {
                let place = self.place(entry.sequence);
                self.0.insert(place, entry);
            }
            return;
        }
        let before = self.place(last);
        let mut waiting = self
            .0
            .drain(..before)
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
            .peekable();
        for entry in entries.into_iter().rev() {
            while let Some(later) = waiting.next_if(|waiting| waiting.sequence > entry.sequence) {
                self.0.push_front(later);
            }
            self.0.push_front(entry);
        }
        waiting.for_each(|entry| self.0.push_front(entry));
    }

    /// Where an entry with this sequence stands or would.
    fn place(&self, sequence: Sequence) -> usize {
        // Most go to an end.
        match (self.0.front(), self.0.back()) {
            (Some(first), _) if sequence <= first.sequence => 0,
            (_, Some(last)) if sequence > last.sequence => self.0.len(),
            _ => self.0.partition_point(|entry| entry.sequence < sequence),
        }
    }
}
