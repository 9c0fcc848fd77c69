//! The last message of each key of the exchange of topics, where its publisher asked for that.
//!
//! Who subscribes is shown them; nobody is to end with an older message of a key than the last. Steps:
//!
//! ```text
//!  publisher   waits for its turn with the key ┐
//!              sets the message here           │ one publisher of a key at a time
//!              loads the routes                │
//!              pushes it to receivers          ┘
//!  subscriber  stands in the routes, looks here, is shown what it finds; what was pushed meanwhile comes behind
//! ```
//! - The subscriber stands in the routes that the publisher loads: it gets the message live, behind what it was shown.
//!   Later ones of the key come behind it, as each has its turn after it.
//! - It does not: it comes to stand there after the publisher has loaded them, and so after the message was set; when
//!   it looks, it finds this message or a later one. All earlier ones have had their turn: none can come live.
//!
//! Were the message set behind its push, a subscriber that comes between the two would miss it; were the routes loaded
//! before it is set, likewise; without turns, a publisher that has set its message and pushes it only after another
//! has set and pushed a later one would bring a new subscriber an older message behind a later one. A message may come
//! both ways.
//!
//! What a transaction retains is set when it is decided; it holds its keys from before it is sent until all of it has been
//! pushed (`turns`). The will of a queue, and what a connection has left to publish when it ends, wait for no
//! transaction.
//!
//! Each entry has a version, which ascends over all keys, and its record in the log of the shard that its key leads
//! to. Records come there in any order; one that is older than what its log has is not written. An entry that was
//! taken away stays, without a message, until no older record of its key is on its way.

mod order;
mod turns;

use crate::outbox::Outbox;
use crate::settings::Settings;
use broker_api::Refusal;
use model::{Address, CommandId, ConnectionId, Instant, Message, Parts, Retain, ShardId};
pub(crate) use order::KeyPattern;
use order::{Verdict, ordered};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;
use turns::Turns;
pub(crate) use turns::{HeldKeys, Turn, UnderWay};

/// What an entry takes beside its key (twice: here and in its shard) and its message, in bytes.
const ENTRY_BYTES: usize = 256;
/// So many keys are looked at before others have the lock.
const LOOKED_MAX: usize = 1024;

/// The retained messages of a node.
///
/// Its lock is held for a change or for a look at some keys. Who publishes holds a turn besides, over its pushes.
pub(crate) struct Retained {
    turns: Arc<Turns>,
    state: Mutex<State>,
    shard_count: u16,
}

#[derive(Default)]
struct State {
    /// By key, in the spelling of order.
    entries: BTreeMap<Box<[u8]>, Entry>,
    last_version: u64,
    bytes: usize,
}

/// What is to be set together, and has not been.
#[derive(Default)]
struct Coming {
    /// Keys that there are none of.
    new: BTreeSet<Box<[u8]>>,
    bytes: usize,
}

struct Entry {
    version: u64,
    /// As it is shown; none if it was taken away.
    message: Option<Message>,
    expires_at: Option<Instant>,
    /// Who published it, if that was since the start.
    publisher: Option<ConnectionId>,
    /// Records of this key that are on their way to its log.
    unlogged: u32,
}

/// What has been set, for the log: a message without a body takes away what there was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    pub(crate) version: u64,
    pub(crate) expires_at: Option<Instant>,
    /// As it is shown.
    pub(crate) message: Message,
}

/// A message that a look has found.
pub(crate) struct Found {
    message: Message,
    expires_at: Option<Instant>,
    publisher: Option<ConnectionId>,
}

/// Where a look goes on, if it is not over.
pub(crate) type Place = Bound<Box<[u8]>>;

/// Whether there is room for a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    /// It is asked.
    Checked,
    /// It has been asked before.
    Passed,
}

impl Retained {
    pub(crate) fn new(shard_count: usize) -> Self {
        Self {
            turns: Arc::new(Turns::new()),
            state: Mutex::default(),
            shard_count: u16::try_from(shard_count.max(1)).unwrap_or(u16::MAX),
        }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.state.lock().entries.len()
    }

    /// Whether this is to be retained.
    pub(crate) fn takes(message: &Message) -> bool {
        message.envelope().retain == Retain::Keep && message.exchange() == Address::TOPIC_EXCHANGE
    }

    /// The shard in whose log a key stands.
    pub(crate) fn shard_of(&self, key: &[u8]) -> ShardId {
        let number = hash(Address::TOPIC_EXCHANGE, key) % u64::from(self.shard_count);
        ShardId(u16::try_from(number).expect("there are less shards than that"))
    }

    /// Waits until no other has its turn with the key.
    pub(crate) fn turn(&self, key: &[u8]) -> Turn<'_> {
        self.turns.turn(key)
    }

    /// A message of the key is on its way to shared queues, until what is returned is dropped by who puts it there.
    pub(crate) fn under_way(&self, turn: &Turn<'_>, key: &[u8]) -> UnderWay {
        UnderWay::new(&self.turns, turn, key)
    }

    /// Takes the keys of a transaction, each once, or none of them if another holds one: then the command is confirmed when
    /// it is worth another try.
    pub(crate) fn hold<'k>(
        &self,
        keys: impl Iterator<Item = &'k [u8]>,
        outbox: &Arc<Outbox>,
        command: CommandId,
    ) -> Option<HeldKeys> {
        HeldKeys::take(&self.turns, keys, outbox, command)
    }

    /// Sets the message of its key, or takes it away. Its record is on its way until [`logged`](Self::logged).
    ///
    /// # Errors
    /// [`Refusal::LimitReached`].
    pub(crate) fn set(
        &self,
        settings: &Settings,
        now: Instant,
        message: &Message,
        publisher: Option<ConnectionId>,
        limit: Limit,
    ) -> Result<Setting, Refusal> {
        let place = ordered(message.key());
        let shown = shown(message);
        let is_cleared = message.body().is_empty();
        let ttl_ms = message.envelope().ttl_ms.filter(|_| !is_cleared);
        let expires_at = ttl_ms.map(|ttl| now.plus_millis(ttl));
        let mut state = self.state.lock();
        if limit == Limit::Checked && !is_cleared {
            state.check(settings, &place, &shown, &Coming::default())?;
        }
        let version = state.last_version + 1;
        state.last_version = version;
        let before = state.entries.get(&place);
        let before_bytes = before.map_or(0, |entry| entry_bytes(&place, entry.message.as_ref()));
        let unlogged = before.map_or(0, |entry| entry.unlogged) + 1;
        let entry = Entry {
            version,
            message: (!is_cleared).then(|| shown.clone()),
            expires_at,
            publisher,
            unlogged,
        };
        state.bytes -= before_bytes;
        state.bytes += entry_bytes(&place, entry.message.as_ref());
        state.entries.insert(place, entry);
        Ok(Setting {
            version,
            expires_at,
            message: shown,
        })
    }

    /// Whether there is room for messages that are set together.
    ///
    /// # Errors
    /// [`Refusal::LimitReached`].
    pub(crate) fn check<'m>(
        &self,
        settings: &Settings,
        messages: impl Iterator<Item = &'m Message>,
    ) -> Result<(), Refusal> {
        let mut coming = Coming::default();
        let taken = messages.filter(|message| Self::takes(message) && !message.body().is_empty());
        for message in taken {
            let place = ordered(message.key());
            let state = self.state.lock();
            state.check(settings, &place, message, &coming)?;
            let before = state.entries.get(&place);
            let before_bytes =
                before.map_or(0, |entry| entry_bytes(&place, entry.message.as_ref()));
            let bytes = entry_bytes(&place, Some(message));
            coming.bytes += bytes.saturating_sub(before_bytes);
            if before.is_none() {
                coming.new.insert(place);
            }
        }
        Ok(())
    }

    /// A record of the key has come to its log. Returns whether nothing is known of the key any more.
    pub(crate) fn logged(&self, key: &[u8]) -> bool {
        let place = ordered(key);
        let mut state = self.state.lock();
        let Some(entry) = state.entries.get_mut(&place) else {
            return true;
        };
        entry.unlogged -= 1;
        let is_gone = entry.unlogged == 0 && entry.message.is_none();
        if is_gone {
            state.remove(&place);
        }
        is_gone
    }

    /// The message of a key has expired, unless there is a later one. Returns whether nothing is known of the key any
    /// more.
    pub(crate) fn expire(&self, key: &[u8], version: u64) -> bool {
        let place = ordered(key);
        let mut state = self.state.lock();
        let state = &mut *state;
        let Some(entry) = state.entries.get_mut(&place) else {
            return true;
        };
        if entry.version == version && entry.unlogged == 0 {
            state.remove(&place);
            return true;
        }
        if entry.version == version
            && let Some(message) = entry.message.take()
        {
            state.bytes -= message.cost_bytes();
        }
        false
    }

    /// Takes in what a log holds of a key. Returns whether that is a message that lives.
    pub(crate) fn recover(&self, now: Instant, setting: &Setting) -> bool {
        let mut state = self.state.lock();
        state.last_version = state.last_version.max(setting.version);
        let is_over = setting.expires_at.is_some_and(|at| at <= now);
        if is_over || setting.message.body().is_empty() {
            return false;
        }
        let place = ordered(setting.message.key());
        let entry = Entry {
            version: setting.version,
            message: Some(setting.message.clone()),
            expires_at: setting.expires_at,
            publisher: None,
            unlogged: 0,
        };
        state.bytes += entry_bytes(&place, entry.message.as_ref());
        state.entries.insert(place, entry);
        true
    }

    /// Looks at some keys from a place on. Returns what matches, up to about `bytes_max`, and where to go on.
    pub(crate) fn look(
        &self,
        now: Instant,
        pattern: &KeyPattern,
        from: &Place,
        bytes_max: usize,
    ) -> (Vec<Found>, Option<Place>) {
        let mut at = from.clone();
        let mut found = Vec::new();
        let mut bytes_left = bytes_max;
        let state = self.state.lock();
        for _ in 0..LOOKED_MAX {
            let low = at.as_ref().map(|place| &**place);
            let mut rest = state.entries.range::<[u8], _>((low, Bound::Unbounded));
            let Some((place, entry)) = rest.next() else {
                return (found, None);
            };
            at = match pattern.judge(place) {
                Verdict::Candidate => {
                    if let Some(message) = entry.message_at(now) {
                        bytes_left = bytes_left.saturating_sub(message.cost_bytes());
                        found.push(Found {
                            message: message.clone(),
                            expires_at: entry.expires_at,
                            publisher: entry.publisher,
                        });
                    }
                    Bound::Excluded(place.clone())
                }
                Verdict::From(place) => place,
                Verdict::Over => return (found, None),
            };
            if bytes_left == 0 {
                break;
            }
        }
        (found, Some(at))
    }
}

impl State {
    fn check(
        &self,
        settings: &Settings,
        place: &[u8],
        message: &Message,
        coming: &Coming,
    ) -> Result<(), Refusal> {
        let before = self.entries.get(place);
        let before_bytes = before.map_or(0, |entry| entry_bytes(place, entry.message.as_ref()));
        let bytes = entry_bytes(place, Some(message));
        let is_new = before.is_none() && !coming.new.contains(place);
        if is_new && self.entries.len() + coming.new.len() >= settings.retained_count {
            return Err(Refusal::LimitReached {
                what: "retained messages",
                limit: settings.retained_count as u64,
            });
        }
        // One that takes less than the last one did is no harm.
        let bytes_after = self.bytes - before_bytes + bytes + coming.bytes;
        if bytes > before_bytes && bytes_after > settings.retained_bytes {
            return Err(Refusal::LimitReached {
                what: "bytes of retained messages",
                limit: settings.retained_bytes as u64,
            });
        }
        Ok(())
    }

    fn remove(&mut self, place: &[u8]) {
        if let Some(entry) = self.entries.remove(place) {
            self.bytes -= entry_bytes(place, entry.message.as_ref());
        }
    }
}

impl Entry {
    fn message_at(&self, now: Instant) -> Option<&Message> {
        let is_over = self.expires_at.is_some_and(|at| at <= now);
        self.message.as_ref().filter(|_| !is_over)
    }
}

impl Found {
    /// The message, if its key matches the pattern that found it.
    pub(crate) fn matching(self, now: Instant, pattern: &KeyPattern) -> Option<Shown> {
        pattern.matches(self.message.key()).then(|| Shown {
            publisher: self.publisher,
            message: match self.expires_at {
                None => self.message,
                Some(at) => lasting_until(now, at, &self.message),
            },
        })
    }
}

/// A message that is shown.
pub(crate) struct Shown {
    pub(crate) message: Message,
    /// Who published it, if that was since the start.
    pub(crate) publisher: Option<ConnectionId>,
}

/// The message with what is left of its life.
fn lasting_until(now: Instant, at: Instant, message: &Message) -> Message {
    let left_ms = u64::try_from(at.since(now).as_millis()).unwrap_or(u64::MAX);
    let mut envelope = message.envelope();
    envelope.ttl_ms = Some(left_ms);
    message.with_envelope(envelope)
}

/// A message as it is shown. Of one without a body only the key counts.
fn shown(message: &Message) -> Message {
    let mut envelope = message.envelope();
    envelope.retain = Retain::Shown;
    // Who comes later has waited long enough.
    envelope.delay_ms = 0;
    if !message.body().is_empty() {
        return message.with_envelope(envelope);
    }
    envelope.ttl_ms = None;
    Message::new(&Parts {
        envelope,
        exchange: message.exchange(),
        key: message.key(),
        annotations: &[],
        head: &[],
        body: &[],
    })
}

/// What an entry is charged with.
fn entry_bytes(place: &[u8], message: Option<&Message>) -> usize {
    ENTRY_BYTES + 2 * place.len() + message.map_or(0, Message::cost_bytes)
}

/// Which log a key stands in: FNV-1a, 64 bits, of the exchange, a zero, and the key. Written to disk: never another.
fn hash(exchange: &[u8], key: &[u8]) -> u64 {
    let bytes = exchange.iter().chain([&0]).chain(key);
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests;
