//! Greetings, and what is agreed on.

use crate::pair::{End, curve, curve_server, greeting, plain, ready, run, settings, with};
use zmtp::{Authentication, Error, Mechanism, MechanismName, Settings, SocketType, Version};

#[test]
fn one_is_64_octets() {
    let mut a = End::new(settings(SocketType::Push));
    a.feed(&greeting("NULL"));
    assert_eq!(a.out[..64], greeting("NULL"));
    assert_eq!(a.out[64..], ready("PUSH"));
    assert_eq!(a.told, ["version 3.1"]);
}

#[test]
fn it_goes_out_in_pieces() {
    let mut a = End::new(settings(SocketType::Push));
    let whole = greeting("NULL");
    assert_eq!(a.out[..], whole[..10]);
    a.feed(&whole[..9]);
    assert_eq!(a.out.len(), 10);
    a.feed(&whole[9..10]);
    assert_eq!(a.out.len(), 11, "the major version");
    a.feed(&whole[10..11]);
    assert_eq!(a.out.len(), 64, "a peer must not wait for the rest");
    a.feed(&whole[11..63]);
    assert_eq!((a.out.len(), a.told.len()), (64, 0));
    a.feed(&whole[63..]);
    assert_eq!(a.told, ["version 3.1"]);
}

#[test]
fn it_goes_out_at_once_when_no_older_version_is_spoken() {
    let null = || Mechanism::Null(Authentication::Asked);
    for (mechanism, name, server) in [
        (curve().0, "CURVE", 0),
        (curve().1, "CURVE", 1),
        (plain().0, "PLAIN", 0),
        (plain().1, "PLAIN", 1),
        (null(), "NULL", 0),
    ] {
        let a = End::new(with(SocketType::Push, mechanism));
        let mut expected = greeting(name);
        expected[8] = 0;
        expected[32] = server;
        assert_eq!(a.out[..64], expected, "{name}");
    }
    let a = End::new(Settings {
        version_min: Version::V3_0,
        ..settings(SocketType::Push)
    });
    assert_eq!(a.out.len(), 64);
    assert_eq!(End::new(settings(SocketType::Client)).out.len(), 64);
}

#[test]
fn padding_filler_and_as_server_do_not_count() {
    let mut bytes = greeting("NULL");
    bytes[1..9].fill(0xA5);
    bytes[32..].fill(0x5A);
    let mut a = End::new(settings(SocketType::Push));
    a.feed(&bytes);
    assert_eq!((a.told, a.error), (vec!["version 3.1".to_owned()], None));
}

#[test]
fn higher_versions_are_taken_for_the_own() {
    for version in [[3, 1], [3, 2], [3, 255], [4, 0], [255, 7]] {
        let mut bytes = greeting("NULL");
        bytes[10..12].copy_from_slice(&version);
        let mut a = End::new(settings(SocketType::Push));
        a.feed(&bytes);
        assert_eq!(a.told, ["version 3.1"], "{version:?}");
    }
    let mut bytes = greeting("NULL");
    bytes[11] = 0;
    let mut a = End::new(settings(SocketType::Push));
    a.feed(&bytes);
    assert_eq!(a.told, ["version 3.0"]);
}

#[test]
fn mechanisms_must_be_the_same() {
    for theirs in ["PLAIN", "CURVE", "NULLX", "NUL", "null", ""] {
        let mut a = End::new(settings(SocketType::Push));
        a.feed(&greeting(theirs));
        let found = matches!(
            a.error,
            Some(Error::Mechanism {
                ours: MechanismName::NULL,
                ..
            })
        );
        assert!(found, "{theirs}: {:?}", a.error);
        assert_eq!(a.out.len(), 64, "the peer is told ours");
    }
    let mut a = End::new(settings(SocketType::Push));
    let server = curve_server(Authentication::NotAsked);
    let mut b = End::new(with(SocketType::Pull, server));
    run(&mut a, &mut b);
    assert!(a.error.is_some() && b.error.is_some());
    assert!(!a.error.unwrap().is_temporary());
}

#[test]
fn it_has_its_time() {
    let mut a = End::new(settings(SocketType::Push));
    assert_eq!(a.connection.deadline_ms(), Some(30_000));
    a.feed(&greeting("NULL"));
    let early = a.connection.handle_deadline(29_999, &mut a.out);
    assert_eq!(early, Ok(()));
    let late = a.connection.handle_deadline(30_000, &mut a.out);
    assert_eq!(late, Err(Error::HandshakeTimeout(30_000)));
    assert!(late.unwrap_err().is_temporary());
    a.feed(&ready("PULL"));
    assert_eq!(a.error, Some(Error::HandshakeTimeout(30_000)));
    assert_eq!(a.connection.deadline_ms(), None);
}
