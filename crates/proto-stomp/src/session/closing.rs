//! After DISCONNECT: what was asked before is still answered.

use super::Failure;
use super::receipt::{Outstanding, Receipt};
use broker_api::{Event, Out};

/// Waits for the answers to everything that came before DISCONNECT.
#[derive(Debug)]
pub(super) struct Closing {
    outstanding: Outstanding,
    /// DISCONNECT's own.
    receipt: Option<Receipt>,
}

impl Closing {
    pub(super) const fn new(outstanding: Outstanding, receipt: Option<Receipt>) -> Self {
        Self {
            outstanding,
            receipt,
        }
    }

    pub(super) fn handle_event(&mut self, event: &Event, out: &mut Out) -> Result<(), Failure> {
        match event {
            Event::Confirmed(id) | Event::Done(id, Ok(_)) => {
                self.outstanding.handle_answer(*id, out);
                Ok(())
            }
            Event::Done(id, Err(refusal)) => self.outstanding.handle_refusal(*id, refusal),
            Event::Disconnect(refusal) => Err(Failure::refused(refusal, None)),
            // The client has said that it takes no more.
            Event::Delivery(_) | Event::Returned(..) | Event::Drained(_) | Event::Ended(..) => {
                Ok(())
            }
        }
    }

    /// What is kept for answers that the client waits for; never nothing.
    pub(super) fn unanswered_bytes(&self) -> usize {
        self.outstanding.bytes().max(1)
    }

    /// Sends the RECEIPT of DISCONNECT and asks to close, if nothing is under way.
    pub(super) fn finish_if_answered(&mut self, out: &mut Out) -> bool {
        if !self.outstanding.is_empty() {
            return false;
        }
        if let Some(receipt) = self.receipt.take() {
            receipt.put(out);
        }
        out.close();
        true
    }
}
