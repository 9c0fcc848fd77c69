//! What has become of the members of a page.

use super::Member;
use crate::placement::Returned;
use model::{Instant, Sequence};
use std::collections::BTreeMap;

/// What has become of the members.
#[derive(Debug)]
pub(super) struct Touched {
    /// Where the members stand behind the first, unless they are dense.
    pub(super) offsets: Option<Box<[u32]>>,
    pub(super) members: Box<[Member]>,
    pub(super) cold_count: u32,
    pub(super) delayed_count: u32,
    pub(super) gone_count: u32,
    /// Of those that are cold or delayed.
    pub(super) cost_bytes: u64,
    pub(super) body_bytes: u64,
    pub(super) expires_first: Option<Instant>,
    /// Of those that are delayed.
    pub(super) available_first: Option<Instant>,
    /// The lowest of each.
    pub(super) first_cold: Option<u32>,
    pub(super) first_delayed: Option<u32>,
    /// It is not read for what expires before.
    pub(super) expiry_after: Option<Instant>,
    /// What is not as the page says, by member.
    pub(super) changes: Vec<Change>,
    /// What waits for a moment that the page does not know.
    pub(super) delays: BTreeMap<u32, Instant>,
}

/// What is known of a message that was delivered since its page was written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change {
    pub(super) member: u32,
    pub(crate) delivery_count: u32,
    pub(crate) acquired_count: u32,
}

impl Touched {
    pub(super) fn sequence(&self, first: Sequence, member: u32) -> Sequence {
        let offset = match &self.offsets {
            Some(offsets) => offsets[member as usize],
            None => member,
        };
        Sequence(first.0 + u64::from(offset))
    }

    /// Which member a sequence is.
    pub(super) fn rank(&self, first: Sequence, span: u32, sequence: Sequence) -> Option<u32> {
        let offset = u32::try_from(sequence.0.checked_sub(first.0)?).ok()?;
        match &self.offsets {
            Some(offsets) => {
                let rank = offsets.binary_search(&offset).ok()?;
                u32::try_from(rank).ok()
            }
            None => (offset <= span).then_some(offset),
        }
    }

    /// How many members stand before a sequence.
    pub(super) fn place(&self, first: Sequence, sequence: Sequence) -> u32 {
        let count = u32::try_from(self.members.len()).unwrap_or(u32::MAX);
        let offset = u32::try_from(sequence.0.saturating_sub(first.0)).unwrap_or(u32::MAX);
        match &self.offsets {
            Some(offsets) => {
                let place = offsets.partition_point(|before| *before < offset);
                u32::try_from(place).unwrap_or(count)
            }
            None => offset.min(count),
        }
    }

    pub(super) fn drop_cold(&mut self, member: u32) {
        let state = &mut self.members[member as usize];
        if *state != Member::Cold {
            return;
        }
        *state = Member::Gone;
        // What each costs is known again when the page is read.
        self.cost_bytes -= self.cost_bytes / u64::from(self.cold_count);
        self.body_bytes -= self.body_bytes / u64::from(self.cold_count);
        self.cold_count -= 1;
        self.gone_count += 1;
    }

    pub(super) fn count_members(&mut self) {
        let mut counts = [0u32; 4];
        (self.first_cold, self.first_delayed) = (None, None);
        for (at, member) in (0u32..).zip(&self.members) {
            counts[*member as usize] += 1;
            match member {
                Member::Cold => self.first_cold = self.first_cold.or(Some(at)),
                Member::Delayed => self.first_delayed = self.first_delayed.or(Some(at)),
                Member::Out | Member::Gone => {}
            }
        }
        [self.cold_count, self.delayed_count, _, self.gone_count] = counts;
    }

    pub(super) fn change(&self, member: u32) -> Result<usize, usize> {
        self.changes
            .binary_search_by_key(&member, |change| change.member)
    }

    pub(super) fn set_change(&mut self, member: u32, delivery_count: u32, acquired_count: u32) {
        let change = Change {
            member,
            delivery_count,
            acquired_count,
        };
        match self.change(member) {
            Ok(at) => self.changes[at] = change,
            Err(at) => self.changes.insert(at, change),
        }
    }

    /// What has changed of those that only the page has.
    pub(super) fn returned(&self, first: Sequence) -> impl Iterator<Item = Returned> {
        let mut changed: Vec<u32> = self.changes.iter().map(|change| change.member).collect();
        changed.extend(self.delays.keys());
        changed.sort_unstable();
        changed.dedup();
        changed.into_iter().filter_map(move |member| {
            let is_cold = matches!(
                self.members[member as usize],
                Member::Cold | Member::Delayed
            );
            let change = self.change(member).ok();
            let delivery_count = change.map_or(0, |at| self.changes[at].delivery_count);
            let available_at = self.delays.get(&member).copied();
            let is_told = is_cold && (delivery_count > 0 || available_at.is_some());
            is_told.then(|| Returned {
                sequence: self.sequence(first, member),
                delivery_count,
                available_at,
            })
        })
    }
}
