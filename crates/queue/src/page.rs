//! One page: which of its messages only it has.

mod rebuild;
mod standing;
mod touched;

pub(crate) use standing::Standing;

use crate::members::{Members, sequences};
use crate::paged::{PageRecord, PageState};
use crate::placement::Returned;
use model::{Instant, PageNumber, Sequence};
use std::collections::BTreeMap;
use std::time::Duration;
use touched::{Change, Touched};

/// What becomes of a message that stands in a page.
///
/// ```text
///            page_out            shed, a delivery ends
///  (memory) ─────────► Out ◄───────────────────────────► Cold ──┐
///                       │      page_read                        │ purge
///                       ├──── leaves ───────► Gone ◄────────────┘
///                       └──── is written while delayed, and shed: Delayed, which is read as Cold is
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Member {
    /// It waits, ready, in the page only.
    Cold,
    /// It waits in the page only, for its moment.
    Delayed,
    /// It is in memory, with its body or without.
    Out,
    /// It has left the queue.
    Gone,
}

/// What has become of a page's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It is being written for the first time.
    Writing,
    /// It is durable.
    Saved,
    /// It is asked for, to be read.
    Reading,
    /// It cannot be read.
    Damaged,
}

/// Whether a page is being made smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compaction {
    No,
    /// The caller was told of it and is to bring what it holds.
    Chosen,
    /// The caller has what is to be written.
    Writing,
}

/// A page. There may be millions of them that nobody has touched: what those need not stands in `extra`.
///
/// Without `Touched`, all members are cold, or delayed if the page is one of delayed messages.
#[derive(Debug)]
pub(crate) struct Page {
    first: Sequence,
    span: u32,
    count: u32,
    /// Of all members.
    cost_bytes: u64,
    body_bytes: u64,
    expires_first: Packed,
    /// What the file takes, at most 4 GiB.
    stored_bytes: u32,
    pub(crate) lane: u8,
    pub(crate) stage: Stage,
    pub(crate) compaction: Compaction,
    /// Whether it stands with those that may overlap others.
    pub(crate) is_wide: bool,
    extra: Option<Box<Extra>>,
}

/// What few pages have.
#[derive(Debug, Default)]
struct Extra {
    /// The gaps between members.
    gaps: Box<[u8]>,
    is_unlogged: bool,
    /// Whether it holds messages that were in subscribers' hands.
    is_of_hands: bool,
    available_first: Option<Instant>,
    touched: Option<Touched>,
    /// What the file will hold.
    rewrite: Option<PageRecord>,
}

/// A message that goes where only its page has it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sunk {
    pub(crate) sequence: Sequence,
    pub(crate) cost_bytes: u64,
    pub(crate) body_bytes: u64,
    pub(crate) expires_at: Option<Instant>,
    /// Set if it waits for that moment.
    pub(crate) available_at: Option<Instant>,
    /// Delivery count and acquired count, if it was delivered.
    pub(crate) counts: Option<(u32, u32)>,
    /// Whether its body was in memory, and so all of it known.
    pub(crate) is_known: bool,
}

/// A message that is taken from a page without being read; its sizes are the mean of the others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taken {
    pub(crate) cost_bytes: u32,
    pub(crate) body_bytes: u32,
    pub(crate) delivery_count: u32,
    pub(crate) acquired_count: u32,
}

/// Perhaps a moment, in eight bytes.
#[derive(Clone, Copy, Debug)]
struct Packed(u64);

impl Packed {
    fn new(at: Option<Instant>) -> Self {
        let nanos = |at: Instant| u64::try_from(at.elapsed().as_nanos()).unwrap_or(u64::MAX);
        Self(at.map_or(u64::MAX, nanos))
    }

    /// The end of time is none.
    fn get(self) -> Option<Instant> {
        (self.0 < u64::MAX).then(|| Instant::from_elapsed(Duration::from_nanos(self.0)))
    }
}

impl Page {
    /// A page whose members are all cold.
    pub(crate) fn new(record: PageRecord) -> Self {
        let (first, count, span, gaps) = record.members.into_parts();
        let mut page = Self {
            first,
            span,
            count,
            cost_bytes: record.cost_bytes,
            body_bytes: record.body_bytes,
            expires_first: Packed::new(record.expires_first),
            stored_bytes: 0,
            lane: record.lane,
            stage: Stage::Saved,
            compaction: Compaction::No,
            is_wide: false,
            extra: None,
        };
        if !gaps.is_empty() || record.available_first.is_some() {
            let extra = page.extra.get_or_insert_default();
            extra.gaps = gaps;
            extra.available_first = record.available_first;
        }
        page
    }

    /// A page that is being written: its members are in memory.
    pub(crate) fn being_written(record: PageRecord, is_unlogged: bool, is_of_hands: bool) -> Self {
        let mut page = Self::new(record);
        page.stage = Stage::Writing;
        if is_unlogged || is_of_hands {
            let extra = page.extra.get_or_insert_default();
            (extra.is_unlogged, extra.is_of_hands) = (is_unlogged, is_of_hands);
        }
        page.rise();
        page
    }

    pub(crate) fn first(&self) -> Sequence {
        self.first
    }

    pub(crate) fn last(&self) -> Sequence {
        Sequence(self.first.0 + u64::from(self.span))
    }

    pub(crate) fn is_saved(&self) -> bool {
        self.stage != Stage::Writing
    }

    pub(crate) fn is_unlogged(&self) -> bool {
        self.extra.as_ref().is_some_and(|extra| extra.is_unlogged)
    }

    pub(crate) fn is_of_hands(&self) -> bool {
        self.extra.as_ref().is_some_and(|extra| extra.is_of_hands)
    }

    pub(crate) fn set_stored_bytes(&mut self, bytes: u64) {
        self.stored_bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
    }

    pub(crate) fn set_unlogged(&mut self, is_unlogged: bool) {
        if is_unlogged {
            self.extra.get_or_insert_default().is_unlogged = true;
        }
    }

    /// Whether all its members are where they were when it was new.
    pub(crate) fn is_untouched(&self) -> bool {
        self.touched().is_none()
    }

    /// How many messages it holds, in the queue or not.
    pub(crate) fn count(&self) -> usize {
        self.count as usize
    }

    /// The members that are still in the queue.
    pub(crate) fn live_count(&self) -> u32 {
        self.count - self.touched().map_or(0, |touched| touched.gone_count)
    }

    /// What the file could do without, as far as is known.
    pub(crate) fn dead_bytes(&self) -> u64 {
        let gone = u64::from(self.count - self.live_count());
        u64::from(self.stored_bytes) * gone / u64::from(self.count)
    }

    /// Whether nothing is needed of it, and nothing of it is under way.
    pub(crate) fn is_over(&self) -> bool {
        self.live_count() == 0 && self.is_saved() && self.compaction != Compaction::Writing
    }

    pub(crate) fn record(&self, page: PageNumber) -> PageRecord {
        PageRecord {
            page,
            lane: self.lane,
            members: Members::from_parts(self.first, self.count, self.span, self.gaps()),
            cost_bytes: self.cost_bytes,
            body_bytes: self.body_bytes,
            expires_first: self.expires_first.get(),
            available_first: self.available_first(),
        }
    }

    /// What a snapshot must know, with what is known of members in memory.
    pub(crate) fn state(&self, page: PageNumber, mut returned: Vec<Returned>) -> PageState {
        let mut gone: Vec<(Sequence, Sequence)> = Vec::new();
        if let Some(touched) = self.touched() {
            let mut runs_on = false;
            for (sequence, member) in self.sequences().zip(&touched.members) {
                let is_gone = *member == Member::Gone;
                match gone.last_mut().filter(|_| runs_on) {
                    Some((_, last)) if is_gone => *last = sequence,
                    Some(_) | None if is_gone => gone.push((sequence, sequence)),
                    Some(_) | None => {}
                }
                runs_on = is_gone;
            }
            returned.extend(touched.returned(self.first));
        }
        returned.sort_unstable_by_key(|returned| returned.sequence);
        PageState {
            record: self.record(page),
            gone,
            returned,
        }
    }

    pub(crate) fn member(&self, sequence: Sequence) -> Option<Member> {
        let Some(touched) = self.touched() else {
            let is_member = if self.gaps().is_empty() {
                (self.first..=self.last()).contains(&sequence)
            } else {
                self.sequences().any(|member| member == sequence)
            };
            return is_member.then(|| self.uniform());
        };
        let member = touched.rank(self.first, self.span, sequence)?;
        touched.members.get(member as usize).copied()
    }

    /// The members in this state, ascending.
    pub(crate) fn members_in(&self, state: Member) -> Vec<Sequence> {
        let uniform = self.uniform();
        let touched = self.touched();
        let states = (0..self.count as usize)
            .map(|member| touched.map_or(uniform, |touched| touched.members[member]));
        let all = self.sequences().zip(states);
        all.filter(|(_, is)| *is == state)
            .map(|(sequence, _)| sequence)
            .collect()
    }

    /// A member that is in memory leaves the queue. Says whether it was one.
    pub(crate) fn leave(&mut self, sequence: Sequence) -> bool {
        let (first, span) = (self.first, self.span);
        let touched = self.touch();
        let Some(member) = touched.rank(first, span, sequence) else {
            return false;
        };
        let state = &mut touched.members[member as usize];
        if *state != Member::Out {
            return false;
        }
        *state = Member::Gone;
        touched.gone_count += 1;
        true
    }

    /// A member that was in memory is from now on only in the page.
    pub(crate) fn sink(&mut self, sunk: &Sunk) {
        let (first, span, expires_first) = (self.first, self.span, self.expires_first.get());
        let is_delayed_page = self.available_first().is_some();
        let touched = self.touch();
        let Some(member) = touched.rank(first, span, sunk.sequence) else {
            return;
        };
        let state = &mut touched.members[member as usize];
        assert_eq!(*state, Member::Out, "{} is in memory", sunk.sequence);
        let first_of = |first: Option<u32>| Some(first.map_or(member, |first| first.min(member)));
        touched.delays.remove(&member);
        if let Some(at) = sunk.available_at {
            *state = Member::Delayed;
            touched.delayed_count += 1;
            touched.first_delayed = first_of(touched.first_delayed);
            touched.available_first = earlier(touched.available_first, Some(at));
            let has_failed = sunk
                .counts
                .is_some_and(|(delivery_count, _)| delivery_count > 0);
            if has_failed || !is_delayed_page {
                touched.delays.insert(member, at);
            }
        } else {
            *state = Member::Cold;
            touched.cold_count += 1;
            touched.first_cold = first_of(touched.first_cold);
        }
        touched.cost_bytes += sunk.cost_bytes;
        touched.body_bytes += sunk.body_bytes;
        let expires_at = sunk.expires_at.or(expires_first.filter(|_| !sunk.is_known));
        touched.expires_first = earlier(touched.expires_first, expires_at);
        if let Some((delivery_count, acquired_count)) = sunk.counts {
            touched.set_change(member, delivery_count, acquired_count);
        }
    }

    /// Forgets what it need not know, if all its members are as they were when it was new.
    pub(crate) fn come_to_rest(&mut self) {
        let count = self.count;
        if let Some(extra) = &mut self.extra {
            let is_delayed = extra.available_first.is_some();
            extra.touched.take_if(|touched| {
                let as_new = if is_delayed {
                    touched.delayed_count
                } else {
                    touched.cold_count
                };
                as_new == count
                    && touched.changes.is_empty()
                    && touched.delays.is_empty()
                    && touched.expiry_after.is_none()
            });
            if extra.gaps.is_empty()
                && extra.touched.is_none()
                && extra.rewrite.is_none()
                && !is_delayed
                && !extra.is_unlogged
            {
                self.extra = None;
            }
        }
    }

    /// All that is cold or delayed is in memory from now on.
    pub(crate) fn rise(&mut self) {
        self.empty_into(Member::Out);
    }

    /// All that is cold or delayed leaves the queue; returns how many.
    pub(crate) fn purge(&mut self) -> u64 {
        self.empty_into(Member::Gone)
    }

    fn empty_into(&mut self, state: Member) -> u64 {
        let touched = self.touch();
        for member in &mut touched.members {
            if matches!(member, Member::Cold | Member::Delayed) {
                *member = state;
            }
        }
        let count = touched.cold_count + touched.delayed_count;
        if state == Member::Gone {
            touched.gone_count += count;
        }
        (touched.cold_count, touched.delayed_count) = (0, 0);
        (touched.cost_bytes, touched.body_bytes) = (0, 0);
        (touched.expires_first, touched.available_first) = (None, None);
        (touched.first_cold, touched.first_delayed) = (None, None);
        u64::from(count)
    }

    /// What is known of a member beside what the page says: what has changed, and the moment that it waits for.
    pub(crate) fn changed(&self, sequence: Sequence) -> (Option<Change>, Option<Instant>) {
        let known = self.touched().and_then(|touched| {
            let member = touched.rank(self.first, self.span, sequence)?;
            let change = touched.change(member).ok();
            let change = change.map(|at| touched.changes[at]);
            Some((change, touched.delays.get(&member).copied()))
        });
        known.unwrap_or_default()
    }

    /// It is not to be read before this moment for what expires.
    pub(crate) fn put_expiry_off(&mut self, until: Instant) {
        self.touch().expiry_after = Some(until);
    }

    pub(crate) fn sequences(&self) -> impl Iterator<Item = Sequence> + '_ {
        sequences(self.first, self.count, self.gaps())
    }

    fn gaps(&self) -> &[u8] {
        self.extra.as_ref().map_or(&[], |extra| &extra.gaps)
    }

    pub(crate) fn available_first(&self) -> Option<Instant> {
        self.extra.as_ref()?.available_first
    }

    fn touched(&self) -> Option<&Touched> {
        self.extra.as_ref()?.touched.as_ref()
    }

    /// What all members are while nothing has touched the page.
    fn uniform(&self) -> Member {
        if self.available_first().is_some() {
            Member::Delayed
        } else {
            Member::Cold
        }
    }

    fn touch(&mut self) -> &mut Touched {
        let uniform = self.uniform();
        let (first, count) = (self.first, self.count);
        let extra = self.extra.get_or_insert_default();
        extra.touched.get_or_insert_with(|| {
            let offset = |sequence: Sequence| u32::try_from(sequence.0 - first.0);
            let offsets = sequences(first, count, &extra.gaps)
                .map(|sequence| offset(sequence).expect("the span fits, so what is within does"));
            let mut touched = Touched {
                offsets: (!extra.gaps.is_empty()).then(|| offsets.collect()),
                members: vec![uniform; count as usize].into(),
                cold_count: 0,
                delayed_count: 0,
                gone_count: 0,
                cost_bytes: self.cost_bytes,
                body_bytes: self.body_bytes,
                expires_first: self.expires_first.get(),
                available_first: extra.available_first,
                first_cold: None,
                first_delayed: None,
                expiry_after: None,
                changes: Vec::new(),
                delays: BTreeMap::new(),
            };
            touched.count_members();
            touched
        })
    }
}

/// The earlier of two moments, if there are any.
pub(crate) fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    one.into_iter().chain(other).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_untouched_page_is_small() {
        assert!(size_of::<Page>() <= 56, "{}", size_of::<Page>());
    }
}
