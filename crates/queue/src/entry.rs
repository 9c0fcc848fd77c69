//! A message in the queue, with what is known of it there.

use crate::groups::GroupId;
use crate::page::Taken;
use crate::paged::Paged;
use crate::placement::{Held, LeaveReason, Left, Placement};
use crate::port::Handover;
use model::{Instant, LogIndex, Message, PageNumber, Sequence};
use std::num::NonZeroU64;
use std::sync::Arc;

/// A message in the queue. Small, for there are millions of them: what few messages have stands in `rare`.
///
/// Its body is here unless it stands in a saved page and is in somebody's hands, or comes from there and is
/// delayed: an entry in a lane always has it.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) sequence: Sequence,
    body: Body,
    history: History,
    rare: Option<Box<Rare>>,
}

/// The message itself, or what must be known of it when only its page has it.
#[derive(Debug)]
enum Body {
    Here(Message),
    Away { cost_bytes: u32, body_bytes: u32 },
}

/// Where a message's record or page stands, if it has one, and whether the message may have been delivered
/// before. One number, never zero, so that an entry moves as whole words.
///
/// ```text
///  63            62       61      60   59..0
///  redelivered   logged   paged   1    its page, if it is paged; else the index of its record, if it is logged
/// ```
/// What is paged stands in that page as long as the queue knows it; if it is logged too, its record is durable.
#[derive(Clone, Copy, Debug)]
struct History(NonZeroU64);

impl History {
    const REDELIVERED: u64 = 1 << 63;
    const LOGGED: u64 = 1 << 62;
    const PAGED: u64 = 1 << 61;
    const ONE: u64 = 1 << 60;
    /// No log is that long.
    const NUMBER: u64 = Self::ONE - 1;
    /// Nothing is known.
    const BARE: NonZeroU64 = NonZeroU64::new(Self::ONE).expect("a bit is set");

    fn new(flags: u64, number: u64) -> Self {
        let bits = flags | number & Self::NUMBER;
        Self(Self::BARE | bits)
    }

    fn has(self, flag: u64) -> bool {
        self.0.get() & flag != 0
    }

    fn number(self) -> u64 {
        self.0.get() & Self::NUMBER
    }
}

#[cold]
#[inline(never)]
fn lacks_body(sequence: Sequence) -> ! {
    panic!("{sequence} waits in a lane without its body")
}

/// What few messages have.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rare {
    pub(crate) expires_at: Option<Instant>,
    /// Set while it waits for that moment.
    pub(crate) available_at: Option<Instant>,
    /// How many of its deliveries have failed.
    pub(crate) delivery_count: u32,
    /// How many of its deliveries have ended without its leaving, failed or not.
    pub(crate) acquired_count: u32,
    pub(crate) group: Option<GroupId>,
    /// What it is about.
    pub(crate) value: Option<Arc<[u8]>>,
}

impl Entry {
    /// A message where its placement says.
    #[inline]
    pub(crate) fn placed(placement: Placement, logged: Option<LogIndex>, message: Message) -> Self {
        let has_times = placement.expires_at.is_some() || placement.available_at.is_some();
        let rare = has_times.then(|| {
            Box::new(Rare {
                expires_at: placement.expires_at,
                available_at: placement.available_at,
                ..Rare::default()
            })
        });
        Self {
            sequence: placement.sequence,
            body: Body::Here(message),
            history: logged.map_or(History::new(0, 0), |index| {
                History::new(History::LOGGED, index.0)
            }),
            rare,
        }
    }

    /// A message that stands in the log and in a page, which alone has its body.
    pub(crate) fn away(placement: Placement, page: PageNumber, taken: Taken) -> Self {
        let counts = (taken.delivery_count, taken.acquired_count);
        let rare = (counts != (0, 0)).then(|| {
            Box::new(Rare {
                delivery_count: taken.delivery_count,
                acquired_count: taken.acquired_count,
                ..Rare::default()
            })
        });
        Self {
            sequence: placement.sequence,
            body: Body::Away {
                cost_bytes: taken.cost_bytes,
                body_bytes: taken.body_bytes,
            },
            history: History::new(History::PAGED | History::LOGGED, page.0),
            rare,
        }
    }

    /// The message itself.
    ///
    /// Panics when only its page has it; it is never asked of one that may be away.
    #[inline]
    pub(crate) fn message(&self) -> &Message {
        match &self.body {
            Body::Here(message) => message,
            Body::Away { .. } => lacks_body(self.sequence),
        }
    }

    /// The message itself, if it is in memory.
    pub(crate) fn message_here(&self) -> Option<&Message> {
        match &self.body {
            Body::Here(message) => Some(message),
            Body::Away { .. } => None,
        }
    }

    /// What the message is charged with, wherever it is.
    #[inline]
    pub(crate) fn cost_bytes(&self) -> usize {
        match &self.body {
            Body::Here(message) => message.cost_bytes(),
            Body::Away { cost_bytes, .. } => *cost_bytes as usize,
        }
    }

    pub(crate) fn body_bytes(&self) -> u64 {
        match &self.body {
            Body::Here(message) => message.body().len() as u64,
            Body::Away { body_bytes, .. } => u64::from(*body_bytes),
        }
    }

    /// Lets go of the message itself, which its page has; returns what it was charged with, or 0 if it stays.
    pub(crate) fn strip(&mut self) -> usize {
        let Body::Here(message) = &self.body else {
            return 0;
        };
        let cost = message.cost_bytes();
        let body = message.body().len();
        let (Ok(cost_bytes), Ok(body_bytes)) = (u32::try_from(cost), u32::try_from(body)) else {
            return 0;
        };
        self.body = Body::Away {
            cost_bytes,
            body_bytes,
        };
        cost
    }

    /// Gets the message itself back, as its page has it, with what is not known if it was taken out unread.
    pub(crate) fn embody(&mut self, paged: Paged) {
        self.body = Body::Here(paged.message);
        if let Some(at) = paged.placement.expires_at {
            self.rare_mut().expires_at = Some(at);
        }
    }

    /// The page that has it, if the queue knows such a page.
    #[inline]
    pub(crate) fn page(&self) -> Option<PageNumber> {
        let is_paged = self.history.has(History::PAGED);
        is_paged.then(|| PageNumber(self.history.number()))
    }

    /// It is written to a page: what it was logged at no longer matters.
    pub(crate) fn set_page(&mut self, page: PageNumber) {
        let kept = self.history.0.get() & (History::REDELIVERED | History::LOGGED);
        self.history = History::new(kept | History::PAGED, page.0);
    }

    /// Where its record stands in the log, if it has one; 0 if that is known to be durable.
    #[inline]
    pub(crate) fn logged(&self) -> Option<LogIndex> {
        if !self.is_logged() {
            return None;
        }
        let is_paged = self.history.has(History::PAGED);
        Some(LogIndex(if is_paged { 0 } else { self.history.number() }))
    }

    #[inline]
    pub(crate) fn is_logged(&self) -> bool {
        self.history.has(History::LOGGED)
    }

    pub(crate) fn set_logged(&mut self, index: LogIndex) {
        let kept = self.history.0.get() & History::REDELIVERED;
        self.history = History::new(kept | History::LOGGED, index.0);
    }

    /// Whether it may have been delivered before.
    pub(crate) fn is_redelivered(&self) -> bool {
        self.history.has(History::REDELIVERED)
    }

    pub(crate) fn set_redelivered(&mut self) {
        self.history.0 |= History::REDELIVERED;
    }

    /// A delivery has ended, and the message is still there.
    pub(crate) fn come_back(&mut self) {
        self.set_redelivered();
        let rare = self.rare_mut();
        rare.acquired_count = rare.acquired_count.saturating_add(1);
    }

    pub(crate) fn acquired_count(&self) -> u32 {
        self.rare.as_ref().map_or(0, |rare| rare.acquired_count)
    }

    pub(crate) fn rare(&self) -> Option<&Rare> {
        self.rare.as_deref()
    }

    pub(crate) fn rare_mut(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    pub(crate) fn expires_at(&self) -> Option<Instant> {
        self.rare.as_ref()?.expires_at
    }

    pub(crate) fn available_at(&self) -> Option<Instant> {
        self.rare.as_ref()?.available_at
    }

    pub(crate) fn delivery_count(&self) -> u32 {
        self.rare.as_ref().map_or(0, |rare| rare.delivery_count)
    }

    pub(crate) fn group(&self) -> Option<GroupId> {
        self.rare.as_ref()?.group
    }

    pub(crate) fn value(&self) -> Option<&Arc<[u8]>> {
        self.rare.as_ref()?.value.as_ref()
    }

    /// It waits no more.
    pub(crate) fn clear_available_at(&mut self) {
        if let Some(rare) = &mut self.rare {
            rare.available_at = None;
        }
    }

    pub(crate) fn placement(&self) -> Placement {
        Placement {
            sequence: self.sequence,
            expires_at: self.expires_at(),
            available_at: self.available_at(),
        }
    }

    pub(crate) fn handover(&self) -> Handover {
        Handover {
            sequence: self.sequence,
            redelivered: self.is_redelivered(),
            delivery_count: self.delivery_count(),
            acquired_count: self.acquired_count(),
            expires_at: self.expires_at(),
            message: self.message().clone(),
        }
    }

    /// As a page keeps it.
    pub(crate) fn paged(&self) -> Paged {
        Paged {
            placement: self.placement(),
            redelivered: self.is_redelivered(),
            delivery_count: self.delivery_count(),
            acquired_count: self.acquired_count(),
            message: self.message().clone(),
        }
    }

    /// As those see it who look at all that is in memory.
    pub(crate) fn held(&self) -> Option<Held<'_>> {
        Some(Held {
            placement: self.placement(),
            message: self.message_here()?,
            is_logged: self.is_logged(),
            delivery_count: self.delivery_count(),
        })
    }

    #[inline]
    pub(crate) fn left(self, reason: LeaveReason) -> Left {
        let (message, away_bytes) = match self.body {
            Body::Here(message) => (Some(message), 0),
            Body::Away { cost_bytes, .. } => (None, cost_bytes),
        };
        Left {
            sequence: self.sequence,
            is_logged: self.history.has(History::LOGGED),
            message,
            away_bytes,
            reason,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_small_and_have_room_for_a_state_beside_them() {
        assert_eq!(size_of::<Entry>(), 40);
        assert_eq!(size_of::<Option<Entry>>(), 40);
    }
}
