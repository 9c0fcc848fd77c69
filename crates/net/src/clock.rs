//! The node's monotonic clock, as the machines are told it.

use model::Instant;
use std::time::Duration;

/// What stands for a moment that tokio's clock cannot express.
const FAR: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// The monotonic clock of the process, read by the shell only.
///
/// Made once and copied to everyone who tells machines the time. It follows tokio's clock, so that
/// it stands still where a test pauses that.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: tokio::time::Instant,
    /// The date at `start`, since 1970.
    date: Duration,
}

impl Clock {
    /// A clock that starts now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the shell's clock")]
    pub fn start() -> Self {
        Self {
            start: tokio::time::Instant::now(),
            date: std::time::SystemTime::now()
                .duration_since(std::time::SystemTime::UNIX_EPOCH)
                .unwrap_or_default(),
        }
    }

    /// The present moment.
    #[must_use]
    pub fn now(&self) -> Instant {
        Instant::from_elapsed(self.date + self.start.elapsed())
    }

    /// The same moment on tokio's clock, for a timer.
    #[must_use]
    pub fn to_tokio(&self, instant: Instant) -> tokio::time::Instant {
        self.start
            .checked_add(instant.elapsed().saturating_sub(self.date))
            .unwrap_or_else(|| self.start + FAR)
    }
}
