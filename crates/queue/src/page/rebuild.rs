//! Pages that are rebuilt from the log, and pages that are written anew.

use super::touched::Change;
use super::{Compaction, Member, Page, Taken};
use crate::paged::PageRecord;
use crate::placement::Returned;
use model::Sequence;

impl Page {
    /// It is to be written anew as this record says.
    pub(crate) fn begin_rewrite(&mut self, record: PageRecord) {
        self.compaction = Compaction::Writing;
        self.extra.get_or_insert_default().rewrite = Some(record);
    }

    /// It is not written anew.
    pub(crate) fn end_compaction(&mut self) {
        self.compaction = Compaction::No;
        if let Some(extra) = &mut self.extra {
            extra.rewrite = None;
        }
    }

    /// The file holds what it was to be written anew with: other members are none from now on.
    pub(crate) fn rewritten(&mut self) {
        self.compaction = Compaction::No;
        let extra = self.extra.get_or_insert_default();
        let Some(record) = extra.rewrite.take() else {
            return;
        };
        let kept: Vec<_> = record
            .members
            .iter()
            .map(|sequence| (self.member(sequence), self.changed(sequence)))
            .collect();
        let mut page = Self::new(record);
        let old = self.touch();
        let fresh = page.touch();
        for (at, (member, (change, delay))) in (0u32..).zip(kept) {
            fresh.members[at as usize] = member.unwrap_or(Member::Gone);
            if let Some(change) = change {
                fresh.changes.push(Change {
                    member: at,
                    ..change
                });
            }
            fresh.delays.extend(delay.map(|delay| (at, delay)));
        }
        fresh.count_members();
        (fresh.cost_bytes, fresh.body_bytes) = (old.cost_bytes, old.body_bytes);
        fresh.expires_first = old.expires_first;
        fresh.available_first = old.available_first;
        fresh.expiry_after = old.expiry_after;
        (page.stage, page.is_wide) = (self.stage, self.is_wide);
        (page.lane, page.stored_bytes) = (self.lane, self.stored_bytes);
        if let (Some(new), Some(old)) = (&mut page.extra, &self.extra) {
            new.is_unlogged = old.is_unlogged;
            new.is_of_hands = old.is_of_hands;
        }
        *self = page;
    }
}

/// While a queue is being rebuilt: all members are cold or gone.
impl Page {
    /// Cold members from a first to a last leave.
    pub(crate) fn drop_cold(&mut self, from: Sequence, to: Sequence) {
        let first = self.first;
        let touched = self.touch();
        let place = touched.place(first, from);
        for member in place..touched.place(first, to.next()) {
            touched.drop_cold(member);
        }
        if let Some(lowest) = touched.first_cold.filter(|lowest| *lowest >= place) {
            let mut behind = (lowest..).zip(&touched.members[lowest as usize..]);
            let next = behind.find(|(_, member)| **member == Member::Cold);
            touched.first_cold = next.map(|(member, _)| member);
        }
    }

    /// All leave but some.
    pub(crate) fn drop_all_but(&mut self, except: &[Sequence]) {
        let leaving = self.members_in(Member::Cold).into_iter();
        let leaving: Vec<_> = leaving
            .filter(|sequence| except.binary_search(sequence).is_err())
            .collect();
        for sequence in leaving {
            self.drop_cold(sequence, sequence);
        }
    }

    /// A member's deliveries have failed so often; it waits until that moment.
    pub(crate) fn note_returned(&mut self, returned: &Returned) {
        let (first, span) = (self.first, self.span);
        let touched = self.touch();
        let Some(member) = touched.rank(first, span, returned.sequence) else {
            return;
        };
        if returned.delivery_count > 0 {
            touched.set_change(member, returned.delivery_count, 0);
        }
        match returned.available_at {
            Some(at) => drop(touched.delays.insert(member, at)),
            None => drop(touched.delays.remove(&member)),
        }
    }

    /// What is known of a member that the page does not say.
    pub(crate) fn returned(&self, sequence: Sequence) -> Option<Returned> {
        let (change, available_at) = self.changed(sequence);
        let delivery_count = change.map_or(0, |change| change.delivery_count);
        (delivery_count > 0 || available_at.is_some()).then_some(Returned {
            sequence,
            delivery_count,
            available_at,
        })
    }

    /// It is rebuilt: what is to wait for a moment does.
    pub(crate) fn recovered(&mut self) {
        let available_first = self.available_first();
        if self.touched().is_none() {
            return;
        }
        let touched = self.touch();
        for (at, member) in (0u32..).zip(&mut touched.members) {
            let is_delayed = available_first.is_some() || touched.delays.contains_key(&at);
            if *member == Member::Cold && is_delayed {
                *member = Member::Delayed;
            }
        }
        let delays = touched.delays.values().copied();
        touched.available_first = delays.chain(available_first).min();
        touched.count_members();
        self.come_to_rest();
    }

    /// Takes a waiting member out of the page, without its body.
    pub(crate) fn take(&mut self, sequence: Sequence) -> Option<Taken> {
        let (first, span) = (self.first, self.span);
        let (change, _) = self.changed(sequence);
        let touched = self.touch();
        let member = touched.rank(first, span, sequence)?;
        let state = touched.members.get_mut(member as usize)?;
        if !matches!(state, Member::Cold | Member::Delayed) {
            return None;
        }
        *state = Member::Out;
        let count = u64::from(touched.cold_count + touched.delayed_count);
        let part = |bytes: u64| u32::try_from(bytes / count).unwrap_or(u32::MAX);
        let (cost_bytes, body_bytes) = (part(touched.cost_bytes), part(touched.body_bytes));
        touched.cost_bytes -= u64::from(cost_bytes);
        touched.body_bytes -= u64::from(body_bytes);
        touched.delays.remove(&member);
        touched.count_members();
        Some(Taken {
            cost_bytes,
            body_bytes,
            delivery_count: change.map_or(0, |change| change.delivery_count),
            acquired_count: change.map_or(0, |change| change.acquired_count),
        })
    }

    /// Begins to be rebuilt: a page of delayed messages counts as any other until it is.
    pub(crate) fn recovering(record: PageRecord) -> Self {
        let mut page = Self::new(record);
        // About that much.
        page.set_stored_bytes(page.cost_bytes);
        if page.available_first().is_some() {
            let touched = page.touch();
            touched.members.fill(Member::Cold);
            touched.count_members();
        }
        page
    }
}
