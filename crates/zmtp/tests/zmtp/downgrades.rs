//! Older peers, and this side as one.

use crate::pair::{End, curve, greeting, opened, plain, run, settings, with};
use zmtp::{
    Authentication, Error, Frame, Framing, Identity, IdentityError, Mechanism, Settings,
    SocketType, Version,
};

const VERSIONS: [Version; 4] = [Version::V1_0, Version::V2_0, Version::V3_0, Version::V3_1];

fn upto(version: Version, socket_type: SocketType, identity: &str) -> Settings {
    Settings {
        version_max: version,
        identity: Identity::new(identity.to_owned()).unwrap(),
        ..settings(socket_type)
    }
}

#[test]
fn the_older_version_of_both_is_spoken() {
    let long = "y".repeat(255);
    for ours in VERSIONS {
        for theirs in VERSIONS {
            for identity in ["", "me", &long] {
                let (mut a, mut b) = opened(
                    upto(ours, SocketType::Dealer, identity),
                    upto(theirs, SocketType::Router, "router"),
                );
                let version = ours.min(theirs);
                assert_eq!(a.connection.version(), Some(version), "{ours} {theirs}");
                assert_eq!(b.connection.version(), Some(version));
                assert_eq!(b.peer().identity.as_bytes(), identity.as_bytes());
                let socket_type = Some(SocketType::Dealer);
                let is_told = version > Version::V1_0;
                assert_eq!(b.peer().socket_type, socket_type.filter(|_| is_told));
                a.connection
                    .put_frame(&mut a.out, Frame::more(b"one"))
                    .unwrap();
                let body = [b'x'; 300];
                a.connection
                    .put_frame(&mut a.out, Frame::last(&body))
                    .unwrap();
                b.connection
                    .put_frame(&mut b.out, Frame::last(b""))
                    .unwrap();
                run(&mut a, &mut b);
                assert_eq!(a.take_told(), ["last "]);
                let told = ["more one".to_owned(), format!("last {}", "x".repeat(300))];
                assert_eq!(b.take_told(), told);
            }
        }
    }
}

#[test]
fn subscriptions_reach_every_version() {
    for ours in VERSIONS {
        for theirs in VERSIONS {
            let (mut a, mut b) = opened(
                upto(ours, SocketType::Sub, ""),
                upto(theirs, SocketType::XPub, ""),
            );
            a.connection.put_subscribe(&mut a.out, b"topic").unwrap();
            a.connection.put_cancel(&mut a.out, b"topic").unwrap();
            let sent = a.out.clone();
            run(&mut a, &mut b);
            assert_eq!(b.take_told(), ["subscribe topic", "cancel topic"]);
            let expected: &[u8] = match ours.min(theirs) {
                Version::V1_0 => b"\x07\0\x01topic\x07\0\0topic",
                Version::V2_0 | Version::V3_0 => b"\0\x06\x01topic\0\x06\0topic",
                Version::V3_1 => b"\x04\x0f\x09SUBSCRIBEtopic\x04\x0c\x06\x43ANCELtopic",
            };
            assert_eq!(sent[..], *expected);
        }
    }
}

#[test]
fn an_unversioned_peer_reads_its_own_frames() {
    let mut a = End::new(upto(Version::V3_1, SocketType::Router, "router"));
    a.feed(b"\x04\0abc");
    // Ten octets that were a head, and the identity behind it.
    assert_eq!(a.out[..], *b"\xff\0\0\0\0\0\0\0\x07\x7frouter");
    assert_eq!(a.told, ["version 1.0", "handshake", "ready ? abc"]);
    assert_eq!(a.connection.framing(), Some(Framing::V1));
    a.feed(b"\x01\x01\x06\0hello");
    assert_eq!(a.told[3..], ["more ", "last hello"]);
}

#[test]
fn an_unversioned_peer_may_have_a_long_identity() {
    let mut a = End::new(settings(SocketType::Pull));
    a.feed(b"\xff\0\0\0\0\0\0\0\x04");
    assert_eq!(a.out.len(), 10);
    a.feed(b"\0");
    assert_eq!(a.told, ["version 1.0"]);
    a.feed(b"abc\x06\0hello");
    assert_eq!(a.told[1..], ["handshake", "ready ? abc", "last hello"]);
    let mut a = End::new(settings(SocketType::Pull));
    a.feed(b"\xff\0\0\0\0\0\0\x01\x01\0");
    assert!(matches!(a.error, Some(Error::Frame(_))), "{:?}", a.error);
    let mut a = End::new(settings(SocketType::Pull));
    a.feed(b"\x02\0\0");
    assert_eq!(a.error, Some(Error::Identity(IdentityError::Reserved)));
}

#[test]
fn an_unversioned_subscriber_is_subscribed_to_everything() {
    for publisher in [SocketType::Pub, SocketType::XPub] {
        let mut a = End::new(settings(publisher));
        a.feed(b"\x01\0");
        let told = ["version 1.0", "handshake", "ready ? ", "subscribe "];
        assert_eq!(a.told, told);
        assert!(a.connection.is_open());
    }
    let mut a = End::new(settings(SocketType::Push));
    a.feed(b"\x01\0");
    assert_eq!(a.told.len(), 3);
}

#[test]
fn a_peer_of_2_0_is_told_the_type() {
    let mut a = End::new(upto(Version::V3_1, SocketType::XSub, "me"));
    a.feed(b"\xff\0\0\0\0\0\0\0\0\x7f");
    a.feed(b"\x01");
    assert_eq!(a.out[..], *b"\xff\0\0\0\0\0\0\0\x03\x7f\x03\x02\0\x02me");
    a.feed(b"\x01\0\0");
    assert_eq!(a.told, ["version 2.0", "handshake", "ready PUB "]);
    // Revision 2 is 2.0 too; revision 0 has frames of 1.0 behind the greeting.
    for (revision, identity, version) in [(2, &b"\0\x01x"[..], "2.0"), (0, b"\x02\0x", "1.0")] {
        let mut a = End::new(settings(SocketType::Pull));
        a.feed(b"\xff\0\0\0\0\0\0\0\0\x7f");
        a.feed(&[revision, 8]);
        a.feed(identity);
        let told = [&format!("version {version}"), "handshake", "ready PUSH x"];
        assert_eq!(a.told, told);
    }
}

#[test]
fn a_peer_of_2_0_must_be_one_to_speak_with() {
    let say = |octet: u8| {
        let mut a = End::new(settings(SocketType::Pull));
        a.feed(b"\xff\0\0\0\0\0\0\0\0\x7f");
        a.feed(&[1, octet]);
        a.error
    };
    let (ours, theirs) = (SocketType::Pull, SocketType::Pub);
    assert_eq!(say(1), Some(Error::SocketTypes { ours, theirs }));
    assert_eq!(say(8), None);
    assert_eq!(say(11), Some(Error::UnknownSocketType));
    // libzmq tells XPUB and XSUB by octets of their own.
    let mut a = End::new(settings(SocketType::Sub));
    a.feed(b"\xff\0\0\0\0\0\0\0\0\x7f\x01\x09\0\0");
    assert_eq!(a.told[2], "ready XPUB ");
}

#[test]
fn there_is_no_downgrade_where_security_is_asked_for() {
    let asked = || Mechanism::Null(Authentication::Asked);
    let mechanisms = [plain().0, plain().1, curve().0, curve().1, asked()];
    let peers: [&[u8]; 3] = [
        b"\x01\0",
        b"\xff\0\0\0\0\0\0\0\x04\0abc",
        b"\xff\0\0\0\0\0\0\0\0\x7f\x01\x07\0\0",
    ];
    for mechanism in mechanisms {
        let name = mechanism.name();
        let mut a = End::new(with(SocketType::Push, mechanism));
        let peer = peers[usize::from(name.as_bytes()[0]) % 3];
        a.feed(peer);
        let is_refused = matches!(a.error, Some(Error::Version { .. }));
        assert!(is_refused, "{name}: {:?}", a.error);
    }
    for peer in peers {
        let mut a = End::new(with(SocketType::Push, asked()));
        a.feed(peer);
        assert!(matches!(a.error, Some(Error::Version { .. })));
        let mut a = End::new(settings(SocketType::Scatter));
        a.feed(peer);
        assert!(matches!(a.error, Some(Error::Version { .. })));
    }
}

#[test]
fn the_oldest_version_is_a_setting() {
    for min in VERSIONS {
        for theirs in VERSIONS {
            let mut a = End::new(Settings {
                version_min: min,
                ..settings(SocketType::Pull)
            });
            let mut b = End::new(upto(theirs, SocketType::Push, ""));
            run(&mut a, &mut b);
            let version = theirs;
            let expected = (version < min).then_some(Error::Version { version, min });
            assert_eq!(a.error, expected);
        }
    }
    let mut a = End::new(Settings {
        version_min: Version::V3_0,
        version_max: Version::V1_0,
        ..settings(SocketType::Pull)
    });
    a.feed(&greeting("NULL"));
    assert!(matches!(a.error, Some(Error::Version { .. })));
}
