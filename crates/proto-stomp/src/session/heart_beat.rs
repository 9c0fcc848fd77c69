//! Heart-beats: when to send one, when the peer counts as gone.

use crate::Limits;
use crate::render::Offer;
use model::Instant;
use std::time::Duration;

/// The peer counts as gone after this many intervals with nothing received: STOMP 1.2
/// "Heart-beating" asks for an error margin.
const SILENT_INTERVALS: u32 = 2;

/// A heart-beat is sent after this part of the interval, for timers fire late and links are slow.
const SEND_PERCENT: u32 = 90;

/// The `heart-beat` header of a client, in milliseconds; 0 where it cannot or does not want to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ClientBeat {
    /// How often it can send.
    can_send_ms: u64,
    /// How often it wants to receive.
    wants_ms: u64,
}

impl ClientBeat {
    pub(super) fn parse(value: &[u8]) -> Option<Self> {
        let comma = memchr::memchr(b',', value)?;
        Some(Self {
            can_send_ms: milliseconds(&value[..comma])?,
            wants_ms: milliseconds(&value[comma + 1..])?,
        })
    }
}

fn milliseconds(text: &[u8]) -> Option<u64> {
    let text = text.trim_ascii();
    if !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// What was agreed on, and when either side was last heard.
#[derive(Debug)]
pub(super) struct HeartBeat {
    /// We write something at least this often.
    send_every: Option<Duration>,
    /// The peer is gone if nothing comes for so long.
    silence_max: Option<Duration>,
    last_sent: Instant,
    last_received: Instant,
}

impl HeartBeat {
    pub(super) const fn new(now: Instant) -> Self {
        Self {
            send_every: None,
            silence_max: None,
            last_sent: now,
            last_received: now,
        }
    }

    /// Agrees on intervals and returns what CONNECTED says of them. Each way it is the larger of both
    /// sides' numbers, or none if either side's is 0.
    pub(super) fn agree(&mut self, now: Instant, client: ClientBeat, limits: &Limits) -> Offer {
        let larger = |theirs_ms: u64, ours: Duration| {
            (theirs_ms > 0 && !ours.is_zero()).then(|| Duration::from_millis(theirs_ms).max(ours))
        };
        let send = larger(client.wants_ms, limits.heart_beat_send_min);
        let receive = larger(client.can_send_ms, limits.heart_beat_receive);
        self.send_every = send.map(|interval| interval.saturating_mul(SEND_PERCENT) / 100);
        self.silence_max = receive.map(|interval| interval.saturating_mul(SILENT_INTERVALS));
        self.last_sent = now;
        self.last_received = now;
        let offered_ms = |agreed: Option<Duration>, ours: Duration| {
            agreed.map_or(0, |_| u64::try_from(ours.as_millis()).unwrap_or(u64::MAX))
        };
        Offer {
            send_ms: offered_ms(send, limits.heart_beat_send_min),
            receive_ms: offered_ms(receive, limits.heart_beat_receive),
        }
    }

    pub(super) const fn handle_sent(&mut self, now: Instant) {
        self.last_sent = now;
    }

    pub(super) const fn handle_received(&mut self, now: Instant) {
        self.last_received = now;
    }

    /// For how long the peer may be silent, if it has been for that long.
    pub(super) fn silence(&self, now: Instant) -> Option<Duration> {
        self.silence_max
            .filter(|max| now.since(self.last_received) >= *max)
    }

    /// Whether it is time to send one.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.send_every
            .is_some_and(|interval| now.since(self.last_sent) >= interval)
    }

    pub(super) fn send_deadline(&self) -> Option<Instant> {
        self.send_every.map(|interval| self.last_sent + interval)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let silent = self.silence_max.map(|max| self.last_received + max);
        match (self.send_deadline(), silent) {
            (Some(send), Some(silent)) => Some(send.min(silent)),
            (send, silent) => send.or(silent),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_two_numbers() {
        let check = |text: &str, expected: Option<(u64, u64)>| {
            let expected = expected.map(|(can_send_ms, wants_ms)| ClientBeat {
                can_send_ms,
                wants_ms,
            });
            assert_eq!(ClientBeat::parse(text.as_bytes()), expected, "{text}");
        };
        check("0,0", Some((0, 0)));
        check("1000, 20", Some((1000, 20)));
        check("", None);
        check("1", None);
        check("1,", None);
        check("-1,2", None);
        check("1,2,3", None);
        check("99999999999999999999,0", None);
    }

    #[test]
    fn agrees_on_the_larger_number() {
        let check = |can_send_ms, wants_ms, offer: (u64, u64), deadline_ms: Option<u64>| {
            let mut beat = HeartBeat::new(Instant::default());
            let client = ClientBeat {
                can_send_ms,
                wants_ms,
            };
            let offered = beat.agree(Instant::default(), client, &Limits::default());
            assert_eq!((offered.send_ms, offered.receive_ms), offer);
            let expected = deadline_ms.map(|ms| Instant::from_elapsed(Duration::from_millis(ms)));
            assert_eq!(beat.deadline(), expected);
        };
        check(0, 0, (0, 0), None);
        check(100, 0, (0, 10_000), Some(20_000));
        check(30_000, 0, (0, 10_000), Some(60_000));
        check(0, 10, (1_000, 0), Some(900));
        check(0, 5_000, (1_000, 0), Some(4_500));
        check(10_000, 10_000, (1_000, 10_000), Some(9_000));
    }
}
