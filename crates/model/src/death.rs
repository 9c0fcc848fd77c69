//! How often, where and why a message was dead-lettered.

/// Why a message was dead-lettered. The number is written to disk and is never given another meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum DeathReason {
    /// A subscriber rejected it.
    Rejected = 1,
    /// It waited for too long.
    Expired = 2,
    /// The queue was full.
    MaxLength = 3,
    /// Its deliveries failed too often.
    DeliveryLimit = 4,
}

impl DeathReason {
    /// The word that users of dead letters know it by.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::MaxLength => "maxlen",
            Self::DeliveryLimit => "delivery_limit",
        }
    }

    const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Rejected),
            2 => Some(Self::Expired),
            3 => Some(Self::MaxLength),
            4 => Some(Self::DeliveryLimit),
            _ => None,
        }
    }
}

/// All deaths of a message in one queue for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Death {
    /// The queue that it left.
    pub queue: Vec<u8>,
    /// Why.
    pub reason: DeathReason,
    /// How often.
    pub count: u64,
    /// When first, in milliseconds since 1970.
    pub time_ms: u64,
    /// Where it had been published to, the first time.
    pub exchange: Vec<u8>,
    /// With which routing key.
    pub key: Vec<u8>,
}

/// The deaths of a message, the latest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deaths(Vec<Death>);

/// More than these are not kept: the oldest is forgotten, but never the first of all.
const DEATHS_MAX: usize = 64;

impl Deaths {
    /// Reads what [`encode`](Self::encode) wrote; `None` for anything else.
    #[must_use]
    pub fn decode(annotations: &[u8]) -> Option<Self> {
        let mut left = annotations;
        let mut deaths = Vec::new();
        while !left.is_empty() {
            if deaths.len() > DEATHS_MAX {
                return None;
            }
            let (reason, behind) = left.split_first()?;
            left = behind;
            let reason = DeathReason::from_number(*reason)?;
            let count = take_u64(&mut left)?;
            let time_ms = take_u64(&mut left)?;
            let queue = take_bytes(&mut left)?;
            let exchange = take_bytes(&mut left)?;
            let key = take_bytes(&mut left)?;
            deaths.push(Death {
                queue,
                reason,
                count,
                time_ms,
                exchange,
                key,
            });
        }
        Some(Self(deaths))
    }

    /// The annotations of a message that died so.
    ///
    /// ```text
    /// { reason u8 · count u64 · time u64 · { length u32 · bytes } of queue, exchange, key } ...
    /// ```
    ///
    /// # Panics
    /// When a name is longer than 4 GiB, which no limit allows.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for death in &self.0 {
            bytes.push(death.reason as u8);
            bytes.extend_from_slice(&death.count.to_le_bytes());
            bytes.extend_from_slice(&death.time_ms.to_le_bytes());
            for text in [&death.queue, &death.exchange, &death.key] {
                let len = u32::try_from(text.len()).expect("names are limited to far less");
                bytes.extend_from_slice(&len.to_le_bytes());
                bytes.extend_from_slice(text);
            }
        }
        bytes
    }

    /// Adds a death: one more of the same queue and reason, or a new one. It is the latest now.
    pub fn add(&mut self, death: Death) {
        let same = |known: &Death| known.queue == death.queue && known.reason == death.reason;
        let death = match self.0.iter().position(same) {
            Some(at) => {
                let mut known = self.0.remove(at);
                known.count = known.count.saturating_add(1);
                known
            }
            None => death,
        };
        if self.0.len() >= DEATHS_MAX {
            self.0.remove(self.0.len() - 2);
        }
        self.0.insert(0, death);
    }

    /// The deaths, the latest first.
    pub fn iter(&self) -> std::slice::Iter<'_, Death> {
        self.0.iter()
    }

    /// Whether a message with these deaths that goes to the queue goes in a circle by itself: it died there
    /// before, and nobody has rejected it since.
    #[must_use]
    pub fn is_cycle(&self, queue: &[u8]) -> bool {
        let Some(at) = self.0.iter().position(|death| death.queue == queue) else {
            return false;
        };
        self.0[..=at]
            .iter()
            .all(|death| death.reason != DeathReason::Rejected)
    }
}

fn take_u64(left: &mut &[u8]) -> Option<u64> {
    let (taken, behind) = left.split_at_checked(8)?;
    *left = behind;
    Some(u64::from_le_bytes(taken.try_into().ok()?))
}

fn take_bytes(left: &mut &[u8]) -> Option<Vec<u8>> {
    let (len, behind) = left.split_at_checked(4)?;
    let len = usize::try_from(u32::from_le_bytes(len.try_into().ok()?)).ok()?;
    let (taken, behind) = behind.split_at_checked(len)?;
    *left = behind;
    Some(taken.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn death(queue: &str, reason: DeathReason) -> Death {
        Death {
            queue: queue.into(),
            reason,
            count: 1,
            time_ms: 7,
            exchange: b"x".to_vec(),
            key: b"k".to_vec(),
        }
    }

    #[test]
    fn deaths_are_counted_and_read_back() {
        let mut deaths = Deaths::default();
        deaths.add(death("a", DeathReason::Expired));
        deaths.add(death("b", DeathReason::Rejected));
        deaths.add(death("a", DeathReason::Expired));
        let counts: Vec<_> = deaths.iter().map(|d| (d.queue.clone(), d.count)).collect();
        assert_eq!(counts, [(b"a".to_vec(), 2), (b"b".to_vec(), 1)]);
        let encoded = deaths.encode();
        assert_eq!(Deaths::decode(&encoded), Some(deaths));
        for end in 1..encoded.len() {
            let short = Deaths::decode(&encoded[..end]);
            assert!(short.is_none_or(|short| short.iter().count() == 1), "{end}");
        }
    }

    #[test]
    fn a_circle_is_cut_unless_somebody_rejected() {
        let mut deaths = Deaths::default();
        deaths.add(death("a", DeathReason::Expired));
        deaths.add(death("b", DeathReason::Expired));
        assert!(deaths.is_cycle(b"a") && deaths.is_cycle(b"b") && !deaths.is_cycle(b"c"));
        deaths.add(death("c", DeathReason::Rejected));
        assert!(!deaths.is_cycle(b"a"));
    }
}
