//! Which messages go into a page.

use crate::Queue;
use crate::entry::Entry;
use crate::members::Members;
use crate::page::earlier;
use crate::paged::{Logging, PageLimits, PageReach, PageRecord, Paged};
use crate::pages::Pages;
use model::PageNumber;

/// The sequences of a page are at most so far from the one that was chosen first, to either side.
pub(crate) const SPAN_MAX: u32 = 1 << 30;

/// Messages that are to go into one page.
pub(crate) struct Run {
    pub(crate) lane: u8,
    pub(crate) is_delayed: bool,
    pub(crate) is_of_hands: bool,
    pub(crate) messages: Vec<Paged>,
}

impl Queue {
    /// The messages that are to go next, if that is worth it.
    pub(crate) fn choose_run(&self, limits: &PageLimits) -> Option<Run> {
        let in_hands = || match limits.reach {
            PageReach::InHands => self.run_in_hands(limits),
            PageReach::Waiting => None,
        };
        self.run_in_lanes(limits)
            .or_else(|| self.run_of_delayed(limits))
            .or_else(in_hands)
    }

    /// The first messages of the lowest lane that fill a page.
    fn run_in_lanes(&self, limits: &PageLimits) -> Option<Run> {
        let mut lanes: Vec<_> = self.ready.by_lane().collect();
        lanes.reverse();
        lanes.into_iter().find_map(|(lane, messages)| {
            let (mut run, mut bytes, mut kept) = (Filling::default(), 0, 0usize);
            for entry in messages.ordered() {
                let cost = entry.cost_bytes();
                if kept < limits.keep_bytes {
                    kept = kept.saturating_add(cost);
                    continue;
                }
                let is_next = self.is_free(limits, entry)
                    && bytes + cost <= limits.bytes_max.max(cost)
                    && run.joins(entry, lane, self.holdings.pages.as_deref());
                if !is_next {
                    if run.is_worth(bytes, limits) {
                        break;
                    }
                    (run, bytes) = (Filling::default(), 0);
                }
                if is_next || self.is_free(limits, entry) {
                    run.0.push(entry);
                    bytes += cost;
                }
            }
            let messages = run.is_worth(bytes, limits).then(|| run.paged())?;
            Some(Run {
                lane,
                is_delayed: false,
                is_of_hands: false,
                messages,
            })
        })
    }

    /// The delayed messages of one lane that wait longest.
    fn run_of_delayed(&self, limits: &PageLimits) -> Option<Run> {
        let mut run = Filling::default();
        let (mut bytes, mut lane, mut is_full) = (0usize, None, false);
        for (spot, entry) in self.ready.delayed_last() {
            if !self.is_free(limits, entry) || lane.is_some_and(|lane| lane != spot.lane) {
                continue;
            }
            let cost = entry.cost_bytes();
            is_full = bytes + cost > limits.bytes_max.max(cost) || !run.fits(entry);
            if is_full {
                break;
            }
            lane = Some(spot.lane);
            run.0.push(entry);
            bytes += cost;
        }
        if !is_full {
            let mut kept = 0usize;
            while kept < limits.keep_bytes
                && let Some(entry) = run.0.pop()
            {
                kept = kept.saturating_add(entry.cost_bytes());
                bytes -= entry.cost_bytes();
            }
        }
        Some(Run {
            lane: lane.filter(|_| run.is_worth(bytes, limits))?,
            is_delayed: true,
            is_of_hands: false,
            messages: run.paged(),
        })
    }

    /// Messages of one lane in subscribers' hands.
    fn run_in_hands(&self, limits: &PageLimits) -> Option<Run> {
        let mut run = Filling::default();
        let (mut bytes, mut lane) = (0usize, None);
        let subscriptions = self.subscriptions.values();
        for (_, entry) in subscriptions.flat_map(|subscription| subscription.unsettled.iter()) {
            let Some(message) = entry.message_here() else {
                continue;
            };
            let own = self.ready.spot(entry.sequence, message).lane;
            let cost = entry.cost_bytes();
            if self.is_free(limits, entry)
                && lane.is_none_or(|lane| lane == own)
                && bytes + cost <= limits.bytes_max.max(cost)
                && run.fits(entry)
            {
                lane = Some(own);
                run.0.push(entry);
                bytes += cost;
            }
        }
        Some(Run {
            lane: lane.filter(|_| run.is_worth(bytes, limits))?,
            is_delayed: false,
            is_of_hands: true,
            messages: run.paged(),
        })
    }

    /// Whether a message may be written to a page: it stands in none, and no record of it is on its way.
    fn is_free(&self, limits: &PageLimits, entry: &Entry) -> bool {
        let is_due = match limits.logging {
            Logging::Logged { committed } => entry.logged().is_some_and(|at| at <= committed),
            Logging::Unlogged => true,
        };
        let pages = self.holdings.pages.as_deref();
        is_due && !pages.is_some_and(|pages| pages.has_member(entry))
    }
}

/// The messages of a page that is being filled.
#[derive(Default)]
struct Filling<'a>(Vec<&'a Entry>);

impl<'a> Filling<'a> {
    /// Whether a message may stand behind the last: no cold one does.
    fn joins(&self, entry: &Entry, lane: u8, pages: Option<&Pages>) -> bool {
        let Some(last) = self.0.last() else {
            return true;
        };
        let behind = last.sequence.next();
        if entry.sequence == behind {
            return self.fits(entry);
        }
        let cold = pages.and_then(|pages| pages.cold_in(lane, behind));
        cold.is_none_or(|cold| cold.sequence > entry.sequence) && self.fits(entry)
    }

    /// Whether the span stays within bounds.
    fn fits(&self, entry: &Entry) -> bool {
        let first = self.0.first();
        first.is_none_or(|first| first.sequence.0.abs_diff(entry.sequence.0) < u64::from(SPAN_MAX))
    }

    fn is_worth(&self, bytes: usize, limits: &PageLimits) -> bool {
        !self.0.is_empty() && bytes >= limits.bytes_min
    }

    fn paged(mut self) -> Vec<Paged> {
        self.0.sort_unstable_by_key(|entry| entry.sequence);
        self.0.into_iter().map(Entry::paged).collect()
    }
}

/// What the log is to know of these messages.
pub(crate) fn record(
    page: PageNumber,
    lane: u8,
    is_delayed: bool,
    messages: &[Paged],
) -> Option<PageRecord> {
    let sequences: Vec<_> = messages.iter().map(|one| one.placement.sequence).collect();
    let cost = |one: &Paged| one.message.cost_bytes() as u64;
    let body = |one: &Paged| one.message.body().len() as u64;
    let expires = messages.iter().map(|one| one.placement.expires_at);
    let available = messages.iter().filter_map(|one| one.placement.available_at);
    Some(PageRecord {
        page,
        lane,
        members: Members::from_sequences(&sequences)?,
        cost_bytes: messages.iter().map(cost).sum(),
        body_bytes: messages.iter().map(body).sum(),
        expires_first: expires.fold(None, earlier),
        available_first: available.min().filter(|_| is_delayed),
    })
}
