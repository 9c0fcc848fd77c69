//! Publishing, consuming, or both, until something is so.

use std::time::Duration;

use anyhow::{Result, bail};

use super::{
    ledger::{Fault, Ledger},
    publisher::{Publisher, Receipts},
    reactor::Reactor,
    site::Site,
};
use crate::{
    measure::{Clock, nap},
    wire::{Frame, stomp},
};

/// A broker that does nothing for so long while something is waited for has lost it.
const QUIET_NS: u64 = 30_000_000_000;

/// Longest wait of one pass.
const WAIT_NS_MAX: u64 = 5_000_000;

/// A pass that moved less is followed by a nap, as in the other suites.
const COALESCE_BYTES: usize = 32 * 1024;
const COALESCE: Duration = Duration::from_micros(300);

/// One publisher or none, and consumers that acknowledge all that comes.
pub(super) struct Traffic<'a> {
    site: Site,
    reactor: Reactor,
    /// What was sent and what came.
    pub(super) ledger: &'a mut Ledger,
    publisher: Option<Publisher>,
    /// Deliveries that came.
    pub(super) consumed: u64,
    clock: Clock,
}

/// What is to be sent.
pub(super) struct Plan<F> {
    /// Messages still to send.
    pub(super) left: u64,
    /// No more are sent while so many are sent and have not been consumed.
    pub(super) ahead_max: u64,
    /// The queue of each message by its number.
    pub(super) queue_of: F,
}

impl Plan<fn(u64) -> u32> {
    /// Nothing.
    pub(super) fn none() -> Self {
        Self::to(0, 0)
    }

    /// So many messages to the first queue of all.
    pub(super) fn to_first(left: u64) -> Self {
        Self::to(left, u64::MAX)
    }

    fn to(left: u64, ahead_max: u64) -> Self {
        Self {
            left,
            ahead_max,
            queue_of: |_| 0,
        }
    }
}

impl<'a> Traffic<'a> {
    /// Without connections yet. Order is counted from here on.
    ///
    /// # Errors
    /// If the kernel has no epoll left.
    pub(super) fn new(site: Site, ledger: &'a mut Ledger) -> Result<Self> {
        ledger.begin_pass();
        Ok(Self {
            reactor: site.reactor()?,
            site,
            ledger,
            publisher: None,
            consumed: 0,
            clock: Clock::start(),
        })
    }

    /// Adds the publisher, with a receipt for one message in `every`.
    ///
    /// # Errors
    /// If the broker refuses it.
    pub(super) fn add_publisher(&mut self, every: u64) -> Result<()> {
        self.publisher = Some(Publisher::open(&self.site, &mut self.reactor, every)?);
        Ok(())
    }

    /// Adds a connection that consumes from `queues`.
    ///
    /// # Errors
    /// If the broker refuses it.
    pub(super) fn add_consumer(
        &mut self,
        queues: impl Iterator<Item = u32>,
        prefetch: u32,
    ) -> Result<()> {
        self.site.consume(&mut self.reactor, queues, prefetch)?;
        Ok(())
    }

    /// Messages sent.
    pub(super) fn sent(&self) -> u64 {
        self.publisher.as_ref().map_or(0, |own| own.sent)
    }

    /// Messages that the receipts say are safe.
    pub(super) fn confirmed(&self) -> u64 {
        self.publisher.as_ref().map_or(0, Publisher::confirmed)
    }

    /// Sends as planned and takes what comes until `is_done`, which is asked after each pass.
    ///
    /// # Errors
    /// If a connection ends, something came that should not have, or nothing comes for long.
    pub(super) fn run(
        &mut self,
        plan: &mut Plan<impl Fn(u64) -> u32>,
        mut is_done: impl FnMut(&Self) -> bool,
    ) -> Result<()> {
        let mut moved_at = self.clock.now_ns();
        while !is_done(self) {
            crate::check_interrupted()?;
            let moved = self.pass(plan)?;
            if moved > 0 {
                moved_at = self.clock.now_ns();
            }
            if self.clock.now_ns() - moved_at > QUIET_NS {
                bail!(self.describe_silence(plan.left));
            }
            if moved < COALESCE_BYTES {
                nap(COALESCE);
            }
        }
        Ok(())
    }

    /// As [`Self::run`], for so long at most.
    ///
    /// # Errors
    /// As of [`Self::run`].
    pub(super) fn run_for(
        &mut self,
        plan: &mut Plan<impl Fn(u64) -> u32>,
        length: Duration,
        mut is_over: impl FnMut(&Self) -> bool,
    ) -> Result<()> {
        let end = u128::from(self.clock.now_ns()) + length.as_nanos();
        self.run(plan, |own| {
            u128::from(own.clock.now_ns()) >= end || is_over(own)
        })
    }

    /// Sends at most one more message, so that a receipt speaks for all, and waits for all receipts.
    ///
    /// # Errors
    /// As of [`Self::run`].
    pub(super) fn confirm_all(&mut self, queue_of: impl Fn(u64) -> u32) -> Result<()> {
        let Some(publisher) = &self.publisher else {
            return Ok(());
        };
        let left = u64::from(!publisher.is_last_asking());
        let goal = publisher.sent + left;
        let mut plan = Plan {
            left,
            ahead_max: u64::MAX,
            queue_of,
        };
        self.run(&mut plan, |own| {
            let publisher = own.publisher.as_ref();
            publisher.is_none_or(|own| own.sent >= goal && own.unanswered() == 0)
        })
    }

    /// Has all acknowledgments sent, says good-bye, and waits for the broker to have seen it.
    ///
    /// # Errors
    /// As of [`Self::run`].
    pub(super) fn close(mut self) -> Result<()> {
        self.run(&mut Plan::none(), |own| !own.reactor.is_any_blocked())?;
        self.reactor.close();
        Ok(())
    }

    /// One look at the sockets and one batch of messages. Gives the bytes moved.
    fn pass(&mut self, plan: &mut Plan<impl Fn(u64) -> u32>) -> Result<usize> {
        let count = self.allowance(plan.left, plan.ahead_max);
        let wait_ns = if count > 0 { 0 } else { WAIT_NS_MAX };
        let moved = self.receive(wait_ns)?;
        let count = self.allowance(plan.left, plan.ahead_max);
        let Some(publisher) = self.publisher.as_mut().filter(|_| count > 0) else {
            return Ok(moved);
        };
        let receipts = if count == plan.left {
            Receipts::AndLast
        } else {
            Receipts::InTurn
        };
        let sent = publisher.publish(
            &mut self.reactor,
            self.ledger,
            count,
            receipts,
            &plan.queue_of,
        )?;
        plan.left -= sent;
        Ok(moved + usize::try_from(sent)? * self.site.body_bytes)
    }

    fn allowance(&self, left: u64, ahead_max: u64) -> u64 {
        let ahead = self.sent().saturating_sub(self.consumed);
        self.publisher.as_ref().map_or(0, |publisher| {
            let own = publisher.allowance(&self.reactor);
            own.min(left).min(ahead_max.saturating_sub(ahead))
        })
    }

    fn receive(&mut self, wait_ns: u64) -> Result<usize> {
        let Self {
            ledger, consumed, ..
        } = self;
        let publishing = self.publisher.as_ref().map(|publisher| publisher.index);
        let mut answered = 0;
        let mut fault = None::<Fault>;
        let each = |index, input: &[u8], frame, output: &mut Vec<u8>| match frame {
            Frame::Message {
                body,
                ack,
                is_redelivered,
            } => match ledger.receive(&input[body], is_redelivered) {
                Ok(identity) => {
                    ledger.settle(identity);
                    stomp::append_ack(output, &input[ack]);
                    *consumed += 1;
                }
                Err(found) => fault = fault.or(Some(found)),
            },
            Frame::Receipt { .. } => answered += u64::from(Some(index) == publishing),
            Frame::Connected { .. }
            | Frame::Half { .. }
            | Frame::Granted { .. }
            | Frame::Refused { .. }
            | Frame::Error { .. }
            | Frame::Other => {}
        };
        let moved = self.reactor.pass(wait_ns, each)?;
        if let Some(fault) = fault {
            bail!(fault);
        }
        if let Some(publisher) = &mut self.publisher {
            publisher.answered += answered;
        }
        Ok(moved)
    }

    fn describe_silence(&mut self, left: u64) -> String {
        let seconds = QUIET_NS / 1_000_000_000;
        let unanswered = self.publisher.as_ref().map_or(0, Publisher::unanswered);
        format!(
            "nothing came for {seconds} s; receipts missing: {unanswered}; messages not yet sent: {left}; \
             not consumed: {}",
            self.ledger.describe_waiting()
        )
    }
}
