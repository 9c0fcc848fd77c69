//! From the protocol header to `connection.open-ok`.

use super::{Driven, TUNE_OK, bytes_of, client_properties, open, short, start_ok};
use broker_api::{Event, Refusal};
use proto_amqp091::{
    FieldValue, Limits, Method, PROTOCOL_HEADER, Table, TableBuf, channel, connection,
};

const LOGIN: &[u8] = b"\0guest\0guest";

#[test]
fn a_connection_is_opened() {
    let mut driven = Driven::new();
    driven.feed(&PROTOCOL_HEADER);
    let start = driven.read();
    let [start] = start.as_slice() else {
        panic!("{start:?}");
    };
    assert!(start.starts_with("0 ConnectionStart(Start { version_major: 0, version_minor: 9"));
    for name in [
        "publisher_confirms",
        "exchange_exchange_bindings",
        "basic.nack",
        "consumer_cancel_notify",
        "connection.blocked",
        "consumer_priorities",
        "authentication_failure_close",
        "per_consumer_qos",
    ] {
        assert!(
            start.contains(&format!("\"{name}\": Boolean(true)")),
            "{start}"
        );
    }
    let tune = driven.send(0, &start_ok(Table::EMPTY, "PLAIN", LOGIN));
    let expected = "0 ConnectionTune(Tune { channel_max: 2047, frame_max: 131072, heartbeat: 60 })";
    assert_eq!(tune, [expected]);
    assert_eq!(driven.logins, [LOGIN]);
    assert_eq!(driven.send(0, &TUNE_OK), [""; 0]);
    let log = driven.take_log();
    assert!(log.len() == 1 && log[0].starts_with("0 Authenticate(Begin { mechanism: \"PLAIN\""));
    assert_eq!(driven.send(0, &open("/")), ["0 ConnectionOpenOk(OpenOk)"]);
    let log = driven.take_log();
    let expected = "0 Connect(Connect { login: None, vhost: [47], identity: None })";
    assert_eq!(log, [expected]);
    assert!(!driven.is_closed());
}

#[test]
fn amqplain_is_a_login_too() {
    let response = |names: [&str; 2]| {
        let mut table = TableBuf::new();
        for (name, text) in names.into_iter().zip(["me", "secret"]) {
            table.push(short(name), &FieldValue::LongString(text.as_bytes()));
        }
        table.as_table().unwrap().as_bytes().to_vec()
    };
    let mut driven = Driven::new();
    driven.feed(&PROTOCOL_HEADER);
    let right = response(["LOGIN", "PASSWORD"]);
    driven.send(0, &start_ok(Table::EMPTY, "AMQPLAIN", &right));
    assert_eq!(driven.logins, [b"\0me\0secret"]);
    for wrong in [response(["LOGIN", "PASSPHRASE"]), b"\x05abc".to_vec()] {
        let mut driven = Driven::new();
        driven.feed(&PROTOCOL_HEADER);
        driven.read();
        let answers = driven.send(0, &start_ok(Table::EMPTY, "AMQPLAIN", &wrong));
        assert!(answers[0].contains("reply_code: 502"), "{answers:?}");
        assert!(driven.is_closed());
    }
}

#[test]
fn other_protocols_are_told_which_one_is_spoken() {
    for stranger in [&b"GET / HTTP/1.1\r\n"[..], b"AMQP\0\x01\0\0", b"\x10"] {
        let mut driven = Driven::new();
        driven.feed(stranger);
        assert_eq!(driven.wire, PROTOCOL_HEADER);
        assert!(driven.is_closed());
    }
    let mut driven = Driven::new();
    driven.feed(b"AMQP\x01\x01\0\x09");
    assert!(driven.read()[0].starts_with("0 ConnectionStart("));
}

#[test]
fn a_refused_login_is_told_to_who_understands() {
    let check = |capabilities: &[&str], expected: &[&str]| {
        let mut driven = Driven::new();
        driven.feed(&PROTOCOL_HEADER);
        driven.read();
        let user = "guest".to_owned();
        driven.refusals = vec![("Authenticate", Refusal::LoginFailed { user })];
        let properties = client_properties(capabilities);
        let table = properties.as_table().unwrap();
        assert_eq!(driven.send(0, &start_ok(table, "PLAIN", LOGIN)), expected);
        assert!(driven.is_closed());
    };
    check(&[], &[]);
    check(
        &["authentication_failure_close"],
        &["0 ConnectionClose(Close { reply_code: 403, reply_text: \
           \"ACCESS_REFUSED - Login was refused, see the broker's log\", class_id: 0, method_id: 0 })"],
    );
}

#[test]
fn mechanisms_are_those_that_were_told() {
    let mut driven = Driven::new();
    driven.feed(&PROTOCOL_HEADER);
    driven.read();
    let answers = driven.send(0, &start_ok(Table::EMPTY, "EXTERNAL", b""));
    let expected = "0 ConnectionClose(Close { reply_code: 503, reply_text: \"COMMAND_INVALID - \
                    unknown authentication mechanism 'EXTERNAL'\", class_id: 10, method_id: 11 })";
    assert_eq!(answers, [expected]);
    assert!(driven.is_closed() && driven.take_log().is_empty());
}

#[test]
fn a_client_keeps_to_what_was_offered() {
    let check = |channel_max: u16, frame_max: u32, expected: Option<&str>| {
        let mut driven = Driven::new();
        driven.feed(&PROTOCOL_HEADER);
        driven.send(0, &start_ok(Table::EMPTY, "PLAIN", LOGIN));
        let tune_ok = connection::TuneOk {
            channel_max,
            frame_max,
            heartbeat: 0,
        };
        let answers = driven.send(0, &Method::ConnectionTuneOk(tune_ok));
        match expected {
            None => assert_eq!(answers, [""; 0]),
            Some(text) => {
                let expected = format!(
                    "0 ConnectionClose(Close {{ reply_code: 530, reply_text: \"NOT_ALLOWED - \
                     negotiated {text}\", class_id: 10, method_id: 30 }})"
                );
                assert_eq!(answers, [expected]);
            }
        }
        assert_eq!(driven.is_closed(), expected.is_some());
    };
    check(2_047, 131_072, None);
    check(1, 4_096, None);
    let over = "channel_max = 2048 is higher than the maximum allowed value (2047)";
    check(2_048, 131_072, Some(over));
    let over = "channel_max = 0 (no limit) is higher than the maximum allowed value (2047)";
    check(0, 131_072, Some(over));
    let over = "frame_max = 131073 is higher than the maximum allowed value (131072)";
    check(10, 131_073, Some(over));
    let over = "frame_max = 0 (no limit) is higher than the maximum allowed value (131072)";
    check(10, 0, Some(over));
    let under = "frame_max = 4095 is lower than the minimum allowed value (4096)";
    check(10, 4_095, Some(under));
}

#[test]
fn frames_are_small_until_the_client_is_known() {
    let limits = Limits {
        opening_frame_bytes_max: 4_096,
        ..Limits::default()
    };
    let head = [1, 0, 0, 0, 0, 0x10, 1];
    let mut driven = Driven::with_limits(limits);
    driven.feed(&PROTOCOL_HEADER);
    driven.read();
    driven.feed(&head);
    let answers = driven.read();
    assert!(
        answers[0].contains("501") && driven.is_closed(),
        "{answers:?}"
    );
    let mut driven = Driven::with_limits(limits);
    driven.feed(&PROTOCOL_HEADER);
    driven.send(0, &start_ok(Table::EMPTY, "PLAIN", LOGIN));
    driven.send(0, &TUNE_OK);
    driven.feed(&head);
    assert!(!driven.is_closed());
    assert_eq!(broker_api::Session::missing_bytes(&driven.session), 4_098);
}

#[test]
fn there_is_one_vhost() {
    let mut driven = Driven::new();
    driven.feed(&PROTOCOL_HEADER);
    driven.send(0, &start_ok(Table::EMPTY, "PLAIN", LOGIN));
    driven.send(0, &TUNE_OK);
    let answers = driven.send(0, &open("other"));
    let expected = "0 ConnectionClose(Close { reply_code: 530, reply_text: \"NOT_ALLOWED - vhost \
                    other not found\", class_id: 10, method_id: 40 })";
    assert_eq!(answers, [expected]);
    assert!(driven.is_closed());
}

#[test]
fn methods_come_in_their_order() {
    for method in [open("/"), TUNE_OK, Method::ChannelOpen(channel::Open)] {
        let mut driven = Driven::new();
        driven.feed(&PROTOCOL_HEADER);
        driven.read();
        let answers = driven.send(0, &method);
        let expected = format!("COMMAND_INVALID - {} came too early", method.id());
        assert!(answers[0].contains(&expected), "{answers:?}");
        assert!(driven.is_closed());
    }
    let mut driven = Driven::new();
    driven.feed(&PROTOCOL_HEADER);
    driven.read();
    let answers = driven.send(1, &Method::ChannelOpen(channel::Open));
    assert!(answers[0].contains("reply_code: 505"), "{answers:?}");
    let mut driven = Driven::new();
    driven.feed(&PROTOCOL_HEADER);
    driven.read();
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
fn a_client_is_waited_for_only_so_long() {
    for sent in [0, 4, 8] {
        let mut driven = Driven::new();
        driven.feed(&PROTOCOL_HEADER[..sent]);
        driven.read();
        assert_eq!(driven.wait_for_deadline(), Some(10_000));
        assert!(driven.is_closed() && driven.read().is_empty());
    }
}

#[test]
fn what_comes_behind_a_login_waits_for_it() {
    let mut driven = Driven::new();
    let all = [
        PROTOCOL_HEADER.to_vec(),
        bytes_of(0, &start_ok(Table::EMPTY, "PLAIN", LOGIN)),
        bytes_of(0, &TUNE_OK),
        bytes_of(0, &open("/")),
        bytes_of(1, &Method::ChannelOpen(channel::Open)),
    ];
    driven.feed(&all.concat());
    let answers = driven.read();
    assert_eq!(answers.len(), 4, "{answers:?}");
    assert_eq!(answers[3], "1 ChannelOpenOk(OpenOk)");
}

#[test]
fn a_broker_that_stops_says_so() {
    let mut driven = Driven::new();
    driven.feed(&PROTOCOL_HEADER);
    driven.read();
    driven.handle_event(Event::Disconnect(Refusal::ShuttingDown));
    let answers = driven.read();
    assert!(
        answers[0].contains("320") && driven.is_closed(),
        "{answers:?}"
    );
}
