//! Keep alive: when the peer counts as gone.

use model::Instant;
use std::time::Duration;

/// How long the client may be silent, and when it was last heard.
#[derive(Debug)]
pub(super) struct KeepAlive {
    /// One and a half times the keep alive; none if it may be silent for ever. [MQTT-3.1.2-22]
    silence_max: Option<Duration>,
    last_received: Instant,
}

impl KeepAlive {
    pub(super) fn new(now: Instant, seconds: u16) -> Self {
        let silence = Duration::from_millis(u64::from(seconds) * 1500);
        Self {
            silence_max: (!silence.is_zero()).then_some(silence),
            last_received: now,
        }
    }

    pub(super) const fn handle_received(&mut self, now: Instant) {
        self.last_received = now;
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.silence_max.map(|silence| self.last_received + silence)
    }

    /// For how long nothing has come, if that is too long.
    pub(super) fn silence(&self, now: Instant) -> Option<Duration> {
        (self.deadline()? <= now).then(|| now.since(self.last_received))
    }
}
