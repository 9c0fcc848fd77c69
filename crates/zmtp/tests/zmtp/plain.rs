//! The PLAIN mechanism.

use crate::pair::{End, command, greeting, plain, property, run, with};
use bytes::Bytes;
use zmtp::{Error, Mechanism, PlainLogin, SocketType, StatusCode, Verdict};

fn client() -> End {
    End::new(with(SocketType::Req, plain().0))
}

fn server() -> End {
    End::new(with(SocketType::Rep, plain().1))
}

#[test]
fn a_client_says_who_it_is() {
    let (mut a, mut b) = (client(), server());
    b.verdict = Verdict::Success {
        user_id: Bytes::from("admin"),
        metadata: Bytes::new(),
    };
    run(&mut a, &mut b);
    let told = [
        "version 3.1",
        "authenticate admin secret",
        "handshake",
        "ready REQ ",
    ];
    assert_eq!(b.told, told);
    let told = ["version 3.1", "handshake", "handshake", "ready REP "];
    assert_eq!(a.told, told);
    assert_eq!(b.peer().user_id, Bytes::from("admin"));
}

#[test]
fn commands_are_those_of_the_grammar() {
    let mut a = client();
    a.feed(&greeting("PLAIN"));
    assert_eq!(
        a.out.split_off(64)[..],
        command("HELLO", b"\x05admin\x06secret")
    );
    a.feed(&command("WELCOME", b""));
    let metadata = [property("Socket-Type", b"REQ"), property("Identity", b"")];
    let initiate = command("INITIATE", &metadata.concat());
    assert_eq!(a.out.split_off(64)[..], initiate);
    let mut b = server();
    b.feed(&greeting("PLAIN"));
    b.feed(&command("HELLO", b"\0\0"));
    assert_eq!(b.out.split_off(64)[..], command("WELCOME", b""));
    b.feed(&initiate);
    let ready = command("READY", &property("Socket-Type", b"REP"));
    assert_eq!(b.out.split_off(64)[..], ready);
}

#[test]
fn a_wrong_password_is_refused() {
    let (mut a, mut b) = (client(), server());
    b.verdict = Verdict::Failure(StatusCode::AuthenticationFailure);
    run(&mut a, &mut b);
    let code = StatusCode::AuthenticationFailure;
    assert_eq!(b.error, Some(Error::NotAuthenticated(code)));
    assert!(b.out.is_empty() && !b.told.contains(&"ready REQ ".to_owned()));
    match a.error {
        Some(Error::Refused(reason)) => assert_eq!(reason.status_code(), Some(code)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_error_as_libzmq_misspells_it_is_understood() {
    let mut a = client();
    a.feed(&[&greeting("PLAIN")[..], b"\x04\x09^RROR\x03400"].concat());
    assert!(matches!(a.error, Some(Error::Refused(_))), "{:?}", a.error);
}

#[test]
fn malformed_commands_are_refused() {
    for (bytes, error) in [
        (command("HELLO", b""), Error::Malformed("HELLO")),
        (command("HELLO", b"\x05admin"), Error::Malformed("HELLO")),
        (
            command("HELLO", b"\x05admin\x07secret"),
            Error::Malformed("HELLO"),
        ),
        (
            command("HELLO", b"\x05admin\x05secret"),
            Error::Malformed("HELLO"),
        ),
        (command("INITIATE", b""), Error::Unexpected("HELLO")),
        (command("ERROR", b"\0"), Error::Unexpected("HELLO")),
    ] {
        let mut b = server();
        b.feed(&[greeting("PLAIN"), bytes].concat());
        assert_eq!(b.error, Some(error));
    }
    let mut b = server();
    let hello = command("HELLO", b"\0\0");
    b.feed(&[greeting("PLAIN"), hello.clone(), hello].concat());
    assert_eq!(b.error, Some(Error::Unexpected("INITIATE")));
    for (bytes, error) in [
        (command("WELCOME", b"x"), Error::Malformed("WELCOME")),
        (command("READY", b""), Error::Unexpected("WELCOME")),
        (command("HELLO", b"\0\0"), Error::Unexpected("WELCOME")),
    ] {
        let mut a = client();
        a.feed(&[greeting("PLAIN"), bytes].concat());
        assert_eq!(a.error, Some(error));
    }
}

#[test]
fn names_and_passwords_fit_and_are_not_shown() {
    assert!(PlainLogin::new(vec![b'x'; 256], "").is_err());
    assert!(PlainLogin::new("", vec![b'x'; 256]).is_err());
    let login = PlainLogin::new(vec![b'x'; 255], vec![b'y'; 255]).unwrap();
    let (mut a, mut b) = (
        End::new(with(SocketType::Req, Mechanism::PlainClient(login.clone()))),
        server(),
    );
    run(&mut a, &mut b);
    assert!(b.connection.is_open());
    assert!(!format!("{login:?} {:?}", plain().0).contains("secret"));
    let (username, password) = (&b"admin"[..], &b"secret"[..]);
    let credentials = zmtp::Credentials::Plain { username, password };
    assert!(!format!("{credentials:?}").contains("115"));
}
