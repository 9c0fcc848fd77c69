//! How messages leave memory that a page has.

use crate::Queue;
use crate::entry::Entry;
use crate::machine::Holdings;
use crate::page::{Member, Page, Stage, Sunk};
use crate::pages::Pages;
use crate::ready::Spot;
use model::{PageNumber, Sequence};
use std::collections::BTreeSet;

impl Queue {
    /// Drops from memory what stands in saved pages and is not about to be delivered: of each lane, and of the delayed
    /// messages, all but about `keep_bytes` in front, and but what a subscription that chooses is looking at. Needs no
    /// writing; returns what those are charged with.
    ///
    /// What is kept should not be less than what is read ahead, or it goes and comes again.
    pub fn shed(&mut self, keep_bytes: usize) -> usize {
        let kept_pages = self.looked_at();
        let Some(pages) = self.holdings.pages.as_deref() else {
            return 0;
        };
        let mut spots = Vec::new();
        for (lane, messages) in self.ready.by_lane() {
            let mut kept = 0usize;
            for entry in messages.ordered() {
                kept = kept.saturating_add(entry.cost_bytes());
                let is_cold = kept > keep_bytes
                    && entry.page().is_some_and(|page| {
                        let is_read = pages.get(page).is_some_and(|page| page.lane == lane);
                        is_read && !kept_pages.contains(&page) && pages.holds(page, entry)
                    });
                if is_cold {
                    let sequence = entry.sequence;
                    spots.push(Spot { lane, sequence });
                }
            }
        }
        let mut kept = 0usize;
        for (spot, entry) in self.ready.delayed_first() {
            kept = kept.saturating_add(entry.cost_bytes());
            let is_read = |page| pages.get(page).is_some_and(|page| page.lane == spot.lane);
            let has_page = |page| is_read(page) && pages.holds(page, entry);
            if kept > keep_bytes && entry.page().is_some_and(has_page) {
                spots.push(spot);
            }
        }
        if spots.is_empty() {
            return 0;
        }
        let before = self.resident_bytes();
        let mut sunk = BTreeSet::new();
        // From behind: so each leaves the end of its lane.
        for spot in spots.into_iter().rev() {
            if let Some(entry) = self.ready.take(spot) {
                sunk.extend(entry.page());
                self.holdings.sink(&entry);
            }
        }
        if let Some(pages) = &mut self.holdings.pages {
            for page in sunk {
                pages.change(page, Page::come_to_rest);
            }
        }
        self.ready.shrink();
        before - self.resident_bytes()
    }

    /// A message that only its page has goes back there, or waits until its delay is over.
    pub(crate) fn put_back_away(&mut self, entry: Entry) -> Spot {
        let pages = self.holdings.pages.as_deref();
        let page = entry.page().and_then(|page| pages?.get(page));
        let lane = page.map_or(0, |page| page.lane);
        let sequence = entry.sequence;
        let spot = Spot { lane, sequence };
        if entry.available_at().is_some() {
            self.ready.insert_at(spot, entry);
        } else {
            self.holdings.sink(&entry);
        }
        spot
    }

    /// Drops the bodies of messages in subscribers' hands that saved pages have. Those that become dead letters are read
    /// [once more](Self::next_body_page). Needs no writing; returns what they are charged with.
    pub fn strip_hands(&mut self) -> usize {
        let before = self.resident_bytes();
        let Some(pages) = &mut self.holdings.pages else {
            return 0;
        };
        for page in std::mem::take(&mut pages.in_hands) {
            self.strip_in_hands(page);
        }
        before - self.resident_bytes()
    }

    /// The same of one page, once it is saved.
    pub(crate) fn strip_in_hands(&mut self, page: PageNumber) {
        let Some(pages) = self.holdings.pages.as_deref_mut() else {
            return;
        };
        let Some(known) = pages.get(page) else {
            return;
        };
        if !known.is_saved() {
            pages.in_hands.insert(page);
            return;
        }
        let members = known.members_in(Member::Out);
        for subscription in self.subscriptions.values_mut() {
            let unsettled = &mut subscription.unsettled;
            // There may be many subscriptions that have little each.
            let few = (unsettled.len() < members.len()).then(|| {
                let own = unsettled.iter().map(|(sequence, _)| Sequence(sequence));
                own.filter(|sequence| members.binary_search(sequence).is_ok())
                    .collect::<Vec<_>>()
            });
            for sequence in few.as_ref().unwrap_or(&members) {
                if let Some(entry) = unsettled.get_mut(sequence.0) {
                    self.holdings.strip(entry);
                }
            }
        }
    }

    /// The pages of the messages that subscriptions look at that choose.
    fn looked_at(&self) -> BTreeSet<PageNumber> {
        if !self.has_cursors && self.browsers.is_empty() {
            return BTreeSet::new();
        }
        let looks = self.subscriptions.values().flat_map(|subscription| {
            let lanes = self.ready.by_lane();
            lanes.map(|(number, lane)| lane.first_from(subscription.cursor(number)))
        });
        let browses = self.browsers.values().map(|browser| {
            let (lane, from, _) = browser.place()?;
            self.ready.lanes().get(usize::from(lane))?.first_from(from)
        });
        let looked_at = looks.chain(browses).flatten();
        looked_at.filter_map(Entry::page).collect()
    }
}

impl Holdings {
    /// Whether a saved page, readable or not, has a message that is in memory.
    pub(crate) fn is_in_saved_page(&self, entry: &Entry) -> bool {
        let pages = self.pages.as_deref();
        let page = entry.page().and_then(|page| pages?.get(page));
        page.is_some_and(|page| page.is_saved() && page.member(entry.sequence) == Some(Member::Out))
    }

    /// Lets go of a message itself if its page has it.
    pub(crate) fn strip(&mut self, entry: &mut Entry) {
        if let Some(pages) = &mut self.pages
            && let Some(page) = entry.page()
            && pages.holds(page, entry)
        {
            pages.away_bytes += entry.strip();
        }
    }

    /// A message that is in memory, and does not wait there, is from now on only in its page.
    pub(crate) fn sink(&mut self, entry: &Entry) {
        let Some((pages, page)) = self.pages.as_mut().zip(entry.page()) else {
            return;
        };
        if entry.message_here().is_none() {
            pages.away_bytes -= entry.cost_bytes();
        }
        if let Some(group) = entry.group() {
            self.groups.leave(group);
        }
        let was_delivered = entry.acquired_count() > 0
            || entry.delivery_count() > 0
            || entry.is_redelivered() && entry.sequence > pages.recovered_mark;
        let sunk = Sunk {
            sequence: entry.sequence,
            cost_bytes: entry.cost_bytes() as u64,
            body_bytes: entry.body_bytes(),
            expires_at: entry.expires_at(),
            available_at: entry.available_at(),
            is_known: entry.message_here().is_some(),
            counts: was_delivered.then(|| (entry.delivery_count(), entry.acquired_count())),
        };
        pages.change(page, |page| page.sink(&sunk));
    }

    /// A message that is in memory leaves, and with it its page's claim.
    #[cold]
    pub(crate) fn leave_page(&mut self, page: PageNumber, entry: &Entry) {
        if let Some(pages) = &mut self.pages {
            if entry.message_here().is_none() {
                pages.away_bytes -= entry.cost_bytes();
            }
            pages.leave(page, entry.sequence);
        }
    }
}

impl Pages {
    /// Whether the page is durable, can be read, and has this message, which is in memory.
    pub(crate) fn holds(&self, page: PageNumber, entry: &Entry) -> bool {
        self.get(page).is_some_and(|page| {
            let is_readable = matches!(page.stage, Stage::Saved | Stage::Reading);
            is_readable && page.member(entry.sequence) == Some(Member::Out)
        })
    }

    /// Whether a page has this message, or is to have it.
    pub(crate) fn has_member(&self, entry: &Entry) -> bool {
        let page = entry.page().and_then(|page| self.get(page));
        page.is_some_and(|page| page.member(entry.sequence) == Some(Member::Out))
    }
}
