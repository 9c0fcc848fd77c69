//! What travels: immutable content, kept as it came, with the little that the core must know.

#![expect(
    unsafe_code,
    reason = "one allocation for envelope and content, filled piece by piece"
)]

use std::fmt;
use std::mem::MaybeUninit;
use triomphe::{Arc, HeaderSlice, UniqueArc};

/// What a message costs in memory beyond its content, in bytes: its allocation's header and the
/// entries that refer to it.
const OVERHEAD_BYTES: usize = 96;

/// The protocol and version whose rules the head of a message follows.
///
/// The number is written to disk and is never given another meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Dialect {
    /// STOMP 1.0: headers are not escaped.
    Stomp10 = 1,
    /// STOMP 1.1: `\n`, `\c` and `\\` are escapes.
    Stomp11 = 2,
    /// STOMP 1.2: `\r` is one too.
    Stomp12 = 3,
    /// MQTT 3.1 and 3.1.1: there is no head.
    Mqtt3 = 4,
    /// MQTT 5.0: the head is properties.
    Mqtt5 = 5,
    /// AMQP 0-9-1: the head is the properties of the content header, flags and fields.
    Amqp091 = 6,
    /// ZMTP: the head says where the frames end, and where an answer goes.
    Zmq = 7,
}

impl Dialect {
    /// The dialect with this number.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Stomp10),
            2 => Some(Self::Stomp11),
            3 => Some(Self::Stomp12),
            4 => Some(Self::Mqtt3),
            5 => Some(Self::Mqtt5),
            6 => Some(Self::Amqp091),
            7 => Some(Self::Zmq),
            _ => None,
        }
    }
}

/// Whether a message survives a restart of a durable queue that holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Persistence {
    /// It may be lost with the process.
    Transient,
    /// It is on disk before its publisher is told so.
    Persistent,
}

/// What a message has to do with the last one that is kept of its exchange and key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Retain {
    /// Nothing.
    #[default]
    No,
    /// Its publisher asks that it be kept as the last one; without a body, that none be kept.
    Keep,
    /// It was kept so, and is shown to a subscription that began later.
    Shown,
}

/// What the core knows of a message without reading its head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The rules that the head follows.
    pub dialect: Dialect,
    /// Notes of the dialect's own about the head; the core keeps them and does not read them.
    pub dialect_flags: u8,
    /// Whether the message survives a restart.
    pub persistence: Persistence,
    /// What goes first, where a queue keeps priorities: higher numbers.
    pub priority: u8,
    /// Whether the head names a group whose messages one subscription gets, in order.
    pub is_grouped: bool,
    /// Whether the head has a say in where and when the message goes, beside exchange and key: it names further keys, or
    /// asks for a delay, which some exchanges grant. Routing reads it then.
    pub head_routes: bool,
    /// Whether it is, or is to be, the last message that is kept of its exchange and key.
    pub retain: Retain,
    /// How long it may wait in a queue, in milliseconds from its arrival there; no bound if none.
    pub ttl_ms: Option<u64>,
    /// How long it is to wait in a queue before it is delivered, in milliseconds from its arrival there.
    pub delay_ms: u64,
}

impl Envelope {
    /// The envelope of a message that asks for nothing special.
    #[must_use]
    pub const fn new(dialect: Dialect, persistence: Persistence) -> Self {
        Self {
            dialect,
            dialect_flags: 0,
            persistence,
            priority: 0,
            is_grouped: false,
            head_routes: false,
            retain: Retain::No,
            ttl_ms: None,
            delay_ms: 0,
        }
    }
}

/// The pieces that a message is made of. Each list is concatenated.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    /// What the core knows of it.
    pub envelope: Envelope,
    /// The name of the exchange that it was published to, at most 255 bytes.
    pub exchange: &'a [u8],
    /// The routing key in canonical spelling (levels separated by `.`) or the name of a queue.
    pub key: &'a [u8],
    /// What the broker itself notes beside the message, see [`Deaths`](crate::Deaths).
    pub annotations: &'a [u8],
    /// The head, in the dialect's spelling.
    pub head: &'a [&'a [u8]],
    /// The body.
    pub body: &'a [u8],
}

#[derive(Clone, Copy)]
struct Header {
    envelope: Envelope,
    exchange_len: u32,
    /// Of exchange and key together.
    address_len: u32,
    annotations_len: u32,
    head_len: u32,
}

/// An immutable message: envelope, exchange, routing key, annotations, head and body in one allocation.
///
/// A clone shares that allocation and costs one atomic increment.
///
/// Invariants: the content is `exchange`, `key`, `annotations`, `head`, `body`, in this order, and never
/// changes.
#[derive(Clone)]
pub struct Message(Arc<HeaderSlice<Header, [u8]>>);

impl Message {
    /// Copies the pieces into a new message. The caller has checked the protocol's limits.
    ///
    /// # Panics
    /// When a part beside the body is longer than 4 GiB, which no limit allows.
    #[must_use]
    pub fn new(parts: &Parts<'_>) -> Self {
        let head_len = parts.head.iter().map(|piece| piece.len()).sum::<usize>();
        let address_len = parts.exchange.len() + parts.key.len();
        let len = |len: usize| u32::try_from(len).expect("parts are limited to far less");
        let header = Header {
            envelope: parts.envelope,
            exchange_len: len(parts.exchange.len()),
            address_len: len(address_len),
            annotations_len: len(parts.annotations.len()),
            head_len: len(head_len),
        };
        let content_len = address_len + parts.annotations.len() + head_len + parts.body.len();
        let mut unique =
            UniqueArc::<HeaderSlice<Header, [MaybeUninit<u8>]>>::from_header_and_uninit_slice(
                header,
                content_len,
            );
        let mut rest = &mut unique.slice;
        let mut write = |piece: &[u8]| {
            if !piece.is_empty() {
                let (place, behind) = std::mem::take(&mut rest).split_at_mut(piece.len());
                place.write_copy_of_slice(piece);
                rest = behind;
            }
        };
        write(parts.exchange);
        write(parts.key);
        write(parts.annotations);
        parts.head.iter().copied().for_each(&mut write);
        write(parts.body);
        assert!(rest.is_empty(), "every byte of a message is written once");
        // SAFETY: the pieces were written from the slice's start, without a gap, until nothing of it was left.
        Self(unsafe { unique.assume_init_slice_with_header() }.shareable())
    }

    /// A copy with another envelope.
    #[must_use]
    pub fn with_envelope(&self, envelope: Envelope) -> Self {
        Self::new(&Parts {
            envelope,
            exchange: self.exchange(),
            key: self.key(),
            annotations: self.annotations(),
            head: &[self.head()],
            body: self.body(),
        })
    }

    /// What the core knows of it.
    #[must_use]
    pub fn envelope(&self) -> Envelope {
        self.0.header.envelope
    }

    /// The name of the exchange that it was published to.
    #[must_use]
    pub fn exchange(&self) -> &[u8] {
        &self.0.slice[..self.0.header.exchange_len as usize]
    }

    /// The routing key in canonical spelling, or the name of a queue.
    #[must_use]
    pub fn key(&self) -> &[u8] {
        &self.0.slice[self.0.header.exchange_len as usize..self.address_len()]
    }

    /// Exchange and key, which lie side by side; equal addresses with exchanges of equal length are the
    /// same.
    #[must_use]
    pub fn address(&self) -> &[u8] {
        &self.0.slice[..self.address_len()]
    }

    /// What the broker itself notes beside the message.
    #[must_use]
    pub fn annotations(&self) -> &[u8] {
        let from = self.address_len();
        &self.0.slice[from..from + self.0.header.annotations_len as usize]
    }

    /// The head, in the dialect's spelling.
    #[must_use]
    pub fn head(&self) -> &[u8] {
        let from = self.head_from();
        &self.0.slice[from..from + self.0.header.head_len as usize]
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.0.slice[self.head_from() + self.0.header.head_len as usize..]
    }

    /// All of the content: exchange, key, annotations, head and body, which lie side by side.
    #[must_use]
    pub fn content(&self) -> &[u8] {
        &self.0.slice
    }

    /// Head and body, which lie side by side.
    #[must_use]
    pub fn head_and_body(&self) -> &[u8] {
        &self.0.slice[self.head_from()..]
    }

    /// What holding this message once is charged with, in bytes: its content and an overhead.
    #[must_use]
    pub fn cost_bytes(&self) -> usize {
        self.0.slice.len() + OVERHEAD_BYTES
    }

    fn address_len(&self) -> usize {
        self.0.header.address_len as usize
    }

    fn head_from(&self) -> usize {
        self.address_len() + self.0.header.annotations_len as usize
    }
}

impl PartialEq for Message {
    fn eq(&self, other: &Self) -> bool {
        self.envelope() == other.envelope()
            && self.exchange() == other.exchange()
            && self.key() == other.key()
            && self.annotations() == other.annotations()
            && self.head() == other.head()
            && self.body() == other.body()
    }
}

impl Eq for Message {}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("envelope", &self.envelope())
            .field("exchange", &String::from_utf8_lossy(self.exchange()))
            .field("key", &String::from_utf8_lossy(self.key()))
            .field("head", &String::from_utf8_lossy(self.head()))
            .field("body_len", &self.body().len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_its_pieces_apart() {
        let envelope = Envelope {
            dialect: Dialect::Stomp12,
            dialect_flags: 5,
            persistence: Persistence::Persistent,
            priority: 3,
            is_grouped: true,
            head_routes: true,
            retain: Retain::Keep,
            ttl_ms: Some(4),
            delay_ms: 2,
        };
        let message = Message::new(&Parts {
            envelope,
            exchange: b"ex",
            key: b"a.b",
            annotations: b"noted",
            head: &[b"x:1\n", b"y:2\n"],
            body: b"\0!",
        });
        assert_eq!(message.envelope(), envelope);
        assert_eq!(message.exchange(), b"ex");
        assert_eq!(message.key(), b"a.b");
        assert_eq!(message.address(), b"exa.b");
        assert_eq!(message.annotations(), b"noted");
        assert_eq!(message.head(), b"x:1\ny:2\n");
        assert_eq!(message.body(), b"\0!");
        assert_eq!(message.head_and_body(), b"x:1\ny:2\n\0!");
        let shown = Envelope {
            retain: Retain::Shown,
            ..envelope
        };
        let copy = message.with_envelope(shown);
        assert_eq!(copy.envelope(), shown);
        assert_eq!(copy.content(), message.content());
        assert_eq!(copy.with_envelope(envelope), message);
    }
}
