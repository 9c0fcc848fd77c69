//! `tx`.

use super::consumers::{ack, deliver};
use super::publishing::{content, publish};
use super::{Driven, bytes_of, short};
use broker_api::{Event, Refusal, Reply};
use bytes::BytesMut;
use model::{Dialect, Envelope, ExchangeName, Message, Parts, Persistence};
use proto_amqp091::{
    Limits, Method, Properties, PropertyList, basic, channel, confirm, put_body_frames,
    put_content_header, tx,
};

fn transactional() -> Driven {
    let mut driven = Driven::with_channel();
    let answers = driven.send(1, &Method::TxSelect(tx::Select));
    assert_eq!(answers, ["1 TxSelectOk(SelectOk)"]);
    driven
}

fn consume(driven: &mut Driven) {
    driven.send(
        1,
        &Method::BasicConsume(basic::Consume {
            queue: short("q"),
            consumer_tag: short("t"),
            no_local: false,
            no_ack: false,
            exclusive: false,
            no_wait: false,
            arguments: proto_amqp091::Table::EMPTY,
        }),
    );
}

fn plain(is_mandatory: bool) -> Vec<u8> {
    let list = PropertyList::default();
    content(&publish("", is_mandatory), &list, b"x")
}

#[test]
fn publishes_wait_for_the_commit() {
    let mut driven = transactional();
    driven.take_log();
    driven.feed(&[plain(false), plain(false)].concat());
    assert_eq!(driven.take_log(), [""; 0]);
    let answers = driven.send(1, &Method::TxCommit(tx::Commit));
    assert_eq!(answers, ["1 TxCommitOk(CommitOk)"]);
    let log = driven.take_log();
    let [commit] = log.as_slice() else {
        panic!("{log:?}");
    };
    assert_eq!(commit.matches("Message {").count(), 2, "{commit}");
    driven.feed(&plain(false));
    let answers = driven.send(1, &Method::TxRollback(tx::Rollback));
    assert_eq!(answers, ["1 TxRollbackOk(RollbackOk)"]);
    driven.send(1, &Method::TxCommit(tx::Commit));
    assert_eq!(driven.take_log()[0].matches("Message {").count(), 0);
}

#[test]
fn a_refused_commit_closes_the_channel() {
    let mut driven = transactional();
    let name = ExchangeName::new(b"e").unwrap();
    driven.refusals = vec![("Commit", Refusal::ExchangeNotFound(name))];
    driven.feed(&plain(false));
    let answers = driven.send(1, &Method::TxCommit(tx::Commit));
    assert!(
        answers[0].starts_with("1 ChannelClose(Close { reply_code: 404"),
        "{answers:?}"
    );
}

#[test]
fn what_is_in_hand_goes_back_with_a_refused_commit() {
    let mut driven = transactional();
    let name = ExchangeName::new(b"e").unwrap();
    driven.refusals = vec![("Commit", Refusal::ExchangeNotFound(name))];
    consume(&mut driven);
    for sequence in 1..=2 {
        deliver(&mut driven, 1, sequence, b"x");
    }
    driven.send(1, &ack(1, false));
    driven.take_log();
    // What is settled behind the commit is not, either: its channel is closed.
    let pipelined = [
        Method::TxCommit(tx::Commit),
        ack(2, false),
        Method::TxCommit(tx::Commit),
    ];
    let pipelined: Vec<_> = pipelined
        .iter()
        .flat_map(|method| bytes_of(1, method))
        .collect();
    driven.feed(&pipelined);
    let answers = driven.read();
    assert!(answers[0].contains("reply_code: 404"), "{answers:?}");
    assert_eq!(answers.len(), 1, "{answers:?}");
    let log = driven.take_log();
    assert!(log[0].starts_with("1 Commit("), "{log:?}");
    assert_eq!(log[1..], ["0 Cancel(SubscriptionId(1))"]);
}

#[test]
fn confirms_and_transactions_do_not_go_together() {
    let select = Method::ConfirmSelect(confirm::Select { no_wait: false });
    let refused = |answers: &[String], text: &str| {
        assert!(
            answers[0].contains(&format!("406, reply_text: \"PRECONDITION_FAILED - {text}")),
            "{answers:?}"
        );
    };
    let mut driven = transactional();
    refused(
        &driven.send(1, &select),
        "cannot switch from tx to confirm mode",
    );
    let mut driven = Driven::with_channel();
    driven.send(1, &select);
    let answers = driven.send(1, &Method::TxSelect(tx::Select));
    refused(&answers, "cannot switch from confirm to tx mode");
    for method in [
        Method::TxCommit(tx::Commit),
        Method::TxRollback(tx::Rollback),
    ] {
        let answers = Driven::with_channel().send(1, &method);
        refused(&answers, "channel is not transactional");
    }
}

#[test]
fn what_goes_nowhere_is_returned_before_the_commit_is_answered() {
    let mut driven = transactional();
    driven.take_log();
    driven.feed(&[plain(false), plain(true)].concat());
    let commit = Method::TxCommit(tx::Commit);
    driven.send_unanswered(1, &commit);
    let log = driven.take_log();
    assert!(log[0].contains("returns: [1]"), "{log:?}");
    let commit = driven.last_asked.unwrap();
    let message = Message::new(&Parts {
        envelope: Envelope::new(Dialect::Amqp091, Persistence::Transient),
        exchange: b"",
        key: b"k",
        annotations: &[],
        head: &[Properties::NONE.as_bytes()],
        body: b"body",
    });
    driven.handle_event(Event::Returned(commit, message));
    driven.handle_event(Event::Done(commit, Ok(Reply::Nothing)));
    let found = driven.read();
    assert!(
        found[0].starts_with("1 BasicReturn(Return { reply_code: 312"),
        "{found:?}"
    );
    assert_eq!(found[2..], ["1 \"body\"", "1 TxCommitOk(CommitOk)"]);
    // With what is rolled back the wish is gone.
    driven.feed(&plain(true));
    driven.send(1, &Method::TxRollback(tx::Rollback));
    driven.send(1, &Method::TxCommit(tx::Commit));
    let log = driven.take_log();
    assert!(log[0].contains("returns: []"), "{log:?}");
}

#[test]
fn deliveries_are_settled_with_the_commit() {
    let mut driven = transactional();
    consume(&mut driven);
    for sequence in 1..=3 {
        deliver(&mut driven, 1, sequence, b"x");
    }
    driven.take_log();
    let ack = Method::BasicAck(basic::Ack {
        delivery_tag: 2,
        multiple: true,
    });
    driven.send(1, &ack);
    assert_eq!(driven.take_log(), [""; 0]);
    driven.send(1, &Method::TxRollback(tx::Rollback));
    // They are the client's again.
    assert_eq!(driven.send(1, &ack), [""; 0]);
    driven.send(1, &Method::TxCommit(tx::Commit));
    let log = driven.take_log();
    assert!(
        log[0].contains("sequences: [Sequence(1), Sequence(2)], outcome: Accept"),
        "{log:?}"
    );
    let answers = driven.send(1, &ack);
    assert!(answers[0].contains("unknown delivery tag 2"), "{answers:?}");
}

#[test]
fn what_is_to_be_delivered_again_does_not_wait() {
    let mut driven = transactional();
    consume(&mut driven);
    deliver(&mut driven, 1, 1, b"x");
    driven.take_log();
    let recover = Method::BasicRecover(basic::Recover { requeue: true });
    driven.send(1, &recover);
    let log = driven.take_log();
    assert!(log[0].contains("outcome: Release"), "{log:?}");
}

#[test]
fn they_have_a_limit() {
    let limits = Limits {
        transaction_bytes_max: 1_000,
        ..Limits::default()
    };
    let mut driven = Driven::opened_with(limits, &[]);
    driven.send(1, &Method::ChannelOpen(channel::Open));
    driven.send(1, &Method::TxSelect(tx::Select));
    let input = |len| {
        let body = vec![b'x'; len];
        content(&publish("", false), &PropertyList::default(), &body)
    };
    driven.feed(&input(500));
    assert_eq!(driven.read(), [""; 0]);
    driven.feed(&input(500));
    let answers = driven.read();
    let expected = "406, reply_text: \"PRECONDITION_FAILED - a transaction is larger";
    assert!(answers[0].contains(expected), "{answers:?}");
}

#[test]
fn they_have_a_limit_together_which_ends_with_them() {
    let limits = Limits {
        transaction_bytes_max: 1_000,
        ..Limits::default()
    };
    let mut driven = Driven::opened_with(limits, &[]);
    let body = [b'x'; 500];
    let input = |number| {
        let mut input = BytesMut::from(&bytes_of(number, &publish("", false))[..]);
        put_content_header(&mut input, number, body.len(), Properties::NONE);
        put_body_frames(&mut input, number, 4_096, &body);
        input
    };
    let open = |driven: &mut Driven, number| {
        driven.send(number, &Method::ChannelOpen(channel::Open));
        driven.send(number, &Method::TxSelect(tx::Select));
    };
    open(&mut driven, 1);
    open(&mut driven, 2);
    for _ in 0..3 {
        driven.feed(&input(1));
        assert_eq!(driven.read(), [""; 0]);
        driven.feed(&input(2));
        let answers = driven.read();
        assert!(
            answers[0].starts_with("2 ChannelClose(Close { reply_code: 406"),
            "{answers:?}"
        );
        driven.send(2, &Method::ChannelCloseOk(channel::CloseOk));
        open(&mut driven, 2);
        // One ended with its channel, another ends with its rollback, the next with its commit.
        driven.send(1, &Method::TxRollback(tx::Rollback));
        driven.feed(&input(2));
        assert_eq!(driven.read(), [""; 0]);
        driven.send(2, &Method::TxCommit(tx::Commit));
    }
}
