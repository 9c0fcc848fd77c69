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
    /// With which others beside it that readers may be shown; none where there is no [room](Deaths::add) for them.
    pub further_keys: Vec<Vec<u8>>,
}

impl Death {
    /// The key and then the further ones.
    pub fn keys(&self) -> impl Iterator<Item = &[u8]> {
        let further = self.further_keys.iter().map(Vec::as_slice);
        std::iter::once(&*self.key).chain(further)
    }

    fn further_keys_bytes(&self) -> usize {
        self.further_keys.iter().map(|key| 4 + key.len()).sum()
    }
}

/// The deaths of a message, the latest first.
///
/// Invariant: `first` is the place of one of them, unless there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deaths {
    list: Vec<Death>,
    /// The place of the one that came first of all: others may have come again since.
    first: usize,
    /// Where the message had been published to when it died last.
    last_exchange: Vec<u8>,
    original_ttl_ms: Option<u64>,
}

/// More than these are not kept: the oldest is forgotten, but never the first of all.
const DEATHS_MAX: usize = 64;

/// The further keys of all deaths together are no longer than this in bytes, each with its length.
const FURTHER_KEYS_BYTES_MAX: usize = 4_096;

/// What stands where a reason would, before what is known beside the deaths.
const BESIDE: u8 = 0;

/// Of what stands there: the message had a time to live; the first death does not stand last; the last exchange is not
/// that of the death that stands first; a death has further keys.
const HAS_TTL: u8 = 1;
const HAS_FIRST: u8 = 2;
const HAS_LAST_EXCHANGE: u8 = 4;
const HAS_FURTHER_KEYS: u8 = 8;

impl Deaths {
    /// Reads what [`encode`](Self::encode) wrote; `None` for anything else.
    #[must_use]
    pub fn decode(annotations: &[u8]) -> Option<Self> {
        let mut left = annotations;
        let mut deaths = Self::default();
        while let Some((reason, behind)) = left.split_first() {
            left = behind;
            if *reason == BESIDE {
                return deaths.decode_beside(left);
            }
            if deaths.list.len() > DEATHS_MAX {
                return None;
            }
            let reason = DeathReason::from_number(*reason)?;
            let count = take_u64(&mut left)?;
            let time_ms = take_u64(&mut left)?;
            let queue = take_bytes(&mut left)?;
            let exchange = take_bytes(&mut left)?;
            let key = take_bytes(&mut left)?;
            deaths.list.push(Death {
                queue,
                reason,
                count,
                time_ms,
                exchange,
                key,
                further_keys: Vec::new(),
            });
        }
        deaths.suppose();
        Some(deaths)
    }

    /// What is so if nothing else is said beside the deaths.
    fn suppose(&mut self) {
        self.first = self.list.len().saturating_sub(1);
        self.last_exchange = self.usual_exchange().to_vec();
    }

    fn usual_exchange(&self) -> &[u8] {
        self.list.first().map_or(&[], |death| &death.exchange)
    }

    fn decode_beside(mut self, mut left: &[u8]) -> Option<Self> {
        self.suppose();
        let (bits, behind) = left.split_first()?;
        left = behind;
        if bits & !(HAS_TTL | HAS_FIRST | HAS_LAST_EXCHANGE | HAS_FURTHER_KEYS) != 0 {
            return None;
        }
        if bits & HAS_TTL != 0 {
            self.original_ttl_ms = Some(take_u64(&mut left)?);
        }
        if bits & HAS_FIRST != 0 {
            self.first = usize::try_from(take_u64(&mut left)?).ok()?;
        }
        if bits & HAS_LAST_EXCHANGE != 0 {
            self.last_exchange = take_bytes(&mut left)?;
        }
        if bits & HAS_FURTHER_KEYS != 0 {
            for death in &mut self.list {
                for _ in 0..take_u32(&mut left)? {
                    death.further_keys.push(take_bytes(&mut left)?);
                }
            }
        }
        (left.is_empty() && self.first < self.list.len()).then_some(self)
    }

    /// The annotations of a message that died so.
    ///
    /// ```text
    /// { reason u8 · count u64 · time u64 · { length u32 · bytes } of queue, exchange, key } ... ·
    /// [ 0 u8 · bits u8 (1 has a ttl, 2 first is not last, 4 has a last exchange, 8 one has further keys) ·
    ///   [ ttl u64 ] · [ place of the first u64 ] · [ length u32 · last exchange ] ·
    ///   [ { count u32 · { length u32 · further key } ... } of each death ] ]
    /// ```
    ///
    /// # Panics
    /// When a name is longer than 4 GiB, which no limit allows.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for death in &self.list {
            bytes.push(death.reason as u8);
            bytes.extend_from_slice(&death.count.to_le_bytes());
            bytes.extend_from_slice(&death.time_ms.to_le_bytes());
            for text in [&death.queue, &death.exchange, &death.key] {
                put_bytes(&mut bytes, text);
            }
        }
        self.encode_beside(&mut bytes);
        bytes
    }

    fn encode_beside(&self, bytes: &mut Vec<u8>) {
        let bit = |is_set: bool, bit: u8| if is_set { bit } else { 0 };
        let bits = bit(self.original_ttl_ms.is_some(), HAS_TTL)
            | bit(self.first + 1 < self.list.len(), HAS_FIRST)
            | bit(
                self.last_exchange != self.usual_exchange(),
                HAS_LAST_EXCHANGE,
            )
            | bit(self.further_keys_bytes() > 0, HAS_FURTHER_KEYS);
        if bits == 0 {
            return;
        }
        bytes.extend_from_slice(&[BESIDE, bits]);
        if let Some(ttl_ms) = self.original_ttl_ms {
            bytes.extend_from_slice(&ttl_ms.to_le_bytes());
        }
        if bits & HAS_FIRST != 0 {
            bytes.extend_from_slice(&(self.first as u64).to_le_bytes());
        }
        if bits & HAS_LAST_EXCHANGE != 0 {
            put_bytes(bytes, &self.last_exchange);
        }
        if bits & HAS_FURTHER_KEYS != 0 {
            for death in &self.list {
                put_count(bytes, death.further_keys.len());
                for key in &death.further_keys {
                    put_bytes(bytes, key);
                }
            }
        }
    }

    /// The bytes that further keys take with their lengths.
    fn further_keys_bytes(&self) -> usize {
        self.list.iter().map(Death::further_keys_bytes).sum()
    }

    /// Adds a death: one more of the same queue and reason, or a new one. It is the latest now. Of a new one no further
    /// keys are kept if those of all deaths would take more than 4 KiB: a message is not to grow with each.
    pub fn add(&mut self, mut death: Death) {
        self.last_exchange.clone_from(&death.exchange);
        let same = |known: &Death| known.queue == death.queue && known.reason == death.reason;
        let death = match self.list.iter().position(same) {
            Some(at) => {
                let is_first = at == self.first;
                let mut known = self.take(at);
                known.count = known.count.saturating_add(1);
                if is_first {
                    self.list.insert(0, known);
                    self.first = 0;
                    return;
                }
                known
            }
            None => {
                let bytes = self.further_keys_bytes() + death.further_keys_bytes();
                if bytes > FURTHER_KEYS_BYTES_MAX {
                    death.further_keys.clear();
                }
                death
            }
        };
        if self.list.len() >= DEATHS_MAX {
            let last = self.list.len() - 1;
            self.take(if last == self.first { last - 1 } else { last });
        }
        if !self.list.is_empty() {
            self.first += 1;
        }
        self.list.insert(0, death);
    }

    /// Takes one out; if it is not the first of all, that keeps its place.
    fn take(&mut self, at: usize) -> Death {
        if at < self.first {
            self.first -= 1;
        }
        self.list.remove(at)
    }

    /// Notes how long the message might have lived when it died for the first time.
    pub const fn note_ttl_ms(&mut self, ttl_ms: u64) {
        self.original_ttl_ms = Some(ttl_ms);
    }

    /// How long the message might have lived, in milliseconds, when it died for the first time.
    #[must_use]
    pub const fn original_ttl_ms(&self) -> Option<u64> {
        self.original_ttl_ms
    }

    /// The deaths, the latest first.
    pub fn iter(&self) -> std::slice::Iter<'_, Death> {
        self.list.iter()
    }

    /// The one that came first of all.
    #[must_use]
    pub fn first(&self) -> Option<&Death> {
        self.list.get(self.first)
    }

    /// Where the message had been published to when it died last.
    #[must_use]
    pub fn last_exchange(&self) -> &[u8] {
        &self.last_exchange
    }

    /// Whether a message with these deaths that goes to the queue goes in a circle by itself: it died there
    /// before, and nobody has rejected it since.
    #[must_use]
    pub fn is_cycle(&self, queue: &[u8]) -> bool {
        let Some(at) = self.list.iter().position(|death| death.queue == queue) else {
            return false;
        };
        self.list[..=at]
            .iter()
            .all(|death| death.reason != DeathReason::Rejected)
    }
}

fn put_count(to: &mut Vec<u8>, count: usize) {
    let count = u32::try_from(count).expect("names are limited to far less");
    to.extend_from_slice(&count.to_le_bytes());
}

/// Appends a length and the bytes.
fn put_bytes(to: &mut Vec<u8>, bytes: &[u8]) {
    put_count(to, bytes.len());
    to.extend_from_slice(bytes);
}

fn take_u64(left: &mut &[u8]) -> Option<u64> {
    let (taken, behind) = left.split_at_checked(8)?;
    *left = behind;
    Some(u64::from_le_bytes(taken.try_into().ok()?))
}

fn take_u32(left: &mut &[u8]) -> Option<u32> {
    let (taken, behind) = left.split_at_checked(4)?;
    *left = behind;
    Some(u32::from_le_bytes(taken.try_into().ok()?))
}

fn take_bytes(left: &mut &[u8]) -> Option<Vec<u8>> {
    let len = usize::try_from(take_u32(left)?).ok()?;
    let (taken, behind) = left.split_at_checked(len)?;
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
            further_keys: Vec::new(),
        }
    }

    #[test]
    fn further_keys_are_kept_while_there_is_room() {
        let keys = |len: usize| vec![vec![7; len], Vec::new()];
        let mut deaths = Deaths::default();
        for (queue, len) in [("a", 1), ("b", 4_080), ("c", 4_076), ("d", 0)] {
            deaths.add(Death {
                further_keys: keys(len),
                ..death(queue, DeathReason::Rejected)
            });
            let encoded = deaths.encode();
            assert_eq!(Deaths::decode(&encoded).as_ref(), Some(&deaths));
            assert_eq!(Deaths::decode(&encoded[..encoded.len() - 1]), None);
        }
        let kept: Vec<_> = deaths.iter().map(|it| it.further_keys.clone()).collect();
        assert_eq!(kept, [vec![], keys(4_076), vec![], keys(1)]);
        assert_eq!(deaths.first().map(|it| it.keys().count()), Some(3));
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
            assert!(short.is_none_or(|short| short.iter().count() <= 2), "{end}");
        }
    }

    #[test]
    fn the_first_of_all_and_the_last_exchange_are_known() {
        let reasons = [DeathReason::Expired, DeathReason::Rejected];
        let mut deaths = Deaths::default();
        deaths.note_ttl_ms(9);
        let kept = |deaths: &Deaths| {
            let encoded = deaths.encode();
            assert_eq!(Deaths::decode(&encoded).as_ref(), Some(deaths));
            assert_eq!(deaths.original_ttl_ms(), Some(9));
            let first = deaths.first().expect("there is one").queue.clone();
            (first, deaths.last_exchange().to_vec())
        };
        // What comes again, the first included, and what is forgotten.
        for number in 0..300_usize {
            let queue = match number % 7 {
                3 => "q0".to_owned(),
                4 | 6 => format!("q{}", number / 7),
                _ => format!("q{number}"),
            };
            let exchange = format!("x{number}").into_bytes();
            deaths.add(Death {
                exchange: exchange.clone(),
                ..death(
                    &queue,
                    reasons[usize::from(queue != "q0" && number % 2 == 0)],
                )
            });
            assert_eq!(kept(&deaths), (b"q0".to_vec(), exchange));
            assert!(deaths.iter().count() <= DEATHS_MAX);
        }
        let of_first = deaths.iter().find(|death| death.queue == b"q0");
        assert_eq!(of_first.map(|death| death.count), Some(46));
    }

    #[test]
    fn what_nothing_stands_beside_is_as_it_always_was() {
        let mut deaths = Deaths::default();
        deaths.add(death("a", DeathReason::Expired));
        let mut expected = vec![2];
        expected.extend_from_slice(&1_u64.to_le_bytes());
        expected.extend_from_slice(&7_u64.to_le_bytes());
        for text in [b"a", b"x", b"k"] {
            expected.extend_from_slice(&1_u32.to_le_bytes());
            expected.extend_from_slice(text);
        }
        assert_eq!(deaths.encode(), expected);
        for wrong in [&[0][..], &[0, 16], &[0, 2, 1, 0, 0, 0, 0, 0, 0, 0], &[9]] {
            let bytes = [&expected[..], wrong].concat();
            assert_eq!(Deaths::decode(&bytes), None, "{wrong:?}");
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
