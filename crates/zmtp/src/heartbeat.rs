//! PING, PONG, and when a peer is dead. Times are milliseconds of any clock that does not go back.
//!
//! 1. A PING is due each interval. Something must come within the timeout behind the first that is not answered.
//! 2. A PING of the peer may have a time to live: something must come within that.
//! 3. Whatever comes ends both waits: a PONG may be late behind what was queued. 37/ZMTP, "Connection Heartbeating"

/// What a connection sends and expects, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeartbeatSettings {
    /// Between PINGs; 0 for none. `ZMQ_HEARTBEAT_IVL`
    pub interval_ms: u64,
    /// How long an answer is waited for; nothing for as long as the interval, 0 for ever. `ZMQ_HEARTBEAT_TIMEOUT`
    pub timeout_ms: Option<u64>,
    /// What the peer is told, in tenths of seconds; 0 for nothing. `ZMQ_HEARTBEAT_TTL`
    pub ttl_ds: u16,
}

/// What is to be done when a time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beat {
    /// Nothing yet.
    None,
    /// A PING is to be sent.
    Ping,
    /// The peer is dead.
    Dead,
}

/// The heartbeats of one connection, from the end of its handshake.
#[derive(Clone, Copy, Debug)]
pub struct Heartbeat {
    settings: HeartbeatSettings,
    ping_at_ms: Option<u64>,
    /// Since a PING was sent and nothing has come.
    answer_until_ms: Option<u64>,
    /// Since a PING of the peer with a time to live came and nothing else has.
    alive_until_ms: Option<u64>,
}

impl Heartbeat {
    /// Begins with the end of the handshake.
    #[must_use]
    pub const fn new(settings: HeartbeatSettings, now_ms: u64) -> Self {
        let ping_at_ms = match settings.interval_ms {
            0 => None,
            interval => Some(now_ms.saturating_add(interval)),
        };
        Self {
            settings,
            ping_at_ms,
            answer_until_ms: None,
            alive_until_ms: None,
        }
    }

    /// Something has come.
    pub const fn handle_received(&mut self) {
        self.answer_until_ms = None;
        self.alive_until_ms = None;
    }

    /// A PING of the peer has come, behind [`Self::handle_received`].
    pub fn handle_ping(&mut self, ttl_ds: u16, now_ms: u64) {
        if ttl_ds > 0 {
            self.alive_until_ms = Some(now_ms.saturating_add(u64::from(ttl_ds) * 100));
        }
    }

    /// When [`Self::handle_deadline`] has something to do.
    #[must_use]
    pub fn deadline_ms(&self) -> Option<u64> {
        let all = [self.ping_at_ms, self.answer_until_ms, self.alive_until_ms];
        all.into_iter().flatten().min()
    }

    /// What is to be done now. When it is a PING, that counts as sent.
    pub fn handle_deadline(&mut self, now_ms: u64) -> Beat {
        let is_over = |until: Option<u64>| until.is_some_and(|until| until <= now_ms);
        if is_over(self.answer_until_ms) || is_over(self.alive_until_ms) {
            return Beat::Dead;
        }
        if !is_over(self.ping_at_ms) {
            return Beat::None;
        }
        self.ping_at_ms = Some(now_ms.saturating_add(self.settings.interval_ms));
        let timeout_ms = self.settings.timeout_ms;
        let timeout_ms = timeout_ms.unwrap_or(self.settings.interval_ms);
        if timeout_ms > 0 && self.answer_until_ms.is_none() {
            self.answer_until_ms = Some(now_ms.saturating_add(timeout_ms));
        }
        Beat::Ping
    }

    /// The time to live that a PING says, in tenths of seconds.
    #[must_use]
    pub const fn ttl_ds(&self) -> u16 {
        self.settings.ttl_ds
    }
}
