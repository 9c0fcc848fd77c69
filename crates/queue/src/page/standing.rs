//! Where a page is to be found when it is needed.

use super::{Member, Page, Stage};
use crate::ready::Spot;
use model::{Instant, Sequence};

/// What the machine must know of a page to find it when it is needed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) cold: Option<Spot>,
    pub(crate) delayed: Option<Spot>,
    /// When it is to be read for one that is delayed.
    pub(crate) due: Option<Instant>,
    /// When it is to be read for one that expires.
    pub(crate) expires: Option<Instant>,
    /// Those cold and delayed.
    pub(crate) count: usize,
    pub(crate) cost_bytes: u64,
    pub(crate) body_bytes: u64,
    pub(crate) stored_bytes: u64,
    pub(crate) dead_bytes: u64,
    /// What is charged for what is cold or delayed, at least 1, while the page is being read.
    pub(crate) reading_bytes: u64,
}

impl Page {
    pub(crate) fn standing(&self) -> Standing {
        let spot = |sequence| Spot {
            lane: self.lane,
            sequence,
        };
        let is_idle = self.stage == Stage::Saved;
        let stored_bytes = u64::from(self.stored_bytes);
        let Some(touched) = self.touched() else {
            let available = self.available_first();
            let first = Some(spot(self.first));
            return Standing {
                cold: first.filter(|_| available.is_none()),
                delayed: first.filter(|_| available.is_some()),
                due: available.filter(|_| is_idle),
                expires: self.expires_first.get().filter(|_| is_idle),
                count: self.count as usize,
                cost_bytes: self.cost_bytes,
                body_bytes: self.body_bytes,
                stored_bytes,
                dead_bytes: 0,
                reading_bytes: self.reading_bytes(self.cost_bytes),
            };
        };
        let count = touched.cold_count + touched.delayed_count;
        let at = |member| spot(touched.sequence(self.first, member));
        let expires = touched.expires_first.filter(|_| is_idle && count > 0);
        Standing {
            cold: touched.first_cold.map(at),
            delayed: touched.first_delayed.map(at),
            due: touched
                .available_first
                .filter(|_| is_idle && touched.delayed_count > 0),
            expires: expires.map(|at| touched.expiry_after.map_or(at, |after| after.max(at))),
            count: count as usize,
            cost_bytes: touched.cost_bytes,
            body_bytes: touched.body_bytes,
            stored_bytes,
            dead_bytes: self.dead_bytes(),
            reading_bytes: self.reading_bytes(touched.cost_bytes),
        }
    }

    fn reading_bytes(&self, cost_bytes: u64) -> u64 {
        match self.stage {
            Stage::Reading => cost_bytes.max(1),
            Stage::Writing | Stage::Saved | Stage::Damaged => 0,
        }
    }

    /// The first cold member at or behind a sequence.
    pub(crate) fn first_cold_from(&self, from: Sequence) -> Option<Sequence> {
        let Some(touched) = self.touched() else {
            if self.available_first().is_some() || from > self.last() {
                return None;
            }
            if self.gaps().is_empty() {
                return Some(from.max(self.first));
            }
            return self.sequences().find(|sequence| *sequence >= from);
        };
        let start = touched.first_cold?.max(touched.place(self.first, from));
        let mut behind = (start..).zip(touched.members.get(start as usize..)?);
        let (member, _) = behind.find(|(_, member)| **member == Member::Cold)?;
        Some(touched.sequence(self.first, member))
    }
}
