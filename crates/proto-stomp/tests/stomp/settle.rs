use crate::scripted_broker::{Driven, assert_error, message};
use broker_api::{Command, Session};
use model::SubscriptionId;

/// A client with four unsettled deliveries, of sequences 1 to 4.
fn subscribed(version: &str, ack: &str) -> Driven {
    let mut driven = Driven::connected(version);
    driven.ready = (0..4).map(|_| message("", "x")).collect();
    driven.talk(&format!(
        "SUBSCRIBE\nid:s\ndestination:/queue/a\nack:{ack}\nprefetch-count:10\n\n\0"
    ));
    driven.log.clear();
    driven
}

#[test]
fn client_individual_settles_one_client_all_before() {
    let mut driven = subscribed("1.2", "client-individual");
    assert_eq!(driven.talk("ACK\nid:7-1-3\n\n\0NACK\nid:7-1-1\n\n\0"), "");
    assert_eq!(driven.take_log(), ["Accept 1/3", "Fail 1/1"]);
    assert_eq!(driven.granted[&SubscriptionId(1)], 12);

    let mut driven = subscribed("1.2", "client");
    assert_eq!(
        driven.talk("ACK\nid:7-1-3\n\n\0NACK\nid:7-1-4\nrequeue:false\n\n\0"),
        ""
    );
    assert_eq!(
        driven.take_log(),
        ["Accept 1/1", "Accept 1/2", "Accept 1/3", "Reject 1/4"]
    );
    assert_eq!(driven.granted[&SubscriptionId(1)], 14);
}

#[test]
fn each_version_names_the_delivery_in_its_own_way() {
    let check = |version: &str, headers: &str| {
        let mut driven = subscribed(version, "client-individual");
        let wire = driven.talk(&format!("ACK\n{headers}\nreceipt:r\n\n\0"));
        assert_eq!(wire, "RECEIPT\nreceipt-id:r\n\n^@");
        assert_eq!(driven.take_log(), ["Accept 1/[2] confirmed"]);
    };
    check("1.0", "message-id: 7-1-2");
    check("1.1", "message-id:7-1-2\nsubscription:s");
    check("1.1", "message-id:7-1-2");
    check("1.2", "id:7-1-2");
}

#[test]
fn settlements_of_one_input_are_gathered_in_order() {
    let mut driven = subscribed("1.2", "client-individual");
    driven.input.extend_from_slice(
        b"ACK\nid:7-1-1\n\n\0\nACK\nid:7-1-2\n\n\0\nSEND\ndestination:/topic/t\n\n\0\
          ACK\nid:7-1-3\nreceipt:r\n\n\0ACK\nid:7-1-4\n\n\0",
    );
    driven
        .session
        .handle_input(driven.now, &mut driven.input, &mut driven.out);
    let seen: Vec<String> = driven
        .out
        .commands
        .iter()
        .map(|submission| match &submission.command {
            Command::Settle(settle) => format!("settle {}", settle.sequences.len()),
            Command::Publish(..) => "publish".into(),
            Command::Grant(id, grant) => format!("grant {id} {}", grant.total()),
            other @ (Command::Connect(_)
            | Command::Authenticate(_)
            | Command::PutUser(_)
            | Command::DeleteUser(_)
            | Command::DeclareQueue(_)
            | Command::DeleteQueue(_)
            | Command::PurgeQueue(_)
            | Command::DeclareExchange(_)
            | Command::DeleteExchange(_)
            | Command::Bind(_)
            | Command::Unbind(_)
            | Command::Keep(_)
            | Command::LetGo(_)
            | Command::List(_)
            | Command::Commit(_)
            | Command::Note(_)
            | Command::Recall(_)
            | Command::Bequeath(_)
            | Command::Subscribe(_)
            | Command::Get(_)
            | Command::Cancel(_)
            | Command::StepAside(_)
            | Command::ShowRetained(_)
            | Command::QueueRetained(_)) => format!("{other:?}"),
        })
        .collect();
    assert_eq!(
        seen,
        ["settle 2", "publish", "settle 1", "settle 1", "grant 1 14"]
    );
}

#[test]
fn an_unknown_delivery_is_an_error() {
    let check = |version: &str, headers: &str, summary: &str, detail: &str| {
        let mut driven = subscribed(version, "client-individual");
        let wire = driven.talk(&format!("ACK\nreceipt:r\n{headers}\n\n\0"));
        assert_error(&wire, summary, detail);
        assert!(wire.contains("receipt-id:r\n"), "{wire}");
    };
    check(
        "1.2",
        "message-id:7-1-1",
        "missing header",
        "an ACK".strip_prefix("an ").unwrap(),
    );
    check("1.1", "id:7-1-1", "missing header", "'message-id'");
    for id in ["7-1-5", "7-1-0", "7-2-1", "8-1-1", "x", ""] {
        let detail = format!("there is no delivery '{id}' to ACK");
        check("1.2", &format!("id:{id}"), "message not found", &detail);
    }
    check(
        "1.1",
        "message-id:7-1-1\nsubscription:x",
        "message not found",
        "'7-1-1'",
    );
    check(
        "1.2",
        "id:7-1-1\ntransaction:t",
        "Bad transaction",
        "no transaction 't'",
    );

    let mut driven = subscribed("1.2", "client-individual");
    let wire = driven.talk("ACK\nid:7-1-1\n\n\0ACK\nid:7-1-1\n\n\0");
    assert_error(&wire, "message not found", "'7-1-1'");
    assert_eq!(driven.take_log(), ["Accept 1/1"]);

    let mut driven = subscribed("1.2", "auto");
    let wire = driven.talk("NACK\nid:7-1-1\n\n\0");
    assert_error(&wire, "message not found", "ack:auto");

    let mut driven = subscribed("1.2", "client");
    let wire = driven.talk("NACK\nid:7-1-1\nrequeue:x\n\n\0");
    assert_error(&wire, "invalid header value", "the header 'requeue' is 'x'");
}

#[test]
fn without_a_bound_there_are_no_grants() {
    let mut driven = Driven::connected("1.2");
    driven.ready.push(message("", "x"));
    driven.talk("SUBSCRIBE\nid:s\ndestination:/topic/a\nack:client\nprefetch-count:0\n\n\0");
    driven.talk("ACK\nid:7-1-1\n\n\0");
    assert!(driven.granted.is_empty());
}
