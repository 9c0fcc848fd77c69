//! Deliveries that were prepared before a crash.

use crate::Queue;
use crate::entry::Entry;
use crate::page::{Member, Page};
use crate::placement::Placement;
use model::{PageNumber, Sequence};
use std::collections::BTreeSet;

impl Queue {
    /// Takes recovered messages out of everybody's reach, as [`prepare`](Self::prepare) did with their deliveries
    /// before a crash. One that is not waiting is passed over. Costs what the queue holds.
    ///
    /// Of one that only a page has, the body is not there: [`await_bodies`](Self::await_bodies) before it is settled.
    pub fn prepare_ready(&mut self, sequences: &[Sequence]) {
        let sequences: BTreeSet<_> = sequences.iter().collect();
        let waiting = self.ready.iter();
        let spots: Vec<_> = waiting
            .filter(|entry| sequences.contains(&entry.sequence))
            .map(|entry| self.ready.spot(entry.sequence, entry.message()))
            .collect();
        for spot in spots {
            if let Some(mut entry) = self.take(spot) {
                // It was delivered, so its delay was over.
                entry.clear_available_at();
                self.prepared.insert(entry.sequence.0, entry);
            }
        }
        for sequence in sequences {
            if let Some(entry) = self.take_from_page(*sequence) {
                self.prepared.insert(sequence.0, entry);
            }
        }
    }

    /// Takes a message from among those that wait in pages only, without its body.
    fn take_from_page(&mut self, sequence: Sequence) -> Option<Entry> {
        let pages = self.holdings.pages.as_mut()?;
        let waits = |member| matches!(member, Some(Member::Cold | Member::Delayed));
        let holds =
            |(number, page): (PageNumber, &Page)| waits(page.member(sequence)).then_some(number);
        let number = pages.iter().find_map(holds)?;
        let taken = pages.change(number, |page| page.take(sequence))??;
        let mut entry = Entry::away(Placement::at(sequence), number, taken);
        if sequence <= pages.recovered_mark || entry.delivery_count() > 0 {
            entry.set_redelivered();
        }
        pages.away_bytes += entry.cost_bytes();
        Some(entry)
    }
}
