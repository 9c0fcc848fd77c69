//! The sending side: frames rendered into the connection's output, each patched with its queue, its body and its
//! receipt id.

use anyhow::{Context as _, Result, bail};

use super::{
    body::BODY_BYTES_MIN,
    ledger::Ledger,
    reactor::Reactor,
    site::{NUMBER_DIGITS, Site, destination},
};
use crate::{
    stamp::DIGITS,
    wire::{Receipt, Safety, Template, Wire},
};

/// Rendered before a write, at most.
const TURN_BYTES: usize = 256 * 1024;

/// Receipts outstanding, at most.
const RECEIPTS_MAX: u64 = 1000;

/// A connection that publishes persistent messages.
pub(super) struct Publisher {
    /// Its number in the reactor.
    pub(super) index: usize,
    body_bytes: usize,
    /// With a receipt, and without.
    asking: Template,
    plain: Template,
    /// Where the digits of the queue stand, in both.
    number_at: usize,
    /// One message in so many asks for a receipt.
    every: u64,
    /// Messages rendered.
    pub(super) sent: u64,
    /// Receipts asked for.
    asked: u64,
    is_last_asking: bool,
    /// Receipts that came.
    pub(super) answered: u64,
}

/// Which messages ask for a receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Receipts {
    /// One in so many.
    InTurn,
    /// And the last of these.
    AndLast,
}

impl Publisher {
    /// A publisher on a connection of its own, with a receipt for one message in `every`.
    ///
    /// # Errors
    /// If the broker refuses it.
    pub(super) fn open(site: &Site, reactor: &mut Reactor, every: u64) -> Result<Self> {
        debug_assert!(site.body_bytes >= BODY_BYTES_MIN, "a body has an identity");
        let index = site.connect(reactor)?;
        let destination = destination(0);
        let body = vec![0; site.body_bytes];
        let asking = Wire::Stomp.template(&destination, &body, Safety::Confirmed);
        let name = destination.as_bytes();
        let at = asking
            .bytes
            .windows(name.len())
            .position(|part| part == name);
        let number_at = at.context("the frame names its destination")? + name.len() - NUMBER_DIGITS;
        Ok(Self {
            index,
            body_bytes: site.body_bytes,
            plain: without_receipt(&asking)?,
            asking,
            number_at,
            every,
            sent: 0,
            asked: 0,
            is_last_asking: true,
            answered: 0,
        })
    }

    /// Messages that may be sent now.
    pub(super) fn allowance(&self, reactor: &Reactor) -> u64 {
        if reactor.is_blocked(self.index) {
            return 0;
        }
        let receipts = RECEIPTS_MAX.saturating_sub(self.unanswered());
        (receipts * self.every).saturating_sub(self.sent % self.every)
    }

    /// Whether the last message that was sent asked for a receipt, or there was none.
    pub(super) fn is_last_asking(&self) -> bool {
        self.is_last_asking
    }

    /// Receipts asked for that have not come.
    pub(super) fn unanswered(&self) -> u64 {
        self.asked.saturating_sub(self.answered)
    }

    /// Messages that are safe as far as receipts say it: each speaks for those before it, which it does for sure
    /// only once all have come.
    pub(super) fn confirmed(&self) -> u64 {
        (self.answered * self.every).min(self.sent)
    }

    /// Sends at most `count` messages, each to the queue that `queue_of` gives for its number. Gives how many it
    /// was.
    ///
    /// # Errors
    /// If the connection ends.
    pub(super) fn publish(
        &mut self,
        reactor: &mut Reactor,
        ledger: &mut Ledger,
        count: u64,
        receipts: Receipts,
        queue_of: impl Fn(u64) -> u32,
    ) -> Result<u64> {
        let turn = (TURN_BYTES / self.asking.bytes.len()).max(1) as u64;
        let is_cut = count > turn;
        let count = count.min(turn);
        let output = reactor.output(self.index);
        for left in (0..count).rev() {
            let is_last = left == 0 && !is_cut && receipts == Receipts::AndLast;
            let asks = is_last || (self.sent + 1).is_multiple_of(self.every);
            let identity = ledger.send(queue_of(self.sent));
            let template = if asks { &self.asking } else { &self.plain };
            let at = output.len();
            output.extend_from_slice(&template.bytes);
            let frame = &mut output[at..];
            put_number(
                &mut frame[self.number_at..][..NUMBER_DIGITS],
                identity.queue,
            );
            identity.write(&mut frame[template.body_at..][..self.body_bytes]);
            template.patch_receipt(frame, self.sent);
            self.asked += u64::from(asks);
            self.is_last_asking = asks;
            self.sent += 1;
        }
        reactor.flush(self.index)?;
        Ok(count)
    }
}

/// The same frame, asking for nothing.
fn without_receipt(asking: &Template) -> Result<Template> {
    let Some(Receipt::Digits(digits_at)) = asking.receipt else {
        bail!("the frame asks for no receipt");
    };
    let line = digits_at - b"receipt:".len()..digits_at + DIGITS + 1;
    let mut bytes = asking.bytes.clone();
    let body_at = asking.body_at - line.len();
    bytes.drain(line);
    Ok(Template {
        bytes,
        body_at,
        receipt: None,
    })
}

/// Writes decimal digits into all of `place`.
fn put_number(place: &mut [u8], mut number: u32) {
    for digit in place.iter_mut().rev() {
        *digit = b"0123456789"[(number % 10) as usize];
        number /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_without_a_receipt_is_the_same_but_for_that() {
        let asking = Wire::Stomp.template(&destination(0), b"body", Safety::Confirmed);
        let plain = without_receipt(&asking).unwrap();
        assert_eq!(
            plain.bytes,
            b"SEND\ndestination:/queue/backlog.000000\npersistent:true\ncontent-length:4\n\nbody\0"
        );
        assert_eq!(&plain.bytes[plain.body_at..], b"body\0");
    }

    #[test]
    fn a_number_fills_its_place() {
        let mut place = *b"......";
        put_number(&mut place, 4071);
        assert_eq!(&place, b"004071");
        assert!(destination(4071).ends_with("004071"));
    }
}
