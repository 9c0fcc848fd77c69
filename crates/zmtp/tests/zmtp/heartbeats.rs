//! PING, PONG, and dead peers, in time that is handed in.

use crate::pair::{End, command, opened, run, settings};
use zmtp::{Beat, Error, Frame, Heartbeat, HeartbeatSettings, Settings, SocketType, Version};

fn beating(interval_ms: u64, timeout_ms: Option<u64>, ttl_ds: u16) -> Settings {
    Settings {
        heartbeat: HeartbeatSettings {
            interval_ms,
            timeout_ms,
            ttl_ds,
        },
        ..settings(SocketType::Push)
    }
}

fn at(end: &mut End, now_ms: u64) -> Result<(), Error> {
    end.connection.handle_deadline(now_ms, &mut end.out)
}

#[test]
fn one_is_sent_each_interval() {
    let (mut a, mut b) = opened(beating(100, Some(1_000), 20), settings(SocketType::Pull));
    assert_eq!(a.connection.deadline_ms(), Some(100));
    assert_eq!(b.connection.deadline_ms(), None);
    assert_eq!(at(&mut a, 99), Ok(()));
    assert!(a.out.is_empty());
    assert_eq!(at(&mut a, 100), Ok(()));
    assert_eq!(a.out[..], command("PING", b"\0\x14"));
    b.connection.handle_received(100);
    a.connection.handle_received(100);
    run(&mut a, &mut b);
    assert_eq!(
        (b.take_told(), a.take_told()),
        (vec!["ping".to_owned()], vec!["pong ".to_owned()])
    );
    assert_eq!(a.connection.deadline_ms(), Some(200));
    assert_eq!(b.connection.deadline_ms(), Some(2_100), "as the TTL says");
}

#[test]
fn a_peer_that_does_not_answer_is_dead() {
    let (mut a, _) = opened(beating(100, Some(250), 0), settings(SocketType::Pull));
    for now_ms in [100, 200, 300] {
        assert_eq!(at(&mut a, now_ms), Ok(()));
    }
    assert_eq!(a.connection.deadline_ms(), Some(350), "since the first");
    assert_eq!(at(&mut a, 349), Ok(()));
    let error = at(&mut a, 350).unwrap_err();
    assert_eq!(error, Error::Silent);
    assert!(error.is_temporary());
    assert_eq!(a.connection.deadline_ms(), None);
    assert_eq!(at(&mut a, 351), Err(Error::Silent));
}

#[test]
fn whatever_comes_is_a_sign_of_life() {
    let (mut a, mut b) = opened(beating(100, None, 0), settings(SocketType::Pull));
    assert_eq!(at(&mut a, 100), Ok(()));
    a.out.clear();
    b.connection
        .put_frame(&mut b.out, Frame::last(b"x"))
        .unwrap();
    a.connection.handle_received(150);
    a.feed(&b.out.split());
    assert_eq!(at(&mut a, 200), Ok(()));
    assert_eq!(
        at(&mut a, 300),
        Err(Error::Silent),
        "as long as the interval"
    );
}

#[test]
fn a_peer_that_said_when_it_is_dead_is() {
    let (_, mut b) = opened(settings(SocketType::Push), settings(SocketType::Pull));
    b.connection.handle_received(1_000);
    b.feed(&command("PING", b"\0\x05"));
    assert_eq!(b.connection.deadline_ms(), Some(1_500));
    b.connection.handle_received(1_400);
    b.feed(b"\0\x01x");
    assert_eq!(b.connection.deadline_ms(), None);
    b.connection.handle_received(2_000);
    b.feed(&command("PING", b"\xff\xff"));
    assert_eq!(b.connection.deadline_ms(), Some(2_000 + 6_553_500));
    assert_eq!(at(&mut b, 2_000 + 6_553_500), Err(Error::Silent));
}

#[test]
fn older_peers_get_none() {
    for (version, deadline) in [
        (Version::V1_0, None),
        (Version::V2_0, None),
        (Version::V3_0, Some(100)),
    ] {
        let pull = Settings {
            version_max: version,
            ..settings(SocketType::Pull)
        };
        let (a, _) = opened(beating(100, None, 0), pull);
        assert_eq!(a.connection.deadline_ms(), deadline, "{version}");
    }
}

#[test]
fn a_timeout_of_0_is_none() {
    let settings = HeartbeatSettings {
        interval_ms: 10,
        timeout_ms: Some(0),
        ttl_ds: 0,
    };
    let mut heartbeat = Heartbeat::new(settings, 5);
    assert_eq!(heartbeat.handle_deadline(14), Beat::None);
    for now_ms in [15, 25, 1_000_000] {
        assert_eq!(heartbeat.handle_deadline(now_ms), Beat::Ping);
    }
    assert_eq!(heartbeat.deadline_ms(), Some(1_000_010));
}
