//! Receivers that are pushed to by the publisher itself.

use crate::counters::{self, Counters};
use crate::head::MessageFilter;
use crate::outbox::{DirectTo, Outbox};
use broker_api::OwnMessages;
use model::{ConnectionId, Message};
use queue::Filter as _;
use std::sync::Arc;

/// What the filters of one connection may cost a publisher for one message, in units of about ten nanoseconds,
/// before they are not asked any more. A thousand plain selectors on a head of a kilobyte cost half of it.
const CONNECTION_WORK_MAX: u64 = 128 * 1024;

/// A receiver that is pushed to by the publisher itself.
#[derive(Clone)]
pub(crate) struct DirectTarget {
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) to: DirectTo,
    pub(super) filter: Option<Arc<MessageFilter>>,
    pub(super) own_messages: OwnMessages,
}

impl DirectTarget {
    /// Whether it takes all messages of the publisher.
    pub(crate) fn takes_all(&self, publisher: ConnectionId) -> bool {
        self.filter.is_none() && !self.is_barred(publisher)
    }

    /// Whether it takes the message, which is the `nth` of those that `work` counts for. It misses one for which
    /// the filters of its connection have cost too much before.
    pub(crate) fn takes(
        &self,
        publisher: ConnectionId,
        (nth, message): (usize, &Message),
        work: &mut FilterWork<'_>,
    ) -> bool {
        if self.is_barred(publisher) {
            return false;
        }
        let Some(filter) = &self.filter else {
            return true;
        };
        let spent = work.spent(self.outbox.connection(), nth);
        if *spent >= CONNECTION_WORK_MAX {
            counters::add(&work.counters.dropped, 1);
            return false;
        }
        let answer = filter.ask(message);
        *spent += answer.work;
        answer.is_match
    }

    fn is_barred(&self, publisher: ConnectionId) -> bool {
        self.own_messages == OwnMessages::Skip && self.outbox.connection() == publisher
    }
}

/// What the filters of each connection have cost for each of some messages, which all receivers of one connection
/// are asked about before those of another.
pub(crate) struct FilterWork<'n> {
    counters: &'n Counters,
    /// Whose filters were asked last.
    connection: Option<ConnectionId>,
    /// By message.
    spent: Vec<u64>,
}

impl<'n> FilterWork<'n> {
    pub(crate) fn new(counters: &'n Counters) -> Self {
        Self {
            counters,
            connection: None,
            spent: Vec::new(),
        }
    }

    fn spent(&mut self, connection: ConnectionId, nth: usize) -> &mut u64 {
        if self.connection != Some(connection) {
            self.connection = Some(connection);
            self.spent.clear();
        }
        if self.spent.len() <= nth {
            self.spent.resize(nth + 1, 0);
        }
        &mut self.spent[nth]
    }
}
