//! Every kind reads back; nothing else does.

use super::change::Noted;
use super::*;
use crate::estate::Bequeathed;
use crate::retained::Setting;
use crate::transaction::{PreparedNotes, PreparedPublish, PreparedSettle};
use broker_api::{BindTo, Note, Will};
use model::{
    Arguments, BindingKey, DeadLetter, Delays, Dialect, Envelope, ExchangeKind, HashOn, Instant,
    Outcome, Overflow, Parts, Pattern, Persistence, Property, QueueRules, Redelivery, Retain,
    Value,
};
use model::{PageNumber, QueueKind};
use proptest::prelude::*;
use queue::{Members, PageOut, Paged, Returned};

/// Lines of a kind and the bytes of a record in hexadecimal: what was written once is written so for ever.
/// `GOLDEN=1 cargo test -p broker --lib entry -- --nocapture` prints the lines that are not there.
const GOLDEN: &str = include_str!("golden.txt");

fn check_golden(kind: u8, payload: &[u8]) {
    let hex: String = payload.iter().map(|byte| format!("{byte:02x}")).collect();
    let line = format!("{kind} {hex}");
    let is_known = GOLDEN.lines().any(|known| known == line);
    if !is_known && std::env::var_os("GOLDEN").is_some() {
        eprintln!("golden: {line}");
        return;
    }
    assert!(
        is_known,
        "a record of kind {kind} is not written as it was: {line}"
    );
}

fn check(kind: u8, entry: &Entry, encode: impl FnOnce(&mut Vec<u8>)) {
    let mut payload = Vec::new();
    encode(&mut payload);
    check_golden(kind, &payload);
    assert_eq!(Entry::decode(kind, &payload).as_ref(), Ok(entry));
    for end in 0..payload.len() {
        if let Ok(short) = Entry::decode(kind, &payload[..end]) {
            assert_ne!(&short, entry, "{end} bytes of {} are enough", payload.len());
        }
    }
}

fn message() -> Message {
    let envelope = Envelope {
        dialect_flags: 1,
        priority: 9,
        is_grouped: true,
        ttl_ms: Some(1000),
        delay_ms: 5,
        ..Envelope::new(Dialect::Stomp12, Persistence::Persistent)
    };
    Message::new(&Parts {
        envelope,
        exchange: b"amq.topic",
        key: b"k",
        annotations: b"a",
        head: &[b"h:1\n"],
        body: b"\0\n",
    })
}

fn places() -> Vec<(QueueId, Placement)> {
    let plain = Placement {
        sequence: Sequence(1 << 40),
        expires_at: None,
        available_at: None,
    };
    let timed = Placement {
        sequence: Sequence(2),
        expires_at: Some(Instant::from_millis(3)),
        available_at: Some(Instant::from_millis(4)),
    };
    vec![(QueueId(7), plain), (QueueId(8), timed)]
}

fn forwarded() -> Forwarded {
    Forwarded {
        id: 5,
        source: Some((QueueId(7), Sequence(3))),
        to: vec![(ShardId(1), QueueId(9))],
        message: message(),
    }
}

#[test]
fn records_of_queues_read_back() {
    let (queue, sequence) = (QueueId(7), Sequence(1 << 40));
    let enqueued = || Enqueued {
        places: places(),
        message: message(),
    };
    check(
        ENQUEUED,
        &Entry::Change(Change::Enqueued(enqueued())),
        |to| {
            encode_enqueued(to, &places(), &message());
        },
    );
    let envelope = Envelope {
        head_routes: true,
        ..message().envelope()
    };
    let routed = message().with_envelope(envelope);
    let by_head = Change::Enqueued(Enqueued {
        places: places(),
        message: routed.clone(),
    });
    check(ENQUEUED, &Entry::Change(by_head), |to| {
        encode_enqueued(to, &places(), &routed);
    });
    let sequences = [1, 2, 3, 9, 11, 12].map(Sequence);
    let ranges = vec![
        (Sequence(1), Sequence(3)),
        (Sequence(9), Sequence(9)),
        (Sequence(11), Sequence(12)),
    ];
    check(
        SETTLED,
        &Entry::Change(Change::Settled { queue, ranges }),
        |to| encode_settled(to, queue, &sequences),
    );
    let mark = sequence;
    check(MARKED, &Entry::Marked { queue, mark }, |to| {
        encode_marked(to, queue, mark);
    });
    let (next, mark) = (sequence, Sequence(5));
    check(QUEUE, &Entry::Queue { queue, next, mark }, |to| {
        encode_queue(to, queue, next, mark);
    });
    for available_at in [None, Some(Instant::from_millis(77))] {
        let returned = || Returned {
            sequence,
            delivery_count: 3,
            available_at,
        };
        check(
            RETURNED,
            &Entry::Change(Change::Returned(queue, returned())),
            |to| encode_returned(to, queue, &returned()),
        );
    }
    let (from, id) = (ShardId(3), 4);
    let received = Entry::Received {
        from,
        id,
        enqueued: Some(enqueued()),
    };
    check(RECEIVED, &received, |to| {
        encode_received(to, from, id, Some((&places(), &message())));
    });
    let enqueued = None;
    check(RECEIVED, &Entry::Received { from, id, enqueued }, |to| {
        encode_received(to, from, id, None);
    });
}

#[test]
fn records_of_topology_read_back() {
    let (queue, shard) = (QueueId(7), ShardId(3));
    let name = QueueName::new(b"a/b").unwrap();
    let full = QueueDefinition {
        lifetime: Lifetime::UntilUnused,
        expires_ms: Some(1),
        rules: QueueRules {
            message_ttl_ms: Some(2),
            length_max: Some(3),
            bytes_max: Some(4),
            overflow: Some(Overflow::RejectPublishDeadLetter),
            dead_letter: Some(DeadLetter {
                exchange: ExchangeName::new(b"dlx").unwrap(),
                key: Some((*b"k").into()),
            }),
            priority_max: 5,
            delivery_limit: Some(6),
            redelivery: Some(Redelivery {
                delay_ms: 7,
                multiplier_percent: 8,
                delay_ms_max: 9,
                jitter_percent: 10,
            }),
            single_active: true,
            last_value_header: Some((*b"stock").into()),
            settle_ms: None,
        },
        ..QueueDefinition::DURABLE
    };
    let timed = QueueDefinition {
        rules: QueueRules {
            settle_ms: Some(11),
            ..full.rules.clone()
        },
        ..full
    };
    let quorum = QueueDefinition {
        kind: Some(QueueKind::Quorum),
        rules: QueueRules {
            overflow: Some(Overflow::DropHead),
            delivery_limit: Some(QueueRules::NO_DELIVERY_LIMIT),
            ..QueueRules::PLAIN
        },
        ..QueueDefinition::DURABLE
    };
    let classic = QueueDefinition {
        kind: Some(QueueKind::Classic),
        ..QueueDefinition::DURABLE
    };
    for definition in [QueueDefinition::DURABLE, full, timed, quorum, classic] {
        let entry = Entry::QueueDeclared {
            queue,
            shard,
            definition: definition.clone(),
            name: name.clone(),
        };
        check(QUEUE_DECLARED, &entry, |to| {
            encode_queue_declared(to, queue, shard, &definition, &name);
        });
    }
    check(QUEUE_DELETED, &Entry::QueueDeleted(queue), |to| {
        encode_queue_deleted(to, queue);
    });
    check(QUEUE_IDS, &Entry::QueueIds { next: queue }, |to| {
        encode_queue_ids(to, queue);
    });
    let exchange = ExchangeName::new(b"x").unwrap();
    check(
        EXCHANGE_DELETED,
        &Entry::ExchangeDeleted(exchange.clone()),
        |to| encode_exchange_deleted(to, &exchange),
    );
    for (kind, delays) in [
        (ExchangeKind::Headers, Delays::Ignored),
        (
            ExchangeKind::ConsistentHash(HashOn::Header((*b"h").into())),
            Delays::Ignored,
        ),
        (
            ExchangeKind::ConsistentHash(HashOn::Property(Property::CorrelationId)),
            Delays::Ignored,
        ),
        (ExchangeKind::Topic, Delays::Granted),
    ] {
        let definition = ExchangeDefinition {
            alternate: Some(exchange.clone()),
            delays,
            ..ExchangeDefinition::new(kind)
        };
        let entry = Entry::ExchangeDeclared {
            name: exchange.clone(),
            definition: definition.clone(),
            lifetime: Lifetime::UntilUnused,
        };
        check(EXCHANGE_DECLARED, &entry, |to| {
            encode_exchange_declared(to, &exchange, &definition, Lifetime::UntilUnused);
        });
    }
}

#[test]
fn bindings_read_back() {
    let values = [
        Value::Void,
        Value::Bool(true),
        Value::Integer(-5),
        Value::float(0.5),
        Value::text("t"),
        Value::Opaque((&b"o"[..]).into()),
    ];
    let bind = |key, destination| Bind {
        source: ExchangeName::new(b"x").unwrap(),
        destination,
        key,
        arguments: (0_u8..)
            .map(|n| [b'a' + n])
            .zip(values.clone())
            .collect::<Arguments>(),
    };
    let queue = BindTo::Queue(QueueName::new(b"q").unwrap());
    let exchange = BindTo::Exchange(ExchangeName::new(b"y").unwrap());
    let exact = bind(BindingKey::Exact((*b"k").into()), queue);
    check(BOUND, &Entry::Bound(exact.clone()), |to| {
        encode_binding(to, &exact);
    });
    let pattern = bind(BindingKey::Pattern(Pattern::dotted(b"a.*.#")), exchange);
    check(UNBOUND, &Entry::Unbound(pattern.clone()), |to| {
        encode_binding(to, &pattern);
    });
}

#[test]
fn records_of_queues_that_are_kept_read_back() {
    let (queue, keeper) = (QueueId(7), QueueId(1 << 40));
    check(KEPT, &Entry::Kept { queue, keeper }, |to| {
        encode_keep(to, queue, keeper);
    });
    check(LET_GO, &Entry::LetGo { queue, keeper }, |to| {
        encode_keep(to, queue, keeper);
    });
}

#[test]
fn records_between_shards_read_back() {
    let without_source = Forwarded {
        source: None,
        ..forwarded()
    };
    for forward in [forwarded(), without_source] {
        let mut payload = Vec::new();
        encode_forwarded(&mut payload, &forward);
        check(
            FORWARDED,
            &Entry::Change(Change::Forwarded(forward)),
            |to| to.extend_from_slice(&payload),
        );
    }
    check(FORWARDS_DONE, &Entry::ForwardsDone(vec![3, 9]), |to| {
        encode_forwards_done(to, &[3, 9]);
    });
    let numbers = Entry::Numbers {
        next_forward: 3,
        next_transaction: 4,
    };
    check(NUMBERS, &numbers, |to| encode_numbers(to, 3, 4));
}

#[test]
fn records_of_transactions_read_back() {
    let id = TransactionId {
        coordinator: ShardId(2),
        number: 9,
    };
    let mut group = Group::default();
    group.push(ENQUEUED, |to| encode_enqueued(to, &places(), &message()));
    group.push(FORWARDED, |to| encode_forwarded(to, &forwarded()));
    let changes = || {
        let enqueued = Enqueued {
            places: places(),
            message: message(),
        };
        vec![Change::Enqueued(enqueued), Change::Forwarded(forwarded())]
    };
    check(TRANSACTED, &Entry::Transacted(changes()), |to| {
        group.encode(to);
    });
    check(COMMITTED, &Entry::Committed(id, changes()), |to| {
        encode_transaction(to, id);
        group.encode(to);
    });
    check(ABORTED, &Entry::Aborted(id), |to| {
        encode_transaction(to, id);
    });
    let publish = PreparedPublish {
        queues: vec![QueueId(1), QueueId(2)],
        message: message(),
    };
    let settle = PreparedSettle {
        queue: QueueId(4),
        outcome: Outcome::Fail,
        sequences: vec![Sequence(6)],
    };
    let mut prepared = Prepared {
        publishes: vec![publish],
        settles: vec![settle],
        notes: Vec::new(),
    };
    let mut with_notes = Vec::new();
    let mut payload = Vec::new();
    encode_prepared(&mut payload, id, &prepared);
    prepared.notes.push(PreparedNotes {
        queue: QueueId(4),
        subscriber: None,
        entries: notes(),
    });
    encode_prepared_with_notes(&mut with_notes, id, &prepared);
    check(PREPARED_WITH_NOTES, &Entry::Prepared(id, prepared), |to| {
        to.extend_from_slice(&with_notes);
    });
    let read = Entry::decode(PREPARED, &payload).expect("it reads back");
    let Entry::Prepared(_, prepared) = &read else {
        panic!("{read:?}")
    };
    assert!(prepared.notes.is_empty() && prepared.settles.len() == 1);
    check(PREPARED, &read, |to| to.extend_from_slice(&payload));
    let shards = vec![ShardId(1), ShardId(5)];
    let decided = Entry::Decided {
        number: 4,
        shards: shards.clone(),
    };
    check(DECIDED, &decided, |to| {
        encode_decided(to, 4, shards.into_iter());
    });
    check(FINISHED, &Entry::Finished { number: 4 }, |to| {
        encode_finished(to, 4);
    });
}

fn notes() -> Vec<Note> {
    vec![
        Note {
            key: (*b"k").into(),
            value: Some((*b"v").into()),
        },
        Note {
            key: (*b"").into(),
            value: None,
        },
    ]
}

#[test]
fn records_of_estates_read_back() {
    let queue = QueueId(7);
    let noted = || Noted {
        queue,
        entries: notes(),
    };
    check(NOTED, &Entry::Change(Change::Noted(noted())), |to| {
        encode_noted(to, queue, &notes());
    });
    let will = || Will {
        message: message(),
        delay_ms: 3,
    };
    for bequest in [
        Bequeathed {
            expires_ms: Some(0),
            will: Some(will()),
        },
        Bequeathed {
            expires_ms: Some(5),
            will: None,
        },
        Bequeathed {
            expires_ms: None,
            will: None,
        },
    ] {
        let mut payload = Vec::new();
        encode_bequeathed(
            &mut payload,
            queue,
            bequest.expires_ms,
            bequest.will.as_ref(),
        );
        check(
            BEQUEATHED,
            &Entry::Change(Change::Bequeathed(queue, bequest)),
            |to| to.extend_from_slice(&payload),
        );
    }
    let mut group = Group::default();
    group.push(NOTED, |to| encode_noted(to, queue, &notes()));
    let changes = vec![Change::Noted(noted())];
    check(TRANSACTED, &Entry::Transacted(changes), |to| {
        group.encode(to);
    });
}

#[test]
fn records_of_retained_messages_read_back() {
    for expires_at in [None, Some(Instant::from_millis(9))] {
        for retain in [Retain::Shown, Retain::Keep, Retain::No] {
            let envelope = Envelope {
                retain,
                ..message().envelope()
            };
            let setting = Setting {
                version: 7,
                expires_at,
                message: message().with_envelope(envelope),
            };
            let entry = Entry::Change(Change::Retained(setting.clone()));
            check(RETAINED, &entry, |to| encode_retained(to, &setting));
            let mut group = Group::default();
            group.push(RETAINED, |to| encode_retained(to, &setting));
            let entry = Entry::Transacted(vec![Change::Retained(setting)]);
            check(TRANSACTED, &entry, |to| group.encode(to));
        }
    }
    let mut payload = Vec::new();
    let mut setting = Setting {
        version: 1,
        expires_at: None,
        message: message(),
    };
    encode_retained(&mut payload, &setting);
    // The bits of a message stand third; a message is not both.
    payload[8 + 8 + 2] |= 16 | 32;
    assert!(Entry::decode(RETAINED, &payload).is_err());
    setting.message = Message::new(&Parts {
        envelope: message().envelope(),
        exchange: b"other",
        key: b"k",
        annotations: &[],
        head: &[],
        body: b"x",
    });
    payload.clear();
    encode_retained(&mut payload, &setting);
    assert!(Entry::decode(RETAINED, &payload).is_err());
}

fn page_record(page: u64) -> PageRecord {
    let sequences = [3, 4, 5, 9, 300].map(Sequence);
    PageRecord {
        page: PageNumber(page),
        lane: 2,
        members: Members::from_sequences(&sequences).expect("they ascend"),
        cost_bytes: 1 << 33,
        body_bytes: 77,
        expires_first: Some(Instant::from_millis(8)),
        available_first: (page == 2).then(|| Instant::from_millis(9)),
    }
}

#[test]
fn records_of_pages_read_back() {
    for page in [1, 2] {
        let record = page_record(page);
        check(PAGED, &Entry::Paged(QueueId(7), record.clone()), |to| {
            encode_paged(to, QueueId(7), &record);
        });
    }
    let returned = |sequence, available_at| Returned {
        sequence: Sequence(sequence),
        delivery_count: 3,
        available_at,
    };
    let state = PageState {
        record: page_record(2),
        gone: vec![(Sequence(3), Sequence(4)), (Sequence(9), Sequence(9))],
        returned: vec![
            returned(5, None),
            returned(300, Some(Instant::from_millis(6))),
        ],
    };
    check(PAGE, &Entry::Page(QueueId(7), state.clone()), |to| {
        encode_page(to, QueueId(7), &state);
    });
    let purged = PurgedPage {
        page: PageNumber(1),
        count: 0,
        except: vec![Sequence(4), Sequence(9)],
    };
    check(
        PAGE_LEFT,
        &Entry::PageLeft(QueueId(7), purged.clone()),
        |to| {
            encode_page_left(to, QueueId(7), &purged);
        },
    );
}

#[test]
fn pages_read_back() {
    let paged = |placement, redelivered| Paged {
        placement,
        redelivered,
        delivery_count: 2,
        acquired_count: 5,
        message: message(),
    };
    let places = places();
    let out = PageOut {
        page: PageNumber(1),
        messages: places
            .iter()
            .map(|(queue, place)| paged(*place, *queue == QueueId(8)))
            .collect(),
    };
    let mut payload = Vec::new();
    encode_messages(&mut payload, QueueId(7), &out);
    check_golden(0, &payload);
    let read = decode_messages(QueueId(7), &payload).expect("it was written so");
    assert_eq!(format!("{read:?}"), format!("{:?}", out.messages));
    assert!(
        decode_messages(QueueId(8), &payload).is_err(),
        "it is another queue's"
    );
    let whole = read.len();
    for end in 0..payload.len() {
        let short = decode_messages(QueueId(7), &payload[..end]);
        assert!(short.is_err() || short.is_ok_and(|read| read.len() < whole));
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(kind in 0_u8..64, payload in prop::collection::vec(any::<u8>(), 0..200)) {
        let _entry = Entry::decode(kind, &payload);
    }
}
