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
    /// Its consumers that the client has not canceled, by their tag.
    pub(super) consumers: BTreeMap<Box<[u8]>, SubscriptionId>,
    /// By delivery tag: what the client has not settled.
    pub(super) unsettled: SequenceMap<Unsettled>,
    /// The tag of the last delivery.
    pub(super) last_tag: u64,
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
