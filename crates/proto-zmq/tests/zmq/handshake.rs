//! Who is let in, and as what.

use crate::stage::{
    Stage, client_key, curve, metadata, plain, settings, socket_settings, with_keys,
};
use broker_api::{Command, Event, Refusal, Reply, Session as _};
use model::Instant;
use zmtp::{SocketType, StatusCode, Version};

#[test]
fn a_guest_needs_no_login() {
    let mut stage = Stage::new(settings(), socket_settings(SocketType::Push));
    stage.run();
    let (id, command) = stage.take_command();
    let Command::Connect(connect) = command else {
        panic!("{command:?}");
    };
    assert!(connect.login.is_none());
    // Nothing is said before the answer.
    assert!(!stage.socket.is_open());
    stage.done(id, Ok(Reply::Nothing));
    assert!(stage.socket.is_open());
}

#[test]
fn plain_is_a_login() {
    let mut stage = Stage::new(settings(), plain(SocketType::Sub));
    stage.run();
    let (id, command) = stage.take_command();
    assert_eq!(
        crate::stage::shown(&command),
        "connect Some([\"ann\", \"secret\"])"
    );
    stage.done(id, Ok(Reply::Nothing));
    assert!(stage.socket.is_open());
    assert_eq!(stage.asked(), ["declare "]);
}

#[test]
fn the_owner_of_a_key_is_its_user() {
    let users = [(client_key(), "ann")];
    let mut stage = Stage::new(with_keys(&users, true), curve(SocketType::Sub));
    stage.run();
    let (_, vouched) = stage.take_command();
    let vouched = crate::stage::shown(&vouched);
    assert_eq!(vouched, "Vouched { user: \"ann\" }");
    let (id, connect) = stage.take_command();
    assert_eq!(crate::stage::shown(&connect), "connect None");
    assert!(!stage.socket.is_open());
    stage.done(id, Ok(Reply::Nothing));
    assert!(stage.socket.is_open());
    // Though the socket has said nothing since.
    assert_eq!(stage.asked(), ["declare "]);
}

#[test]
fn who_has_any_key_is_the_guest_where_none_are_listed() {
    let mut stage = Stage::new(with_keys(&[], false), curve(SocketType::Push));
    stage.run();
    assert_eq!(stage.asked(), ["connect None"]);
}

#[test]
fn the_owner_of_no_listed_key_is_refused() {
    let users = [(zmtp::curve::PublicKey([9; 32]), "ann")];
    let mut stage = Stage::new(with_keys(&users, false), curve(SocketType::Push));
    stage.run();
    assert!(stage.out.is_closing());
    assert!(stage.commands.is_empty(), "{:?}", stage.commands);
    let Some(zmtp::Error::Refused(reason)) = stage.failure else {
        panic!("{:?}", stage.failure);
    };
    let expected = Some(StatusCode::AuthenticationFailure);
    assert_eq!(reason.status_code(), expected);
}

#[test]
fn where_curve_is_required_nothing_else_is_spoken() {
    for socket in [socket_settings, plain] {
        let mut stage = Stage::new(with_keys(&[], true), socket(SocketType::Push));
        stage.run();
        assert!(stage.out.is_closing());
        assert!(stage.commands.is_empty());
        let mut stage = Stage::new(with_keys(&[], false), socket(SocketType::Push));
        stage.run();
        assert!(!stage.out.is_closing());
    }
}

#[test]
fn a_refusal_says_its_code() {
    let check = |refusal: Refusal, code: Option<StatusCode>| {
        let mut stage = Stage::new(settings(), plain(SocketType::Push));
        stage.run();
        let (id, _) = stage.take_command();
        stage.done(id, Err(refusal));
        assert!(stage.out.is_closing());
        let said = stage.failure.map(|error| match error {
            zmtp::Error::Refused(reason) => reason.status_code(),
            other => panic!("{other:?}"),
        });
        assert_eq!(said.flatten(), code);
    };
    let user = || "ann".to_owned();
    let failed = Some(StatusCode::AuthenticationFailure);
    check(Refusal::LoginFailed { user: user() }, failed);
    check(Refusal::LoopbackOnly { user: user() }, failed);
    check(Refusal::StoreFailed, Some(StatusCode::InternalError));
    // libzmq comes again when nothing is said.
    check(Refusal::Busy, None);
}

#[test]
fn each_type_is_spoken_with_by_its_counterpart() {
    for socket in [socket_settings, plain, curve] {
        for theirs in SocketType::ALL {
            let mut stage = Stage::new(with_keys(&[], false), socket(theirs));
            stage.run();
            if let Some((id, _)) = stage.commands.pop() {
                stage.done(id, Ok(Reply::Nothing));
            }
            let is_served = matches!(
                theirs,
                SocketType::Pub
                    | SocketType::XPub
                    | SocketType::Sub
                    | SocketType::XSub
                    | SocketType::Push
                    | SocketType::Pull
                    | SocketType::Req
                    | SocketType::Dealer
                    | SocketType::Rep
            );
            assert_eq!(stage.socket.is_open(), is_served, "{theirs}");
            assert_eq!(stage.out.is_closing(), !is_served, "{theirs}");
        }
    }
}

#[test]
fn strangers_are_closed() {
    let check = |bytes: &[u8]| {
        let mut stage = Stage::new(settings(), socket_settings(SocketType::Push));
        stage.to_session.clear();
        stage.to_session.extend_from_slice(bytes);
        stage.run();
        assert!(stage.out.is_closing(), "{bytes:?}");
        assert!(stage.commands.is_empty());
    };
    check(b"GET / HTTP/1.1\r\n");
    // 1.0 and 2.0
    check(b"\x01\0");
    check(b"\xFF\0\0\0\0\0\0\0\x01\x7F\x01");
    let mut curve = b"\xFF\0\0\0\0\0\0\0\0\x7F\x03\x01CURVE".to_vec();
    curve.resize(zmtp::GREETING_BYTES, 0);
    check(&curve);
    let mut null = b"\xFF\0\0\0\0\0\0\0\0\x7F\x03\x01NULL".to_vec();
    null.resize(zmtp::GREETING_BYTES, 0);
    // A message before READY, and a command that is too long.
    check(&[&null[..], b"\x00\x01x"].concat());
    check(&[&null[..], b"\x06\0\0\0\0\0\x10\0\0"].concat());
}

#[test]
fn version_3_0_is_spoken() {
    let socket = zmtp::Settings {
        version_max: Version::V3_0,
        ..socket_settings(SocketType::Sub)
    };
    let mut stage = Stage::open(socket);
    stage
        .socket
        .put_subscribe(&mut stage.to_session, b"a.b")
        .unwrap();
    stage.run();
    let unlimited = format!("subscribe Presettled {}", u64::MAX);
    assert_eq!(stage.asked(), [unlimited.as_str(), "bind a.#"]);
}

#[test]
fn a_handshake_has_its_time() {
    let mut stage = Stage::new(settings(), socket_settings(SocketType::Push));
    let until = Instant::from_millis(10_000);
    assert_eq!(stage.session.deadline(), Some(until));
    stage.session.handle_deadline(until, &mut stage.out);
    assert!(stage.out.is_closing());
    let mut stage = Stage::new(settings(), socket_settings(SocketType::Push));
    stage.run();
    // A greeting gives no more of it.
    assert_eq!(stage.session.deadline(), Some(until));
    stage.session.handle_deadline(until, &mut stage.out);
    assert!(stage.out.is_closing());
}

#[test]
fn the_broker_may_end_it() {
    for socket_type in [SocketType::Push, SocketType::Sub] {
        let mut stage = Stage::open(socket_settings(socket_type));
        stage.event(Event::Disconnect(Refusal::ShuttingDown));
        assert!(stage.out.is_closing());
        assert_eq!(stage.session.deadline(), None);
    }
}

#[test]
fn a_peer_may_name_its_queue() {
    let socket = zmtp::Settings {
        metadata: metadata("X-Barid-Queue", b"other"),
        ..socket_settings(SocketType::Push)
    };
    let mut stage = Stage::open(socket);
    stage.send(&[b"x"]);
    assert_eq!(stage.asked(), ["publish  other x"]);
    let socket = zmtp::Settings {
        metadata: metadata("X-Barid-Queue", &[b'x'; 256]),
        ..socket_settings(SocketType::Push)
    };
    assert!(Stage::open(socket).out.is_closing());
}
