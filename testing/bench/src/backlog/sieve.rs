//! Acknowledgments without order: of what is delivered nine in ten are acknowledged, in random order within a
//! window, and one in ten stays open until its connection ends. What is left is a sieve.
//!
//! A connection whose window is half full of what stays open gets another beside it, so that there is always one
//! with room.

use anyhow::{Context as _, Result, bail};

use super::{
    body::{Identity, mix},
    ledger::{Fault, Ledger, check_order},
    reactor::Reactor,
    site::Site,
};
use crate::{
    measure::Clock,
    wire::{Frame, stomp},
};

/// Deliveries that a connection may have open.
const WINDOW: u32 = 10_000;

/// Open deliveries that stay so, by which a connection is half full.
const KEPT_MAX: usize = WINDOW as usize / 2;

/// One in so many stays open.
const KEPT_ONE_IN: u64 = 10;

/// Longest id of a delivery.
const ACK_BYTES_MAX: usize = 48;

/// Longest wait of one pass.
const WAIT_NS: u64 = 5_000_000;

/// A broker that delivers nothing for so long has lost something.
const QUIET_NS: u64 = 30_000_000_000;

/// Nothing more comes after that.
const SILENCE_NS: u64 = 300_000_000;

/// A delivery that is to be acknowledged.
#[derive(Clone, Copy)]
struct Open {
    identity: Identity,
    ack: [u8; ACK_BYTES_MAX],
    ack_len: usize,
}

/// What one connection has open.
#[derive(Default)]
struct Window {
    /// Deliveries that stay open.
    kept: usize,
    /// One more than the last sequence that came and was not marked as redelivered.
    next: u64,
    /// Those that are to be acknowledged.
    open: Vec<Open>,
}

/// Connections that acknowledge in random order.
pub(super) struct Sieve {
    site: Site,
    queue: u32,
    reactor: Reactor,
    windows: Vec<Window>,
    random: u64,
    /// Deliveries still to be decided on; what comes beyond stays open.
    left: u64,
    /// Messages acknowledged.
    pub(super) acked: u64,
    clock: Clock,
}

impl Sieve {
    /// Decides on the next `count` deliveries of a queue, which has as many.
    ///
    /// # Errors
    /// If a connection ends, something comes that should not, or too little.
    pub(super) fn run(site: Site, queue: u32, count: u64, ledger: &mut Ledger) -> Result<Self> {
        let mut sieve = Self {
            site,
            queue,
            reactor: site.reactor()?,
            windows: Vec::new(),
            random: 1,
            left: count,
            acked: 0,
            clock: Clock::start(),
        };
        let mut moved_at = sieve.clock.now_ns();
        while sieve.left > 0 {
            crate::check_interrupted()?;
            if sieve.windows.last().is_none_or(|own| own.kept >= KEPT_MAX) {
                sieve.add_window()?;
            }
            if sieve.pass(ledger)? > 0 {
                moved_at = sieve.clock.now_ns();
            }
            if sieve.clock.now_ns() - moved_at > QUIET_NS {
                let left = sieve.left;
                bail!("no deliveries for 30 s, with {left} missing for the random acknowledgments");
            }
        }
        for index in 0..sieve.windows.len() {
            sieve.acknowledge(index, 0, ledger);
            sieve.reactor.flush(index)?;
        }
        while sieve.reactor.is_any_blocked() {
            crate::check_interrupted()?;
            sieve.pass(ledger)?;
        }
        Ok(sieve)
    }

    /// Reads what still comes until nothing does: the windows are full then.
    ///
    /// # Errors
    /// As of [`Self::run`].
    pub(super) fn quiesce(&mut self, ledger: &mut Ledger) -> Result<()> {
        let mut moved_at = self.clock.now_ns();
        while self.clock.now_ns() - moved_at < SILENCE_NS {
            crate::check_interrupted()?;
            if self.pass(ledger)? > 0 {
                moved_at = self.clock.now_ns();
            }
        }
        Ok(())
    }

    /// Gives back what stayed open.
    pub(super) fn close(self) {
        self.reactor.close();
    }

    fn add_window(&mut self) -> Result<()> {
        let queues = std::iter::once(self.queue);
        self.site.consume(&mut self.reactor, queues, WINDOW)?;
        self.windows.push(Window::default());
        Ok(())
    }

    /// Takes what comes, and acknowledges what has waited among enough others. Gives the bytes read.
    fn pass(&mut self, ledger: &mut Ledger) -> Result<usize> {
        let Self {
            reactor,
            windows,
            random,
            left,
            ..
        } = self;
        let mut fault = None::<Fault>;
        let mut is_too_long = false;
        let moved = reactor.pass(WAIT_NS, |index, input, frame, _| {
            let Frame::Message {
                body,
                ack,
                is_redelivered,
            } = frame
            else {
                return;
            };
            let window = &mut windows[index];
            let received = ledger.receive_shared(&input[body], is_redelivered);
            let checked = received.and_then(|identity| {
                check_order(identity, is_redelivered, &mut window.next)?;
                Ok(identity)
            });
            let identity = match checked {
                Ok(identity) => identity,
                Err(found) => {
                    fault = fault.or(Some(found));
                    return;
                }
            };
            if *left == 0 {
                return;
            }
            *left -= 1;
            if next(random).is_multiple_of(KEPT_ONE_IN) {
                window.kept += 1;
                return;
            }
            match Open::new(identity, &input[ack]) {
                Some(open) => window.open.push(open),
                None => is_too_long = true,
            }
        })?;
        if let Some(fault) = fault {
            bail!(fault);
        }
        (!is_too_long)
            .then_some(())
            .context("the id of a delivery is too long")?;
        for index in 0..self.windows.len() {
            let room = (WINDOW as usize).saturating_sub(self.windows[index].kept);
            self.acknowledge(index, room / 2, ledger);
            self.reactor.flush(index)?;
        }
        Ok(moved)
    }

    /// Acknowledges deliveries of a connection, any of them, until no more than `rest` are left.
    fn acknowledge(&mut self, index: usize, rest: usize, ledger: &mut Ledger) {
        let open = &mut self.windows[index].open;
        while open.len() > rest {
            #[expect(clippy::cast_possible_truncation, reason = "less than the length")]
            let at = (next(&mut self.random) % open.len() as u64) as usize;
            let one = open.swap_remove(at);
            stomp::append_ack(self.reactor.output(index), &one.ack[..one.ack_len]);
            ledger.settle(one.identity);
            self.acked += 1;
        }
    }
}

impl Open {
    fn new(identity: Identity, id: &[u8]) -> Option<Self> {
        let mut ack = [0; ACK_BYTES_MAX];
        ack.get_mut(..id.len())?.copy_from_slice(id);
        Some(Self {
            identity,
            ack,
            ack_len: id.len(),
        })
    }
}

/// The same numbers in every run.
fn next(random: &mut u64) -> u64 {
    *random = random.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mix(*random)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_in_ten_stays_open() {
        let mut random = 1;
        let kept = (0..100_000)
            .filter(|_| next(&mut random).is_multiple_of(KEPT_ONE_IN))
            .count();
        assert!((9_500..10_500).contains(&kept), "{kept}");
    }

    #[test]
    fn an_id_is_kept_whole_or_not_at_all() {
        let identity = Identity {
            queue: 0,
            sequence: 1,
        };
        let open = Open::new(identity, b"12-0-77").unwrap();
        assert_eq!(&open.ack[..open.ack_len], b"12-0-77");
        assert!(Open::new(identity, &[b'1'; ACK_BYTES_MAX + 1]).is_none());
    }
}
