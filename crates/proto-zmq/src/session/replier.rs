//! A REP: it is given one request at a time, and its next message answers that.

use super::{Link, SUBSCRIPTION};
use crate::translate::{Content, Request, answer_message};
use broker_api::{Command, Confirm, Delivery, Grant, Heads, Out, Settle};
use model::{Outcome, Sequence};

/// A REP.
#[derive(Debug, Default)]
pub(super) struct Replier {
    /// Requests that it has been given so far.
    count: u64,
    /// The one that it has not answered.
    unanswered: Option<(Sequence, Request)>,
}

impl Replier {
    /// One more request.
    pub(super) const fn grant(&self) -> Grant {
        Grant {
            count: self.count,
            limit: 1,
            drain: false,
        }
    }

    pub(super) fn handle_delivery(&mut self, delivery: &Delivery, heads: Heads) {
        self.count += 1;
        let request = Request::of(&delivery.message, heads);
        self.unanswered = Some((delivery.sequence, request));
    }

    /// What nothing asked for is dropped; so is the answer of a request that does not say where it goes.
    pub(super) fn answer(&mut self, link: &mut Link, content: Content<'_>, out: &mut Out) {
        let Some((sequence, request)) = self.unanswered.take() else {
            return;
        };
        if let Some((exchange, key)) = &request.reply_to {
            let to = (&exchange[..], &key[..]);
            let message = answer_message(&link.settings, to, &request.correlation, content);
            link.publish(out, message);
        }
        let settle = Settle {
            subscription: SUBSCRIPTION,
            sequences: vec![sequence],
            outcome: Outcome::Accept,
            confirm: Confirm::Unwanted,
        };
        link.submit(out, Command::Settle(settle));
        link.submit(out, Command::Grant(SUBSCRIPTION, self.grant()));
    }
}
