//! Deliveries that a client does not settle for too long: they close their channel.
//!
//! No delivery has a time of its own, and none has a timer. Once in a while each channel notes the tag of its last delivery; what
//! is unsettled up to a tag that was noted has been so since then, if not for longer. So a channel is closed late, by two of
//! these whiles at most, but never early. While nothing is read the client cannot settle: that time does not count.
//!
//! Consumers may have another time than the rest. A channel notes tags for each of these times apart.

use super::Link;
use super::channel::Channel;
use super::consumers::Consumers;
use super::failure::Failure;
use super::open::Open;
use crate::{MethodId, ReplyCode};
use broker_api::Out;
use model::{Instant, SubscriptionId};
use std::collections::VecDeque;
use std::time::Duration;

/// It is looked so often within the time that a client has.
const LOOKS: u32 = 60;

/// However short that time is, it is looked no more often.
const INTERVAL_MIN: Duration = Duration::from_millis(100);

/// So many tags are noted at most: as many as come together within the time that a client has, and what comes while it is not heard.
const MARKS_MAX: usize = LOOKS as usize + 4;

/// So many other times the consumers of a channel may have.
const OWN_MAX: usize = 16;

/// When it is looked for deliveries that are late.
#[derive(Debug, Default)]
pub(super) struct Timeouts {
    /// Whether there may be something to settle.
    is_needed: bool,
    next: Option<Instant>,
    /// How often it is looked for those with another time.
    own_interval: Option<Duration>,
    /// When the session was called last.
    called: Option<Instant>,
    /// How long nothing was read, all in all.
    unheard: Duration,
}

/// The last delivery of a channel at a time.
#[derive(Clone, Copy, Debug)]
struct Mark {
    tag: u64,
    at: Instant,
}

/// What had been delivered when, on one channel.
#[derive(Debug, Default)]
pub(super) struct Marks {
    /// By ascending tag.
    list: VecDeque<Mark>,
    /// It is not looked before.
    next: Option<Instant>,
    /// How long nothing had been read, all in all, when it was looked last.
    unheard: Duration,
}

/// The deliveries of a channel that are to be settled within another time.
#[derive(Debug)]
pub(super) struct Own {
    limit: Duration,
    marks: Marks,
}

fn interval(limit: Duration) -> Duration {
    (limit / LOOKS).max(INTERVAL_MIN)
}

impl Timeouts {
    /// There is something to settle.
    pub(super) const fn note_delivery(&mut self) {
        self.is_needed = true;
    }

    /// Sees to it that it is looked, where there is something to look for; `limit` is the time that clients have, without
    /// end if none.
    #[inline]
    pub(super) fn start(&mut self, now: Instant, limit: Duration) {
        if self.is_needed && self.next.is_none() {
            let common = (!limit.is_zero()).then(|| interval(limit));
            let interval = common.into_iter().chain(self.own_interval).min();
            self.next = interval.map(|interval| now + interval);
        }
    }

    /// Time has passed until now; `is_unheard` says whether nothing was read meanwhile.
    #[inline]
    pub(super) fn pass(&mut self, now: Instant, is_unheard: bool) {
        let called = self.called.replace(now);
        if let (true, Some(called)) = (is_unheard, called) {
            self.unheard += now.since(called);
        }
    }

    pub(super) const fn deadline(&self) -> Option<Instant> {
        self.next
    }
}

impl Marks {
    /// Up to which tag all that is unsettled has been so for as long as this, if it is time to look and there is such a tag;
    /// notes the last tag. The time that the client was not heard does not count.
    fn late(
        &mut self,
        now: Instant,
        limit: Duration,
        unheard: Duration,
        last_tag: u64,
    ) -> Option<u64> {
        if self.next.is_some_and(|next| now < next) {
            return None;
        }
        self.next = Some(now + interval(limit));
        let unheard_since = unheard.saturating_sub(self.unheard);
        self.unheard = unheard;
        for mark in &mut self.list {
            mark.at = (mark.at + unheard_since).min(now);
        }
        let last = Mark {
            tag: last_tag,
            at: now,
        };
        let is_full = self.list.len() >= MARKS_MAX;
        match self.list.back_mut() {
            Some(back) if back.tag >= last_tag => {}
            // What is noted later than it came is late later.
            Some(back) if is_full => *back = last,
            Some(_) | None => self.list.push_back(last),
        }
        let is_late = |mark: &Mark| now.since(mark.at) >= limit;
        while self.list.get(1).is_some_and(is_late) {
            self.list.pop_front();
        }
        let first = self.list.front().filter(|mark| is_late(mark));
        first.map(|mark| mark.tag)
    }

    fn clear(&mut self) {
        self.list.clear();
    }
}

impl Channel {
    /// The time after which what is unsettled closes the channel now, if something does. `common` is that of consumers that have
    /// no other.
    fn late(
        &mut self,
        consumers: &Consumers,
        now: Instant,
        common: Option<Duration>,
        unheard: Duration,
    ) -> Option<Duration> {
        let last_tag = self.last_tag();
        let Some(first) = self.first_unsettled() else {
            self.marks.clear();
            self.own_marks.iter_mut().for_each(|own| own.marks.clear());
            return None;
        };
        let mut late = Vec::new();
        for own in &mut self.own_marks {
            let tag = own.marks.late(now, own.limit, unheard, last_tag);
            late.extend(tag.map(|tag| (tag, own.limit, Some(own.limit))));
        }
        if let Some(limit) = common {
            let tag = self.marks.late(now, limit, unheard, last_tag);
            late.extend(tag.map(|tag| (tag, limit, None)));
        }
        let tag_max = late.iter().map(|(tag, ..)| *tag).max()?;
        if first > tag_max {
            return None;
        }
        if self.own_marks.is_empty() {
            return late.first().map(|(_, limit, _)| *limit);
        }
        let unsettled = self.unsettled().take_while(|(tag, _)| *tag <= tag_max);
        unsettled.into_iter().find_map(|(tag, unsettled)| {
            let consumer = consumers.get(unsettled.subscription);
            let own = consumer.and_then(|consumer| consumer.settle_within);
            let is_late =
                |(up_to, _, of): &&(u64, Duration, Option<Duration>)| tag <= *up_to && *of == own;
            late.iter().find(is_late).map(|(_, limit, _)| *limit)
        })
    }
}

impl Open {
    /// Closes the channels that have held a delivery for too long, if it is time to look.
    pub(super) fn check_timeouts(
        &mut self,
        link: &mut Link,
        now: Instant,
        out: &mut Out,
    ) -> Result<(), Failure> {
        if self.timeouts.next.is_none_or(|next| now < next) {
            return Ok(());
        }
        let limit = link.limits.consumer_timeout;
        let common = Some(limit).filter(|limit| !limit.is_zero());
        self.timeouts.is_needed = false;
        self.timeouts.next = None;
        let mut late = Vec::new();
        for (number, channel) in &mut self.channels {
            let is_late = channel.late(&self.consumers, now, common, self.timeouts.unheard);
            match is_late {
                Some(limit) => late.push((*number, limit)),
                None if channel.first_unsettled().is_some() => self.timeouts.note_delivery(),
                None => {}
            }
        }
        for (number, limit) in late {
            let failure = timed_out(number, limit);
            self.settle_failure(link, number, Err(failure), out)?;
        }
        let own = self.channels.values().flat_map(|it| &it.own_marks);
        self.timeouts.own_interval = own.map(|own| interval(own.limit)).min();
        self.timeouts.start(now, limit);
        self.flush(link, out);
        Ok(())
    }

    /// What a consumer is delivered is to be settled within this time from now on, whatever is so for others.
    pub(super) fn set_settle_within(
        &mut self,
        link: &Link,
        (number, method): (u16, MethodId),
        id: SubscriptionId,
        limit: Duration,
    ) -> Result<(), Failure> {
        let (Some(channel), Some(consumer)) =
            (self.channels.get_mut(&number), self.consumers.get_mut(id))
        else {
            return Ok(());
        };
        if consumer.no_ack || consumer.settle_within.is_some() {
            return Ok(());
        }
        if limit == link.limits.consumer_timeout {
            return Ok(());
        }
        consumer.settle_within = Some(limit);
        if channel.own_marks.iter().any(|own| own.limit == limit) {
            return Ok(());
        }
        if channel.own_marks.len() >= OWN_MAX {
            let text = format!(
                "consumers of a channel have more than {OWN_MAX} different consumer timeouts"
            );
            return Err(Failure::new(ReplyCode::ResourceError, method, text));
        }
        let marks = Marks::default();
        channel.own_marks.push(Own { limit, marks });
        // It may have to be looked sooner than was thought.
        let interval = Some(interval(limit));
        let known = self.timeouts.own_interval;
        self.timeouts.own_interval = known.into_iter().chain(interval).min();
        if self.timeouts.next.take().is_some() {
            self.timeouts.note_delivery();
        }
        Ok(())
    }
}

fn timed_out(number: u16, limit: Duration) -> Failure {
    let millis = limit.as_millis();
    let text = format!(
        "delivery acknowledgement on channel {number} timed out. Timeout value used: {millis} ms. \
         This timeout value can be configured, see amqp.consumer_timeout_ms"
    );
    Failure::new(ReplyCode::PreconditionFailed, MethodId::NONE, text)
}
