//! One channel.

use super::consumers::Unsettled;
use super::failure::Failure;
use crate::{MethodId, ReplyCode, ShortStr};
use model::{QueueName, SequenceMap, SubscriptionId};
use std::collections::BTreeMap;

/// A channel that the client has opened.
#[derive(Debug, Default)]
pub(super) struct Channel {
    stage: Stage,
    /// The queue that was declared last on it: what no name means.
    last_queue: Option<QueueName>,
    /// Whether publishes are confirmed.
    pub(super) confirms: bool,
    /// How much a consumer may have in hand that begins now; none if there is no bound.
    pub(super) prefetch: Option<u64>,
    /// How much all its consumers may have in hand together; none if there is no bound.
    pub(super) pool: Option<u64>,
    /// So much they have.
    in_hand: u64,
    /// Its consumers that the client has not canceled, by their tag.
    pub(super) consumers: BTreeMap<Box<[u8]>, SubscriptionId>,
    /// By delivery tag: what the client has not settled.
    unsettled: SequenceMap<Unsettled>,
    /// The tag of the last delivery.
    last_tag: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Open,
    /// `channel.close` has been sent: all but its answer is passed over.
    Closing,
}

impl Channel {
    pub(super) const fn is_closing(&self) -> bool {
        matches!(self.stage, Stage::Closing)
    }

    /// Nothing more comes of it.
    pub(super) fn start_closing(&mut self) {
        *self = Self::default();
        self.stage = Stage::Closing;
    }

    /// Gives a delivery its tag; what is to be settled is kept under it.
    pub(super) fn add_delivery(&mut self, unsettled: Option<Unsettled>) -> u64 {
        self.last_tag += 1;
        if let Some(unsettled) = unsettled {
            self.in_hand += u64::from(!unsettled.is_got);
            self.unsettled.insert(self.last_tag, unsettled);
        }
        self.last_tag
    }

    /// Whether there is something to settle under a tag.
    pub(super) fn has_unsettled(&self, tag: u64) -> bool {
        self.unsettled.get(tag).is_some()
    }

    /// Takes what is to be settled under a tag.
    pub(super) fn take_unsettled(&mut self, tag: u64) -> Option<Unsettled> {
        let settled = self.unsettled.remove(tag)?;
        self.in_hand -= u64::from(!settled.is_got);
        Some(settled)
    }

    /// Takes the first that is to be settled, if its tag is not behind this.
    pub(super) fn take_first_unsettled(&mut self, last: u64) -> Option<Unsettled> {
        let (tag, _) = self.unsettled.first().filter(|(tag, _)| *tag <= last)?;
        self.take_unsettled(tag)
    }

    /// What its consumers may have beside what they have; none if there is no bound.
    pub(super) fn free(&self) -> Option<u64> {
        self.pool.map(|pool| pool.saturating_sub(self.in_hand))
    }

    pub(super) fn set_last_queue(&mut self, name: QueueName) {
        self.last_queue = Some(name);
    }

    /// The queue with this name; the one that was declared last if there is none.
    pub(super) fn queue(&self, name: ShortStr<'_>, method: MethodId) -> Result<QueueName, Failure> {
        match QueueName::new(name.as_bytes()) {
            Ok(name) => Ok(name),
            Err(_) => self.last_queue.clone().ok_or_else(|| {
                Failure::new(ReplyCode::NotFound, method, "no previously declared queue")
            }),
        }
    }
}
