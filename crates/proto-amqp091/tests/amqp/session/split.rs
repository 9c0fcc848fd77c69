//! Any split of the input gives the same.

use super::publishing::{content, publish};
use super::{Driven, TUNE_OK, bytes_of, open, short, start_ok};
use crate::wire::frame;
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};
use proptest::sample::Index;
use proto_amqp091::{
    Limits, Method, PROTOCOL_HEADER, PropertyList, Table, channel, connection, queue, tx,
};

fn any_part() -> impl Strategy<Value = Vec<u8>> {
    let purge = |name| {
        Method::QueuePurge(queue::Purge {
            queue: short(name),
            no_wait: false,
        })
    };
    let close = Method::ConnectionClose(connection::Close {
        reply_code: 200,
        reply_text: short("bye"),
        class_id: 0,
        method_id: 0,
    });
    prop_oneof![
        4 => Just(bytes_of(1, &Method::ChannelOpen(channel::Open))),
        2 => Just(bytes_of(2, &Method::ChannelOpen(channel::Open))),
        4 => Just(bytes_of(1, &purge("q"))),
        2 => Just(bytes_of(2, &purge(""))),
        2 => Just(bytes_of(2, &Method::ChannelCloseOk(channel::CloseOk))),
        1 => Just(bytes_of(0, &Method::ConnectionCloseOk(connection::CloseOk))),
        1 => Just(bytes_of(0, &close)),
        1 => Just(frame(8, 0, &[])),
        1 => Just(frame(3, 1, b"body")),
        4 => (vec(any::<u8>(), 0..9), 0..3_usize).prop_map(|(body, exchange)| {
            let exchange = ["", "e", "nowhere"][exchange];
            content(&publish(exchange, false), &PropertyList::default(), &body)
        }),
        1 => Just(bytes_of(1, &publish("", true))),
        1 => Just(bytes_of(2, &publish("", false))),
        2 => Just(bytes_of(1, &Method::BasicConsume(super::replies::replies("t")))),
        2 => Just(super::replies::request("amq.rabbitmq.reply-to")),
        1 => Just(bytes_of(1, &super::consumers::cancel("t", false))),
        1 => Just(bytes_of(1, &Method::TxSelect(tx::Select))),
        1 => Just(bytes_of(1, &Method::TxCommit(tx::Commit))),
        1 => vec(any::<u8>(), 0..9),
    ]
}

/// All that comes of some input in these pieces.
fn outcome(limits: Limits, input: &[u8], cuts: &[usize]) -> (Vec<u8>, Vec<String>, bool) {
    let mut driven = Driven::with_limits(limits);
    let mut at = 0;
    let mut cuts = cuts.to_vec();
    cuts.push(input.len());
    cuts.sort_unstable();
    for until in cuts {
        driven.feed(&input[at..until]);
        at = until;
    }
    let closed = driven.is_closed();
    (std::mem::take(&mut driven.wire), driven.take_log(), closed)
}

proptest! {
    #[test]
    fn any_split_gives_the_same(
        parts in vec(any_part(), 0..10),
        cuts in vec(any::<Index>(), 0..20),
        body_bytes_max in prop_oneof![Just(3_usize), 4..16_usize, Just(1 << 20)],
    ) {
        let limits = Limits { body_bytes_max, ..Limits::default() };
        let opening = [
            PROTOCOL_HEADER.to_vec(),
            bytes_of(0, &start_ok(Table::EMPTY, "PLAIN", b"\0a\0b")),
            bytes_of(0, &TUNE_OK),
            bytes_of(0, &open("/")),
        ];
        let input = [opening.concat(), parts.concat()].concat();
        let cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(input.len() + 1)).collect();
        assert_eq!(outcome(limits, &input, &cuts), outcome(limits, &input, &[]));
    }
}
