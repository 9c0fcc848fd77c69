//! Settlements that make one command.

use crate::{Command, Confirm, Settle};
use model::{Outcome, Sequence, SubscriptionId};

/// Settlements that nobody is told of, gathered so that neighbors with the same subscription and outcome make one
/// command.
///
/// Owned by a session, which sends what is in it before anything that must come behind it.
#[derive(Debug, Default)]
pub struct SettleRun(Option<Settle>);

impl SettleRun {
    /// Adds a settlement behind all that came before; returns these to be sent, if it does not go on from them.
    #[inline]
    #[must_use]
    pub fn add(
        &mut self,
        subscription: SubscriptionId,
        outcome: Outcome,
        sequence: Sequence,
    ) -> Option<Command> {
        if let Some(run) = &mut self.0
            && run.subscription == subscription
            && run.outcome == outcome
        {
            run.sequences.push(sequence);
            return None;
        }
        let run = Settle {
            subscription,
            sequences: vec![sequence],
            outcome,
            confirm: Confirm::Unwanted,
        };
        self.0.replace(run).map(Command::Settle)
    }

    /// Takes what was gathered, to be sent.
    #[inline]
    #[must_use]
    pub fn take(&mut self) -> Option<Command> {
        self.0.take().map(Command::Settle)
    }
}
