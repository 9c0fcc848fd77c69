//! A queue in its shard.

use super::memory::Noted;
use crate::Node;
use crate::estate::Estate;
use crate::head;
use crate::shared_queue::SharedQueue;
use model::{Durability, Instant, Message, Overflow, QueueRules};
use queue::{Keys, Queue};
use std::sync::Arc;

/// A queue in its shard.
pub(super) struct Hosted {
    pub(super) shared: Arc<SharedQueue>,
    pub(super) queue: Queue,
    /// Since when nobody has used it.
    pub(super) unused_since: Option<Instant>,
    /// When it stands in the shard's deadlines.
    pub(super) deadline: Option<Instant>,
    pub(super) is_touched: bool,
    pub(super) is_in_batch: bool,
    pub(super) is_riding: bool,
    pub(super) noted: Noted,
    /// What is kept for whoever takes it over, once somebody has.
    pub(super) estate: Option<Box<Estate>>,
}

impl Hosted {
    pub(super) fn is_durable(&self) -> bool {
        self.shared.definition.durability == Durability::Durable
    }

    /// Whether so many more messages are too many, where that is refused.
    pub(super) fn refuses(&self, count: u64) -> bool {
        let rules = self.queue.rules();
        let is_over = |max| self.queue.ready_count() as u64 + count > max;
        rules.overflow.unwrap_or_default() != Overflow::DropHead
            && rules.length_max.is_some_and(is_over)
    }

    /// Whether anybody has subscribed, but to browse, or another queue keeps it.
    pub(super) fn is_used(&self) -> bool {
        self.queue.subscription_count() > 0 || self.shared.is_kept()
    }

    /// Whether a look at it can lead to anything: a message waits, or its body is to be read, or somebody browses.
    pub(super) fn has_work(&self) -> bool {
        self.queue.ready_count() > 0 || self.queue.has_browsers() || self.queue.awaits_bodies()
    }

    /// When it is to be looked at even if nobody asks for it.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        if self.is_ending() {
            return None;
        }
        let will_at = self.estate.as_ref().and_then(|estate| estate.will_at());
        let deadlines = self.queue.deadline().into_iter();
        deadlines.chain(self.ends_at()).chain(will_at).min()
    }

    /// When it ends for want of use: as its owner said, or else as it was declared, or sooner as policies say. Not while
    /// nobody can use it: what can be repaired of it is kept.
    pub(super) fn ends_at(&self) -> Option<Instant> {
        if self.shared.is_kept() || self.shared.is_damaged() {
            return None;
        }
        let bequest = self.estate.as_ref().and_then(|estate| estate.bequest());
        let expires_ms = match bequest {
            Some(bequest) => bequest.expires_ms,
            None => self.shared.definition.expires_ms,
        };
        let unused = self.unused_since.zip(self.shared.expires_ms(expires_ms));
        unused.map(|(since, expires_ms)| since.plus_millis(expires_ms))
    }

    /// Whether it is about to end, when its will is durable.
    pub(super) fn is_ending(&self) -> bool {
        self.estate
            .as_ref()
            .is_some_and(|estate| estate.ending.is_some())
    }

    /// The keys of a message, if it has any that matter here.
    pub(super) fn keys(&self, node: &Node, message: &Message) -> Keys {
        keys(node, self.queue.rules(), message)
    }
}

/// The keys of a message, if it has any that matter to a queue with these rules.
pub(super) fn keys(node: &Node, rules: &QueueRules, message: &Message) -> Keys {
    if message.envelope().is_grouped || rules.last_value_header.is_some() {
        head::keys(node.settings.heads, rules, message)
    } else {
        Keys::default()
    }
}
