//! `tx`.

use super::publishing::{content, publish};
use super::{Driven, short};
use broker_api::Refusal;
use model::ExchangeName;
use proto_amqp091::{Method, PropertyList, basic, confirm, tx};

fn transactional() -> Driven {
    let mut driven = Driven::with_channel();
    let answers = driven.send(1, &Method::TxSelect(tx::Select));
    assert_eq!(answers, ["1 TxSelectOk(SelectOk)"]);
    driven
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
fn nothing_is_returned_from_a_transaction() {
    let mut driven = transactional();
    driven.feed(&plain(true));
    let answers = driven.read();
    assert!(answers[0].contains("reply_code: 540"), "{answers:?}");
}

#[test]
fn deliveries_are_settled_with_the_commit() {
    let mut driven = transactional();
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
    for sequence in 1..=3 {
        super::consumers::deliver(&mut driven, 1, sequence, b"x");
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
