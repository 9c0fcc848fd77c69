//! The one timer of a driver.

use crate::clock::Clock;
use model::Instant;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::time::Sleep;

/// A timer that exists only while somebody wants it.
///
/// Deadlines mostly move away from the present (every batch of input moves a heart-beat's), so it is
/// set again only when it is too late or has gone off: it may go off early, never late.
#[derive(Default)]
pub(super) struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
    /// What `sleep` is set to.
    at: Instant,
}

impl Timer {
    /// Ready if `deadline` has passed; else the task is woken when it does.
    pub(super) fn poll(
        &mut self,
        deadline: Option<Instant>,
        clock: &Clock,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let Some(deadline) = deadline else {
            // One that is still to go off is likely to be wanted again before it does.
            if self.sleep.as_ref().is_some_and(|sleep| sleep.is_elapsed()) {
                self.sleep = None;
            }
            return Poll::Pending;
        };
        let is_new = self.sleep.is_none();
        let sleep = self
            .sleep
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(clock.to_tokio(deadline))));
        if is_new {
            self.at = deadline;
        } else if self.at > deadline {
            sleep.as_mut().reset(clock.to_tokio(deadline));
            self.at = deadline;
        }
        loop {
            if sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            if self.at >= deadline {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(clock.to_tokio(deadline));
            self.at = deadline;
        }
    }

    /// Whether there is a timer that costs something.
    #[cfg(test)]
    pub(super) fn is_set(&self) -> bool {
        self.sleep.is_some()
    }
}
