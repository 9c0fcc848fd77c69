use crate::scripted_broker::{Driven, assert_error};
use broker_api::{Event, Refusal, Session};
use model::Instant;
use proto_stomp::HostRule;
use std::time::Duration;

const SERVER: &str = concat!("Barid/", env!("CARGO_PKG_VERSION"));

#[test]
fn connects_with_the_highest_common_version() {
    let check = |headers: &str, version: &str, command: &str| {
        let mut driven = Driven::new();
        let wire = driven.talk(&format!("STOMP\n{headers}\n\0"));
        let expected = format!(
            "CONNECTED\nversion:{version}\nsession:7\nserver:{SERVER}\nheart-beat:0,0\n\n^@"
        );
        assert_eq!(wire, expected);
        assert_eq!(driven.log, [command]);
    };
    let guest = "Connect(Connect { login: None, vhost: [], identity: None })";
    check("", "1.0", guest);
    check("accept-version:1.1,1.0\n", "1.1", guest);
    check(
        "accept-version:1.0,1.1,1.2\nhost:h\nlogin:u:\\n\npasscode:secret\n",
        "1.2",
        "Connect(Connect { login: Some(Login { user: \"u:\\\\n\", password: \"(hidden)\" }), vhost: [104], identity: None })",
    );
    check(
        "login: u \nhost: h\n",
        "1.0",
        "Connect(Connect { login: Some(Login { user: \"u\", password: \"(hidden)\" }), vhost: [104], identity: None })",
    );
}

#[test]
fn an_unknown_host_is_refused_where_hosts_are_known() {
    let check = |rule: &HostRule, headers: &str, is_known: bool| {
        let mut driven = Driven::new().with_host_rule(rule.clone());
        let wire = driven.talk(&format!("CONNECT\naccept-version:1.2\n{headers}\n\0"));
        if is_known {
            assert!(wire.starts_with("CONNECTED\n"), "{wire}");
        } else {
            assert_error(
                &wire,
                "Bad CONNECT",
                "the virtual host 'other' is not known here",
            );
            assert!(driven.log.is_empty());
        }
    };
    let known = HostRule::Known([(*b"here").into()].into());
    for headers in ["", "host:\n", "host:/\n", "host:here\n"] {
        check(&known, headers, true);
    }
    check(&known, "host:other\n", false);
    check(&HostRule::AnyIsDefault, "host:other\n", true);
}

#[test]
fn offers_the_versions_there_are() {
    let mut driven = Driven::new();
    let wire = driven.talk("CONNECT\naccept-version:2.0\nhost:h\n\n\0");
    assert_eq!(
        wire,
        "ERROR\nversion:1.0,1.1,1.2\nmessage:unsupported protocol versions\ncontent-type:text/plain\n\
         content-length:69\n\n\
         Supported protocol versions are 1.0,1.1,1.2; accept-version is '2.0'\n^@"
    );
    assert!(driven.out.is_closing());
    assert!(driven.log.is_empty());
}

#[test]
fn a_connection_begins_with_connect_and_has_only_one() {
    let mut driven = Driven::new();
    let wire = driven.talk("SEND\ndestination:/queue/a\nreceipt:r\n\n\0");
    assert_error(&wire, "not connected", "not with SEND");
    assert!(wire.contains("receipt-id:r\n"));

    let mut driven = Driven::connected("1.2");
    let wire = driven.talk("CONNECT\naccept-version:1.2\nhost:h\n\n\0");
    assert_error(&wire, "already connected", "CONNECT cannot come again");
    assert!(!wire.contains("version:"));
    assert!(driven.out.is_closing());
}

#[test]
fn a_refused_login_is_told() {
    let mut driven = Driven::new();
    let refusal = Refusal::LoginFailed { user: "u".into() };
    driven.refusals.push(("Connect", refusal));
    let wire = driven.talk("CONNECT\naccept-version:1.2\nhost:h\nlogin:u\n\n\0SEND\n");
    assert_error(&wire, "access refused", "access refused for user 'u'");
    assert!(driven.out.is_closing());
}

#[test]
fn connect_must_come_in_time() {
    let mut driven = Driven::new();
    driven.feed(b"\nCONNECT\naccept");
    assert_eq!(driven.wait_for_deadline(), Some(10_000));
    assert_error(
        &driven.take_wire(),
        "connect timeout",
        "no CONNECT frame within 10000 ms",
    );
    assert!(driven.out.is_closing());
    assert_eq!(driven.session.deadline(), None);
}

#[test]
fn the_broker_ends_a_connection() {
    for version in ["1.0", "1.1", "1.2"] {
        let mut driven = Driven::connected(version);
        driven.handle_event(Event::Disconnect(Refusal::ShuttingDown));
        assert_error(
            &driven.take_wire(),
            "broker is stopping",
            "the broker is stopping",
        );
        assert!(driven.out.is_closing());
        driven.handle_event(Event::Disconnect(Refusal::ShuttingDown));
        assert_eq!(driven.talk("SEND\ndestination:/queue/a\n\n\0"), "");
        assert!(driven.log.is_empty() && driven.input.is_empty());
    }
}

#[test]
fn disconnect_waits_for_all_answers() {
    let mut driven = Driven::connected("1.2");
    driven.feed(
        b"SEND\ndestination:/topic/a\nreceipt:1\n\n\0SUBSCRIBE\nid:s\ndestination:/topic/a\n\n\0\
          UNSUBSCRIBE\nid:s\n\n\0DISCONNECT\nreceipt:2\n\n\0SEND\ndestination:/topic/a\n\n\0",
    );
    assert!(!driven.out.is_closing());
    assert_eq!(driven.published.len(), 1);
    assert!(driven.input.is_empty());
    driven.answer_all();
    assert_eq!(
        driven.take_wire(),
        "RECEIPT\nreceipt-id:1\n\n^@RECEIPT\nreceipt-id:2\n\n^@"
    );
    assert!(driven.out.is_closing());
}

#[test]
fn disconnect_may_cross_the_end_of_a_subscription() {
    let mut driven = Driven::connected("1.2");
    driven.talk("SUBSCRIBE\nid:s\ndestination:/queue/a\n\n\0");
    driven.feed(b"SEND\ndestination:/topic/a\nreceipt:1\n\n\0DISCONNECT\nreceipt:2\n\n\0");
    let gone = Refusal::SubscriptionNotFound(model::SubscriptionId(1));
    driven.refusals.push(("Cancel", gone.clone()));
    driven.handle_event(Event::Ended(model::SubscriptionId(1), gone));
    driven.answer_all();
    let receipts = "RECEIPT\nreceipt-id:1\n\n^@RECEIPT\nreceipt-id:2\n\n^@";
    assert_eq!(driven.take_wire(), receipts);
}

#[test]
fn disconnect_closes_at_once_if_nothing_is_under_way() {
    let mut driven = Driven::connected("1.1");
    assert_eq!(driven.talk("DISCONNECT\n\n\0"), "");
    assert!(driven.out.is_closing());
    assert_eq!(driven.session.deadline(), None);
}

#[test]
fn a_closed_transport_ends_everything() {
    let mut driven = Driven::connected("1.2");
    driven
        .session
        .handle_close(Instant::from_elapsed(Duration::ZERO), &mut driven.out);
    assert_eq!(driven.talk("SEND\n"), "");
    assert_eq!(driven.session.deadline(), None);
}
