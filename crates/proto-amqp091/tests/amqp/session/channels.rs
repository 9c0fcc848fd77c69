//! Channels, and how they and the connection end.

use super::{Driven, TUNE_OK, open, short, start_ok};
use crate::wire::{frame, header, method};
use broker_api::{BlockCause, Event, Refusal};
use proto_amqp091::{
    Method, PROTOCOL_HEADER, Secret, Table, access, channel, confirm, connection, queue,
};

const OPEN: Method<'static> = Method::ChannelOpen(channel::Open);

const CHANNEL_CLOSE_OK: Method<'static> = Method::ChannelCloseOk(channel::CloseOk);

fn purge(name: &str) -> Method<'_> {
    Method::QueuePurge(queue::Purge {
        queue: short(name),
        no_wait: false,
    })
}

fn close() -> Method<'static> {
    Method::ChannelClose(channel::Close {
        reply_code: 200,
        reply_text: short("bye"),
        class_id: 0,
        method_id: 0,
    })
}

#[test]
fn are_opened_and_closed() {
    let mut driven = Driven::opened(&[]);
    assert_eq!(driven.send(7, &OPEN), ["7 ChannelOpenOk(OpenOk)"]);
    assert_eq!(driven.send(9, &OPEN), ["9 ChannelOpenOk(OpenOk)"]);
    assert_eq!(driven.send(7, &close()), ["7 ChannelCloseOk(CloseOk)"]);
    assert_eq!(driven.send(7, &OPEN), ["7 ChannelOpenOk(OpenOk)"]);
    assert!(!driven.is_closed());
}

#[test]
fn that_are_not_open_close_the_connection() {
    let mut driven = Driven::opened(&[]);
    let answers = driven.send(3, &purge("q"));
    let expected = "0 ConnectionClose(Close { reply_code: 504, reply_text: \"CHANNEL_ERROR - \
                    expected 'channel.open'\", class_id: 50, method_id: 30 })";
    assert_eq!(answers, [expected]);
    let mut driven = Driven::opened(&[]);
    driven.send(3, &OPEN);
    let answers = driven.send(3, &OPEN);
    assert!(answers[0].contains("CHANNEL_ERROR - second 'channel.open' seen"));
}

#[test]
fn are_no_more_than_was_agreed_on() {
    let mut driven = Driven::new();
    driven.feed(&PROTOCOL_HEADER);
    driven.send(0, &start_ok(Table::EMPTY, "PLAIN", b"\0a\0b"));
    let Method::ConnectionTuneOk(tune_ok) = TUNE_OK else {
        panic!("it is one");
    };
    let tune_ok = connection::TuneOk {
        channel_max: 2,
        ..tune_ok
    };
    driven.send(0, &Method::ConnectionTuneOk(tune_ok));
    driven.send(0, &open("/"));
    driven.send(1, &OPEN);
    driven.send(2, &OPEN);
    let answers = driven.send(3, &OPEN);
    let expected = "NOT_ALLOWED - number of channels opened (2) has reached the negotiated \
                    channel_max (2)";
    assert!(answers[0].contains(expected), "{answers:?}");
}

#[test]
fn a_soft_error_closes_its_channel_and_no_other() {
    let mut driven = Driven::opened(&[]);
    driven.send(1, &OPEN);
    driven.send(2, &OPEN);
    let answers = driven.send(1, &purge(""));
    let expected = "1 ChannelClose(Close { reply_code: 404, reply_text: \"NOT_FOUND - no previously \
                    declared queue\", class_id: 50, method_id: 30 })";
    assert_eq!(answers, [expected]);
    // What was on its way is passed over, contents included.
    assert_eq!(driven.send(1, &purge("q")), [""; 0]);
    driven.feed(&header(1, 3, b"\0\0"));
    driven.feed(&frame(3, 1, b"abc"));
    assert_eq!(driven.read(), [""; 0]);
    assert!(driven.take_log().is_empty());
    let purged = "2 QueuePurgeOk(PurgeOk { message_count: 7 })";
    assert_eq!(driven.send(2, &purge("q")), [purged]);
    // Its close may cross the client's.
    assert_eq!(driven.send(1, &close()), ["1 ChannelCloseOk(CloseOk)"]);
    assert_eq!(driven.send(1, &CHANNEL_CLOSE_OK), [""; 0]);
    assert_eq!(driven.send(1, &OPEN), ["1 ChannelOpenOk(OpenOk)"]);
    assert!(!driven.is_closed());
}

#[test]
fn a_hard_error_closes_the_connection_once_that_is_answered() {
    let mut driven = Driven::with_channel();
    let answers = driven.send(1, &OPEN);
    assert!(answers[0].starts_with("0 ConnectionClose("));
    assert!(!driven.is_closed());
    assert_eq!(driven.send(1, &purge("q")), [""; 0]);
    assert!(driven.take_log().is_empty() && !driven.is_closed());
    driven.send(0, &Method::ConnectionCloseOk(connection::CloseOk));
    assert!(driven.is_closed());
    // An answer that does not come is not waited for.
    let mut driven = Driven::with_channel();
    driven.send(1, &OPEN);
    assert_eq!(driven.wait_for_deadline(), Some(10_000));
    assert!(driven.is_closed());
}

#[test]
fn what_cannot_be_read_closes_the_connection_at_once() {
    let mut driven = Driven::with_channel();
    driven.feed(&method(1, 50, 30, b"\0\0\x05abc\0"));
    let expected = "0 ConnectionClose(Close { reply_code: 501, reply_text: \"FRAME_ERROR - the field \
                    'queue' needs 5 bytes, 4 are left\", class_id: 50, method_id: 30 })";
    assert_eq!(driven.read(), [expected]);
    assert!(driven.is_closed());
    let mut driven = Driven::with_channel();
    driven.feed(&header(1, 3, b"\0\0"));
    assert!(driven.read()[0].contains("reply_code: 505"));
}

#[test]
fn a_client_closes_the_connection() {
    let mut driven = Driven::with_channel();
    let close = connection::Close {
        reply_code: 200,
        reply_text: short("bye"),
        class_id: 0,
        method_id: 0,
    };
    let answers = driven.send(0, &Method::ConnectionClose(close));
    assert_eq!(answers, ["0 ConnectionCloseOk(CloseOk)"]);
    assert!(driven.is_closed());
}

#[test]
fn small_wishes_are_answered() {
    let mut driven = Driven::with_channel();
    let flow = Method::ChannelFlow(channel::Flow { active: true });
    let expected = "1 ChannelFlowOk(FlowOk { active: true })";
    assert_eq!(driven.send(1, &flow), [expected]);
    let select = |no_wait| Method::ConfirmSelect(confirm::Select { no_wait });
    let expected = "1 ConfirmSelectOk(SelectOk)";
    assert_eq!(driven.send(1, &select(false)), [expected]);
    assert_eq!(driven.send(1, &select(true)), [""; 0]);
    let request = Method::AccessRequest(access::Request {
        realm: short("/data"),
        exclusive: false,
        passive: true,
        active: true,
        write: true,
        read: true,
    });
    let expected = "1 AccessRequestOk(RequestOk { ticket: 1 })";
    assert_eq!(driven.send(1, &request), [expected]);
}

#[test]
fn what_is_not_there_says_so() {
    let mut driven = Driven::with_channel();
    let flow = Method::ChannelFlow(channel::Flow { active: false });
    let answers = driven.send(1, &flow);
    let expected = "540, reply_text: \"NOT_IMPLEMENTED - channel.flow is not impl";
    assert!(answers[0].contains(expected), "{answers:?}");
}

#[test]
fn a_secret_is_renewed() {
    let update = Method::ConnectionUpdateSecret(connection::UpdateSecret {
        new_secret: Secret(b"newer"),
        reason: short("it is old"),
    });
    let mut driven = Driven::with_channel();
    let expected = "0 ConnectionUpdateSecretOk(UpdateSecretOk)";
    assert_eq!(driven.send(0, &update), [expected]);
    assert_eq!(driven.logins.last().unwrap(), b"\0guest\0newer");
    let user = "guest".to_owned();
    driven.refusals = vec![("Authenticate", Refusal::LoginFailed { user })];
    let answers = driven.send(0, &update);
    let expected = "reply_code: 530, reply_text: \"NOT_ALLOWED - access refused for user 'guest'\"";
    assert!(answers[0].contains(expected), "{answers:?}");
}

#[test]
fn publishers_are_told_that_they_wait() {
    let check = |capabilities: &[&str], blocked: &[&str], unblocked: &[&str]| {
        let mut driven = Driven::opened(capabilities);
        driven.handle_event(Event::Blocked(BlockCause::Memory));
        assert_eq!(driven.read(), blocked);
        driven.handle_event(Event::Unblocked);
        assert_eq!(driven.read(), unblocked);
    };
    check(&[], &[], &[]);
    check(
        &["connection.blocked"],
        &["0 ConnectionBlocked(Blocked { reason: \"low on memory\" })"],
        &["0 ConnectionUnblocked(Unblocked)"],
    );
}

#[test]
fn a_broker_that_stops_says_so() {
    let mut driven = Driven::with_channel();
    driven.handle_event(Event::Disconnect(Refusal::ShuttingDown));
    let expected = "0 ConnectionClose(Close { reply_code: 320, reply_text: \"CONNECTION_FORCED - the \
                    broker is stopping\", class_id: 0, method_id: 0 })";
    assert_eq!(driven.read(), [expected]);
    driven.send(0, &Method::ConnectionCloseOk(connection::CloseOk));
    assert!(driven.is_closed());
    // Also while it is asked something: the client's answer is read all the same.
    let mut driven = Driven::with_channel();
    driven.send_unanswered(1, &purge("q"));
    driven.handle_event(Event::Disconnect(Refusal::ShuttingDown));
    assert_eq!(driven.read(), [expected]);
    driven.send(0, &Method::ConnectionCloseOk(connection::CloseOk));
    assert!(driven.is_closed());
}
