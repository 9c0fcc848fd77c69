//! A message in the queue, with what is known of it there.

use crate::groups::GroupId;
use crate::placement::{Held, LeaveReason, Left, Placement};
use crate::port::Handover;
use model::{Instant, LogIndex, Message, Sequence};
use std::sync::Arc;

/// A message in the queue. Small, for there are millions of them: what few messages have stands in `rare`.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) sequence: Sequence,
    pub(crate) message: Message,
    history: History,
    rare: Option<Box<Rare>>,
}

/// Where a message's record stands in the log, if it has one, and, in the highest bit, whether the message may
/// have been delivered before. One number, so that an entry moves as whole words.
#[derive(Clone, Copy, Debug)]
struct History(u64);

impl History {
    const REDELIVERED: u64 = 1 << 63;
    /// No log is that long.
    const UNLOGGED: u64 = Self::REDELIVERED - 1;

    fn index(self) -> u64 {
        self.0 & !Self::REDELIVERED
    }
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
            message,
            history: History(logged.map_or(History::UNLOGGED, |index| index.0)),
            rare,
        }
    }

    /// Where its record stands in the log, if it has one.
    pub(crate) fn logged(&self) -> Option<LogIndex> {
        self.is_logged().then_some(LogIndex(self.history.index()))
    }

    pub(crate) fn is_logged(&self) -> bool {
        self.history.index() != History::UNLOGGED
    }

    pub(crate) fn set_logged(&mut self, index: LogIndex) {
        self.history.0 = self.history.0 & History::REDELIVERED | index.0;
    }

    /// Whether it may have been delivered before.
    pub(crate) fn is_redelivered(&self) -> bool {
        self.history.0 & History::REDELIVERED != 0
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
            message: self.message.clone(),
        }
    }

    pub(crate) fn held(&self) -> Held<'_> {
        Held {
            placement: self.placement(),
            message: &self.message,
            is_logged: self.is_logged(),
            delivery_count: self.delivery_count(),
        }
    }

    #[inline]
    pub(crate) fn left(self, reason: LeaveReason) -> Left {
        Left {
            sequence: self.sequence,
            is_logged: self.is_logged(),
            message: self.message,
            reason,
        }
    }
}
