//! Deliveries that were prepared before a crash.

use crate::Queue;
use crate::entry::Entry;
use crate::page::{Member, Page, Stage};
use crate::paged::Paged;
use crate::placement::Placement;
use model::{PageNumber, Sequence};
use std::collections::BTreeSet;

impl Queue {
    /// Takes recovered messages out of everybody's reach, as [`prepare`](Self::prepare) did with their deliveries
    /// before a crash. One that is not waiting is passed over. Costs what the queue holds.
    ///
    /// Of one that only a page has, the body is not there when it leaves. Where the queue has a dead-letter rule,
    /// which may need it, such pages are [wanted](Self::wanted_pages) first of all, but for [damaged](Self::page_damaged)
    /// ones: settle when [nothing is awaited](Self::awaits_bodies) any more.
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

    /// Whether the body of a prepared message is still to be read, so that nothing prepared is to be settled yet.
    #[must_use]
    pub fn awaits_bodies(&self) -> bool {
        let pages = self.holdings.pages.as_ref();
        pages.is_some_and(|pages| !pages.bodiless.is_empty())
    }

    /// A page was read: prepared messages that lack their bodies get them.
    pub(crate) fn embody_prepared(&mut self, page: PageNumber, messages: &[Paged]) {
        let pages = self.holdings.pages.as_mut();
        let Some(pages) = pages.filter(|pages| pages.bodiless.contains(&page)) else {
            return;
        };
        pages.bodiless.remove(&page);
        for one in messages {
            let entry = self.prepared.get_mut(one.placement.sequence.0);
            if let Some(entry) = entry.filter(|entry| entry.page() == Some(page))
                && entry.message_here().is_none()
            {
                pages.away_bytes -= entry.cost_bytes();
                self.holdings.bytes -= entry.cost_bytes();
                entry.embody(one.message.clone());
                self.holdings.bytes += entry.cost_bytes();
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
        let can_be_read = pages
            .get(number)
            .is_some_and(|page| page.stage != Stage::Damaged);
        if self.rules.dead_letter.is_some() && can_be_read {
            pages.bodiless.insert(number);
        }
        Some(entry)
    }
}
