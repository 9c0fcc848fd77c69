//! How long somebody may hold or be held, in any window.

use crate::settings::Settings;
use model::Instant;
use std::time::Duration;

/// An allowance of time: used while a hold lasts, given back evenly over the window while none does.
#[derive(Debug, Default)]
pub(crate) struct Hold {
    /// Used, as of `at`; never more than there is.
    used: Duration,
    at: Instant,
    is_holding: bool,
}

impl Hold {
    /// Begins a hold, or goes on with one, and returns when the allowance ends. If it has ended, so has
    /// the hold.
    pub(crate) fn begin(&mut self, now: Instant, settings: &Settings) -> Option<Instant> {
        self.account(now, settings);
        let left = settings.hold.saturating_sub(self.used);
        self.is_holding = !left.is_zero();
        self.is_holding.then(|| now + left)
    }

    /// Ends a hold, if there is one.
    pub(crate) fn end(&mut self, now: Instant, settings: &Settings) {
        self.account(now, settings);
        self.is_holding = false;
    }

    pub(crate) fn is_holding(&self) -> bool {
        self.is_holding
    }

    /// Accounts for the time since the last call.
    fn account(&mut self, now: Instant, settings: &Settings) {
        let passed = now.since(self.at);
        self.at = now;
        if self.is_holding {
            self.used = (self.used + passed).min(settings.hold);
        } else {
            let window = settings.hold_window.as_secs_f64().max(f64::MIN_POSITIVE);
            let given_back = passed.mul_f64(settings.hold.as_secs_f64() / window);
            self.used = self.used.saturating_sub(given_back);
        }
    }
}
