//! Whatever a peer sends: no panic, bounded memory.

use crate::scripted_broker::Driven;
use crate::split::{conversation, damaged};
use proptest::collection::vec;
use proptest::prelude::{Just, any, prop_oneof, proptest};
use proptest::sample::Index;
use proptest::strategy::Strategy;
use proto_stomp::Limits;

const LIMITS: Limits = Limits {
    head_bytes_max: 200,
    header_count_max: 8,
    header_bytes_max: 100,
    body_bytes_max: 300,
    subscriptions_max: 2,
    queue_names_max: 2,
    transactions_max: 2,
    transaction_bytes_max: 1_000,
    connect_timeout: std::time::Duration::from_secs(10),
    heart_beat_send_min: std::time::Duration::from_secs(1),
    heart_beat_receive: std::time::Duration::from_secs(10),
};

/// More than any frame within the limits.
const LEFT_BYTES_MAX: usize = 600;

fn pieces() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let words: Vec<&[u8]> = vec![
        b"SEND\n",
        b"SUBSCRIBE\n",
        b"ACK\n",
        b"NACK\n",
        b"UNSUBSCRIBE\n",
        b"DISCONNECT\n",
        b"\n",
        b"\r\n",
        b"\0",
        b"destination:/queue/a\n",
        b"destination:/topic/#\n",
        b"id:1\n",
        b"content-length:",
        b"9999999999\n",
        b"7\n",
        b"receipt:\\c\n",
        b"receipt:\\",
        b"ack:client\n",
        b"message-id:7-1-1\n",
        b":",
        b"\xff",
        b"transaction:t\n",
        b"BEGIN\n",
        b"COMMIT\n",
        b"ABORT\n",
        b"destination:a,topic://b\n",
        b"destination:temp-queue://a\n",
        b"destination:/topic/a\nx-message-ttl:1\n",
        b"reply-to:/temp-queue/a\n",
        b"durable:true\n",
        b"browser:true\n",
        b"prefetch-count:1\n",
        b"7-1-1",
    ];
    let word = proptest::sample::select(words).prop_map(<[u8]>::to_vec);
    vec(prop_oneof![8 => word, 1 => vec(any::<u8>(), 0..50)], 0..60)
}

fn survive(driven: &mut Driven, pieces: &[Vec<u8>]) {
    for piece in pieces {
        driven.feed(piece);
        assert!(driven.input.len() <= LEFT_BYTES_MAX + piece.len());
    }
    driven.answer_all();
    if !driven.out.is_closing() {
        assert!(driven.input.len() <= LEFT_BYTES_MAX);
    }
}

proptest! {
    #[test]
    fn bytes_before_connect(pieces in vec(vec(any::<u8>(), 0..300), 0..8)) {
        survive(&mut Driven::with_limits(LIMITS), &pieces);
    }

    #[test]
    fn words_behind_connect(
        version in prop_oneof![Just("1.0"), Just("1.1"), Just("1.2")],
        pieces in pieces(),
    ) {
        let mut driven = Driven::with_limits(LIMITS);
        driven.feed(format!("CONNECT\naccept-version:{version}\n\n\0").as_bytes());
        survive(&mut driven, &pieces);
    }

    #[test]
    fn a_damaged_conversation(damages in vec((any::<Index>(), any::<u8>(), 0_u8..3), 1..30)) {
        survive(&mut Driven::with_limits(LIMITS), &[damaged(conversation(), &damages)]);
    }
}
