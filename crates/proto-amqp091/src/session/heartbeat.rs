//! Heartbeats: when to send one, when the peer counts as gone. §4.2.7

use model::Instant;
use std::time::Duration;

/// What was agreed on, and when either side was last heard.
#[derive(Debug)]
pub(super) struct Heartbeat {
    /// How long either side may be silent; none if that is of no account.
    timeout: Option<Duration>,
    last_sent: Instant,
    last_received: Instant,
}

impl Heartbeat {
    pub(super) const fn new(now: Instant) -> Self {
        Self {
            timeout: None,
            last_sent: now,
            last_received: now,
        }
    }

    /// The client has said what it wants; 0 is none.
    pub(super) fn agree(&mut self, now: Instant, seconds: u16) {
        self.timeout = (seconds > 0).then(|| Duration::from_secs(seconds.into()));
        self.last_sent = now;
        self.last_received = now;
    }

    pub(super) const fn handle_sent(&mut self, now: Instant) {
        self.last_sent = now;
    }

    pub(super) const fn handle_received(&mut self, now: Instant) {
        self.last_received = now;
    }

    /// Something is sent twice within the timeout.
    fn send_every(&self) -> Option<Duration> {
        self.timeout.map(|timeout| timeout / 2)
    }

    /// The peer is gone if nothing comes for twice the timeout: two heartbeats have been missed.
    fn silence_max(&self) -> Option<Duration> {
        self.timeout.map(|timeout| timeout.saturating_mul(2))
    }

    /// Whether the peer has been silent for too long.
    pub(super) fn is_silent(&self, now: Instant) -> bool {
        self.silence_max()
            .is_some_and(|max| now.since(self.last_received) >= max)
    }

    /// Whether it is time to send one.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.send_every()
            .is_some_and(|interval| now.since(self.last_sent) >= interval)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let send = self.send_every().map(|interval| self.last_sent + interval);
        let silent = self.silence_max().map(|max| self.last_received + max);
        match (send, silent) {
            (Some(send), Some(silent)) => Some(send.min(silent)),
            (send, silent) => send.or(silent),
        }
    }
}
