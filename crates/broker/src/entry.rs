//! The records of a shard's log: what a machine is rebuilt from.
//!
//! All numbers are little endian. A kind's layout never changes: another layout is another kind.
//!
//! ```text
//! 1 DECLARED   queue u64 · shard u16 · name (to the end)                      shard 0
//! 2 ENQUEUED   queue u64 · sequence u64 · dialect u8 · dialect flags u8 ·
//!              persistence u8 (1 = persistent) · exchange u8 ·
//!              key length u32 · head length u32 · key · head · body (to the end)
//! 3 SETTLED    queue u64 · { first sequence u64 · last sequence u64 } ...      left the queue
//! 4 MARKED     queue u64 · sequence u64         up to here it may have been delivered
//! 5 QUEUE      queue u64 · next sequence u64 · mark u64                    in snapshots
//! 6 QUEUE_IDS  next queue id u64                                   shard 0, in snapshots
//! ```

use model::{
    Dialect, Envelope, Exchange, Message, Parts, Persistence, QueueId, QueueName, Sequence, ShardId,
};

pub(crate) const DECLARED: u8 = 1;
pub(crate) const ENQUEUED: u8 = 2;
pub(crate) const SETTLED: u8 = 3;
pub(crate) const MARKED: u8 = 4;
pub(crate) const QUEUE: u8 = 5;
pub(crate) const QUEUE_IDS: u8 = 6;

/// No sequence or id is above this: numbers ascend one by one from 1.
const NUMBER_MAX: u64 = u64::MAX / 2;

/// A record, read back.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    Declared {
        queue: QueueId,
        shard: ShardId,
        name: QueueName,
    },
    Enqueued {
        queue: QueueId,
        sequence: Sequence,
        message: Message,
    },
    Settled {
        queue: QueueId,
        ranges: Vec<(Sequence, Sequence)>,
    },
    Marked {
        queue: QueueId,
        mark: Sequence,
    },
    Queue {
        queue: QueueId,
        next: Sequence,
        mark: Sequence,
    },
    QueueIds {
        next: QueueId,
    },
}

/// Why a record makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// The kind is of a later version, or none.
    #[error("the record's kind {0} is unknown to this version")]
    UnknownKind(u8),
    /// The record's content does not fit its kind.
    #[error("a record of kind {kind} has a bad {field}")]
    BadField {
        /// The kind.
        kind: u8,
        /// What is wrong with it.
        field: &'static str,
    },
}

pub(crate) fn encode_declared(to: &mut Vec<u8>, queue: QueueId, shard: ShardId, name: &QueueName) {
    to.extend_from_slice(&queue.0.to_le_bytes());
    to.extend_from_slice(&shard.0.to_le_bytes());
    to.extend_from_slice(name.as_bytes());
}

pub(crate) fn encode_enqueued(
    to: &mut Vec<u8>,
    queue: QueueId,
    sequence: Sequence,
    message: &Message,
) {
    let envelope = message.envelope();
    let length = |part: &[u8]| u32::try_from(part.len()).expect("a message's parts fit u32");
    to.extend_from_slice(&queue.0.to_le_bytes());
    to.extend_from_slice(&sequence.0.to_le_bytes());
    to.push(envelope.dialect as u8);
    to.push(envelope.dialect_flags);
    to.push(u8::from(envelope.persistence == Persistence::Persistent));
    to.push(envelope.exchange as u8);
    to.extend_from_slice(&length(message.key()).to_le_bytes());
    to.extend_from_slice(&length(message.head()).to_le_bytes());
    to.extend_from_slice(message.key());
    to.extend_from_slice(message.head_and_body());
}

/// Encodes the sequences, which ascend, as ranges.
pub(crate) fn encode_settled(to: &mut Vec<u8>, queue: QueueId, sequences: &[Sequence]) {
    to.extend_from_slice(&queue.0.to_le_bytes());
    for run in sequences.chunk_by(|one, other| one.next() == *other) {
        if let [first, ..] = run
            && let [.., last] = run
        {
            to.extend_from_slice(&first.0.to_le_bytes());
            to.extend_from_slice(&last.0.to_le_bytes());
        }
    }
}

pub(crate) fn encode_marked(to: &mut Vec<u8>, queue: QueueId, mark: Sequence) {
    to.extend_from_slice(&queue.0.to_le_bytes());
    to.extend_from_slice(&mark.0.to_le_bytes());
}

pub(crate) fn encode_queue(to: &mut Vec<u8>, queue: QueueId, next: Sequence, mark: Sequence) {
    encode_marked(to, queue, next);
    to.extend_from_slice(&mark.0.to_le_bytes());
}

pub(crate) fn encode_queue_ids(to: &mut Vec<u8>, next: QueueId) {
    to.extend_from_slice(&next.0.to_le_bytes());
}

/// Takes fields off the front of a record.
struct Fields<'a> {
    kind: u8,
    left: &'a [u8],
}

impl<'a> Fields<'a> {
    fn bad(&self, field: &'static str) -> EntryError {
        EntryError::BadField {
            kind: self.kind,
            field,
        }
    }

    fn bytes(&mut self, count: usize, field: &'static str) -> Result<&'a [u8], EntryError> {
        let (taken, left) = self.left.split_at_checked(count).ok_or(self.bad(field))?;
        self.left = left;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], EntryError> {
        self.bytes(N, field)?
            .try_into()
            .map_err(|_| self.bad(field))
    }

    fn u64(&mut self, field: &'static str) -> Result<u64, EntryError> {
        self.array(field).map(u64::from_le_bytes)
    }

    /// A number that ascends from 1, so that there is always a next one.
    fn number(&mut self, field: &'static str) -> Result<u64, EntryError> {
        let number = self.u64(field)?;
        if number <= NUMBER_MAX {
            Ok(number)
        } else {
            Err(self.bad(field))
        }
    }

    fn u32(&mut self, field: &'static str) -> Result<usize, EntryError> {
        self.array(field)
            .map(|bytes| u32::from_le_bytes(bytes) as usize)
    }

    fn u8(&mut self, field: &'static str) -> Result<u8, EntryError> {
        self.array::<1>(field).map(|[byte]| byte)
    }

    fn end(&self) -> Result<(), EntryError> {
        if self.left.is_empty() {
            Ok(())
        } else {
            Err(self.bad("length"))
        }
    }

    fn message(&mut self) -> Result<Message, EntryError> {
        let dialect = Dialect::from_number(self.u8("dialect")?).ok_or(self.bad("dialect"))?;
        let dialect_flags = self.u8("dialect flags")?;
        let persistence = match self.u8("persistence")? {
            0 => Persistence::Transient,
            1 => Persistence::Persistent,
            _ => return Err(self.bad("persistence")),
        };
        let exchange = Exchange::from_number(self.u8("exchange")?).ok_or(self.bad("exchange"))?;
        let key_len = self.u32("key length")?;
        let head_len = self.u32("head length")?;
        let key = self.bytes(key_len, "key")?;
        let head = self.bytes(head_len, "head")?;
        let body = std::mem::take(&mut self.left);
        let envelope = Envelope {
            dialect,
            dialect_flags,
            persistence,
            exchange,
        };
        Ok(Message::new(&Parts {
            envelope,
            key,
            head: &[head],
            body,
        }))
    }
}

impl Entry {
    pub(crate) fn decode(kind: u8, payload: &[u8]) -> Result<Self, EntryError> {
        let mut fields = Fields {
            kind,
            left: payload,
        };
        let entry = match kind {
            DECLARED => {
                let queue = QueueId(fields.number("queue")?);
                let shard = ShardId(fields.array("shard").map(u16::from_le_bytes)?);
                let name = std::mem::take(&mut fields.left);
                let name = QueueName::new(name).map_err(|_| fields.bad("name"))?;
                Self::Declared { queue, shard, name }
            }
            ENQUEUED => {
                let queue = QueueId(fields.number("queue")?);
                let sequence = Sequence(fields.number("sequence")?);
                Self::Enqueued {
                    queue,
                    sequence,
                    message: fields.message()?,
                }
            }
            SETTLED => {
                let queue = QueueId(fields.number("queue")?);
                let mut ranges = Vec::with_capacity(fields.left.len() / 16);
                while !fields.left.is_empty() {
                    let (first, last) = (fields.number("first")?, fields.number("last")?);
                    if first > last {
                        return Err(fields.bad("range"));
                    }
                    ranges.push((Sequence(first), Sequence(last)));
                }
                Self::Settled { queue, ranges }
            }
            MARKED => {
                let queue = QueueId(fields.number("queue")?);
                Self::Marked {
                    queue,
                    mark: Sequence(fields.number("sequence")?),
                }
            }
            QUEUE => {
                let queue = QueueId(fields.number("queue")?);
                let next = Sequence(fields.number("next sequence")?);
                Self::Queue {
                    queue,
                    next,
                    mark: Sequence(fields.number("mark")?),
                }
            }
            QUEUE_IDS => Self::QueueIds {
                next: QueueId(fields.number("next id")?),
            },
            other => return Err(EntryError::UnknownKind(other)),
        };
        fields.end()?;
        Ok(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(kind: u8, entry: &Entry, encode: impl FnOnce(&mut Vec<u8>)) {
        let mut payload = Vec::new();
        encode(&mut payload);
        assert_eq!(Entry::decode(kind, &payload).as_ref(), Ok(entry));
        for end in 0..payload.len() {
            if let Ok(short) = Entry::decode(kind, &payload[..end]) {
                assert_ne!(&short, entry, "{end} bytes of {} are enough", payload.len());
            }
        }
    }

    #[test]
    fn every_kind_reads_back() {
        let (queue, sequence) = (QueueId(7), Sequence(1 << 40));
        let name = QueueName::new(b"a/b").expect("it is short");
        check(
            DECLARED,
            &Entry::Declared {
                queue,
                shard: ShardId(3),
                name: name.clone(),
            },
            |to| {
                encode_declared(to, queue, ShardId(3), &name);
            },
        );
        let message = Message::new(&Parts {
            envelope: Envelope {
                dialect: Dialect::Stomp11,
                dialect_flags: 1,
                persistence: Persistence::Persistent,
                exchange: Exchange::Topic,
            },
            key: b"k",
            head: &[b"a:b\n"],
            body: b"\0body",
        });
        check(
            ENQUEUED,
            &Entry::Enqueued {
                queue,
                sequence,
                message: message.clone(),
            },
            |to| {
                encode_enqueued(to, queue, sequence, &message);
            },
        );
        let sequences = [1, 2, 3, 9, 11, 12].map(Sequence);
        let ranges = vec![
            (Sequence(1), Sequence(3)),
            (Sequence(9), Sequence(9)),
            (Sequence(11), Sequence(12)),
        ];
        check(SETTLED, &Entry::Settled { queue, ranges }, |to| {
            encode_settled(to, queue, &sequences);
        });
        check(
            MARKED,
            &Entry::Marked {
                queue,
                mark: sequence,
            },
            |to| {
                encode_marked(to, queue, sequence);
            },
        );
        let (next, mark) = (sequence, Sequence(5));
        check(QUEUE, &Entry::Queue { queue, next, mark }, |to| {
            encode_queue(to, queue, next, mark);
        });
        check(QUEUE_IDS, &Entry::QueueIds { next: queue }, |to| {
            encode_queue_ids(to, queue);
        });
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(kind: u8, payload in prop::collection::vec(any::<u8>(), 0..200)) {
            let _entry = Entry::decode(kind, &payload);
        }
    }
}
