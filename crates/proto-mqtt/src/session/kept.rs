//! What of a session outlives its connection.
//!
//! It is a durable queue of the broker, which the connection takes over, with notes beside it:
//!
//! ```text
//! v                                                the session has begun
//! s filter        options u8 · identifier u32      a subscription (options: as in SUBSCRIBE; 0x80: bound to the queue);
//!                                                  the filter of one that is shared begins with `$share/`
//! i identifier                                     a PUBLISH of the client with QoS 2 that is published and not released
//! o identifier    sequence u64                     a delivery with QoS 2 that the client has and that is being released
//! ```
//! Packet identifiers are u16; numbers are big endian in keys, so that they ascend, and little endian in values.
//! Written to disk, never given another meaning.

mod commits;
mod deliver;
mod ending;
mod filters;
mod noting;
mod subscribe;

use crate::frame::{PacketId, Qos, RetainHandling, SubscriptionIdentifier, SubscriptionOptions};
use broker_api::{Note, Recalled, Will};
pub(super) use commits::Commits;
pub(super) use filters::Filters;
use model::{Durability, Lifetime, Overflow, Ownership};
use model::{QueueDefinition, QueueName, QueueRules, Sequence, SubscriptionId};
pub(super) use noting::{Noting, Then};
pub(super) use subscribe::Next;

/// What the name of a session's queue begins with; the client identifier follows.
const QUEUE_PREFIX: &[u8] = b"mqtt.session.";

/// A session that is never gone on with: its Session Expiry Interval. §3.1.2.11.2
pub(super) const NEVER: u32 = u32::MAX;

/// A queue that nobody has said anything of yet, for its connection broke as it began, ends after this.
const UNBEGUN_MS: u64 = 60_000;

const BEGUN: u8 = b'v';
const SUBSCRIBED: u8 = b's';
const RECEIVED: u8 = b'i';
const RELEASED: u8 = b'o';

const QOS: u8 = 0x03;
const NO_LOCAL: u8 = 0x04;
const RETAIN_AS_PUBLISHED: u8 = 0x08;
const RETAIN_HANDLING_SHIFT: u32 = 4;
const BOUND: u8 = 0x80;

/// The part of a connection that belongs to a session that outlives it.
#[derive(Debug)]
pub(super) struct Kept {
    /// The subscription that has taken its queue over.
    pub(super) subscription: SubscriptionId,
    pub(super) queue: QueueName,
    /// For how long it is kept once the connection has ended, in seconds.
    pub(super) expiry: u32,
    /// What the broker publishes then, unless the client says good-bye.
    pub(super) will: Option<Will>,
    pub(super) filters: Filters,
    pub(super) noting: Noting,
    pub(super) commits: Commits,
}

impl Kept {
    pub(super) fn new(
        subscription: SubscriptionId,
        queue: QueueName,
        expiry: u32,
        will: Option<Will>,
    ) -> Self {
        Self {
            subscription,
            queue,
            expiry,
            will,
            filters: Filters::default(),
            noting: Noting::default(),
            commits: Commits::default(),
        }
    }
}

/// The queue of a client's session; none if the identifier is too long for its name.
pub(super) fn queue_of(client_id: &[u8]) -> Option<QueueName> {
    QueueName::new(&[QUEUE_PREFIX, client_id].concat()).ok()
}

/// What that queue is declared as.
pub(super) const fn definition(messages_max: u64) -> QueueDefinition {
    QueueDefinition {
        durability: Durability::Durable,
        ownership: Ownership::Shared,
        lifetime: Lifetime::Permanent,
        expires_ms: Some(UNBEGUN_MS),
        kind: None,
        rules: QueueRules {
            length_max: Some(messages_max),
            overflow: Some(Overflow::DropHead),
            ..QueueRules::PLAIN
        },
    }
}

/// So many seconds as the broker takes them.
pub(super) fn expires_ms(seconds: u32) -> Option<u64> {
    (seconds != NEVER).then(|| u64::from(seconds) * 1000)
}

/// What is noted of a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Subscribed {
    pub(super) options: SubscriptionOptions,
    pub(super) identifier: Option<SubscriptionIdentifier>,
    /// Whether what it matches comes by the session's queue.
    pub(super) is_bound: bool,
}

/// All that is noted of a session.
#[derive(Debug, Default)]
pub(super) struct Remembered {
    pub(super) has_begun: bool,
    pub(super) subscriptions: Vec<(String, Subscribed)>,
    pub(super) received: Vec<PacketId>,
    pub(super) released: Vec<(PacketId, Sequence)>,
}

impl Remembered {
    /// Reads notes. What is none of the session's is passed over.
    pub(super) fn new(notes: &[Recalled]) -> Self {
        let mut found = Self::default();
        for (key, value) in notes {
            // It is none: it is passed over.
            let _known = found.take(key, value);
        }
        found
    }

    fn take(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        match key.split_first()? {
            (&BEGUN, []) => self.has_begun = true,
            (&SUBSCRIBED, filter) => {
                let filter = std::str::from_utf8(filter).ok()?;
                let subscribed = subscribed_of(value)?;
                self.subscriptions.push((filter.to_owned(), subscribed));
            }
            (&RECEIVED, id) => self.received.push(packet_id(id)?),
            (&RELEASED, id) => {
                let sequence = u64::from_le_bytes(value.try_into().ok()?);
                self.released.push((packet_id(id)?, Sequence(sequence)));
            }
            _ => {}
        }
        Some(())
    }
}

fn packet_id(bytes: &[u8]) -> Option<PacketId> {
    PacketId::new(u16::from_be_bytes(bytes.try_into().ok()?))
}

fn subscribed_of(value: &[u8]) -> Option<Subscribed> {
    let (bits, identifier) = value.split_first()?;
    let identifier = u32::from_le_bytes(identifier.try_into().ok()?);
    let retain_handling = match (bits & !BOUND) >> RETAIN_HANDLING_SHIFT {
        0 => RetainHandling::Send,
        1 => RetainHandling::SendIfNew,
        2 => RetainHandling::DoNotSend,
        _ => return None,
    };
    Some(Subscribed {
        options: SubscriptionOptions {
            qos: Qos::from_bits(bits & QOS)?,
            no_local: bits & NO_LOCAL != 0,
            retain_as_published: bits & RETAIN_AS_PUBLISHED != 0,
            retain_handling,
        },
        identifier: SubscriptionIdentifier::new(identifier),
        is_bound: bits & BOUND != 0,
    })
}

/// The note that the session has begun.
pub(super) fn begun() -> Note {
    note(BEGUN, &[], Some(&[]))
}

/// The note of a subscription.
pub(super) fn subscribed(filter: &str, it: &Subscribed) -> Note {
    let bit = |is_set: bool, bit: u8| if is_set { bit } else { 0 };
    let options = it.options.qos.bits()
        | bit(it.options.no_local, NO_LOCAL)
        | bit(it.options.retain_as_published, RETAIN_AS_PUBLISHED)
        | (it.options.retain_handling as u8) << RETAIN_HANDLING_SHIFT
        | bit(it.is_bound, BOUND);
    let mut value = vec![options];
    let identifier = it.identifier.map_or(0, SubscriptionIdentifier::get);
    value.extend_from_slice(&identifier.to_le_bytes());
    note(SUBSCRIBED, filter.as_bytes(), Some(&value))
}

/// That the subscription is no more.
pub(super) fn unsubscribed(filter: &str) -> Note {
    note(SUBSCRIBED, filter.as_bytes(), None)
}

/// The note of a PUBLISH of the client with QoS 2, or that it is no more.
pub(super) fn received(id: PacketId, is_there: bool) -> Note {
    note(RECEIVED, &id.get().to_be_bytes(), is_there.then_some(&[]))
}

/// The note of a delivery that is being released.
pub(super) fn released(id: PacketId, sequence: Sequence) -> Note {
    let value = sequence.0.to_le_bytes();
    note(RELEASED, &id.get().to_be_bytes(), Some(&value))
}

/// That it has been.
pub(super) fn completed(id: PacketId) -> Note {
    note(RELEASED, &id.get().to_be_bytes(), None)
}

fn note(kind: u8, about: &[u8], value: Option<&[u8]>) -> Note {
    Note {
        key: [&[kind], about].concat().into(),
        value: value.map(Into::into),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_read_as_they_were_written() {
        let all = [
            Subscribed {
                options: SubscriptionOptions::default(),
                identifier: None,
                is_bound: false,
            },
            Subscribed {
                options: SubscriptionOptions {
                    qos: Qos::ExactlyOnce,
                    no_local: true,
                    retain_as_published: true,
                    retain_handling: RetainHandling::DoNotSend,
                },
                identifier: SubscriptionIdentifier::new(268_435_455),
                is_bound: true,
            },
        ];
        let id = |number| PacketId::new(number).unwrap();
        let mut notes = vec![
            begun(),
            received(id(300), true),
            released(id(65_535), Sequence(1 << 40)),
        ];
        notes.extend(all.iter().map(|it| subscribed("a/#", it)));
        let recalled: Vec<_> = notes
            .into_iter()
            .map(|note| (note.key, note.value.unwrap()))
            .collect();
        // What a later version may write, and what nobody does.
        let foreign = [
            (Box::from(*b"x"), Box::from(*b"")),
            (Box::from(*b"i"), Box::from(*b"")),
        ];
        let recalled: Vec<Recalled> = recalled.into_iter().chain(foreign).collect();
        let found = Remembered::new(&recalled);
        assert!(found.has_begun);
        assert_eq!(found.received, [id(300)]);
        assert_eq!(found.released, [(id(65_535), Sequence(1 << 40))]);
        let expected = all.map(|it| ("a/#".to_owned(), it));
        assert_eq!(found.subscriptions, expected);
    }

    #[test]
    fn a_note_is_written_as_it_always_was() {
        let it = Subscribed {
            options: SubscriptionOptions {
                qos: Qos::AtLeastOnce,
                no_local: true,
                retain_as_published: true,
                retain_handling: RetainHandling::SendIfNew,
            },
            identifier: SubscriptionIdentifier::new(7),
            is_bound: true,
        };
        let id = PacketId::new(258).unwrap();
        let text = |note: Note| (note.key.to_vec(), note.value.map(|value| value.to_vec()));
        assert_eq!(
            text(subscribed("f", &it)),
            (b"sf".to_vec(), Some(vec![0x9d, 7, 0, 0, 0]))
        );
        assert_eq!(text(begun()), (b"v".to_vec(), Some(vec![])));
        assert_eq!(
            text(received(id, true)),
            (b"i\x01\x02".to_vec(), Some(vec![]))
        );
        assert_eq!(text(completed(id)), (b"o\x01\x02".to_vec(), None));
    }
}
