//! Sentences of the specification that belong to no frame of their own.

use crate::scripted_broker::{Driven, assert_error, message};
use proto_stomp::Limits;

#[test]
fn commands_and_header_names_are_case_sensitive() {
    let mut driven = Driven::connected("1.2");
    let wire = driven.talk("send\ndestination:/topic/a\n\n\0");
    assert_error(
        &wire,
        "unknown command",
        "'send' is no command of a STOMP client",
    );
    let mut driven = Driven::connected("1.2");
    let wire = driven.talk("SEND\nDestination:/topic/a\n\n\0");
    assert_error(&wire, "missing header", "'destination'");
}

#[test]
fn the_first_of_repeated_headers_counts_and_all_are_kept() {
    let mut driven = Driven::connected("1.2");
    driven.talk("SEND\ndestination:/topic/a\ndestination:/topic/b\nfoo:1\nfoo:2\n\n\0");
    assert_eq!(driven.published[0].key(), b"a");
    assert_eq!(
        driven.published[0].head(),
        b"destination:/topic/a\ndestination:/topic/b\nfoo:1\nfoo:2\n"
    );
}

#[test]
fn values_are_trimmed_in_1_0_only() {
    for version in ["1.0", "1.1", "1.2"] {
        let mut driven = Driven::connected(version);
        let wire = driven.talk("SEND\ndestination: /topic/a\n\n\0");
        if version == "1.0" {
            assert_eq!(driven.published[0].key(), b"a");
        } else {
            // It names a queue that begins with a space, as ActiveMQ's names alone do.
            assert_eq!(driven.published[0].key(), b" /topic/a");
        }
        assert_eq!(wire, "");
    }
}

#[test]
fn an_undefined_escape_is_fatal() {
    for (version, escape) in [
        ("1.1", "\\r"),
        ("1.1", "\\t"),
        ("1.2", "\\t"),
        ("1.2", "\\"),
    ] {
        let mut driven = Driven::connected(version);
        let frame = format!("SEND\ndestination:/topic/a\nfoo:{escape}\n\n\0");
        let wire = driven.talk(&frame);
        assert_error(&wire, "malformed frame", "is not defined in STOMP");
        assert!(driven.out.is_closing() && driven.published.is_empty());
    }
    let mut driven = Driven::connected("1.0");
    assert_eq!(driven.talk("SEND\ndestination:/topic/a\nfoo:\\t\n\n\0"), "");
}

#[test]
fn escapes_are_read_and_written() {
    let mut driven = Driven::connected("1.2");
    driven.talk("SUBSCRIBE\nid:1\ndestination:/topic/t\n\n\0");
    driven.deliver(1, 0, &message("a\\cb:c\\nd\\\\\\r\n", "x"));
    let wire = driven.take_wire();
    assert!(wire.contains("\na\\cb:c\\nd\\\\\\r\n"), "{wire}");
}

#[test]
fn only_send_has_a_body() {
    let mut driven = Driven::connected("1.2");
    let wire = driven.talk(
        "SUBSCRIBE\nid:1\ndestination:/topic/a\nreceipt:1\n\nignored\0\
         UNSUBSCRIBE\nid:1\nreceipt:2\ncontent-length:3\n\na\0b\0",
    );
    assert_eq!(
        wire,
        "RECEIPT\nreceipt-id:1\n\n^@RECEIPT\nreceipt-id:2\n\n^@"
    );
}

#[test]
fn content_length_counts_octets_and_a_nul_follows() {
    let mut driven = Driven::connected("1.2");
    driven.talk("SEND\ndestination:/topic/a\ncontent-length:4\n\na\0\u{e4}\0");
    assert_eq!(driven.published[0].body(), "a\0\u{e4}".as_bytes());
    let wire = driven.talk("SEND\ndestination:/topic/a\ncontent-length:1\n\nab\0");
    assert_error(&wire, "malformed frame", "no NUL behind the 1 bytes");
}

#[test]
fn line_ends_may_follow_a_frame() {
    let mut driven = Driven::connected("1.2");
    let frame = "SEND\ndestination:/topic/a\n\nx\0\n\r\n\n";
    assert_eq!(driven.talk(&frame.repeat(2)), "");
    assert_eq!(driven.published.len(), 2);
}

#[test]
fn a_receipt_on_connect_is_not_answered() {
    let mut driven = Driven::new();
    let wire = driven.talk("CONNECT\naccept-version:1.2\nhost:h\nreceipt:r\n\n\0");
    assert!(
        wire.starts_with("CONNECTED\n") && !wire.contains("RECEIPT"),
        "{wire}"
    );
}

#[test]
fn messages_carry_all_headers_of_their_send_and_ids_of_their_own() {
    let mut driven = Driven::connected("1.2");
    driven.talk("SUBSCRIBE\nid:1\ndestination:/topic/t\n\n\0");
    driven.talk("SUBSCRIBE\nid:2\ndestination:/topic/*\n\n\0");
    let sent = message("content-type:text/plain\nfoo:bar\nfoo:old\n", "x");
    driven.deliver(1, 0, &sent);
    driven.deliver(2, 0, &sent);
    driven.deliver(2, 0, &sent);
    let wire = driven.take_wire();
    let head =
        "content-length:1\ndestination:/topic/t\ncontent-type:text/plain\nfoo:bar\nfoo:old\n\nx^@";
    assert_eq!(wire.matches(head).count(), 3, "{wire}");
    for id in ["7-1-1", "7-2-1", "7-2-2"] {
        let header = format!("\nmessage-id:{id}\n");
        assert_eq!(wire.matches(&header).count(), 1, "{wire}");
    }
}

#[test]
fn an_error_is_the_last_frame_and_tells_what_it_is_about() {
    let mut driven = Driven::connected("1.2");
    let wire = driven.talk("SUBSCRIBE\nid:1\nreceipt:r\\c1\n\n\0SEND\ndestination:/topic/a\n\n\0");
    assert_eq!(
        wire,
        "ERROR\nreceipt-id:r\\c1\nmessage:missing header\ncontent-type:text/plain\n\
         content-length:49\n\na SUBSCRIBE frame needs the header 'destination'\n^@"
    );
    assert!(driven.out.is_closing() && driven.published.is_empty());
}

#[test]
fn over_a_limit_there_is_an_error_and_the_end() {
    let check = |frame: &str, detail: &str| {
        let mut driven = Driven::with_limits(Limits {
            head_bytes_max: 300,
            header_count_max: 5,
            header_bytes_max: 100,
            body_bytes_max: 10,
            ..Limits::default()
        });
        driven.talk("CONNECT\naccept-version:1.2\nhost:h\n\n\0");
        let wire = driven.talk(frame);
        assert_error(&wire, "frame too large", detail);
        assert!(driven.out.is_closing());
    };
    let send = "SEND\ndestination:/topic/a\n";
    check(
        &format!("{send}{}", "a:b\n".repeat(5)),
        "more than 5 headers",
    );
    check(
        &format!("{send}a:{}", "b".repeat(100)),
        "longer than 100 bytes",
    );
    check(
        &format!("{send}content-length:11\n\n"),
        "over the limit of 10 bytes",
    );
    check(
        &format!("{send}\n{}", "b".repeat(11)),
        "within the limit of 10 bytes",
    );
}
