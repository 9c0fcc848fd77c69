use crate::scripted_broker::{Driven, assert_error};
use std::time::Duration;

fn connected(beat: &str) -> (Driven, String) {
    let mut driven = Driven::new();
    let wire = driven.talk(&format!(
        "CONNECT\naccept-version:1.2\nhost:h\nheart-beat:{beat}\n\n\0"
    ));
    (driven, wire)
}

#[test]
fn is_sent_when_nothing_else_is() {
    let (mut driven, wire) = connected("0,2000");
    assert!(wire.contains("heart-beat:1000,0\n"), "{wire}");
    assert_eq!(driven.wait_for_deadline(), Some(1_800));
    assert_eq!(driven.take_wire(), "\n");
    assert_eq!(driven.wait_for_deadline(), Some(3_600));
    assert_eq!(driven.take_wire(), "\n");
    driven.wait(Duration::from_millis(400));
    driven.talk("SEND\ndestination:/topic/a\nreceipt:r\n\n\0");
    assert_eq!(driven.wait_for_deadline(), Some(5_800));
}

#[test]
fn a_silent_peer_is_closed() {
    let (mut driven, wire) = connected("5000,0");
    assert!(wire.contains("heart-beat:0,10000\n"), "{wire}");
    driven.wait(Duration::from_secs(15));
    driven.feed(b"\n");
    driven.wait(Duration::from_secs(15));
    driven.feed(b"S");
    assert_eq!(driven.wait_for_deadline(), Some(50_000));
    assert_error(
        &driven.take_wire(),
        "heart-beat timeout",
        "nothing was received for 20000 ms",
    );
    assert!(driven.out.is_closing());
}

#[test]
fn none_is_expected_where_either_side_says_zero() {
    let (mut driven, wire) = connected("0,0");
    assert!(wire.contains("heart-beat:0,0\n"), "{wire}");
    assert_eq!(driven.wait_for_deadline(), None);
}

#[test]
fn a_header_that_is_no_pair_is_refused() {
    let (_, wire) = connected("10");
    assert_error(
        &wire,
        "invalid header value",
        "the header 'heart-beat' is '10'",
    );
}
