//! Settlements on their way to the broker.

use super::Link;
use broker_api::{Out, SettleRun};
use model::{Outcome, Sequence, SubscriptionId};

/// Settlements that are gathered while nothing else comes behind them: messages of one batch of events that
/// the client need not answer.
const GATHERED_MAX: usize = 64;

/// Bytes of messages that are kept in their queue by settlements that are gathered.
const GATHERED_BYTES_MAX: usize = 64 * 1024;

/// Settlements, gathered so that many make one command, and what they make room for.
#[derive(Debug, Default)]
pub(super) struct Settling {
    /// Neighbors with the same subscription and outcome.
    run: SettleRun,
    /// Subscriptions that have room again; each is told once.
    pub(super) granted: Vec<SubscriptionId>,
    count: usize,
    bytes: usize,
}

impl Settling {
    /// Adds a settlement behind all that came before; `bytes` is what it holds in its queue.
    pub(super) fn add(
        &mut self,
        link: &mut Link,
        out: &mut Out,
        (subscription, sequence): (SubscriptionId, Sequence),
        outcome: Outcome,
        bytes: usize,
    ) {
        self.count += 1;
        self.bytes += bytes;
        if let Some(before) = self.run.add(subscription, outcome, sequence) {
            link.submit(out, before);
        }
    }

    /// Whether so much is gathered that it is not kept for later: what is not settled takes a part of the
    /// subscription's grant, which is `window`.
    pub(super) const fn is_due(&self, window: u16) -> bool {
        self.count > 0
            && (self.count * 4 >= window as usize
                || self.count >= GATHERED_MAX
                || self.bytes >= GATHERED_BYTES_MAX)
    }

    /// Sends all that was gathered.
    pub(super) fn flush(&mut self, link: &mut Link, out: &mut Out) {
        self.flush_run(link, out);
        self.count = 0;
        self.bytes = 0;
    }

    fn flush_run(&mut self, link: &mut Link, out: &mut Out) {
        if let Some(run) = self.run.take() {
            link.submit(out, run);
        }
    }
}
