//! The NULL mechanism, and the properties that peers of any mechanism tell.

use crate::pair::{
    End, command, curve, greeting, mechanisms, opened, plain, property, ready, run, settings, with,
};
use bytes::Bytes;
use zmtp::{
    Authentication, Error, Frame, FrameError, Identity, IdentityError, Limits, Mechanism, Metadata,
    MetadataError, SendError, Settings, SocketType, StatusCode, Verdict,
};

#[test]
fn both_say_ready() {
    let (mut a, mut b) = (
        End::new(settings(SocketType::Push)),
        End::new(settings(SocketType::Pull)),
    );
    run(&mut a, &mut b);
    assert_eq!(a.told, ["version 3.1", "handshake", "ready PULL "]);
    assert_eq!(b.told, ["version 3.1", "handshake", "ready PUSH "]);
}

#[test]
fn a_server_may_become_what_its_peer_wants() {
    let null = (
        Mechanism::Null(Authentication::NotAsked),
        Mechanism::Null(Authentication::Asked),
    );
    for (theirs, mine) in [null, plain()] {
        let mut server = End::new(with(SocketType::Pull, mine));
        // Nobody is known yet.
        assert!(!server.connection.become_type(SocketType::XPub));
        server.becomes = Some(SocketType::XPub);
        let mut client = End::new(with(SocketType::Sub, theirs));
        run(&mut client, &mut server);
        assert_eq!(client.peer().socket_type, Some(SocketType::XPub));
        // It has been told.
        assert!(!server.connection.become_type(SocketType::Pull));
    }
}

#[test]
fn a_server_of_curve_becomes_what_is_set_for_its_peer() {
    let rows = [
        (SocketType::Sub, Some(SocketType::XPub)),
        (SocketType::Push, Some(SocketType::Pull)),
        // One that it is nothing to, and what is set does not fit.
        (SocketType::Router, None),
        (SocketType::Rep, None),
    ];
    for (theirs, expected) in rows {
        let (client, mechanism) = curve();
        let server = Settings {
            counterpart: Some(|theirs| {
                let known = [
                    (SocketType::Sub, SocketType::XPub),
                    (SocketType::Push, SocketType::Pull),
                    (SocketType::Rep, SocketType::Pair),
                ];
                let found = known.into_iter().find(|(it, _)| *it == theirs);
                found.map(|(_, ours)| ours)
            }),
            ..with(SocketType::Pair, mechanism)
        };
        let (mut client, mut server) = (End::new(with(theirs, client)), End::new(server));
        run(&mut client, &mut server);
        assert_eq!(server.connection.is_open(), expected.is_some(), "{theirs}");
        match expected {
            Some(expected) => assert_eq!(client.peer().socket_type, Some(expected)),
            None => assert!(matches!(server.error, Some(Error::SocketTypes { .. }))),
        }
    }
}

#[test]
fn identity_and_properties_are_told() {
    for (client, server) in mechanisms() {
        let mut dealer = with(SocketType::Dealer, client);
        dealer.identity = Identity::new("me").unwrap();
        dealer.metadata.push("Resource", b"system/name").unwrap();
        dealer.metadata.push("X-Color", b"red").unwrap();
        let (a, b) = opened(dealer, with(SocketType::Router, server));
        let peer = b.peer();
        assert_eq!(peer.socket_type, Some(SocketType::Dealer));
        assert_eq!(peer.identity.as_bytes(), &Bytes::from("me"));
        let metadata = Metadata::read(&peer.metadata).unwrap();
        assert_eq!(metadata.value("Resource"), Some(&b"system/name"[..]));
        assert_eq!(metadata.value("X-Color"), Some(&b"red"[..]));
        assert_eq!(a.peer().socket_type, Some(SocketType::Router));
        // A ROUTER may be told of; others have none, and are not asked.
        let metadata = Metadata::read(&a.peer().metadata).unwrap();
        assert_eq!(metadata.value("Identity"), Some(&b""[..]));
    }
}

#[test]
fn an_identity_counts_where_there_is_one() {
    let say = |socket_type: &str, identity: &[u8]| {
        let mut data = property("Socket-Type", socket_type.as_bytes());
        data.extend(property("Identity", identity));
        let ours = if socket_type == "PUSH" {
            SocketType::Pull
        } else {
            SocketType::Router
        };
        let mut a = End::new(settings(ours));
        a.feed(&[greeting("NULL"), command("READY", &data)].concat());
        a
    };
    assert_eq!(say("PUSH", b"\0x").peer().identity, Identity::default());
    let long = [b'x'; 255];
    assert_eq!(say("DEALER", &long).peer().identity.as_bytes()[..], long);
    let refused = say("DEALER", b"\0x").error;
    assert_eq!(refused, Some(Error::Identity(IdentityError::Reserved)));
    let refused = say("REQ", &[b'x'; 256]).error;
    assert_eq!(refused, Some(Error::Identity(IdentityError::TooLong(256))));
    assert_eq!(Identity::new("\0"), Err(IdentityError::Reserved));
    let long = vec![b'x'; 256];
    assert_eq!(Identity::new(long), Err(IdentityError::TooLong(256)));
}

/// 37/ZMTP, "The Socket-Type Property"
const PEERS: [(&str, &str); 19] = [
    ("REQ", "REP ROUTER"),
    ("REP", "REQ DEALER"),
    ("DEALER", "REP DEALER ROUTER"),
    ("ROUTER", "REQ DEALER ROUTER"),
    ("PUB", "SUB XSUB"),
    ("XPUB", "SUB XSUB"),
    ("SUB", "PUB XPUB"),
    ("XSUB", "PUB XPUB"),
    ("PUSH", "PULL"),
    ("PULL", "PUSH"),
    ("PAIR", "PAIR"),
    ("CLIENT", "SERVER"),
    ("SERVER", "CLIENT"),
    ("RADIO", "DISH"),
    ("DISH", "RADIO"),
    ("SCATTER", "GATHER"),
    ("GATHER", "SCATTER"),
    ("PEER", "PEER"),
    ("CHANNEL", "CHANNEL"),
];

#[test]
fn sockets_speak_with_those_of_the_table() {
    let named = |name: &str| SocketType::from_name(name.as_bytes()).unwrap();
    assert_eq!(PEERS.len(), SocketType::ALL.len());
    for (ours, peers) in PEERS {
        let ours = named(ours);
        for theirs in SocketType::ALL {
            let is_legal = peers.split(' ').any(|it| it == theirs.name());
            assert_eq!(ours.accepts(theirs), is_legal, "{ours} {theirs}");
            let (mut a, mut b) = (End::new(settings(ours)), End::new(settings(theirs)));
            run(&mut a, &mut b);
            let refused = Some(Error::SocketTypes { ours, theirs });
            assert_eq!(a.error, refused.filter(|_| !is_legal));
            assert_eq!(b.error.is_none(), is_legal);
        }
    }
    for name in ["STREAM", "DGRAM", "req", ""] {
        let mut a = End::new(settings(SocketType::Req));
        a.feed(&[greeting("NULL"), ready(name)].concat());
        assert_eq!(a.error, Some(Error::UnknownSocketType));
    }
    // It should be told, not more.
    let mut a = End::new(settings(SocketType::Req));
    a.feed(&[greeting("NULL"), command("READY", b"")].concat());
    assert_eq!(a.peer().socket_type, None);
}

#[test]
fn an_address_may_need_a_verdict() {
    let asks = || with(SocketType::Pull, Mechanism::Null(Authentication::Asked));
    let (mut a, mut b) = (End::new(settings(SocketType::Push)), End::new(asks()));
    b.verdict = Verdict::Success {
        user_id: Bytes::from("somebody"),
        metadata: Bytes::from(property("Hello", b"World")),
    };
    run(&mut a, &mut b);
    let told = [
        "version 3.1",
        "authenticate null",
        "handshake",
        "ready PUSH ",
    ];
    assert_eq!(b.told, told);
    assert_eq!(b.peer().user_id, Bytes::from("somebody"));
    assert_eq!(b.peer().verdict_metadata, property("Hello", b"World"));
    assert!(a.connection.is_open());
}

#[test]
fn nothing_is_said_before_the_verdict() {
    let mechanism = Mechanism::Null(Authentication::Asked);
    let mut a = End::new(with(SocketType::Pull, mechanism));
    a.out.clear();
    let mut input = [greeting("NULL"), ready("PUSH")].concat();
    let mut at = 0;
    while let Ok(zmtp::Step::Event(_, taken)) =
        a.connection.handle_input(&mut input[at..], &mut a.out)
    {
        at += taken;
    }
    assert_eq!((at, a.out.len()), (64, 0));
    let step = a.connection.handle_input(&mut input[at..], &mut a.out);
    assert_eq!(step, Ok(zmtp::Step::AwaitVerdict));
    let verdict = Verdict::SUCCESS;
    a.connection.handle_verdict(&verdict, &mut a.out).unwrap();
    assert_eq!(a.out[..], ready("PULL"));
    // A second one has nothing to say.
    let late = Verdict::Failure(StatusCode::InternalError);
    assert_eq!(a.connection.handle_verdict(&late, &mut a.out), Ok(()));
}

#[test]
fn a_refusal_says_its_code() {
    for (code, said) in [
        (StatusCode::TemporaryError, None),
        (StatusCode::AuthenticationFailure, Some(&b"\x03400"[..])),
        (StatusCode::InternalError, Some(b"\x03500")),
    ] {
        let asks = with(SocketType::Pull, Mechanism::Null(Authentication::Asked));
        let (mut a, mut b) = (End::new(settings(SocketType::Push)), End::new(asks));
        b.verdict = Verdict::Failure(code);
        run(&mut a, &mut b);
        let error = b.error.unwrap();
        assert_eq!(error, Error::NotAuthenticated(code));
        assert_eq!(error.is_temporary(), said.is_none());
        match (said, a.error) {
            (None, None) => {}
            (Some(_), Some(Error::Refused(reason))) => {
                assert_eq!(reason.status_code(), Some(code));
                assert!(!Error::Refused(reason).is_temporary());
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn an_error_is_told() {
    let mut a = End::new(settings(SocketType::Push));
    a.feed(&[greeting("NULL"), command("ERROR", b"\x08go away\n")].concat());
    let error = a.error.unwrap();
    assert_eq!(error.to_string(), "the peer refuses: go away\\n");
    let mut a = End::new(settings(SocketType::Push));
    a.feed(&[greeting("NULL"), command("ERROR", b"\x09go away")].concat());
    assert_eq!(a.error, Some(Error::Malformed("ERROR")));
}

#[test]
fn nothing_else_comes_before_ready() {
    let rows = [
        (b"\0\x05hello".to_vec(), Error::Unexpected("a command")),
        (command("HELLO", b""), Error::Unexpected("READY")),
        (command("PING", b"\0\0"), Error::Unexpected("READY")),
        (
            command("READY", b"\x01"),
            Error::Metadata(MetadataError::CutOff),
        ),
        (vec![8, 0], Error::Frame(FrameError::Flags(8))),
    ];
    for (bytes, error) in rows {
        let mut a = End::new(settings(SocketType::Push));
        a.feed(&[greeting("NULL"), bytes].concat());
        assert_eq!(a.error.as_ref(), Some(&error));
        // It stays so.
        let mut input = ready("PULL");
        let again = a.connection.handle_input(&mut input, &mut a.out);
        assert_eq!(again, Err(error));
    }
}

#[test]
fn a_handshake_has_its_limit() {
    let limits = Limits {
        handshake_bytes_max: 100,
        ..Limits::default()
    };
    let mut a = End::new(Settings {
        limits,
        ..settings(SocketType::Push)
    });
    a.feed(&greeting("NULL"));
    a.feed(&[6, 0, 0, 0, 0, 0, 0, 0, 101]);
    let (len, limit) = (101, 100);
    let error = Error::Frame(FrameError::TooLarge { len, limit });
    assert_eq!(a.error, Some(error));
}

#[test]
fn nothing_is_sent_before_ready_or_behind_the_end() {
    let mut a = End::new(settings(SocketType::Push));
    let before = a.out.len();
    let put = a.connection.put_frame(&mut a.out, Frame::last(b"x"));
    assert_eq!(put, Err(SendError::NotOpen));
    a.feed(&[greeting("NULL"), ready("PULL")].concat());
    a.out.clear();
    a.connection
        .put_frame(&mut a.out, Frame::last(b"x"))
        .unwrap();
    assert_eq!(a.out[..], *b"\0\x01x");
    a.feed(&[0xFF]);
    let put = a.connection.put_frame(&mut a.out, Frame::last(b"x"));
    assert_eq!(put, Err(SendError::NotOpen));
    assert_eq!((before, a.out.len()), (10, 3));
}
