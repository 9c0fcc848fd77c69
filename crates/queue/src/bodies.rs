//! Messages whose bodies only pages have, and that are to be dead letters: they need their bodies once more.
//!
//! 1. A message in somebody's hands is to leave as a dead letter, or a transaction is to decide on that. It is among the
//!    prepared ones, out of everybody's reach, and *awaits* its body.
//! 2. Its [page is read](Queue::next_body_page).
//! 3. It leaves with its body, or has it when the transaction takes effect.
//!
//! Nothing of this stands in the log: after a crash the message is unsettled, as it was. If the page is damaged, it stays
//! in it, likewise.

use crate::Queue;
use crate::entry::Entry;
use crate::page::{Member, Stage};
use crate::paged::{PageMismatch, Paged};
use crate::placement::{Keys, LeaveReason, Left};
use model::{Message, Outcome, PageNumber, Sequence};
use std::collections::BTreeMap;

/// What becomes of a message when its body is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Awaiting {
    /// It stays prepared.
    Prepared,
    /// It leaves.
    Leaving(LeaveReason),
}

impl Queue {
    /// Whether bodies are awaited: see [`next_body_page`](Self::next_body_page).
    #[must_use]
    pub fn awaits_bodies(&self) -> bool {
        let pages = self.holdings.pages.as_ref();
        pages.is_some_and(|pages| !pages.bodiless.is_empty())
    }

    /// Those of these messages that await their bodies. When one does no longer, [`page_read`](Self::page_read) or
    /// [`page_damaged`](Self::page_damaged) says so.
    #[must_use]
    pub fn awaited(&self, sequences: &[Sequence]) -> Vec<Sequence> {
        let pages = self.holdings.pages.as_ref();
        let Some(pages) = pages.filter(|pages| !pages.awaited.is_empty()) else {
            return Vec::new();
        };
        let sequences = sequences.iter().copied();
        sequences
            .filter(|sequence| pages.awaited.contains_key(sequence))
            .collect()
    }

    /// All messages that leave once their bodies are here.
    #[must_use]
    pub fn leaving(&self) -> Vec<Sequence> {
        let pages = self.holdings.pages.iter();
        let awaited = pages.flat_map(|pages| &pages.awaited);
        let leaving = awaited.filter(|(_, awaiting)| **awaiting != Awaiting::Prepared);
        leaving.map(|(sequence, _)| *sequence).collect()
    }

    /// A page to be read for the bodies of messages that await them; none if those are being read. It is told once until
    /// [`page_read`](Self::page_read) or [`page_damaged`](Self::page_damaged).
    pub fn next_body_page(&mut self) -> Option<PageNumber> {
        let pages = self.holdings.pages.as_mut()?;
        let is_idle = |page: &PageNumber| {
            let known = pages.get(*page);
            known.is_some_and(|known| known.stage == Stage::Saved)
        };
        let next = pages.bodiless.iter().copied().find(is_idle)?;
        pages.ask(next, &mut Vec::new());
        Some(next)
    }

    /// What messages are charged with, prepared ones, that become dead letters if they end so: those that have their
    /// bodies, and those of which only pages have them.
    #[must_use]
    pub fn letter_bytes(&self, sequences: &[Sequence], outcome: Outcome) -> (usize, usize) {
        let (mut here, mut away) = (0, 0);
        for entry in self.letters(sequences, outcome) {
            let sum = if entry.message_here().is_some() {
                &mut here
            } else {
                &mut away
            };
            *sum += entry.cost_bytes();
        }
        (here, away)
    }

    /// Has the bodies read of prepared messages that become dead letters if they end so, and appends those of which none
    /// is here: end them when [none awaits its body](Self::awaited) any more. What stands in a damaged page is passed
    /// over.
    pub fn await_bodies(
        &mut self,
        sequences: &[Sequence],
        outcome: Outcome,
        awaited: &mut Vec<Sequence>,
    ) {
        let letters = self.letters(sequences, outcome);
        let away = letters.filter(|entry| entry.message_here().is_none());
        let away: Vec<_> = away.map(|entry| (entry.sequence, entry.page())).collect();
        for (sequence, page) in away {
            if page.is_some_and(|page| self.await_body(sequence, page, Awaiting::Prepared)) {
                awaited.push(sequence);
            }
        }
    }

    /// A message that does not wait leaves. If it is to be a dead letter, and only its page has its body, it awaits that
    /// first; if the page is damaged, it stays in it.
    pub(crate) fn depart(&mut self, entry: Entry, reason: LeaveReason, left: &mut Vec<Left>) {
        let is_letter = reason.is_death() && self.rules.dead_letter.is_some();
        let page = entry.page();
        let Some(page) = page.filter(|_| is_letter && entry.message_here().is_none()) else {
            left.push(self.holdings.leave(entry, reason));
            return;
        };
        if self.await_body(entry.sequence, page, Awaiting::Leaving(reason)) {
            self.prepared.insert(entry.sequence.0, entry);
        } else {
            self.holdings.sink(&entry);
        }
    }

    /// Takes out prepared messages.
    pub(crate) fn end_prepared(&mut self, sequences: &[Sequence]) -> Vec<Entry> {
        let entries = crate::settle::ended(&mut self.prepared, sequences).collect();
        if let Some(pages) = &mut self.holdings.pages
            && !pages.awaited.is_empty()
        {
            for sequence in sequences {
                pages.awaited.remove(sequence);
            }
        }
        entries
    }

    /// The bodies that messages await, as a page has them.
    pub(crate) fn bodies_in(
        &self,
        page: PageNumber,
        messages: &[Paged],
    ) -> Result<BTreeMap<Sequence, Paged>, PageMismatch> {
        let mut bodies = BTreeMap::new();
        let awaited = self.awaited_in(page);
        if awaited.is_empty() {
            return Ok(bodies);
        }
        for one in messages {
            let sequence = one.placement.sequence;
            if awaited.binary_search(&sequence).is_ok()
                && bodies.insert(sequence, one.clone()).is_some()
            {
                return Err(PageMismatch { sequence });
            }
        }
        let missing = awaited.iter().find(|one| !bodies.contains_key(one));
        missing.map_or(Ok(bodies), |sequence| {
            Err(PageMismatch {
                sequence: *sequence,
            })
        })
    }

    /// Messages get the bodies that they await; those that are to leave do. Returns them.
    pub(crate) fn embody(
        &mut self,
        page: PageNumber,
        bodies: BTreeMap<Sequence, Paged>,
        keys: &mut dyn FnMut(&Message) -> Keys,
        left: &mut Vec<Left>,
    ) -> Vec<Sequence> {
        let sequences = bodies.keys().copied().collect();
        for (sequence, one) in bodies {
            let pages = self.holdings.pages.as_mut();
            let entry = self.prepared.remove(sequence.0);
            let Some((pages, mut entry)) = pages.zip(entry) else {
                continue;
            };
            let awaiting = pages.awaited.remove(&sequence);
            pages.away_bytes -= entry.cost_bytes();
            self.holdings.bytes -= entry.cost_bytes();
            entry.embody(one);
            self.holdings.bytes += entry.cost_bytes();
            if entry.group().is_none() && entry.message().envelope().is_grouped {
                let keys = keys(entry.message());
                self.note_keys(keys, &mut entry);
            }
            match awaiting {
                Some(Awaiting::Leaving(reason)) => left.push(self.holdings.leave(entry, reason)),
                Some(Awaiting::Prepared) | None => {
                    self.prepared.insert(sequence.0, entry);
                }
            }
        }
        if let Some(pages) = &mut self.holdings.pages {
            pages.bodiless.remove(&page);
        }
        sequences
    }

    /// A page cannot be read: what awaits its body there does so in vain. Those that were to leave stay in the page.
    pub(crate) fn give_up_bodies(&mut self, page: PageNumber, given_up: &mut Vec<Sequence>) {
        let mut spots = Vec::new();
        for sequence in self.awaited_in(page) {
            let pages = self.holdings.pages.as_mut();
            let awaiting = pages.and_then(|pages| pages.awaited.remove(&sequence));
            given_up.push(sequence);
            if let Some(Awaiting::Leaving(_)) = awaiting
                && let Some(mut entry) = self.prepared.remove(sequence.0)
            {
                entry.set_redelivered();
                entry.clear_available_at();
                self.put_back(entry, &mut spots);
            }
        }
        self.look_again(&spots);
        if let Some(pages) = &mut self.holdings.pages {
            pages.bodiless.remove(&page);
        }
    }

    /// The prepared ones among these that become dead letters if they end so.
    fn letters<'a>(
        &'a self,
        sequences: &'a [Sequence],
        outcome: Outcome,
    ) -> impl Iterator<Item = &'a Entry> {
        let may_die = match outcome {
            Outcome::Reject => true,
            Outcome::Fail => self.rules.delivery_limit.is_some(),
            Outcome::Accept | Outcome::Release => false,
        };
        let sequences = if may_die && self.rules.dead_letter.is_some() {
            sequences
        } else {
            &[]
        };
        let entries = sequences.iter();
        let entries = entries.filter_map(|sequence| self.prepared.get(sequence.0));
        entries.filter(move |entry| outcome == Outcome::Reject || self.is_last_failure(entry))
    }

    /// Notes that a message awaits its body, which this page has; says whether that can be read.
    fn await_body(&mut self, sequence: Sequence, page: PageNumber, awaiting: Awaiting) -> bool {
        let Some(pages) = &mut self.holdings.pages else {
            return false;
        };
        let is_readable = match pages.get(page).map(|known| known.stage) {
            Some(Stage::Saved | Stage::Reading) => true,
            Some(Stage::Writing | Stage::Damaged) | None => false,
        };
        if is_readable {
            pages.awaited.insert(sequence, awaiting);
            pages.bodiless.insert(page);
        }
        is_readable
    }

    /// The messages that await their bodies and stand in this page, ascending.
    fn awaited_in(&self, page: PageNumber) -> Vec<Sequence> {
        let pages = self.holdings.pages.as_ref();
        let Some(pages) = pages.filter(|pages| pages.bodiless.contains(&page)) else {
            return Vec::new();
        };
        let members = pages.get(page).map(|known| known.members_in(Member::Out));
        let mut members = members.unwrap_or_default();
        members.retain(|sequence| {
            let entry = self.prepared.get(sequence.0);
            let is_here = entry.is_some_and(|entry| entry.page() == Some(page));
            is_here && pages.awaited.contains_key(sequence)
        });
        members
    }
}
