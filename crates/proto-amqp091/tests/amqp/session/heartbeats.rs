//! Heartbeats.

use super::{Driven, TUNE_OK, open, start_ok};
use crate::wire::frame;
use proto_amqp091::{Method, PROTOCOL_HEADER, Table, connection};
use std::time::Duration;

fn opened(heartbeat: u16) -> Driven {
    let mut driven = Driven::new();
    driven.feed(&PROTOCOL_HEADER);
    driven.send(0, &start_ok(Table::EMPTY, "PLAIN", b"\0a\0b"));
    let Method::ConnectionTuneOk(tune_ok) = TUNE_OK else {
        panic!("it is one");
    };
    let tune_ok = connection::TuneOk {
        heartbeat,
        ..tune_ok
    };
    driven.send(0, &Method::ConnectionTuneOk(tune_ok));
    driven.send(0, &open("/"));
    driven
}

#[test]
fn one_is_sent_twice_within_the_clients_time() {
    let mut driven = opened(10);
    assert_eq!(driven.wait_for_deadline(), Some(5_000));
    assert_eq!(driven.read(), ["0 Heartbeat"]);
    driven.wait(Duration::from_secs(1));
    driven.feed(&frame(8, 0, &[]));
    assert_eq!(driven.read(), [""; 0]);
    assert_eq!(driven.wait_for_deadline(), Some(10_000));
    assert_eq!(driven.read(), ["0 Heartbeat"]);
}

#[test]
fn a_client_that_is_silent_for_twice_its_time_is_gone() {
    let mut driven = opened(10);
    let mut last = None;
    while !driven.is_closed() {
        last = driven.wait_for_deadline();
        assert!(!driven.read().iter().any(|it| it.contains("Close")));
    }
    assert_eq!(last, Some(20_000));
}

#[test]
fn a_client_may_do_without() {
    let mut driven = opened(0);
    assert_eq!(driven.wait_for_deadline(), None);
    assert!(!driven.is_closed());
}
