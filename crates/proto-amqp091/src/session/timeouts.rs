//! Deliveries that a client does not settle for too long: they close their channel.
//!
//! No delivery has a time of its own, and none has a timer. Once in a while each channel notes the tag of its last delivery; what
//! is unsettled up to a tag that was noted has been so since then, if not for longer. So a channel is closed late, by two of
//! these whiles at most, but never early. While nothing is read the client cannot settle: that time does not count.

use super::Link;
use super::channel::Channel;
use super::failure::Failure;
use super::open::Open;
use crate::{MethodId, ReplyCode};
use broker_api::Out;
use model::Instant;
use std::time::Duration;

/// It is looked so often within the time that a client has. So many marks a channel has at most, and two more.
const LOOKS: u32 = 60;

/// However short that time is, it is looked no more often.
const INTERVAL_MIN: Duration = Duration::from_millis(100);

/// When it is looked for deliveries that are late.
#[derive(Debug, Default)]
pub(super) struct Timeouts {
    /// Whether there may be something to settle.
    is_needed: bool,
    next: Option<Instant>,
    /// When the session was called last.
    called: Option<Instant>,
    /// How long nothing was read since the last look.
    unheard: Duration,
}

/// The last delivery of a channel at a time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    tag: u64,
    at: Instant,
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
        if self.is_needed && self.next.is_none() && !limit.is_zero() {
            self.next = Some(now + (limit / LOOKS).max(INTERVAL_MIN));
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

impl Channel {
    /// Since when something is unsettled, if that is known, without the time that the client was not heard since the last
    /// look; notes what has been delivered until now.
    fn unsettled_since(&mut self, now: Instant, unheard: Duration) -> Option<Instant> {
        for mark in &mut self.marks {
            mark.at = (mark.at + unheard).min(now);
        }
        let Some(first) = self.first_unsettled() else {
            self.marks.clear();
            return None;
        };
        while self.marks.front().is_some_and(|mark| mark.tag < first) {
            self.marks.pop_front();
        }
        let tag = self.last_tag();
        if self.marks.back().is_none_or(|mark| mark.tag < tag) {
            self.marks.push_back(Mark { tag, at: now });
        }
        self.marks.front().map(|mark| mark.at)
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
        let unheard = std::mem::take(&mut self.timeouts.unheard);
        self.timeouts.is_needed = false;
        self.timeouts.next = None;
        let mut late = Vec::new();
        for (number, channel) in &mut self.channels {
            match channel.unsettled_since(now, unheard) {
                Some(since) if now.since(since) >= limit => late.push(*number),
                Some(_) => self.timeouts.note_delivery(),
                None => {}
            }
        }
        self.timeouts.start(now, limit);
        for number in late {
            let failure = timed_out(number, limit);
            self.settle_failure(link, number, Err(failure), out)?;
        }
        self.flush(link, out);
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
