//! The first delivery of a queue: to a consumer that holds one at a time and acknowledges none.

use anyhow::{Result, bail, ensure};

use super::{
    body::Identity,
    ledger::{Fault, Ledger},
    reactor::Reactor,
    site::Site,
};
use crate::{measure::Clock, wire::Frame};

/// Longest wait of one pass, and of all.
const WAIT_NS: u64 = 5_000_000;
const LIMIT_NS: u64 = 600_000_000_000;

/// A consumer that holds a delivery as long as this lives.
pub(super) struct First {
    reactor: Reactor,
    /// What it holds.
    pub(super) identity: Identity,
    pub(super) is_redelivered: bool,
}

impl First {
    /// Connects, subscribes to `queue`, and waits for its first message. That has to be the first that is not
    /// settled, or an earlier one that is marked as redelivered.
    ///
    /// # Errors
    /// If none comes, or another.
    pub(super) fn take(site: Site, queue: u32, ledger: &mut Ledger) -> Result<Self> {
        ensure!(
            ledger.waiting_in(queue) > 0,
            "queue {queue} is empty, and has no first message"
        );
        let clock = Clock::start();
        let mut reactor = site.reactor()?;
        site.consume(&mut reactor, std::iter::once(queue), 1)?;
        ledger.begin_pass();
        let (identity, is_redelivered) = loop {
            crate::check_interrupted()?;
            let mut found = None::<Result<(Identity, bool), Fault>>;
            reactor.pass(WAIT_NS, |_, input, frame, _| {
                let Frame::Message {
                    body,
                    is_redelivered,
                    ..
                } = frame
                else {
                    return;
                };
                let identity = ledger.receive(&input[body], is_redelivered);
                found.get_or_insert(identity.map(|identity| (identity, is_redelivered)));
            })?;
            if let Some(found) = found {
                break found?;
            }
            ensure!(clock.now_ns() < LIMIT_NS, "no first delivery");
        };
        if !ledger.is_settled(identity) && ledger.first_waiting(queue) != Some(identity) {
            let sequence = identity.sequence;
            bail!("message {sequence} of queue {queue} came first, and is not the first of it");
        }
        Ok(Self {
            reactor,
            identity,
            is_redelivered,
        })
    }

    /// Gives the delivery back, and waits for the broker to have seen it.
    pub(super) fn close(self) {
        self.reactor.close();
    }
}
