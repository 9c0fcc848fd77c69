//! One channel.

use super::confirms::Confirms;
use super::consumers::Unsettled;
use super::failure::Failure;
use super::publish::ChannelId;
use super::replies::Replies;
use super::timeouts::{Marks, Own};
use super::transaction::Gathered;
use crate::content::Assembler;
use crate::{MethodId, ReplyCode, ShortStr};
use broker_api::Delivery;
use model::{QueueName, SequenceMap, SubscriptionId};
use std::collections::{BTreeMap, VecDeque};

/// A channel that the client has opened.
#[derive(Debug, Default)]
pub(super) struct Channel {
    stage: Stage,
    /// The queue that was declared last on it: what no name means.
    last_queue: Option<QueueName>,
    /// Ascending with each channel that is opened on the connection.
    pub(super) serial: u64,
    /// Puts contents together that come in pieces; made with the first of these.
    pub(super) assembler: Option<Box<Assembler>>,
    /// Whether something was published on it.
    pub(super) has_published: bool,
    /// The publishes, if they are confirmed.
    pub(super) confirms: Option<Confirms>,
    /// What it gathers, if it is transactional.
    pub(super) transaction: Option<Gathered>,
    /// How much a consumer may have in hand that begins now; none if there is no bound.
    pub(super) prefetch: Option<u64>,
    /// How much all its consumers may have in hand together; none if there is no bound.
    pub(super) pool: Option<u64>,
    /// So much they have.
    pub(super) in_hand: u64,
    /// What has come beyond that, in order.
    pub(super) waiting: VecDeque<Delivery>,
    /// How many of those waited already when it was looked last.
    pub(super) waited: usize,
    /// Its consumers that the client has not canceled, by their tag.
    pub(super) consumers: BTreeMap<Box<[u8]>, SubscriptionId>,
    /// Where the answers to its requests come, if it consumes them.
    pub(super) replies: Option<Box<Replies>>,
    /// By delivery tag: what the client has not settled.
    unsettled: SequenceMap<Unsettled>,
    /// The tag of the last delivery.
    last_tag: u64,
    /// What had been delivered when.
    pub(super) marks: Marks,
    /// The same for each other time within which consumers of it are to settle what they have.
    pub(super) own_marks: Vec<Own>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Open,
    /// `channel.close` has been sent: all but its answer is passed over.
    Closing,
    /// That crossed the client's own: it may open the channel anew before it answers.
    Crossed,
}

impl Channel {
    pub(super) fn new(serial: u64) -> Self {
        Self {
            serial,
            ..Self::default()
        }
    }

    pub(super) const fn is_closing(&self) -> bool {
        matches!(self.stage, Stage::Closing | Stage::Crossed)
    }

    /// Whether the client closes it, too.
    pub(super) const fn is_crossed(&self) -> bool {
        matches!(self.stage, Stage::Crossed)
    }

    /// The client closes it, too.
    pub(super) const fn cross(&mut self) {
        self.stage = Stage::Crossed;
    }

    /// Nothing more comes of it.
    pub(super) fn start_closing(&mut self) {
        *self = Self {
            stage: Stage::Closing,
            ..Self::new(self.serial)
        };
    }

    pub(super) const fn id(&self, number: u16) -> ChannelId {
        ChannelId {
            number,
            serial: self.serial,
        }
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

    /// The tag of the first delivery that is to be settled.
    pub(super) fn first_unsettled(&self) -> Option<u64> {
        self.unsettled.first().map(|(tag, _)| tag)
    }

    /// What is to be settled, by ascending tag.
    pub(super) fn unsettled(&self) -> impl Iterator<Item = (u64, &Unsettled)> {
        self.unsettled.iter()
    }

    pub(super) const fn last_tag(&self) -> u64 {
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
    pub(super) fn take_first_unsettled(&mut self, last: u64) -> Option<(u64, Unsettled)> {
        let (tag, _) = self.unsettled.first().filter(|(tag, _)| *tag <= last)?;
        Some((tag, self.take_unsettled(tag)?))
    }

    /// What was kept in hand is settled.
    pub(super) fn leave_hand(&mut self, settled: &Unsettled) {
        self.in_hand = self.in_hand.saturating_sub(u64::from(!settled.is_got));
    }

    /// What was kept in hand is to be settled again.
    pub(super) fn put_back(&mut self, tag: u64, unsettled: Unsettled) {
        self.unsettled.insert(tag, unsettled);
    }

    /// What its consumers may have beside what they have; none if there is no bound.
    pub(super) fn free(&self) -> Option<u64> {
        self.pool.map(|pool| pool.saturating_sub(self.in_hand))
    }

    /// Whether one more delivery has to wait for room.
    pub(super) fn is_full(&self) -> bool {
        self.free() == Some(0) || !self.waiting.is_empty()
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
