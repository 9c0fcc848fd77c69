//! After DISCONNECT: what was asked before is still answered.

use super::known_queues::KnownQueues;
use super::receipt::{Outstanding, Receipt};
use super::returned::Returned;
use super::{Failure, Link};
use broker_api::{Event, Out};

/// Waits for the answers to everything that came before DISCONNECT.
#[derive(Debug)]
pub(super) struct Closing {
    outstanding: Outstanding,
    queues: KnownQueues,
    returned: Returned,
    /// DISCONNECT's own.
    receipt: Option<Receipt>,
}

impl Closing {
    pub(super) fn new(
        outstanding: Outstanding,
        queues: KnownQueues,
        receipt: Option<Receipt>,
    ) -> Self {
        Self {
            outstanding,
            queues,
            returned: Returned::default(),
            receipt,
        }
    }

    pub(super) fn handle_event(
        &mut self,
        link: &mut Link,
        event: Event,
        out: &mut Out,
    ) -> Result<(), Failure> {
        let Self {
            outstanding,
            queues,
            returned,
            ..
        } = self;
        match event {
            Event::Done(id, result) if returned.awaits(id) => {
                returned.handle_done(link, id, result, queues, outstanding, out)
            }
            Event::Confirmed(id) | Event::Done(id, Ok(_)) => {
                outstanding.handle_answer(id, out);
                Ok(())
            }
            Event::Done(id, Err(refusal)) => outstanding.handle_refusal(id, &refusal),
            Event::Returned(id, message) => {
                returned.add(link, id, message, queues, outstanding, out);
                Ok(())
            }
            Event::Disconnect(refusal) => Err(Failure::refused(&refusal, None)),
            // The client has said that it takes no more.
            Event::Delivery(_)
            | Event::Drained(_)
            | Event::Ended(..)
            | Event::Blocked(_)
            | Event::Unblocked => Ok(()),
        }
    }

    /// What is kept for answers that the client waits for; never nothing.
    pub(super) fn unanswered_bytes(&self) -> usize {
        (self.outstanding.bytes() + self.returned.bytes()).max(1)
    }

    /// Sends the RECEIPT of DISCONNECT and asks to close, if nothing is under way.
    pub(super) fn finish_if_answered(&mut self, out: &mut Out) -> bool {
        if !self.outstanding.is_empty() || !self.returned.is_empty() {
            return false;
        }
        if let Some(receipt) = self.receipt.take() {
            receipt.put(out);
        }
        out.close();
        true
    }
}
